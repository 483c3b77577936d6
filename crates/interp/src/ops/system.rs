//! System instructions (SDM 2 by name; SDM 3A 2.8): descriptor-table registers, HLT, INVLPG,
//! caches, time stamp, AC under SMAP. Control registers, MSRs and CPUID have files of their own.
//!
//! Invariant: what CPUID announces, CR4 accepts and the MSRs hold agree: all of them follow from
//! the features of [`x86::Model`].

mod control;
mod cpuid;
mod msr;
#[cfg(test)]
mod tests;

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::cause::OpcodeCheck;
use x86::event::{Place, Wanted};
use x86::segment::TableReg;
use x86::state::Activity;
use x86::{Cause, Cr4, Eflags, Event, Fault, Intercept, LinAddr};

/// The handler of a system instruction.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Sgdt_m1632_16 | Code::Sgdt_m1632 => sgdt,
        Code::Sidt_m1632_16 | Code::Sidt_m1632 => sidt,
        Code::Lgdt_m1632_16 | Code::Lgdt_m1632 => lgdt,
        Code::Lidt_m1632_16 | Code::Lidt_m1632 => lidt,
        Code::Hlt => hlt,
        Code::Invlpg_m => invlpg,
        Code::Invd => invd,
        // The F3 prefix of WBNOINVD is ignored where that isn't announced.
        Code::Wbinvd | Code::Wbnoinvd => wbinvd,
        Code::Rdtsc => rdtsc,
        Code::Rdpmc => rdpmc,
        Code::Stac => stac,
        Code::Clac => clac,
        Code::Cpuid => cpuid::cpuid,
        Code::Rdmsr => msr::rdmsr,
        Code::Wrmsr => msr::wrmsr,
        _ => return control::handler(insn),
    })
}

/// The intercept point, then ring 0 or #GP(0).
pub(super) fn privileged(cpu: &mut Cpu, kind: Intercept) -> Result<(), Fault> {
    cpu.intercept(kind);
    cpu.require_ring0(kind)
}

/// The intercept point, then #GP(0) outside ring 0 where a bit of CR4 asks for it.
fn conditional(cpu: &mut Cpu, kind: Intercept, stopped: bool) -> Result<(), Fault> {
    cpu.intercept(kind);
    if stopped && cpu.state.cpl != 0 {
        return Err(not_allowed(cpu, kind));
    }
    Ok(())
}

/// #GP(0) for an instruction that this ring may not execute.
fn not_allowed(cpu: &mut Cpu, what: Intercept) -> Fault {
    let why = Cause::Privileged {
        what,
        cpl: cpu.state.cpl,
        iopl: cpu.state.iopl(),
        vm86: cpu.state.vm86(),
    };
    cpu.raise(Fault::gp(0), why)
}

/// Where this instruction is.
pub(super) fn place(cpu: &Cpu, insn: &Insn) -> Place {
    Place { eip: cpu.start_ip(insn), ..cpu.state.place() }
}

/// Stores a limit and a base, six bytes, whole or not at all.
fn store_table(cpu: &mut Cpu, sys: &mut System, insn: &Insn, table: TableReg) -> Result<(), Fault> {
    let at = cpu.ea(insn);
    cpu.probe_write(sys, insn.seg, at, 6)?;
    // A word and a doubleword, each aligned where #AC is on (SDM 3A 3.5.1).
    let lin = cpu.linear(insn.seg, at);
    cpu.check_alignment(lin, 2)?;
    cpu.check_alignment(lin + 2, 4)?;
    cpu.write::<u16>(sys, insn.seg, at, table.limit as u16)?;
    cpu.write::<u32>(sys, insn.seg, at.wrapping_add(2), table.base as u32)
}

/// Reads a limit and a base; a 16-bit operand has 24 bits of base.
fn load_table(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<TableReg, Fault> {
    let at = cpu.ea(insn);
    let limit = cpu.read::<u16>(sys, insn.seg, at)?;
    let base = cpu.read::<u32>(sys, insn.seg, at.wrapping_add(2))?;
    let mask = if insn.op32() { u32::MAX } else { 0x00FF_FFFF };
    Ok(TableReg { base: u64::from(base & mask), limit: u32::from(limit) })
}

fn sgdt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let umip = cpu.state.cr4().contains(Cr4::UMIP);
    conditional(cpu, Intercept::Sgdt, umip)?;
    store_table(cpu, sys, insn, cpu.state.gdtr)
}

fn sidt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let umip = cpu.state.cr4().contains(Cr4::UMIP);
    conditional(cpu, Intercept::Sidt, umip)?;
    store_table(cpu, sys, insn, cpu.state.idtr)
}

fn lgdt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Lgdt)?;
    cpu.state.gdtr = load_table(cpu, sys, insn)?;
    Ok(())
}

fn lidt(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Lidt)?;
    cpu.state.idtr = load_table(cpu, sys, insn)?;
    Ok(())
}

fn hlt(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Hlt)?;
    cpu.state.activity = Activity::Halted;
    if cpu.events.wants(Wanted::CROSSINGS) {
        let interrupts = cpu.state.flag(Eflags::IF);
        cpu.emit(Event::Halt { at: place(cpu, insn), interrupts });
    }
    cpu.end_block();
    Ok(())
}

/// INVLPG: no access, so neither limits nor absent pages matter. Blocks follow fetches, so the
/// current one ends here: its next instruction may lie in the page.
fn invlpg(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Invlpg)?;
    let base = cpu.state.segment(insn.seg).base as u32;
    let at = base.wrapping_add(cpu.ea(insn));
    cpu.mmu.invalidate(LinAddr(u64::from(at)));
    cpu.end_block();
    Ok(())
}

/// There are no caches to write back or lose.
fn invd(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Invd)
}

fn wbinvd(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Wbinvd)
}

/// The time-stamp counter: virtual nanoseconds (a 1 GHz part) and what WRMSR added.
fn time_stamp(cpu: &Cpu, sys: &System) -> u64 {
    sys.bus.clock.now_ns(cpu.steps).wrapping_add(cpu.state.msr.tsc_offset)
}

/// A 64-bit result in EDX:EAX.
fn set_edx_eax(cpu: &mut Cpu, value: u64) {
    cpu.state.set_reg32(x86::state::gpr::EAX, value as u32);
    cpu.state.set_reg32(x86::state::gpr::EDX, (value >> 32) as u32);
}

fn rdtsc(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    let tsd = cpu.state.cr4().contains(Cr4::TSD);
    conditional(cpu, Intercept::Rdtsc, tsd)?;
    set_edx_eax(cpu, time_stamp(cpu, sys));
    Ok(())
}

/// RDPMC: two counters, as family 6 has them, that never count.
fn rdpmc(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    let closed = !cpu.state.cr4().contains(Cr4::PCE);
    conditional(cpu, Intercept::Rdpmc, closed)?;
    let counter = cpu.state.reg32(x86::state::gpr::ECX);
    if counter > 1 {
        return Err(cpu.raise(Fault::gp(0), Cause::None));
    }
    set_edx_eax(cpu, 0);
    Ok(())
}

fn stac(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    set_ac(cpu, insn, true)
}

fn clac(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    set_ac(cpu, insn, false)
}

/// Outside ring 0 these are undefined, not privileged (SDM 2 STAC).
fn set_ac(cpu: &mut Cpu, insn: &Insn, on: bool) -> Result<(), Fault> {
    if cpu.state.cpl != 0 {
        return Err(cpu.undefined(insn, OpcodeCheck::Undefined));
    }
    cpu.state.set_flag(Eflags::AC, on);
    cpu.sync();
    cpu.end_block();
    Ok(())
}
