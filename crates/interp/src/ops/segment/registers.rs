//! LLDT LTR SLDT STR: the system segment registers (SDM 2 by name, SDM 3A 2.4, 7.2.4).

use super::needs_descriptors;
use super::table::{self, Who};
use crate::cpu::Cpu;
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::cause::{Check, Origin};
use x86::segment::system_type as kind;
use x86::{Cause, Cr4, Fault, Intercept, Segment, Selector};

/// The handler of an instruction on LDTR or TR.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Lldt_rm16 | Code::Lldt_r32m16 => lldt,
        Code::Ltr_rm16 | Code::Ltr_r32m16 => ltr,
        Code::Sldt_rm16 | Code::Sldt_r32m16 => sldt,
        Code::Str_rm16 | Code::Str_r32m16 => str,
        _ => return None,
    })
}

/// What LDTR gets from a selector: null leaves no LDT.
pub(in crate::ops) fn ldt(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    who: Who,
) -> Result<Segment, Fault> {
    if selector.is_null() {
        return Ok(Segment::null(selector));
    }
    let entry = table::fetch_global(cpu, sys, selector, who)?;
    if entry.descriptor.system() != Some(kind::LDT) {
        return Err(entry.refuse(cpu, Check::NotLdt, who));
    }
    if !entry.descriptor.present() {
        // A task switch says #TS here, where LLDT says #NP (SDM 3A table 7-1).
        if matches!(who.vector, x86::Vector::InvalidTss) {
            return Err(entry.refuse(cpu, Check::NotPresent, who));
        }
        entry.present(cpu, who)?;
    }
    Ok(Segment::from_descriptor(selector, entry.descriptor))
}

fn lldt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Lldt);
    needs_descriptors(cpu, insn)?;
    cpu.require_ring0(Intercept::Lldt)?;
    let selector = Selector(cpu.read_rm::<u16>(sys, insn)?);
    cpu.state.ldtr = ldt(cpu, sys, selector, Who::program(Origin::Ldtr))?;
    Ok(())
}

fn ltr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Ltr);
    needs_descriptors(cpu, insn)?;
    cpu.require_ring0(Intercept::Ltr)?;
    let selector = Selector(cpu.read_rm::<u16>(sys, insn)?);
    let who = Who::program(Origin::Task);
    let mut entry = table::fetch_global(cpu, sys, selector, who)?;
    if !matches!(entry.descriptor.system(), Some(kind::TSS16 | kind::TSS32)) {
        return Err(entry.refuse(cpu, Check::NotAvailableTss, who));
    }
    entry.present(cpu, who)?;
    entry.set_type(cpu, sys, super::BUSY, 0)?;
    cpu.state.tr = Segment::from_descriptor(selector, entry.descriptor);
    Ok(())
}

fn sldt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    store(cpu, sys, insn, Intercept::Sldt)
}

fn str(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    store(cpu, sys, insn, Intercept::Str)
}

/// Stores LDTR or TR: 16 bits into memory, the operand size into a register.
fn store(cpu: &mut Cpu, sys: &mut System, insn: &Insn, what: Intercept) -> Result<(), Fault> {
    cpu.intercept(what);
    needs_descriptors(cpu, insn)?;
    let cpl = cpu.state.cpl;
    if cpu.state.cr4().contains(Cr4::UMIP) && cpl != 0 {
        let iopl = cpu.state.iopl();
        return Err(cpu.raise(Fault::gp(0), Cause::Privileged { what, cpl, iopl, vm86: false }));
    }
    let from = if what == Intercept::Str { &cpu.state.tr } else { &cpu.state.ldtr };
    let selector = from.selector.0;
    super::store_selector(cpu, sys, insn, selector)
}
