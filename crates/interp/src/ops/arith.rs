//! Integer arithmetic: ADD ADC SUB SBB CMP INC DEC NEG, MUL IMUL DIV IDIV, and (in `exchange`)
//! XADD CMPXCHG CMPXCHG8B; and the shapes that all two-operand ALU instructions share.
//!
//! Flags and registers change only after the last access that can fault. (SDM 2, each
//! instruction.)

mod exchange;

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::arith::{Arith, Width};
use x86::fault::{Fault, Vector};
use x86::{Cause, alu};

/// A two-operand ALU operation.
pub(crate) trait Binary {
    /// False where only the flags are wanted.
    const STORES: bool = true;
    /// The result and the flags of `a` and `b`, with the flags before.
    fn apply<W: Width>(a: W, b: W, old: Arith) -> (W, Arith);
}

/// A one-operand ALU operation.
pub(crate) trait Unary {
    /// The result and the flags of `a`, with the flags before.
    fn apply<W: Width>(a: W, old: Arith) -> (W, Arith);
}

pub(crate) struct Add;
pub(crate) struct Adc;
pub(crate) struct Sub;
pub(crate) struct Sbb;
pub(crate) struct Cmp;
pub(crate) struct Inc;
pub(crate) struct Dec;
pub(crate) struct Neg;

impl Binary for Add {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::add(a, b, false)
    }
}

impl Binary for Adc {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, old: Arith) -> (W, Arith) {
        alu::add(a, b, old.cf())
    }
}

impl Binary for Sub {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::sub(a, b, false)
    }
}

impl Binary for Sbb {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, old: Arith) -> (W, Arith) {
        alu::sub(a, b, old.cf())
    }
}

impl Binary for Cmp {
    const STORES: bool = false;
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::sub(a, b, false)
    }
}

impl Unary for Inc {
    #[inline(always)]
    fn apply<W: Width>(a: W, old: Arith) -> (W, Arith) {
        alu::inc(a, old)
    }
}

impl Unary for Dec {
    #[inline(always)]
    fn apply<W: Width>(a: W, old: Arith) -> (W, Arith) {
        alu::dec(a, old)
    }
}

impl Unary for Neg {
    #[inline(always)]
    fn apply<W: Width>(a: W, _: Arith) -> (W, Arith) {
        alu::sub(W::trunc(0), a, false)
    }
}

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    additions(insn)
        .or_else(|| subtractions(insn))
        .or_else(|| unary(insn))
        .or_else(|| products(insn))
        .or_else(|| exchange::handler(insn))
}

fn additions(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Add_rm8_r8 => rm_reg::<Add, u8>(insn),
        Code::Add_r8_rm8 => reg_rm::<Add, u8>(insn),
        Code::Add_rm8_imm8 | Code::Add_rm8_imm8_82 => rm_imm::<Add, u8>(insn),
        Code::Add_AL_imm8 => acc_imm::<Add, u8>,
        Code::Add_rm16_r16 => rm_reg::<Add, u16>(insn),
        Code::Add_r16_rm16 => reg_rm::<Add, u16>(insn),
        Code::Add_rm16_imm16 | Code::Add_rm16_imm8 => rm_imm::<Add, u16>(insn),
        Code::Add_AX_imm16 => acc_imm::<Add, u16>,
        Code::Add_rm32_r32 => rm_reg::<Add, u32>(insn),
        Code::Add_r32_rm32 => reg_rm::<Add, u32>(insn),
        Code::Add_rm32_imm32 | Code::Add_rm32_imm8 => rm_imm::<Add, u32>(insn),
        Code::Add_EAX_imm32 => acc_imm::<Add, u32>,
        Code::Adc_rm8_r8 => rm_reg::<Adc, u8>(insn),
        Code::Adc_r8_rm8 => reg_rm::<Adc, u8>(insn),
        Code::Adc_rm8_imm8 | Code::Adc_rm8_imm8_82 => rm_imm::<Adc, u8>(insn),
        Code::Adc_AL_imm8 => acc_imm::<Adc, u8>,
        Code::Adc_rm16_r16 => rm_reg::<Adc, u16>(insn),
        Code::Adc_r16_rm16 => reg_rm::<Adc, u16>(insn),
        Code::Adc_rm16_imm16 | Code::Adc_rm16_imm8 => rm_imm::<Adc, u16>(insn),
        Code::Adc_AX_imm16 => acc_imm::<Adc, u16>,
        Code::Adc_rm32_r32 => rm_reg::<Adc, u32>(insn),
        Code::Adc_r32_rm32 => reg_rm::<Adc, u32>(insn),
        Code::Adc_rm32_imm32 | Code::Adc_rm32_imm8 => rm_imm::<Adc, u32>(insn),
        Code::Adc_EAX_imm32 => acc_imm::<Adc, u32>,
        _ => return None,
    })
}

fn subtractions(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Sub_rm8_r8 => rm_reg::<Sub, u8>(insn),
        Code::Sub_r8_rm8 => reg_rm::<Sub, u8>(insn),
        Code::Sub_rm8_imm8 | Code::Sub_rm8_imm8_82 => rm_imm::<Sub, u8>(insn),
        Code::Sub_AL_imm8 => acc_imm::<Sub, u8>,
        Code::Sub_rm16_r16 => rm_reg::<Sub, u16>(insn),
        Code::Sub_r16_rm16 => reg_rm::<Sub, u16>(insn),
        Code::Sub_rm16_imm16 | Code::Sub_rm16_imm8 => rm_imm::<Sub, u16>(insn),
        Code::Sub_AX_imm16 => acc_imm::<Sub, u16>,
        Code::Sub_rm32_r32 => rm_reg::<Sub, u32>(insn),
        Code::Sub_r32_rm32 => reg_rm::<Sub, u32>(insn),
        Code::Sub_rm32_imm32 | Code::Sub_rm32_imm8 => rm_imm::<Sub, u32>(insn),
        Code::Sub_EAX_imm32 => acc_imm::<Sub, u32>,
        Code::Sbb_rm8_r8 => rm_reg::<Sbb, u8>(insn),
        Code::Sbb_r8_rm8 => reg_rm::<Sbb, u8>(insn),
        Code::Sbb_rm8_imm8 | Code::Sbb_rm8_imm8_82 => rm_imm::<Sbb, u8>(insn),
        Code::Sbb_AL_imm8 => acc_imm::<Sbb, u8>,
        Code::Sbb_rm16_r16 => rm_reg::<Sbb, u16>(insn),
        Code::Sbb_r16_rm16 => reg_rm::<Sbb, u16>(insn),
        Code::Sbb_rm16_imm16 | Code::Sbb_rm16_imm8 => rm_imm::<Sbb, u16>(insn),
        Code::Sbb_AX_imm16 => acc_imm::<Sbb, u16>,
        Code::Sbb_rm32_r32 => rm_reg::<Sbb, u32>(insn),
        Code::Sbb_r32_rm32 => reg_rm::<Sbb, u32>(insn),
        Code::Sbb_rm32_imm32 | Code::Sbb_rm32_imm8 => rm_imm::<Sbb, u32>(insn),
        Code::Sbb_EAX_imm32 => acc_imm::<Sbb, u32>,
        Code::Cmp_rm8_r8 => rm_reg::<Cmp, u8>(insn),
        Code::Cmp_r8_rm8 => reg_rm::<Cmp, u8>(insn),
        Code::Cmp_rm8_imm8 | Code::Cmp_rm8_imm8_82 => rm_imm::<Cmp, u8>(insn),
        Code::Cmp_AL_imm8 => acc_imm::<Cmp, u8>,
        Code::Cmp_rm16_r16 => rm_reg::<Cmp, u16>(insn),
        Code::Cmp_r16_rm16 => reg_rm::<Cmp, u16>(insn),
        Code::Cmp_rm16_imm16 | Code::Cmp_rm16_imm8 => rm_imm::<Cmp, u16>(insn),
        Code::Cmp_AX_imm16 => acc_imm::<Cmp, u16>,
        Code::Cmp_rm32_r32 => rm_reg::<Cmp, u32>(insn),
        Code::Cmp_r32_rm32 => reg_rm::<Cmp, u32>(insn),
        Code::Cmp_rm32_imm32 | Code::Cmp_rm32_imm8 => rm_imm::<Cmp, u32>(insn),
        Code::Cmp_EAX_imm32 => acc_imm::<Cmp, u32>,
        _ => return None,
    })
}

fn unary(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Inc_r16 => reg_unary::<Inc, u16>,
        Code::Inc_r32 => reg_unary::<Inc, u32>,
        Code::Dec_r16 => reg_unary::<Dec, u16>,
        Code::Dec_r32 => reg_unary::<Dec, u32>,
        Code::Inc_rm8 => rm_unary::<Inc, u8>,
        Code::Inc_rm16 => rm_unary::<Inc, u16>,
        Code::Inc_rm32 => rm_unary::<Inc, u32>,
        Code::Dec_rm8 => rm_unary::<Dec, u8>,
        Code::Dec_rm16 => rm_unary::<Dec, u16>,
        Code::Dec_rm32 => rm_unary::<Dec, u32>,
        Code::Neg_rm8 => rm_unary::<Neg, u8>,
        Code::Neg_rm16 => rm_unary::<Neg, u16>,
        Code::Neg_rm32 => rm_unary::<Neg, u32>,
        _ => return None,
    })
}

fn products(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Mul_rm8 => |cpu, sys, insn| product::<u8>(cpu, sys, insn, alu::mul),
        Code::Mul_rm16 => |cpu, sys, insn| product::<u16>(cpu, sys, insn, alu::mul),
        Code::Mul_rm32 => |cpu, sys, insn| product::<u32>(cpu, sys, insn, alu::mul),
        Code::Imul_rm8 => |cpu, sys, insn| product::<u8>(cpu, sys, insn, alu::imul),
        Code::Imul_rm16 => |cpu, sys, insn| product::<u16>(cpu, sys, insn, alu::imul),
        Code::Imul_rm32 => |cpu, sys, insn| product::<u32>(cpu, sys, insn, alu::imul),
        Code::Imul_r16_rm16 => imul_reg::<u16>,
        Code::Imul_r32_rm32 => imul_reg::<u32>,
        Code::Imul_r16_rm16_imm16 | Code::Imul_r16_rm16_imm8 => imul_imm::<u16>,
        Code::Imul_r32_rm32_imm32 | Code::Imul_r32_rm32_imm8 => imul_imm::<u32>,
        Code::Div_rm8 => |cpu, sys, insn| quotient::<u8>(cpu, sys, insn, alu::div),
        Code::Div_rm16 => |cpu, sys, insn| quotient::<u16>(cpu, sys, insn, alu::div),
        Code::Div_rm32 => |cpu, sys, insn| quotient::<u32>(cpu, sys, insn, alu::div),
        Code::Idiv_rm8 => |cpu, sys, insn| quotient::<u8>(cpu, sys, insn, alu::idiv),
        Code::Idiv_rm16 => |cpu, sys, insn| quotient::<u16>(cpu, sys, insn, alu::idiv),
        Code::Idiv_rm32 => |cpu, sys, insn| quotient::<u32>(cpu, sys, insn, alu::idiv),
        _ => return None,
    })
}

/// `op rm, reg`, specialised by the kind of its destination.
pub(super) fn rm_reg<O: Binary, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| {
            let b = cpu.reg::<W>(insn.reg);
            to_rm::<O, W>(cpu, sys, insn, b)
        }
    } else {
        |cpu, _, insn| {
            to_register::<O, W>(cpu, insn.rm, cpu.reg::<W>(insn.reg));
            Ok(())
        }
    }
}

/// `op reg, rm`, specialised by the kind of its source.
pub(super) fn reg_rm<O: Binary, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| {
            let b = cpu.read_rm::<W>(sys, insn)?;
            to_register::<O, W>(cpu, insn.reg, b);
            Ok(())
        }
    } else {
        |cpu, _, insn| {
            to_register::<O, W>(cpu, insn.reg, cpu.reg::<W>(insn.rm));
            Ok(())
        }
    }
}

/// `op rm, imm`, specialised by the kind of its destination.
pub(super) fn rm_imm<O: Binary, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        |cpu, sys, insn| to_rm::<O, W>(cpu, sys, insn, W::trunc(insn.imm))
    } else {
        |cpu, _, insn| {
            to_register::<O, W>(cpu, insn.rm, W::trunc(insn.imm));
            Ok(())
        }
    }
}

/// `op accumulator, imm`.
pub(super) fn acc_imm<O: Binary, W: Word>(
    cpu: &mut Cpu,
    _: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    to_register::<O, W>(cpu, 0, W::trunc(insn.imm));
    Ok(())
}

#[inline(always)]
fn to_register<O: Binary, W: Word>(cpu: &mut Cpu, register: u8, b: W) {
    let (result, flags) = O::apply(cpu.reg::<W>(register), b, cpu.state.arith);
    if O::STORES {
        cpu.set_reg::<W>(register, result);
    }
    cpu.state.arith = flags;
}

#[inline(always)]
fn to_rm<O: Binary, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    b: W,
) -> Result<(), Fault> {
    let old = cpu.state.arith;
    cpu.state.arith = if O::STORES {
        cpu.modify_rm::<W, _>(sys, insn, |a| {
            let (result, flags) = O::apply(a, b, old);
            (Some(result), flags)
        })?
    } else {
        O::apply(cpu.read_rm::<W>(sys, insn)?, b, old).1
    };
    Ok(())
}

/// `op rm`.
pub(super) fn rm_unary<O: Unary, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    let old = cpu.state.arith;
    cpu.state.arith = cpu.modify_rm::<W, _>(sys, insn, |a| {
        let (result, flags) = O::apply(a, old);
        (Some(result), flags)
    })?;
    Ok(())
}

fn reg_unary<O: Unary, W: Word>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let (result, flags) = O::apply(cpu.reg::<W>(insn.reg), cpu.state.arith);
    cpu.set_reg::<W>(insn.reg, result);
    cpu.state.arith = flags;
    Ok(())
}

/// The upper half of a product or dividend: AH, DX or EDX.
#[inline(always)]
fn upper<W: Word>() -> u8 {
    if W::BITS == 8 { 4 } else { 2 }
}

type Multiply<W> = fn(W, W) -> (W, W, Arith);
type Divide<W> = fn(W, W, W) -> Option<(W, W)>;

/// The accumulator times rm, twice as wide.
#[inline(always)]
fn product<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    multiply: Multiply<W>,
) -> Result<(), Fault> {
    let b = cpu.read_rm::<W>(sys, insn)?;
    let (low, high, flags) = multiply(cpu.reg::<W>(0), b);
    set_pair(cpu, low, high);
    cpu.state.arith = flags;
    Ok(())
}

fn set_pair<W: Word>(cpu: &mut Cpu, low: W, high: W) {
    cpu.set_reg::<W>(0, low);
    cpu.set_reg::<W>(upper::<W>(), high);
}

fn imul_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let b = cpu.read_rm::<W>(sys, insn)?;
    let (low, _, flags) = alu::imul(cpu.reg::<W>(insn.reg), b);
    cpu.set_reg::<W>(insn.reg, low);
    cpu.state.arith = flags;
    Ok(())
}

fn imul_imm<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let a = cpu.read_rm::<W>(sys, insn)?;
    let (low, _, flags) = alu::imul(a, W::trunc(insn.imm));
    cpu.set_reg::<W>(insn.reg, low);
    cpu.state.arith = flags;
    Ok(())
}

/// The flags, undefined after a division, stay as they are.
#[inline(always)]
fn quotient<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    divide: Divide<W>,
) -> Result<(), Fault> {
    let divisor = cpu.read_rm::<W>(sys, insn)?;
    let high = cpu.reg::<W>(upper::<W>());
    let Some((quotient, remainder)) = divide(high, cpu.reg::<W>(0), divisor) else {
        let evidence = Cause::Divide { divisor: divisor.zx() };
        return Err(cpu.raise(Fault::plain(Vector::DivideError), evidence));
    };
    set_pair(cpu, quotient, remainder);
    Ok(())
}
