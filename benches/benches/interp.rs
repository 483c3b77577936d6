//! The interpreter on endless loops of a few instructions: what a block, a load and a store
//! cost. Paging is off, so that nothing but the loop is measured.

use benches::rig::Board;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use interp::Dispatch;

/// Steps in one iteration.
const STEPS: u64 = 100_000;
/// Where the loops lie.
const AT: u32 = 0x1000;

/// inc eax ; add ebx, eax ; xor edx, eax ; jmp to the first
const ALU: &[u8] = &[0x40, 0x01, 0xC3, 0x31, 0xC2, 0xEB, 0xF9];
/// Three jumps to the next instruction, and one back: blocks of one instruction.
const JUMPS: &[u8] = &[0xEB, 0x00, 0xEB, 0x00, 0xEB, 0x00, 0xEB, 0xF8];
/// mov eax, [ecx*4 + 100000h] ; mov [ecx*4 + 140000h], eax ; inc ecx ; and ecx, FFFFh ; jmp back
const MEMORY: &[u8] = &[
    0x8B, 0x04, 0x8D, 0x00, 0x00, 0x10, 0x00, 0x89, 0x04, 0x8D, 0x00, 0x00, 0x14, 0x00, 0x41, 0x81,
    0xE1, 0xFF, 0xFF, 0x00, 0x00, 0xEB, 0xE9,
];

fn loops(c: &mut Criterion) {
    let mut group = c.benchmark_group("interp");
    group.throughput(Throughput::Elements(STEPS));
    let loops = [("ALU", ALU), ("jumps", JUMPS), ("loads and stores", MEMORY)];
    for (name, code) in loops {
        for (how, dispatch) in [("blocks", Dispatch::Blocks), ("singly", Dispatch::Single)] {
            let mut board = Board::with_code(AT, code, dispatch);
            group.bench_function(format!("{name}, {how}"), |b| b.iter(|| board.run(STEPS)));
            let eip = board.cpu.state.eip();
            assert!((AT..AT + code.len() as u32).contains(&eip), "left its loop for {eip:#x}");
        }
    }
    group.finish();
}

criterion_group!(benches, loops);
criterion_main!(benches);
