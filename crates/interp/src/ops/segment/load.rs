//! Loading a segment register, check by check (SDM 2 MOV, SDM 3A 5.6, 5.7, 20.1.1).
//!
//! Invariant: nothing but the accessed bit in the descriptor changes here; the caller loads
//! the register after the last step that can fault.

use super::table::{self, Who};
use crate::cpu::Cpu;
use bus::System;
use x86::cause::{Check, Origin};
use x86::segment::attr;
use x86::{Fault, SegReg, Segment, Selector, Vector};

/// A segment register as real mode loads it: the base changes, limit and size stay.
pub(in crate::ops) fn real(old: &Segment, selector: u16) -> Segment {
    let fresh = Segment::real(selector);
    if !old.is_usable() {
        return fresh;
    }
    let kept = old.attrs & (attr::DB | attr::G);
    Segment { limit: old.limit, attrs: fresh.attrs | kept, ..fresh }
}

/// A segment register as virtual-8086 mode has it: 64 KiB, ring 3.
pub(in crate::ops) fn vm86(selector: u16) -> Segment {
    let mut segment = Segment::real(selector);
    segment.attrs |= 3 << 5;
    segment
}

/// A segment register as the mode loads it where selectors name no descriptors.
pub(in crate::ops) fn by_paragraph(cpu: &Cpu, reg: SegReg, selector: u16) -> Segment {
    if cpu.state.vm86() { vm86(selector) } else { real(cpu.state.segment(reg), selector) }
}

/// What a program's load of `reg` with `selector` gives, in any mode.
pub(in crate::ops) fn checked(
    cpu: &mut Cpu,
    sys: &mut System,
    reg: SegReg,
    selector: Selector,
) -> Result<Segment, Fault> {
    if !cpu.state.uses_descriptors() {
        return Ok(by_paragraph(cpu, reg, selector.0));
    }
    let who = Who::program(Origin::Load(reg));
    let cpl = cpu.state.cpl;
    if reg == SegReg::Ss {
        stack(cpu, sys, selector, cpl, who)
    } else {
        data(cpu, sys, selector, cpl, who)
    }
}

/// A data segment for code at `cpl`: null, or data or readable code that it may touch.
pub(in crate::ops) fn data(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    cpl: u8,
    who: Who,
) -> Result<Segment, Fault> {
    if selector.is_null() {
        return Ok(Segment::null(selector));
    }
    let mut entry = table::fetch(cpu, sys, selector, who)?;
    let d = entry.descriptor;
    if !d.is_readable() {
        return Err(entry.refuse(cpu, Check::NotReadable, who));
    }
    if !d.is_conforming() && selector.rpl().max(cpl) > d.dpl() {
        return Err(entry.refuse(cpu, Check::Privilege, who));
    }
    entry.present(cpu, who)?;
    entry.accessed(cpu, sys)
}

/// A stack segment for `cpl`: RPL and DPL equal to it, writable data.
#[inline(always)]
pub(in crate::ops) fn stack(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    cpl: u8,
    who: Who,
) -> Result<Segment, Fault> {
    let mut entry = table::fetch(cpu, sys, selector, who)?;
    let d = entry.descriptor;
    if selector.rpl() != cpl {
        return Err(entry.refuse(cpu, Check::Rpl, who));
    }
    if !d.is_writable() {
        return Err(entry.refuse(cpu, Check::NotWritable, who));
    }
    if d.dpl() != cpl {
        return Err(entry.refuse(cpu, Check::StackPrivilege, who));
    }
    if !d.present() {
        return Err(entry.refuse_as(cpu, Vector::StackFault, Check::NotPresent, who));
    }
    entry.accessed(cpu, sys)
}
