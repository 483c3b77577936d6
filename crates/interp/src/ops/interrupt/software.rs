//! The instructions that raise interrupts: INT n, INT3, INTO, INT1, BOUND; and INT n in
//! virtual-8086 mode with its redirection (SDM 2 INT n, SDM 3A 20.3.3).

use super::{Delivery, arrive, clear_flags, interrupt, push_real_frame};
use crate::cpu::{Cpu, Word};
use crate::ops::Handler;
use crate::ops::far::stack::tss_is_32bit;
use crate::ops::segment::load;
use bus::System;
use decode::{Code, Insn};
use x86::cause::OpcodeCheck;
use x86::event::Source;
use x86::segment::attr;
use x86::tss::tss32;
use x86::{Cause, Cr4, Eflags, Fault, Intercept, Vector};

/// The handler of an instruction that raises an interrupt.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Int_imm8 => int_n,
        Code::Int3 => int3,
        Code::Into => into,
        Code::Int1 => int1,
        Code::Bound_r16_m1616 => bound::<u16>,
        Code::Bound_r32_m3232 => bound::<u32>,
        _ => return None,
    })
}

fn int_n(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Int);
    let vector = insn.imm as u8;
    if cpu.state.vm86() {
        if redirected(cpu, sys, vector)? {
            return to_8086_handler(cpu, sys, vector);
        }
        if cpu.state.iopl() < 3 {
            return Err(not_in_vm86(cpu));
        }
    }
    interrupt(cpu, sys, vector, Source::Software, None)
}

/// #GP(0) for INT n in virtual-8086 mode.
fn not_in_vm86(cpu: &mut Cpu) -> Fault {
    let (what, cpl, iopl) = (Intercept::Int, cpu.state.cpl, cpu.state.iopl());
    cpu.raise(Fault::gp(0), Cause::Privileged { what, cpl, iopl, vm86: true })
}

/// True where CR4.VME is set and the TSS's map has a 0 for the vector. The map's 32 bytes lie
/// right below the I/O permission bitmap. #GP(0) where the vector's lies beyond the TSS: the
/// manual doesn't say so, the peer does, and it is what a bit beyond the I/O map means.
fn redirected(cpu: &mut Cpu, sys: &mut System, vector: u8) -> Result<bool, Fault> {
    if !cpu.state.cr4().contains(Cr4::VME) {
        return Ok(false);
    }
    let tr = cpu.state.tr;
    if !tr.has(attr::P) || !tss_is_32bit(cpu) || tr.limit < tss32::MIN_LIMIT {
        return Err(not_in_vm86(cpu));
    }
    let map = cpu.read_system::<u16>(sys, tr.base.wrapping_add(u64::from(tss32::IO_MAP)))?;
    let offset = u32::from(map).wrapping_sub(32).wrapping_add(u32::from(vector) / 8);
    if offset > tr.limit {
        return Err(not_in_vm86(cpu));
    }
    let byte = cpu.read_system::<u8>(sys, tr.base.wrapping_add(u64::from(offset)))?;
    Ok(byte >> (vector & 7) & 1 == 0)
}

/// Straight to the handler of the 8086 program, without leaving virtual-8086 mode. Below
/// IOPL 3 the program sees VIF where it expects IF.
fn to_8086_handler(cpu: &mut Cpu, sys: &mut System, vector: u8) -> Result<(), Fault> {
    let target = cpu.read_system::<u32>(sys, u64::from(vector) * 4)?;
    let virtualized = cpu.state.iopl() < 3;
    let source = Source::Software;
    let from = cpu.state.place();
    let delivery = Delivery { vector, source, error_code: None, ext: 0, from };
    let flags = if virtualized { virtual_flags(cpu) } else { cpu.state.eflags() };
    let stack = push_real_frame(cpu, sys, delivery, flags)?;
    let masked = if virtualized { Eflags::VIF } else { Eflags::IF };
    clear_flags(cpu, Eflags::TF | Eflags::RF | masked);
    arrive(cpu, delivery, load::vm86((target >> 16) as u16), target & 0xFFFF, stack);
    Ok(())
}

/// EFLAGS as an 8086 program under VME sees it: IOPL 3, IF from VIF.
pub(in crate::ops) fn virtual_flags(cpu: &Cpu) -> u32 {
    let flags = cpu.state.eflags() & !Eflags::IF.bits() | Eflags::IOPL.bits();
    if cpu.state.flag(Eflags::VIF) { flags | Eflags::IF.bits() } else { flags }
}

fn int3(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    interrupt(cpu, sys, Vector::Breakpoint as u8, Source::Trap, None)
}

fn into(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    if !cpu.state.arith.of() {
        return Ok(());
    }
    interrupt(cpu, sys, Vector::Overflow as u8, Source::Trap, None)
}

fn int1(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    interrupt(cpu, sys, Vector::Debug as u8, Source::Icebp, None)
}

/// BOUND: #BR unless the signed index lies within the two bounds in memory.
fn bound<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !insn.is_mem() {
        return Err(cpu.undefined(insn, OpcodeCheck::Undefined));
    }
    let at = cpu.ea(insn);
    let above = at.wrapping_add(W::BYTES);
    let above = if insn.has(Insn::ADDR32) { above } else { above & 0xFFFF };
    let low = signed(cpu.read::<W>(sys, insn.seg, at)?);
    let high = signed(cpu.read::<W>(sys, insn.seg, above)?);
    let index = signed(cpu.reg::<W>(insn.reg));
    if index < low || index > high {
        let cause = Cause::Bound { index, bounds: (low, high) };
        return Err(cpu.raise_plain(Vector::BoundRange, cause));
    }
    Ok(())
}

fn signed<W: Word>(value: W) -> i32 {
    let unused = 32 - 8 * W::BYTES;
    (value.zx() << unused) as i32 >> unused
}
