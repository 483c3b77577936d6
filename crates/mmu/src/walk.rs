//! The page walk (SDM 3A 4.3, 4.4): two-level with 4 MiB pages, and PAE with 2 MiB pages.

use crate::set::Entry;
use crate::unit::{Control, Paging};
use mem::{Memory, Target};
use x86::cause::PageCheck;
use x86::paging::{Level, PHYS_BITS, PHYS_MASK, PteFlags};
use x86::{LinAddr, PhysAddr};

/// What page tables are read from and their A and D bits written to. A second stage of
/// translation is another implementation.
pub trait TableMemory {
    /// Loads an entry of `size` bytes, 4 or 8.
    fn load(&mut self, at: PhysAddr, size: u8) -> u64;
    /// Stores one.
    fn store(&mut self, at: PhysAddr, size: u8, value: u64);
}

/// Physical memory behind the A20 gate.
#[derive(Debug)]
pub struct Physical<'a> {
    /// Guest memory.
    pub mem: &'a mut Memory,
    /// Bits that reach the bus.
    pub a20_mask: u64,
}

impl TableMemory for Physical<'_> {
    #[inline]
    fn load(&mut self, at: PhysAddr, size: u8) -> u64 {
        let at = PhysAddr(at.0 & self.a20_mask);
        match self.mem.resolve(at) {
            Target::Memory { offset, .. } if size == 8 => {
                u64::from_le_bytes(self.mem.arena().load(offset))
            }
            Target::Memory { offset, .. } => {
                u64::from(u32::from_le_bytes(self.mem.arena().load(offset)))
            }
            _ => u64::MAX >> (64 - 8 * u32::from(size)),
        }
    }

    fn store(&mut self, at: PhysAddr, size: u8, value: u64) {
        let at = PhysAddr(at.0 & self.a20_mask);
        self.mem.write_phys(at, &value.to_le_bytes()[..usize::from(size)]);
    }
}

/// The way to a small page that is present: most walks. See [`Walk`] for the others.
#[derive(Clone, Copy, Debug)]
pub struct Straight {
    at: [PhysAddr; 2],
    /// PDE and PTE.
    entries: [u64; 2],
    size: u8,
}

impl Straight {
    /// Follows the tables; `None` where an entry is absent, large or uses a reserved bit.
    #[inline]
    pub fn find(tables: &mut impl TableMemory, control: &Control, lin: LinAddr) -> Option<Self> {
        let lin = lin.0;
        let present = |entry: u64| entry & PteFlags::PRESENT.bits() != 0;
        let is_pae = control.paging == Paging::Pae;
        let (size, table, shift, mask) = if is_pae {
            let pdpte = control.pdpte[(lin >> 30 & 3) as usize];
            (8, present(pdpte).then_some(pdpte & PHYS_MASK & !0xFFF)?, 21, 0x1FF)
        } else {
            (4, control.cr3 & 0xFFFF_F000, 22, 0x3FF)
        };
        let reserved = if is_pae { reserved(control) } else { 0 };
        let large = if is_pae || control.pse { PteFlags::LARGE.bits() } else { 0 };
        let first = PhysAddr(table + (lin >> shift & mask) * u64::from(size));
        let pde = tables.load(first, size);
        if !present(pde) || pde & (reserved | large) != 0 {
            return None;
        }
        let frame = pde & PHYS_MASK & !0xFFF;
        let second = PhysAddr(frame + (lin >> 12 & mask) * u64::from(size));
        let pte = tables.load(second, size);
        let is_good = present(pte) && pte & reserved == 0;
        is_good.then_some(Self { at: [first, second], entries: [pde, pte], size })
    }

    /// The translation.
    #[inline]
    #[must_use]
    pub fn entry(&self, control: &Control) -> Entry {
        let [pde, pte] = self.entries;
        let bits = bits(control, pde & pte, pde | pte, pte);
        Entry(pte & PHYS_MASK & !0xFFF | Entry::VALID | bits)
    }

    /// Sets A in both entries, and D in the leaf for a write.
    #[inline]
    pub fn mark(&self, tables: &mut impl TableMemory, write: bool) {
        let accessed = PteFlags::ACCESSED.bits();
        let leaf = if write { accessed | PteFlags::DIRTY.bits() } else { accessed };
        for (n, bits) in [(0, accessed), (1, leaf)] {
            if self.entries[n] & bits != bits {
                tables.store(self.at[n], self.size, self.entries[n] | bits);
            }
        }
    }
}

/// Rights and marks of a translation: of what `all` entries on the way have set, of what `any` has,
/// and of the last one, the `leaf` (SDM 3A 4.6).
#[inline]
fn bits(control: &Control, all: u64, any: u64, leaf: u64) -> u64 {
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    bit(all & PteFlags::WRITE.bits() != 0, Entry::WRITE)
        | bit(all & PteFlags::USER.bits() != 0, Entry::USER)
        | bit(control.nxe && any & PteFlags::NO_EXECUTE.bits() != 0, Entry::NO_EXECUTE)
        | bit(control.pge && leaf & PteFlags::GLOBAL.bits() != 0, Entry::GLOBAL)
        | bit(leaf & PteFlags::DIRTY.bits() != 0, Entry::DIRTY)
}

/// The bits that no PAE entry may have set.
fn reserved(control: &Control) -> u64 {
    let high = ((1 << (63 - PHYS_BITS)) - 1) << PHYS_BITS;
    if control.nxe { high } else { high | PteFlags::NO_EXECUTE.bits() }
}

/// One entry that was read on the way.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its level.
    pub level: Level,
    /// Where it lies.
    pub at: PhysAddr,
    /// Its value.
    pub entry: u64,
}

/// The way through the tables: at most three entries.
#[derive(Clone, Debug)]
pub struct Walk {
    steps: [Option<Step>; 3],
    entry_size: u8,
    /// The frame, if the walk got to one.
    frame: u64,
    large: bool,
    /// Where it stopped, if it did.
    pub stopped: Option<(Step, PageCheck)>,
}

impl Walk {
    /// Follows the tables for `lin`.
    pub fn new(tables: &mut impl TableMemory, control: &Control, lin: LinAddr) -> Self {
        let entry_size = if control.paging == Paging::Pae { 8 } else { 4 };
        let mut walk = Walk { steps: [None; 3], entry_size, frame: 0, large: false, stopped: None };
        if control.paging == Paging::Pae {
            walk.pae(tables, control, lin.0);
        } else {
            walk.two_level(tables, control, lin.0);
        }
        walk
    }

    /// Notes an entry; false where the walk ends there in a fault.
    fn visit(&mut self, n: usize, step: Step, reserved: u64) -> bool {
        self.steps[n] = Some(step);
        let check = if step.entry & PteFlags::PRESENT.bits() == 0 {
            PageCheck::NotPresent
        } else if step.entry & reserved != 0 {
            PageCheck::Reserved
        } else {
            return true;
        };
        self.stopped = Some((step, check));
        false
    }

    fn two_level(&mut self, tables: &mut impl TableMemory, control: &Control, lin: u64) {
        let at = PhysAddr((control.cr3 & 0xFFFF_F000) + (lin >> 22 & 0x3FF) * 4);
        let pde = tables.load(at, 4);
        let large = control.pse && pde & PteFlags::LARGE.bits() != 0;
        // Without PSE-36, bits 13..=21 of a 4 MiB entry are reserved (SDM 3A table 4-4).
        let reserved = if large { 0x003F_E000 } else { 0 };
        if !self.visit(0, Step { level: Level::Pde, at, entry: pde }, reserved) {
            return;
        }
        if large {
            self.large = true;
            self.frame = (pde & 0xFFC0_0000) | (lin & 0x003F_F000);
            return;
        }
        let at = PhysAddr((pde & 0xFFFF_F000) + (lin >> 12 & 0x3FF) * 4);
        let pte = tables.load(at, 4);
        if self.visit(1, Step { level: Level::Pte, at, entry: pte }, 0) {
            self.frame = pte & 0xFFFF_F000;
        }
    }

    fn pae(&mut self, tables: &mut impl TableMemory, control: &Control, lin: u64) {
        let n = lin >> 30 & 3;
        let at = PhysAddr((control.cr3 & 0xFFFF_FFE0) + n * 8);
        let pdpte = control.pdpte[n as usize];
        // The registers were checked when they were loaded.
        if !self.visit(0, Step { level: Level::Pdpte, at, entry: pdpte }, 0) {
            return;
        }
        let always = reserved(control);
        let at = PhysAddr((pdpte & PHYS_MASK & !0xFFF) + (lin >> 21 & 0x1FF) * 8);
        let pde = tables.load(at, 8);
        let large = pde & PteFlags::LARGE.bits() != 0;
        let reserved = always | if large { 0x001F_E000 } else { 0 };
        if !self.visit(1, Step { level: Level::Pde, at, entry: pde }, reserved) {
            return;
        }
        if large {
            self.large = true;
            self.frame = (pde & PHYS_MASK & !0x1F_FFFF) | (lin & 0x1F_F000);
            return;
        }
        let at = PhysAddr((pde & PHYS_MASK & !0xFFF) + (lin >> 12 & 0x1FF) * 8);
        let pte = tables.load(at, 8);
        if self.visit(2, Step { level: Level::Pte, at, entry: pte }, always) {
            self.frame = pte & PHYS_MASK & !0xFFF;
        }
    }

    /// The entries that carry rights: all but a PDPTE.
    fn rights(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().flatten().filter(|s| s.level != Level::Pdpte)
    }

    /// The first entry that lacks (or, for XD, has) a bit.
    #[must_use]
    pub fn denier(&self, lacks: PteFlags) -> Option<Step> {
        let denies = |s: &&Step| {
            let set = s.entry & lacks.bits() != 0;
            if lacks == PteFlags::NO_EXECUTE { set } else { !set }
        };
        self.rights().find(denies).copied()
    }

    /// The last entry read.
    #[must_use]
    pub fn leaf(&self) -> Option<Step> {
        self.steps.iter().flatten().last().copied()
    }

    /// The translation, if the walk got to a page.
    #[must_use]
    pub fn entry(&self, control: &Control) -> Option<Entry> {
        if self.stopped.is_some() {
            return None;
        }
        let leaf = self.leaf()?;
        let all = self.rights().fold(u64::MAX, |bits, s| bits & s.entry);
        let any = self.rights().fold(0, |bits, s| bits | s.entry);
        let large = if self.large { Entry::LARGE } else { 0 };
        Some(Entry(self.frame | Entry::VALID | large | bits(control, all, any, leaf.entry)))
    }

    /// Sets A in every entry used, and D in the leaf for a write.
    pub fn mark(&self, tables: &mut impl TableMemory, write: bool) {
        let leaf = self.leaf().map(|s| s.at);
        for s in self.rights() {
            let mut bits = PteFlags::ACCESSED;
            if write && Some(s.at) == leaf {
                bits |= PteFlags::DIRTY;
            }
            if s.entry & bits.bits() != bits.bits() {
                tables.store(s.at, self.entry_size, s.entry | bits.bits());
            }
        }
    }
}
