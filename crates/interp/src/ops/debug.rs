//! MOV to and from debug registers (SDM 3B 17.2; SDM 2 MOV to and from debug registers).
//!
//! Invariant: DR6 and DR7 always show their fixed bits; DR4 and DR5 exist only as other names
//! of DR6 and DR7, while CR4.DE is clear.

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::cause::OpcodeCheck;
use x86::event::{Place, Wanted};
use x86::{Cause, Cr4, Event, Fault, Intercept, Vector};

/// DR6: what software may write: B0-B3, BD, BS, BT.
const DR6_WRITABLE: u32 = 0xE00F;
/// DR6: bits that read as one.
const DR6_ONES: u32 = 0xFFFF_0FF0;
/// DR6: a debug register was touched while DR7.GD was set.
const DR6_BD: u32 = 1 << 13;
/// DR7: what software may write: the enables, GD, types and lengths.
const DR7_WRITABLE: u32 = 0xFFFF_23FF;
/// DR7: the bit that reads as one.
const DR7_ONES: u32 = 1 << 10;
/// DR7: general detect.
const DR7_GD: u64 = 1 << 13;

/// The handler of a debug-register instruction.
pub fn handler(insn: &Insn) -> Option<Handler> {
    match insn.code {
        Code::Mov_r32_dr => Some(mov_from_dr),
        Code::Mov_dr_r32 => Some(mov_to_dr),
        _ => None,
    }
}

fn mov_from_dr(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let number = reach(cpu, insn, Intercept::MovFromDr)?;
    let value = cpu.state.dr[number] as u32;
    cpu.state.set_reg32(usize::from(insn.rm), value);
    Ok(())
}

fn mov_to_dr(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let number = reach(cpu, insn, Intercept::MovToDr)?;
    let value = cpu.state.reg32(usize::from(insn.rm));
    let new = match number {
        6 => value & DR6_WRITABLE | DR6_ONES,
        7 => value & DR7_WRITABLE | DR7_ONES,
        _ => value,
    };
    let new = u64::from(new);
    let old = std::mem::replace(&mut cpu.state.dr[number], new);
    // A breakpoint may lie on the very next instruction.
    cpu.sync();
    cpu.end_block();
    if cpu.events.wants(Wanted::CONTROL) {
        let at = Place { eip: cpu.start_ip(insn), ..cpu.state.place() };
        cpu.emit(Event::Control { register: 0x10 + number as u8, old, new, at });
    }
    Ok(())
}

/// The register that is meant, if it may be touched: #UD first, then privilege, then general
/// detect, which is a fault with DR6.BD set.
fn reach(cpu: &mut Cpu, insn: &Insn, kind: Intercept) -> Result<usize, Fault> {
    let number = usize::from(insn.reg & 7);
    let alias = matches!(number, 4 | 5);
    if alias && cpu.state.cr4().contains(Cr4::DE) {
        return Err(cpu.undefined(insn, OpcodeCheck::NoSuchRegister));
    }
    cpu.intercept(kind);
    cpu.require_ring0(kind)?;
    if cpu.state.dr[7] & DR7_GD != 0 {
        // The handler must be able to touch them: this clears GD.
        cpu.report_debug(DR6_BD);
        let why = Cause::Debug { dr6: DR6_BD };
        return Err(cpu.raise(Fault::plain(Vector::Debug), why));
    }
    Ok(if alias { number + 2 } else { number })
}
