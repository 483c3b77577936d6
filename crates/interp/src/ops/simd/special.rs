//! Forms whose operands aren't like the others': shifts by an immediate, masked stores, blends
//! with an implied mask, extraction to memory, flags, general registers.

use super::{
    GENERAL, Ready, XMM, compare, enter_mmx, execute, load, mm, prepare, set_mm, source, sse_ready,
    store,
};
use crate::cpu::Cpu;
use crate::host_simd::{self, Op, Unit};
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use mmu::Access;
use x86::paging::AccessKind;
use x86::state::gpr;
use x86::{Arith, Eflags, Fault};

/// The handler of such a form.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    shifts(insn.code).or_else(|| others(insn.code))
}

fn shifts(code: Code) -> Option<Handler> {
    Some(match code {
        Code::Psrlw_mm_imm8 => shift_mm::<0xD1>,
        Code::Psraw_mm_imm8 => shift_mm::<0xE1>,
        Code::Psllw_mm_imm8 => shift_mm::<0xF1>,
        Code::Psrld_mm_imm8 => shift_mm::<0xD2>,
        Code::Psrad_mm_imm8 => shift_mm::<0xE2>,
        Code::Pslld_mm_imm8 => shift_mm::<0xF2>,
        Code::Psrlq_mm_imm8 => shift_mm::<0xD3>,
        Code::Psllq_mm_imm8 => shift_mm::<0xF3>,
        Code::Psrlw_xmm_imm8 => shift_xmm::<0xD1>,
        Code::Psraw_xmm_imm8 => shift_xmm::<0xE1>,
        Code::Psllw_xmm_imm8 => shift_xmm::<0xF1>,
        Code::Psrld_xmm_imm8 => shift_xmm::<0xD2>,
        Code::Psrad_xmm_imm8 => shift_xmm::<0xE2>,
        Code::Pslld_xmm_imm8 => shift_xmm::<0xF2>,
        Code::Psrlq_xmm_imm8 => shift_xmm::<0xD3>,
        Code::Psllq_xmm_imm8 => shift_xmm::<0xF3>,
        Code::Psrldq_xmm_imm8 => psrldq,
        Code::Pslldq_xmm_imm8 => pslldq,
        _ => return None,
    })
}

fn others(code: Code) -> Option<Handler> {
    Some(match code {
        Code::Maskmovq_rDI_mm_mm => maskmovq,
        Code::Maskmovdqu_rDI_xmm_xmm => maskmovdqu,
        Code::Comiss_xmm_xmmm32 | Code::Ucomiss_xmm_xmmm32 => compare::<4>,
        Code::Comisd_xmm_xmmm64 | Code::Ucomisd_xmm_xmmm64 => compare::<8>,
        Code::Ptest_xmm_xmmm128 => compare::<16>,
        Code::Pblendvb_xmm_xmmm128 => blend::<8>,
        Code::Blendvps_xmm_xmmm128 => blend::<32>,
        Code::Blendvpd_xmm_xmmm128 => blend::<64>,
        Code::Insertps_xmm_xmmm32_imm8 => insertps,
        Code::Pextrb_r32m8_xmm_imm8 => extract::<1>,
        Code::Pextrw_r32m16_xmm_imm8 => extract::<2>,
        Code::Pextrd_rm32_xmm_imm8 | Code::Extractps_rm32_xmm_imm8 => extract::<4>,
        Code::Crc32_r32_rm8 => crc32::<1>,
        Code::Crc32_r32_rm16 => crc32::<2>,
        Code::Crc32_r32_rm32 => crc32::<4>,
        Code::Popcnt_r16_rm16 => popcnt16,
        Code::Popcnt_r32_rm32 => popcnt32,
        _ => return None,
    })
}

fn at(register: u8) -> usize {
    usize::from(register & 7)
}

/// An instruction that raises nothing, on the host.
fn on_host(opcode: u16, immediate: u8, mut unit: Unit, mmx: bool) -> Unit {
    let op = Op::new(opcode).expect("these opcodes run on registers");
    host_simd::run(op, immediate, &mut unit, mmx);
    unit
}

/// By an immediate: the same as by a register that holds it.
fn shift_mm<const OPCODE: u16>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if prepare(cpu, sys, insn, false, true)? == Ready::Go {
        let (first, second) = (u128::from(mm(cpu, insn.rm)), u128::from(insn.imm & 0xFF));
        let unit = on_host(OPCODE, 0, Unit { first, second, ..Unit::default() }, true);
        set_mm(cpu, insn.rm, unit.mm);
        enter_mmx(cpu);
    }
    Ok(())
}

fn shift_xmm<const OPCODE: u16>(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let (first, second) = (cpu.state.xmm[at(insn.rm)], u128::from(insn.imm & 0xFF));
    let unit = on_host(1 << 10 | OPCODE, 0, Unit { first, second, ..Unit::default() }, false);
    cpu.state.xmm[at(insn.rm)] = unit.first;
    Ok(())
}

fn psrldq(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let to = &mut cpu.state.xmm[at(insn.rm)];
    *to = to.checked_shr(8 * (insn.imm & 0xFF)).unwrap_or(0);
    Ok(())
}

fn pslldq(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let to = &mut cpu.state.xmm[at(insn.rm)];
    *to = to.checked_shl(8 * (insn.imm & 0xFF)).unwrap_or(0);
    Ok(())
}

/// Stores the bytes of `value` whose mask byte has its top bit set, at (E)DI of a segment that
/// prefixes may choose. All of them must be writable, even where the mask has no bit (SDM 2B
/// MASKMOVQ leaves that open; silicon does so). Sixteen bytes are two times eight, each with an
/// offset that wraps: at FFF8h of a 16-bit address the second eight lie at 0, as on Zen 4.
fn masked_store<const N: usize>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    value: u128,
    mask: u128,
) -> Result<(), Fault> {
    const EIGHT: u32 = 8;
    let edi = cpu.state.reg32(gpr::EDI);
    let wrap = if insn.has(Insn::ADDR32) { u32::MAX } else { 0xFFFF };
    let offset = |n: u32| edi.wrapping_add(n) & wrap;
    cpu.check_alignment(cpu.linear(insn.seg, offset(0)), N as u32)?;
    let eights = || (0..N as u32).step_by(EIGHT as usize);
    for n in eights() {
        cpu.check_segment(insn.seg, offset(n), EIGHT, AccessKind::Write)?;
    }
    let access = Access { kind: AccessKind::Write, user: cpu.user(), implicit: false };
    for n in eights() {
        cpu.translate_all(sys, cpu.linear(insn.seg, offset(n)), EIGHT, access)?;
    }
    let chosen = |n: &u32| mask >> (8 * n + 7) & 1 != 0;
    for n in (0..N as u32).filter(chosen) {
        cpu.write::<u8>(sys, insn.seg, offset(n), (value >> (8 * n)) as u8)?;
    }
    Ok(())
}

fn maskmovq(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if prepare(cpu, sys, insn, false, true)? == Ready::Go {
        let (value, mask) = (u128::from(mm(cpu, insn.reg)), u128::from(mm(cpu, insn.rm)));
        masked_store::<8>(cpu, sys, insn, value, mask)?;
        enter_mmx(cpu);
    }
    Ok(())
}

fn maskmovdqu(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let (value, mask) = (cpu.state.xmm[at(insn.reg)], cpu.state.xmm[at(insn.rm)]);
    masked_store::<16>(cpu, sys, insn, value, mask)
}

/// Takes elements of `BITS` bits from the source where XMM0's have their top bit set.
fn blend<const BITS: u32>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let from = source::<XMM, 16>(cpu, sys, insn)?;
    let mask = cpu.state.xmm[0];
    let element = u128::MAX >> (128 - BITS);
    let chosen = (0..128).step_by(BITS as usize).filter(|at| mask >> (at + BITS - 1) & 1 != 0);
    let chosen = chosen.fold(0, |all, at| all | element << at);
    let to = &mut cpu.state.xmm[at(insn.reg)];
    *to = *to & !chosen | from & chosen;
    Ok(())
}

/// INSERTPS: from memory there is but one element to choose.
fn insertps(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let mut insn = *insn;
    if insn.is_mem() {
        insn.imm &= 0x3F;
    }
    execute::<XMM, XMM, 4>(cpu, sys, &insn)
}

/// PEXTRB, PEXTRW, PEXTRD, EXTRACTPS to a general register, zero-extended, or to memory.
fn extract<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let first = cpu.state.xmm[at(insn.reg)];
    let unit = on_host(insn.imm2, insn.imm as u8, Unit { first, ..Unit::default() }, false);
    if insn.is_mem() {
        return store::<N>(cpu, sys, insn, u128::from(unit.ecx));
    }
    cpu.state.set_reg32(usize::from(insn.rm), unit.ecx);
    Ok(())
}

/// CRC32 of `N` bytes: of one and of four on the host, of two as one and one.
fn crc32<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = match (insn.is_mem(), N) {
        (true, _) => load::<N>(cpu, sys, insn)? as u32,
        (false, 1) => u32::from(cpu.reg8(insn.rm)),
        (false, _) => source::<GENERAL, N>(cpu, sys, insn)? as u32,
    };
    let step =
        |eax, opcode, ecx| on_host(opcode, 0, Unit { eax, ecx, ..Unit::default() }, false).eax;
    let sum = cpu.state.reg32(usize::from(insn.reg));
    let sum = match N {
        4 => step(sum, 0xDF1, value),
        2 => step(step(sum, 0xDF0, value), 0xDF0, value >> 8),
        _ => step(sum, 0xDF0, value),
    };
    cpu.state.set_reg32(usize::from(insn.reg), sum);
    Ok(())
}

fn popcnt16(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<u16>(sys, insn)?;
    cpu.set_reg16(insn.reg, value.count_ones() as u16);
    set_zero(cpu, value == 0);
    Ok(())
}

fn popcnt32(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<u32>(sys, insn)?;
    cpu.set_reg32(insn.reg, value.count_ones());
    set_zero(cpu, value == 0);
    Ok(())
}

/// ZF as given, the other status flags clear.
fn set_zero(cpu: &mut Cpu, zero: bool) {
    cpu.state.arith = Arith::from_flags(if zero { Eflags::ZF.bits() } else { 0 });
}
