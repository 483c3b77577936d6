//! Snapshots of a machine that has been through its BIOS's first million steps.

use criterion::{Criterion, criterion_group, criterion_main};
use machine::{Machine, MachineConfig, Until};

fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    group.sample_size(10);
    let mut machine = Machine::new(MachineConfig::default()).expect("the default machine is built");
    machine.advance(Until::step(1_000_000));
    group.bench_function("state hash", |b| b.iter(|| machine.state_hash()));
    group.bench_function("save", |b| b.iter(|| machine.save()));
    let saved = machine.save();
    group.bench_function("restore", |b| {
        b.iter(|| machine.restore(&saved).expect("it was just saved"));
    });
    group.finish();
}

criterion_group!(benches, snapshots);
criterion_main!(benches);
