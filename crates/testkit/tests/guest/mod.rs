//! A guest whose emitted code faults in its windows, for tests of what a process may do meanwhile.

use machine::{Engine, Machine, MachineConfig, StopReason, Tuning, Until, WindowUse};

/// No guest here runs longer.
pub const END: u64 = 5_000_000;

/// A translator with windows from the start, about to boot the checks of paging.
pub fn machine() -> Machine {
    let mut config = MachineConfig {
        engine: Engine::Jit,
        translator: Tuning { cold_runs: 0, windows: WindowUse::AtOnce, ..Tuning::default() },
        ..MachineConfig::default()
    };
    config.add_image(roms::get("check-paging").expect("a check").into()).expect("a diskette");
    Machine::new(config).expect("a translator")
}

/// Runs to this step, or to the end.
pub fn advance(machine: &mut Machine, step: u64) -> StopReason {
    loop {
        let stop = machine.advance(Until::step(step));
        if stop != StopReason::EventsFull {
            return stop;
        }
        drop(machine.take_events());
    }
}
