//! Every workload ends with the right checksum on a bare board, and takes the same steps however
//! the interpreter dispatches.

use benches::rig::Board;
use interp::Dispatch;
use roms::bench::Workload;

fn run(workload: &Workload, dispatch: Dispatch) -> (String, u64) {
    let mut board = Board::new(workload, 1, dispatch);
    assert!(board.run_to_power_off(), "{}: {:?}", workload.name, board.printed());
    (board.printed(), board.cpu.steps)
}

#[test]
fn every_workload_prints_its_checksum_in_the_same_steps_by_blocks_and_singly() {
    for workload in roms::bench::all() {
        let (printed, steps) = run(&workload, Dispatch::Blocks);
        assert_eq!(printed, workload.start_line() + &workload.end_line());
        assert_eq!(run(&workload, Dispatch::Single), (printed, steps), "{}", workload.name);
    }
}
