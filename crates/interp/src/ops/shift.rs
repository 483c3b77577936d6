//! Shifts and rotates: SHL (and its alias SAL) SHR SAR ROL ROR RCL RCR, SHLD SHRD.
//!
//! A count of 0 changes neither the operand nor a flag, but memory must still be writable.
//! Counts are taken modulo 32. (SDM 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD.)

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::arith::{Arith, Width};
use x86::fault::Fault;
use x86::shift;

/// A shift of one operand.
pub(crate) trait Shift {
    fn apply<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)>;
}

/// A shift that fills from a second operand.
trait DoubleShift {
    fn apply<W: Width>(a: W, b: W, count: u32) -> Option<(W, Arith)>;
}

pub(crate) struct Shl;
impl Shift for Shl {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, _: Arith) -> Option<(W, Arith)> {
        shift::shl(a, count)
    }
}

pub(crate) struct Shr;
impl Shift for Shr {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, _: Arith) -> Option<(W, Arith)> {
        shift::shr(a, count)
    }
}

pub(crate) struct Sar;
impl Shift for Sar {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, _: Arith) -> Option<(W, Arith)> {
        shift::sar(a, count)
    }
}

pub(crate) struct Rol;
impl Shift for Rol {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
        shift::rol(a, count, old)
    }
}

pub(crate) struct Ror;
impl Shift for Ror {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
        shift::ror(a, count, old)
    }
}

pub(crate) struct Rcl;
impl Shift for Rcl {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
        shift::rcl(a, count, old)
    }
}

pub(crate) struct Rcr;
impl Shift for Rcr {
    #[inline(always)]
    fn apply<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
        shift::rcr(a, count, old)
    }
}

struct Shld;
impl DoubleShift for Shld {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, count: u32) -> Option<(W, Arith)> {
        shift::shld(a, b, count)
    }
}

struct Shrd;
impl DoubleShift for Shrd {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, count: u32) -> Option<(W, Arith)> {
        shift::shrd(a, b, count)
    }
}

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    shifts(insn).or_else(|| rotates(insn)).or_else(|| double(insn))
}

fn shifts(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Shl_rm8_imm8 | Code::Sal_rm8_imm8 => by_imm::<Shl, u8>(insn),
        Code::Shl_rm8_1 | Code::Sal_rm8_1 => by_one::<Shl, u8>(insn),
        Code::Shl_rm8_CL | Code::Sal_rm8_CL => by_cl::<Shl, u8>(insn),
        Code::Shl_rm16_imm8 | Code::Sal_rm16_imm8 => by_imm::<Shl, u16>(insn),
        Code::Shl_rm16_1 | Code::Sal_rm16_1 => by_one::<Shl, u16>(insn),
        Code::Shl_rm16_CL | Code::Sal_rm16_CL => by_cl::<Shl, u16>(insn),
        Code::Shl_rm32_imm8 | Code::Sal_rm32_imm8 => by_imm::<Shl, u32>(insn),
        Code::Shl_rm32_1 | Code::Sal_rm32_1 => by_one::<Shl, u32>(insn),
        Code::Shl_rm32_CL | Code::Sal_rm32_CL => by_cl::<Shl, u32>(insn),
        Code::Shr_rm8_imm8 => by_imm::<Shr, u8>(insn),
        Code::Shr_rm8_1 => by_one::<Shr, u8>(insn),
        Code::Shr_rm8_CL => by_cl::<Shr, u8>(insn),
        Code::Shr_rm16_imm8 => by_imm::<Shr, u16>(insn),
        Code::Shr_rm16_1 => by_one::<Shr, u16>(insn),
        Code::Shr_rm16_CL => by_cl::<Shr, u16>(insn),
        Code::Shr_rm32_imm8 => by_imm::<Shr, u32>(insn),
        Code::Shr_rm32_1 => by_one::<Shr, u32>(insn),
        Code::Shr_rm32_CL => by_cl::<Shr, u32>(insn),
        Code::Sar_rm8_imm8 => by_imm::<Sar, u8>(insn),
        Code::Sar_rm8_1 => by_one::<Sar, u8>(insn),
        Code::Sar_rm8_CL => by_cl::<Sar, u8>(insn),
        Code::Sar_rm16_imm8 => by_imm::<Sar, u16>(insn),
        Code::Sar_rm16_1 => by_one::<Sar, u16>(insn),
        Code::Sar_rm16_CL => by_cl::<Sar, u16>(insn),
        Code::Sar_rm32_imm8 => by_imm::<Sar, u32>(insn),
        Code::Sar_rm32_1 => by_one::<Sar, u32>(insn),
        Code::Sar_rm32_CL => by_cl::<Sar, u32>(insn),
        _ => return None,
    })
}

fn rotates(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Rol_rm8_imm8 => by_imm::<Rol, u8>(insn),
        Code::Rol_rm8_1 => by_one::<Rol, u8>(insn),
        Code::Rol_rm8_CL => by_cl::<Rol, u8>(insn),
        Code::Rol_rm16_imm8 => by_imm::<Rol, u16>(insn),
        Code::Rol_rm16_1 => by_one::<Rol, u16>(insn),
        Code::Rol_rm16_CL => by_cl::<Rol, u16>(insn),
        Code::Rol_rm32_imm8 => by_imm::<Rol, u32>(insn),
        Code::Rol_rm32_1 => by_one::<Rol, u32>(insn),
        Code::Rol_rm32_CL => by_cl::<Rol, u32>(insn),
        Code::Ror_rm8_imm8 => by_imm::<Ror, u8>(insn),
        Code::Ror_rm8_1 => by_one::<Ror, u8>(insn),
        Code::Ror_rm8_CL => by_cl::<Ror, u8>(insn),
        Code::Ror_rm16_imm8 => by_imm::<Ror, u16>(insn),
        Code::Ror_rm16_1 => by_one::<Ror, u16>(insn),
        Code::Ror_rm16_CL => by_cl::<Ror, u16>(insn),
        Code::Ror_rm32_imm8 => by_imm::<Ror, u32>(insn),
        Code::Ror_rm32_1 => by_one::<Ror, u32>(insn),
        Code::Ror_rm32_CL => by_cl::<Ror, u32>(insn),
        Code::Rcl_rm8_imm8 => by_imm::<Rcl, u8>(insn),
        Code::Rcl_rm8_1 => by_one::<Rcl, u8>(insn),
        Code::Rcl_rm8_CL => by_cl::<Rcl, u8>(insn),
        Code::Rcl_rm16_imm8 => by_imm::<Rcl, u16>(insn),
        Code::Rcl_rm16_1 => by_one::<Rcl, u16>(insn),
        Code::Rcl_rm16_CL => by_cl::<Rcl, u16>(insn),
        Code::Rcl_rm32_imm8 => by_imm::<Rcl, u32>(insn),
        Code::Rcl_rm32_1 => by_one::<Rcl, u32>(insn),
        Code::Rcl_rm32_CL => by_cl::<Rcl, u32>(insn),
        Code::Rcr_rm8_imm8 => by_imm::<Rcr, u8>(insn),
        Code::Rcr_rm8_1 => by_one::<Rcr, u8>(insn),
        Code::Rcr_rm8_CL => by_cl::<Rcr, u8>(insn),
        Code::Rcr_rm16_imm8 => by_imm::<Rcr, u16>(insn),
        Code::Rcr_rm16_1 => by_one::<Rcr, u16>(insn),
        Code::Rcr_rm16_CL => by_cl::<Rcr, u16>(insn),
        Code::Rcr_rm32_imm8 => by_imm::<Rcr, u32>(insn),
        Code::Rcr_rm32_1 => by_one::<Rcr, u32>(insn),
        Code::Rcr_rm32_CL => by_cl::<Rcr, u32>(insn),
        _ => return None,
    })
}

fn double(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Shld_rm16_r16_imm8 => double_by_imm::<Shld, u16>,
        Code::Shld_rm16_r16_CL => double_by_cl::<Shld, u16>,
        Code::Shld_rm32_r32_imm8 => double_by_imm::<Shld, u32>,
        Code::Shld_rm32_r32_CL => double_by_cl::<Shld, u32>,
        Code::Shrd_rm16_r16_imm8 => double_by_imm::<Shrd, u16>,
        Code::Shrd_rm16_r16_CL => double_by_cl::<Shrd, u16>,
        Code::Shrd_rm32_r32_imm8 => double_by_imm::<Shrd, u32>,
        Code::Shrd_rm32_r32_CL => double_by_cl::<Shrd, u32>,
        _ => return None,
    })
}

fn by_imm<O: Shift, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| in_memory::<O, W>(cpu, sys, insn, insn.imm)
    } else {
        |cpu, _, insn| in_register::<O, W>(cpu, insn, insn.imm)
    }
}

fn by_one<O: Shift, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| in_memory::<O, W>(cpu, sys, insn, 1)
    } else {
        |cpu, _, insn| in_register::<O, W>(cpu, insn, 1)
    }
}

fn by_cl<O: Shift, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| in_memory::<O, W>(cpu, sys, insn, cpu.reg32(1))
    } else {
        |cpu, _, insn| in_register::<O, W>(cpu, insn, cpu.reg32(1))
    }
}

#[inline(always)]
fn in_register<O: Shift, W: Word>(cpu: &mut Cpu, insn: &Insn, count: u32) -> Result<(), Fault> {
    if let Some((result, flags)) = O::apply(cpu.reg::<W>(insn.rm), count & 31, cpu.state.arith) {
        cpu.set_reg::<W>(insn.rm, result);
        cpu.state.arith = flags;
    }
    Ok(())
}

#[inline(always)]
fn in_memory<O: Shift, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    count: u32,
) -> Result<(), Fault> {
    let old = cpu.state.arith;
    store::<W>(cpu, sys, insn, count & 31, |a| O::apply(a, count & 31, old))
}

/// Replaces the rm operand and the flags by what `shift` makes of the operand.
#[inline(always)]
fn store<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    count: u32,
    shift: impl FnOnce(W) -> Option<(W, Arith)>,
) -> Result<(), Fault> {
    if count == 0 {
        return untouched::<W>(cpu, sys, insn);
    }
    let flags = cpu.modify_rm::<W, _>(sys, insn, |a| shift(a).unzip())?;
    if let Some(flags) = flags {
        cpu.state.arith = flags;
    }
    Ok(())
}

/// The faults of a read and write, without the write.
#[cold]
fn untouched<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if insn.is_mem() {
        let at = cpu.ea(insn);
        cpu.probe_write(sys, insn.seg, at, W::BYTES)?;
        cpu.read::<W>(sys, insn.seg, at)?;
    }
    Ok(())
}

fn double_by_imm<O: DoubleShift, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    double_shift::<O, W>(cpu, sys, insn, insn.imm & 31)
}

fn double_by_cl<O: DoubleShift, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    let count = cpu.reg32(1) & 31;
    double_shift::<O, W>(cpu, sys, insn, count)
}

#[inline(always)]
fn double_shift<O: DoubleShift, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    count: u32,
) -> Result<(), Fault> {
    let b = cpu.reg::<W>(insn.reg);
    store::<W>(cpu, sys, insn, count, |a| O::apply(a, b, count))
}
