//! Hosts that can't have the translator: what was only preferred falls back, what was asked for by
//! name is refused with a cure.

mod rig;

use machine::{Engine, JitError, Machine, MachineConfig, MachineError, StopReason, Until};
use rig::{advance, config};

/// mov al,5; out 0F4h,al
const EXITS: [u8; 4] = [0xB0, 0x05, 0xE6, 0xF4];

/// The machine on a host whose processor lacks something.
fn on_a_host_without(lack: fn() -> Result<(), JitError>, engine: Engine) -> MachineConfig {
    let mut config = MachineConfig { engine, ..config(&EXITS) };
    config.translator.host = lack;
    config
}

#[test]
fn without_fsgsbase_the_interpreter_runs_and_says_why() {
    let lack = || Err(JitError::Processor("FSGSBASE"));
    let mut m = Machine::new(on_a_host_without(lack, Engine::default())).unwrap();
    let why = m.untranslated().expect("the host was refused").to_string();
    assert_eq!(why, "this host's processor has no FSGSBASE");
    assert!(m.translator_statistics().is_none());
    assert_eq!(advance(&mut m, Until::ns(1_000_000_000)), StopReason::DebugExit(5));
}

#[test]
fn a_host_that_refuses_memory_is_one_without_a_translator() {
    let lack = || {
        let source = std::io::ErrorKind::OutOfMemory.into();
        Err(JitError::Host { what: "memory for translated code", source })
    };
    let m = Machine::new(on_a_host_without(lack, Engine::default())).unwrap();
    let why = m.untranslated().expect("the host was refused").to_string();
    assert!(why.starts_with("the host refused memory for translated code"), "{why}");
}

#[test]
fn a_translator_asked_for_by_name_is_an_error_with_its_cure() {
    let lack = || Err(JitError::Processor("BMI2"));
    for engine in [Engine::Jit, Engine::Lockstep] {
        let error = Machine::new(on_a_host_without(lack, engine)).unwrap_err();
        assert!(matches!(error, MachineError::Jit(_)), "{error}");
        assert!(error.to_string().contains("no BMI2; use the interpreter"), "{error}");
    }
}

#[test]
fn on_this_host_the_default_translates() {
    let mut m = rig::machine(&EXITS);
    assert!(m.untranslated().is_none() && m.translator_statistics().is_some());
}
