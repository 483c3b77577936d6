//! Instructions that this processor doesn't have, or that exist to be undefined: UD0, UD1,
//! UD2, WAIT, x87, MMX and SSE (SDM 2 UD, WAIT; SDM 3A 2.5 table 2-2).

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn, is_x87};
use x86::cause::OpcodeCheck;
use x86::{Cause, Cr0, Fault, Vector};

/// The handler of UD0, UD1, UD2 and WAIT.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Ud0
        | Code::Ud0_r16_rm16
        | Code::Ud0_r32_rm32
        | Code::Ud1_r16_rm16
        | Code::Ud1_r32_rm32
        | Code::Ud2 => deliberate,
        Code::Wait => wait,
        _ => return None,
    })
}

/// The handler of a form that nobody claims: x87 obeys EM and TS before it is undefined.
pub fn fpu_or_undefined(insn: &Insn) -> Handler {
    if is_x87(insn.code) { x87 } else { not_here }
}

fn deliberate(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    Err(cpu.undefined(insn, OpcodeCheck::Deliberate))
}

fn not_here(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    Err(cpu.undefined(insn, OpcodeCheck::NotOnThisCpu))
}

/// WAIT has nothing to wait for; it obeys TS only if MP is set too.
fn wait(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    if cpu.state.cr0().contains(Cr0::MP | Cr0::TS) {
        return Err(no_device(cpu));
    }
    Ok(())
}

fn x87(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.cr0().intersects(Cr0::EM | Cr0::TS) {
        return Err(no_device(cpu));
    }
    Err(cpu.undefined(insn, OpcodeCheck::NotOnThisCpu))
}

/// #NM.
fn no_device(cpu: &mut Cpu) -> Fault {
    let cr0 = cpu.state.cr0;
    cpu.raise(Fault::plain(Vector::DeviceNotAvailable), Cause::Fpu { cr0 })
}
