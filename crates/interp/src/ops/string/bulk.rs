//! Many iterations of MOVS and STOS at once, as long as they stay within one page each of
//! source and destination that the view knows as plain memory. All else goes one by one.
//!
//! Invariant: after a run the state is that after as many single iterations. Nothing here can
//! fault, reach a device or write into code.

use super::{EDI, ESI, address, set_address};
use crate::cpu::{Cpu, Word};
use bus::System;
use decode::Insn;
use x86::SegReg;

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
        for at in (0..u64::from(bytes)).step_by(width) {
            arena.write(to + at, &value[..width]);
        }
    }
    forward::<A32>(cpu, EDI, bytes);
    count
}

/// Whole elements in so many bytes (at most a page), `most` at most.
fn elements<W: Word>(bytes: u64, most: u32) -> u32 {
    (bytes as u32 / W::BYTES).min(most)
}
