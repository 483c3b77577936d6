//! The control instructions: they neither wait for a pending exception (but for FLDCW, FLDENV,
//! FRSTOR and WAIT) nor touch the instruction and data pointers (SDM 1 8.3.11, 8.3.12).

use super::{Ready, available, image, no_device, ready, report_error};
use crate::cpu::Cpu;
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::fpu::Status;
use x86::{Cr0, Fault, Fpu};

/// The handler of a control instruction.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Wait => wait,
        Code::Fninit => fninit,
        Code::Fnclex => fnclex,
        Code::Fnstcw_m2byte => fnstcw,
        Code::Fldcw_m2byte => fldcw,
        Code::Fnstsw_m2byte => fnstsw,
        Code::Fnstsw_AX => fnstsw_ax,
        // What only the 8087 and the 80287 had (SDM 1 8.3.13).
        Code::Fneni | Code::Fndisi | Code::Fnsetpm => obsolete,
        Code::Fnstenv_m14byte | Code::Fnstenv_m28byte => image::fnstenv,
        Code::Fldenv_m14byte | Code::Fldenv_m28byte => image::fldenv,
        Code::Fnsave_m94byte | Code::Fnsave_m108byte => image::fnsave,
        Code::Frstor_m94byte | Code::Frstor_m108byte => image::frstor,
        _ => return None,
    })
}

/// WAIT obeys TS only if MP is set too.
fn wait(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if cpu.state.cr0().contains(Cr0::MP | Cr0::TS) {
        return Err(no_device(cpu));
    }
    ready(cpu, sys, insn).map(|_| ())
}

fn fninit(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    cpu.state.fpu = Fpu::init(cpu.state.fpu.regs);
    report_error(cpu, sys);
    Ok(())
}

fn fnclex(cpu: &mut Cpu, sys: &mut System, _: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    let cleared = Status::EXCEPTIONS | Status::SF | Status::ES | Status::B;
    cpu.state.fpu.status &= !cleared.bits();
    report_error(cpu, sys);
    Ok(())
}

fn fnstcw(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    cpu.write(sys, insn.seg, cpu.ea(insn), cpu.state.fpu.control)
}

fn fldcw(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    if ready(cpu, sys, insn)? == Ready::Frozen {
        return Ok(());
    }
    let value = cpu.read(sys, insn.seg, cpu.ea(insn))?;
    cpu.state.fpu.set_control(value);
    report_error(cpu, sys);
    Ok(())
}

fn fnstsw(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    cpu.write(sys, insn.seg, cpu.ea(insn), cpu.state.fpu.status)
}

fn fnstsw_ax(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    cpu.set_reg16(0, cpu.state.fpu.status);
    Ok(())
}

fn obsolete(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    available(cpu)
}
