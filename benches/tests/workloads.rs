//! Every workload ends with the right checksum, whoever runs it, and takes the same steps however
//! it is run.

use benches::rig::{self, Board};
use interp::Dispatch;
use machine::{Engine, Links, Machine, MachineConfig, StopReason, Tuning, Until, WindowUse};
use roms::bench::Workload;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use x86::event::Wanted;

fn on_a_bare_board(workload: &Workload, dispatch: Dispatch) -> (String, u64) {
    let mut board = Board::new(workload, 1, dispatch);
    assert!(board.run_to_power_off(), "{}: {:?}", workload.name, board.printed());
    (board.printed(), board.cpu.steps)
}

#[test]
fn every_workload_prints_its_checksum_in_the_same_steps_by_blocks_and_singly() {
    for workload in rig::workloads() {
        let (printed, steps) = on_a_bare_board(&workload, Dispatch::Blocks);
        assert_eq!(printed, workload.start_line() + &workload.end_line());
        let singly = on_a_bare_board(&workload, Dispatch::Single);
        assert_eq!(singly, (printed, steps), "{}", workload.name);
    }
}

fn machine(workload: &Workload, engine: Engine, translator: Tuning) -> Machine {
    machine_with(2, workload, engine, translator)
}

fn machine_with(rounds: u32, workload: &Workload, engine: Engine, translator: Tuning) -> Machine {
    let wanted = Wanted::empty();
    let mut config = MachineConfig { wanted, engine, translator, ..MachineConfig::default() };
    config.add_image(Arc::from(workload.image_with(rounds))).unwrap();
    let mut machine = Machine::new(config).unwrap();
    let stop = machine.advance(Until::step(u64::MAX));
    assert_eq!(stop, StopReason::PoweredOff, "{}", workload.name);
    machine
}

fn on_a_machine(workload: &Workload, engine: Engine, translator: Tuning) -> (String, u64) {
    let machine = machine(workload, engine, translator);
    let printed = String::from_utf8_lossy(&machine.board().take_console()).into_owned();
    (printed, machine.steps())
}

#[test]
fn every_workload_prints_its_checksum_in_the_same_steps_on_each_engine_of_a_machine() {
    for workload in roms::bench::all() {
        let (printed, steps) = on_a_machine(&workload, Engine::Jit, Tuning::default());
        let expected = workload.start_line() + &workload.end_line();
        assert!(printed.ends_with(&expected), "{printed}");
        let interpreted = on_a_machine(&workload, Engine::Interp, Tuning::default());
        assert_eq!(interpreted, (printed, steps), "{}", workload.name);
    }
}

fn named(name: &str) -> Workload {
    roms::bench::all().into_iter().find(|workload| workload.name == name).unwrap()
}

#[test]
fn links_and_windows_change_no_step() {
    for workload in ["fib", "generate", "syscall"].map(named) {
        let steps = |links, windows| {
            let tuning = Tuning { links, windows, ..Tuning::default() };
            on_a_machine(&workload, Engine::Jit, tuning)
        };
        let all = steps(Links::All, WindowUse::AtRest);
        assert_eq!(steps(Links::Direct, WindowUse::Never), all, "{}", workload.name);
        assert_eq!(steps(Links::Never, WindowUse::Never), all, "{}", workload.name);
        assert_eq!(steps(Links::All, WindowUse::AtOnce), all, "{}", workload.name);
    }
}

#[test]
fn a_guest_that_writes_code_on_and_on_outlives_its_translations() {
    let filter = named("filter");
    let run = |engine| machine_with(100, &filter, engine, Tuning::default());
    let (mut translated, interpreted) = (run(Engine::Jit), run(Engine::Interp));
    let printed = String::from_utf8_lossy(&translated.board().take_console()).into_owned();
    assert!(printed.ends_with(&filter.end_line()), "{printed}");
    assert_eq!(translated.steps(), interpreted.steps());
    let said = translated.translator_statistics().unwrap();
    // Room for tens of megabytes: it was made again since next to all of it was dead.
    assert!(said.flushes > 2 && said.host_bytes < 10 << 20, "{said:?}");
}

/// A handler of #UD or #PF returns with RF set.
#[test]
fn what_a_faults_handler_returns_to_is_not_interpreted() {
    for workload in ["exception", "fault"].map(named) {
        let [few, many] = [2, 22].map(|rounds| {
            let mut machine = machine_with(rounds, &workload, Engine::Jit, Tuning::default());
            let said = machine.translator_statistics().unwrap();
            let callouts: u64 = said.callouts.iter().map(|(_, count)| count).sum();
            (machine.steps(), said.interpreted_steps - callouts)
        });
        let (steps, alone) = (many.0 - few.0, many.1 - few.1);
        assert!(alone * 200 < steps, "{}: {alone} of {steps} steps", workload.name);
    }
}

#[test]
fn the_translators_statistics_tell_emitted_steps_from_interpreted_ones() {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    let clock = || TICKS.fetch_add(1, Ordering::Relaxed);
    let tuning = Tuning { clock: Some(clock), ..Tuning::default() };
    let mut machine = machine(&named("fib"), Engine::Jit, tuning);
    let said = machine.translator_statistics().unwrap();
    assert!(said.interpreted_steps * 2 < machine.steps(), "{said:?}");
    assert!(said.blocks >= said.live_blocks && said.live_blocks > 0, "{said:?}");
    assert!(said.guest_insns > said.blocks && said.host_bytes > said.guest_insns, "{said:?}");
    // The clock is read before and after a block is made, and at attempts that make none.
    assert!(said.making_ns >= said.blocks, "{said:?}");
    let outputs = said.callouts.iter().find(|(name, _)| name == "out").unwrap().1;
    assert!(outputs > 20, "the two lines are printed by OUT: {said:?}");
}
