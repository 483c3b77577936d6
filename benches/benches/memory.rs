//! Guest memory: loads and stores through the arena, the way of a write that must be seen, and
//! the physical map.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mem::{Memory, Target};
use std::hint::black_box;
use x86::PhysAddr;

/// Guest RAM in these benchmarks.
const RAM: u64 = 16 << 20;
/// Accesses in one iteration.
const ACCESSES: u64 = 1000;
/// A stride that meets no page twice in one iteration.
const STRIDE: u64 = 4096 + 64;

fn ram() -> Memory {
    Memory::flat(RAM).expect("the host has 16 MiB")
}

fn offset(n: u64) -> u64 {
    n * STRIDE % (RAM - 8)
}

fn accesses(c: &mut Criterion) {
    let mut group = c.benchmark_group("memory");
    group.throughput(Throughput::Elements(ACCESSES));
    let mut memory = ram();
    group.bench_function("load dword", |b| {
        b.iter(|| {
            let load = |n| u32::from_le_bytes(memory.arena().load(offset(black_box(n))));
            (0..ACCESSES).map(load).fold(0, u32::wrapping_add)
        });
    });
    group.bench_function("store dword with write rights", |b| {
        b.iter(|| {
            for n in 0..ACCESSES {
                memory.arena_mut().store(offset(black_box(n)), (n as u32).to_le_bytes());
            }
        });
    });
    group.bench_function("store dword that must be seen", |b| {
        b.iter(|| {
            for n in 0..ACCESSES {
                black_box(memory.write(offset(black_box(n)) & !3, &(n as u32).to_le_bytes()));
            }
        });
    });
    memory.mark_code(0, 64);
    group.bench_function("store dword beside code on its page", |b| {
        b.iter(|| {
            for n in 0..ACCESSES {
                black_box(memory.write(64 + n % 1000 * 4, &(n as u32).to_le_bytes()));
            }
        });
    });
    group.finish();
}

fn physical_map(c: &mut Criterion) {
    let memory = ram();
    let mut group = c.benchmark_group("physical map");
    group.throughput(Throughput::Elements(ACCESSES));
    group.bench_function("resolve", |b| {
        b.iter(|| {
            let backed = |n: &u64| {
                matches!(memory.resolve(PhysAddr(offset(black_box(*n)))), Target::Memory { .. })
            };
            (0..ACCESSES).filter(backed).count()
        });
    });
    group.throughput(Throughput::Bytes(4096));
    group.bench_function("read a page", |b| {
        let mut page = [0; 4096];
        b.iter(|| memory.read_phys(PhysAddr(black_box(0x5000)), &mut page));
    });
    group.finish();
}

criterion_group!(benches, accesses, physical_map);
criterion_main!(benches);
