//! The set of cached translations: what the architecture calls the TLB, without its
//! accidents. Entries stay until flushed; at the cap the whole set is dropped.

use serde::{Deserialize, Serialize};
use x86::paging::PteFlags;
use x86::{LinAddr, PhysAddr};

/// A cached translation of one 4 KiB page, packed in 64 bits: the frame above bit 12, the
/// rights below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub u64);

impl Entry {
    /// In use.
    pub const VALID: u64 = 1 << 0;
    /// Writes are allowed by every level.
    pub const WRITE: u64 = 1 << 1;
    /// CPL 3 is allowed by every level.
    pub const USER: u64 = 1 << 2;
    /// Execution is forbidden by some level.
    pub const NO_EXECUTE: u64 = 1 << 3;
    /// Survives loads of CR3.
    pub const GLOBAL: u64 = 1 << 4;
    /// The D bit in memory is known to be set.
    pub const DIRTY: u64 = 1 << 5;
    /// Part of a large page.
    pub const LARGE: u64 = 1 << 6;
    /// Its page number is in the list of used ones.
    pub(crate) const LISTED: u64 = 1 << 7;

    /// True where all bits of `mask` are set.
    #[must_use]
    pub const fn has(self, mask: u64) -> bool {
        self.0 & mask == mask
    }

    /// What the entries on the way to a small page give, two levels of 32 bits; `global` says that
    /// G counts. The bits of rights stand where they do in the tables.
    #[inline(always)]
    #[must_use]
    pub(crate) fn of_small(pde: u32, pte: u32, global: bool) -> Self {
        let rights = pde & pte & (Self::WRITE | Self::USER) as u32;
        let marks =
            pte >> 1 & Self::DIRTY as u32 | pte >> 4 & (Self::GLOBAL as u32 * u32::from(global));
        Self(u64::from(pte & !0xFFF | rights | marks) | Self::VALID)
    }

    /// The physical page.
    #[must_use]
    pub const fn frame(self) -> PhysAddr {
        PhysAddr(self.0 & !0xFFF)
    }
}

/// Entries that the set may hold. One more drops all.
pub const CAPACITY: usize = 1 << 16;

const PAGES: usize = 1 << 20;

const _: () = assert!(
    Entry::WRITE == PteFlags::WRITE.bits()
        && Entry::USER == PteFlags::USER.bits()
        && Entry::DIRTY == PteFlags::DIRTY.bits() >> 1
        && Entry::GLOBAL == PteFlags::GLOBAL.bits() >> 4
);

/// All cached translations, by linear page.
#[derive(Clone, Debug)]
pub struct Set {
    entries: Box<[u64; PAGES]>,
    used: Vec<u32>,
    count: usize,
    large: usize,
    /// Global ones.
    global: usize,
}

impl Default for Set {
    fn default() -> Self {
        let entries = vec![0; PAGES].try_into().expect("a vector of that many");
        Self { entries, used: Vec::new(), count: 0, large: 0, global: 0 }
    }
}

fn index(lin: LinAddr) -> usize {
    lin.page_number() as usize & (PAGES - 1)
}

impl Set {
    /// The translation of a page.
    #[inline]
    #[must_use]
    pub fn get(&self, lin: LinAddr) -> Option<Entry> {
        let e = Entry(self.entries[index(lin)]);
        e.has(Entry::VALID).then_some(e)
    }

    /// Adds or replaces a translation. At the cap everything else is dropped first; then true
    /// is returned, since views must drop theirs too.
    pub fn insert(&mut self, lin: LinAddr, entry: Entry) -> bool {
        let at = index(lin);
        self.remove_one(at);
        let full = self.count >= CAPACITY;
        if full {
            self.clear();
        }
        if self.entries[at] & Entry::LISTED == 0 {
            if self.used.len() >= 2 * CAPACITY {
                self.compact();
            }
            self.used.push(at as u32);
        }
        self.entries[at] = entry.0 | Entry::VALID | Entry::LISTED;
        self.count += 1;
        self.large += usize::from(entry.has(Entry::LARGE));
        self.global += usize::from(entry.has(Entry::GLOBAL));
        full
    }

    /// Adds the translation of a small page that has none. False, with nothing changed, if it has,
    /// or where adding takes more than that.
    #[inline(always)]
    pub(crate) fn insert_new(&mut self, lin: LinAddr, entry: Entry) -> bool {
        let at = index(lin);
        let old = self.entries[at];
        let is_full = self.count >= CAPACITY || self.used.len() >= 2 * CAPACITY;
        if old & Entry::VALID != 0 || is_full {
            return false;
        }
        if old & Entry::LISTED == 0 {
            self.used.push(at as u32);
        }
        self.entries[at] = entry.0 | Entry::VALID | Entry::LISTED;
        self.count += 1;
        self.global += usize::from(entry.has(Entry::GLOBAL));
        true
    }

    /// Marks the translation of a page that has one dirty.
    pub(crate) fn mark_dirty(&mut self, lin: LinAddr) {
        self.entries[index(lin)] |= Entry::DIRTY;
    }

    fn remove_one(&mut self, at: usize) {
        let e = Entry(self.entries[at]);
        if e.has(Entry::VALID) {
            self.count -= 1;
            self.large -= usize::from(e.has(Entry::LARGE));
            self.global -= usize::from(e.has(Entry::GLOBAL));
            self.entries[at] = Entry::LISTED;
        }
    }

    fn compact(&mut self) {
        let entries = &mut self.entries;
        self.used.retain(|&at| {
            let keep = Entry(entries[at as usize]).has(Entry::VALID);
            if !keep {
                entries[at as usize] = 0;
            }
            keep
        });
    }

    /// Drops the translation of a page; of a large page, all its parts (SDM 3A 4.10.4.1).
    /// `large_shift` is 22 or 21.
    pub fn remove(&mut self, lin: LinAddr, large_shift: u32) {
        self.remove_one(index(lin));
        if self.large == 0 {
            return;
        }
        let pages = 1usize << (large_shift - 12);
        let first = index(lin) & !(pages - 1);
        for at in first..first + pages {
            if Entry(self.entries[at]).has(Entry::VALID | Entry::LARGE) {
                self.remove_one(at);
            }
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        for at in self.used.drain(..) {
            self.entries[at as usize] = 0;
        }
        (self.count, self.large, self.global) = (0, 0, 0);
    }

    /// Drops everything but global pages.
    pub fn clear_non_global(&mut self) {
        if self.global == 0 {
            return self.clear();
        }
        for i in 0..self.used.len() {
            let at = self.used[i] as usize;
            if !Entry(self.entries[at]).has(Entry::GLOBAL) {
                self.remove_one(at);
            }
        }
        self.compact();
    }

    /// How many translations are cached.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All translations in order of their linear pages: (page number, entry).
    #[must_use]
    pub fn list(&self) -> Vec<(u32, Entry)> {
        let mut all: Vec<(u32, Entry)> = self
            .used
            .iter()
            .map(|&at| (at, Entry(self.entries[at as usize] & !Entry::LISTED)))
            .filter(|(_, e)| e.has(Entry::VALID))
            .collect();
        all.sort_unstable_by_key(|(at, _)| *at);
        all
    }

    /// Replaces everything by what [`Set::list`] gave. Entries outside the address space or
    /// beyond the cap are dropped.
    pub fn restore(&mut self, list: &[(u32, Entry)]) {
        self.clear();
        for &(page, entry) in list.iter().take(CAPACITY) {
            if (page as usize) < PAGES {
                self.insert(LinAddr(u64::from(page) << 12), entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lin(page: u64) -> LinAddr {
        LinAddr(page << 12)
    }

    #[test]
    fn one_entry_past_the_cap_drops_all_others() {
        let mut s = Set::default();
        for page in 0..CAPACITY as u64 {
            assert!(!s.insert(lin(page), Entry(page << 12)));
        }
        assert_eq!(s.len(), CAPACITY);
        assert!(s.insert(lin(CAPACITY as u64), Entry(0)));
        assert_eq!(s.len(), 1);
        assert_eq!(s.get(lin(0)), None);
    }

    #[test]
    fn removing_one_part_of_a_large_page_removes_all_parts() {
        let mut s = Set::default();
        s.insert(lin(0x400), Entry(Entry::LARGE));
        s.insert(lin(0x7FF), Entry(Entry::LARGE));
        s.insert(lin(0x500), Entry(0));
        s.insert(lin(0x800), Entry(Entry::LARGE));
        s.remove(lin(0x401), 22);
        let left: Vec<u32> = s.list().into_iter().map(|(p, _)| p).collect();
        assert_eq!(left, [0x500, 0x800]);
    }

    #[test]
    fn global_entries_survive_and_lists_restore() {
        let mut s = Set::default();
        s.insert(lin(3), Entry(0x5000 | Entry::GLOBAL));
        s.insert(lin(4), Entry(0x6000));
        s.clear_non_global();
        let mut t = Set::default();
        t.restore(&s.list());
        assert_eq!(t.list(), [(3, Entry(0x5000 | Entry::GLOBAL | Entry::VALID))]);
    }
}
