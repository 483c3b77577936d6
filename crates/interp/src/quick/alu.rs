//! ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT, shifts, IMUL.

use super::{Address, Any16, Any32, Base, Form, Indexed, by_address, by_width, form, width};
use crate::chain::{End, Op, Step, go_on, slow};
use crate::cpu::{Cpu, Word};
use crate::ops::arith::{Adc, Add, Binary, Cmp, Dec, Inc, Neg, Sbb, Sub, Unary};
use crate::ops::logic::{And, Not, Or, Test, Xor};
use crate::ops::shift::{Rcl, Rcr, Rol, Ror, Sar, Shift, Shl, Shr};
use bus::System;
use decode::{Insn, Opcode};
use x86::alu;

/// The quick step of an instruction of these.
pub(super) fn step(insn: &Insn, opcode: Opcode) -> Option<Step> {
    let Opcode { is_0f, byte, group } = opcode;
    match (is_0f, byte, group) {
        (false, 0x00..=0x3F, _) if byte & 7 < 6 => Some(binary(insn, byte >> 3, byte)),
        (false, 0x80..=0x83, Some(operation)) => Some(immediate(insn, operation, byte)),
        (false, 0x84 | 0x85, _) => Some(two::<Test>(insn, byte & 1)),
        (false, 0xA8 | 0xA9, _) => Some(by_width!(width(insn, byte), acc_imm::<Test>)),
        (false, 0xF6 | 0xF7, Some(0)) => Some(with_imm::<Test>(insn, byte)),
        (false, 0xF6 | 0xF7, Some(2)) => one::<Not>(insn, byte),
        (false, 0xF6 | 0xF7, Some(3)) => one::<Neg>(insn, byte),
        (false, 0x40..=0x47, _) => Some(by_width!(width(insn, 1), reg_opcode::<Inc>)),
        (false, 0x48..=0x4F, _) => Some(by_width!(width(insn, 1), reg_opcode::<Dec>)),
        (false, 0xFE | 0xFF, Some(0)) => one::<Inc>(insn, byte),
        (false, 0xFE | 0xFF, Some(1)) => one::<Dec>(insn, byte),
        (false, 0xC0 | 0xC1 | 0xD0 | 0xD1, Some(operation)) => shift(insn, operation, byte),
        (false, 0xD2 | 0xD3, Some(operation)) => shift_by_cl(insn, operation, byte),
        (true, 0xAF, _) | (false, 0x69 | 0x6B, _) => imul(insn, is_0f),
        _ => None,
    }
}

fn binary(insn: &Insn, operation: u8, byte: u8) -> Step {
    match operation {
        0 => two::<Add>(insn, byte),
        1 => two::<Or>(insn, byte),
        2 => two::<Adc>(insn, byte),
        3 => two::<Sbb>(insn, byte),
        4 => two::<And>(insn, byte),
        5 => two::<Sub>(insn, byte),
        6 => two::<Xor>(insn, byte),
        _ => two::<Cmp>(insn, byte),
    }
}

fn immediate(insn: &Insn, operation: u8, byte: u8) -> Step {
    match operation {
        0 => with_imm::<Add>(insn, byte),
        1 => with_imm::<Or>(insn, byte),
        2 => with_imm::<Adc>(insn, byte),
        3 => with_imm::<Sbb>(insn, byte),
        4 => with_imm::<And>(insn, byte),
        5 => with_imm::<Sub>(insn, byte),
        6 => with_imm::<Xor>(insn, byte),
        _ => with_imm::<Cmp>(insn, byte),
    }
}

/// The six forms of an operation at the front of the opcode map.
fn two<O: Binary>(insn: &Insn, byte: u8) -> Step {
    let (form, width) = (form(insn), width(insn, byte));
    match (byte & 7, form) {
        (0 | 1, Form::Register) => by_width!(width, rm_reg::<O>),
        (0 | 1, _) => by_address!(form, width, mem_reg::<O>),
        (2 | 3, Form::Register) => by_width!(width, reg_rm::<O>),
        (2 | 3, _) => by_address!(form, width, reg_mem::<O>),
        _ => by_width!(width, acc_imm::<O>),
    }
}

fn with_imm<O: Binary>(insn: &Insn, byte: u8) -> Step {
    let (form, width) = (form(insn), width(insn, byte));
    match form {
        Form::Register => by_width!(width, rm_imm::<O>),
        _ => by_address!(form, width, mem_imm::<O>),
    }
}

fn one<O: Unary>(insn: &Insn, byte: u8) -> Option<Step> {
    let (form, width) = (form(insn), width(insn, byte));
    Some(match form {
        Form::Register => by_width!(width, reg_rm_field::<O>),
        _ => by_address!(form, width, mem_unary::<O>),
    })
}

/// `a op= b` for a register.
#[inline(always)]
fn to_register<O: Binary, W: Word>(cpu: &mut Cpu, register: u8, b: W) {
    let (result, flags) = O::apply(cpu.reg::<W>(register), b, cpu.state.arith);
    if O::STORES {
        cpu.set_reg::<W>(register, result);
    }
    cpu.state.arith = flags;
}

fn rm_reg<O: Binary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    to_register::<O, W>(cpu, op.insn.rm, cpu.reg::<W>(op.insn.reg));
    go_on(cpu, sys, op, rest)
}

fn reg_rm<O: Binary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    to_register::<O, W>(cpu, op.insn.reg, cpu.reg::<W>(op.insn.rm));
    go_on(cpu, sys, op, rest)
}

fn rm_imm<O: Binary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    to_register::<O, W>(cpu, op.insn.rm, W::trunc(op.insn.imm));
    go_on(cpu, sys, op, rest)
}

fn acc_imm<O: Binary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    to_register::<O, W>(cpu, 0, W::trunc(op.insn.imm));
    go_on(cpu, sys, op, rest)
}

fn reg_mem<O: Binary, A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(b) = cpu.quick_read::<W>(sys, op.insn.seg, A::of(cpu, &op.insn)) else {
        return slow(cpu, sys, ops);
    };
    to_register::<O, W>(cpu, op.insn.reg, b);
    go_on(cpu, sys, op, rest)
}

/// `a op= b` for memory; `None` where that takes a handler.
#[inline(always)]
fn to_memory<O: Binary, A: Address, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    b: W,
) -> Option<()> {
    let (off, old) = (A::of(cpu, insn), cpu.state.arith);
    if O::STORES {
        let at = cpu.quick_place::<W>(insn.seg, off)?;
        let (result, flags) = O::apply(crate::access::load_from::<W>(sys, at)?, b, old);
        crate::access::store_to(sys, at, result)?;
        cpu.state.arith = flags;
    } else {
        cpu.state.arith = O::apply(cpu.quick_read::<W>(sys, insn.seg, off)?, b, old).1;
    }
    Some(())
}

fn mem_reg<O: Binary, A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let b = cpu.reg::<W>(op.insn.reg);
    if to_memory::<O, A, W>(cpu, sys, &op.insn, b).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

fn mem_imm<O: Binary, A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if to_memory::<O, A, W>(cpu, sys, &op.insn, W::trunc(op.insn.imm)).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

#[inline(always)]
fn unary_register<O: Unary, W: Word>(cpu: &mut Cpu, register: u8) {
    let (result, flags) = O::apply(cpu.reg::<W>(register), cpu.state.arith);
    cpu.set_reg::<W>(register, result);
    cpu.state.arith = flags;
}

fn reg_opcode<O: Unary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    unary_register::<O, W>(cpu, op.insn.reg);
    go_on(cpu, sys, op, rest)
}

fn reg_rm_field<O: Unary, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    unary_register::<O, W>(cpu, op.insn.rm);
    go_on(cpu, sys, op, rest)
}

#[inline(always)]
fn unary_memory<O: Unary, A: Address, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Option<()> {
    let at = cpu.quick_place::<W>(insn.seg, A::of(cpu, insn))?;
    let (result, flags) = O::apply(crate::access::load_from::<W>(sys, at)?, cpu.state.arith);
    crate::access::store_to(sys, at, result)?;
    cpu.state.arith = flags;
    Some(())
}

fn mem_unary<O: Unary, A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if unary_memory::<O, A, W>(cpu, sys, &op.insn).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

/// Shifts and rotates of a register by a constant that isn't 0.
fn shift(insn: &Insn, operation: u8, byte: u8) -> Option<Step> {
    let is_one = byte >= 0xD0;
    if insn.is_mem() || (!is_one && insn.imm & 31 == 0) {
        return None;
    }
    let width = width(insn, byte);
    Some(match (operation, is_one) {
        (0, true) => by_width!(width, shift_one::<Rol>),
        (1, true) => by_width!(width, shift_one::<Ror>),
        (2, true) => by_width!(width, shift_one::<Rcl>),
        (3, true) => by_width!(width, shift_one::<Rcr>),
        (4 | 6, true) => by_width!(width, shift_one::<Shl>),
        (5, true) => by_width!(width, shift_one::<Shr>),
        (7, true) => by_width!(width, shift_one::<Sar>),
        (0, false) => by_width!(width, shift_imm::<Rol>),
        (1, false) => by_width!(width, shift_imm::<Ror>),
        (4 | 6, false) => by_width!(width, shift_imm::<Shl>),
        (5, false) => by_width!(width, shift_imm::<Shr>),
        (7, false) => by_width!(width, shift_imm::<Sar>),
        _ => return None,
    })
}

#[inline(always)]
fn shift_register<O: Shift, W: Word>(cpu: &mut Cpu, register: u8, count: u32) {
    if let Some((result, flags)) = O::apply(cpu.reg::<W>(register), count, cpu.state.arith) {
        cpu.set_reg::<W>(register, result);
        cpu.state.arith = flags;
    }
}

fn shift_one<O: Shift, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    shift_register::<O, W>(cpu, op.insn.rm, 1);
    go_on(cpu, sys, op, rest)
}

fn shift_imm<O: Shift, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    shift_register::<O, W>(cpu, op.insn.rm, op.insn.imm & 31);
    go_on(cpu, sys, op, rest)
}

/// Shifts of a register by CL, and rotates but those through the carry.
fn shift_by_cl(insn: &Insn, operation: u8, byte: u8) -> Option<Step> {
    if insn.is_mem() {
        return None;
    }
    let width = width(insn, byte);
    Some(match operation {
        0 => by_width!(width, shift_cl::<Rol>),
        1 => by_width!(width, shift_cl::<Ror>),
        4 | 6 => by_width!(width, shift_cl::<Shl>),
        5 => by_width!(width, shift_cl::<Shr>),
        7 => by_width!(width, shift_cl::<Sar>),
        _ => return None,
    })
}

fn shift_cl<O: Shift, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let count = u32::from(cpu.reg::<u8>(1)) & 31;
    shift_register::<O, W>(cpu, op.insn.rm, count);
    go_on(cpu, sys, op, rest)
}

/// IMUL of 32 bits, from memory without an immediate alone.
fn imul(insn: &Insn, is_0f: bool) -> Option<Step> {
    Some(match (is_0f, form(insn)) {
        _ if !insn.op32() => return None,
        (true, Form::Register) => imul_reg,
        (true, Form::Base) => imul_mem::<Base>,
        (true, Form::Indexed) => imul_mem::<Indexed>,
        (true, Form::Any32) => imul_mem::<Any32>,
        (false, Form::Register) => imul_imm,
        _ => return None,
    })
}

fn imul_mem<A: Address>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(b) = cpu.quick_read::<u32>(sys, op.insn.seg, A::of(cpu, &op.insn)) else {
        return slow(cpu, sys, ops);
    };
    let (low, _, flags) = alu::imul(cpu.reg(op.insn.reg), b);
    cpu.set_reg(op.insn.reg, low);
    cpu.state.arith = flags;
    go_on(cpu, sys, op, rest)
}

fn imul_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let (low, _, flags) = alu::imul::<u32>(cpu.reg(op.insn.reg), cpu.reg(op.insn.rm));
    cpu.set_reg(op.insn.reg, low);
    cpu.state.arith = flags;
    go_on(cpu, sys, op, rest)
}

fn imul_imm(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let (low, _, flags) = alu::imul::<u32>(cpu.reg(op.insn.rm), op.insn.imm);
    cpu.set_reg(op.insn.reg, low);
    cpu.state.arith = flags;
    go_on(cpu, sys, op, rest)
}
