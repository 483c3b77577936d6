//! The plain case of entering a handler, of a call gate inwards, of IRET and RETF: 32-bit gates and
//! frames, descriptors of the GDT that were accessed before, everything where the software TLB
//! knows it. That is nearly every crossing of a running system.
//!
//! Invariant: all or nothing. Whatever isn't plain gives `None` before anything has changed, and
//! the general way does all checks from the start. An engine that takes one instruction at a time
//! goes that way always, so that comparing it with the others compares both ways.

use super::notes::{self, Read};
use super::{Crossing, Far, enter_described, ret};
use crate::access::{load, store};
use crate::cpu::Cpu;
use crate::ops::flags;
use bus::System;
use x86::event::{Place, Source, StackFrom, Via};
use x86::segment::{attr, system_type};
use x86::state::gpr;
use x86::{Descriptor, Eflags, LinAddr, SegReg, Selector};

/// What is told apart of a segment descriptor's attributes.
const KIND: u16 = attr::S | attr::P | attr::ACCESSED | attr::CODE | attr::EC;
/// Code that doesn't conform.
const CODE: u16 = attr::S | attr::P | attr::ACCESSED | attr::CODE;
/// Data that expands up.
const DATA: u16 = attr::S | attr::P | attr::ACCESSED;

/// An interrupt, trap or exception on its way.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Vectored {
    /// The vector.
    pub vector: u8,
    /// Asked for by the program: the gate's DPL counts.
    pub is_software: bool,
    /// The error code, where there is one.
    pub error_code: Option<u16>,
    /// Who asked.
    pub source: Source,
}

impl Vectored {
    /// How it is told.
    pub(super) fn via(&self) -> Via {
        let Self { vector, source, error_code, .. } = *self;
        Via::Interrupt { vector, source, error_code }
    }
}

/// A stack, and where words on it lie in guest memory.
struct Stack {
    selector: Selector,
    /// Of another ring.
    descriptor: Option<Descriptor>,
    /// ESP after the push.
    esp: u32,
    place: u64,
    from: StackFrom,
}

/// Eight bytes of a system structure.
#[inline(always)]
fn system(cpu: &Cpu, sys: &System, lin: u64) -> Option<u64> {
    let at = cpu.mmu.view().read(lin & 0xFFFF_FFFF, 8, false)?;
    Some(u64::from_le_bytes(sys.mem.arena().load(at)))
}

/// A descriptor of the GDT.
#[inline(always)]
fn descriptor(cpu: &Cpu, sys: &System, selector: Selector) -> Option<Descriptor> {
    let (base, limit) = (cpu.state.gdtr.base, cpu.state.gdtr.limit);
    let is_there = !cpu.is_careful
        && !selector.is_null()
        && !selector.is_local()
        && selector.offset() + 7 <= limit;
    if !is_there {
        return None;
    }
    system(cpu, sys, base.wrapping_add(u64::from(selector.offset()))).map(Descriptor)
}

/// The code segment of `ring` that a selector names, if `eip` lies in it.
#[inline(always)]
fn code(cpu: &Cpu, sys: &System, selector: Selector, eip: u32) -> Option<(Descriptor, u8)> {
    let d = descriptor(cpu, sys, selector)?;
    (d.attrs() & KIND == CODE && eip <= d.limit()).then_some((d, d.dpl()))
}

/// The stack segment of `ring` that a selector names.
#[inline(always)]
fn stack(cpu: &Cpu, sys: &System, selector: Selector, ring: u8) -> Option<Descriptor> {
    let d = descriptor(cpu, sys, selector)?;
    let is_good = d.attrs() & KIND == DATA
        && d.has(attr::RW | attr::DB)
        && d.dpl() == ring
        && selector.rpl() == ring;
    is_good.then_some(d)
}

/// Where `bytes` are pushed when a handler in `ring` is entered.
#[inline(always)]
fn handler_stack(cpu: &Cpu, sys: &System, ring: u8, bytes: u32) -> Option<Stack> {
    if ring == cpu.state.cpl {
        let (esp, place) = own_stack(cpu, bytes)?;
        let selector = cpu.state.segment(SegReg::Ss).selector;
        return Some(Stack { selector, descriptor: None, esp, place, from: StackFrom::Same });
    }
    let tr = &cpu.state.tr;
    let offset = 8 * u32::from(ring) + x86::tss::tss32::ESP0;
    let is_32bit = tr.attrs & 0xF & u16::from(system_type::TSS32) == 9;
    // Eight bytes are read of the six that count.
    if !is_32bit || !tr.has(attr::P) || offset + 7 > tr.limit {
        return None;
    }
    let words = system(cpu, sys, tr.base.wrapping_add(u64::from(offset)))?;
    let selector = Selector((words >> 32) as u16);
    let d = stack(cpu, sys, selector, ring)?;
    let (esp, place) = room(cpu, (d.base(), d.limit()), words as u32, bytes, ring)?;
    let from = StackFrom::Tss { selector: tr.selector, base: LinAddr(tr.base), offset };
    Some(Stack { selector, descriptor: Some(d), esp, place, from })
}

/// ESP after a push of `bytes` on the present stack, and where they lie.
#[inline(always)]
pub(super) fn own_stack(cpu: &Cpu, bytes: u32) -> Option<(u32, u64)> {
    let segment = cpu.state.segment(SegReg::Ss);
    let is_wide = segment.is_32bit() && !segment.is_expand_down();
    let (bounds, esp) = ((segment.base as u32, segment.limit), cpu.state.reg32(gpr::ESP));
    is_wide.then(|| room(cpu, bounds, esp, bytes, cpu.state.cpl))?
}

/// ESP after a push of `bytes` on a stack that expands down to its base, and where they lie.
#[inline(always)]
pub(super) fn room(
    cpu: &Cpu,
    (base, limit): (u32, u32),
    esp: u32,
    bytes: u32,
    ring: u8,
) -> Option<(u32, u64)> {
    if esp < bytes || esp - 1 > limit {
        return None;
    }
    let esp = esp - bytes;
    let place = cpu.mmu.view().write(u64::from(base.wrapping_add(esp)), bytes, ring == 3)?;
    Some((esp, place))
}

impl Stack {
    /// What was read for it, if it is another ring's.
    fn described(&self) -> Option<(Selector, Descriptor)> {
        self.descriptor.map(|d| (self.selector, d))
    }

    /// Takes it.
    #[inline(always)]
    fn enter(&self, cpu: &mut Cpu) {
        if let Some(descriptor) = self.descriptor {
            cpu.set_described(SegReg::Ss, self.selector, descriptor);
        }
        cpu.state.set_reg32(gpr::ESP, self.esp);
    }
}

/// Pushes words, the first one first, on a stack whose top is at `top` in guest memory.
#[inline(always)]
fn push<const N: usize>(cpu: &mut Cpu, sys: &mut System, top: &mut u64, words: [u32; N]) {
    for (n, word) in (1..).zip(words) {
        store(sys, *top - 4 * n, word);
    }
    *top -= 4 * N as u64;
    cpu.tell_words(&words);
}

/// Enters the handler of a vector through a 32-bit interrupt or trap gate.
#[inline(always)]
pub(in crate::ops) fn handler(cpu: &mut Cpu, sys: &mut System, v: Vectored) -> Option<()> {
    let (table, cpl) = (cpu.state.idtr, cpu.state.cpl);
    let offset = u32::from(v.vector) * 8;
    if !cpu.state.uses_descriptors() || offset + 7 > table.limit {
        return None;
    }
    let lin = table.base.wrapping_add(u64::from(offset));
    let gate = Descriptor(system(cpu, sys, lin)?);
    // P, and type 14 or 15.
    if gate.0 >> 40 & 0x9E != 0x8E || (v.is_software && gate.dpl() < cpl) {
        return None;
    }
    let (selector, eip) = (gate.gate_selector(), gate.gate_offset());
    let (code, ring) = code(cpu, sys, selector, eip)?;
    let inward = ring < cpl;
    let words = 3 + 2 * u32::from(inward) + u32::from(v.error_code.is_some());
    let stack = (ring <= cpl).then(|| handler_stack(cpu, sys, ring, 4 * words))??;
    let from = cpu.state.place();
    let status = cpu.state.arith.flags();
    push_handler(cpu, sys, &v, inward, status, stack.place + 4 * u64::from(words));
    stack.enter(cpu);
    clear_flags(cpu, gate);
    let to = selector.with_rpl(ring);
    enter_described(cpu, to, code, eip);
    let read = Read { gate: Some((lin, gate)), code: (to, code), stack: stack.described() };
    notes::note_handler(cpu, sys, &v, cpl, &read);
    let (gate, code) = (Some(gate), Some(code));
    Crossing { gate, code, stack: stack.from, ..Crossing::new(v.via(), from) }.tell(cpu);
    Some(())
}

/// Pushes the frame of a handler below `top` in guest memory, the old stack first if it is another.
/// `status` are the status flags.
#[inline(always)]
pub(super) fn push_handler(
    cpu: &mut Cpu,
    sys: &mut System,
    v: &Vectored,
    inward: bool,
    status: u32,
    top: u64,
) {
    cpu.begin_frame(4);
    let mut top = top;
    let segment = |s| u32::from(cpu.state.segment(s).selector.0);
    let outer = [segment(SegReg::Ss), cpu.state.reg32(gpr::ESP)];
    let eflags = cpu.state.system_flags | status;
    let back = [eflags, segment(SegReg::Cs), cpu.state.eip()];
    if inward {
        push(cpu, sys, &mut top, outer);
    }
    push(cpu, sys, &mut top, back);
    if let Some(error) = v.error_code {
        push(cpu, sys, &mut top, [u32::from(error)]);
    }
}

/// Clears the flags that a gate clears.
#[inline(always)]
pub(super) fn clear_flags(cpu: &mut Cpu, gate: Descriptor) {
    let masks = if gate.0 >> 40 & 1 == 0 { Eflags::IF } else { Eflags::empty() };
    let cleared = Eflags::TF | Eflags::VM | Eflags::RF | Eflags::NT | masks;
    cpu.state.set_flag(cleared, false);
}

/// CALL through a 32-bit call gate to an inner ring.
#[inline(always)]
pub(super) fn call_gate(cpu: &mut Cpu, sys: &mut System, far: &Far) -> Option<()> {
    let (gate, cpl) = (descriptor(cpu, sys, far.selector)?, cpu.state.cpl);
    // P, and type 12.
    let is_plain = gate.0 >> 40 & 0x9F == 0x8C && far.call;
    if !is_plain || cpl.max(far.selector.rpl()) > gate.dpl() {
        return None;
    }
    let (selector, eip) = (gate.gate_selector(), gate.gate_offset());
    let (code, ring) = code(cpu, sys, selector, eip)?;
    let parameters = u32::from(gate.gate_count());
    let from = words_at(cpu, 0, 4 * parameters)?;
    let stack = (ring < cpl).then(|| handler_stack(cpu, sys, ring, 16 + 4 * parameters))??;
    let top = stack.place + 16 + 4 * u64::from(parameters);
    push_call(cpu, sys, parameters, from, top);
    stack.enter(cpu);
    let to = selector.with_rpl(ring);
    enter_described(cpu, to, code, eip);
    let lin = cpu.state.gdtr.base.wrapping_add(u64::from(far.selector.offset()));
    let read = Read { gate: Some((lin, gate)), code: (to, code), stack: stack.described() };
    notes::note_gate(cpu, sys, far.selector, cpl, &read);
    let via = Via::CallGate { selector: far.selector, parameters: gate.gate_count() };
    let (gate, code) = (Some(gate), Some(code));
    Crossing { gate, code, stack: stack.from, ..Crossing::new(via, far.from) }.tell(cpu);
    Some(())
}

/// Pushes the frame of a call through a gate below `top` in guest memory: the old stack, the
/// parameters that lie at `from`, the way back.
#[inline(always)]
pub(super) fn push_call(cpu: &mut Cpu, sys: &mut System, parameters: u32, from: u64, top: u64) {
    // The stacks may overlap: all parameters are read before the first push.
    let mut copied = [0; 31];
    for (n, word) in (0..u64::from(parameters)).zip(&mut copied) {
        *word = load::<u32>(sys, from + 4 * n);
    }
    cpu.begin_frame(4);
    let mut top = top;
    let segment = |s| u32::from(cpu.state.segment(s).selector.0);
    let outer = [segment(SegReg::Ss), cpu.state.reg32(gpr::ESP)];
    let back = [segment(SegReg::Cs), cpu.state.eip()];
    push(cpu, sys, &mut top, outer);
    for word in copied.iter().take(parameters as usize).rev() {
        push(cpu, sys, &mut top, [*word]);
    }
    push(cpu, sys, &mut top, back);
}

/// RETF with 32-bit words to the same ring or an outer one; `drop` bytes are dropped from both
/// stacks.
#[inline(always)]
pub(super) fn far_return(cpu: &mut Cpu, sys: &mut System, drop: u32, from: Place) -> Option<()> {
    let cpl = cpu.state.cpl;
    let [eip, cs] = frame(cpu, sys, 0)?;
    let selector = Selector(cs as u16);
    let (code, ring) = code(cpu, sys, selector, eip)?;
    if selector.rpl() != ring || ring < cpl {
        return None;
    }
    let mut read = Read { gate: None, code: (selector, code), stack: None };
    cpu.begin_frame(4);
    cpu.tell_words(&[eip, cs]);
    if ring == cpl {
        let esp = cpu.state.reg32(gpr::ESP).wrapping_add(8 + drop);
        cpu.state.set_reg32(gpr::ESP, esp);
    } else {
        let [esp, ss] = frame(cpu, sys, 8 + drop)?;
        let d = stack(cpu, sys, Selector(ss as u16), ring)?;
        read.stack = Some((Selector(ss as u16), d));
        cpu.tell_words(&[esp, ss]);
        cpu.set_described(SegReg::Ss, Selector(ss as u16), d);
        cpu.state.set_reg32(gpr::ESP, esp.wrapping_add(drop));
        ret::drop_inner_segments(cpu, ring);
    }
    let stack = if ring > cpl { StackFrom::Popped } else { StackFrom::Same };
    enter_described(cpu, selector, code, eip);
    notes::note_return(cpu, sys, cpl, &read);
    Crossing { code: Some(code), stack, ..Crossing::new(Via::FarReturn, from) }.tell(cpu);
    Some(())
}

/// Words of the present stack, `ahead` bytes from its top.
#[inline(always)]
pub(super) fn frame<const N: usize>(cpu: &Cpu, sys: &System, ahead: u32) -> Option<[u32; N]> {
    let place = words_at(cpu, ahead, 4 * N as u32)?;
    let mut words = [0; N];
    for (n, word) in (0..).zip(&mut words) {
        *word = load::<u32>(sys, place + 4 * n);
    }
    Some(words)
}

/// Where `bytes` bytes of the present stack lie in guest memory, `ahead` bytes from its top.
#[inline(always)]
pub(super) fn words_at(cpu: &Cpu, ahead: u32, bytes: u32) -> Option<u64> {
    let at = cpu.state.reg32(gpr::ESP).checked_add(ahead)?;
    let end = cpu.read_end[SegReg::Ss as usize];
    let is_plain = cpu.state.uses_descriptors() && cpu.state.stack32();
    if !is_plain || u64::from(at) + u64::from(bytes) > end {
        return None;
    }
    cpu.mmu.view().read(cpu.linear(SegReg::Ss, at), bytes, cpu.user())
}

/// IRETD to the same ring or an outer one.
#[inline(always)]
pub(in crate::ops) fn iret(cpu: &mut Cpu, sys: &mut System, from: Place) -> Option<()> {
    let (at, cpl) = (cpu.state.reg32(gpr::ESP), cpu.state.cpl);
    let [eip, cs, eflags] = frame(cpu, sys, 0)?;
    if cpu.state.flag(Eflags::NT) {
        return None;
    }
    let selector = Selector(cs as u16);
    let (code, ring) = code(cpu, sys, selector, eip)?;
    if eflags & Eflags::VM.bits() != 0 || selector.rpl() != ring || ring < cpl {
        return None;
    }
    cpu.begin_frame(4);
    cpu.tell_words(&[eip, cs, eflags]);
    let mut outer = None;
    if ring > cpl {
        let [esp, ss] = frame(cpu, sys, 12)?;
        outer = Some((Selector(ss as u16), stack(cpu, sys, Selector(ss as u16), ring)?, esp));
        cpu.tell_words(&[esp, ss]);
    }
    take_flags(cpu, eflags);
    let stack = if outer.is_some() { StackFrom::Popped } else { StackFrom::Same };
    match outer {
        None => cpu.state.set_reg32(gpr::ESP, at.wrapping_add(12)),
        Some((selector, descriptor, esp)) => {
            cpu.set_described(SegReg::Ss, selector, descriptor);
            cpu.state.set_reg32(gpr::ESP, esp);
            ret::drop_inner_segments(cpu, ring);
        }
    }
    enter_described(cpu, selector, code, eip);
    let stack_read = outer.map(|(selector, descriptor, _)| (selector, descriptor));
    let read = Read { gate: None, code: (selector, code), stack: stack_read };
    notes::note_return(cpu, sys, cpl, &read);
    Crossing { code: Some(code), stack, ..Crossing::new(Via::Iret, from) }.tell(cpu);
    Some(())
}

/// Takes the flags of an IRETD that doesn't lead to virtual-8086 mode, as far as CPL may.
#[inline(always)]
pub(super) fn take_flags(cpu: &mut Cpu, eflags: u32) {
    let mask = taken_flags(cpu);
    flags::replace(cpu, eflags, mask);
}

/// The flags that IRETD takes at this CPL.
#[inline(always)]
pub(super) fn taken_flags(cpu: &Cpu) -> Eflags {
    let mask = flags::WIDE | Eflags::RF | flags::guarded(cpu);
    if cpu.state.cpl == 0 { mask | Eflags::VIF | Eflags::VIP } else { mask }
}
