//! PUSHF POPF CLI STI: who may see and change which flags (SDM 2 by name, SDM 3A 20.2.7,
//! 20.3.3, 20.4).
//!
//! Invariant: IOPL changes in ring 0 only, IF where CPL <= IOPL only, VM, VIF and VIP never by
//! POPF, save VIF under VME.

use super::Handler;
use super::interrupt::virtual_flags;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::state::Shadow;
use x86::{Cause, Cr4, Eflags, Fault, Intercept};

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Pushfw | Code::Pushfd => pushf,
        Code::Popfw | Code::Popfd => popf,
        Code::Cli => cli,
        Code::Sti => sti,
        _ => return None,
    })
}

/// The flags that POPF and IRET take whatever the privilege, of 16 bits and of 32.
pub(super) const LOW: Eflags = Eflags::STATUS.union(Eflags::TF).union(Eflags::DF).union(Eflags::NT);
pub(super) const WIDE: Eflags = LOW.union(Eflags::AC).union(Eflags::ID);

/// #GP(0) over IOPL.
pub(super) fn not_allowed(cpu: &mut Cpu, what: Intercept) -> Fault {
    let (cpl, iopl, vm86) = (cpu.state.cpl, cpu.state.iopl(), cpu.state.vm86());
    cpu.raise(Fault::gp(0), Cause::Privileged { what, cpl, iopl, vm86 })
}

/// Replaces the flags of `mask`, and lets the engine look at what TF, IF and AC now mean.
pub(super) fn replace(cpu: &mut Cpu, value: u32, mask: Eflags) {
    let modes = (Eflags::AC | Eflags::VM).bits();
    let before = cpu.state.system_flags & modes;
    // Making the status flags up is dear, and mostly for nothing.
    let kept =
        if mask.contains(Eflags::STATUS) { cpu.state.system_flags } else { cpu.state.eflags() };
    cpu.state.set_eflags(kept & !mask.bits() | value & mask.bits());
    if cpu.state.system_flags & modes != before {
        cpu.sync();
    }
    cpu.end_block();
}

/// True where IOPL doesn't let this program touch IF: virtual-8086 mode below IOPL 3.
fn is_virtualized(cpu: &Cpu) -> bool {
    cpu.state.vm86() && cpu.state.iopl() < 3
}

fn pushf(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Pushf);
    let wide = insn.op32();
    let mut flags = cpu.state.eflags();
    if is_virtualized(cpu) {
        if wide || !cpu.state.cr4().contains(Cr4::VME) {
            return Err(not_allowed(cpu, Intercept::Pushf));
        }
        flags = virtual_flags(cpu);
    }
    if wide {
        return cpu.push::<u32>(sys, flags & !(Eflags::RF | Eflags::VM).bits());
    }
    cpu.push::<u16>(sys, flags as u16)
}

fn popf(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Popf);
    let wide = insn.op32();
    let virtualized = is_virtualized(cpu);
    if virtualized && (wide || !cpu.state.cr4().contains(Cr4::VME)) {
        return Err(not_allowed(cpu, Intercept::Popf));
    }
    let at = cpu.stack_ptr();
    let (value, size) = if wide {
        (cpu.read_stack::<u32>(sys, at)?, 4)
    } else {
        (u32::from(cpu.read_stack::<u16>(sys, at)?), 2)
    };
    if virtualized {
        set_virtual_flags(cpu, value, Intercept::Popf)?;
    } else {
        let mask = if wide { WIDE } else { LOW } | guarded(cpu);
        replace(cpu, value, mask);
        if wide {
            cpu.state.set_flag(Eflags::RF, false);
        }
    }
    cpu.set_stack_ptr(at.wrapping_add(size));
    Ok(())
}

/// IF and IOPL, as far as the present privilege may write them.
pub(super) fn guarded(cpu: &Cpu) -> Eflags {
    let (cpl, iopl) = (cpu.state.cpl, cpu.state.iopl());
    let mut mask = Eflags::empty();
    if cpl <= iopl {
        mask |= Eflags::IF;
    }
    if cpl == 0 {
        mask |= Eflags::IOPL;
    }
    mask
}

/// 16-bit flags of an 8086 program under VME: IF goes to VIF. #GP(0) where the monitor must
/// look: TF, or IF while a virtual interrupt waits.
pub(super) fn set_virtual_flags(cpu: &mut Cpu, value: u32, what: Intercept) -> Result<(), Fault> {
    let new = Eflags::from_bits_truncate(value);
    let waits = new.contains(Eflags::IF) && cpu.state.flag(Eflags::VIP);
    if waits || new.contains(Eflags::TF) {
        return Err(not_allowed(cpu, what));
    }
    replace(cpu, value, LOW);
    cpu.state.set_flag(Eflags::VIF, new.contains(Eflags::IF));
    Ok(())
}

/// Which flag CLI and STI write here: IF, VIF, or none.
fn interrupt_flag(cpu: &Cpu) -> Option<Eflags> {
    if cpu.state.cpl <= cpu.state.iopl() {
        return Some(Eflags::IF);
    }
    virtualizes_if(cpu).then_some(Eflags::VIF)
}

/// VIF stands in for IF in this ring below IOPL 3.
fn virtualizes_if(cpu: &Cpu) -> bool {
    let (cpl, cr4) = (cpu.state.cpl, cpu.state.cr4());
    if cpu.state.vm86() { cr4.contains(Cr4::VME) } else { cr4.contains(Cr4::PVI) && cpl == 3 }
}

/// After IRET and a task switch: #GP(0) at the instruction gone to if VIF and VIP are both set, so
/// that the monitor sees to the interrupt that waits (SDM 3A 20.3.3.4, 20.4). A debug trap comes
/// first (SDM 3A 6.9); the return from its handler is looked at again.
pub(super) fn check_virtual_interrupt(cpu: &mut Cpu) -> Result<(), Fault> {
    let waits = cpu.state.flag(Eflags::VIF) && cpu.state.flag(Eflags::VIP);
    let waits = waits && cpu.state.pending_debug == 0;
    if waits && cpu.state.iopl() < 3 && virtualizes_if(cpu) {
        cpu.keep_rip();
        return Err(not_allowed(cpu, Intercept::Sti));
    }
    Ok(())
}

fn cli(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Cli);
    let Some(flag) = interrupt_flag(cpu) else { return Err(not_allowed(cpu, Intercept::Cli)) };
    cpu.state.set_flag(flag, false);
    Ok(())
}

fn sti(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Sti);
    let Some(flag) = interrupt_flag(cpu) else { return Err(not_allowed(cpu, Intercept::Sti)) };
    if flag == Eflags::VIF && cpu.state.flag(Eflags::VIP) {
        return Err(not_allowed(cpu, Intercept::Sti));
    }
    if flag == Eflags::IF && !cpu.state.flag(Eflags::IF) {
        cpu.state.shadow = Shadow::Sti;
    }
    cpu.state.set_flag(flag, true);
    cpu.end_block();
    Ok(())
}
