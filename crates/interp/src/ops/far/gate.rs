//! Call gates, 16 and 32 bits, with the change to the inner ring's stack (SDM 3A 5.8.3–5.8.5).

use super::stack::NewStack;
use super::{Crossing, Far, enter, within};
use crate::cpu::Cpu;
use crate::ops::segment::table::{self, Entry, Who};
use bus::System;
use x86::cause::{Check, Origin};
use x86::event::Via;
use x86::segment::system_type as kind;
use x86::state::gpr;
use x86::{Descriptor, Fault, SegReg};

/// The most parameters a gate copies.
const MAX_PARAMETERS: usize = 31;

/// Through a call gate, by JMP or CALL.
pub(super) fn through(cpu: &mut Cpu, sys: &mut System, far: Far, gate: Entry) -> Result<(), Fault> {
    let at_gate = Who::program(Origin::Transfer);
    let (d, cpl) = (gate.descriptor, cpu.state.cpl);
    if cpl.max(far.selector.rpl()) > d.dpl() {
        return Err(gate.refuse(cpu, Check::GatePrivilege, at_gate));
    }
    gate.present(cpu, at_gate)?;
    let who = Who::program(Origin::CallGate(far.selector));
    let entry = table::fetch(cpu, sys, d.gate_selector(), who)?;
    let code = entry.descriptor;
    if !code.is_code() {
        return Err(entry.refuse(cpu, Check::NotCode, who));
    }
    let inward = far.call && !code.is_conforming() && code.dpl() < cpl;
    let same = if code.is_conforming() { code.dpl() <= cpl } else { code.dpl() == cpl };
    if !inward && !same {
        return Err(entry.refuse(cpu, Check::TargetPrivilege, who));
    }
    entry.present(cpu, who)?;
    let call = Through { far, gate: d, entry, wide: d.system() == Some(kind::CALL_GATE32), who };
    if inward { call.inward(cpu, sys) } else { call.same_ring(cpu, sys) }
}

/// A passage whose gate and target were found good.
struct Through {
    far: Far,
    gate: Descriptor,
    entry: Entry,
    /// The gate is a 32-bit one.
    wide: bool,
    who: Who,
}

impl Through {
    fn offset(&self) -> u32 {
        let offset = self.gate.gate_offset();
        if self.wide { offset } else { offset & 0xFFFF }
    }

    fn same_ring(mut self, cpu: &mut Cpu, sys: &mut System) -> Result<(), Fault> {
        let mut stack = NewStack::current(cpu, self.wide, 0);
        if self.far.call {
            stack.room(cpu, 2)?;
        }
        within(cpu, &self.entry, self.offset(), self.who)?;
        let mut segment = self.entry.accessed(cpu, sys)?;
        if self.far.call {
            self.push_return(cpu, sys, &mut stack)?;
            stack.enter(cpu);
        }
        let cpl = cpu.state.cpl;
        segment.selector = segment.selector.with_rpl(cpl);
        enter(cpu, segment, cpl, self.offset());
        self.tell(cpu, &stack, 0);
        Ok(())
    }

    fn inward(mut self, cpu: &mut Cpu, sys: &mut System) -> Result<(), Fault> {
        let ring = self.entry.descriptor.dpl();
        let count = self.gate.gate_count();
        let mut stack = NewStack::inner(cpu, sys, ring, self.wide, 0)?;
        stack.room(cpu, 4 + u32::from(count))?;
        within(cpu, &self.entry, self.offset(), self.who)?;
        let parameters = self.parameters(cpu, sys, count)?;
        let mut segment = self.entry.accessed(cpu, sys)?;
        let ss = cpu.state.segment(SegReg::Ss).selector;
        let esp = cpu.state.reg32(gpr::ESP);
        stack.push(cpu, sys, u32::from(ss.0))?;
        stack.push(cpu, sys, esp)?;
        for value in parameters.iter().take(usize::from(count)).rev() {
            stack.push(cpu, sys, *value)?;
        }
        self.push_return(cpu, sys, &mut stack)?;
        segment.selector = segment.selector.with_rpl(ring);
        stack.enter(cpu);
        enter(cpu, segment, ring, self.offset());
        self.tell(cpu, &stack, count);
        Ok(())
    }

    fn push_return(
        &self,
        cpu: &mut Cpu,
        sys: &mut System,
        stack: &mut NewStack,
    ) -> Result<(), Fault> {
        let eip = cpu.state.eip();
        stack.push(cpu, sys, u32::from(self.far.from.cs.0))?;
        stack.push(cpu, sys, eip)
    }

    /// The parameters on the caller's stack, the topmost first.
    fn parameters(
        &self,
        cpu: &mut Cpu,
        sys: &mut System,
        count: u8,
    ) -> Result<[u32; MAX_PARAMETERS], Fault> {
        let mut values = [0; MAX_PARAMETERS];
        let mut top = super::stack::Popper::new(cpu, self.wide);
        for value in values.iter_mut().take(usize::from(count)) {
            *value = top.untold(cpu, sys)?;
        }
        Ok(values)
    }

    fn tell(&self, cpu: &mut Cpu, stack: &NewStack, parameters: u8) {
        let via = if self.far.call {
            Via::CallGate { selector: self.far.selector, parameters }
        } else {
            Via::FarJump
        };
        let crossing = Crossing {
            gate: Some(self.gate),
            code: Some(self.entry.descriptor),
            stack: stack.from,
            ..Crossing::new(via, self.far.from)
        };
        crossing.tell(cpu);
    }
}
