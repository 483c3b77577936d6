//! Many iterations of MOVS, STOS, CMPS and SCAS at once, as long as they stay within one page each of
//! source and destination that the view knows as plain memory. All else goes one by one.
//!
//! Invariant: after a run the state is that after as many single iterations. Nothing here can
//! fault, reach a device or write into code.

use super::{EDI, ESI, address, set_address};
use crate::cpu::{Cpu, Word};
use bus::System;
use decode::Insn;
use mem::Arena;
use x86::{SegReg, alu};

/// Bytes from here to the end of a page.
fn page_left(lin: u64) -> u64 {
    0x1000 - (lin & 0xFFF)
}

/// Where an index register points: linear address, and the bytes from there to the end of its
/// page, of its segment or of the address space, whichever comes first.
fn reach<const A32: bool>(cpu: &Cpu, seg: SegReg, register: u8, end: u64) -> (u64, u64) {
    let offset = address::<A32>(cpu, register);
    let lin = (cpu.state.segment(seg).base as u32).wrapping_add(offset);
    let space = if A32 { 1 << 32 } else { 1 << 16 };
    let bytes = end.min(space).saturating_sub(u64::from(offset));
    (u64::from(lin), bytes.min(page_left(u64::from(lin))))
}

/// Where DI points in guest memory, and the bytes there that can be written.
fn destination<const A32: bool>(cpu: &Cpu) -> Option<(u64, u64)> {
    let end = cpu.write_end[SegReg::Es as usize];
    let (lin, bytes) = reach::<A32>(cpu, SegReg::Es, EDI, end);
    let at = cpu.mmu.view().write(lin, 1, cpu.state.cpl == 3)?;
    Some((at, bytes))
}

/// Where DI points in guest memory, and the bytes there that can be read.
fn readable_destination<const A32: bool>(cpu: &Cpu) -> Option<(u64, u64)> {
    let (lin, bytes) = reach::<A32>(cpu, SegReg::Es, EDI, cpu.read_end[SegReg::Es as usize]);
    let at = cpu.mmu.view().read(lin, 1, cpu.state.cpl == 3)?;
    Some((at, bytes))
}

/// Where SI points in guest memory, and the bytes there that can be read.
fn source<const A32: bool>(cpu: &Cpu, seg: SegReg) -> Option<(u64, u64)> {
    let (lin, bytes) = reach::<A32>(cpu, seg, ESI, cpu.read_end[seg as usize]);
    let at = cpu.mmu.view().read(lin, 1, cpu.state.cpl == 3)?;
    Some((at, bytes))
}

fn forward<const A32: bool>(cpu: &mut Cpu, register: u8, bytes: u32) {
    let next = address::<A32>(cpu, register).wrapping_add(bytes);
    set_address::<A32>(cpu, register, next);
}

/// Moves upwards up to `most` elements; returns how many, 0 for none.
pub(super) fn copy<W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    most: u32,
) -> u32 {
    let (Some((from, readable)), Some((to, writable))) =
        (source::<A32>(cpu, insn.seg), destination::<A32>(cpu))
    else {
        return 0;
    };
    let count = elements::<W>(readable.min(writable), most);
    let bytes = count * W::BYTES;
    // A destination a little above the source is read back as it is written.
    if to > from && to - from < u64::from(bytes) {
        return 0;
    }
    sys.mem.arena_mut().copy_within(from, to, bytes as usize);
    forward::<A32>(cpu, ESI, bytes);
    forward::<A32>(cpu, EDI, bytes);
    count
}

/// Stores the accumulator upwards up to `most` times; returns how often, 0 for never.
pub(super) fn fill<W: Word, const A32: bool>(cpu: &mut Cpu, sys: &mut System, most: u32) -> u32 {
    let Some((to, writable)) = destination::<A32>(cpu) else {
        return 0;
    };
    let count = elements::<W>(writable, most);
    let value = cpu.reg::<W>(0).zx().to_le_bytes();
    let width = W::BYTES as usize;
    let bytes = count * W::BYTES;
    let arena = sys.mem.arena_mut();
    if value[..width].iter().all(|b| *b == value[0]) {
        arena.fill(to, bytes as usize, value[0]);
    } else {
        fill_pattern(arena, to, u64::from(bytes), value, width);
    }
    forward::<A32>(cpu, EDI, bytes);
    count
}

/// Fills `bytes` bytes, whole elements, with the first `width` bytes of `value`, 2 or 4.
fn fill_pattern(arena: &mut Arena, to: u64, bytes: u64, value: [u8; 4], width: usize) {
    let mut line = [0; LINE as usize];
    line.chunks_exact_mut(width).for_each(|element| element.copy_from_slice(&value[..width]));
    let lines = bytes / LINE * LINE;
    for at in (0..lines).step_by(LINE as usize) {
        arena.store(to + at, line);
    }
    arena.write(to + lines, &line[..(bytes - lines) as usize]);
}

/// Compares elements upwards, up to `most` and to the first that ends the instruction; returns how
/// many, 0 for none. The flags are those of the last.
pub(super) fn compare<W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    most: u32,
) -> u32 {
    let (Some((a, left)), Some((b, right))) =
        (source::<A32>(cpu, insn.seg), readable_destination::<A32>(cpu))
    else {
        return 0;
    };
    let (arena, ends_equal) = (sys.mem.arena(), insn.has(Insn::REPNE));
    let element = |at: u64| (element::<W>(arena, a + at), element::<W>(arena, b + at));
    let differ = |at| arena.load::<{ LINE as usize }>(a + at) != arena.load(b + at);
    let count = search::<W>(
        elements::<W>(left.min(right), most),
        |at| ends_equal || differ(at),
        |at| {
            let (x, y) = element(at);
            (x.zx() == y.zx()) == ends_equal
        },
    );
    if count > 0 {
        let (x, y) = element(u64::from((count - 1) * W::BYTES));
        cpu.state.arith = alu::sub(x, y, false).1;
    }
    forward::<A32>(cpu, ESI, count * W::BYTES);
    forward::<A32>(cpu, EDI, count * W::BYTES);
    count
}

/// Scans elements upwards as [`compare`] does, with the accumulator.
pub(super) fn scan<W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    most: u32,
) -> u32 {
    let Some((from, left)) = readable_destination::<A32>(cpu) else { return 0 };
    let (arena, ends_equal, wanted) =
        (sys.mem.arena(), insn.has(Insn::REPNE), cpu.reg::<W>(0).zx());
    let width = W::BYTES as usize;
    let pattern = wanted.to_le_bytes();
    let may_end = |at| {
        let line: [u8; LINE as usize] = arena.load(from + at);
        line.chunks_exact(width).any(|element| (element == &pattern[..width]) == ends_equal)
    };
    let count = search::<W>(elements::<W>(left, most), may_end, |at| {
        (element::<W>(arena, from + at).zx() == wanted) == ends_equal
    });
    if count > 0 {
        let last = element::<W>(arena, from + u64::from((count - 1) * W::BYTES));
        cpu.state.arith = alu::sub(cpu.reg::<W>(0), last, false).1;
    }
    forward::<A32>(cpu, EDI, count * W::BYTES);
    count
}

/// Bytes looked at at once.
const LINE: u64 = 32;

/// Elements up to the first that `ends`, it included, or all of `most`; `may_end` says of a whole
/// line whether one of its elements may.
fn search<W: Word>(most: u32, may_end: impl Fn(u64) -> bool, ends: impl Fn(u64) -> bool) -> u32 {
    let (width, a_line) = (W::BYTES, LINE as u32 / W::BYTES);
    let mut n = 0;
    while n + a_line <= most && !may_end(u64::from(n * width)) {
        n += a_line;
    }
    while n < most && !ends(u64::from(n * width)) {
        n += 1;
    }
    (n + 1).min(most)
}

/// An element in guest memory.
fn element<W: Word>(arena: &Arena, at: u64) -> W {
    W::trunc(match W::BYTES {
        1 => u32::from(u8::from_le_bytes(arena.load(at))),
        2 => u32::from(u16::from_le_bytes(arena.load(at))),
        _ => u32::from_le_bytes(arena.load(at)),
    })
}

/// Whole elements in so many bytes (at most a page), `most` at most.
fn elements<W: Word>(bytes: u64, most: u32) -> u32 {
    (bytes as u32 / W::BYTES).min(most)
}
