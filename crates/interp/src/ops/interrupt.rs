//! Delivery of interrupts and exceptions, and INT n, INT3, INTO, INT1, BOUND
//! (SDM 3A 6.10–6.14, 20.1.4, 20.3; SDM 2 INT n).
//!
//! Invariant: the old context is whole until the last word of the frame is on its stack. A
//! fault on the way carries EXT in its error code unless the program itself asked.

mod gate;
mod software;
#[cfg(test)]
mod tests;

use super::far::notes;
use super::far::plain::{self, Vectored};
use super::far::stack::NewStack;
use super::far::{Crossing, enter};
use super::segment::load;
use super::task;
use crate::cpu::Cpu;
use bus::System;
use x86::cause::Check;
use x86::event::{Place, Source, TaskVia, Via};
use x86::fault::{EXT, IDT};
use x86::segment::system_type as kind;
use x86::{Cause, Descriptor, Eflags, Fault, LinAddr, SegReg, Segment, Vector};

pub use software::handler;
pub(super) use software::virtual_flags;

/// What is being delivered.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    vector: u8,
    source: Source,
    error_code: Option<u16>,
    /// The EXT bit of nested faults.
    ext: u16,
    /// The interrupted place: EIP is the return address.
    from: Place,
}

impl Delivery {
    #[inline]
    fn via(&self) -> Via {
        let Delivery { vector, source, error_code, .. } = *self;
        Via::Interrupt { vector, source, error_code }
    }

    fn is_software(&self) -> bool {
        matches!(self.source, Source::Software | Source::Trap)
    }

    /// A fault over the gate itself.
    #[cold]
    fn refuse(&self, cpu: &mut Cpu, gate: Descriptor, check: Check) -> Fault {
        let code = (u16::from(self.vector) * 8) | IDT | self.ext;
        let vector = match check {
            Check::NotPresent => Vector::SegmentNotPresent,
            _ => Vector::GeneralProtection,
        };
        let cause = Cause::IdtGate {
            vector: self.vector,
            gate,
            idt_base: LinAddr(cpu.state.idtr.base),
            idt_limit: cpu.state.idtr.limit,
            check,
            cpl: cpu.state.cpl,
            software: self.is_software(),
        };
        cpu.raise(Fault { vector, code }, cause)
    }
}

/// Delivers a vector through the IVT or the IDT. The return address is the present EIP.
pub fn interrupt(
    cpu: &mut Cpu,
    sys: &mut System,
    vector: u8,
    source: Source,
    error_code: Option<u16>,
) -> Result<(), Fault> {
    let is_software = matches!(source, Source::Software | Source::Trap);
    let v = Vectored { vector, is_software, source, error_code };
    if notes::handler(cpu, sys, v).is_some() || plain::handler(cpu, sys, v).is_some() {
        cpu.state.nmi_masked |= source == Source::Nmi;
        return Ok(());
    }
    let ext = if is_software { 0 } else { EXT };
    let from = cpu.state.place();
    let delivery = Delivery { vector, source, error_code, ext, from };
    if cpu.state.protected() {
        through_idt(cpu, sys, delivery)?;
    } else {
        through_ivt(cpu, sys, delivery)?;
    }
    if source == Source::Nmi {
        cpu.state.nmi_masked = true;
    }
    Ok(())
}

#[inline]
fn through_idt(cpu: &mut Cpu, sys: &mut System, delivery: Delivery) -> Result<(), Fault> {
    let table = cpu.state.idtr;
    let offset = u32::from(delivery.vector) * 8;
    if offset + 7 > table.limit {
        return Err(delivery.refuse(cpu, Descriptor(0), Check::BeyondTable));
    }
    let at = table.base.wrapping_add(u64::from(offset));
    let gate = Descriptor(cpu.read_system64(sys, at)?);
    let (is_task, wide, masks) = match gate.system() {
        Some(kind::TASK_GATE) => (true, false, false),
        Some(kind::INT_GATE16) => (false, false, true),
        Some(kind::TRAP_GATE16) => (false, false, false),
        Some(kind::INT_GATE32) => (false, true, true),
        Some(kind::TRAP_GATE32) => (false, true, false),
        _ => return Err(delivery.refuse(cpu, gate, Check::NotGate)),
    };
    if delivery.is_software() && gate.dpl() < cpu.state.cpl {
        return Err(delivery.refuse(cpu, gate, Check::GatePrivilege));
    }
    if !gate.present() {
        return Err(delivery.refuse(cpu, gate, Check::NotPresent));
    }
    if is_task {
        return task::switch_from(
            cpu,
            sys,
            task::Request {
                selector: gate.gate_selector(),
                via: TaskVia::Interrupt(delivery.vector),
                error_code: delivery.error_code,
                ext: delivery.ext,
                from: delivery.from,
            },
        );
    }
    gate::enter_handler(cpu, sys, delivery, gate, wide, masks)
}

/// Real mode: a vector is four bytes, offset and paragraph.
fn through_ivt(cpu: &mut Cpu, sys: &mut System, delivery: Delivery) -> Result<(), Fault> {
    let table = cpu.state.idtr;
    let offset = u32::from(delivery.vector) * 4;
    if offset + 3 > table.limit {
        return Err(delivery.refuse(cpu, Descriptor(0), Check::BeyondTable));
    }
    let at = table.base.wrapping_add(u64::from(offset));
    let target = cpu.read_system::<u32>(sys, at)?;
    let flags = cpu.state.eflags();
    let frame = push_real_frame(cpu, sys, delivery, flags)?;
    let segment = load::real(cpu.state.segment(SegReg::Cs), (target >> 16) as u16);
    clear_flags(cpu, Eflags::IF | Eflags::TF | Eflags::AC | Eflags::RF);
    arrive(cpu, delivery, segment, target & 0xFFFF, frame);
    Ok(())
}

/// Pushes FLAGS, CS and IP, 16 bits each, on the present stack.
fn push_real_frame(
    cpu: &mut Cpu,
    sys: &mut System,
    delivery: Delivery,
    flags: u32,
) -> Result<NewStack, Fault> {
    let mut stack = NewStack::current(cpu, false, delivery.ext);
    stack.room(cpu, 3)?;
    for word in [flags, u32::from(delivery.from.cs.0), delivery.from.eip] {
        stack.push(cpu, sys, word)?;
    }
    Ok(stack)
}

/// Takes the pushed stack and goes on at a real-mode handler.
fn arrive(cpu: &mut Cpu, delivery: Delivery, segment: Segment, ip: u32, stack: NewStack) {
    stack.enter(cpu);
    let cpl = cpu.state.cpl;
    enter(cpu, segment, cpl, ip);
    Crossing::new(delivery.via(), delivery.from).tell(cpu);
}

fn clear_flags(cpu: &mut Cpu, flags: Eflags) {
    cpu.state.set_flag(flags, false);
}
