//! Plain crossings that were seen before: what [`super::plain`] read of gate, descriptors and TSS is
//! noted with the places where it lies, and so is what was made of it. While every word says the same
//! and lies where it lay, the crossing comes out the same but for its stacks, EIP and flags.
//!
//! Invariant: a note is followed only where the plain way would be, and does what that does. It
//! relies on these, and each is looked at each time: the tables' registers, CPL, protected mode;
//! the version of the view, for the places (a translation that is withdrawn, or leads elsewhere,
//! changes it); the words themselves. Stacks are looked up anew.

use super::plain::{self, Vectored};
use super::{Crossing, Far, place, ret};
use crate::cpu::{Cpu, Described};
use bus::System;
use decode::Insn;
use x86::event::{Place, StackFrom, Via, Wanted};
use x86::segment::TableReg;
use x86::state::gpr;
use x86::{Descriptor, Eflags, LinAddr, SegReg, Segment, Selector};

/// Eight bytes of a system structure: where they lie in guest memory, and what they said.
#[derive(Clone, Copy, Debug)]
struct Word {
    place: u64,
    value: u64,
}

impl Word {
    const NONE: Self = Self { place: 0, value: 0 };

    /// The word at a linear address, if it says `value`.
    fn at(cpu: &Cpu, sys: &System, lin: u64, value: u64) -> Option<Self> {
        let place = cpu.mmu.view().read(lin & 0xFFFF_FFFF, 8, false)?;
        let word = Self { place, value };
        (word.changes(sys) == 0).then_some(word)
    }

    /// The descriptor in the GDT that a selector names, if it is `d`.
    fn of(cpu: &Cpu, sys: &System, selector: Selector, d: Descriptor) -> Option<Self> {
        let lin = cpu.state.gdtr.base.wrapping_add(u64::from(selector.offset()));
        Self::at(cpu, sys, lin, d.0)
    }

    /// 0 if the word says what it said.
    #[inline(always)]
    fn changes(&self, sys: &System) -> u64 {
        u64::from_le_bytes(sys.mem.arena().load(self.place)) ^ self.value
    }
}

/// A crossing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// What it was: see [`key`]. With [`ONCE`], nothing but version and this is noted.
    key: u64,
    /// The version of the view.
    version: u64,
    /// Which note it is: no two of a processor's have the same.
    id: u64,
    gdtr: TableReg,
    idtr: TableReg,
    tr: Segment,
    /// The gate, and the descriptors of code and stack; what isn't read is like another.
    words: [Word; 3],
    /// Where SS and ESP of the inner stack lie, and that offset in the TSS.
    tss: (u64, u32),
    /// The ring that it leads to.
    ring: u8,
    code: Described,
    stack: Described,
}

impl Note {
    const NONE: Self = Self {
        key: u64::MAX,
        version: 0,
        id: 0,
        gdtr: TableReg { base: 0, limit: 0 },
        idtr: TableReg { base: 0, limit: 0 },
        tr: Segment::null(Selector(0)),
        words: [Word::NONE; 3],
        tss: (0, 0),
        ring: 0,
        code: Described::NULL,
        stack: Described::NULL,
    };
}

/// Crossings noted of each kind: a power of two.
const EACH: usize = 8;
/// Notes in all: a power of two.
const ALL: usize = 4 * EACH;

/// The crossings of a processor: a cache.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    all: [Note; ALL],
    /// Notes made so far.
    count: u64,
    /// The number of the note followed last.
    pub(crate) followed: u64,
}

impl Default for Notes {
    fn default() -> Self {
        Self { all: [Note::NONE; ALL], count: 0, followed: 0 }
    }
}

impl Notes {
    #[inline(always)]
    fn at(&self, n: usize) -> &Note {
        &self.all[n % ALL]
    }
}

/// Where the handlers of a vector are noted, passages of a call gate, and returns to a segment.
#[inline(always)]
fn vector_place(vector: u8) -> usize {
    usize::from(vector) % EACH
}

#[inline(always)]
fn gate_place(gate: Selector) -> usize {
    EACH + usize::from(gate.0 >> 3) % EACH
}

#[inline(always)]
fn return_place(code: Selector) -> usize {
    2 * EACH + usize::from(code.0 >> 3) % EACH
}

/// Of a crossing that was seen once under its version.
const ONCE: u64 = 1 << 63;

/// Two selectors or a vector, CPL, and whether the program asked.
#[inline(always)]
fn key(a: u16, b: u16, cpl: u8, is_software: bool) -> u64 {
    u64::from(a) | u64::from(b) << 16 | u64::from(cpl) << 32 | u64::from(is_software) << 40
}

#[inline(always)]
fn vector_key(v: &Vectored, cpl: u8) -> u64 {
    key(u16::from(v.vector), 0, cpl, v.is_software)
}

/// 0 where a table is as it was.
#[inline(always)]
fn table_changes(a: &TableReg, b: &TableReg) -> u64 {
    (a.base ^ b.base) | u64::from(a.limit ^ b.limit)
}

impl Note {
    /// True where all that every crossing relies on is as it was.
    #[inline(always)]
    fn stands(&self, cpu: &Cpu, sys: &System, key: u64) -> bool {
        let state = &cpu.state;
        let changes = (self.key ^ key)
            | (self.version ^ cpu.mmu.view().version())
            | table_changes(&self.gdtr, &state.gdtr)
            | u64::from(cpu.is_careful);
        changes == 0 && state.uses_descriptors() && self.words_stand(sys)
    }

    #[inline(always)]
    fn words_stand(&self, sys: &System) -> bool {
        let [gate, code, stack] = &self.words;
        gate.changes(sys) | code.changes(sys) | stack.changes(sys) == 0
    }

    /// True where the TSS is where it was.
    #[inline(always)]
    fn task_stands(&self, cpu: &Cpu) -> bool {
        let tr = &cpu.state.tr;
        let attrs = u64::from(self.tr.attrs ^ tr.attrs);
        (self.tr.base ^ tr.base) | u64::from(self.tr.limit ^ tr.limit) | attrs == 0
    }

    /// The inner stack with room for so many bytes.
    #[inline(always)]
    fn inner_stack(&self, cpu: &Cpu, sys: &System, bytes: u32) -> Option<(u32, u64)> {
        let words = u64::from_le_bytes(sys.mem.arena().load(self.tss.0));
        let segment = &self.stack.segment;
        if (words >> 32) as u16 != segment.selector.0 {
            return None;
        }
        let bounds = (segment.base as u32, segment.limit);
        plain::room(cpu, bounds, words as u32, bytes, self.ring)
    }

    /// What is told of it.
    #[cold]
    #[inline(never)]
    fn tell(
        &self,
        cpu: &mut Cpu,
        gate: Option<Descriptor>,
        stack: StackFrom,
        via: Via,
        from: Place,
    ) {
        let code = Some(Descriptor(self.words[1].value));
        Crossing { gate, code, stack, ..Crossing::new(via, from) }.tell(cpu);
    }

    fn tss_stack(&self, cpu: &Cpu) -> StackFrom {
        let tr = &cpu.state.tr;
        StackFrom::Tss { selector: tr.selector, base: LinAddr(tr.base), offset: self.tss.1 }
    }
}

/// What a plain crossing read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// The gate, and its linear address.
    pub gate: Option<(u64, Descriptor)>,
    /// The code segment.
    pub code: (Selector, Descriptor),
    /// The stack segment of another ring.
    pub stack: Option<(Selector, Descriptor)>,
}

/// True the second time that a crossing comes by under one version of the view: then it is worth
/// to be noted.
#[inline]
fn comes_again(note: &mut Note, key: u64, version: u64) -> bool {
    let again = (note.key, note.version) == (key | ONCE, version);
    (note.key, note.version) = (key | ONCE, version);
    again
}

/// The note of what was read; `None` where the crossing itself overwrote some of it.
fn make(cpu: &Cpu, sys: &System, key: u64, read: &Read) -> Option<Note> {
    let state = &cpu.state;
    let code = Word::of(cpu, sys, read.code.0, read.code.1)?;
    let mut note = Note {
        key,
        version: cpu.mmu.view().version(),
        gdtr: state.gdtr,
        idtr: state.idtr,
        tr: state.tr,
        words: [code; 3],
        ring: read.code.0.rpl(),
        code: cpu.described(read.code.0, read.code.1),
        ..Note::NONE
    };
    if let Some((lin, gate)) = read.gate {
        note.words[0] = Word::at(cpu, sys, lin, gate.0)?;
    }
    if let Some((selector, d)) = read.stack {
        note.words[2] = Word::of(cpu, sys, selector, d)?;
        note.stack = cpu.described(selector, d);
        if read.gate.is_some() {
            let offset = 8 * u32::from(note.ring) + x86::tss::tss32::ESP0;
            let lin = state.tr.base.wrapping_add(u64::from(offset));
            note.tss = (cpu.mmu.view().read(lin & 0xFFFF_FFFF, 8, false)?, offset);
        }
    }
    Some(note)
}

/// Notes that the handler of a vector was entered from `cpl`.
#[inline]
pub(super) fn note_handler(cpu: &mut Cpu, sys: &System, v: &Vectored, cpl: u8, read: &Read) {
    let key = vector_key(v, cpl);
    note(cpu, sys, vector_place(v.vector), key, read);
}

/// Notes that a call gate was passed from `cpl`.
#[inline]
pub(super) fn note_gate(cpu: &mut Cpu, sys: &System, gate: Selector, cpl: u8, read: &Read) {
    let key = key(gate.0, 0, cpl, true);
    note(cpu, sys, gate_place(gate), key, read);
}

/// Notes that IRET or RETF came from `cpl`.
#[inline]
pub(super) fn note_return(cpu: &mut Cpu, sys: &System, cpl: u8, read: &Read) {
    let (cs, ss) = (read.code.0, read.stack.map_or(0, |(ss, _)| ss.0));
    note(cpu, sys, return_place(cs), key(cs.0, ss, cpl, true), read);
}

#[inline(always)]
fn note(cpu: &mut Cpu, sys: &System, n: usize, key: u64, read: &Read) {
    let version = cpu.mmu.view().version();
    if comes_again(&mut cpu.notes.all[n % ALL], key, version)
        && let Some(made) = make(cpu, sys, key, read)
    {
        cpu.notes.count += 1;
        let id = cpu.notes.count;
        cpu.notes.all[n % ALL] = Note { id, ..made };
    }
}

/// Goes on in a noted code segment.
#[inline(always)]
fn arrive(cpu: &mut Cpu, n: usize, eip: u32) {
    cpu.state.cpl = cpu.notes.at(n).ring;
    cpu.take_noted(SegReg::Cs, |notes| &notes.at(n).code);
    cpu.state.rip = u64::from(eip);
    cpu.notes.followed = cpu.notes.at(n).id;
}

/// Takes a noted stack.
#[inline(always)]
fn take_stack(cpu: &mut Cpu, n: usize, esp: u32) {
    cpu.take_noted(SegReg::Ss, |notes| &notes.at(n).stack);
    cpu.state.set_reg32(gpr::ESP, esp);
}

/// Enters a handler as noted; `status` are the status flags. What hangs on CPL and EFLAGS.AC is
/// still to be brought up to date, and nothing is told.
#[inline(always)]
pub(super) fn follow_handler(
    cpu: &mut Cpu,
    sys: &mut System,
    v: Vectored,
    status: u32,
) -> Option<()> {
    let cpl = cpu.state.cpl;
    let n = vector_place(v.vector);
    let note = cpu.notes.at(n);
    let stands = note.stands(cpu, sys, vector_key(&v, cpl))
        && table_changes(&note.idtr, &cpu.state.idtr) == 0
        && note.task_stands(cpu);
    if !stands {
        return None;
    }
    let (gate, inward) = (Descriptor(note.words[0].value), note.ring < cpl);
    let words = 3 + 2 * u32::from(inward) + u32::from(v.error_code.is_some());
    let (esp, place) = if inward {
        note.inner_stack(cpu, sys, 4 * words)?
    } else {
        plain::own_stack(cpu, 4 * words)?
    };
    plain::push_handler(cpu, sys, &v, inward, status, place + 4 * u64::from(words));
    if inward {
        take_stack(cpu, n, esp);
    } else {
        cpu.state.set_reg32(gpr::ESP, esp);
    }
    plain::clear_flags(cpu, gate);
    arrive(cpu, n, gate.gate_offset());
    Some(())
}

/// Enters a handler as noted.
#[inline(always)]
pub(in crate::ops) fn handler(cpu: &mut Cpu, sys: &mut System, v: Vectored) -> Option<()> {
    let from = cpu.events.wants(Wanted::CROSSINGS).then(|| cpu.state.place());
    let status = cpu.state.arith.flags();
    follow_handler(cpu, sys, v, status)?;
    cpu.sync_ring();
    if let Some(from) = from {
        let note = *cpu.notes.at(vector_place(v.vector));
        let inward = note.ring < from.ring;
        let stack = if inward { note.tss_stack(cpu) } else { StackFrom::Same };
        note.tell(cpu, Some(Descriptor(note.words[0].value)), stack, v.via(), from);
    }
    Some(())
}

/// CALL through a call gate inwards as noted, under the same terms as [`follow_handler`].
#[inline(always)]
pub(super) fn follow_gate(cpu: &mut Cpu, sys: &mut System, selector: Selector) -> Option<()> {
    let cpl = cpu.state.cpl;
    let n = gate_place(selector);
    let note = cpu.notes.at(n);
    if !note.stands(cpu, sys, key(selector.0, 0, cpl, true)) || !note.task_stands(cpu) {
        return None;
    }
    let gate = Descriptor(note.words[0].value);
    let parameters = u32::from(gate.gate_count());
    let from = plain::words_at(cpu, 0, 4 * parameters)?;
    let (esp, place) = note.inner_stack(cpu, sys, 16 + 4 * parameters)?;
    plain::push_call(cpu, sys, parameters, from, place + 16 + 4 * u64::from(parameters));
    take_stack(cpu, n, esp);
    arrive(cpu, n, gate.gate_offset());
    Some(())
}

/// Passes a call gate inwards as noted.
#[inline(always)]
pub(super) fn call_gate(cpu: &mut Cpu, sys: &mut System, far: &Far) -> Option<()> {
    if !far.call {
        return None;
    }
    follow_gate(cpu, sys, far.selector)?;
    cpu.sync_ring();
    if cpu.events.wants(Wanted::CROSSINGS) {
        let note = *cpu.notes.at(gate_place(far.selector));
        let gate = Descriptor(note.words[0].value);
        let via = Via::CallGate { selector: far.selector, parameters: gate.gate_count() };
        note.tell(cpu, Some(gate), note.tss_stack(cpu), via, far.from);
    }
    Some(())
}

/// A frame of `N` words that IRETD or RETF comes back by, and the note of where it leads. Nothing
/// has changed yet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<const N: usize> {
    /// EIP, CS and, of IRETD, EFLAGS.
    pub words: [u32; N],
    /// SS and ESP of the outer ring.
    outer: Option<(Selector, u32)>,
    /// Bytes that are dropped from both stacks.
    drop: u32,
    place: usize,
}

impl<const N: usize> Frame<N> {
    #[inline(always)]
    pub(in crate::ops) fn of(cpu: &Cpu, sys: &System, drop: u32) -> Option<Self> {
        let cpl = cpu.state.cpl;
        let words: [u32; N] = plain::frame(cpu, sys, 0)?;
        let cs = Selector(words[1] as u16);
        let outer = if cs.rpl() > cpl {
            let [esp, ss] = plain::frame(cpu, sys, 4 * N as u32 + drop)?;
            Some((Selector(ss as u16), esp))
        } else {
            None
        };
        let place = return_place(cs);
        let note = cpu.notes.at(place);
        let key = key(cs.0, outer.map_or(0, |(ss, _)| ss.0), cpl, true);
        let is_good = note.stands(cpu, sys, key) && words[0] <= note.code.segment.limit;
        is_good.then_some(Self { words, outer, drop, place })
    }

    /// Takes stack and code, under the same terms as [`follow_handler`].
    #[inline(always)]
    pub(super) fn follow(&self, cpu: &mut Cpu) {
        if let Some((_, esp)) = self.outer {
            take_stack(cpu, self.place, esp.wrapping_add(self.drop));
            ret::drop_inner_segments(cpu, cpu.notes.at(self.place).ring);
        } else {
            let esp = cpu.state.reg32(gpr::ESP).wrapping_add(4 * N as u32 + self.drop);
            cpu.state.set_reg32(gpr::ESP, esp);
        }
        arrive(cpu, self.place, self.words[0]);
    }

    /// [`Frame::follow`], with what goes with it.
    #[inline(always)]
    fn leave(&self, cpu: &mut Cpu, via: Via, insn: &Insn) {
        let from = cpu.events.wants(Wanted::CROSSINGS).then(|| place(cpu, insn));
        self.follow(cpu);
        cpu.sync_ring();
        if let Some(from) = from {
            self.tell(cpu, via, from);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, cpu: &mut Cpu, via: Via, from: Place) {
        cpu.begin_frame(4);
        cpu.tell_words(&self.words);
        if let Some((ss, esp)) = self.outer {
            cpu.tell_words(&[esp, u32::from(ss.0)]);
        }
        let stack = if self.outer.is_some() { StackFrom::Popped } else { StackFrom::Same };
        let note = *cpu.notes.at(self.place);
        note.tell(cpu, None, stack, via, from);
    }
}

/// RETF as noted.
#[inline(always)]
pub(super) fn far_return(cpu: &mut Cpu, sys: &System, drop: u32, insn: &Insn) -> Option<()> {
    Frame::<2>::of(cpu, sys, drop)?.leave(cpu, Via::FarReturn, insn);
    Some(())
}

/// IRETD as noted.
#[inline(always)]
pub(in crate::ops) fn iret(cpu: &mut Cpu, sys: &System, insn: &Insn) -> Option<()> {
    let frame = Frame::<3>::of(cpu, sys, 0)?;
    let eflags = frame.words[2];
    if cpu.state.flag(Eflags::NT) || eflags & Eflags::VM.bits() != 0 {
        return None;
    }
    plain::take_flags(cpu, eflags);
    frame.leave(cpu, Via::Iret, insn);
    Some(())
}
