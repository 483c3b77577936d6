//! What decoding an instruction costs: the price of a block that is built afresh.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Forms as compilers use them: registers, memory with and without index, immediates, 0F.
const CODE: [(&str, &[u8]); 5] = [
    ("add eax, ecx", &[0x01, 0xC8]),
    ("mov eax, [ebx+esi*4+8]", &[0x8B, 0x44, 0xB3, 0x08]),
    ("mov dword ptr [ebp-4], 1", &[0xC7, 0x45, 0xFC, 1, 0, 0, 0]),
    ("movzx eax, byte ptr [ebx]", &[0x0F, 0xB6, 0x03]),
    ("jne +5", &[0x75, 0x05]),
];

fn instructions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, bytes) in CODE {
        group.bench_function(name, |b| b.iter(|| decode::decode(black_box(bytes), true)));
    }
    group.finish();
}

criterion_group!(benches, instructions);
criterion_main!(benches);
