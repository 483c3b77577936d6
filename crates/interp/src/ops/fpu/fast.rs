//! The common instructions without the whole state: what the stack and its tags do is done here,
//! and only the operands go through the host's unit, all exceptions masked. A stack fault, or an
//! exception that the guest doesn't mask, sends the instruction to the whole way, which starts
//! afresh: nothing has changed by then.

use super::{alignment, begin, load_operand, memory, note_pointers, whole};
use crate::cpu::Cpu;
use crate::host_fpu::{self, Op};
use crate::ops::Handler;
use bus::System;
use decode::Insn;
use x86::fpu::{F80, Status};
use x86::{Arith, Fault, Fpu};

const C1: u16 = Status::C1.bits();
const COMPARED: u16 = Status::C0.union(Status::C2).union(Status::C3).bits();

/// The handler of an instruction that has a short way.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    let (escape, modrm) = (insn.imm2 >> 8 & 7, insn.imm2 & 0xFF);
    let row = modrm >> 3 & 7;
    if insn.is_mem() {
        return Some(match (escape, row) {
            (0 | 2 | 4 | 6, 2 | 3) => compare_memory,
            (0 | 2 | 4 | 6, _) => arithmetic_memory,
            (1 | 3 | 5 | 7, 0) | (3 | 7, 5) => load,
            (1 | 3 | 5 | 7, 2 | 3) | (3 | 5 | 7, 1) | (3 | 7, 7) => store,
            _ => return None,
        });
    }
    Some(match (escape, row) {
        (0 | 4 | 6, 0 | 1 | 4..=7) => arithmetic,
        (0, 2 | 3) | (5, 4 | 5) | (3 | 7, 5 | 6) => compare,
        (1, 0) => load_register,
        (1, 1) => exchange,
        (5, 2 | 3) => store_register,
        (1, _) if matches!(modrm, 0xE0 | 0xE1) => change_sign,
        (1, _) if matches!(modrm, 0xE8..=0xEE) => load,
        (1, _) if matches!(modrm, 0xE4 | 0xE5 | 0xF0 | 0xFA | 0xFC | 0xFE | 0xFF) => unary,
        (1, _) if matches!(modrm, 0xF1 | 0xF3 | 0xF9 | 0xFD) => binary,
        (2 | 3, 0..=3) => conditional_move,
        _ => return None,
    })
}

/// Notes what an instruction did but for its registers: exceptions, all of them masked, and the
/// condition codes in `defined`.
#[inline]
fn settle(cpu: &mut Cpu, insn: &Insn, status: u16, defined: u16) {
    let fpu = &mut cpu.state.fpu;
    fpu.status = fpu.status & !defined | status & (defined | Status::EXCEPTIONS.bits());
    note_pointers(cpu, insn);
}

/// Some exception isn't masked. Underflow counts even where it wasn't seen: masked, a tiny result
/// that is exact doesn't raise it (SDM 1 8.5.5).
#[inline]
fn traps(fpu: &Fpu, status: u16) -> bool {
    let seen = status & Status::EXCEPTIONS.bits() | Status::UE.bits();
    seen & !fpu.control != 0
}

#[inline]
fn st(fpu: &Fpu, i: usize) -> F80 {
    fpu.regs[fpu.physical(i)]
}

#[inline]
fn set(fpu: &mut Fpu, i: usize, value: F80) {
    let n = fpu.physical(i);
    fpu.regs[n] = value;
    fpu.full |= 1 << n;
}

#[inline]
fn pop(fpu: &mut Fpu) {
    let top = fpu.top();
    fpu.full &= !(1 << top);
    fpu.set_top(top + 1);
}

#[inline]
fn push(fpu: &mut Fpu, value: F80) {
    fpu.set_top(fpu.top() + 7);
    set(fpu, 0, value);
}

fn op(opcode: u16) -> Op {
    Op::new(opcode).expect("an instruction of the unit")
}

/// FADD and its kin with ST(0) and an operand in memory.
fn arithmetic_memory(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let mut bytes = load_operand(cpu, sys, insn)?;
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), F80::ZERO];
    let code = op(insn.imm2);
    let status = host_fpu::compute(code, &mut values, &mut bytes, fpu.control);
    if fpu.is_empty(0) || traps(fpu, status) {
        return whole(cpu, sys, insn, bytes);
    }
    set(fpu, 0, values[0]);
    settle(cpu, insn, status, C1);
    Ok(())
}

/// FADD and its kin between ST(0) and ST(i), to either, popping or not.
fn arithmetic(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let (i, row) = (usize::from(insn.imm2 & 7), insn.imm2 & 0x38);
    let (to_other, pops) = (insn.imm2 & 0x400 != 0, insn.imm2 & 0x200 != 0);
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), st(fpu, i)];
    let code = op(if to_other { 0x4C1 } else { 0x0C1 } | row);
    let status = host_fpu::compute(code, &mut values, &mut [0; 16], fpu.control);
    if fpu.is_empty(0) || fpu.is_empty(i) || traps(fpu, status) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    if to_other {
        set(fpu, i, values[1]);
    } else {
        set(fpu, 0, values[0]);
    }
    if pops {
        pop(fpu);
    }
    settle(cpu, insn, status, C1);
    Ok(())
}

/// FCOM and FICOM with memory.
fn compare_memory(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let mut bytes = load_operand(cpu, sys, insn)?;
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), F80::ZERO];
    let code = op(insn.imm2 & 0x700 | 0x10);
    let status = host_fpu::compute(code, &mut values, &mut bytes, fpu.control);
    if fpu.is_empty(0) || traps(fpu, status) {
        return whole(cpu, sys, insn, bytes);
    }
    if insn.imm2 & 8 != 0 {
        pop(fpu);
    }
    settle(cpu, insn, status, C1 | COMPARED);
    Ok(())
}

/// FCOM, FUCOM, FCOMI, FUCOMI with ST(i), popping or not.
fn compare(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let (i, row) = (usize::from(insn.imm2 & 7), insn.imm2 >> 3 & 7);
    let (code, to_flags, pops) = match insn.imm2 >> 8 & 7 {
        0 => (0x0D1, false, row == 3),
        5 => (0x5E1, false, row == 5),
        escape => (if row == 5 { 0x5E1 } else { 0x0D1 }, true, escape == 7),
    };
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), st(fpu, i)];
    let status = host_fpu::compute(op(code), &mut values, &mut [0; 16], fpu.control);
    if fpu.is_empty(0) || fpu.is_empty(i) || traps(fpu, status) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    if pops {
        pop(fpu);
    }
    if to_flags {
        // C3, C2 and C0 lie where ZF, PF and CF do in the low byte.
        cpu.state.arith = Arith::from_flags(u32::from(status >> 8 & 0x45));
    }
    let defined = match to_flags {
        false => C1 | COMPARED,
        true if host_fpu::comparison_keeps_c1() => 0,
        true => C1,
    };
    settle(cpu, insn, status, defined);
    Ok(())
}

/// FLD and FILD from memory, FLD1 and its kin.
fn load(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let mut bytes = load_operand(cpu, sys, insn)?;
    let fpu = &mut cpu.state.fpu;
    let (value, status) = host_fpu::load(op(insn.imm2), &mut bytes, fpu.control);
    if !fpu.is_empty(7) || traps(fpu, status) {
        return whole(cpu, sys, insn, bytes);
    }
    push(fpu, value);
    settle(cpu, insn, status, C1);
    Ok(())
}

/// FST and FIST to memory, popping or not; only those of four bytes at most have both forms, and
/// the one that pops may as well do so on the host.
fn store(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let row = insn.imm2 >> 3 & 7;
    let opcode = insn.imm2 & 0x700 | if row == 3 { 0x10 } else { row << 3 };
    let fpu = &cpu.state.fpu;
    let (mut values, mut bytes) = ([st(fpu, 0), F80::ZERO], [0; 16]);
    let status = host_fpu::compute(op(opcode), &mut values, &mut bytes, fpu.control);
    if fpu.is_empty(0) || traps(fpu, status) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    let size = memory(insn.imm2).bytes();
    let offset = cpu.ea(insn);
    cpu.write_bytes(sys, insn.seg, offset, &bytes[..size], alignment(size as u8))?;
    if row != 2 {
        pop(&mut cpu.state.fpu);
    }
    settle(cpu, insn, status, C1);
    Ok(())
}

/// What only ST(0) goes into: FSQRT, FRNDINT, F2XM1, FSIN, FCOS, FTST, FXAM.
fn unary(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), F80::ZERO];
    let status = host_fpu::compute(op(insn.imm2), &mut values, &mut [0; 16], fpu.control);
    if fpu.is_empty(0) || traps(fpu, status) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    set(fpu, 0, values[0]);
    let defined = match insn.imm2 & 0xFF {
        0xE4 | 0xE5 => C1 | COMPARED,
        0xFE | 0xFF => C1 | Status::C2.bits(),
        _ => C1,
    };
    settle(cpu, insn, status, defined);
    Ok(())
}

/// What ST(0) and ST(1) go into: FSCALE to ST(0); FPATAN, FYL2X and FYL2XP1 to ST(1), popping.
fn binary(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let fpu = &mut cpu.state.fpu;
    let mut values = [st(fpu, 0), st(fpu, 1)];
    let status = host_fpu::compute(op(insn.imm2), &mut values, &mut [0; 16], fpu.control);
    if fpu.is_empty(0) || fpu.is_empty(1) || traps(fpu, status) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    if matches!(insn.imm2 & 0xFF, 0xF1 | 0xF3 | 0xF9) {
        pop(fpu);
    }
    set(fpu, 0, values[0]);
    settle(cpu, insn, status, C1);
    Ok(())
}

/// FCMOVcc: below, equal, below or equal, unordered, and their opposites.
fn conditional_move(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let (i, row) = (usize::from(insn.imm2 & 7), insn.imm2 >> 3 & 7);
    let wanted = insn.imm2 & 0x100 == 0;
    let flags = cpu.state.arith.flags();
    let fpu = &mut cpu.state.fpu;
    if fpu.is_empty(0) || fpu.is_empty(i) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    // CF, ZF, either, PF.
    let mask = [0x01, 0x40, 0x41, 0x04][usize::from(row)];
    if (flags & mask != 0) == wanted {
        let value = st(fpu, i);
        set(fpu, 0, value);
    }
    settle(cpu, insn, 0, if host_fpu::comparison_keeps_c1() { 0 } else { C1 });
    Ok(())
}

/// FCHS and FABS: no number is looked at.
fn change_sign(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let fpu = &mut cpu.state.fpu;
    if fpu.is_empty(0) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    let sign = &mut fpu.regs[fpu.top()].sign_exponent;
    *sign = if insn.imm2 & 1 == 0 { *sign ^ 0x8000 } else { *sign & 0x7FFF };
    settle(cpu, insn, 0, C1);
    Ok(())
}

/// FLD ST(i).
fn load_register(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let i = usize::from(insn.imm2 & 7);
    let fpu = &mut cpu.state.fpu;
    if fpu.is_empty(i) || !fpu.is_empty(7) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    let value = st(fpu, i);
    push(fpu, value);
    settle(cpu, insn, 0, C1);
    Ok(())
}

/// FXCH.
fn exchange(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let i = usize::from(insn.imm2 & 7);
    let fpu = &mut cpu.state.fpu;
    if fpu.is_empty(0) || fpu.is_empty(i) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    let (a, b) = (fpu.physical(0), fpu.physical(i));
    fpu.regs.swap(a, b);
    settle(cpu, insn, 0, C1);
    Ok(())
}

/// FST and FSTP to ST(i).
fn store_register(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let i = usize::from(insn.imm2 & 7);
    let fpu = &mut cpu.state.fpu;
    if fpu.is_empty(0) {
        return whole(cpu, sys, insn, [0; 16]);
    }
    let value = st(fpu, 0);
    set(fpu, i, value);
    if insn.imm2 & 8 != 0 {
        pop(fpu);
    }
    settle(cpu, insn, 0, C1);
    Ok(())
}
