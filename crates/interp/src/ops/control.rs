//! Near transfers of control: Jcc JMP CALL RET LOOPcc JCXZ.
//!
//! The target is checked before anything is written or counted; a 16-bit operand size cuts it
//! to 16 bits. (SDM 1 6.4; SDM 2, each instruction.)

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::SegReg;
use x86::fault::Fault;
use x86::state::gpr;

const ECX: u8 = gpr::ECX as u8;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    if insn.code.is_jcc_short_or_near() {
        let condition = (insn.code.condition_code() as usize).checked_sub(1)?;
        return JCC.get(condition).copied();
    }
    Some(match insn.code {
        Code::Jmp_rel8_16 | Code::Jmp_rel8_32 | Code::Jmp_rel16 | Code::Jmp_rel32_32 => jmp,
        Code::Jmp_rm16 => jmp_rm::<u16>,
        Code::Jmp_rm32 => jmp_rm::<u32>,
        Code::Call_rel16 => call::<u16>,
        Code::Call_rel32_32 => call::<u32>,
        Code::Call_rm16 => call_rm::<u16>,
        Code::Call_rm32 => call_rm::<u32>,
        Code::Retnw | Code::Retnw_imm16 => ret::<u16>,
        Code::Retnd | Code::Retnd_imm16 => ret::<u32>,
        Code::Loop_rel8_16_CX
        | Code::Loop_rel8_32_CX
        | Code::Loop_rel8_16_ECX
        | Code::Loop_rel8_32_ECX => |cpu, _, insn| loop_if(cpu, insn, true),
        Code::Loope_rel8_16_CX
        | Code::Loope_rel8_32_CX
        | Code::Loope_rel8_16_ECX
        | Code::Loope_rel8_32_ECX => |cpu, _, insn| loop_if(cpu, insn, cpu.state.arith.zf()),
        Code::Loopne_rel8_16_CX
        | Code::Loopne_rel8_32_CX
        | Code::Loopne_rel8_16_ECX
        | Code::Loopne_rel8_32_ECX => |cpu, _, insn| loop_if(cpu, insn, !cpu.state.arith.zf()),
        Code::Jcxz_rel8_16 | Code::Jcxz_rel8_32 | Code::Jecxz_rel8_16 | Code::Jecxz_rel8_32 => jcxz,
        _ => return None,
    })
}

/// In the order of the condition codes.
const JCC: [Handler; 16] = [
    jcc::<0>, jcc::<1>, jcc::<2>, jcc::<3>, jcc::<4>, jcc::<5>, jcc::<6>, jcc::<7>, jcc::<8>,
    jcc::<9>, jcc::<10>, jcc::<11>, jcc::<12>, jcc::<13>, jcc::<14>, jcc::<15>,
];

/// Jumps by the displacement in the opcode.
#[inline(always)]
fn jump_by(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    let target = cpu.state.eip().wrapping_add(insn.imm);
    cpu.jump_near(insn.op32(), target)
}

fn jcc<const CC: u8>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.arith.condition(CC) { jump_by(cpu, insn) } else { Ok(()) }
}

fn jmp(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    jump_by(cpu, insn)
}

fn jmp_rm<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let target = cpu.read_rm::<W>(sys, insn)?.zx();
    cpu.jump_near(insn.op32(), target)
}

fn call<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let back = cpu.state.eip();
    call_to::<W>(cpu, sys, insn, back.wrapping_add(insn.imm))
}

fn call_rm<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let target = cpu.read_rm::<W>(sys, insn)?.zx();
    call_to::<W>(cpu, sys, insn, target)
}

/// A stack that can't take the return address comes before a target out of bounds, as on
/// processors; the manual's order is the other.
#[inline(always)]
fn call_to<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    target: u32,
) -> Result<(), Fault> {
    let back = cpu.state.eip();
    if let Err(fault) = cpu.jump_near(insn.op32(), target) {
        let cause = cpu.cause;
        let slot = cpu.stack_ptr().wrapping_sub(W::BYTES);
        let slot = if cpu.state.stack32() { slot } else { slot & 0xFFFF };
        cpu.probe_write(sys, SegReg::Ss, slot, W::BYTES)?;
        return Err(cpu.raise(fault, cause));
    }
    cpu.push::<W>(sys, W::trunc(back))
}

/// The form without an immediate releases nothing: its `imm` is 0.
fn ret<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let top = cpu.stack_ptr();
    let target = cpu.read_stack::<W>(sys, top)?.zx();
    cpu.jump_near(insn.op32(), target)?;
    cpu.set_stack_ptr(top.wrapping_add(W::BYTES).wrapping_add(insn.imm & 0xFFFF));
    Ok(())
}

/// The counter, CX or ECX by the address size, drops without touching a flag.
fn loop_if(cpu: &mut Cpu, insn: &Insn, condition: bool) -> Result<(), Fault> {
    let wide = insn.has(Insn::ADDR32);
    let count = cpu.reg32(ECX).wrapping_sub(1);
    let count = if wide { count } else { count & 0xFFFF };
    if condition && count != 0 {
        jump_by(cpu, insn)?;
    }
    if wide {
        cpu.set_reg32(ECX, count);
    } else {
        cpu.set_reg16(ECX, count as u16);
    }
    Ok(())
}

fn jcxz(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let count = cpu.reg32(ECX);
    let count = if insn.has(Insn::ADDR32) { count } else { count & 0xFFFF };
    if count == 0 { jump_by(cpu, insn) } else { Ok(()) }
}
