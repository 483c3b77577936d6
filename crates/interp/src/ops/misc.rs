//! Instructions that this processor doesn't have, or that exist to be undefined: UD0, UD1, UD2
//! (SDM 2 UD).

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::Fault;
use x86::cause::OpcodeCheck;

/// The handler of UD0, UD1 and UD2.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Ud0
        | Code::Ud0_r16_rm16
        | Code::Ud0_r32_rm32
        | Code::Ud1_r16_rm16
        | Code::Ud1_r32_rm32
        | Code::Ud2 => deliberate,
        _ => return None,
    })
}

fn deliberate(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    Err(cpu.undefined(insn, OpcodeCheck::Deliberate))
}

/// #UD for a form that this model doesn't have.
pub fn not_here(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    Err(cpu.undefined(insn, OpcodeCheck::NotOnThisCpu))
}
