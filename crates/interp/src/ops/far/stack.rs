//! A stack that words are pushed on before it is loaded, and the stacks of the inner rings in
//! the TSS (SDM 3A 5.8.5, 6.12.1).
//!
//! Invariant: SS and ESP change only in [`NewStack::enter`], after the last push.

use crate::cpu::Cpu;
use crate::ops::segment::load;
use crate::ops::segment::table::Who;
use bus::System;
use x86::cause::{Check, Origin};
use x86::event::StackFrom;
use x86::segment::{attr, system_type};
use x86::state::gpr;
use x86::{Cause, Descriptor, Fault, LinAddr, SegReg, Segment, Selector, Vector};

/// A stack being pushed on.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct NewStack {
    segment: Segment,
    esp: u32,
    user: bool,
    /// The error code of #SS for a push that doesn't fit.
    error: u16,
    /// Bytes a word: 2 or 4.
    size: u8,
    /// Where the stack came from.
    pub from: StackFrom,
}

impl NewStack {
    /// The stack as it is, for words of 4 or 2 bytes. `ext` is the EXT bit.
    #[inline]
    pub fn current(cpu: &mut Cpu, wide: bool, ext: u16) -> Self {
        let size = if wide { 4 } else { 2 };
        cpu.begin_frame(size);
        Self {
            segment: *cpu.state.segment(SegReg::Ss),
            esp: cpu.state.reg32(gpr::ESP),
            user: cpu.state.cpl == 3,
            error: ext,
            size,
            from: StackFrom::Same,
        }
    }

    /// The stack of ring `ring`, from the TSS, with all its checks: #TS, or #SS if absent.
    #[inline(always)]
    pub fn inner(
        cpu: &mut Cpu,
        sys: &mut System,
        ring: u8,
        wide: bool,
        ext: u16,
    ) -> Result<Self, Fault> {
        let (selector, esp, from) = tss_stack(cpu, sys, ring, ext)?;
        let who = Who::task(Origin::TssStack(ring), ext);
        let segment = load::stack(cpu, sys, selector, ring, who)?;
        let size = if wide { 4 } else { 2 };
        let error = selector.error() | ext;
        cpu.begin_frame(size);
        Ok(Self { segment, esp, user: ring == 3, error, size, from })
    }

    /// The offset `bytes` below the stack pointer.
    fn below(&self, bytes: u32) -> u32 {
        let at = self.esp.wrapping_sub(bytes);
        if self.segment.is_32bit() { at } else { at & 0xFFFF }
    }

    /// True where `bytes` below the stack pointer surely lie within the limit: a 32-bit stack
    /// that grows down to offset 0.
    #[inline]
    fn has(&self, bytes: u32) -> bool {
        let s = &self.segment;
        s.is_32bit() && !s.is_expand_down() && self.esp >= bytes && self.esp - 1 <= s.limit
    }

    /// #SS unless `words` more words fit within the limit.
    #[inline]
    pub fn room(&self, cpu: &mut Cpu, words: u32) -> Result<(), Fault> {
        let size = u32::from(self.size);
        if self.has(words * size) {
            return Ok(());
        }
        for n in 1..=words {
            let offset = self.below(n * size);
            let fits = self.segment.bounds().is_some_and(|(low, high)| {
                offset >= low && u64::from(offset) + u64::from(size) <= u64::from(high) + 1
            });
            if !fits {
                let cause = Cause::Limit {
                    segment: SegReg::Ss,
                    offset,
                    size,
                    limit: self.segment.limit,
                    expand_down: self.segment.is_expand_down(),
                };
                return Err(cpu.raise(Fault::ss(self.error), cause));
            }
        }
        Ok(())
    }

    /// Pushes a word, cut to the size of words.
    #[inline]
    pub fn push(&mut self, cpu: &mut Cpu, sys: &mut System, value: u32) -> Result<(), Fault> {
        let at = self.below(u32::from(self.size));
        let wrote = if self.size == 4 {
            cpu.write_at::<u32>(sys, &self.segment, at, value, self.user)
        } else {
            cpu.write_at::<u16>(sys, &self.segment, at, value as u16, self.user)
        };
        wrote
            .map_err(|f| if f.vector == Vector::StackFault { Fault::ss(self.error) } else { f })?;
        self.esp = if self.segment.is_32bit() { at } else { self.esp & !0xFFFF | at };
        cpu.tell_words(&[if self.size == 4 { value } else { value & 0xFFFF }]);
        Ok(())
    }

    /// Pushes words, the first one first: all at once where they lie in a page that the
    /// software TLB knows.
    #[inline]
    pub fn push_all(
        &mut self,
        cpu: &mut Cpu,
        sys: &mut System,
        words: &[u32],
    ) -> Result<(), Fault> {
        let bytes = words.len() as u32 * 4;
        if self.size == 4 && self.has(bytes) {
            let at = self.esp - bytes;
            let lin = u64::from((self.segment.base as u32).wrapping_add(at));
            if let Some(place) = cpu.mmu.view().write(lin, bytes, self.user) {
                for (n, word) in (0..).zip(words.iter().rev()) {
                    crate::access::store(sys, place + 4 * n, *word);
                }
                cpu.tell_words(words);
                self.esp = at;
                return Ok(());
            }
        }
        words.iter().try_for_each(|word| self.push(cpu, sys, *word))
    }

    /// Makes it the stack.
    #[inline]
    pub fn enter(&self, cpu: &mut Cpu) {
        cpu.set_segment(SegReg::Ss, self.segment);
        cpu.state.set_reg32(gpr::ESP, self.esp);
    }
}

/// True where TR holds a 32-bit TSS.
pub(in crate::ops) fn tss_is_32bit(cpu: &Cpu) -> bool {
    cpu.state.tr.attrs & 0xF & u16::from(system_type::TSS32) == u16::from(system_type::TSS32)
}

/// SS:ESP of a ring in the TSS. #TS(TSS) where its limit is below them.
#[inline(always)]
fn tss_stack(
    cpu: &mut Cpu,
    sys: &mut System,
    ring: u8,
    ext: u16,
) -> Result<(Selector, u32, StackFrom), Fault> {
    let tr = cpu.state.tr;
    let wide = tss_is_32bit(cpu);
    let (offset, last) = match (wide, u32::from(ring)) {
        (true, n) => (8 * n + x86::tss::tss32::ESP0, 5),
        (false, n) => (4 * n + x86::tss::tss16::SP0, 3),
    };
    if !tr.has(attr::P) || offset + last > tr.limit {
        let cause = Cause::TssStack { selector: tr.selector, ring, offset, limit: tr.limit };
        return Err(cpu.raise(Fault::ts(tr.selector.error() | ext), cause));
    }
    let at = tr.base.wrapping_add(u64::from(offset));
    let (esp, ss) = if wide {
        (cpu.read_system::<u32>(sys, at)?, cpu.read_system::<u16>(sys, at.wrapping_add(4))?)
    } else {
        let sp = cpu.read_system::<u16>(sys, at)?;
        (u32::from(sp), cpu.read_system::<u16>(sys, at.wrapping_add(2))?)
    };
    let from = StackFrom::Tss { selector: tr.selector, base: LinAddr(tr.base), offset };
    Ok((Selector(ss), esp, from))
}

/// A reader of the current stack: words are popped at the end, all at once.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Popper {
    at: u32,
    size: u8,
}

impl Popper {
    /// At the top of the stack, for words of 4 or 2 bytes.
    #[inline]
    pub fn new(cpu: &Cpu, wide: bool) -> Self {
        let size = if wide { 4 } else { 2 };
        Self { at: cpu.stack_ptr(), size }
    }

    /// The same, for a crossing that tells what it popped.
    #[inline]
    pub fn told(cpu: &mut Cpu, wide: bool) -> Self {
        let pops = Self::new(cpu, wide);
        cpu.begin_frame(pops.size);
        pops
    }

    /// The next word; it isn't told.
    #[inline(always)]
    pub fn untold(&mut self, cpu: &mut Cpu, sys: &mut System) -> Result<u32, Fault> {
        let value = if self.size == 4 {
            cpu.read_stack::<u32>(sys, self.at)?
        } else {
            u32::from(cpu.read_stack::<u16>(sys, self.at)?)
        };
        self.skip(u32::from(self.size));
        Ok(value)
    }

    /// The next word.
    #[inline(always)]
    pub fn next(&mut self, cpu: &mut Cpu, sys: &mut System) -> Result<u32, Fault> {
        let value = self.untold(cpu, sys)?;
        cpu.tell_words(&[value]);
        Ok(value)
    }

    /// The next three words: the last one is read first, and then the one before it, as
    /// processors do.
    #[inline(always)]
    pub fn next_three(&mut self, cpu: &mut Cpu, sys: &mut System) -> Result<[u32; 3], Fault> {
        let ss = SegReg::Ss;
        let is_plain = self.size == 4
            && cpu.state.stack32()
            && u64::from(self.at) + 12 <= cpu.read_end[ss as usize];
        let place = is_plain.then(|| cpu.mmu.view().read(cpu.linear(ss, self.at), 12, cpu.user()));
        if let Some(place) = place.flatten() {
            let words = [0, 4, 8].map(|n| crate::access::load(sys, place + n));
            cpu.tell_words(&words);
            self.skip(12);
            return Ok(words);
        }
        self.probe(cpu, sys, 2)?;
        self.probe(cpu, sys, 1)?;
        Ok([self.next(cpu, sys)?, self.next(cpu, sys)?, self.next(cpu, sys)?])
    }

    /// The next word as a selector.
    #[inline]
    pub fn selector(&mut self, cpu: &mut Cpu, sys: &mut System) -> Result<Selector, Fault> {
        Ok(Selector(self.next(cpu, sys)? as u16))
    }

    /// Faults as reading the word behind `words` others would. Processors read the last word
    /// of a frame first.
    #[inline]
    pub fn probe(&self, cpu: &mut Cpu, sys: &mut System, words: u32) -> Result<(), Fault> {
        let mut last = *self;
        last.skip(words * u32::from(self.size));
        last.untold(cpu, sys).map(|_| ())
    }

    /// Passes over bytes.
    pub fn skip(&mut self, bytes: u32) {
        self.at = self.at.wrapping_add(bytes);
    }

    /// Where it stands: the stack pointer after what was read.
    pub fn position(&self) -> u32 {
        self.at
    }
}

/// #GP(0), or #GP(EXT): the new EIP lies beyond its code segment.
#[cold]
pub(in crate::ops) fn offset_refused(
    cpu: &mut Cpu,
    selector: Selector,
    descriptor: Descriptor,
    origin: Origin,
    ext: u16,
) -> Fault {
    let cause = Cause::Selector {
        selector,
        descriptor,
        table_limit: cpu.state.gdtr.limit,
        check: Check::TargetOffset,
        origin,
        cpl: cpu.state.cpl,
    };
    cpu.raise(Fault::gp(ext), cause)
}
