//! Model-specific registers (SDM 4 table 2-2; SDM 2 RDMSR, WRMSR). Those of memory types and
//! machine checks are kept as far as guests look at them: memory is always coherent and never
//! fails, so nothing depends on them.
//!
//! Invariant: an MSR that isn't listed here, or that the model doesn't have, doesn't exist:
//! #GP(0) for reads and writes.

mod kept;

use super::{place, privileged, set_edx_eax, time_stamp};
use crate::cpu::Cpu;
use bus::System;
use decode::Insn;
use x86::cause::RegisterName;
use x86::event::Wanted;
use x86::paging::PHYS_MASK;
use x86::state::gpr;
use x86::{Cause, Efer, Event, Fault, Features, Intercept};

const IA32_TSC: u32 = 0x10;
const IA32_APIC_BASE: u32 = 0x1B;
const IA32_SYSENTER_CS: u32 = 0x174;
const IA32_SYSENTER_ESP: u32 = 0x175;
const IA32_SYSENTER_EIP: u32 = 0x176;
const IA32_DEBUGCTL: u32 = 0x1D9;
/// Where the last branches would be found, up to MSR_LASTINTTOIP: none is recorded.
const MSR_LASTBRANCH: std::ops::RangeInclusive<u32> = 0x1DA..=0x1DE;
const IA32_PAT: u32 = 0x277;
const IA32_EFER: u32 = 0xC000_0080;

/// IA32_APIC_BASE: this is the bootstrap processor. Read-only.
const APIC_BSP: u64 = 1 << 8;
/// IA32_APIC_BASE: the bits that may be written: the enable bit and the address.
const APIC_VALID: u64 = 1 << 11 | PHYS_MASK & !0xFFF;

/// IA32_DEBUGCTL: LBR, BTF, and what the P6 and P4 have for pins and traces. BTF alone acts.
const DEBUGCTL_VALID: u64 = 0x7F;

/// The bits of IA32_EFER that are kept. LME and SCE aren't announced by CPUID, but a 64-bit
/// guest sets them without asking: the engine stops at once and says that it is one.
const EFER_VALID: Efer = Efer::NXE.union(Efer::LME).union(Efer::SCE);

/// The MSRs of this file, and the feature that brings each.
fn brought_by(index: u32) -> Option<Features> {
    Some(match index {
        IA32_TSC => Features::TSC,
        IA32_APIC_BASE | IA32_DEBUGCTL => Features::P6,
        _ if MSR_LASTBRANCH.contains(&index) => Features::P6,
        IA32_SYSENTER_CS | IA32_SYSENTER_ESP | IA32_SYSENTER_EIP => Features::SEP,
        IA32_PAT => Features::PAT,
        IA32_EFER => Features::NX,
        _ => return None,
    })
}

pub(super) fn rdmsr(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Rdmsr)?;
    let index = cpu.state.reg32(gpr::ECX);
    let Some(value) = load(cpu, sys, index) else { return Err(bad(cpu, index, 0, 0)) };
    set_edx_eax(cpu, value);
    Ok(())
}

/// The value of an MSR; `None` where there is none.
fn load(cpu: &Cpu, sys: &System, index: u32) -> Option<u64> {
    let Some(feature) = brought_by(index) else { return kept::load(&cpu.state, index) };
    let msr = &cpu.state.msr;
    cpu.state.model.has(feature).then_some(match index {
        IA32_TSC => time_stamp(cpu, sys),
        IA32_APIC_BASE => msr.apic_base,
        IA32_SYSENTER_CS => msr.sysenter_cs,
        IA32_SYSENTER_ESP => msr.sysenter_esp,
        IA32_SYSENTER_EIP => msr.sysenter_eip,
        IA32_PAT => msr.pat,
        IA32_DEBUGCTL => msr.debug_control,
        IA32_EFER => msr.efer,
        _ => 0,
    })
}

pub(super) fn wrmsr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    privileged(cpu, Intercept::Wrmsr)?;
    let index = cpu.state.reg32(gpr::ECX);
    let high = u64::from(cpu.state.reg32(gpr::EDX));
    let value = high << 32 | u64::from(cpu.state.reg32(gpr::EAX));
    match reserved_bits(cpu, index, value) {
        Some(0) => store(cpu, sys, index, value),
        other => return Err(bad(cpu, index, value, other.unwrap_or(0))),
    }
    if cpu.events.wants(Wanted::CONTROL) {
        cpu.emit(Event::Msr { index, value, at: place(cpu, insn) });
    }
    Ok(())
}

/// The bits of `value` that the MSR can't hold; `None` where there is no such MSR.
fn reserved_bits(cpu: &Cpu, index: u32, value: u64) -> Option<u64> {
    let Some(feature) = brought_by(index) else { return kept::reserved(&cpu.state, index, value) };
    cpu.state.model.has(feature).then_some(match index {
        IA32_TSC | IA32_SYSENTER_CS | IA32_SYSENTER_ESP | IA32_SYSENTER_EIP => 0,
        IA32_APIC_BASE => value & !(APIC_VALID | APIC_BSP),
        IA32_PAT => bad_memory_types(value),
        IA32_DEBUGCTL => value & !DEBUGCTL_VALID,
        IA32_EFER => value & !EFER_VALID.bits(),
        _ => return None,
    })
}

/// The bytes of IA32_PAT that aren't memory types 0, 1 or 4 to 7 (SDM 3A 11.12.2).
fn bad_memory_types(value: u64) -> u64 {
    let bad = |byte: &u32| !matches!(value >> byte & 0xFF, 0 | 1 | 4..=7);
    (0..64).step_by(8).filter(bad).fold(0, |bits, byte| bits | value & 0xFF << byte)
}

/// Writes an MSR whose value was checked.
fn store(cpu: &mut Cpu, sys: &System, index: u32, value: u64) {
    let low = value & u64::from(u32::MAX);
    match index {
        IA32_TSC => {
            let unset = time_stamp(cpu, sys).wrapping_sub(cpu.state.msr.tsc_offset);
            cpu.state.msr.tsc_offset = value.wrapping_sub(unset);
        }
        IA32_APIC_BASE => cpu.state.msr.apic_base = value & APIC_VALID | APIC_BSP,
        IA32_SYSENTER_CS => cpu.state.msr.sysenter_cs = low,
        IA32_SYSENTER_ESP => cpu.state.msr.sysenter_esp = low,
        IA32_SYSENTER_EIP => cpu.state.msr.sysenter_eip = low,
        IA32_PAT => cpu.state.msr.pat = value,
        IA32_DEBUGCTL => cpu.state.msr.debug_control = value,
        IA32_EFER => set_efer(cpu, value),
        _ => kept::store(&mut cpu.state, index, value),
    }
}

/// NXE changes what page-table entries mean.
fn set_efer(cpu: &mut Cpu, value: u64) {
    let changed = value ^ cpu.state.msr.efer;
    cpu.state.msr.efer = value;
    if changed & Efer::NXE.bits() != 0 {
        cpu.mmu.flush_all();
    }
    cpu.sync();
    cpu.end_block();
}

/// #GP(0): no such MSR (no bits), or bits that it can't hold.
fn bad(cpu: &mut Cpu, index: u32, value: u64, bits: u64) -> Fault {
    let register = RegisterName::Msr(index);
    cpu.raise(Fault::gp(0), Cause::Value { register, value, bits })
}

#[cfg(test)]
mod tests {
    use super::bad_memory_types;

    #[test]
    fn pat_entries_2_3_and_above_7_are_bad() {
        assert_eq!(bad_memory_types(0x0007_0406_0007_0406), 0);
        assert_eq!(bad_memory_types(0x0200_0001_0503_0608), 0x0200_0000_0003_0008);
    }
}
