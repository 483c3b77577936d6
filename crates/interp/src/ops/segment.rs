//! Segment registers and what is asked of selectors: MOV PUSH POP with a segment register,
//! LDS LES LFS LGS LSS; LAR LSL VERR VERW ARPL; LLDT LTR SLDT STR.
//! (SDM 2 by name; SDM 3A 3.4, 5.6, 5.7.)
//!
//! Invariant: a register and its segment register change together, after the last check.

pub(super) mod load;
mod query;
pub(super) mod registers;
pub(super) mod table;

use super::Handler;
use crate::cpu::{Cpu, Word};
use bus::System;
use decode::{Code, Insn};
use x86::cause::OpcodeCheck;
use x86::state::Shadow;
use x86::{Fault, Intercept, SegReg, Selector};

/// The busy bit in the type of a TSS descriptor.
pub(super) const BUSY: u64 = 2;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 => mov_to,
        Code::Mov_rm16_Sreg | Code::Mov_r32m16_Sreg => mov_from,
        Code::Pushw_ES | Code::Pushw_CS | Code::Pushw_SS => push::<u16>,
        Code::Pushw_DS | Code::Pushw_FS | Code::Pushw_GS => push::<u16>,
        Code::Pushd_ES | Code::Pushd_CS | Code::Pushd_SS => push::<u32>,
        Code::Pushd_DS | Code::Pushd_FS | Code::Pushd_GS => push::<u32>,
        Code::Popw_ES | Code::Popw_SS => pop::<u16>,
        Code::Popw_DS | Code::Popw_FS | Code::Popw_GS => pop::<u16>,
        Code::Popd_ES | Code::Popd_SS => pop::<u32>,
        Code::Popd_DS | Code::Popd_FS | Code::Popd_GS => pop::<u32>,
        Code::Les_r16_m1616 => far_pointer::<u16, 0>,
        Code::Les_r32_m1632 => far_pointer::<u32, 0>,
        Code::Lss_r16_m1616 => far_pointer::<u16, 2>,
        Code::Lss_r32_m1632 => far_pointer::<u32, 2>,
        Code::Lds_r16_m1616 => far_pointer::<u16, 3>,
        Code::Lds_r32_m1632 => far_pointer::<u32, 3>,
        Code::Lfs_r16_m1616 => far_pointer::<u16, 4>,
        Code::Lfs_r32_m1632 => far_pointer::<u32, 4>,
        Code::Lgs_r16_m1616 => far_pointer::<u16, 5>,
        Code::Lgs_r32_m1632 => far_pointer::<u32, 5>,
        _ => return query::handler(insn).or_else(|| registers::handler(insn)),
    })
}

/// #UD in real and virtual-8086 mode.
fn needs_descriptors(cpu: &mut Cpu, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.uses_descriptors() {
        return Ok(());
    }
    Err(cpu.undefined(insn, OpcodeCheck::NeedsProtectedMode))
}

/// The segment register named by the instruction; CS may be loaded by none of these.
fn target(cpu: &mut Cpu, insn: &Insn) -> Result<SegReg, Fault> {
    match SegReg::from_encoding(insn.reg) {
        Some(reg) if reg != SegReg::Cs => Ok(reg),
        _ => Err(cpu.undefined(insn, OpcodeCheck::NoSuchRegister)),
    }
}

/// The selector that the instruction reads.
fn source(cpu: &mut Cpu, insn: &Insn) -> Result<Selector, Fault> {
    match SegReg::from_encoding(insn.reg) {
        Some(reg) => Ok(cpu.state.segment(reg).selector),
        None => Err(cpu.undefined(insn, OpcodeCheck::NoSuchRegister)),
    }
}

/// Stores a selector: 16 bits into memory, zero-extended to the operand size into a register.
fn store_selector(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
    selector: u16,
) -> Result<(), Fault> {
    if insn.is_mem() || !insn.op32() {
        return cpu.write_rm::<u16>(sys, insn, selector);
    }
    cpu.write_rm::<u32>(sys, insn, u32::from(selector))
}

fn mov_to(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::MovToSeg);
    let reg = target(cpu, insn)?;
    let selector = Selector(cpu.read_rm::<u16>(sys, insn)?);
    let segment = load::checked(cpu, sys, reg, selector)?;
    cpu.set_segment(reg, segment);
    hold_off(cpu, reg);
    Ok(())
}

/// After a load of SS, interrupts and debug traps wait for one instruction (SDM 3A 6.8.3).
fn hold_off(cpu: &mut Cpu, reg: SegReg) {
    if reg == SegReg::Ss {
        cpu.state.shadow = Shadow::MovSs;
        cpu.end_block();
    }
}

fn mov_from(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::MovFromSeg);
    let selector = source(cpu, insn)?;
    store_selector(cpu, sys, insn, selector.0)
}

fn push<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::PushSeg);
    let selector = source(cpu, insn)?;
    cpu.push::<W>(sys, W::trunc(u32::from(selector.0)))
}

fn pop<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::PopSeg);
    let reg = target(cpu, insn)?;
    let at = cpu.stack_ptr();
    let selector = Selector(cpu.read_stack::<W>(sys, at)?.zx() as u16);
    let segment = load::checked(cpu, sys, reg, selector)?;
    // The size of the old stack segment decides how the pointer moves.
    cpu.set_stack_ptr(at.wrapping_add(W::BYTES));
    cpu.set_segment(reg, segment);
    hold_off(cpu, reg);
    Ok(())
}

/// LES LSS LDS LFS LGS: offset and selector from memory into `reg` and segment register `S`.
fn far_pointer<W: Word, const S: usize>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    cpu.intercept(Intercept::LoadFarPointer);
    if !insn.is_mem() {
        return Err(cpu.undefined(insn, OpcodeCheck::Undefined));
    }
    let reg = SegReg::ALL[S];
    let (offset, selector) = read_far_pointer::<W>(cpu, sys, insn)?;
    let segment = load::checked(cpu, sys, reg, selector)?;
    cpu.set_segment(reg, segment);
    cpu.set_reg::<W>(insn.reg, offset);
    Ok(())
}

/// Reads a far pointer. With 16-bit addresses the selector of one at the end of 64 KiB lies at 0.
pub(super) fn read_far_pointer<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(W, Selector), Fault> {
    let at = cpu.ea(insn);
    let behind = at.wrapping_add(W::BYTES);
    let behind = if insn.has(Insn::ADDR32) { behind } else { behind & 0xFFFF };
    let offset = cpu.read::<W>(sys, insn.seg, at)?;
    let selector = cpu.read::<u16>(sys, insn.seg, behind)?;
    Ok((offset, Selector(selector)))
}
