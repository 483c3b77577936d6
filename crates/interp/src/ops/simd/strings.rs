//! PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM 2B 4.1): lengths in EAX and EDX, an index in
//! ECX or a mask in XMM0, and the flags. Their memory operand needs no alignment.

use super::{load, sse_ready};
use crate::cpu::Cpu;
use crate::host_simd::{self, Op, Unit};
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::state::gpr;
use x86::{Arith, Fault};

/// The handler of a string comparison.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Pcmpestri_xmm_xmmm128_imm8 | Code::Pcmpistri_xmm_xmmm128_imm8 => compare::<true>,
        Code::Pcmpestrm_xmm_xmmm128_imm8 | Code::Pcmpistrm_xmm_xmmm128_imm8 => compare::<false>,
        _ => return None,
    })
}

fn compare<const INDEX: bool>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let second = if insn.is_mem() {
        load::<16>(cpu, sys, insn)?
    } else {
        cpu.state.xmm[usize::from(insn.rm & 7)]
    };
    let mut unit = Unit {
        first: cpu.state.xmm[usize::from(insn.reg & 7)],
        second,
        eax: cpu.state.reg32(gpr::EAX),
        edx: cpu.state.reg32(gpr::EDX),
        ..Unit::default()
    };
    let op = Op::new(insn.imm2).expect("the handler was chosen for such an opcode");
    host_simd::run(op, insn.imm as u8, &mut unit, false);
    if INDEX {
        cpu.state.set_reg32(gpr::ECX, unit.ecx);
    } else {
        cpu.state.xmm[0] = unit.first;
    }
    cpu.state.arith = Arith::from_flags(unit.flags);
    Ok(())
}
