//! Interrupt and trap gates: the handler's code segment, its stack, the frame
//! (SDM 3A 6.12.1, 20.3.1.1).

use super::{Delivery, clear_flags};
use crate::cpu::Cpu;
use crate::ops::far::stack::NewStack;
use crate::ops::far::{Crossing, enter, within};
use crate::ops::segment::table::{self, Entry, Who};
use bus::System;
use x86::cause::{Check, Origin};
use x86::state::gpr;
use x86::{Descriptor, Eflags, Fault, SegReg, Segment, Selector};

/// The data segments that leaving virtual-8086 mode pushes, in order.
const DATA: [SegReg; 4] = [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es];

/// Enters the handler behind a good gate. `wide`: a 32-bit gate; `masks`: an interrupt gate.
#[inline]
pub(super) fn enter_handler(
    cpu: &mut Cpu,
    sys: &mut System,
    delivery: Delivery,
    gate: Descriptor,
    wide: bool,
    masks: bool,
) -> Result<(), Fault> {
    let who = Who { ext: delivery.ext, ..Who::program(Origin::InterruptGate(delivery.vector)) };
    let mut entry = table::fetch(cpu, sys, gate.gate_selector(), who)?;
    let ring = checked_ring(cpu, &entry, who)?;
    let from_vm86 = cpu.state.vm86();
    let inward = ring < cpu.state.cpl;
    let mut stack = if inward {
        NewStack::inner(cpu, sys, ring, wide, delivery.ext)?
    } else {
        NewStack::current(cpu, wide, delivery.ext)
    };
    let words = 3 + u32::from(delivery.error_code.is_some());
    let words = words + if inward { 2 } else { 0 } + if from_vm86 { 4 } else { 0 };
    stack.room(cpu, words)?;
    let eip = if wide { gate.gate_offset() } else { gate.gate_offset() & 0xFFFF };
    within(cpu, &entry, eip, who)?;
    let mut segment = entry.accessed(cpu, sys)?;
    push_frame(cpu, sys, &mut stack, delivery, inward)?;
    stack.enter(cpu);
    if from_vm86 {
        for reg in DATA {
            cpu.set_segment(reg, Segment::null(Selector(0)));
        }
    }
    clear_flags(cpu, Eflags::TF | Eflags::VM | Eflags::RF | Eflags::NT);
    if masks {
        clear_flags(cpu, Eflags::IF);
    }
    segment.selector = segment.selector.with_rpl(ring);
    enter(cpu, segment, ring, eip);
    let crossing = Crossing {
        gate: Some(gate),
        code: Some(entry.descriptor),
        stack: stack.from,
        ..Crossing::new(delivery.via(), delivery.from)
    };
    crossing.tell(cpu);
    Ok(())
}

/// The ring of the handler, after the checks of its code segment.
#[inline(always)]
fn checked_ring(cpu: &mut Cpu, entry: &Entry, who: Who) -> Result<u8, Fault> {
    let (d, cpl) = (entry.descriptor, cpu.state.cpl);
    if !d.is_code() {
        return Err(entry.refuse(cpu, Check::NotCode, who));
    }
    if d.dpl() > cpl {
        return Err(entry.refuse(cpu, Check::TargetPrivilege, who));
    }
    entry.present(cpu, who)?;
    let ring = if d.is_conforming() { cpl } else { d.dpl() };
    // Out of virtual-8086 mode only ring 0 will do.
    if cpu.state.vm86() && ring != 0 {
        return Err(entry.refuse(cpu, Check::TargetPrivilege, who));
    }
    Ok(ring)
}

#[inline]
fn push_frame(
    cpu: &mut Cpu,
    sys: &mut System,
    stack: &mut NewStack,
    delivery: Delivery,
    inward: bool,
) -> Result<(), Fault> {
    let mut words = [0; 10];
    let mut count = 0;
    let mut add = |word: u32| {
        words[count] = word;
        count += 1;
    };
    if cpu.state.vm86() {
        for reg in DATA {
            add(u32::from(cpu.state.segment(reg).selector.0));
        }
    }
    if inward {
        add(u32::from(cpu.state.segment(SegReg::Ss).selector.0));
        add(cpu.state.reg32(gpr::ESP));
    }
    add(cpu.state.eflags());
    add(u32::from(delivery.from.cs.0));
    add(delivery.from.eip);
    if let Some(code) = delivery.error_code {
        add(u32::from(code));
    }
    stack.push_all(cpu, sys, &words[..count])
}
