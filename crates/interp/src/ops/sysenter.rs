//! SYSENTER and SYSEXIT: the fast way into ring 0 and back, with flat segments that no
//! descriptor is read for (SDM 2 by name, SDM 3A 5.8.7).

use super::Handler;
use super::far::{Crossing, enter, place};
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::event::{Place, StackFrom, Via, Wanted};
use x86::segment::attr;
use x86::state::gpr;
use x86::{Cause, Eflags, Fault, Intercept, SegReg, Segment, Selector};

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Sysenter => sysenter,
        Code::Sysexitd => sysexit,
        _ => return None,
    })
}

/// What both need: protected mode and a code selector. Returns the selector.
fn code_selector(cpu: &mut Cpu) -> Result<u16, Fault> {
    let value = cpu.state.msr.sysenter_cs as u32;
    if !cpu.state.protected() || value & 0xFFFC == 0 {
        return Err(cpu.raise(Fault::gp(0), Cause::SysenterCs { value }));
    }
    Ok(value as u16 & 0xFFFC)
}

fn sysenter(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Sysenter);
    let selector = code_selector(cpu)?;
    let from = place(cpu, insn);
    cpu.state.set_flag(Eflags::VM | Eflags::IF | Eflags::RF, false);
    let eip = cpu.state.msr.sysenter_eip as u32;
    let esp = cpu.state.msr.sysenter_esp as u32;
    arrive(cpu, selector, 0, (eip, esp), from, Via::Sysenter);
    Ok(())
}

fn sysexit(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Sysexit);
    let selector = code_selector(cpu)?.wrapping_add(16) | 3;
    cpu.require_ring0(Intercept::Sysexit)?;
    let from = place(cpu, insn);
    let (eip, esp) = (cpu.state.reg32(gpr::EDX), cpu.state.reg32(gpr::ECX));
    arrive(cpu, selector, 3, (eip, esp), from, Via::Sysexit);
    Ok(())
}

/// Goes on in flat segments: code at `selector`, the stack at the next one.
fn arrive(cpu: &mut Cpu, selector: u16, ring: u8, (eip, esp): (u32, u32), from: Place, via: Via) {
    let common = attr::P | attr::S | attr::DB | attr::G | attr::RW | attr::ACCESSED;
    let attrs = common | u16::from(ring) << 5;
    let code = Segment {
        base: 0,
        limit: u32::MAX,
        attrs: attrs | attr::CODE,
        selector: Selector(selector),
    };
    let stack = Segment { attrs, selector: Selector(selector.wrapping_add(8)), ..code };
    cpu.set_segment(SegReg::Ss, stack);
    cpu.state.set_reg32(gpr::ESP, esp);
    enter(cpu, code, ring, eip);
    cpu.begin_frame(0);
    let crossing = Crossing { stack: StackFrom::Sysenter, ..Crossing::new(via, from) };
    if !cpu.events.wants(Wanted::BUT_SYSENTER) {
        crossing.tell(cpu);
    }
}
