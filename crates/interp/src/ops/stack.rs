//! The stack: PUSH POP PUSHA POPA ENTER LEAVE.
//!
//! Slots are as wide as the operand, addresses as wide as SS says (its B bit). ESP moves only
//! when all accesses have succeeded. (SDM 1 6.2; SDM 2, each instruction.)

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::SegReg;
use x86::fault::Fault;
use x86::state::gpr;

const EBP: u8 = gpr::EBP as u8;
const ESP: u8 = gpr::ESP as u8;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Push_r16 => push_reg::<u16>,
        Code::Push_r32 => push_reg::<u32>,
        Code::Push_imm16 | Code::Pushw_imm8 => push_imm::<u16>,
        Code::Pushd_imm32 | Code::Pushd_imm8 => push_imm::<u32>,
        Code::Push_rm16 => push_rm::<u16>,
        Code::Push_rm32 => push_rm::<u32>,
        Code::Pop_r16 => pop_reg::<u16>,
        Code::Pop_r32 => pop_reg::<u32>,
        Code::Pop_rm16 => pop_rm::<u16>(insn),
        Code::Pop_rm32 => pop_rm::<u32>(insn),
        Code::Pushaw => pusha::<u16>,
        Code::Pushad => pusha::<u32>,
        Code::Popaw => popa::<u16>,
        Code::Popad => popa::<u32>,
        Code::Enterw_imm16_imm8 => enter::<u16>,
        Code::Enterd_imm16_imm8 => enter::<u32>,
        Code::Leavew => leave::<u16>,
        Code::Leaved => leave::<u32>,
        _ => return None,
    })
}

/// PUSH ESP pushes the value from before.
fn push_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.push::<W>(sys, cpu.reg::<W>(insn.reg))
}

fn push_imm<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.push::<W>(sys, W::trunc(insn.imm))
}

fn push_rm<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.read_rm::<W>(sys, insn)?;
    cpu.push::<W>(sys, value)
}

/// POP ESP leaves the value popped, not one above the slot.
fn pop_reg<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let value = cpu.pop::<W>(sys)?;
    cpu.set_reg::<W>(insn.reg, value);
    Ok(())
}

fn pop_rm<W: Word>(insn: &Insn) -> Handler {
    if insn.is_mem() {
        pop_mem::<W>
    } else {
        |cpu, sys, insn| {
            let value = cpu.pop::<W>(sys)?;
            cpu.set_reg::<W>(insn.rm, value);
            Ok(())
        }
    }
}

/// The destination's address is formed with ESP already moved.
fn pop_mem<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let before = cpu.reg32(ESP);
    let value = cpu.pop::<W>(sys)?;
    let written = cpu.write_rm::<W>(sys, insn, value);
    if written.is_err() {
        cpu.set_reg32(ESP, before);
    }
    written
}

/// An offset in the stack segment, as wide as its addresses are.
#[inline(always)]
fn in_stack(cpu: &Cpu, offset: u32) -> u32 {
    if cpu.state.stack32() { offset } else { offset & 0xFFFF }
}

/// What was pushed before a fault stays in memory, as on processors; ESP doesn't move.
fn pusha<W: Word>(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    let before = cpu.reg32(ESP);
    for n in 0..8 {
        let value = W::trunc(if n == ESP { before } else { cpu.reg32(n) });
        let pushed = cpu.push::<W>(sys, value);
        if pushed.is_err() {
            cpu.set_reg32(ESP, before);
            return pushed;
        }
    }
    Ok(())
}

/// The slot of ESP is read like the others, for its faults, and dropped. What was popped before a fault stays, as on processors: with
/// ESP where it was, popping again gives the same.
fn popa<W: Word>(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    let top = cpu.stack_ptr();
    for (slot, n) in (0u32..).zip((0..8).rev()) {
        let at = in_stack(cpu, top.wrapping_add(slot * W::BYTES));
        let value = cpu.read_stack::<W>(sys, at)?;
        if n != ESP {
            cpu.set_reg::<W>(n, value);
        }
    }
    cpu.set_stack_ptr(top.wrapping_add(8 * W::BYTES));
    Ok(())
}

/// Pushes one after the other, then tries a write at the final ESP; what was pushed before a
/// fault stays in memory, as on processors.
fn enter<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let (size, level) = (insn.imm & 0xFFFF, u32::from(insn.imm2) & 31);
    let esp = cpu.reg32(ESP);
    let entered = enter_frame::<W>(cpu, sys, size, level);
    if entered.is_err() {
        cpu.set_reg32(ESP, esp);
    }
    entered
}

fn enter_frame<W: Word>(
    cpu: &mut Cpu,
    sys: &mut System,
    size: u32,
    level: u32,
) -> Result<(), Fault> {
    let old_ebp = cpu.reg32(EBP);
    cpu.push::<W>(sys, W::trunc(old_ebp))?;
    let frame = cpu.reg::<W>(ESP);
    for n in 1..level {
        let at = in_stack(cpu, old_ebp.wrapping_sub(n * W::BYTES));
        let link = cpu.read_stack::<W>(sys, at)?;
        cpu.push::<W>(sys, link)?;
    }
    if level > 0 {
        cpu.push::<W>(sys, frame)?;
    }
    let bottom = in_stack(cpu, cpu.stack_ptr().wrapping_sub(size));
    cpu.probe_write(sys, SegReg::Ss, bottom, W::BYTES)?;
    cpu.set_reg::<W>(EBP, frame);
    cpu.set_stack_ptr(bottom);
    Ok(())
}

fn leave<W: Word>(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    let frame = in_stack(cpu, cpu.reg32(EBP));
    let value = cpu.read_stack::<W>(sys, frame)?;
    cpu.set_stack_ptr(frame.wrapping_add(W::BYTES));
    cpu.set_reg::<W>(EBP, value);
    Ok(())
}
