//! The pure ALU: what an operation costs when its flags are never read, and when they are.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use x86::arith::Arith;
use x86::{alu, shift};

/// Operations in one iteration, so that the loop's own cost fades.
const CHAIN: u32 = 1000;

fn operations(c: &mut Criterion) {
    let mut group = c.benchmark_group("alu");
    group.throughput(Throughput::Elements(u64::from(CHAIN)));
    group.bench_function("add, flags dead", |b| {
        b.iter(|| (0..CHAIN).fold(1_u32, |sum, n| alu::add(sum, black_box(n), false).0));
    });
    group.bench_function("adc chain", |b| {
        b.iter(|| {
            let step = |(sum, flags): (u32, Arith), n| alu::add(sum, n, flags.cf());
            (0..CHAIN).fold((black_box(u32::MAX), Arith::default()), step)
        });
    });
    group.bench_function("dec, keeping CF", |b| {
        b.iter(|| {
            let step = |(sum, flags): (u32, Arith), n| {
                let (value, flags) = alu::dec(black_box(n), flags);
                (sum ^ value, flags)
            };
            (0..CHAIN).fold((7_u32, Arith::from_flags(1)), step)
        });
    });
    group.bench_function("cmp and condition", |b| {
        b.iter(|| {
            let below = |n: &u32| alu::sub(*n, black_box(500_u32), false).1.condition(2);
            (0..CHAIN).filter(below).count()
        });
    });
    group.bench_function("flags to EFLAGS", |b| {
        b.iter(|| {
            let step = |bits, n| bits ^ alu::sub(black_box(n), 500_u32, false).1.flags();
            (0..CHAIN).fold(0, step)
        });
    });
    group.finish();
}

fn shifts(c: &mut Criterion) {
    let mut group = c.benchmark_group("shift");
    group.throughput(Throughput::Elements(u64::from(CHAIN)));
    group.bench_function("shl by n", |b| {
        b.iter(|| {
            let step = |sum: u32, n| sum ^ shift::shl(n, n & 31).map_or(0, |(value, _)| value);
            (0..CHAIN).fold(black_box(1_u32), step)
        });
    });
    group.bench_function("rcl by 1", |b| {
        b.iter(|| {
            let step = |old: (u32, Arith), _| shift::rcl(old.0, 1, old.1).unwrap_or(old);
            (0..CHAIN).fold((black_box(1_u32), Arith::default()), step)
        });
    });
    group.finish();
}

criterion_group!(benches, operations, shifts);
criterion_main!(benches);
