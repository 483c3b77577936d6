//! Memory as instructions see it: segmentation (SDM 3A 5.3), alignment checks, paging through
//! the software TLB, registers of devices. Fast where the view knows the page, careful
//! elsewhere; both give the same faults.

use crate::cpu::{Cpu, Word};
use bus::System;
use decode::Insn;
use mem::{MmioId, PageState, Target, Write};
use mmu::{Access, PageFault, Refill};
use x86::paging::AccessKind;
use x86::{Cause, Fault, LinAddr, PhysAddr, SegReg, Segment, Vector};

impl Cpu {
    #[inline(always)]
    pub(crate) fn user(&self) -> bool {
        self.state.cpl == 3
    }

    #[inline(always)]
    pub(crate) fn linear(&self, seg: SegReg, off: u32) -> u64 {
        u64::from((self.state.seg[seg as usize].base as u32).wrapping_add(off))
    }

    /// Reads at `seg:off`. #SS(0) or #GP(0) by segmentation, #PF, #AC.
    #[inline(always)]
    pub fn read<W: Word>(&mut self, sys: &mut System, seg: SegReg, off: u32) -> Result<W, Fault> {
        if u64::from(off) + u64::from(W::BYTES) <= self.read_end[seg as usize] {
            let lin = self.linear(seg, off);
            if let Some(at) = self.mmu.view().read(lin, W::BYTES, self.user()) {
                return Ok(load(sys, at));
            }
        }
        self.read_slow(sys, seg, off, W::BYTES).map(W::trunc)
    }

    /// Writes at `seg:off`. Nothing is written unless all of it can be.
    #[inline(always)]
    pub fn write<W: Word>(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        value: W,
    ) -> Result<(), Fault> {
        if u64::from(off) + u64::from(W::BYTES) <= self.write_end[seg as usize] {
            let lin = self.linear(seg, off);
            if let Some(at) = self.mmu.view().write(lin, W::BYTES, self.user()) {
                store(sys, at, value);
                return Ok(());
            }
        }
        self.write_slow(sys, seg, off, W::BYTES, value.zx())
    }

    /// Reads with the intent to write, and writes what `f` makes of it (or the old value,
    /// where it gives none).
    #[inline(always)]
    pub fn modify<W: Word, R>(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        f: impl FnOnce(W) -> (Option<W>, R),
    ) -> Result<R, Fault> {
        if u64::from(off) + u64::from(W::BYTES) <= self.write_end[seg as usize] {
            let lin = self.linear(seg, off);
            if let Some(at) = self.mmu.view().write(lin, W::BYTES, self.user()) {
                let (new, result) = f(load(sys, at));
                if let Some(new) = new {
                    store(sys, at, new);
                }
                return Ok(result);
            }
        }
        if let Some(at) = self.seen(sys, seg, off, W::BYTES) {
            let old = load(sys, at);
            let (new, result) = f(old);
            self.store_seen(sys, at, W::BYTES, new.unwrap_or(old).zx());
            return Ok(result);
        }
        self.probe_write(sys, seg, off, W::BYTES)?;
        let lin = self.linear(seg, off);
        let user = self.user();
        let access = Access { kind: AccessKind::Write, user, implicit: false };
        let old = W::trunc(self.load_linear(sys, lin, W::BYTES, access)?);
        let (new, result) = f(old);
        self.store_linear(sys, lin, W::BYTES, new.unwrap_or(old).zx(), access)?;
        Ok(result)
    }

    /// Faults as a write of `size` bytes would, without writing. `size` is at most a page.
    pub fn probe_write(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        size: u32,
    ) -> Result<(), Fault> {
        self.check_segment(seg, off, size, AccessKind::Write)?;
        let lin = self.linear(seg, off);
        self.check_alignment(lin, size)?;
        let access = Access { kind: AccessKind::Write, user: self.user(), implicit: false };
        self.translate_all(sys, lin, size, access).map(|_| ())
    }

    #[cold]
    #[inline(never)]
    fn read_slow(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        size: u32,
    ) -> Result<u32, Fault> {
        let lin = self.linear(seg, off);
        if u64::from(off) + u64::from(size) <= self.read_end[seg as usize]
            && let Some((id, at)) = self.mmu.view().device(lin, size, false, self.user())
        {
            return Ok(self.load_device(sys, id, at, size));
        }
        self.check_segment(seg, off, size, AccessKind::Read)?;
        self.check_alignment(lin, size)?;
        let access = Access { kind: AccessKind::Read, user: self.user(), implicit: false };
        self.load_linear(sys, lin, size, access)
    }

    #[cold]
    #[inline(never)]
    fn write_slow(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        size: u32,
        value: u32,
    ) -> Result<(), Fault> {
        if let Some(at) = self.seen(sys, seg, off, size) {
            self.store_seen(sys, at, size, value);
            return Ok(());
        }
        let lin = self.linear(seg, off);
        if u64::from(off) + u64::from(size) <= self.write_end[seg as usize]
            && let Some((id, at)) = self.mmu.view().device(lin, size, true, self.user())
        {
            self.store_device(sys, id, at, size, value);
            return Ok(());
        }
        self.check_segment(seg, off, size, AccessKind::Write)?;
        self.check_alignment(lin, size)?;
        let access = Access { kind: AccessKind::Write, user: self.user(), implicit: false };
        self.store_linear(sys, lin, size, value, access)
    }

    /// Where a write to a page that holds code goes, if the view allows it.
    #[inline]
    fn seen(&self, sys: &System, seg: SegReg, off: u32, size: u32) -> Option<u64> {
        if u64::from(off) + u64::from(size) > self.write_end[seg as usize] {
            return None;
        }
        let at = self.mmu.view().write_seen(self.linear(seg, off), size, self.user())?;
        // Without code the page may have become free to be written unseen.
        let state = sys.mem.states().get((at >> 12) as u32);
        state.contains(PageState::CODE).then_some(at)
    }

    #[inline]
    fn store_seen(&mut self, sys: &mut System, at: u64, size: u32, value: u32) {
        if sys.mem.write(at, &value.to_le_bytes()[..size as usize]) == Write::Code {
            self.attention = true;
        }
    }

    /// Type and limit checks of an access (SDM 3A 5.3, 5.5).
    pub(crate) fn check_segment(
        &mut self,
        seg: SegReg,
        off: u32,
        size: u32,
        kind: AccessKind,
    ) -> Result<(), Fault> {
        let s = self.state.seg[seg as usize];
        let fault = if seg == SegReg::Ss { Fault::ss(0) } else { Fault::gp(0) };
        if self.state.uses_descriptors() {
            let allowed = match kind {
                AccessKind::Write => s.is_writable(),
                _ => s.is_readable(),
            };
            if !allowed {
                let (selector, attrs) = (s.selector, s.attrs);
                return Err(
                    self.raise(fault, Cause::Access { segment: seg, selector, attrs, kind })
                );
            }
        }
        if within(&s, off, size) {
            return Ok(());
        }
        let (limit, expand_down) = (s.limit, s.is_expand_down());
        Err(self.raise(fault, Cause::Limit { segment: seg, offset: off, size, limit, expand_down }))
    }

    #[inline]
    pub(crate) fn check_alignment(&mut self, lin: u64, size: u32) -> Result<(), Fault> {
        if !self.mmu.control().alignment
            || lin & u64::from(size - 1) == 0
            || !size.is_power_of_two()
        {
            return Ok(());
        }
        let fault = Fault::plain(Vector::AlignmentCheck);
        Err(self.raise(fault, Cause::Alignment { addr: LinAddr(lin), size }))
    }

    /// Translates one page of an access; a page fault sets CR2.
    pub(crate) fn translate(
        &mut self,
        sys: &mut System,
        lin: u64,
        access: Access,
    ) -> Result<PhysAddr, Fault> {
        let lin = LinAddr(lin & 0xFFFF_FFFF);
        let version = self.mmu.view().version();
        let result = self.mmu.translate(&mut sys.mem, lin, access);
        if self.mmu.view().version() != version || sys.mem.has_code_writes() {
            self.attention = true;
        }
        result.map_err(|f| self.page_fault(lin.0, f))
    }

    /// Translates an access that may cross into a second page, before any of it is done.
    pub(crate) fn translate_all(
        &mut self,
        sys: &mut System,
        lin: u64,
        size: u32,
        access: Access,
    ) -> Result<(PhysAddr, Option<PhysAddr>), Fault> {
        let first = self.translate(sys, lin, access)?;
        let last = (lin + u64::from(size) - 1) & 0xFFFF_FFFF;
        let second = if last >> 12 == lin >> 12 {
            None
        } else {
            Some(self.translate(sys, last & !0xFFF, access)?)
        };
        Ok((first, second))
    }

    /// Enters the page of an access into the view, where that is plain: where the access lies.
    #[inline]
    fn refill(
        &mut self,
        sys: &mut System,
        lin: u64,
        size: u32,
        access: Access,
    ) -> Result<Option<u64>, Fault> {
        if (lin & 0xFFF) + u64::from(size) > 0x1000 {
            return Ok(None);
        }
        let found = self.mmu.refill(&mut sys.mem, LinAddr(lin), access);
        // The tables may lie among code.
        self.attention |= sys.mem.has_code_writes();
        match found {
            Refill::At(place) => Ok(Some(place)),
            Refill::Absent => match self.mmu.absent(&mut sys.mem, LinAddr(lin), access) {
                Some(fault) => Err(self.page_fault(lin, fault)),
                None => Ok(None),
            },
            Refill::Ask => Ok(None),
        }
    }

    /// Sets CR2 and the evidence.
    fn page_fault(&mut self, lin: u64, f: PageFault) -> Fault {
        self.state.cr2 = lin;
        self.raise(Fault { vector: Vector::PageFault, code: f.code.bits() }, f.cause)
    }

    pub(crate) fn load_linear(
        &mut self,
        sys: &mut System,
        lin: u64,
        size: u32,
        access: Access,
    ) -> Result<u32, Fault> {
        if let Some(at) = self.refill(sys, lin, size, access)? {
            return Ok(load_bytes(sys, at, size));
        }
        let (first, second) = self.translate_all(sys, lin, size, access)?;
        let value = match second {
            None => {
                self.mmu.sync(&sys.mem);
                self.mmu.fill(&sys.mem, LinAddr(lin), access);
                self.load_physical(sys, first, size)
            }
            Some(second) => {
                let head = 0x1000 - (lin & 0xFFF) as u32;
                (0..size).fold(0, |value, n| {
                    let at = if n < head {
                        first.plus(u64::from(n))
                    } else {
                        second.plus(u64::from(n - head))
                    };
                    value | self.load_physical(sys, at, 1) << (8 * n)
                })
            }
        };
        if self.data_breakpoints && !access.implicit {
            self.check_data_breakpoints(lin, size, false);
        }
        Ok(value)
    }

    pub(crate) fn store_linear(
        &mut self,
        sys: &mut System,
        lin: u64,
        size: u32,
        value: u32,
        access: Access,
    ) -> Result<(), Fault> {
        if let Some(at) = self.refill(sys, lin, size, access)? {
            sys.mem.arena_mut().write(at, &value.to_le_bytes()[..size as usize]);
            return Ok(());
        }
        let (first, second) = self.translate_all(sys, lin, size, access)?;
        match second {
            None => {
                self.store_physical(sys, first, size, value);
                self.mmu.sync(&sys.mem);
                self.mmu.fill(&sys.mem, LinAddr(lin), access);
            }
            Some(second) => {
                let head = 0x1000 - (lin & 0xFFF) as u32;
                for n in 0..size {
                    let at = if n < head {
                        first.plus(u64::from(n))
                    } else {
                        second.plus(u64::from(n - head))
                    };
                    self.store_physical(sys, at, 1, value >> (8 * n) & 0xFF);
                }
            }
        }
        if self.data_breakpoints && !access.implicit {
            self.check_data_breakpoints(lin, size, true);
        }
        Ok(())
    }

    fn load_physical(&mut self, sys: &mut System, at: PhysAddr, size: u32) -> u32 {
        match sys.mem.resolve(at) {
            Target::Memory { offset, .. } => load_bytes(sys, offset, size),
            Target::Mmio { id, offset } => self.load_device(sys, id, offset, size),
            Target::Unmapped => u32::MAX >> (32 - 8 * size),
        }
    }

    fn store_physical(&mut self, sys: &mut System, at: PhysAddr, size: u32, value: u32) {
        match sys.mem.resolve(at) {
            Target::Memory { offset, writable: true } => {
                self.store_seen(sys, offset, size, value);
            }
            Target::Mmio { id, offset } => self.store_device(sys, id, offset, size, value),
            Target::Memory { .. } | Target::Unmapped => {}
        }
    }

    fn load_device(&mut self, sys: &mut System, id: MmioId, at: u64, size: u32) -> u32 {
        let value = sys.bus.mmio_read(id, at, size as u8, self.steps, &mut sys.mem);
        self.after_bus(sys);
        value
    }

    fn store_device(&mut self, sys: &mut System, id: MmioId, at: u64, size: u32, value: u32) {
        sys.bus.mmio_write(id, at, size as u8, value, self.steps, &mut sys.mem);
        self.after_bus(sys);
    }

    /// Reads a system structure by linear address, as a supervisor.
    #[inline]
    pub fn read_system<W: Word>(&mut self, sys: &mut System, lin: u64) -> Result<W, Fault> {
        let lin = lin & 0xFFFF_FFFF;
        if let Some(at) = self.mmu.view().read(lin, W::BYTES, false) {
            return Ok(load(sys, at));
        }
        let access = Access { kind: AccessKind::Read, user: false, implicit: true };
        self.load_linear(sys, lin, W::BYTES, access).map(W::trunc)
    }

    /// Writes a system structure by linear address, as a supervisor.
    #[inline]
    pub fn write_system<W: Word>(
        &mut self,
        sys: &mut System,
        lin: u64,
        value: W,
    ) -> Result<(), Fault> {
        let lin = lin & 0xFFFF_FFFF;
        if let Some(at) = self.mmu.view().write(lin, W::BYTES, false) {
            store(sys, at, value);
            return Ok(());
        }
        let access = Access { kind: AccessKind::Write, user: false, implicit: true };
        self.store_linear(sys, lin, W::BYTES, value.zx(), access)
    }

    /// Reads eight bytes of a system structure.
    #[inline(always)]
    pub fn read_system64(&mut self, sys: &mut System, lin: u64) -> Result<u64, Fault> {
        if let Some(at) = self.mmu.view().read(lin & 0xFFFF_FFFF, 8, false) {
            return Ok(u64::from_le_bytes(sys.mem.arena().load(at)));
        }
        self.read_system64_slow(sys, lin)
    }

    #[cold]
    #[inline(never)]
    fn read_system64_slow(&mut self, sys: &mut System, lin: u64) -> Result<u64, Fault> {
        let low: u32 = self.read_system(sys, lin)?;
        let high: u32 = self.read_system(sys, lin + 4)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Writes to a segment that isn't loaded (yet), with the privilege given. A violation of
    /// the segment is #SS(0); the caller may replace the code.
    #[inline]
    pub fn write_at<W: Word>(
        &mut self,
        sys: &mut System,
        segment: &Segment,
        off: u32,
        value: W,
        user: bool,
    ) -> Result<(), Fault> {
        if !within(segment, off, W::BYTES) {
            let (limit, expand_down) = (segment.limit, segment.is_expand_down());
            let size = W::BYTES;
            let cause = Cause::Limit { segment: SegReg::Ss, offset: off, size, limit, expand_down };
            return Err(self.raise(Fault::ss(0), cause));
        }
        let lin = u64::from((segment.base as u32).wrapping_add(off));
        if let Some(at) = self.mmu.view().write(lin, W::BYTES, user) {
            store(sys, at, value);
            return Ok(());
        }
        if user {
            self.check_alignment(lin, W::BYTES)?;
        }
        let access = Access { kind: AccessKind::Write, user, implicit: false };
        self.store_linear(sys, lin, W::BYTES, value.zx(), access)
    }

    /// Pushes; the stack pointer moves only if that works.
    #[inline(always)]
    pub fn push<W: Word>(&mut self, sys: &mut System, value: W) -> Result<(), Fault> {
        let sp = self.stack_ptr().wrapping_sub(W::BYTES);
        let sp = if self.state.stack32() { sp } else { sp & 0xFFFF };
        self.write(sys, SegReg::Ss, sp, value)?;
        self.set_stack_ptr(sp);
        Ok(())
    }

    /// Pops; the stack pointer moves only if that works.
    #[inline(always)]
    pub fn pop<W: Word>(&mut self, sys: &mut System) -> Result<W, Fault> {
        let sp = self.stack_ptr();
        let value = self.read(sys, SegReg::Ss, sp)?;
        self.set_stack_ptr(sp.wrapping_add(W::BYTES));
        Ok(value)
    }

    /// Reads the stack at an offset that is cut to SS.B's size.
    #[inline]
    pub fn read_stack<W: Word>(&mut self, sys: &mut System, at: u32) -> Result<W, Fault> {
        let at = if self.state.stack32() { at } else { at & 0xFFFF };
        self.read(sys, SegReg::Ss, at)
    }

    /// The rm operand.
    #[inline(always)]
    pub fn read_rm<W: Word>(&mut self, sys: &mut System, insn: &Insn) -> Result<W, Fault> {
        if insn.is_mem() { self.read(sys, insn.seg, self.ea(insn)) } else { Ok(self.reg(insn.rm)) }
    }

    /// Writes the rm operand.
    #[inline(always)]
    pub fn write_rm<W: Word>(
        &mut self,
        sys: &mut System,
        insn: &Insn,
        value: W,
    ) -> Result<(), Fault> {
        if insn.is_mem() {
            return self.write(sys, insn.seg, self.ea(insn), value);
        }
        self.set_reg(insn.rm, value);
        Ok(())
    }

    /// Reads and writes the rm operand; see [`Cpu::modify`].
    #[inline(always)]
    pub fn modify_rm<W: Word, R>(
        &mut self,
        sys: &mut System,
        insn: &Insn,
        f: impl FnOnce(W) -> (Option<W>, R),
    ) -> Result<R, Fault> {
        if insn.is_mem() {
            return self.modify(sys, insn.seg, self.ea(insn), f);
        }
        let (new, result) = f(self.reg(insn.rm));
        if let Some(new) = new {
            self.set_reg(insn.rm, new);
        }
        Ok(result)
    }
}

/// True where `size` bytes at `off` lie within the segment's bounds.
fn within(s: &Segment, off: u32, size: u32) -> bool {
    s.bounds().is_some_and(|(low, high)| {
        off >= low && u64::from(off) + u64::from(size) <= u64::from(high) + 1
    })
}

/// 1 to 4 bytes.
#[inline]
fn load_bytes(sys: &System, at: u64, size: u32) -> u32 {
    let mut bytes = [0; 4];
    sys.mem.arena().read(at, &mut bytes[..size as usize]);
    u32::from_le_bytes(bytes)
}

/// What lies at an offset in the arena. A translation leads nowhere else: `None` there, so that the
/// ways that are short need not panic.
#[inline(always)]
pub(crate) fn load_from<W: Word>(sys: &System, at: u64) -> Option<W> {
    let arena = sys.mem.arena();
    Some(W::trunc(match W::BYTES {
        1 => u32::from(u8::from_le_bytes(arena.get(at)?)),
        2 => u32::from(u16::from_le_bytes(arena.get(at)?)),
        _ => u32::from_le_bytes(arena.get(at)?),
    }))
}

/// Stores at an offset in the arena; `None` outside it.
#[inline(always)]
pub(crate) fn store_to<W: Word>(sys: &mut System, at: u64, value: W) -> Option<()> {
    let arena = sys.mem.arena_mut();
    let bytes = value.zx().to_le_bytes();
    match W::BYTES {
        1 => arena.put(at, [bytes[0]]),
        2 => arena.put(at, [bytes[0], bytes[1]]),
        _ => arena.put(at, bytes),
    }
}

/// As [`load_from`], where a translation leads.
#[inline(always)]
pub(crate) fn load<W: Word>(sys: &System, at: u64) -> W {
    load_from(sys, at).expect("an offset within the arena")
}

/// As [`store_to`], where a translation leads.
#[inline(always)]
pub(crate) fn store<W: Word>(sys: &mut System, at: u64, value: W) {
    store_to(sys, at, value).expect("an offset within the arena");
}
