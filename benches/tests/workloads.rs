//! Every workload ends with the right checksum, whoever runs it, and takes the same steps however
//! it is run.

use benches::rig::{self, Board};
use interp::Dispatch;
use machine::{Engine, Machine, MachineConfig, StopReason, Until};
use roms::bench::Workload;
use std::sync::Arc;
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

fn on_a_machine(workload: &Workload, engine: Engine) -> (String, u64) {
    let mut config = MachineConfig { wanted: Wanted::empty(), engine, ..MachineConfig::default() };
    config.add_image(Arc::from(workload.image_with(2))).unwrap();
    let mut machine = Machine::new(config).unwrap();
    let stop = machine.advance(Until::step(u64::MAX));
    assert_eq!(stop, StopReason::PoweredOff, "{}", workload.name);
    let printed = String::from_utf8_lossy(&machine.board().take_console()).into_owned();
    (printed, machine.steps())
}

#[test]
fn every_workload_prints_its_checksum_in_the_same_steps_on_each_engine_of_a_machine() {
    for workload in roms::bench::all() {
        let (printed, steps) = on_a_machine(&workload, Engine::Jit);
        let expected = workload.start_line() + &workload.end_line();
        assert!(printed.ends_with(&expected), "{printed}");
        let interpreted = on_a_machine(&workload, Engine::Interp);
        assert_eq!(interpreted, (printed, steps), "{}", workload.name);
    }
}
