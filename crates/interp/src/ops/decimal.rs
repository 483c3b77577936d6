//! Decimal adjustment: DAA DAS AAA AAS AAM AAD (SDM 2, each instruction).

use crate::cpu::{Cpu, Handler};
use bus::System;
use decode::{Code, Insn};
use x86::fault::{Fault, Vector};
use x86::{Arith, Cause, alu};

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Daa => |cpu, _, _| packed(cpu, alu::daa),
        Code::Das => |cpu, _, _| packed(cpu, alu::das),
        Code::Aaa => |cpu, _, _| unpacked(cpu, alu::aaa),
        Code::Aas => |cpu, _, _| unpacked(cpu, alu::aas),
        Code::Aam_imm8 => aam,
        Code::Aad_imm8 => aad,
        _ => return None,
    })
}

fn packed(cpu: &mut Cpu, adjust: fn(u8, Arith) -> (u8, Arith)) -> Result<(), Fault> {
    let (al, flags) = adjust(cpu.reg8(0), cpu.state.arith);
    cpu.set_reg8(0, al);
    cpu.state.arith = flags;
    Ok(())
}

fn unpacked(cpu: &mut Cpu, adjust: fn(u16, Arith) -> (u16, Arith)) -> Result<(), Fault> {
    let (ax, flags) = adjust(cpu.reg16(0), cpu.state.arith);
    cpu.set_reg16(0, ax);
    cpu.state.arith = flags;
    Ok(())
}

/// The base in the opcode may be 0, which divides by zero.
fn aam(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let Some((ax, flags)) = alu::aam(cpu.reg8(0), insn.imm as u8) else {
        return Err(cpu.raise(Fault::plain(Vector::DivideError), Cause::Divide { divisor: 0 }));
    };
    cpu.set_reg16(0, ax);
    cpu.state.arith = flags;
    Ok(())
}

fn aad(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let (ax, flags) = alu::aad(cpu.reg16(0), insn.imm as u8);
    cpu.set_reg16(0, ax);
    cpu.state.arith = flags;
    Ok(())
}
