//! Far JMP, CALL and RET: other code segments, call gates, tasks (SDM 2 by name; SDM 3A 5.8).
//!
//! Invariant: all checks come before the first change; a crossing is told by one event.

mod gate;
pub(crate) mod notes;
pub mod pass;
pub(super) mod plain;
pub(super) mod ret;
pub(super) mod stack;

use super::Handler;
use super::segment::table::{self, Entry, Who};
use super::segment::{load, read_far_pointer};
use super::task;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use stack::{NewStack, offset_refused};
use x86::cause::{Check, OpcodeCheck, Origin};
use x86::event::{Place, StackFrom, TaskVia, Transfer, Via, Wanted};
use x86::segment::system_type as kind;
use x86::{Descriptor, Event, Fault, Intercept, SegReg, Segment, Selector};

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Jmp_ptr1616 | Code::Jmp_ptr1632 => jump_direct,
        Code::Jmp_m1616 | Code::Jmp_m1632 => jump_memory,
        Code::Call_ptr1616 | Code::Call_ptr1632 => call_direct,
        Code::Call_m1616 | Code::Call_m1632 => call_memory,
        Code::Retfw | Code::Retfd => ret::retf,
        Code::Retfw_imm16 | Code::Retfd_imm16 => ret::retf,
        _ => return None,
    })
}

/// A far jump or call on its way.
#[derive(Clone, Copy, Debug)]
struct Far {
    call: bool,
    /// The operand size is 32 bits.
    wide: bool,
    selector: Selector,
    offset: u32,
    /// Where the instruction stands.
    from: Place,
}

impl Far {
    fn via(&self) -> Via {
        if self.call { Via::FarCall } else { Via::FarJump }
    }
}

/// Where this instruction is.
pub(super) fn place(cpu: &Cpu, insn: &Insn) -> Place {
    Place { eip: cpu.start_ip(insn), ..cpu.state.place() }
}

fn jump_direct(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::FarJmp);
    direct(cpu, sys, insn, false)
}

fn call_direct(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::FarCall);
    direct(cpu, sys, insn, true)
}

fn jump_memory(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::FarJmp);
    memory(cpu, sys, insn, false)
}

fn call_memory(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::FarCall);
    memory(cpu, sys, insn, true)
}

fn direct(cpu: &mut Cpu, sys: &mut System, insn: &Insn, call: bool) -> Result<(), Fault> {
    let (selector, offset) = (Selector(insn.imm2), insn.imm);
    let from = place(cpu, insn);
    transfer(cpu, sys, Far { call, wide: insn.op32(), selector, offset, from })
}

fn memory(cpu: &mut Cpu, sys: &mut System, insn: &Insn, call: bool) -> Result<(), Fault> {
    if !insn.is_mem() {
        return Err(cpu.undefined(insn, OpcodeCheck::Undefined));
    }
    let wide = insn.op32();
    let (offset, selector) = if wide {
        read_far_pointer::<u32>(cpu, sys, insn)?
    } else {
        let (offset, selector) = read_far_pointer::<u16>(cpu, sys, insn)?;
        (u32::from(offset), selector)
    };
    let from = place(cpu, insn);
    transfer(cpu, sys, Far { call, wide, selector, offset, from })
}

fn transfer(cpu: &mut Cpu, sys: &mut System, far: Far) -> Result<(), Fault> {
    if !cpu.state.uses_descriptors() {
        return by_paragraph(cpu, sys, far);
    }
    if notes::call_gate(cpu, sys, &far).is_some() || plain::call_gate(cpu, sys, &far).is_some() {
        return Ok(());
    }
    let who = Who::program(Origin::Transfer);
    let entry = table::fetch(cpu, sys, far.selector, who)?;
    match entry.descriptor.system() {
        None => to_code(cpu, sys, far, entry),
        Some(kind::CALL_GATE16 | kind::CALL_GATE32) => gate::through(cpu, sys, far, entry),
        Some(kind::TASK_GATE | kind::TSS16 | kind::TSS32) => to_task(cpu, sys, far, entry),
        Some(_) => Err(entry.refuse(cpu, Check::WrongType, who)),
    }
}

/// Real and virtual-8086 mode: the selector is a paragraph.
fn by_paragraph(cpu: &mut Cpu, sys: &mut System, far: Far) -> Result<(), Fault> {
    let mut stack = NewStack::current(cpu, far.wide, 0);
    if far.call {
        stack.room(cpu, 2)?;
    }
    if far.offset > cpu.state.segment(SegReg::Cs).limit {
        return Err(cpu.beyond_code(far.offset));
    }
    let (cs, eip) = (far.from.cs, cpu.state.eip());
    if far.call {
        stack.push(cpu, sys, u32::from(cs.0))?;
        stack.push(cpu, sys, eip)?;
        stack.enter(cpu);
    }
    let segment = load::by_paragraph(cpu, SegReg::Cs, far.selector.0);
    let cpl = cpu.state.cpl;
    enter(cpu, segment, cpl, far.offset);
    Crossing::new(far.via(), far.from).tell(cpu);
    Ok(())
}

/// A code segment of this ring, or a conforming one of an inner ring.
fn to_code(cpu: &mut Cpu, sys: &mut System, far: Far, mut entry: Entry) -> Result<(), Fault> {
    let who = Who::program(Origin::Transfer);
    let (d, cpl) = (entry.descriptor, cpu.state.cpl);
    if !d.is_code() {
        return Err(entry.refuse(cpu, Check::NotCode, who));
    }
    let allowed = if d.is_conforming() {
        d.dpl() <= cpl
    } else {
        far.selector.rpl() <= cpl && d.dpl() == cpl
    };
    if !allowed {
        return Err(entry.refuse(cpu, Check::Privilege, who));
    }
    entry.present(cpu, who)?;
    let mut stack = NewStack::current(cpu, far.wide, 0);
    if far.call {
        // As on processors, what is pushed stays in memory even if the offset is then refused.
        let eip = cpu.state.eip();
        stack.push(cpu, sys, u32::from(far.from.cs.0))?;
        stack.push(cpu, sys, eip)?;
    }
    within(cpu, &entry, far.offset, who)?;
    let mut segment = entry.accessed(cpu, sys)?;
    if far.call {
        stack.enter(cpu);
    }
    segment.selector = far.selector.with_rpl(cpl);
    enter(cpu, segment, cpl, far.offset);
    let crossing = Crossing { code: Some(entry.descriptor), ..Crossing::new(far.via(), far.from) };
    crossing.tell(cpu);
    Ok(())
}

/// A TSS, or a task gate.
fn to_task(cpu: &mut Cpu, sys: &mut System, far: Far, entry: Entry) -> Result<(), Fault> {
    let is_gate = entry.descriptor.system() == Some(kind::TASK_GATE);
    let who = Who::program(if is_gate { Origin::Transfer } else { Origin::Task });
    if cpu.state.cpl.max(far.selector.rpl()) > entry.descriptor.dpl() {
        let check = if is_gate { Check::GatePrivilege } else { Check::Privilege };
        return Err(entry.refuse(cpu, check, who));
    }
    let mut target = far.selector;
    if is_gate {
        entry.present(cpu, who)?;
        target = entry.descriptor.gate_selector();
    }
    let via = if far.call { TaskVia::Call } else { TaskVia::Jump };
    task::switch_from(
        cpu,
        sys,
        task::Request { selector: target, via, error_code: None, ext: 0, from: far.from },
    )
}

/// #GP(0) unless the offset lies in the code segment.
#[inline]
pub(super) fn within(cpu: &mut Cpu, entry: &Entry, offset: u32, who: Who) -> Result<(), Fault> {
    if offset <= entry.descriptor.limit() {
        return Ok(());
    }
    Err(offset_refused(cpu, entry.selector, entry.descriptor, who.origin, who.ext))
}

/// Goes on in another code segment at `cpl`.
#[inline]
pub(super) fn enter(cpu: &mut Cpu, segment: Segment, cpl: u8, eip: u32) {
    cpu.state.cpl = cpl;
    cpu.set_segment(SegReg::Cs, segment);
    cpu.state.rip = u64::from(eip);
    cpu.sync_ring();
}

/// [`enter`] by a descriptor, for a selector that has the ring for its RPL.
#[inline(always)]
fn enter_described(cpu: &mut Cpu, selector: Selector, code: Descriptor, eip: u32) {
    cpu.state.cpl = selector.rpl();
    cpu.set_described(SegReg::Cs, selector, code);
    cpu.state.rip = u64::from(eip);
    cpu.sync_ring();
}

/// What is to be told of a transfer, beside what [`Cpu::frame`] has of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    /// How.
    pub via: Via,
    /// From where.
    pub from: Place,
    /// Through which gate.
    pub gate: Option<Descriptor>,
    /// To which code segment.
    pub code: Option<Descriptor>,
    /// Where the stack came from.
    pub stack: StackFrom,
}

impl Crossing {
    /// One without gate, descriptor or stack.
    #[inline]
    pub fn new(via: Via, from: Place) -> Self {
        Self { via, from, gate: None, code: None, stack: StackFrom::Same }
    }

    /// Emits the event; the processor has arrived.
    #[inline]
    pub fn tell(self, cpu: &mut Cpu) {
        if cpu.events.wants(Wanted::CROSSINGS) {
            self.emit(cpu);
        }
    }

    #[cold]
    fn emit(self, cpu: &mut Cpu) {
        let to = cpu.state.place();
        let (Crossing { via, from, gate, code, stack }, frame) = (self, cpu.frame);
        let is_pop = matches!(via, Via::Iret | Via::FarReturn);
        let frame = if is_pop { frame.reversed() } else { frame };
        cpu.emit(Event::Transfer(Transfer { via, from, to, gate, code, stack, frame }));
    }
}
