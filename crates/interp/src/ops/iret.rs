//! IRET in all its forms: real mode, virtual-8086 mode, the same ring, an outer ring, into
//! virtual-8086 mode, to the task that called (SDM 2 IRET; SDM 3A 6.7.1, 20.2.5, 20.3.3).
//!
//! Invariant: which flags are taken depends on the CPL that IRET runs at, not the new one.

use super::Handler;
use super::far::ret::{self, Return};
use super::far::stack::Popper;
use super::far::{Crossing, enter, place};
use super::far::{notes, plain};
use super::flags;
use super::segment::load;
use super::task;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::cause::Check;
use x86::event::{Place, StackFrom, TaskVia, Via};
use x86::state::gpr;
use x86::tss::tss32;
use x86::{Cause, Cr4, Eflags, Fault, Intercept, SegReg, Selector};

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    match insn.code {
        Code::Iretw | Code::Iretd => Some(iret),
        _ => None,
    }
}

/// The three words that every frame ends in.
#[derive(Clone, Copy, Debug)]
struct Top {
    eip: u32,
    cs: Selector,
    eflags: u32,
    /// The operand size is 32 bits.
    wide: bool,
    pops: Popper,
    from: Place,
}

fn iret(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Iret);
    // NMIs are let in again even if this faults (SDM 3A 6.7.1).
    cpu.state.nmi_masked = false;
    cpu.end_block();
    let wide = insn.op32();
    if wide && notes::iret(cpu, sys, insn).is_some() {
        return flags::check_virtual_interrupt(cpu);
    }
    let from = place(cpu, insn);
    if wide && plain::iret(cpu, sys, from).is_some() {
        return flags::check_virtual_interrupt(cpu);
    }
    if !cpu.state.protected() {
        let top = top(cpu, sys, wide, from)?;
        return in_real_mode(cpu, top);
    }
    if cpu.state.vm86() {
        return in_vm86(cpu, sys, wide, from);
    }
    if cpu.state.flag(Eflags::NT) {
        return to_caller(cpu, sys, from);
    }
    let top = top(cpu, sys, wide, from)?;
    if wide && top.eflags & Eflags::VM.bits() != 0 && cpu.state.cpl == 0 {
        return to_vm86(cpu, sys, top);
    }
    ret::probe_outer(cpu, sys, top.cs, &top.pops)?;
    let back = Return { entry: ret::checked_code(cpu, sys, top.cs)?, eip: top.eip };
    ret::finish(cpu, sys, back, top.pops, 0, Via::Iret, from, |cpu| {
        let mask = if wide { flags::WIDE | Eflags::RF } else { flags::LOW };
        let mut mask = mask | flags::guarded(cpu);
        if wide && cpu.state.cpl == 0 {
            mask |= Eflags::VIF | Eflags::VIP;
        }
        flags::replace(cpu, top.eflags, mask);
    })?;
    flags::check_virtual_interrupt(cpu)
}

#[inline(always)]
fn top(cpu: &mut Cpu, sys: &mut System, wide: bool, from: Place) -> Result<Top, Fault> {
    let mut pops = Popper::told(cpu, wide);
    let [eip, cs, eflags] = pops.next_three(cpu, sys)?;
    Ok(Top { eip, cs: Selector(cs as u16), eflags, wide, pops, from })
}

/// #GP(0) where EIP lies outside the segment that real and virtual-8086 mode go back to.
fn check_offset(cpu: &mut Cpu, top: &Top, limit: u32) -> Result<(), Fault> {
    if top.eip <= limit {
        return Ok(());
    }
    let cause = Cause::IretFrame {
        eip: top.eip,
        cs: top.cs,
        eflags: top.eflags,
        check: Check::TargetOffset,
        cpl: cpu.state.cpl,
    };
    Err(cpu.raise(Fault::gp(0), cause))
}

/// Goes back to a paragraph; the flags are in place.
fn by_paragraph(cpu: &mut Cpu, top: &Top) {
    cpu.set_stack_ptr(top.pops.position());
    let segment = load::by_paragraph(cpu, SegReg::Cs, top.cs.0);
    let cpl = cpu.state.cpl;
    enter(cpu, segment, cpl, top.eip);
    Crossing::new(Via::Iret, top.from).tell(cpu);
}

fn in_real_mode(cpu: &mut Cpu, top: Top) -> Result<(), Fault> {
    let limit = cpu.state.segment(SegReg::Cs).limit;
    check_offset(cpu, &top, limit)?;
    let mask = if top.wide { flags::WIDE | Eflags::RF } else { flags::LOW };
    flags::replace(cpu, top.eflags, mask | Eflags::IF | Eflags::IOPL);
    by_paragraph(cpu, &top);
    Ok(())
}

fn in_vm86(cpu: &mut Cpu, sys: &mut System, wide: bool, from: Place) -> Result<(), Fault> {
    let virtualized = cpu.state.iopl() < 3;
    if virtualized && (wide || !cpu.state.cr4().contains(Cr4::VME)) {
        return Err(flags::not_allowed(cpu, Intercept::Iret));
    }
    let top = top(cpu, sys, wide, from)?;
    check_offset(cpu, &top, 0xFFFF)?;
    if virtualized {
        flags::set_virtual_flags(cpu, top.eflags, Intercept::Iret)?;
    } else {
        let mask = if wide { flags::WIDE | Eflags::RF } else { flags::LOW };
        flags::replace(cpu, top.eflags, mask | Eflags::IF);
    }
    by_paragraph(cpu, &top);
    Ok(())
}

/// From ring 0 into virtual-8086 mode: the frame goes on with ESP, SS, ES, DS, FS, GS.
fn to_vm86(cpu: &mut Cpu, sys: &mut System, mut top: Top) -> Result<(), Fault> {
    const ORDER: [SegReg; 5] = [SegReg::Ss, SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];
    let esp = top.pops.next(cpu, sys)?;
    let mut selectors = [Selector(0); ORDER.len()];
    for slot in &mut selectors {
        *slot = top.pops.selector(cpu, sys)?;
    }
    check_offset(cpu, &top, 0xFFFF)?;
    cpu.state.set_eflags(top.eflags);
    for (reg, selector) in ORDER.into_iter().zip(selectors) {
        cpu.set_segment(reg, load::vm86(selector.0));
    }
    cpu.state.set_reg32(gpr::ESP, esp);
    enter(cpu, load::vm86(top.cs.0), 3, top.eip);
    let crossing = Crossing { stack: StackFrom::Popped, ..Crossing::new(Via::Iret, top.from) };
    crossing.tell(cpu);
    flags::check_virtual_interrupt(cpu)
}

/// NT is set: back to the task named by the back link.
fn to_caller(cpu: &mut Cpu, sys: &mut System, from: Place) -> Result<(), Fault> {
    let at = cpu.state.tr.base.wrapping_add(u64::from(tss32::LINK));
    let selector = Selector(cpu.read_system::<u16>(sys, at)?);
    let via = TaskVia::Iret;
    task::switch_from(cpu, sys, task::Request { selector, via, error_code: None, ext: 0, from })
}
