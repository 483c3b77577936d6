//! Evidence for the protection model: every self-checking program of `roms/check` prints exactly
//! the transcript kept beside it. The programs start at 7C00h with DL = FFh, the whole image in
//! memory, so that neither the BIOS nor a drive has a part in it; one of them boots as a person
//! would boot it. Each check names its own manual section.

use machine::{Engine, Machine, MachineConfig, StopReason, Until, WindowUse};
use std::fmt::Write as _;
use std::path::Path;
use x86::event::Wanted;
use x86::{Intercept, PhysAddr};

const LOAD_ADDRESS: u32 = 0x7C00;
const ALREADY_LOADED: u32 = 0xFF;
/// EDX by its encoding.
const EDX: usize = 2;
/// No program needs a quarter of this.
const STEPS_AT_MOST: u64 = 5_000_000;

fn kept(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../roms/check/{name}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn image(name: &str) -> &'static [u8] {
    roms::get(name).unwrap_or_else(|| panic!("{name} isn't built"))
}

fn config(engine: Engine) -> MachineConfig {
    MachineConfig { engine, wanted: Wanted::empty(), ..MachineConfig::default() }
}

/// A machine about to run the program, in real mode at 0000:7C00.
fn started(name: &str, engine: Engine) -> Machine {
    loaded(name, config(engine))
}

fn loaded(name: &str, config: MachineConfig) -> Machine {
    let mut machine = Machine::new(config).expect("a machine");
    machine.system_mut().mem.write_phys(PhysAddr(u64::from(LOAD_ADDRESS)), image(name));
    let state = &mut machine.cpu_mut().state;
    state.seg[x86::SegReg::Cs as usize] = x86::Segment::real(0);
    state.rip = u64::from(LOAD_ADDRESS);
    state.set_reg32(EDX, ALREADY_LOADED);
    machine.changed();
    machine
}

/// A machine with the program in its diskette drive.
fn inserted(name: &str, engine: Engine) -> Machine {
    let mut config = config(engine);
    config.add_image(image(name).into()).expect("a diskette");
    Machine::new(config).expect("a default machine")
}

/// The lines that differ, the kept one first.
fn differences(kept: &str, fresh: &str) -> String {
    let mut shown = String::new();
    let pairs = kept.lines().map(Some).chain(std::iter::repeat(None));
    let fresh_lines = fresh.lines().map(Some).chain(std::iter::repeat(None));
    let longest = kept.lines().count().max(fresh.lines().count());
    for (old, new) in pairs.zip(fresh_lines).take(longest).filter(|(old, new)| old != new) {
        let _ = writeln!(shown, "  kept  {}\n  fresh {}", old.unwrap_or("-"), new.unwrap_or("-"));
    }
    shown
}

/// Runs to the end; returns what came out of the debug console, and why it ended.
fn run(machine: &mut Machine) -> (String, StopReason) {
    let mut said = Vec::new();
    loop {
        let stop = machine.advance(Until::step(STEPS_AT_MOST));
        said.extend(machine.board().take_console());
        drop(machine.take_events());
        if stop != StopReason::EventsFull {
            return (String::from_utf8_lossy(&said).into_owned(), stop);
        }
    }
}

/// Each engine prints the transcript, and both come to the same state past the same intercepts.
fn runs_as_kept(name: &str) {
    let ends = [Engine::Interp, Engine::Jit].map(|engine| {
        let mut machine = started(name, engine);
        let (fresh, stop) = run(&mut machine);
        let kept = kept(name);
        let shown = || differences(&kept, &fresh);
        assert!(kept == fresh, "{name} on {engine:?} ({stop:?}):\n{}", shown());
        assert_eq!(stop, StopReason::PoweredOff, "{name} ends by switching the machine off");
        (machine.state_hash(), machine.cpu().callouts)
    });
    let [interpreted, translated] = ends;
    assert_eq!(interpreted.0, translated.0, "{name}: the engines end in different states");
    for ((kind, one), other) in Intercept::ALL.iter().zip(interpreted.1).zip(translated.1) {
        assert_eq!(one, other, "{name}: {} interpreted and translated", kind.name());
    }
}

/// Boots through the BIOS; its own lines on the console don't count.
fn boots_as_kept(name: &str, engine: Engine) {
    let (fresh, stop) = run(&mut inserted(name, engine));
    assert!(fresh.ends_with(&kept(name)), "{name} ({stop:?}) printed:\n{fresh}");
    assert_eq!(stop, StopReason::PoweredOff, "{name} ends by switching the machine off");
}

#[test]
fn check_far_boots_from_a_diskette() {
    boots_as_kept("check-far", Engine::Interp);
}

#[test]
fn blocks_and_single_instructions_agree_on_self_modifying_code() {
    boots_as_kept("check-smc", Engine::LockstepInterp);
}

#[test]
fn blocks_and_single_instructions_agree_on_debug_exceptions() {
    boots_as_kept("check-debug", Engine::LockstepInterp);
}

#[test]
fn translator_and_interpreter_agree_on_self_modifying_code() {
    boots_as_kept("check-smc", Engine::Lockstep);
}

#[test]
fn translator_and_interpreter_agree_on_debug_exceptions() {
    boots_as_kept("check-debug", Engine::Lockstep);
}

#[test]
fn translator_and_interpreter_agree_on_virtual_8086_mode() {
    boots_as_kept("check-vm86", Engine::Lockstep);
}

#[test]
fn check_simd_prints_its_transcript() {
    runs_as_kept("check-simd");
}

#[test]
fn check_x87_prints_its_transcript() {
    runs_as_kept("check-x87");
}

#[test]
fn check_gates_prints_its_transcript() {
    runs_as_kept("check-gates");
}

#[test]
fn check_segments_prints_its_transcript() {
    runs_as_kept("check-segments");
}

#[test]
fn check_far_prints_its_transcript() {
    runs_as_kept("check-far");
}

#[test]
fn check_iret_prints_its_transcript() {
    runs_as_kept("check-iret");
}

#[test]
fn check_tasks_prints_its_transcript() {
    runs_as_kept("check-tasks");
}

#[test]
fn check_vm86_prints_its_transcript() {
    runs_as_kept("check-vm86");
}

#[test]
fn check_io_prints_its_transcript() {
    runs_as_kept("check-io");
}

#[test]
fn check_paging_prints_its_transcript() {
    runs_as_kept("check-paging");
}

#[test]
fn check_debug_prints_its_transcript() {
    runs_as_kept("check-debug");
}

#[test]
fn check_smc_prints_its_transcript() {
    runs_as_kept("check-smc");
}

#[test]
fn check_system_prints_its_transcript() {
    runs_as_kept("check-system");
}

#[test]
fn check_real_prints_its_transcript() {
    runs_as_kept("check-real");
}

#[test]
fn check_guard_prints_its_transcript() {
    runs_as_kept("check-guard");
}

#[test]
fn check_faults_prints_its_transcript() {
    runs_as_kept("check-faults");
}

#[test]
fn check_stack_prints_its_transcript() {
    runs_as_kept("check-stack");
}

/// Machines share the process's signal handlers, and nothing else.
#[test]
fn four_machines_run_in_threads_of_one_process() {
    const NAMES: [&str; 4] = ["check-paging", "check-tasks", "check-smc", "check-x87"];
    let to_its_end = |name| {
        let mut config = config(Engine::Jit);
        config.translator.cold_runs = 0;
        config.translator.hot_rounds = 2;
        config.translator.windows = WindowUse::AtOnce;
        let mut machine = loaded(name, config);
        let (said, stop) = run(&mut machine);
        assert_eq!((said, stop), (kept(name), StopReason::PoweredOff), "{name}");
        machine.translator_statistics().expect("a translator").faults
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|n| scope.spawn(move || NAMES.map(|_| to_its_end(NAMES[n])))).collect();
        let faults = threads.into_iter().flat_map(|thread| thread.join().expect("it passed"));
        assert!(faults.sum::<u64>() > 100);
    });
}
