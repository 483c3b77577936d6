//! Jcc JMP CALL RET, and a comparison together with the Jcc behind it.

use super::{Address, Any16, Any32, Base, Form, Indexed, form, width};
use crate::chain::{End, Op, Step, Taken, go_on, leave, slow};
use crate::cpu::{Cpu, Word};
use crate::ops::arith::{Binary, Cmp, Dec, Sub, Unary};
use crate::ops::logic::{And, Test};
use bus::System;
use decode::{Insn, Opcode};
use std::marker::PhantomData;
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

/// Goes on at the first one's displacement from its end.
#[inline(always)]
fn jump_by(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let target = (cpu.block_ip as u32).wrapping_add(op.distance);
    let wraps = target > 0xFFFF && !op.insn.op32();
    if wraps || target > cpu.state.seg[SegReg::Cs as usize].limit {
        // Alone: it may jump from amid the block.
        return slow(cpu, sys, ops.get(..1).unwrap_or_default());
    }
    take(cpu, op)
}

/// Ends the block at a jump by its displacement.
#[inline(always)]
fn take(cpu: &mut Cpu, op: &Op) -> End {
    let (link, distance) = (op.link.get(), op.distance);
    cpu.taken = Taken { link, distance, count: u32::from(op.index) + 1 };
    End::Taken
}

fn jcc<const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if cpu.state.arith.condition(CC) { jump_by(cpu, sys, ops) } else { go_on(cpu, sys, op, rest) }
}

fn jmp(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    jump_by(cpu, sys, ops)
}

/// Pushes the address behind a call of a target of 32 bits; `None` where that takes the handler.
#[inline(always)]
fn push_behind(cpu: &mut Cpu, sys: &mut System, op: &Op, target: u32) -> Option<()> {
    if target > cpu.state.seg[SegReg::Cs as usize].limit {
        return None;
    }
    cpu.quick_push(sys, behind(cpu, op))
}

fn call(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let target = (cpu.block_ip as u32).wrapping_add(op.distance);
    match push_behind(cpu, sys, op, target) {
        Some(()) => take(cpu, op),
        None => slow(cpu, sys, ops),
    }
}

fn call_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, ..] = ops else { return End::Next };
    let target = cpu.reg32(op.insn.rm);
    if push_behind(cpu, sys, op, target).is_none() {
        return slow(cpu, sys, ops);
    }
    leave(cpu, op, target);
    End::Jumped
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

/// An operation that sets the flags for the jump behind it.
trait Compare {
    /// `None` where that takes the handler.
    fn apply(cpu: &mut Cpu, sys: &System, insn: &Insn) -> Option<()>;
}

/// `op rm, reg`.
struct RmReg<O, W>(PhantomData<(O, W)>);
/// `op reg, rm`.
struct RegRm<O, W>(PhantomData<(O, W)>);
/// `op rm, imm`.
struct RmImm<O, W>(PhantomData<(O, W)>);
/// `op reg`, the register in the opcode.
struct Reg<O>(PhantomData<O>);
/// `op mem, reg`, which doesn't store.
struct MemReg<O, W>(PhantomData<(O, W)>);
/// `op reg, mem`, which doesn't store.
struct RegMem<O, W>(PhantomData<(O, W)>);
/// `op mem, imm`, which doesn't store.
struct MemImm<O, W>(PhantomData<(O, W)>);

#[inline(always)]
fn apply<O: Binary, W: Word>(cpu: &mut Cpu, register: u8, b: W) -> Option<()> {
    let (result, flags) = O::apply(cpu.reg::<W>(register), b, cpu.state.arith);
    if O::STORES {
        cpu.set_reg::<W>(register, result);
    }
    cpu.state.arith = flags;
    Some(())
}

#[inline(always)]
fn operand<W: Word>(cpu: &Cpu, sys: &System, insn: &Insn) -> Option<W> {
    cpu.quick_read::<W>(sys, insn.seg, Any32::of(cpu, insn))
}

impl<O: Binary, W: Word> Compare for RmReg<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, _: &System, insn: &Insn) -> Option<()> {
        apply::<O, W>(cpu, insn.rm, cpu.reg::<W>(insn.reg))
    }
}

impl<O: Binary, W: Word> Compare for RegRm<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, _: &System, insn: &Insn) -> Option<()> {
        apply::<O, W>(cpu, insn.reg, cpu.reg::<W>(insn.rm))
    }
}

impl<O: Binary, W: Word> Compare for RmImm<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, _: &System, insn: &Insn) -> Option<()> {
        apply::<O, W>(cpu, insn.rm, W::trunc(insn.imm))
    }
}

impl<O: Unary> Compare for Reg<O> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, _: &System, insn: &Insn) -> Option<()> {
        let (result, flags) = O::apply(cpu.reg32(insn.reg), cpu.state.arith);
        cpu.set_reg32(insn.reg, result);
        cpu.state.arith = flags;
        Some(())
    }
}

impl<O: Binary, W: Word> Compare for MemReg<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, sys: &System, insn: &Insn) -> Option<()> {
        let a = operand::<W>(cpu, sys, insn)?;
        cpu.state.arith = O::apply(a, cpu.reg::<W>(insn.reg), cpu.state.arith).1;
        Some(())
    }
}

impl<O: Binary, W: Word> Compare for RegMem<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, sys: &System, insn: &Insn) -> Option<()> {
        apply::<O, W>(cpu, insn.reg, operand::<W>(cpu, sys, insn)?)
    }
}

impl<O: Binary, W: Word> Compare for MemImm<O, W> {
    #[inline(always)]
    fn apply(cpu: &mut Cpu, sys: &System, insn: &Insn) -> Option<()> {
        let a = operand::<W>(cpu, sys, insn)?;
        cpu.state.arith = O::apply(a, W::trunc(insn.imm), cpu.state.arith).1;
        Some(())
    }
}

/// The jump follows, unless the budget cut it off.
fn joined<C: Compare, const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, jumps @ ..] = ops else { return End::Next };
    if C::apply(cpu, sys, &op.insn).is_none() {
        return slow(cpu, sys, ops);
    }
    match jumps {
        [jump, rest @ ..] if !cpu.state.arith.condition(CC) => go_on(cpu, sys, jump, rest),
        _ => jump_by(cpu, sys, jumps),
    }
}

/// A comparison and the jump behind it, as one.
pub(super) fn compare_and_jump(insn: &Insn, opcode: Opcode, condition: usize) -> Option<Step> {
    let Opcode { is_0f: false, byte, group } = opcode else {
        return None;
    };
    let steps = match (form(insn), byte, group, width(insn, byte)) {
        (Form::Any16, ..) => return None,
        (Form::Register, 0x38, _, 8) => JOINED_CMP_RM_REG8,
        (Form::Register, 0x39, _, 32) => JOINED_CMP_RM_REG,
        (Form::Register, 0x3B, _, 32) => JOINED_CMP_REG_RM,
        (Form::Register, 0x3C, _, _) => JOINED_CMP_IMM8,
        (Form::Register, 0x3D, _, 32) => JOINED_CMP_IMM,
        (Form::Register, 0x80 | 0x82, Some(7), _) => JOINED_CMP_IMM8,
        (Form::Register, 0x81 | 0x83, Some(7), 32) => JOINED_CMP_IMM,
        (Form::Register, 0x84, _, _) => JOINED_TEST8,
        (Form::Register, 0x85, _, 32) => JOINED_TEST,
        (Form::Register, 0xA8, _, _) | (Form::Register, 0xF6, Some(0), _) => JOINED_TEST_IMM8,
        (Form::Register, 0x81 | 0x83, Some(4), 32) => JOINED_AND_IMM,
        (Form::Register, 0x81 | 0x83, Some(5), 32) => JOINED_SUB_IMM,
        (Form::Register, 0x48..=0x4F, _, _) if insn.op32() => JOINED_DEC,
        (Form::Register, ..) => return None,
        (_, 0x38, _, 8) => JOINED_CMP_MEM_REG8,
        (_, 0x39, _, 32) => JOINED_CMP_MEM_REG,
        (_, 0x3A, _, 8) => JOINED_CMP_REG_MEM8,
        (_, 0x3B, _, 32) => JOINED_CMP_REG_MEM,
        (_, 0x80 | 0x82, Some(7), _) => JOINED_CMP_MEM_IMM8,
        (_, 0x81 | 0x83, Some(7), 32) => JOINED_CMP_MEM_IMM,
        (_, 0xF6, Some(0), _) => JOINED_TEST_MEM_IMM8,
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
joined!(JOINED_TEST_IMM8, RmImm<Test, u8>);
joined!(JOINED_CMP_MEM_REG8, MemReg<Cmp, u8>);
joined!(JOINED_CMP_MEM_REG, MemReg<Cmp, u32>);
joined!(JOINED_CMP_REG_MEM8, RegMem<Cmp, u8>);
joined!(JOINED_CMP_REG_MEM, RegMem<Cmp, u32>);
joined!(JOINED_CMP_MEM_IMM8, MemImm<Cmp, u8>);
joined!(JOINED_CMP_MEM_IMM, MemImm<Cmp, u32>);
joined!(JOINED_TEST_MEM_IMM8, MemImm<Test, u8>);
