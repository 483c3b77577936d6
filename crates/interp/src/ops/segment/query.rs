//! Questions about selectors: LAR LSL VERR VERW ARPL (SDM 3A 5.10). They answer in ZF and
//! fault over no selector.

use super::needs_descriptors;
use super::table::{self, Entry};
use crate::cpu::{Cpu, Word};
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::arith::Arith;
use x86::segment::system_type as kind;
use x86::{Eflags, Fault, Intercept, Selector};

/// The handler of an instruction that asks about a selector.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Lar_r16_rm16 => lar::<u16>,
        Code::Lar_r32_r32m16 => lar::<u32>,
        Code::Lsl_r16_rm16 => lsl::<u16>,
        Code::Lsl_r32_r32m16 => lsl::<u32>,
        Code::Verr_rm16 | Code::Verr_r32m16 => verr,
        Code::Verw_rm16 | Code::Verw_r32m16 => verw,
        Code::Arpl_rm16_r16 | Code::Arpl_r32m16_r32 => arpl,
        _ => return None,
    })
}

fn set_zf(cpu: &mut Cpu, on: bool) {
    let zf = Eflags::ZF.bits();
    let flags = cpu.state.arith.flags() & !zf;
    cpu.state.arith = Arith::from_flags(if on { flags | zf } else { flags });
}

/// Reads the selector operand and its descriptor, if this ring may see it.
fn visible(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<Option<Entry>, Fault> {
    let selector = Selector(cpu.read_rm::<u16>(sys, insn)?);
    let cpl = cpu.state.cpl;
    Ok(table::peek(cpu, sys, selector)?.filter(|e| {
        let d = e.descriptor;
        d.is_conforming() || selector.rpl().max(cpl) <= d.dpl()
    }))
}

fn lar<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Lar);
    needs_descriptors(cpu, insn)?;
    let found = visible(cpu, sys, insn)?.filter(|e| has_access_rights(e.descriptor.system()));
    if let Some(entry) = found {
        let rights = (entry.descriptor.0 >> 32) as u32 & 0x00FF_FF00;
        cpu.set_reg::<W>(insn.reg, W::trunc(rights));
    }
    set_zf(cpu, found.is_some());
    Ok(())
}

/// The types for which LAR answers (SDM 2, LAR).
fn has_access_rights(system: Option<u8>) -> bool {
    matches!(
        system,
        None | Some(
            kind::TSS16
                | kind::LDT
                | kind::TSS16_BUSY
                | kind::CALL_GATE16
                | kind::TASK_GATE
                | kind::TSS32
                | kind::TSS32_BUSY
                | kind::CALL_GATE32
        )
    )
}

fn lsl<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Lsl);
    needs_descriptors(cpu, insn)?;
    let found = visible(cpu, sys, insn)?.filter(|e| has_limit(e.descriptor.system()));
    if let Some(entry) = found {
        cpu.set_reg::<W>(insn.reg, W::trunc(entry.descriptor.limit()));
    }
    set_zf(cpu, found.is_some());
    Ok(())
}

/// The types for which LSL answers (SDM 2, LSL): those with a limit.
fn has_limit(system: Option<u8>) -> bool {
    matches!(
        system,
        None | Some(kind::TSS16 | kind::LDT | kind::TSS16_BUSY | kind::TSS32 | kind::TSS32_BUSY)
    )
}

fn verr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Verr);
    needs_descriptors(cpu, insn)?;
    let yes = visible(cpu, sys, insn)?.is_some_and(|e| e.descriptor.is_readable());
    set_zf(cpu, yes);
    Ok(())
}

fn verw(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Verw);
    needs_descriptors(cpu, insn)?;
    let yes = visible(cpu, sys, insn)?.is_some_and(|e| e.descriptor.is_writable());
    set_zf(cpu, yes);
    Ok(())
}

/// ARPL raises the RPL of its first operand to that of the second.
fn arpl(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    needs_descriptors(cpu, insn)?;
    let rpl = Selector(cpu.reg::<u16>(insn.reg)).rpl();
    // Written only if it changes: a read-only operand that is high enough does no harm.
    let selector = Selector(cpu.read_rm::<u16>(sys, insn)?);
    let raised = selector.rpl() < rpl;
    if raised {
        cpu.write_rm::<u16>(sys, insn, selector.with_rpl(rpl).0)?;
    }
    set_zf(cpu, raised);
    Ok(())
}
