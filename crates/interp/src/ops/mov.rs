//! Data movement: MOV MOVZX MOVSX XCHG LEA XLAT CMOVcc SETcc, the sign extensions of the
//! accumulator, LAHF SAHF, the single-flag instructions, and those that do nothing.
//!
//! Moves change no flag. Segment, control and debug registers are elsewhere. (SDM 2, each
//! instruction.)

mod nop;

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::Arith;
use x86::Eflags;
use x86::fault::Fault;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    moves(insn)
        .or_else(|| extensions(insn))
        .or_else(|| conditional(insn))
        .or_else(|| flags(insn))
        .or_else(|| nop::handler(insn))
}

fn moves(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Mov_rm8_r8 => mov_rm_reg::<u8>(insn),
        Code::Mov_r8_rm8 => mov_reg_rm::<u8>(insn),
        Code::Mov_rm8_imm8 => mov_rm_imm::<u8>(insn),
        Code::Mov_r8_imm8 => mov_reg_imm::<u8>,
        Code::Mov_AL_moffs8 => mov_acc_mem::<u8>,
        Code::Mov_moffs8_AL => mov_mem_acc::<u8>,
        Code::Xchg_rm8_r8 => xchg::<u8>(insn),
        Code::Mov_rm16_r16 => mov_rm_reg::<u16>(insn),
        Code::Mov_r16_rm16 => mov_reg_rm::<u16>(insn),
        Code::Mov_rm16_imm16 => mov_rm_imm::<u16>(insn),
        Code::Mov_r16_imm16 => mov_reg_imm::<u16>,
        Code::Mov_AX_moffs16 => mov_acc_mem::<u16>,
        Code::Mov_moffs16_AX => mov_mem_acc::<u16>,
        Code::Xchg_rm16_r16 => xchg::<u16>(insn),
        Code::Mov_rm32_r32 => mov_rm_reg::<u32>(insn),
        Code::Mov_r32_rm32 => mov_reg_rm::<u32>(insn),
        Code::Mov_rm32_imm32 => mov_rm_imm::<u32>(insn),
        Code::Mov_r32_imm32 => mov_reg_imm::<u32>,
        Code::Mov_EAX_moffs32 => mov_acc_mem::<u32>,
        Code::Mov_moffs32_EAX => mov_mem_acc::<u32>,
        Code::Xchg_rm32_r32 => xchg::<u32>(insn),
        Code::Xchg_r16_AX => xchg_acc::<u16>,
        Code::Xchg_r32_EAX => xchg_acc::<u32>,
        Code::Lea_r16_m => lea::<u16>,
        Code::Lea_r32_m => lea::<u32>,
        Code::Xlat_m8 => xlat,
        _ => return None,
    })
}

fn extensions(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Movzx_r16_rm8 => movzx::<u16, u8>,
        Code::Movzx_r32_rm8 => movzx::<u32, u8>,
        Code::Movzx_r16_rm16 => movzx::<u16, u16>,
        Code::Movzx_r32_rm16 => movzx::<u32, u16>,
        Code::Movsx_r16_rm8 => movsx::<u16, u8>,
        Code::Movsx_r32_rm8 => movsx::<u32, u8>,
        Code::Movsx_r16_rm16 => movsx::<u16, u16>,
        Code::Movsx_r32_rm16 => movsx::<u32, u16>,
        Code::Cbw => extend_acc::<u16, u8>,
        Code::Cwde => extend_acc::<u32, u16>,
        Code::Cwd => spread_sign::<u16>,
        Code::Cdq => spread_sign::<u32>,
        _ => return None,
    })
}

fn conditional(insn: &Insn) -> Option<Handler> {
    let condition = (insn.code.condition_code() as usize).checked_sub(1)?;
    match insn.code {
        Code::Seto_rm8
        | Code::Setno_rm8
        | Code::Setb_rm8
        | Code::Setae_rm8
        | Code::Sete_rm8
        | Code::Setne_rm8
        | Code::Setbe_rm8
        | Code::Seta_rm8
        | Code::Sets_rm8
        | Code::Setns_rm8
        | Code::Setp_rm8
        | Code::Setnp_rm8
        | Code::Setl_rm8
        | Code::Setge_rm8
        | Code::Setle_rm8
        | Code::Setg_rm8 => SET.get(condition).copied(),
        Code::Cmovo_r16_rm16
        | Code::Cmovno_r16_rm16
        | Code::Cmovb_r16_rm16
        | Code::Cmovae_r16_rm16
        | Code::Cmove_r16_rm16
        | Code::Cmovne_r16_rm16
        | Code::Cmovbe_r16_rm16
        | Code::Cmova_r16_rm16
        | Code::Cmovs_r16_rm16
        | Code::Cmovns_r16_rm16
        | Code::Cmovp_r16_rm16
        | Code::Cmovnp_r16_rm16
        | Code::Cmovl_r16_rm16
        | Code::Cmovge_r16_rm16
        | Code::Cmovle_r16_rm16
        | Code::Cmovg_r16_rm16 => CMOV16.get(condition).copied(),
        Code::Cmovo_r32_rm32
        | Code::Cmovno_r32_rm32
        | Code::Cmovb_r32_rm32
        | Code::Cmovae_r32_rm32
        | Code::Cmove_r32_rm32
        | Code::Cmovne_r32_rm32
        | Code::Cmovbe_r32_rm32
        | Code::Cmova_r32_rm32
        | Code::Cmovs_r32_rm32
        | Code::Cmovns_r32_rm32
        | Code::Cmovp_r32_rm32
        | Code::Cmovnp_r32_rm32
        | Code::Cmovl_r32_rm32
        | Code::Cmovge_r32_rm32
        | Code::Cmovle_r32_rm32
        | Code::Cmovg_r32_rm32 => CMOV32.get(condition).copied(),
        _ => None,
    }
}

/// In the order of the condition codes.
const SET: [Handler; 16] = [
    setcc::<0>,
    setcc::<1>,
    setcc::<2>,
    setcc::<3>,
    setcc::<4>,
    setcc::<5>,
    setcc::<6>,
    setcc::<7>,
    setcc::<8>,
    setcc::<9>,
    setcc::<10>,
    setcc::<11>,
    setcc::<12>,
    setcc::<13>,
    setcc::<14>,
    setcc::<15>,
];
/// In the order of the condition codes.
const CMOV16: [Handler; 16] = [
    cmov::<u16, 0>,
    cmov::<u16, 1>,
    cmov::<u16, 2>,
    cmov::<u16, 3>,
    cmov::<u16, 4>,
    cmov::<u16, 5>,
    cmov::<u16, 6>,
    cmov::<u16, 7>,
    cmov::<u16, 8>,
    cmov::<u16, 9>,
    cmov::<u16, 10>,
    cmov::<u16, 11>,
    cmov::<u16, 12>,
    cmov::<u16, 13>,
    cmov::<u16, 14>,
    cmov::<u16, 15>,
];
/// In the order of the condition codes.
const CMOV32: [Handler; 16] = [
    cmov::<u32, 0>,
    cmov::<u32, 1>,
    cmov::<u32, 2>,
    cmov::<u32, 3>,
    cmov::<u32, 4>,
    cmov::<u32, 5>,
    cmov::<u32, 6>,
    cmov::<u32, 7>,
    cmov::<u32, 8>,
    cmov::<u32, 9>,
    cmov::<u32, 10>,
    cmov::<u32, 11>,
    cmov::<u32, 12>,
    cmov::<u32, 13>,
    cmov::<u32, 14>,
    cmov::<u32, 15>,
];

fn flags(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Lahf => lahf,
        Code::Sahf => sahf,
        Code::Clc => |cpu, _, _| set_carry(cpu, false),
        Code::Stc => |cpu, _, _| set_carry(cpu, true),
        Code::Cmc => |cpu, _, _| set_carry(cpu, !cpu.state.arith.cf()),
        Code::Cld => |cpu, _, _| set_direction(cpu, false),
        Code::Std => |cpu, _, _| set_direction(cpu, true),
        Code::Salc => salc,
        _ => return None,
    })
}

fn mov_rm_reg<W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| cpu.write_rm::<W>(sys, insn, cpu.reg::<W>(insn.reg))
    } else {
        |cpu, _, insn| {
            cpu.set_reg::<W>(insn.rm, cpu.reg::<W>(insn.reg));
            Ok(())
        }
    }
}

fn mov_reg_rm<W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| {
            let value = cpu.read_rm::<W>(sys, insn)?;
            cpu.set_reg::<W>(insn.reg, value);
            Ok(())
        }
    } else {
        |cpu, _, insn| {
            cpu.set_reg::<W>(insn.reg, cpu.reg::<W>(insn.rm));
            Ok(())
        }
    }
}

fn mov_rm_imm<W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| cpu.write_rm::<W>(sys, insn, W::trunc(insn.imm))
    } else {
        |cpu, _, insn| {
            cpu.set_reg::<W>(insn.rm, W::trunc(insn.imm));
            Ok(())
        }
    }
}

fn mov_reg_imm<W: Word>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.set_reg::<W>(insn.reg, W::trunc(insn.imm));
    Ok(())
}

fn mov_acc_mem<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<W>(sys, insn)?;
    cpu.set_reg::<W>(0, value);
    Ok(())
}

fn mov_mem_acc<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.write_rm::<W>(sys, insn, cpu.reg::<W>(0))
}

fn xchg<W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| {
            let new = cpu.reg::<W>(insn.reg);
            let old = cpu.modify_rm::<W, _>(sys, insn, |a| (Some(new), a))?;
            cpu.set_reg::<W>(insn.reg, old);
            Ok(())
        }
    } else {
        |cpu, _, insn| {
            swap::<W>(cpu, insn.reg, insn.rm);
            Ok(())
        }
    }
}

fn xchg_acc<W: Word>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    swap::<W>(cpu, insn.reg, 0);
    Ok(())
}

#[inline(always)]
fn swap<W: Word>(cpu: &mut Cpu, a: u8, b: u8) {
    let (x, y) = (cpu.reg::<W>(a), cpu.reg::<W>(b));
    cpu.set_reg::<W>(a, y);
    cpu.set_reg::<W>(b, x);
}

fn lea<W: Word>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.set_reg::<W>(insn.reg, W::trunc(cpu.ea(insn)));
    Ok(())
}

fn xlat(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = cpu.reg32(3).wrapping_add(u32::from(cpu.reg8(0)));
    let at = if insn.has(Insn::ADDR32) { at } else { at & 0xFFFF };
    let value = cpu.read::<u8>(sys, insn.seg, at)?;
    cpu.set_reg8(0, value);
    Ok(())
}

fn movzx<D: Word, S: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<S>(sys, insn)?;
    cpu.set_reg::<D>(insn.reg, D::trunc(value.zx()));
    Ok(())
}

fn movsx<D: Word, S: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<S>(sys, insn)?;
    cpu.set_reg::<D>(insn.reg, D::trunc(value.sx()));
    Ok(())
}

/// CBW and CWDE.
fn extend_acc<D: Word, S: Word>(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    cpu.set_reg::<D>(0, D::trunc(cpu.reg::<S>(0).sx()));
    Ok(())
}

/// CWD and CDQ.
fn spread_sign<W: Word>(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    let sign = (cpu.reg::<W>(0).sx() as i32) >> 31;
    cpu.set_reg::<W>(2, W::trunc(sign as u32));
    Ok(())
}

/// Memory is read, and may fault, even where the condition isn't met.
fn cmov<W: Word, const CC: u8>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<W>(sys, insn)?;
    if cpu.state.arith.condition(CC) {
        cpu.set_reg::<W>(insn.reg, value);
    }
    Ok(())
}

fn setcc<const CC: u8>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let met = u8::from(cpu.state.arith.condition(CC));
    cpu.write_rm::<u8>(sys, insn, met)
}

fn lahf(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    let low = (cpu.state.arith.flags() | Eflags::FIXED) as u8;
    cpu.set_reg8(4, low);
    Ok(())
}

/// OF isn't in AH, and stays.
fn sahf(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    let of = cpu.state.arith.flags() & Eflags::OF.bits();
    cpu.state.arith = Arith::from_flags(of | u32::from(cpu.reg8(4)));
    Ok(())
}

fn set_carry(cpu: &mut Cpu, cf: bool) -> Result<(), Fault> {
    cpu.state.arith = cpu.state.arith.with_cf(cf);
    Ok(())
}

fn set_direction(cpu: &mut Cpu, down: bool) -> Result<(), Fault> {
    cpu.state.set_flag(Eflags::DF, down);
    Ok(())
}

/// AL becomes all carry. In no manual, but in every processor.
fn salc(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    let al = if cpu.state.arith.cf() { 0xFF } else { 0 };
    cpu.set_reg8(0, al);
    Ok(())
}
