//! MMX and SSE to SSE4.2 (SDM 1 chapters 9 to 12; SDM 2 by name). What computes runs on the
//! host's own unit (`host_simd`), one function for all forms with the same operands; ours are
//! the switches in CR0 and CR4, memory operands, exceptions and what MMX does to the x87 tags.
//!
//! Invariant: the checks come in the architecture's order: #UD, #NM, #MF, then memory, then
//! #XM; an instruction that faults writes no register and no memory, and of MXCSR only flags.

mod exception;
mod lanes;
mod moves;
mod special;
mod state;
mod strings;
#[cfg(test)]
mod tests;

use super::Handler;
use super::fpu::{Ready, no_device, ready};
use crate::cpu::Cpu;
use crate::host_simd::{self, Op, Unit};
use bus::System;
use decode::{Insn, Place};
use x86::cause::OpcodeCheck;
use x86::{Arith, Cause, Cr0, Cr4, F80, Fault, LinAddr};

const XMM: u8 = Place::Xmm as u8;
const MM: u8 = Place::Mm as u8;
const GENERAL: u8 = Place::General as u8;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    moves::handler(insn)
        .or_else(|| special::handler(insn))
        .or_else(|| strings::handler(insn))
        .or_else(|| state::handler(insn))
        .or_else(|| computing(insn))
}

/// The executor for the operands of a form that runs on the host's unit.
fn computing(insn: &Insn) -> Option<Handler> {
    Op::new(decode::vector_opcode(insn.code)?)?;
    let operands = decode::vector_operands(insn.code)?;
    Some(match (operands.destination, operands.source, operands.bytes) {
        (Place::Xmm, Place::Xmm, 16 | 0) => execute::<XMM, XMM, 16>,
        (Place::Xmm, Place::Xmm, 8) => execute::<XMM, XMM, 8>,
        (Place::Xmm, Place::Xmm, 4) => execute::<XMM, XMM, 4>,
        (Place::Xmm, Place::Xmm, 2) => execute::<XMM, XMM, 2>,
        (Place::Xmm, Place::Mm, 8) => execute::<XMM, MM, 8>,
        (Place::Xmm, Place::General, 4) => execute::<XMM, GENERAL, 4>,
        (Place::Xmm, Place::General, 2) => execute::<XMM, GENERAL, 2>,
        (Place::Xmm, Place::General, 1) => execute::<XMM, GENERAL, 1>,
        (Place::Mm, Place::Mm, 8) => execute::<MM, MM, 8>,
        (Place::Mm, Place::Mm, 4) => execute::<MM, MM, 4>,
        (Place::Mm, Place::Xmm, 16) => execute::<MM, XMM, 16>,
        (Place::Mm, Place::Xmm, 8) => execute::<MM, XMM, 8>,
        (Place::Mm, Place::General, 2) => execute::<MM, GENERAL, 2>,
        (Place::General, Place::Xmm, 8) => execute::<GENERAL, XMM, 8>,
        (Place::General, Place::Xmm, 4) => execute::<GENERAL, XMM, 4>,
        (Place::General, Place::Xmm, 0) => execute::<GENERAL, XMM, 0>,
        (Place::General, Place::Mm, 0) => execute::<GENERAL, MM, 0>,
        _ => return None,
    })
}

/// An instruction with destination `D` in ModRM.reg and source `S` in ModRM.rm, or `N` bytes of
/// memory.
fn execute<const D: u8, const S: u8, const N: usize>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    // CVTPI2PD and CVTPI2PS from memory have nothing to do with the x87 registers.
    let mmx = (D == MM || S == MM) && !(D == XMM && insn.is_mem());
    if prepare(cpu, sys, insn, D == XMM || S == XMM, mmx)? == Ready::Frozen {
        return Ok(());
    }
    let op = Op::new(insn.imm2).expect("the handler was chosen for such an opcode");
    let second = source::<S, N>(cpu, sys, insn)?;
    let first = match D {
        XMM => cpu.state.xmm[usize::from(insn.reg & 7)],
        MM => u128::from(mm(cpu, insn.reg)),
        _ => 0,
    };
    let mut unit = Unit { first, second, ecx: second as u32, ..Unit::default() };
    let done = run(cpu, insn, op, &mut unit, D == MM || S == MM);
    if mmx {
        // Before #XM too: the manual's "before the instruction is executed", and silicon's way.
        enter_mmx(cpu);
    }
    done?;
    match D {
        XMM => cpu.state.xmm[usize::from(insn.reg & 7)] = unit.first,
        MM => set_mm(cpu, insn.reg, unit.mm),
        _ => cpu.state.set_reg32(usize::from(insn.reg), unit.eax),
    }
    Ok(())
}

/// COMISS, UCOMISD, PTEST and so on: the result is in the flags.
fn compare<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let op = Op::new(insn.imm2).expect("the handler was chosen for such an opcode");
    let second = source::<XMM, N>(cpu, sys, insn)?;
    let first = cpu.state.xmm[usize::from(insn.reg & 7)];
    let mut unit = Unit { first, second, ..Unit::default() };
    run(cpu, insn, op, &mut unit, false)?;
    cpu.state.arith = Arith::from_flags(unit.flags);
    Ok(())
}

/// Runs an instruction under the guest's MXCSR; #XM where it says so.
fn run(cpu: &mut Cpu, insn: &Insn, op: Op, unit: &mut Unit, mmx: bool) -> Result<(), Fault> {
    if !op.is_float() {
        host_simd::run(op, insn.imm as u8, unit, mmx);
        return Ok(());
    }
    unit.mxcsr = exception::mode(cpu.state.mxcsr);
    let before = *unit;
    host_simd::run(op, insn.imm as u8, unit, mmx);
    exception::settle(cpu, insn, &before, unit)
}

/// The second operand: a register, or `N` bytes of memory.
fn source<const S: u8, const N: usize>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<u128, Fault> {
    if insn.is_mem() {
        return if N == 16 { load_aligned(cpu, sys, insn) } else { load::<N>(cpu, sys, insn) };
    }
    Ok(match S {
        XMM => cpu.state.xmm[usize::from(insn.rm & 7)],
        MM => u128::from(mm(cpu, insn.rm)),
        _ => u128::from(cpu.state.reg32(usize::from(insn.rm))),
    })
}

/// `N` bytes of the memory operand, zero-extended.
fn load<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<u128, Fault> {
    let mut bytes = [0; 16];
    let (at, alignment) = (cpu.ea(insn), N as u32);
    cpu.read_bytes(sys, insn.seg, at, &mut bytes[..N], alignment)?;
    Ok(u128::from_le_bytes(bytes))
}

/// Sixteen bytes that must be aligned.
fn load_aligned(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<u128, Fault> {
    check_aligned(cpu, insn)?;
    load::<16>(cpu, sys, insn)
}

/// Stores the low `N` bytes of `value` in the memory operand.
fn store<const N: usize>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    value: u128,
) -> Result<(), Fault> {
    let at = cpu.ea(insn);
    cpu.write_bytes(sys, insn.seg, at, &value.to_le_bytes()[..N], N as u32)
}

/// Sixteen bytes that must be aligned.
fn store_aligned(cpu: &mut Cpu, sys: &mut System, insn: &Insn, value: u128) -> Result<(), Fault> {
    check_aligned(cpu, insn)?;
    store::<16>(cpu, sys, insn, value)
}

/// #GP(0) for an operand that isn't aligned to 16 bytes, even where the stack segment would
/// refuse it: silicon looks at the address first.
fn check_aligned(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    let lin = cpu.linear(insn.seg, cpu.ea(insn));
    if lin & 15 == 0 { Ok(()) } else { Err(misaligned(cpu, lin)) }
}

/// #GP(0) for an operand that must lie at a multiple of 16.
#[cold]
fn misaligned(cpu: &mut Cpu, lin: u64) -> Fault {
    cpu.raise(Fault::gp(0), Cause::Aligned16 { addr: LinAddr(lin) })
}

/// What stands before an instruction with XMM or MMX operands.
fn prepare(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    sse: bool,
    mmx: bool,
) -> Result<Ready, Fault> {
    if sse {
        sse_ready(cpu, insn)?;
    } else {
        mmx_ready(cpu, insn)?;
    }
    if mmx { ready(cpu, sys, insn) } else { Ok(Ready::Go) }
}

/// #UD if CR0.EM is set or CR4.OSFXSR clear, #NM if CR0.TS is set (SDM 3A table 13-1).
#[inline]
fn sse_ready(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.cr4 & Cr4::OSFXSR.bits() == 0 {
        return Err(cpu.undefined(insn, OpcodeCheck::NotEnabled));
    }
    mmx_ready(cpu, insn)
}

/// #UD if CR0.EM is set, #NM if CR0.TS is set (SDM 3A table 12-1).
#[inline]
fn mmx_ready(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.cr0 & (Cr0::EM | Cr0::TS).bits() == 0 {
        return Ok(());
    }
    if cpu.state.cr0().contains(Cr0::EM) {
        return Err(cpu.undefined(insn, OpcodeCheck::NotEnabled));
    }
    Err(no_device(cpu))
}

/// An MMX register.
fn mm(cpu: &Cpu, n: u8) -> u64 {
    cpu.state.fpu.regs[usize::from(n & 7)].significand
}

/// Writes an MMX register; seen as a real, it is a NaN or infinity (SDM 1 9.6.2).
fn set_mm(cpu: &mut Cpu, n: u8, value: u64) {
    cpu.state.fpu.regs[usize::from(n & 7)] = F80 { significand: value, sign_exponent: 0xFFFF };
}

/// What every MMX instruction but EMMS does to the x87 state: TOP is 0, no register is empty.
fn enter_mmx(cpu: &mut Cpu) {
    cpu.state.fpu.set_top(0);
    cpu.state.fpu.full = 0xFF;
}
