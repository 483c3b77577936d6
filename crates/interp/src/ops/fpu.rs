//! The x87 FPU (SDM 1 chapter 8; SDM 2 FADD and so on). Arithmetic runs on the host's own unit
//! (`host_fpu`); what is ours are CR0's switches, pending exceptions, memory operands and the
//! instruction and data pointers, which are the guest's.
//!
//! Invariant: an instruction that faults on its memory operand leaves the FPU as it was.

mod control;
mod fast;
mod image;
#[cfg(test)]
mod tests;

use super::Handler;
use crate::cpu::Cpu;
use crate::host_fpu::{self, Op};
use bus::System;
use decode::{Insn, is_x87};
use x86::cause::OpcodeCheck;
use x86::fpu::Status;
use x86::{Arith, Cause, Cr0, Fault, Vector};

/// What an instruction that waits for the FPU is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Go on.
    Go,
    /// Nothing: an exception is pending, CR0.NE is clear, and the processor stands still before
    /// this instruction until an interrupt comes (SDM 1 appendix D.2.1). RIP is back at it.
    Frozen,
}

/// The handler of an x87 instruction or WAIT.
pub fn handler(insn: &Insn) -> Option<Handler> {
    control::handler(insn)
        .or_else(|| is_x87(insn.code).then(|| fast::handler(insn).unwrap_or(execute as Handler)))
}

/// #NM if CR0.EM or CR0.TS says so.
fn available(cpu: &mut Cpu) -> Result<(), Fault> {
    if cpu.state.cr0().intersects(Cr0::EM | Cr0::TS) { Err(no_device(cpu)) } else { Ok(()) }
}

/// #NM.
#[cold]
pub(crate) fn no_device(cpu: &mut Cpu) -> Fault {
    let cr0 = cpu.state.cr0;
    cpu.raise(Fault::plain(Vector::DeviceNotAvailable), Cause::Fpu { cr0 })
}

/// Waits for the FPU as every x87 instruction but the control instructions does, and every MMX
/// instruction: an exception that is pending is raised now.
#[inline]
pub(crate) fn ready(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<Ready, Fault> {
    if cpu.state.fpu.is_pending() { pending(cpu, sys, insn) } else { Ok(Ready::Go) }
}

#[cold]
fn pending(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<Ready, Fault> {
    if cpu.state.cr0().contains(Cr0::NE) {
        let (status, control) = (cpu.state.fpu.status, cpu.state.fpu.control);
        let cause = Cause::Math { status, control };
        return Err(cpu.raise(Fault::plain(Vector::MathFault), cause));
    }
    if sys.bus.signals().ignne() {
        return Ok(Ready::Go);
    }
    sys.bus.set_ferr(true);
    cpu.state.rip = u64::from(cpu.start_ip(insn));
    cpu.end_block();
    Ok(Ready::Frozen)
}

/// Shows the board whether an exception is pending, where CR0.NE says so: FERR# (SDM 3B
/// 23.18.6.7, the P6 family's way: when the instruction is done). To be called whenever the
/// status or the control word has changed.
pub(crate) fn report_error(cpu: &Cpu, sys: &mut System) {
    let pending = cpu.state.fpu.is_pending();
    if pending == sys.bus.signals().ferr() {
        return;
    }
    if !pending || !cpu.state.cr0().contains(Cr0::NE) {
        sys.bus.set_ferr(pending);
    }
}

/// Which memory an instruction reads or writes, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// None.
    None,
    /// Reads.
    Load(u8),
    /// Writes.
    Store(u8),
}

impl Memory {
    /// How many.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Memory::None => 0,
            Memory::Load(size) | Memory::Store(size) => usize::from(size),
        }
    }
}

/// The memory operand of an instruction that isn't a control instruction (SDM 2D appendix A.5).
#[must_use]
pub fn memory(opcode: u16) -> Memory {
    let (escape, modrm) = (opcode >> 8 & 7, opcode & 0xFF);
    if modrm >= 0xC0 {
        return Memory::None;
    }
    match (escape, modrm >> 3 & 7) {
        (1 | 3, 1..=3) => Memory::Store(4),
        (3, 5) | (7, 4) => Memory::Load(10),
        (3, 7) | (7, 6) => Memory::Store(10),
        (5, 1..=3) | (7, 7) => Memory::Store(8),
        (4 | 5, _) | (7, 5) => Memory::Load(8),
        (7, 1..=3) => Memory::Store(2),
        (6 | 7, _) => Memory::Load(2),
        _ => Memory::Load(4),
    }
}

/// What an operand of this size is aligned to: a real of ten bytes to eight (SDM 3A table 6-7).
fn alignment(size: u8) -> u32 {
    u32::from(size.min(8))
}

/// Exceptions that keep an instruction from storing if they aren't masked.
const PREVENT: Status = Status::EXCEPTIONS.difference(Status::PE);

/// What comes before any instruction but the control instructions. False where the processor is
/// frozen: nothing more is to be done.
#[inline]
fn begin(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<bool, Fault> {
    available(cpu)?;
    Ok(ready(cpu, sys, insn)? == Ready::Go)
}

/// Reads the memory operand, if the instruction reads one.
#[inline]
fn load_operand(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<[u8; 16], Fault> {
    let mut bytes = [0; 16];
    if let Memory::Load(size) = memory(insn.imm2) {
        let part = &mut bytes[..usize::from(size)];
        let offset = cpu.ea(insn);
        cpu.read_bytes(sys, insn.seg, offset, part, alignment(size))?;
    }
    Ok(bytes)
}

/// Any instruction but the control instructions.
fn execute(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if Op::new(insn.imm2).is_none() {
        available(cpu)?;
        return Err(cpu.undefined(insn, OpcodeCheck::NotOnThisCpu));
    }
    if !begin(cpu, sys, insn)? {
        return Ok(());
    }
    let bytes = load_operand(cpu, sys, insn)?;
    whole(cpu, sys, insn, bytes)
}

/// Runs an instruction with all of the unit's state; `bytes` is the operand that was read.
#[cold]
fn whole(cpu: &mut Cpu, sys: &mut System, insn: &Insn, mut bytes: [u8; 16]) -> Result<(), Fault> {
    let Some(op) = Op::new(insn.imm2) else {
        return Err(cpu.undefined(insn, OpcodeCheck::NotOnThisCpu));
    };
    let mut fpu = cpu.state.fpu.clone();
    let before = cpu.state.arith.flags();
    let mut flags = before;
    let raised = host_fpu::run(op, &mut fpu, &mut bytes, &mut flags);
    if let Memory::Store(size) = memory(insn.imm2) {
        let (part, align) = (&bytes[..usize::from(size)], alignment(size));
        let offset = cpu.ea(insn);
        if (raised & PREVENT).bits() & !fpu.control == 0 {
            cpu.write_bytes(sys, insn.seg, offset, part, align)?;
        } else {
            // Faults of memory come first even so.
            cpu.probe_bytes(sys, insn.seg, offset, u32::from(size), align)?;
        }
    }
    cpu.state.fpu = fpu;
    note_pointers(cpu, insn);
    if flags != before {
        cpu.state.arith = Arith::from_flags(flags);
    }
    if raised.intersects(Status::EXCEPTIONS) {
        report_error(cpu, sys);
    }
    Ok(())
}

/// Remembers the instruction and its operand for a handler of exceptions (SDM 1 8.1.8, 8.1.9).
#[inline]
fn note_pointers(cpu: &mut Cpu, insn: &Insn) {
    let (ip, cs) = (cpu.start_ip(insn), cpu.state.seg[1].selector.0);
    let fpu = &mut cpu.state.fpu;
    (fpu.opcode, fpu.ip, fpu.cs) = (insn.imm2, ip, cs);
    if insn.is_mem() {
        cpu.state.fpu.dp = cpu.ea(insn);
        cpu.state.fpu.ds = cpu.state.segment(insn.seg).selector.0;
    }
}
