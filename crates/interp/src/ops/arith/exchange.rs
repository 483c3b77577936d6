//! Arithmetic that exchanges: XADD CMPXCHG CMPXCHG8B (SDM 2, each instruction).

use super::set_pair;
use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::arith::Arith;
use x86::fault::Fault;
use x86::{Eflags, alu};

/// The handler of an instruction of this family.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Xadd_rm8_r8 => xadd::<u8>,
        Code::Xadd_rm16_r16 => xadd::<u16>,
        Code::Xadd_rm32_r32 => xadd::<u32>,
        Code::Cmpxchg_rm8_r8 => cmpxchg::<u8>,
        Code::Cmpxchg_rm16_r16 => cmpxchg::<u16>,
        Code::Cmpxchg_rm32_r32 => cmpxchg::<u32>,
        Code::Cmpxchg8b_m64 => cmpxchg8b,
        _ => return None,
    })
}

fn xadd<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let b = cpu.reg::<W>(insn.reg);
    if insn.is_mem() {
        let (old, flags) = cpu.modify_rm::<W, _>(sys, insn, |a| {
            let (sum, flags) = alu::add(a, b, false);
            (Some(sum), (a, flags))
        })?;
        cpu.set_reg::<W>(insn.reg, old);
        cpu.state.arith = flags;
    } else {
        let a = cpu.reg::<W>(insn.rm);
        let (sum, flags) = alu::add(a, b, false);
        // The sum goes last: the operands may be one register.
        cpu.set_reg::<W>(insn.reg, a);
        cpu.set_reg::<W>(insn.rm, sum);
        cpu.state.arith = flags;
    }
    Ok(())
}

fn cmpxchg<W: Word>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let (expected, new) = (cpu.reg::<W>(0), cpu.reg::<W>(insn.reg));
    let found = cpu.modify_rm::<W, _>(sys, insn, |a| ((a == expected).then_some(new), a))?;
    if found != expected {
        cpu.set_reg::<W>(0, found);
    }
    cpu.state.arith = alu::sub(expected, found, false).1;
    Ok(())
}

/// The destination is written either way, as the bus cycle on a processor is.
fn cmpxchg8b(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let (seg, low_at) = (insn.seg, cpu.ea(insn));
    let high_at = low_at.wrapping_add(4);
    cpu.probe_write(sys, seg, low_at, 8)?;
    let low = cpu.read::<u32>(sys, seg, low_at)?;
    let high = cpu.read::<u32>(sys, seg, high_at)?;
    let equal = low == cpu.reg32(0) && high == cpu.reg32(2);
    let stored = if equal { (cpu.reg32(3), cpu.reg32(1)) } else { (low, high) };
    cpu.write::<u32>(sys, seg, low_at, stored.0)?;
    cpu.write::<u32>(sys, seg, high_at, stored.1)?;
    if !equal {
        set_pair(cpu, low, high);
    }
    let zf = Eflags::ZF.bits();
    let others = cpu.state.arith.flags() & !zf;
    cpu.state.arith = Arith::from_flags(if equal { others | zf } else { others });
    Ok(())
}
