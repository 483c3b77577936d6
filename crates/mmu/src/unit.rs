//! The memory-management unit: control bits, translation with its faults, flushes.

use crate::set::{Entry, Set};
use crate::view::{View, WriteRight};
use crate::walk::{self, Physical, Walk};
use mem::{Memory, Target};
use x86::cause::PageCheck;
use x86::paging::{AccessKind, Level, PageFaultCode, PteFlags};
use x86::{Cause, LinAddr, PhysAddr};

/// How linear addresses are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paging {
    /// Not at all.
    #[default]
    Off,
    /// 32-bit, two levels.
    TwoLevel,
    /// PAE.
    Pae,
}

/// What the walk and the rights depend on, taken from the control registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// How.
    pub paging: Paging,
    /// CR3.
    pub cr3: u64,
    /// PDPTE registers.
    pub pdpte: [u64; 4],
    /// CR0.WP.
    pub wp: bool,
    /// CR4.PSE.
    pub pse: bool,
    /// CR4.PGE.
    pub pge: bool,
    /// EFER.NXE (under PAE).
    pub nxe: bool,
    /// CR4.SMEP.
    pub smep: bool,
    /// CR4.SMAP.
    pub smap: bool,
    /// EFLAGS.AC, which suspends SMAP for explicit accesses.
    pub ac: bool,
    /// Alignment checks are active: user accesses aren't entered in views.
    pub alignment: bool,
}

/// An access to be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What for.
    pub kind: AccessKind,
    /// Made in user mode (CPL 3, and not to a system structure).
    pub user: bool,
    /// Made by the processor to a system structure: EFLAGS.AC doesn't suspend SMAP.
    pub implicit: bool,
}

/// A page fault: error code and evidence. CR2 is the address asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// The error code.
    pub code: PageFaultCode,
    /// The evidence.
    pub cause: Cause,
}

/// Everything about paging of one processor.
#[derive(Clone, Debug)]
pub struct Mmu {
    set: Set,
    view: View,
    control: Control,
    a20_mask: u64,
    seen_withdrawals: u64,
    seen_map: u64,
    /// Linear pages that data breakpoints keep out of the view.
    watched: [Option<u64>; 8],
    is_watching: bool,
    /// Two levels, no page is watched, the A20 gate is open: see [`Mmu::refill`].
    is_plain: bool,
}

/// What [`Mmu::refill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// The page was entered: where in the arena the access lies.
    At(u64),
    /// Nothing was changed, and the access will fault: an entry isn't present.
    Absent,
    /// Nothing was changed: [`Mmu::translate`] and [`Mmu::fill`] must be asked.
    Ask,
}

const PRESENT: u32 = PteFlags::PRESENT.bits() as u32;
const ACCESSED: u32 = PteFlags::ACCESSED.bits() as u32;
const DIRTY: u32 = PteFlags::DIRTY.bits() as u32;
/// What the upper entry of a plain walk has.
const READY: u32 = PRESENT | ACCESSED;
const LARGE: u32 = PteFlags::LARGE.bits() as u32;

impl Default for Mmu {
    fn default() -> Self {
        Self {
            set: Set::default(),
            view: View::default(),
            control: Control::default(),
            a20_mask: u64::MAX,
            seen_withdrawals: 0,
            seen_map: 0,
            watched: [None; 8],
            is_watching: false,
            is_plain: false,
        }
    }
}

impl Mmu {
    /// The set of cached translations.
    #[must_use]
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Replaces the set, when a snapshot is restored.
    pub fn restore(&mut self, list: &[(u32, Entry)]) {
        self.set.restore(list);
        self.view.clear();
    }

    /// The software TLB.
    #[inline(always)]
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The control bits.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes new control bits. Views are dropped if any changed; the set is flushed by the
    /// instruction that changed them, as the manual says for each.
    pub fn set_control(&mut self, control: Control) {
        let same_views = self.control == control
            || (self.control.paging == Paging::Off
                && control.paging == Paging::Off
                && self.control.alignment == control.alignment);
        self.control = control;
        self.derive_plain();
        if !same_views {
            self.view.clear();
        }
    }

    fn derive_plain(&mut self) {
        self.is_plain = self.control.paging == Paging::TwoLevel && !self.is_watching && self.a20();
    }

    /// Opens or closes the A20 gate: closed, bit 20 of every physical address is 0.
    pub fn set_a20(&mut self, on: bool) {
        let mask = if on { u64::MAX } else { !(1 << 20) };
        if mask != self.a20_mask {
            self.a20_mask = mask;
            self.derive_plain();
            self.view.clear();
        }
    }

    /// The A20 gate.
    #[must_use]
    pub fn a20(&self) -> bool {
        self.a20_mask == u64::MAX
    }

    /// Keeps up to eight linear pages out of the view, for data breakpoints.
    pub fn watch(&mut self, pages: [Option<u64>; 8]) {
        if self.watched != pages {
            self.watched = pages;
            self.is_watching = pages.iter().any(Option::is_some);
            self.derive_plain();
            self.view.clear();
        }
    }

    /// Drops all translations, global ones too (SDM 3A 4.10.4.1: CR0.PG, CR4.PGE and so on).
    /// Without paging there are none, and the view holds no translation.
    pub fn flush_all(&mut self) {
        self.set.clear();
        if self.control.paging != Paging::Off {
            self.view.clear();
        }
    }

    /// Drops all but global translations (a load of CR3).
    pub fn flush_non_global(&mut self) {
        self.set.clear_non_global();
        if self.control.paging != Paging::Off {
            self.view.clear();
        }
    }

    /// Drops the translation of a page, global or not (INVLPG).
    pub fn invalidate(&mut self, lin: LinAddr) {
        let lin = LinAddr(lin.0 & 0xFFFF_FFFF);
        self.drop_entry(lin);
    }

    fn drop_entry(&mut self, lin: LinAddr) {
        if let Some(entry) = self.remove(lin) {
            self.drop_view(lin, entry);
        }
    }

    /// Takes a translation out of the set; of a large page, all of it.
    fn remove(&mut self, lin: LinAddr) -> Option<Entry> {
        let entry = self.set.get(lin)?;
        let shift = if self.control.paging == Paging::Pae { 21 } else { 22 };
        self.set.remove(lin, shift);
        Some(entry)
    }

    fn drop_view(&mut self, lin: LinAddr, entry: Entry) {
        if entry.has(Entry::LARGE) {
            self.view.clear();
        } else {
            self.view.drop_page(lin.0);
        }
    }

    /// Applies what happened to memory since: withdrawn write rights, a changed map.
    #[inline(always)]
    pub fn sync(&mut self, mem: &Memory) {
        if self.seen_map != mem.map_version() || self.seen_withdrawals != mem.states().seen() {
            self.catch_up(mem);
        }
    }

    #[cold]
    #[inline(never)]
    fn catch_up(&mut self, mem: &Memory) {
        if self.seen_map != mem.map_version() {
            self.seen_map = mem.map_version();
            self.view.clear();
        }
        match mem.states().since(self.seen_withdrawals) {
            Some(pages) => pages.iter().for_each(|p| self.view.withdraw(*p)),
            None => self.view.clear(),
        }
        self.seen_withdrawals = mem.states().seen();
    }

    /// Translates an access. On success the A and D bits are set as the architecture says and
    /// the translation is in the set.
    pub fn translate(
        &mut self,
        mem: &mut Memory,
        lin: LinAddr,
        access: Access,
    ) -> Result<PhysAddr, PageFault> {
        let lin = LinAddr(lin.0 & 0xFFFF_FFFF);
        if self.control.paging == Paging::Off {
            return Ok(PhysAddr(lin.0 & self.a20_mask));
        }
        let write = access.kind == AccessKind::Write;
        let entry = match self.set.get(lin) {
            Some(e) if self.refuses(e, access).is_none() && (!write || e.has(Entry::DIRTY)) => e,
            _ => self.walk(mem, lin, access)?,
        };
        Ok(PhysAddr((entry.frame().0 | lin.offset()) & self.a20_mask))
    }

    fn walk(&mut self, mem: &mut Memory, lin: LinAddr, access: Access) -> Result<Entry, PageFault> {
        let old = self.remove(lin);
        let new = match self.walk_straight(mem, lin, access) {
            Some(entry) => Ok(entry),
            None => self.walk_tables(mem, lin, access),
        };
        if let Some(old) = old
            && !new.is_ok_and(|new| only_dirtied(old, new))
        {
            self.drop_view(lin, old);
        }
        new
    }

    /// The walk to a small page that is there and allowed: as [`Walk`] does it, without a record
    /// of the way. `None`, with nothing changed, where that may be needed.
    fn walk_straight(&mut self, mem: &mut Memory, lin: LinAddr, access: Access) -> Option<Entry> {
        let mut tables = Physical { mem, a20_mask: self.a20_mask };
        let path = walk::Straight::find(&mut tables, &self.control, lin)?;
        let mut entry = path.entry(&self.control);
        if self.refuses(entry, access).is_some() {
            return None;
        }
        let write = access.kind == AccessKind::Write;
        path.mark(&mut tables, write);
        if write {
            entry.0 |= Entry::DIRTY;
        }
        if self.set.insert(lin, entry) {
            self.view.clear();
        }
        Some(entry)
    }

    fn walk_tables(
        &mut self,
        mem: &mut Memory,
        lin: LinAddr,
        access: Access,
    ) -> Result<Entry, PageFault> {
        let mut tables = Physical { mem, a20_mask: self.a20_mask };
        let walk = Walk::new(&mut tables, &self.control, lin);
        let Some(mut entry) = walk.entry(&self.control) else {
            let (step, why) = walk.stopped.unwrap_or_else(|| unreachable!("no entry, no stop"));
            return Err(self.fault(lin, access, why, step.level, step.entry, step.at));
        };
        if let Some((why, flag)) = self.refuses(entry, access) {
            let step = walk.denier(flag).or(walk.leaf());
            let (level, value, at) =
                step.map_or((Level::Pte, 0, PhysAddr(0)), |s| (s.level, s.entry, s.at));
            return Err(self.fault(lin, access, why, level, value, at));
        }
        let write = access.kind == AccessKind::Write;
        walk.mark(&mut tables, write);
        if write {
            entry.0 |= Entry::DIRTY;
        }
        if self.set.insert(lin, entry) {
            self.view.clear();
        }
        Ok(entry)
    }

    /// Why an entry's rights refuse an access (SDM 3A 4.6.1), and the flag to blame.
    fn refuses(&self, e: Entry, access: Access) -> Option<(PageCheck, PteFlags)> {
        let user_page = e.has(Entry::USER);
        let c = &self.control;
        if access.kind == AccessKind::Fetch && e.has(Entry::NO_EXECUTE) {
            return Some((PageCheck::NoExecute, PteFlags::NO_EXECUTE));
        }
        if access.user {
            if !user_page {
                return Some((PageCheck::Supervisor, PteFlags::USER));
            }
        } else if user_page {
            let fetch = access.kind == AccessKind::Fetch;
            if fetch && c.smep {
                return Some((PageCheck::Smep, PteFlags::empty()));
            }
            if !fetch && c.smap && (access.implicit || !c.ac) {
                return Some((PageCheck::Smap, PteFlags::empty()));
            }
        }
        let denied =
            access.kind == AccessKind::Write && !e.has(Entry::WRITE) && (access.user || c.wp);
        denied.then_some((PageCheck::ReadOnly, PteFlags::WRITE))
    }

    fn fault(
        &self,
        lin: LinAddr,
        access: Access,
        why: PageCheck,
        level: Level,
        entry: u64,
        entry_addr: PhysAddr,
    ) -> PageFault {
        let fetch = access.kind == AccessKind::Fetch;
        let bits = [
            (why != PageCheck::NotPresent, PageFaultCode::PRESENT),
            (access.kind == AccessKind::Write, PageFaultCode::WRITE),
            (access.user, PageFaultCode::USER),
            (why == PageCheck::Reserved, PageFaultCode::RESERVED),
            (fetch && (self.control.nxe || self.control.smep), PageFaultCode::FETCH),
        ];
        let code = bits
            .into_iter()
            .filter(|(on, _)| *on)
            .fold(PageFaultCode::empty(), |code, (_, bit)| code | bit);
        let (kind, user) = (access.kind, access.user);
        let cause = Cause::Page { addr: lin, kind, user, level, entry, entry_addr, why };
        PageFault { code, cause }
    }

    /// Enters a page into the view after a successful translation to `offset` in the arena.
    /// What may not be written unseen, is watched, or is alignment-checked stays out.
    pub fn fill(&mut self, mem: &Memory, lin: LinAddr, access: Access) {
        let lin = LinAddr(lin.0 & 0xFFFF_FFFF);
        if access.kind != AccessKind::Fetch {
            return self.fill_data(mem, lin, access.user);
        }
        if let Some((Target::Memory { offset, .. }, _)) = self.cached(mem, lin) {
            self.view.fill_fetch(lin.0, offset, access.user);
        }
    }

    fn fill_data(&mut self, mem: &Memory, lin: LinAddr, user: bool) {
        let Some((target, rights)) = self.cached(mem, lin) else { return };
        let Some(may_write) = self.may_write(rights, user) else { return };
        match target {
            Target::Memory { offset, writable } => {
                let right = right(mem, offset, writable && may_write);
                self.view.fill(lin.0, offset, right, user);
            }
            Target::Mmio { id, offset } => {
                self.view.fill_device(lin.0, (id, offset), may_write, user);
            }
            Target::Unmapped => {}
        }
    }

    /// [`Mmu::translate`] and [`Mmu::fill`] in one for a data access within a page, where nothing is
    /// out of the ordinary: two levels lead to a small page of memory that the set doesn't hold, or
    /// holds as they have it but for D, which a write sets.
    #[inline(always)]
    pub fn refill(&mut self, mem: &mut Memory, lin: LinAddr, access: Access) -> Refill {
        let (write, user) = (access.kind == AccessKind::Write, access.user);
        if !self.is_plain || (user && self.control.alignment) {
            return Refill::Ask;
        }
        if let Some(old) = self.set.get(lin) {
            return if write { self.dirty(mem, lin, access, old) } else { Refill::Ask };
        }
        let at = lin.0 as u32;
        let Some((directory, _)) = mem.direct((self.control.cr3 as u32) >> 12) else {
            return Refill::Ask;
        };
        let pde = mem.entry(directory, at >> 22);
        let Some((table, is_ram)) = mem.direct(pde >> 12) else { return Refill::Ask };
        let pte = mem.entry(table, at >> 12 & 0x3FF);
        if pde & (READY | LARGE) != READY || pte & PRESENT == 0 {
            let is_absent = pde & PRESENT == 0 || (pde & LARGE == 0 && pte & PRESENT == 0);
            return if is_absent { Refill::Absent } else { Refill::Ask };
        }
        let marked = pte | ACCESSED | if write { DIRTY } else { 0 };
        let entry = Entry::of_small(pde, marked, self.control.pge);
        let Some((page, writable)) = mem.direct(pte >> 12) else { return Refill::Ask };
        let is_forbidden = if user { !entry.has(Entry::USER) } else { self.control.smap };
        let is_writable = entry.has(Entry::WRITE) || (!user && !self.control.wp);
        let offset = u64::from(page) << 12;
        let right = right(mem, offset, writable && is_writable && entry.has(Entry::DIRTY));
        if is_forbidden || (write && right != WriteRight::Free) {
            return Refill::Ask;
        }
        self.sync(mem);
        if !self.set.insert_new(lin, entry) {
            return Refill::Ask;
        }
        if marked != pte && is_ram {
            mem.set_entry(table, at >> 12 & 0x3FF, marked);
        }
        self.view.fill(lin.0, offset, right, user);
        Refill::At(offset | lin.offset())
    }

    /// [`Mmu::refill`] of a page that the set holds, to be written: D isn't known to be set, or the
    /// view doesn't hold it any more.
    #[inline(never)]
    fn dirty(&mut self, mem: &mut Memory, lin: LinAddr, access: Access, old: Entry) -> Refill {
        let mut tables = Physical { mem, a20_mask: self.a20_mask };
        let Some(path) = walk::Straight::find(&mut tables, &self.control, lin) else {
            return Refill::Ask;
        };
        let (entry, user) = (path.entry(&self.control), access.user);
        let is_same = !old.has(Entry::DIRTY) && only_dirtied(old, entry);
        let is_forbidden = self.refuses(entry, access).is_some() || (!user && self.control.smap);
        let Some((page, writable)) = mem.direct((entry.frame().0 >> 12) as u32) else {
            return Refill::Ask;
        };
        if !is_same || is_forbidden || !writable || !mem.is_free(page) {
            return Refill::Ask;
        }
        self.sync(mem);
        path.mark(&mut Physical { mem, a20_mask: self.a20_mask }, true);
        self.set.mark_dirty(lin);
        let offset = u64::from(page) << 12;
        self.view.fill(lin.0, offset, WriteRight::Free, user);
        Refill::At(offset | lin.offset())
    }

    /// The fault of an access that [`Mmu::refill`] found [`Refill::Absent`]; `None` where the tables
    /// changed since, and say something else.
    #[must_use]
    pub fn absent(&self, mem: &mut Memory, lin: LinAddr, access: Access) -> Option<PageFault> {
        let mut tables = Physical { mem, a20_mask: self.a20_mask };
        let (step, why) = Walk::new(&mut tables, &self.control, lin).stopped?;
        Some(self.fault(lin, access, why, step.level, step.entry, step.at))
    }

    /// Where a page leads and its rights, if that is cached and the page isn't watched.
    fn cached(&self, mem: &Memory, lin: LinAddr) -> Option<(Target, Entry)> {
        if self.is_watching && self.watched.contains(&Some(lin.page_number())) {
            return None;
        }
        let (phys, rights) = match self.control.paging {
            Paging::Off => (PhysAddr(lin.0), Entry(!Entry::NO_EXECUTE)),
            _ => self.set.get(lin).map(|e| (PhysAddr(e.frame().0 | lin.offset()), e))?,
        };
        Some((mem.resolve(PhysAddr(phys.0 & self.a20_mask)), rights))
    }

    /// Where in the arena a page may be read without a walk, and how it may be written: what a
    /// view may hold of it. For views of other kinds too.
    #[must_use]
    pub fn data_right(&self, mem: &Memory, lin: LinAddr, user: bool) -> Option<(u64, WriteRight)> {
        let (Target::Memory { offset, writable }, rights) = self.cached(mem, lin)? else {
            return None;
        };
        let may_write = self.may_write(rights, user)?;
        Some((offset, right(mem, offset, writable && may_write)))
    }

    /// May a page with these rights be written without a walk? `None` where it may not be read
    /// either.
    fn may_write(&self, rights: Entry, user: bool) -> Option<bool> {
        let paged = self.control.paging != Paging::Off;
        let guarded = paged && self.control.smap && !user && rights.has(Entry::USER);
        let read = Access { kind: AccessKind::Read, user, implicit: false };
        let refused = paged && self.refuses(rights, read).is_some();
        if guarded || refused || (user && self.control.alignment) {
            return None;
        }
        let write = Access { kind: AccessKind::Write, ..read };
        Some(!paged || (self.refuses(rights, write).is_none() && rights.has(Entry::DIRTY)))
    }

    /// Translates without a trace: no A or D bits, no entry in the set. For debuggers.
    #[must_use]
    pub fn peek(&self, mem: &Memory, lin: LinAddr) -> Option<PhysAddr> {
        let lin = LinAddr(lin.0 & 0xFFFF_FFFF);
        if self.control.paging == Paging::Off {
            return Some(PhysAddr(lin.0 & self.a20_mask));
        }
        let entry = self.set.get(lin).or_else(|| {
            let mut tables = Peek { mem, a20_mask: self.a20_mask };
            Walk::new(&mut tables, &self.control, lin).entry(&self.control)
        })?;
        Some(PhysAddr((entry.frame().0 | lin.offset()) & self.a20_mask))
    }
}

/// How a page of the arena may be written, if it may.
fn right(mem: &Memory, offset: u64, may: bool) -> WriteRight {
    match (may, mem.is_free((offset >> 12) as u32)) {
        (false, _) => WriteRight::No,
        (true, false) => WriteRight::Seen,
        (true, true) => WriteRight::Free,
    }
}

/// True where a small page was only marked dirty: what a view holds of it stays good.
fn only_dirtied(old: Entry, new: Entry) -> bool {
    let all = Entry::DIRTY | Entry::LISTED;
    !old.has(Entry::LARGE) && old.0 | all == new.0 | all
}

/// Page tables, only to be looked at.
struct Peek<'a> {
    mem: &'a Memory,
    a20_mask: u64,
}

impl crate::walk::TableMemory for Peek<'_> {
    fn load(&mut self, at: PhysAddr, size: u8) -> u64 {
        let mut bytes = [0; 8];
        self.mem.read_phys(PhysAddr(at.0 & self.a20_mask), &mut bytes[..usize::from(size)]);
        u64::from_le_bytes(bytes)
    }

    fn store(&mut self, _: PhysAddr, _: u8, _: u64) {}
}
