//! Control registers (SDM 3A 2.5; SDM 2 MOV to and from control registers, LMSW, SMSW, CLTS).
//!
//! Invariant: a new value is checked whole before anything changes; afterwards the TLB holds
//! nothing that SDM 3A 4.10.4.1 says is gone, and the PDPTE registers are those that the new
//! value asks for (SDM 3A 4.4.1).

use super::{conditional, place, privileged};
use crate::cpu::Cpu;
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::cause::{OpcodeCheck, RegisterName};
use x86::event::Wanted;
use x86::paging::{PHYS_MASK, PteFlags};
use x86::{Cause, Cr0, Cr4, Event, Fault, Intercept, PhysAddr};

/// Bits of CR0 and CR4 whose change loads the PDPTE registers (SDM 3A 4.4.1).
const CR0_LOADS_PDPTES: Cr0 = Cr0::CD.union(Cr0::NW).union(Cr0::PG);
const CR4_LOADS_PDPTES: Cr4 = Cr4::PAE.union(Cr4::PGE).union(Cr4::PSE).union(Cr4::SMEP);

/// Bits whose change makes translations stale. The manual asks for less; more is allowed.
const CR0_FLUSHES: Cr0 = Cr0::PG.union(Cr0::WP).union(Cr0::PE);
const CR4_FLUSHES: Cr4 = CR4_LOADS_PDPTES.union(Cr4::SMAP);

/// Bits 2:1 and 8:5 of a PDPTE, and those above the physical address (SDM 3A table 4-8).
const PDPTE_RESERVED: u64 = 0x1E6 | !PHYS_MASK;

/// The handler of a control-register instruction.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Mov_r32_cr => mov_from_cr,
        Code::Mov_cr_r32 => mov_to_cr,
        Code::Lmsw_rm16 | Code::Lmsw_r32m16 => lmsw,
        Code::Smsw_rm16 => smsw16,
        Code::Smsw_r32m16 => smsw32,
        Code::Clts => clts,
        _ => return None,
    })
}

fn mov_from_cr(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    exists(cpu, insn)?;
    privileged(cpu, Intercept::MovFromCr)?;
    let value = value_of(cpu, insn.reg) as u32;
    cpu.state.set_reg32(usize::from(insn.rm), value);
    Ok(())
}

fn mov_to_cr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    exists(cpu, insn)?;
    privileged(cpu, Intercept::MovToCr)?;
    let value = u64::from(cpu.state.reg32(usize::from(insn.rm)));
    match insn.reg {
        0 => set_cr0(cpu, sys, insn, value),
        2 => {
            let old = std::mem::replace(&mut cpu.state.cr2, value);
            written(cpu, insn, 2, old);
            Ok(())
        }
        3 => set_cr3(cpu, sys, insn, value),
        _ => set_cr4(cpu, sys, insn, value),
    }
}

/// CR1 and CR5 to CR7 don't exist, nor CR4 on models without a bit for it: #UD, whatever the
/// ring.
fn exists(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    match insn.reg {
        0 | 2 | 3 => Ok(()),
        4 if !cpu.state.model.cr4().is_empty() => Ok(()),
        _ => Err(cpu.undefined(insn, OpcodeCheck::NoSuchRegister)),
    }
}

fn value_of(cpu: &Cpu, register: u8) -> u64 {
    match register {
        0 => cpu.state.cr0,
        2 => cpu.state.cr2,
        3 => cpu.state.cr3,
        _ => cpu.state.cr4,
    }
}

/// Tells of a write.
fn written(cpu: &mut Cpu, insn: &Insn, register: u8, old: u64) {
    if cpu.events.wants(Wanted::CONTROL) {
        let new = value_of(cpu, register);
        cpu.emit(Event::Control { register, old, new, at: place(cpu, insn) });
    }
}

/// #GP(0) for a value that a register can't hold.
fn bad_value(cpu: &mut Cpu, register: RegisterName, value: u64, bits: u64) -> Fault {
    cpu.raise(Fault::gp(0), Cause::Value { register, value, bits })
}

/// Writes CR0. Bits that don't exist are ignored, ET stays set.
fn set_cr0(cpu: &mut Cpu, sys: &mut System, insn: &Insn, value: u64) -> Result<(), Fault> {
    let new = Cr0::from_bits_truncate(value) & cpu.state.model.cr0() | Cr0::ET;
    let conflict = conflict_in_cr0(new);
    if !conflict.is_empty() {
        return Err(bad_value(cpu, RegisterName::Cr0, value, conflict.bits()));
    }
    let changed = new ^ cpu.state.cr0();
    if uses_pdptes(new, cpu.state.cr4()) && changed.intersects(CR0_LOADS_PDPTES) {
        cpu.load_pdptes(sys, cpu.state.cr3)?;
    }
    let old = std::mem::replace(&mut cpu.state.cr0, new.bits());
    if changed.intersects(CR0_FLUSHES) {
        cpu.mmu.flush_all();
    }
    settle(cpu);
    written(cpu, insn, 0, old);
    Ok(())
}

/// PAE paging.
fn uses_pdptes(cr0: Cr0, cr4: Cr4) -> bool {
    cr0.contains(Cr0::PG) && cr4.contains(Cr4::PAE)
}

/// The bits that contradict each other (SDM 2 MOV to control registers).
fn conflict_in_cr0(new: Cr0) -> Cr0 {
    if new.contains(Cr0::PG) && !new.contains(Cr0::PE) {
        Cr0::PG
    } else if new.contains(Cr0::NW) && !new.contains(Cr0::CD) {
        Cr0::NW
    } else {
        Cr0::empty()
    }
}

/// Writes CR3: what isn't global leaves the TLB.
fn set_cr3(cpu: &mut Cpu, sys: &mut System, insn: &Insn, value: u64) -> Result<(), Fault> {
    if uses_pdptes(cpu.state.cr0(), cpu.state.cr4()) {
        cpu.load_pdptes(sys, value)?;
    }
    let old = std::mem::replace(&mut cpu.state.cr3, value);
    cpu.mmu.flush_non_global();
    settle(cpu);
    written(cpu, insn, 3, old);
    Ok(())
}

/// Writes CR4. A bit that doesn't exist is #GP(0).
fn set_cr4(cpu: &mut Cpu, sys: &mut System, insn: &Insn, value: u64) -> Result<(), Fault> {
    let reserved = value & !cpu.state.model.cr4().bits();
    if reserved != 0 {
        return Err(bad_value(cpu, RegisterName::Cr4, value, reserved));
    }
    let new = Cr4::from_bits_truncate(value);
    let changed = new ^ cpu.state.cr4();
    if uses_pdptes(cpu.state.cr0(), new) && changed.intersects(CR4_LOADS_PDPTES) {
        cpu.load_pdptes(sys, cpu.state.cr3)?;
    }
    let old = std::mem::replace(&mut cpu.state.cr4, new.bits());
    if changed.intersects(CR4_FLUSHES) {
        cpu.mmu.flush_all();
    }
    settle(cpu);
    written(cpu, insn, 4, old);
    Ok(())
}

/// After any change: derived data is made anew, and so is the next block.
fn settle(cpu: &mut Cpu) {
    cpu.sync();
    cpu.end_block();
}

impl Cpu {
    /// Loads the four PDPTE registers from the table that a value of CR3 names; #GP(0), and
    /// none is loaded, where a present one has a reserved bit set (SDM 3A 4.4.1).
    pub fn load_pdptes(&mut self, sys: &System, cr3: u64) -> Result<(), Fault> {
        let gate = if self.mmu.a20() { u64::MAX } else { !(1 << 20) };
        let table = cr3 & 0xFFFF_FFE0 & gate;
        let mut entries = [0; 4];
        for (i, entry) in (0..).zip(&mut entries) {
            let mut bytes = [0; 8];
            sys.mem.read_phys(PhysAddr(table + 8 * i), &mut bytes);
            *entry = u64::from_le_bytes(bytes);
            let reserved = *entry & PDPTE_RESERVED;
            if *entry & PteFlags::PRESENT.bits() != 0 && reserved != 0 {
                return Err(bad_value(self, RegisterName::Pdpte, *entry, reserved));
            }
        }
        self.state.pdpte = entries;
        Ok(())
    }
}

/// LMSW writes the low four bits of CR0, but can't clear PE.
fn lmsw(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Lmsw)?;
    let low = u64::from(cpu.read_rm::<u16>(sys, insn)?) & 0xF;
    let kept = cpu.state.cr0 & !0xE;
    set_cr0(cpu, sys, insn, kept | low)
}

/// SMSW to a 16-bit register or memory.
fn smsw16(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    smsw_allowed(cpu)?;
    cpu.write_rm::<u16>(sys, insn, cpu.state.cr0 as u16)
}

/// SMSW to a 32-bit register, which gets all of CR0; to memory it stays a word.
fn smsw32(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if insn.is_mem() {
        return smsw16(cpu, sys, insn);
    }
    smsw_allowed(cpu)?;
    cpu.write_rm::<u32>(sys, insn, cpu.state.cr0 as u32)
}

fn smsw_allowed(cpu: &mut Cpu) -> Result<(), Fault> {
    let umip = cpu.state.cr4().contains(Cr4::UMIP);
    conditional(cpu, Intercept::Smsw, umip)
}

fn clts(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Clts)?;
    let old = cpu.state.cr0;
    cpu.state.cr0 = old & !Cr0::TS.bits();
    settle(cpu);
    written(cpu, insn, 0, old);
    Ok(())
}
