//! The new task's context: registers first, then the descriptors behind its selectors, in the
//! order of SDM 3A table 7-1. Faults are the new task's.

use super::Request;
use super::image::Image;
use crate::cpu::Cpu;
use crate::ops::far::stack::{NewStack, offset_refused};
use crate::ops::segment::table::{self, Who};
use crate::ops::segment::{load as seg_load, registers};
use bus::System;
use x86::cause::{Check, Origin};
use x86::paging::PHYS_MASK;
use x86::{Cr0, Cr4, Fault, SegReg, Segment, Selector};

/// DR6.BS is 14; BT, a task switch into a TSS with T set, is 15 (SDM 3B 17.2.3).
const BT: u32 = 1 << 15;

/// The data segment registers that need nothing of the others.
const DATA: [SegReg; 4] = [SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs];

/// Loads the context. TR is the new one.
pub(super) fn load(
    cpu: &mut Cpu,
    sys: &mut System,
    image: &Image,
    ask: &Request,
) -> Result<(), Fault> {
    registers(cpu, image);
    let paging = load_cr3(cpu, sys, image);
    cpu.sync();
    paging?;
    cpu.state.ldtr = registers::ldt(cpu, sys, image.ldt, Who::task(Origin::Ldtr, ask.ext))?;
    if cpu.state.vm86() {
        for (reg, selector) in SegReg::ALL.into_iter().zip(image.selectors) {
            cpu.set_segment(reg, seg_load::vm86(selector.0));
        }
        cpu.sync();
    } else {
        segments(cpu, sys, image, ask.ext)?;
    }
    if let Some(code) = ask.error_code {
        let mut stack = NewStack::current(cpu, image.wide, ask.ext);
        stack.push(cpu, sys, u32::from(code))?;
        stack.enter(cpu);
    }
    let cs = *cpu.state.segment(SegReg::Cs);
    if image.eip > cs.limit {
        let none = x86::Descriptor(0);
        return Err(offset_refused(
            cpu,
            cs.selector,
            none,
            Origin::TaskSegment(SegReg::Cs),
            ask.ext,
        ));
    }
    if image.trap {
        cpu.state.pending_debug |= BT;
    }
    Ok(())
}

/// General registers, EIP, EFLAGS, CPL; the segment registers with nothing behind them yet.
fn registers(cpu: &mut Cpu, image: &Image) {
    cpu.state.set_eflags(image.eflags);
    cpu.state.rip = u64::from(image.eip);
    for (n, value) in image.gpr.into_iter().enumerate() {
        cpu.state.set_reg32(n, value);
    }
    cpu.state.ldtr = Segment::null(image.ldt);
    for (reg, selector) in SegReg::ALL.into_iter().zip(image.selectors) {
        cpu.set_segment(reg, Segment::null(selector));
    }
    let cs = image.selectors[SegReg::Cs as usize];
    cpu.state.cpl = if cpu.state.vm86() { 3 } else { cs.rpl() };
}

/// CR3, if paging is on; PAE loads the directory pointers with it.
fn load_cr3(cpu: &mut Cpu, sys: &mut System, image: &Image) -> Result<(), Fault> {
    let Some(cr3) = image.cr3.map(u64::from) else { return Ok(()) };
    if !cpu.state.cr0().contains(Cr0::PG) {
        return Ok(());
    }
    if cpu.state.cr4().contains(Cr4::PAE) {
        cpu.load_pdptes(sys, cr3)?;
    }
    cpu.state.cr3 = cr3 & PHYS_MASK;
    cpu.mmu.flush_non_global();
    Ok(())
}

fn segments(cpu: &mut Cpu, sys: &mut System, image: &Image, ext: u16) -> Result<(), Fault> {
    let selector = |reg: SegReg| image.selectors[reg as usize];
    let cpl = cpu.state.cpl;
    let who = |reg: SegReg| Who::task(Origin::TaskSegment(reg), ext);
    let ss = seg_load::stack(cpu, sys, selector(SegReg::Ss), cpl, who(SegReg::Ss))?;
    cpu.set_segment(SegReg::Ss, ss);
    let cs = code(cpu, sys, selector(SegReg::Cs), who(SegReg::Cs))?;
    cpu.set_segment(SegReg::Cs, cs);
    cpu.sync();
    for reg in DATA {
        let segment = seg_load::data(cpu, sys, selector(reg), cpl, who(reg))?;
        cpu.set_segment(reg, segment);
    }
    Ok(())
}

/// The code segment: its DPL must be the selector's RPL, or not above it if conforming.
fn code(cpu: &mut Cpu, sys: &mut System, selector: Selector, who: Who) -> Result<Segment, Fault> {
    let mut entry = table::fetch(cpu, sys, selector, who)?;
    let d = entry.descriptor;
    if !d.is_code() {
        return Err(entry.refuse(cpu, Check::NotCode, who));
    }
    let rpl = selector.rpl();
    let allowed = if d.is_conforming() { d.dpl() <= rpl } else { d.dpl() == rpl };
    if !allowed {
        return Err(entry.refuse(cpu, Check::Privilege, who));
    }
    entry.present(cpu, who)?;
    entry.accessed(cpu, sys)
}
