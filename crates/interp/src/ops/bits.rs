//! Bits and bytes: BT BTS BTR BTC, BSF BSR, BSWAP.
//!
//! A bit index in a register, with memory, counts from the operand in both directions: it
//! moves the address. One in the opcode is taken modulo the width. (SDM 2, BT; SDM 1 3.1.1.9.)

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::alu;
use x86::fault::Fault;

/// What becomes of the bit, `mask`, in `value`.
trait Change {
    /// False for BT, which only looks.
    const STORES: bool = true;
    fn apply(value: u32, mask: u32) -> u32;
}

struct Look;
struct Set;
struct Reset;
struct Complement;

impl Change for Look {
    const STORES: bool = false;
    #[inline(always)]
    fn apply(value: u32, _: u32) -> u32 {
        value
    }
}

impl Change for Set {
    #[inline(always)]
    fn apply(value: u32, mask: u32) -> u32 {
        value | mask
    }
}

impl Change for Reset {
    #[inline(always)]
    fn apply(value: u32, mask: u32) -> u32 {
        value & !mask
    }
}

impl Change for Complement {
    #[inline(always)]
    fn apply(value: u32, mask: u32) -> u32 {
        value ^ mask
    }
}

/// The handler of an instruction of this family.
///
/// TZCNT and LZCNT are BSF and BSR with a REP prefix to a processor that hasn't got them.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Bt_rm16_r16 => by_register::<Look, u16>(insn),
        Code::Bt_rm32_r32 => by_register::<Look, u32>(insn),
        Code::Bt_rm16_imm8 => by_imm::<Look, u16>,
        Code::Bt_rm32_imm8 => by_imm::<Look, u32>,
        Code::Bts_rm16_r16 => by_register::<Set, u16>(insn),
        Code::Bts_rm32_r32 => by_register::<Set, u32>(insn),
        Code::Bts_rm16_imm8 => by_imm::<Set, u16>,
        Code::Bts_rm32_imm8 => by_imm::<Set, u32>,
        Code::Btr_rm16_r16 => by_register::<Reset, u16>(insn),
        Code::Btr_rm32_r32 => by_register::<Reset, u32>(insn),
        Code::Btr_rm16_imm8 => by_imm::<Reset, u16>,
        Code::Btr_rm32_imm8 => by_imm::<Reset, u32>,
        Code::Btc_rm16_r16 => by_register::<Complement, u16>(insn),
        Code::Btc_rm32_r32 => by_register::<Complement, u32>(insn),
        Code::Btc_rm16_imm8 => by_imm::<Complement, u16>,
        Code::Btc_rm32_imm8 => by_imm::<Complement, u32>,
        Code::Bsf_r16_rm16 | Code::Tzcnt_r16_rm16 => scan::<u16>,
        Code::Bsf_r32_rm32 | Code::Tzcnt_r32_rm32 => scan::<u32>,
        Code::Bsr_r16_rm16 | Code::Lzcnt_r16_rm16 => scan_reverse::<u16>,
        Code::Bsr_r32_rm32 | Code::Lzcnt_r32_rm32 => scan_reverse::<u32>,
        Code::Bswap_r16 => bswap16,
        Code::Bswap_r32 => bswap32,
        _ => return None,
    })
}

fn by_register<C: Change, W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() { in_string::<C, W> } else { in_register::<C, W> }
}

fn by_imm<C: Change, W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if insn.is_mem() {
        let at = cpu.ea(insn);
        return in_memory::<C, W>(cpu, sys, insn, at, insn.imm);
    }
    on_register::<C, W>(cpu, insn.rm, insn.imm);
    Ok(())
}

fn in_register<C: Change, W: Word>(
    cpu: &mut Cpu,
    _: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    on_register::<C, W>(cpu, insn.rm, cpu.reg::<W>(insn.reg).zx());
    Ok(())
}

fn in_string<C: Change, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    let index = cpu.reg::<W>(insn.reg).sx();
    let units = (index as i32) >> W::BITS.trailing_zeros();
    let at = cpu.ea(insn).wrapping_add((units as u32).wrapping_mul(W::BYTES));
    let at = if insn.has(Insn::ADDR32) { at } else { at & 0xFFFF };
    in_memory::<C, W>(cpu, sys, insn, at, index)
}

#[inline(always)]
fn on_register<C: Change, W: Word>(cpu: &mut Cpu, register: u8, index: u32) {
    let mask = 1 << (index % W::BITS);
    let value = cpu.reg::<W>(register).zx();
    if C::STORES {
        cpu.set_reg::<W>(register, W::trunc(C::apply(value, mask)));
    }
    cpu.state.arith = cpu.state.arith.with_cf(value & mask != 0);
}

#[inline(always)]
fn in_memory<C: Change, W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    at: u32,
    index: u32,
) -> Result<(), Fault> {
    let mask = 1 << (index % W::BITS);
    let value = if C::STORES {
        cpu.modify::<W, _>(sys, insn.seg, at, |v| (Some(W::trunc(C::apply(v.zx(), mask))), v.zx()))?
    } else {
        cpu.read::<W>(sys, insn.seg, at)?.zx()
    };
    cpu.state.arith = cpu.state.arith.with_cf(value & mask != 0);
    Ok(())
}

/// A zero source leaves the destination as it is.
fn scan<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let source = cpu.read_rm::<W>(sys, insn)?;
    if source.zx() != 0 {
        cpu.set_reg::<W>(insn.reg, W::trunc(source.zx().trailing_zeros()));
    }
    cpu.state.arith = alu::scan_flags(source);
    Ok(())
}

/// A zero source leaves the destination as it is.
fn scan_reverse<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let source = cpu.read_rm::<W>(sys, insn)?;
    if source.zx() != 0 {
        cpu.set_reg::<W>(insn.reg, W::trunc(31 - source.zx().leading_zeros()));
    }
    cpu.state.arith = alu::scan_flags(source);
    Ok(())
}

/// Undefined in the manual; processors clear the register's lower half.
fn bswap16(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.set_reg16(insn.reg, 0);
    Ok(())
}

fn bswap32(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.reg32(insn.reg);
    cpu.set_reg32(insn.reg, value.swap_bytes());
    Ok(())
}
