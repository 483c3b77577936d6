//! The price of a door: INT n through an interrupt gate and IRET back, in ring 0; a far call
//! and its return. Paging is off.

use benches::rig::Board;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use interp::Dispatch;
use x86::PhysAddr;
use x86::segment::TableReg;
use x86::state::gpr;

/// Where the loops lie.
const AT: u32 = 0x1000;
/// What they call: IRETD, and RETF right behind it.
const HANDLER: u64 = 0x1100;
const GDT: u64 = 0x2000;
const IDT: u64 = 0x3000;
/// Rounds in one iteration, of three steps each.
const ROUNDS: u64 = 10_000;

/// int 80h ; jmp back
const INTERRUPT: &[u8] = &[0xCD, 0x80, 0xEB, 0xFC];
/// call 8:1101h ; jmp back
const FAR_CALL: &[u8] = &[0x9A, 0x01, 0x11, 0, 0, 8, 0, 0xEB, 0xF7];

/// A board whose GDT has flat code at 8 and data at 10h, with the gate of INT 80h.
fn board(code: &[u8]) -> Board {
    let mut board = Board::with_code(AT, code, Dispatch::Blocks);
    let mut put = |at, value: u64| {
        board.system.mem.write_phys(PhysAddr(at), &value.to_le_bytes());
    };
    put(GDT + 8, 0x00CF_9B00_0000_FFFF);
    put(GDT + 16, 0x00CF_9300_0000_FFFF);
    put(IDT + 0x80 * 8, 0x0000_8E00_0008_0000 | HANDLER);
    put(HANDLER, 0xCBCF);
    board.cpu.state.gdtr = TableReg { base: GDT, limit: 0x17 };
    board.cpu.state.idtr = TableReg { base: IDT, limit: 0x7FF };
    board.cpu.state.set_reg32(gpr::ESP, 0x8000);
    board.cpu.sync();
    board
}

fn doors(c: &mut Criterion) {
    let mut group = c.benchmark_group("crossing");
    group.throughput(Throughput::Elements(ROUNDS));
    for (name, code) in [("INT and IRET", INTERRUPT), ("far CALL and RETF", FAR_CALL)] {
        let mut board = board(code);
        group.bench_function(name, |b| b.iter(|| board.run(3 * ROUNDS)));
        let esp = board.cpu.state.reg32(gpr::ESP);
        assert_eq!((board.cpu.state.eip(), esp), (AT, 0x8000), "{name} left its loop");
    }
    group.finish();
}

criterion_group!(benches, doors);
criterion_main!(benches);
