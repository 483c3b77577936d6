//! Bitwise logic: AND OR XOR NOT TEST. CF, OF and AF come out clear; NOT touches no flag.
//! (SDM 2, each instruction.)

use super::arith::{Binary, Unary, acc_imm, reg_rm, rm_imm, rm_reg, rm_unary};
use crate::cpu::Handler;
use decode::{Code, Insn};
use x86::alu;
use x86::arith::{Arith, Width};

pub(crate) struct And;
pub(crate) struct Or;
pub(crate) struct Xor;
pub(crate) struct Test;
pub(crate) struct Not;

impl Binary for And {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::logic(a.zx() & b.zx())
    }
}

impl Binary for Or {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::logic(a.zx() | b.zx())
    }
}

impl Binary for Xor {
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::logic(a.zx() ^ b.zx())
    }
}

impl Binary for Test {
    const STORES: bool = false;
    #[inline(always)]
    fn apply<W: Width>(a: W, b: W, _: Arith) -> (W, Arith) {
        alu::logic(a.zx() & b.zx())
    }
}

impl Unary for Not {
    #[inline(always)]
    fn apply<W: Width>(a: W, old: Arith) -> (W, Arith) {
        (W::trunc(!a.zx()), old)
    }
}

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    stores(insn).or_else(|| tests(insn))
}

fn stores(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::And_rm8_r8 => rm_reg::<And, u8>(insn),
        Code::And_r8_rm8 => reg_rm::<And, u8>(insn),
        Code::And_rm8_imm8 | Code::And_rm8_imm8_82 => rm_imm::<And, u8>(insn),
        Code::And_AL_imm8 => acc_imm::<And, u8>,
        Code::And_rm16_r16 => rm_reg::<And, u16>(insn),
        Code::And_r16_rm16 => reg_rm::<And, u16>(insn),
        Code::And_rm16_imm16 | Code::And_rm16_imm8 => rm_imm::<And, u16>(insn),
        Code::And_AX_imm16 => acc_imm::<And, u16>,
        Code::And_rm32_r32 => rm_reg::<And, u32>(insn),
        Code::And_r32_rm32 => reg_rm::<And, u32>(insn),
        Code::And_rm32_imm32 | Code::And_rm32_imm8 => rm_imm::<And, u32>(insn),
        Code::And_EAX_imm32 => acc_imm::<And, u32>,
        Code::Or_rm8_r8 => rm_reg::<Or, u8>(insn),
        Code::Or_r8_rm8 => reg_rm::<Or, u8>(insn),
        Code::Or_rm8_imm8 | Code::Or_rm8_imm8_82 => rm_imm::<Or, u8>(insn),
        Code::Or_AL_imm8 => acc_imm::<Or, u8>,
        Code::Or_rm16_r16 => rm_reg::<Or, u16>(insn),
        Code::Or_r16_rm16 => reg_rm::<Or, u16>(insn),
        Code::Or_rm16_imm16 | Code::Or_rm16_imm8 => rm_imm::<Or, u16>(insn),
        Code::Or_AX_imm16 => acc_imm::<Or, u16>,
        Code::Or_rm32_r32 => rm_reg::<Or, u32>(insn),
        Code::Or_r32_rm32 => reg_rm::<Or, u32>(insn),
        Code::Or_rm32_imm32 | Code::Or_rm32_imm8 => rm_imm::<Or, u32>(insn),
        Code::Or_EAX_imm32 => acc_imm::<Or, u32>,
        Code::Xor_rm8_r8 => rm_reg::<Xor, u8>(insn),
        Code::Xor_r8_rm8 => reg_rm::<Xor, u8>(insn),
        Code::Xor_rm8_imm8 | Code::Xor_rm8_imm8_82 => rm_imm::<Xor, u8>(insn),
        Code::Xor_AL_imm8 => acc_imm::<Xor, u8>,
        Code::Xor_rm16_r16 => rm_reg::<Xor, u16>(insn),
        Code::Xor_r16_rm16 => reg_rm::<Xor, u16>(insn),
        Code::Xor_rm16_imm16 | Code::Xor_rm16_imm8 => rm_imm::<Xor, u16>(insn),
        Code::Xor_AX_imm16 => acc_imm::<Xor, u16>,
        Code::Xor_rm32_r32 => rm_reg::<Xor, u32>(insn),
        Code::Xor_r32_rm32 => reg_rm::<Xor, u32>(insn),
        Code::Xor_rm32_imm32 | Code::Xor_rm32_imm8 => rm_imm::<Xor, u32>(insn),
        Code::Xor_EAX_imm32 => acc_imm::<Xor, u32>,
        _ => return None,
    })
}

fn tests(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Test_rm8_r8 => rm_reg::<Test, u8>(insn),
        Code::Test_rm8_imm8 | Code::Test_rm8_imm8_F6r1 => rm_imm::<Test, u8>(insn),
        Code::Test_AL_imm8 => acc_imm::<Test, u8>,
        Code::Not_rm8 => rm_unary::<Not, u8>,
        Code::Test_rm16_r16 => rm_reg::<Test, u16>(insn),
        Code::Test_rm16_imm16 | Code::Test_rm16_imm16_F7r1 => rm_imm::<Test, u16>(insn),
        Code::Test_AX_imm16 => acc_imm::<Test, u16>,
        Code::Not_rm16 => rm_unary::<Not, u16>,
        Code::Test_rm32_r32 => rm_reg::<Test, u32>(insn),
        Code::Test_rm32_imm32 | Code::Test_rm32_imm32_F7r1 => rm_imm::<Test, u32>(insn),
        Code::Test_EAX_imm32 => acc_imm::<Test, u32>,
        Code::Not_rm32 => rm_unary::<Not, u32>,
        _ => return None,
    })
}
