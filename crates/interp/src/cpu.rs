//! The processor: architectural state, its translations, and what derives from them.

use crate::chain::Taken;
use crate::events::Events;
use crate::ops::Claim;
use crate::ops::far::notes::Notes;
use bus::System;
use decode::{Insn, Memo};
use mmu::{Control, Mmu, Paging};
use x86::cause::OpcodeCheck;
use x86::event::{Frame, Place, Wanted};
use x86::state::gpr;
use x86::{
    Cause, Cr0, Cr4, Descriptor, Efer, Eflags, Event, Fault, Intercept, LinAddr, Model, SegReg,
    Segment, Selector, State, Vector, Width,
};

/// What carries out one instruction. On entry RIP is that of the next; on `Err` nothing but
/// RIP has changed, and the engine puts that back.
pub type Handler = fn(&mut Cpu, &mut System, &Insn) -> Result<(), Fault>;

/// A fault on the way to a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The fault.
    pub fault: Fault,
    /// Its evidence.
    pub cause: Cause,
    /// Where it was raised.
    pub at: Place,
    /// CR2 then.
    pub cr2: u32,
}

/// What follows from a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Derived {
    /// See [`Cpu::read_end`].
    read_end: u64,
    /// See [`Cpu::write_end`].
    write_end: u64,
    /// Bit 0: it is flat; bit 8: it ends at 64 KiB. See [`Cpu::segment_shapes`].
    shape: u16,
}

/// A segment that a crossing loaded, and the descriptor it was made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described {
    descriptor: Descriptor,
    pub segment: Segment,
    derived: Derived,
}

/// Segments remembered, by the number of their descriptors: a power of two.
const DESCRIBED: usize = 8;

impl Described {
    /// What a null selector and descriptor give.
    pub const NULL: Self = Self {
        descriptor: Descriptor(0),
        segment: Segment::null(Selector(0)),
        derived: Derived { read_end: 0, write_end: 0, shape: 0 },
    };
}

/// One processor.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// The architectural state. After changing it from outside, call [`Cpu::sync`].
    pub state: State,
    /// Paging.
    pub mmu: Mmu,
    /// Steps so far: retired instructions, REP iterations, event deliveries.
    pub steps: u64,
    /// The engine may go on to here.
    pub budget_end: u64,
    /// Events waiting to be read.
    pub events: Events,
    /// Evidence of the last fault raised.
    pub cause: Cause,
    /// The faults of the last delivery: the first, what was raised while delivering it, and so
    /// on. At most three before a shutdown.
    pub chain: Vec<Link>,
    /// How often each privileged or sensitive instruction passed the intercept point.
    pub callouts: [u64; x86::intercept::COUNT],
    /// RIP at the start of the block under way.
    pub(crate) block_ip: u64,
    /// Steps at its start.
    pub(crate) block_steps: u64,
    /// The jump that ended it.
    pub(crate) taken: Taken,
    /// The engine looks around before the next instruction.
    pub(crate) attention: bool,
    /// The fault belongs to a new context: RIP stays.
    pub(crate) keep_rip: bool,
    /// First offset that may not be read, by segment; 0 sends accesses to the careful path.
    pub(crate) read_end: [u64; 6],
    /// First offset that may not be written.
    pub(crate) write_end: [u64; 6],
    /// Bit `s`: segment `s` starts at 0, ends at 4 GiB, and may be read and written. Bit `8 + s`:
    /// it ends at 64 KiB, and may be read and written.
    shapes: u32,
    /// Segments that crossings load again and again.
    described: [Described; DESCRIBED],
    /// Crossings that were seen.
    pub(crate) notes: Notes,
    /// Crossings take the long way, check by check: the yardstick of the short one.
    pub(crate) is_careful: bool,
    /// EFLAGS.VM when the three above were derived.
    derived_vm86: bool,
    /// What the crossing under way has pushed or popped, in that order, for its event.
    pub(crate) frame: Frame,
    /// Some data breakpoint is armed.
    pub(crate) data_breakpoints: bool,
    /// Some instruction breakpoint is armed.
    pub(crate) code_breakpoints: bool,
    /// Forms of instructions that were taken alone.
    pub(crate) memo: Memo<Claim>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl Cpu {
    /// A processor of the default model after RESET.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Model::default())
    }

    /// A processor after RESET.
    #[must_use]
    pub fn of(model: Model) -> Self {
        let mut cpu = Self {
            state: State::reset_of(model),
            mmu: Mmu::default(),
            steps: 0,
            budget_end: 0,
            events: Events::default(),
            cause: Cause::None,
            chain: Vec::new(),
            callouts: [0; x86::intercept::COUNT],
            block_ip: 0,
            block_steps: 0,
            taken: Taken { link: crate::cache::NONE, distance: 0, count: 0 },
            attention: true,
            keep_rip: false,
            read_end: [0; 6],
            write_end: [0; 6],
            shapes: 0,
            described: [Described::NULL; DESCRIBED],
            notes: Notes::default(),
            is_careful: false,
            frame: Frame::new(0),
            derived_vm86: false,
            data_breakpoints: false,
            code_breakpoints: false,
            memo: Memo::default(),
        };
        cpu.sync();
        cpu
    }

    /// RESET: the state starts afresh on the same model, time goes on.
    pub fn reset(&mut self) {
        self.state = State::reset_of(self.state.model);
        self.mmu.flush_all();
        self.cause = Cause::None;
        self.chain.clear();
        self.sync();
    }

    /// Brings all that derives from the state up to date.
    pub fn sync(&mut self) {
        for s in SegReg::ALL {
            self.derive_segment(s);
        }
        self.derived_vm86 = self.state.vm86();
        let state = &self.state;
        let (cr0, cr4) = (state.cr0(), state.cr4());
        let paging = match (cr0.contains(Cr0::PG), cr4.contains(Cr4::PAE)) {
            (false, _) => Paging::Off,
            (true, false) => Paging::TwoLevel,
            (true, true) => Paging::Pae,
        };
        let (ac, alignment) = self.alignment();
        let state = &self.state;
        self.mmu.set_control(Control {
            paging,
            cr3: state.cr3,
            pdpte: state.pdpte,
            wp: cr0.contains(Cr0::WP),
            pse: cr4.contains(Cr4::PSE),
            pge: cr4.contains(Cr4::PGE),
            nxe: paging == Paging::Pae && state.efer().contains(Efer::NXE),
            smep: cr4.contains(Cr4::SMEP),
            smap: cr4.contains(Cr4::SMAP),
            ac,
            alignment,
        });
        self.derive_breakpoints();
        self.attention = true;
    }

    /// [`Cpu::sync`] after a crossing: segments that were set and the control registers are up
    /// to date, and only what hangs on CPL, VM and AC can differ.
    #[inline]
    pub(crate) fn sync_ring(&mut self) {
        let control = self.mmu.control();
        if self.derived_vm86 != self.state.vm86()
            || (control.ac, control.alignment) != self.alignment()
        {
            self.sync();
        }
        self.attention = true;
    }

    /// What EFLAGS.AC does: suspends SMAP, and asks for alignment checks.
    #[inline]
    fn alignment(&self) -> (bool, bool) {
        let ac = self.state.flag(Eflags::AC);
        let suspends = ac && self.state.cr4().contains(Cr4::SMAP);
        (suspends, ac && self.state.cr0().contains(Cr0::AM) && self.state.cpl == 3)
    }

    #[inline]
    fn derive_segment(&mut self, s: SegReg) {
        let derived = self.derived(&self.state.seg[s as usize]);
        self.take_derived(s, derived);
    }

    #[inline]
    fn derived(&self, seg: &Segment) -> Derived {
        let end = if seg.is_expand_down() { 0 } else { u64::from(seg.limit) + 1 };
        let read_end = if seg.is_readable() || !self.state.protected() { end } else { 0 };
        let real_code = !self.state.uses_descriptors();
        let write_end = if seg.is_writable() || real_code { end } else { 0 };
        let usable = read_end.min(write_end);
        let flat = u16::from(seg.base as u32 == 0 && usable == 1 << 32);
        let half = u16::from(read_end == 0x1_0000 && usable == 0x1_0000);
        Derived { read_end, write_end, shape: flat | half << 8 }
    }

    #[inline(always)]
    fn take_derived(&mut self, s: SegReg, derived: Derived) {
        self.read_end[s as usize] = derived.read_end;
        self.write_end[s as usize] = derived.write_end;
        let n = s as u32;
        self.shapes = self.shapes & !(0x101 << n) | u32::from(derived.shape) << n;
    }

    /// Loads a segment register with what a descriptor says. [`State::uses_descriptors`] holds.
    #[inline(always)]
    pub(crate) fn set_described(&mut self, s: SegReg, selector: Selector, d: Descriptor) {
        let known = &self.described[usize::from(selector.0 >> 3) % DESCRIBED];
        if known.descriptor != d || known.segment.selector != selector {
            self.describe(selector, d);
        }
        let known = &self.described[usize::from(selector.0 >> 3) % DESCRIBED];
        let derived = known.derived;
        self.state.seg[s as usize] = known.segment;
        self.take_derived(s, derived);
    }

    /// Loads a segment register with what a note has of it. Straight from there: the parts of a
    /// copy would be stored one by one and loaded as a whole, which the host waits for.
    #[inline(always)]
    pub(crate) fn take_noted(&mut self, s: SegReg, which: impl Fn(&Notes) -> &Described) {
        self.state.seg[s as usize] = which(&self.notes).segment;
        let derived = which(&self.notes).derived;
        self.take_derived(s, derived);
    }

    /// What a descriptor says. [`State::uses_descriptors`] holds.
    pub(crate) fn described(&self, selector: Selector, descriptor: Descriptor) -> Described {
        let segment = Segment::from_descriptor(selector, descriptor);
        let derived = self.derived(&segment);
        Described { descriptor, segment, derived }
    }

    #[cold]
    #[inline(never)]
    fn describe(&mut self, selector: Selector, descriptor: Descriptor) {
        self.described[usize::from(selector.0 >> 3) % DESCRIBED] =
            self.described(selector, descriptor);
    }

    /// Bit `s`: segment `s` starts at 0, ends at 4 GiB, and may be read and written. Bit `8 + s`:
    /// it ends at 64 KiB, and may be read and written.
    #[inline]
    #[must_use]
    pub fn segment_shapes(&self) -> u32 {
        self.shapes
    }

    fn derive_breakpoints(&mut self) {
        let dr7 = self.state.dr[7];
        if dr7 & 0xFF == 0 && !self.code_breakpoints && !self.data_breakpoints {
            return;
        }
        let mut pages = [None; 8];
        self.code_breakpoints = false;
        self.data_breakpoints = false;
        for n in 0..4 {
            if dr7 >> (2 * n) & 3 == 0 {
                continue;
            }
            let at = self.state.dr[n];
            match dr7 >> (16 + 4 * n) & 3 {
                0 => self.code_breakpoints = true,
                1 | 3 => {
                    self.data_breakpoints = true;
                    pages[2 * n] = Some(at >> 12);
                    pages[2 * n + 1] = Some((at + 7) >> 12);
                }
                _ => {}
            }
        }
        self.mmu.watch(pages);
    }

    /// Replaces a segment register, hidden part and all.
    #[inline]
    pub fn set_segment(&mut self, s: SegReg, segment: Segment) {
        self.state.seg[s as usize] = segment;
        self.derive_segment(s);
    }

    /// Records evidence, and returns the fault to be handed on.
    #[cold]
    pub fn raise(&mut self, fault: Fault, cause: Cause) -> Fault {
        self.cause = cause;
        fault
    }

    /// #UD for this instruction. The engine adds its bytes to the evidence.
    #[cold]
    pub fn undefined(&mut self, _: &Insn, why: OpcodeCheck) -> Fault {
        self.raise(Fault::ud(), Cause::Opcode { bytes: [0; 8], why })
    }

    /// Ends the block after this instruction, and makes the engine look around.
    #[inline]
    pub fn end_block(&mut self) {
        self.attention = true;
    }

    /// The next fault belongs to a new context, whose RIP is to stay.
    pub fn keep_rip(&mut self) {
        self.keep_rip = true;
    }

    /// EIP of the instruction that is being carried out.
    #[inline(always)]
    #[must_use]
    pub fn start_ip(&self, insn: &Insn) -> u32 {
        self.state.eip().wrapping_sub(u32::from(insn.len))
    }

    /// Notes an event.
    #[inline(always)]
    pub fn emit(&mut self, event: Event) {
        self.events.push(self.steps, event);
        if self.events.is_full() {
            self.attention = true;
        }
    }

    /// Begins to note what a crossing pushes or pops, in words of `size` bytes.
    #[inline(always)]
    pub(crate) fn begin_frame(&mut self, size: u8) {
        if self.events.wants(Wanted::CROSSINGS) {
            self.frame = Frame::new(size);
        }
    }

    /// Notes words of the crossing under way, if somebody reads of it.
    #[inline(always)]
    pub(crate) fn tell_words(&mut self, words: &[u32]) {
        if self.events.wants(Wanted::CROSSINGS) {
            words.iter().for_each(|word| self.frame.push(*word));
        }
    }

    /// Notes an event whose place has this instruction's CS but the next one's EIP. It ends the
    /// block, so that the engine puts the EIP right.
    #[cold]
    pub(crate) fn emit_unplaced(&mut self, event: Event) {
        self.events.push_unplaced(self.steps, event);
        self.attention = true;
    }

    /// The one point that every privileged or sensitive instruction passes.
    #[inline]
    pub fn intercept(&mut self, kind: Intercept) {
        self.callouts[kind as usize] += 1;
        if self.events.wants(Wanted::CALLOUTS) {
            let at = self.state.place();
            self.emit_unplaced(Event::Callout { kind, at });
        }
    }

    /// #GP(0) unless in ring 0 (real mode included).
    pub fn require_ring0(&mut self, what: Intercept) -> Result<(), Fault> {
        let vm86 = self.state.vm86();
        if self.state.cpl == 0 && !vm86 {
            return Ok(());
        }
        let (cpl, iopl) = (self.state.cpl, self.state.iopl());
        Err(self.raise(Fault::gp(0), Cause::Privileged { what, cpl, iopl, vm86 }))
    }

    /// Goes on at `target` in the same code segment; a 16-bit operand size cuts it to 16 bits.
    #[inline(always)]
    pub fn jump_near(&mut self, op32: bool, target: u32) -> Result<(), Fault> {
        let target = if op32 { target } else { target & 0xFFFF };
        if target > self.state.seg[SegReg::Cs as usize].limit {
            return Err(self.beyond_code(target));
        }
        self.state.rip = u64::from(target);
        Ok(())
    }

    /// #GP(0): an EIP outside the code segment.
    #[cold]
    pub fn beyond_code(&mut self, offset: u32) -> Fault {
        let limit = self.state.segment(SegReg::Cs).limit;
        let segment = SegReg::Cs;
        let cause = Cause::Limit { segment, offset, size: 1, limit, expand_down: false };
        self.raise(Fault::gp(0), cause)
    }

    /// The effective address of the memory operand, cut to the address size.
    #[inline(always)]
    #[must_use]
    pub fn ea(&self, insn: &Insn) -> u32 {
        let base = self.state.gpr[usize::from(insn.base).min(16)] as u32;
        let index = self.state.gpr[usize::from(insn.index).min(16)] as u32;
        let sum = base.wrapping_add(index << insn.scale).wrapping_add(insn.disp);
        if insn.has(Insn::ADDR32) { sum } else { sum & 0xFFFF }
    }

    /// A general register of width `W`.
    #[inline(always)]
    #[must_use]
    pub fn reg<W: Word>(&self, n: u8) -> W {
        W::get(&self.state.gpr, n)
    }

    /// Writes a general register of width `W`; the bits above stay, but for 32 bits.
    #[inline(always)]
    pub fn set_reg<W: Word>(&mut self, n: u8, value: W) {
        W::set(&mut self.state.gpr, n, value);
    }

    /// The stack pointer: SP or ESP, as SS.B says.
    #[inline(always)]
    #[must_use]
    pub fn stack_ptr(&self) -> u32 {
        let esp = self.state.gpr[gpr::ESP] as u32;
        if self.state.stack32() { esp } else { esp & 0xFFFF }
    }

    /// Writes SP or ESP, as SS.B says.
    #[inline(always)]
    pub fn set_stack_ptr(&mut self, value: u32) {
        let esp = &mut self.state.gpr[gpr::ESP];
        if self.state.seg[SegReg::Ss as usize].is_32bit() {
            *esp = u64::from(value);
        } else {
            *esp = *esp & !0xFFFF | u64::from(value & 0xFFFF);
        }
    }

    /// True where the engine should look around: an I/O access may have asked for it.
    #[must_use]
    pub fn attention(&self, sys: &System) -> bool {
        self.attention || sys.bus.signals().wants_engine() || sys.mem.has_code_writes()
    }

    /// Looks at what an access to the bus asked for.
    #[inline]
    pub(crate) fn after_bus(&mut self, sys: &System) {
        let signals = sys.bus.signals();
        if signals.wants_engine() {
            if signals.wants_attention() || self.state.flag(Eflags::IF) {
                self.attention = true;
            } else {
                // Whatever opens IF makes the engine look by itself.
                signals.has_looked();
            }
        }
        if sys.mem.has_code_writes() {
            self.attention = true;
        }
    }

    /// Reads linear memory without side effects; returns how many bytes could be read.
    pub fn peek(&self, sys: &System, lin: LinAddr, out: &mut [u8]) -> usize {
        for (n, byte) in out.iter_mut().enumerate() {
            let at = lin.add32(n as u64);
            let Some(phys) = self.mmu.peek(&sys.mem, at) else {
                return n;
            };
            sys.mem.read_phys(phys, std::slice::from_mut(byte));
        }
        out.len()
    }

    /// Notes debug-register hits of an access; the trap comes at the instruction's end.
    #[cold]
    pub(crate) fn check_data_breakpoints(&mut self, lin: u64, size: u32, write: bool) {
        for n in 0..4 {
            let dr7 = self.state.dr[7];
            let kind = dr7 >> (16 + 4 * n) & 3;
            let data = kind == 3 || (kind == 1 && write);
            if dr7 >> (2 * n) & 3 == 0 || !data {
                continue;
            }
            let len = [1, 2, 8, 4][(dr7 >> (18 + 4 * n) & 3) as usize];
            let from = self.state.dr[n] & !(len - 1);
            if lin < from + len && from < lin + u64::from(size) {
                self.state.pending_debug |= 1 << n;
                self.attention = true;
            }
        }
    }

    /// A fault without an error code.
    pub fn raise_plain(&mut self, vector: Vector, cause: Cause) -> Fault {
        self.raise(Fault::plain(vector), cause)
    }
}

/// Widths that registers and memory have.
pub trait Word: Width {
    /// Reads the register with encoding `n`.
    fn get(gpr: &[u64; 17], n: u8) -> Self;
    /// Writes it.
    fn set(gpr: &mut [u64; 17], n: u8, value: Self);
}

impl Word for u8 {
    #[inline(always)]
    fn get(gpr: &[u64; 17], n: u8) -> u8 {
        (gpr[usize::from(n & 3)] >> ((n & 4) * 2)) as u8
    }
    #[inline(always)]
    fn set(gpr: &mut [u64; 17], n: u8, value: u8) {
        let (shift, r) = ((n & 4) * 2, &mut gpr[usize::from(n & 3)]);
        *r = *r & !(0xFF << shift) | u64::from(value) << shift;
    }
}

impl Word for u16 {
    #[inline(always)]
    fn get(gpr: &[u64; 17], n: u8) -> u16 {
        gpr[usize::from(n & 7)] as u16
    }
    #[inline(always)]
    fn set(gpr: &mut [u64; 17], n: u8, value: u16) {
        let r = &mut gpr[usize::from(n & 7)];
        *r = *r & !0xFFFF | u64::from(value);
    }
}

impl Word for u32 {
    #[inline(always)]
    fn get(gpr: &[u64; 17], n: u8) -> u32 {
        gpr[usize::from(n & 7)] as u32
    }
    #[inline(always)]
    fn set(gpr: &mut [u64; 17], n: u8, value: u32) {
        gpr[usize::from(n & 7)] = u64::from(value);
    }
}

macro_rules! register_access {
    ($get:ident, $set:ident, $width:ty) => {
        impl Cpu {
            /// A general register of this width.
            #[inline(always)]
            #[must_use]
            pub fn $get(&self, n: u8) -> $width {
                self.reg::<$width>(n)
            }
            /// Writes a general register of this width.
            #[inline(always)]
            pub fn $set(&mut self, n: u8, value: $width) {
                self.set_reg::<$width>(n, value);
            }
        }
    };
}

register_access!(reg8, set_reg8, u8);
register_access!(reg16, set_reg16, u16);
register_access!(reg32, set_reg32, u32);
