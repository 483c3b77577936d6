//! Jcc JMP CALL RET, and a comparison together with the Jcc behind it.

use super::{Address, Any16, Any32, Base, Form, Indexed, form, width};
use crate::chain::{End, Op, Step, go_on, leave, slow};
use crate::cpu::{Cpu, Word};
use crate::ops::arith::{Binary, Cmp, Dec, Sub, Unary};
use crate::ops::logic::{And, Test};
use bus::System;
use decode::{Insn, Opcode};
use x86::SegReg;

/// The quick step of an instruction of these.
pub(super) fn step(insn: &Insn, opcode: Opcode) -> Option<Step> {
    let Opcode { is_0f, byte, group } = opcode;
    Some(match (is_0f, byte, group) {
        (false, 0x70..=0x7F, _) | (true, 0x80..=0x8F, _) => JCC[usize::from(byte & 15)],
        (false, 0xE9 | 0xEB, _) => jmp,
        (false, 0xE8, _) if insn.op32() => call,
        (false, 0xC2 | 0xC3, _) if insn.op32() => ret,
        (false, 0xFF, Some(2)) if insn.op32() && !insn.is_mem() => call_reg,
        (false, 0xFF, Some(4)) if insn.op32() => match form(insn) {
            Form::Register => jmp_reg,
            Form::Base => jmp_mem::<Base>,
            Form::Indexed => jmp_mem::<Indexed>,
            Form::Any32 => jmp_mem::<Any32>,
            Form::Any16 => jmp_mem::<Any16>,
        },
        _ => return None,
    })
}

/// The address behind the instruction.
#[inline(always)]
fn behind(cpu: &Cpu, op: &Op) -> u32 {
    (cpu.block_ip as u32).wrapping_add(u32::from(op.end))
}

/// Goes on at a displacement from the instruction's end.
#[inline(always)]
fn jump_by(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let wide = behind(cpu, op).wrapping_add(op.insn.imm);
    let target = if op.insn.op32() { wide } else { wide & 0xFFFF };
    if target > cpu.state.seg[SegReg::Cs as usize].limit {
        return slow(cpu, sys, ops);
    }
    leave(cpu, op, target);
    // Where IP wraps, the distance to the target isn't the displacement.
    cpu.link = op.link.get();
    if target == wide { End::Taken } else { End::Jumped }
}

fn jcc<const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if cpu.state.arith.condition(CC) { jump_by(cpu, sys, ops) } else { go_on(cpu, sys, op, rest) }
}

fn jmp(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    jump_by(cpu, sys, ops)
}

/// Calls a target of 32 bits; `None` where that takes the handler.
#[inline(always)]
fn call_to(cpu: &mut Cpu, sys: &mut System, op: &Op, target: u32) -> Option<()> {
    if target > cpu.state.seg[SegReg::Cs as usize].limit {
        return None;
    }
    cpu.quick_push(sys, behind(cpu, op))?;
    leave(cpu, op, target);
    Some(())
}

fn call(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let target = behind(cpu, op).wrapping_add(op.insn.imm);
    if call_to(cpu, sys, op, target).is_none() {
        return slow(cpu, sys, ops);
    }
    cpu.link = op.link.get();
    End::Taken
}

fn call_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    match call_to(cpu, sys, op, cpu.reg32(op.insn.rm)) {
        Some(()) => End::Jumped,
        None => slow(cpu, sys, ops),
    }
}

/// The form without an immediate releases nothing: its `imm` is 0.
fn ret(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let limit = cpu.state.seg[SegReg::Cs as usize].limit;
    let Some(target) = cpu.quick_top(sys).filter(|target| *target <= limit) else {
        return slow(cpu, sys, ops);
    };
    let released = 4 + (op.insn.imm & 0xFFFF);
    cpu.set_reg32(4, cpu.reg32(4).wrapping_add(released));
    leave(cpu, op, target);
    End::Jumped
}

fn jmp_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let target = cpu.reg32(op.insn.rm);
    if target > cpu.state.seg[SegReg::Cs as usize].limit {
        return slow(cpu, sys, ops);
    }
    leave(cpu, op, target);
    End::Jumped
}

fn jmp_mem<A: Address>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let limit = cpu.state.seg[SegReg::Cs as usize].limit;
    let target = cpu.quick_read::<u32>(sys, op.insn.seg, A::of(cpu, &op.insn));
    let Some(target) = target.filter(|target| *target <= limit) else {
        return slow(cpu, sys, ops);
    };
    leave(cpu, op, target);
    End::Jumped
}

/// In the order of the condition codes.
#[rustfmt::skip]
const JCC: [Step; 16] = [
    jcc::<0>, jcc::<1>, jcc::<2>, jcc::<3>, jcc::<4>, jcc::<5>, jcc::<6>, jcc::<7>, jcc::<8>,
    jcc::<9>, jcc::<10>, jcc::<11>, jcc::<12>, jcc::<13>, jcc::<14>, jcc::<15>,
];

/// An operation on registers that sets the flags for the jump behind it.
trait Compare {
    fn apply(cpu: &mut Cpu, insn: &Insn);
}

/// `op rm, reg`.
struct RmReg<O, W>(std::marker::PhantomData<(O, W)>);
/// `op reg, rm`.
struct RegRm<O, W>(std::marker::PhantomData<(O, W)>);
/// `op rm, imm`.
struct RmImm<O, W>(std::marker::PhantomData<(O, W)>);
/// `op reg`, the register in the opcode.
struct Reg<O>(std::marker::PhantomData<O>);

#[inline(always)]
fn apply<O: Binary, W: Word>(cpu: &mut Cpu, register: u8, b: W) {
    let (result, flags) = O::apply(cpu.reg::<W>(register), b, cpu.state.arith);
    if O::STORES {
        cpu.set_reg::<W>(register, result);
    }
    cpu.state.arith = flags;
}

impl<O: Binary, W: Word> Compare for RmReg<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, insn: &Insn) {
        apply::<O, W>(cpu, insn.rm, cpu.reg::<W>(insn.reg));
    }
}

impl<O: Binary, W: Word> Compare for RegRm<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, insn: &Insn) {
        apply::<O, W>(cpu, insn.reg, cpu.reg::<W>(insn.rm));
    }
}

impl<O: Binary, W: Word> Compare for RmImm<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, insn: &Insn) {
        apply::<O, W>(cpu, insn.rm, W::trunc(insn.imm));
    }
}

impl<O: Unary> Compare for Reg<O> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, insn: &Insn) {
        let (result, flags) = O::apply(cpu.reg32(insn.reg), cpu.state.arith);
        cpu.set_reg32(insn.reg, result);
        cpu.state.arith = flags;
    }
}

/// The jump follows, unless the budget cut it off.
fn joined<C: Compare, const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, jumps @ ..] = ops else { return End::Next };
    C::apply(cpu, &op.insn);
    match jumps {
        [jump, rest @ ..] if !cpu.state.arith.condition(CC) => go_on(cpu, sys, jump, rest),
        _ => jump_by(cpu, sys, jumps),
    }
}

/// A comparison of registers and the jump behind it, as one.
pub(super) fn compare_and_jump(insn: &Insn, opcode: Opcode, condition: usize) -> Option<Step> {
    if insn.is_mem() {
        return None;
    }
    let Opcode { is_0f: false, byte, group } = opcode else {
        return None;
    };
    let steps = match (byte, group, width(insn, byte)) {
        (0x38, _, 8) => JOINED_CMP_RM_REG8,
        (0x39, _, 32) => JOINED_CMP_RM_REG,
        (0x3B, _, 32) => JOINED_CMP_REG_RM,
        (0x80 | 0x82, Some(7), _) => JOINED_CMP_IMM8,
        (0x81, Some(7), 32) | (0x83, Some(7), 32) => JOINED_CMP_IMM,
        (0x84, _, _) => JOINED_TEST8,
        (0x85, _, 32) => JOINED_TEST,
        (0x81, Some(4), 32) | (0x83, Some(4), 32) => JOINED_AND_IMM,
        (0x81, Some(5), 32) | (0x83, Some(5), 32) => JOINED_SUB_IMM,
        (0x48..=0x4F, _, _) if insn.op32() => JOINED_DEC,
        _ => return None,
    };
    steps.get(condition).copied()
}

/// One step for each condition code.
macro_rules! joined {
    ($name:ident, $compare:ty) => {
#[rustfmt::skip]
        const $name: [Step; 16] = [
            joined::<$compare, 0>, joined::<$compare, 1>, joined::<$compare, 2>,
            joined::<$compare, 3>, joined::<$compare, 4>, joined::<$compare, 5>,
            joined::<$compare, 6>, joined::<$compare, 7>, joined::<$compare, 8>,
            joined::<$compare, 9>, joined::<$compare, 10>, joined::<$compare, 11>,
            joined::<$compare, 12>, joined::<$compare, 13>, joined::<$compare, 14>,
            joined::<$compare, 15>,
        ];
    };
}

joined!(JOINED_CMP_RM_REG8, RmReg<Cmp, u8>);
joined!(JOINED_CMP_RM_REG, RmReg<Cmp, u32>);
joined!(JOINED_CMP_REG_RM, RegRm<Cmp, u32>);
joined!(JOINED_CMP_IMM8, RmImm<Cmp, u8>);
joined!(JOINED_CMP_IMM, RmImm<Cmp, u32>);
joined!(JOINED_TEST8, RmReg<Test, u8>);
joined!(JOINED_TEST, RmReg<Test, u32>);
joined!(JOINED_AND_IMM, RmImm<And, u32>);
joined!(JOINED_SUB_IMM, RmImm<Sub, u32>);
joined!(JOINED_DEC, Reg<Dec>);
