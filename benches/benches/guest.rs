//! The interpreter on the benchmark workloads, one round at a time on a bare board: steps a
//! second without BIOS, timers or the run loop of the machine.

use benches::rig::{self, Board};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use interp::Dispatch;

fn workloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("guest");
    group.sample_size(10);
    for workload in rig::workloads() {
        let mut board = Board::new(&workload, 1, Dispatch::Blocks);
        assert!(board.run_to_power_off(), "{}: {}", workload.name, board.printed());
        group.throughput(Throughput::Elements(board.cpu.steps));
        group.bench_function(workload.name, |b| {
            b.iter_batched_ref(
                || Board::new(&workload, 1, Dispatch::Blocks),
                Board::run_to_power_off,
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, workloads);
criterion_main!(benches);
