//! MOV MOVZX MOVSX LEA, SETcc of registers, CMOVcc, PUSH POP LEAVE on a 32-bit stack, NOP.

use super::{Address, Any16, Any32, Base, Form, Indexed, by_address, by_width, form, width};
use crate::chain::{End, Op, Step, go_on, slow};
use crate::cpu::{Cpu, Word};
use bus::System;
use decode::{Code, Insn, Opcode};
use x86::SegReg;

/// The quick step of an instruction of these.
pub(super) fn step(insn: &Insn, opcode: Opcode) -> Option<Step> {
    let Opcode { is_0f, byte, group } = opcode;
    let (form, width) = (form(insn), width(insn, byte));
    Some(match (is_0f, byte, group) {
        (false, 0x88 | 0x89, _) if form == Form::Register => by_width!(width, rm_reg),
        (false, 0x88 | 0x89 | 0xA2 | 0xA3, _) => by_address!(form, width, store),
        (false, 0x8A | 0x8B, _) if form == Form::Register => by_width!(width, reg_rm),
        (false, 0x8A | 0x8B | 0xA0 | 0xA1, _) => by_address!(form, width, load),
        (false, 0xB0..=0xB7, _) => reg_imm::<u8>,
        (false, 0xB8..=0xBF, _) if insn.op32() => reg_imm::<u32>,
        (false, 0xB8..=0xBF, _) => reg_imm::<u16>,
        (false, 0xC6 | 0xC7, Some(0)) if form == Form::Register => by_width!(width, rm_imm),
        (false, 0xC6 | 0xC7, Some(0)) => by_address!(form, width, store_imm),
        (false, 0x8D, _) if insn.op32() && form == Form::Base => lea::<Base>,
        (false, 0x8D, _) if insn.op32() && form == Form::Indexed => lea::<Indexed>,
        (false, 0x8D, _) if insn.op32() && form == Form::Any32 => lea::<Any32>,
        (false, 0x8D, _) if insn.op32() && form == Form::Any16 => lea::<Any16>,
        (true, 0xB6 | 0xB7 | 0xBE | 0xBF, _) if insn.op32() => extend(form, byte),
        (false, 0x50..=0x57, _) if insn.op32() => push_reg,
        (false, 0x58..=0x5F, _) if insn.op32() => pop_reg,
        (false, 0x68 | 0x6A, _) if insn.op32() => push_imm,
        (false, 0x90, _) if matches!(insn.code, Code::Nopw | Code::Nopd | Code::Pause) => nop,
        (true, 0x40..=0x4F, _) if insn.op32() && form == Form::Register => {
            CMOV[usize::from(byte & 15)]
        }
        (true, 0x40..=0x4F, _) if insn.op32() && form != Form::Any16 => {
            CMOV_MEM[usize::from(byte & 15)]
        }
        (false, 0xC9, _) if insn.op32() => leave,
        (true, 0x90..=0x9F, _) if form == Form::Register => SET[usize::from(byte & 15)],
        _ => return None,
    })
}

fn extend(form: Form, byte: u8) -> Step {
    match (byte, form) {
        (0xB6, Form::Register) => zero_reg::<u8>,
        (0xB7, Form::Register) => zero_reg::<u16>,
        (0xBE, Form::Register) => sign_reg::<u8>,
        (_, Form::Register) => sign_reg::<u16>,
        (0xB6, _) => by_address!(form, 8, zero_mem),
        (0xB7, _) => by_address!(form, 16, zero_mem),
        (0xBE, _) => by_address!(form, 8, sign_mem),
        (_, _) => by_address!(form, 16, sign_mem),
    }
}

fn rm_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<W>(op.insn.rm, cpu.reg::<W>(op.insn.reg));
    go_on(cpu, sys, op, rest)
}

fn reg_rm<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<W>(op.insn.reg, cpu.reg::<W>(op.insn.rm));
    go_on(cpu, sys, op, rest)
}

fn reg_imm<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<W>(op.insn.reg, W::trunc(op.insn.imm));
    go_on(cpu, sys, op, rest)
}

fn rm_imm<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<W>(op.insn.rm, W::trunc(op.insn.imm));
    go_on(cpu, sys, op, rest)
}

fn load<A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(value) = cpu.quick_read::<W>(sys, op.insn.seg, A::of(cpu, &op.insn)) else {
        return slow(cpu, sys, ops);
    };
    cpu.set_reg::<W>(op.insn.reg, value);
    go_on(cpu, sys, op, rest)
}

fn store<A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let value = cpu.reg::<W>(op.insn.reg);
    if cpu.quick_write::<W>(sys, op.insn.seg, A::of(cpu, &op.insn), value).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

fn store_imm<A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let value = W::trunc(op.insn.imm);
    if cpu.quick_write::<W>(sys, op.insn.seg, A::of(cpu, &op.insn), value).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

fn lea<A: Address>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<u32>(op.insn.reg, A::of(cpu, &op.insn));
    go_on(cpu, sys, op, rest)
}

fn zero_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<u32>(op.insn.reg, cpu.reg::<W>(op.insn.rm).zx());
    go_on(cpu, sys, op, rest)
}

fn sign_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    cpu.set_reg::<u32>(op.insn.reg, cpu.reg::<W>(op.insn.rm).sx());
    go_on(cpu, sys, op, rest)
}

fn zero_mem<A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(value) = cpu.quick_read::<W>(sys, op.insn.seg, A::of(cpu, &op.insn)) else {
        return slow(cpu, sys, ops);
    };
    cpu.set_reg::<u32>(op.insn.reg, value.zx());
    go_on(cpu, sys, op, rest)
}

fn sign_mem<A: Address, W: Word>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(value) = cpu.quick_read::<W>(sys, op.insn.seg, A::of(cpu, &op.insn)) else {
        return slow(cpu, sys, ops);
    };
    cpu.set_reg::<u32>(op.insn.reg, value.sx());
    go_on(cpu, sys, op, rest)
}

impl Cpu {
    /// Pushes a dword on a 32-bit stack, if nothing is to be checked.
    #[inline(always)]
    pub(super) fn quick_push(&mut self, sys: &mut System, value: u32) -> Option<()> {
        if !self.state.stack32() {
            return None;
        }
        let sp = self.reg32(4).wrapping_sub(4);
        self.quick_write::<u32>(sys, SegReg::Ss, sp, value)?;
        self.set_reg32(4, sp);
        Some(())
    }

    /// The dword at a place of a 32-bit stack, if nothing is to be checked.
    #[inline(always)]
    fn quick_stack(&self, sys: &System, sp: u32) -> Option<u32> {
        if !self.state.stack32() {
            return None;
        }
        self.quick_read::<u32>(sys, SegReg::Ss, sp)
    }

    /// The dword on top of a 32-bit stack, if nothing is to be checked.
    #[inline(always)]
    pub(super) fn quick_top(&self, sys: &System) -> Option<u32> {
        self.quick_stack(sys, self.reg32(4))
    }
}

fn push_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if cpu.quick_push(sys, cpu.reg32(op.insn.reg)).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

fn push_imm(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if cpu.quick_push(sys, op.insn.imm).is_none() {
        return slow(cpu, sys, ops);
    }
    go_on(cpu, sys, op, rest)
}

/// POP ESP leaves the value popped.
fn pop_reg(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let Some(value) = cpu.quick_top(sys) else {
        return slow(cpu, sys, ops);
    };
    cpu.set_reg32(4, cpu.reg32(4).wrapping_add(4));
    cpu.set_reg32(op.insn.reg, value);
    go_on(cpu, sys, op, rest)
}

fn leave(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let frame = cpu.reg32(5);
    let Some(value) = cpu.quick_stack(sys, frame) else {
        return slow(cpu, sys, ops);
    };
    cpu.set_reg32(4, frame.wrapping_add(4));
    cpu.set_reg32(5, value);
    go_on(cpu, sys, op, rest)
}

fn nop(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    go_on(cpu, sys, op, rest)
}

fn set<const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let met = u8::from(cpu.state.arith.condition(CC));
    cpu.set_reg::<u8>(op.insn.rm, met);
    go_on(cpu, sys, op, rest)
}

fn cmov<const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    if cpu.state.arith.condition(CC) {
        cpu.set_reg32(op.insn.reg, cpu.reg32(op.insn.rm));
    }
    go_on(cpu, sys, op, rest)
}

/// Memory is read even where the condition isn't met.
fn cmov_mem<const CC: u8>(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
    let at = Any32::of(cpu, &op.insn);
    let Some(value) = cpu.quick_read::<u32>(sys, op.insn.seg, at) else {
        return slow(cpu, sys, ops);
    };
    if cpu.state.arith.condition(CC) {
        cpu.set_reg32(op.insn.reg, value);
    }
    go_on(cpu, sys, op, rest)
}

/// In the order of the condition codes.
#[rustfmt::skip]
const SET: [Step; 16] = [
    set::<0>, set::<1>, set::<2>, set::<3>, set::<4>, set::<5>, set::<6>, set::<7>,
    set::<8>, set::<9>, set::<10>, set::<11>, set::<12>, set::<13>, set::<14>, set::<15>,
];
/// In the order of the condition codes.
#[rustfmt::skip]
const CMOV: [Step; 16] = [
    cmov::<0>, cmov::<1>, cmov::<2>, cmov::<3>, cmov::<4>, cmov::<5>, cmov::<6>, cmov::<7>,
    cmov::<8>, cmov::<9>, cmov::<10>, cmov::<11>, cmov::<12>, cmov::<13>, cmov::<14>, cmov::<15>,
];
/// In the order of the condition codes.
#[rustfmt::skip]
const CMOV_MEM: [Step; 16] = [
    cmov_mem::<0>, cmov_mem::<1>, cmov_mem::<2>, cmov_mem::<3>, cmov_mem::<4>, cmov_mem::<5>,
    cmov_mem::<6>, cmov_mem::<7>, cmov_mem::<8>, cmov_mem::<9>, cmov_mem::<10>, cmov_mem::<11>,
    cmov_mem::<12>, cmov_mem::<13>, cmov_mem::<14>, cmov_mem::<15>,
];
