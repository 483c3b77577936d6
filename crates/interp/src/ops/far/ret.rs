//! Returns to the same or an outer ring: RETF, and the part that IRET shares with it
//! (SDM 2 RET and IRET, SDM 3A 5.8.6).

use super::stack::Popper;
use super::{Crossing, enter, notes, place, plain, within};
use crate::cpu::Cpu;
use crate::ops::segment::load;
use crate::ops::segment::table::{self, Entry, Who};
use bus::System;
use decode::Insn;
use x86::cause::{Check, Origin};
use x86::event::{Place, StackFrom, Via};
use x86::segment::attr;
use x86::{Fault, Intercept, SegReg, Segment, Selector};

/// A return address whose code segment was found good.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Return {
    /// Its code segment.
    pub entry: Entry,
    /// EIP.
    pub eip: u32,
}

/// RETF, with or without bytes to drop.
pub(super) fn retf(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::FarRet);
    // Without the operand, `imm` is zero.
    let drop = insn.imm & 0xFFFF;
    if insn.op32() && notes::far_return(cpu, sys, drop, insn).is_some() {
        return Ok(());
    }
    let from = place(cpu, insn);
    if insn.op32() && plain::far_return(cpu, sys, drop, from).is_some() {
        return Ok(());
    }
    let mut pops = Popper::told(cpu, insn.op32());
    pops.probe(cpu, sys, 1)?;
    let eip = pops.next(cpu, sys)?;
    let cs = pops.selector(cpu, sys)?;
    if !cpu.state.uses_descriptors() {
        if eip > cpu.state.segment(SegReg::Cs).limit {
            return Err(cpu.beyond_code(eip));
        }
        pops.skip(drop);
        cpu.set_stack_ptr(pops.position());
        let segment = load::by_paragraph(cpu, SegReg::Cs, cs.0);
        let cpl = cpu.state.cpl;
        enter(cpu, segment, cpl, eip);
        Crossing::new(Via::FarReturn, from).tell(cpu);
        return Ok(());
    }
    let mut outer = pops;
    outer.skip(drop);
    probe_outer(cpu, sys, cs, &outer)?;
    let back = Return { entry: checked_code(cpu, sys, cs)?, eip };
    pops.skip(drop);
    finish(cpu, sys, back, pops, drop, Via::FarReturn, from, |_| ())
}

/// Processors read the outer stack's SS:ESP before they look at the code segment.
#[inline]
pub(in crate::ops) fn probe_outer(
    cpu: &mut Cpu,
    sys: &mut System,
    cs: Selector,
    outer: &Popper,
) -> Result<(), Fault> {
    if cs.rpl() == cpu.state.cpl {
        return Ok(());
    }
    outer.probe(cpu, sys, 1)?;
    outer.probe(cpu, sys, 0)
}

/// The code segment of a return, with its checks.
#[inline(always)]
pub(in crate::ops) fn checked_code(
    cpu: &mut Cpu,
    sys: &mut System,
    cs: Selector,
) -> Result<Entry, Fault> {
    let who = Who::program(Origin::Transfer);
    let entry = table::fetch(cpu, sys, cs, who)?;
    let d = entry.descriptor;
    if !d.is_code() {
        return Err(entry.refuse(cpu, Check::NotCode, who));
    }
    if cs.rpl() < cpu.state.cpl {
        return Err(entry.refuse(cpu, Check::ReturnInward, who));
    }
    let allowed = if d.is_conforming() { d.dpl() <= cs.rpl() } else { d.dpl() == cs.rpl() };
    if !allowed {
        return Err(entry.refuse(cpu, Check::Privilege, who));
    }
    entry.present(cpu, who)?;
    Ok(entry)
}

/// Completes a return. `pops` stands behind the return address (and the flags, for IRET);
/// `drop` bytes are dropped from the outer stack too. `flags` runs once nothing can fail,
/// while CPL is still the old one.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "one call each from RETF and IRET")]
pub(in crate::ops) fn finish(
    cpu: &mut Cpu,
    sys: &mut System,
    back: Return,
    mut pops: Popper,
    drop: u32,
    via: Via,
    from: Place,
    flags: impl FnOnce(&mut Cpu),
) -> Result<(), Fault> {
    let Return { mut entry, eip } = back;
    let who = Who::program(Origin::Transfer);
    let ring = entry.selector.rpl();
    let outward = ring > cpu.state.cpl;
    let mut outer = None;
    if outward {
        let esp = pops.next(cpu, sys)?;
        let ss = pops.selector(cpu, sys)?;
        let segment = load::stack(cpu, sys, ss, ring, Who::program(Origin::Load(SegReg::Ss)))?;
        outer = Some((segment, esp));
    }
    within(cpu, &entry, eip, who)?;
    let segment = entry.accessed(cpu, sys)?;
    flags(cpu);
    match outer {
        None => cpu.set_stack_ptr(pops.position()),
        Some((ss, esp)) => {
            cpu.set_segment(SegReg::Ss, ss);
            cpu.set_stack_ptr(esp.wrapping_add(drop));
            drop_inner_segments(cpu, ring);
        }
    }
    enter(cpu, segment, ring, eip);
    let crossing = Crossing {
        code: Some(entry.descriptor),
        stack: if outward { StackFrom::Popped } else { StackFrom::Same },
        ..Crossing::new(via, from)
    };
    crossing.tell(cpu);
    Ok(())
}

/// A return outwards leaves no data segment that the outer ring may not touch.
#[inline]
pub(super) fn drop_inner_segments(cpu: &mut Cpu, ring: u8) {
    for reg in [SegReg::Es, SegReg::Fs, SegReg::Gs, SegReg::Ds] {
        let segment = cpu.state.segment(reg);
        let conforming = segment.has(attr::CODE | attr::EC);
        if segment.is_usable() && !conforming && segment.dpl() < ring {
            cpu.set_segment(reg, Segment::null(Selector(0)));
        }
    }
}
