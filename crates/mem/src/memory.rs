//! Guest memory as engines, devices and loaders use it.

use crate::arena::{Arena, ArenaError};
use crate::code::CodeMap;
use crate::map::{Kind, MapError, PhysMap, Region, Target};
use crate::page::{PageState, PageStates};
use x86::PhysAddr;
use x86::addr::{PAGE_MASK, PAGE_SIZE};

/// What a write through [`Memory::write`] met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing special.
    Plain,
    /// It reached bytes that code was decoded from: see [`Memory::next_code_write`].
    Code,
}

/// A write that reached bytes that code was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeWrite {
    /// Offset in the arena.
    pub offset: u64,
    /// Bytes, all within one page.
    pub len: u64,
}

impl CodeWrite {
    /// The page's number in the arena.
    #[must_use]
    pub fn page(&self) -> u32 {
        (self.offset / PAGE_SIZE) as u32
    }

    /// True where the write changed any of `len` bytes at `offset`.
    #[must_use]
    pub fn overlaps(&self, offset: u64, len: u64) -> bool {
        self.offset < offset + len && offset < self.offset + self.len
    }
}

/// RAM, ROM and device memory behind the physical map.
#[derive(Debug)]
pub struct Memory {
    arena: Arena,
    used: u64,
    map: PhysMap,
    /// Where each physical page below the end of RAM leads: the complement of twice its page in
    /// the arena, 1 more where it may be written; [`ASK`] where the map must be asked.
    direct: Box<[u32; DIRECT_PAGES as usize]>,
    /// Pages from 0 on for which `direct` may have been set.
    direct_len: usize,
    states: PageStates,
    code: CodeMap,
    /// Where code was overwritten, for the engine to invalidate.
    code_writes: Vec<CodeWrite>,
    /// The step at which [`Memory::rest_code`] last looked.
    rested: u64,
    /// Counts changes of the map: views of an older one are void.
    map_version: u64,
}

/// Steps after which a page is asked whether it still gets code.
const REST_STEPS: u64 = 1 << 20;
/// See [`Memory::direct`].
const ASK: u32 = 0;
/// Physical pages that are looked up directly at most: 4 GiB.
const DIRECT_PAGES: u64 = 1 << 20;

impl Memory {
    /// An empty map over an arena of `size_bytes`, rounded up to whole pages.
    pub fn new(size_bytes: u64) -> Result<Self, ArenaError> {
        let size = size_bytes.max(1).next_multiple_of(PAGE_SIZE);
        let arena = Arena::new(size)?;
        let states = PageStates::new((size / PAGE_SIZE) as usize);
        Ok(Self {
            arena,
            used: 0,
            map: PhysMap::default(),
            direct: vec![ASK; DIRECT_PAGES as usize].try_into().expect("a vector of that many"),
            direct_len: 0,
            states,
            code: CodeMap::new((size / PAGE_SIZE) as usize),
            code_writes: Vec::new(),
            rested: 0,
            map_version: 0,
        })
    }

    /// Memory of `size_bytes` RAM from address 0, and nothing else: for tests and tools.
    pub fn flat(size_bytes: u64) -> Result<Self, ArenaError> {
        let mut memory = Self::new(size_bytes)?;
        let len = memory.arena.len();
        let ram = Region {
            name: "ram".into(),
            start: PhysAddr(0),
            len,
            kind: Kind::Ram,
            arena_offset: 0,
        };
        memory.used = len;
        memory.map.add(ram).expect("the first region of a map overlaps none");
        memory.map_changed();
        Ok(memory)
    }

    /// Takes `len` bytes of the arena, or `None` if it is used up. Returns their offset.
    pub fn allocate(&mut self, len: u64) -> Option<u64> {
        let offset = self.used;
        let end = offset.checked_add(len)?.next_multiple_of(PAGE_SIZE);
        if end > self.arena.len() {
            return None;
        }
        self.used = end;
        Some(offset)
    }

    /// Adds a region to the map.
    pub fn add(&mut self, region: Region) -> Result<(), MapError> {
        let added = self.map.add(region);
        self.map_changed();
        added
    }

    /// Removes a region by name.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.map.remove(name);
        self.map_changed();
        removed
    }

    /// Makes the direct table again.
    fn map_changed(&mut self) {
        self.map_version += 1;
        let backed = |r: &&Region| !matches!(r.kind, Kind::Mmio(_));
        self.direct[..self.direct_len].fill(ASK);
        self.direct_len = 0;
        for region in self.map.regions().iter().filter(backed) {
            let (first, pages) = (region.start.0 / PAGE_SIZE, region.len / PAGE_SIZE);
            let writable = u64::from(region.kind != Kind::Rom);
            let last = (first + pages).min(DIRECT_PAGES);
            if region.kind == Kind::Ram {
                self.direct_len = self.direct_len.max(last as usize);
            }
            for page in first..last.min(self.direct_len as u64) {
                let word = 2 * (region.arena_offset / PAGE_SIZE + page - first) + writable;
                self.direct[page as usize] = u32::try_from(word).map_or(ASK, |word| !word);
            }
        }
    }

    /// The physical map.
    #[must_use]
    pub fn map(&self) -> &PhysMap {
        &self.map
    }

    /// Changes whenever the map does.
    #[must_use]
    pub fn map_version(&self) -> u64 {
        self.map_version
    }

    /// Where an address leads.
    #[inline]
    #[must_use]
    pub fn resolve(&self, addr: PhysAddr) -> Target {
        let page = (addr.0 / PAGE_SIZE) as u32;
        match self.direct(page) {
            Some((at, writable)) if addr.0 / PAGE_SIZE < DIRECT_PAGES => {
                let offset = u64::from(at) * PAGE_SIZE + (addr.0 & PAGE_MASK);
                Target::Memory { offset, writable }
            }
            _ => self.map.resolve(addr),
        }
    }

    /// Where a physical page leads, if that is plain memory below the end of RAM: its page in the
    /// arena, and whether it may be written. Of the page's number the low 20 bits count.
    #[inline(always)]
    #[must_use]
    pub fn direct(&self, page: u32) -> Option<(u32, bool)> {
        let word = self.direct[page as usize % DIRECT_PAGES as usize];
        (word != ASK).then_some((!word >> 1, word & 1 == 0))
    }

    /// Doubleword `n` of a page of the arena, below 1024.
    #[inline(always)]
    #[must_use]
    pub fn entry(&self, page: u32, n: u32) -> u32 {
        u32::from_le_bytes(self.arena.load(u64::from(page) * PAGE_SIZE + u64::from(4 * n)))
    }

    /// Writes it, as [`Memory::write`] does.
    #[inline]
    pub fn set_entry(&mut self, page: u32, n: u32, value: u32) {
        let at = u64::from(4 * n % PAGE_SIZE as u32);
        self.note_write(page, at, 4);
        self.arena.store(u64::from(page) * PAGE_SIZE + at, value.to_le_bytes());
    }

    /// True where nobody wants to see writes to a page of the arena, but for its being a table.
    #[inline(always)]
    #[must_use]
    pub fn is_free(&self, page: u32) -> bool {
        self.states.get(page).difference(PageState::TABLES).is_empty()
    }

    /// The backing memory, to be read.
    #[inline(always)]
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The backing memory, to be written by a view that holds write rights to the page.
    /// Anything else calls [`Memory::write`].
    #[inline(always)]
    pub fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    /// The pages' state words.
    #[must_use]
    pub fn states(&self) -> &PageStates {
        &self.states
    }

    /// The pages' state words, to be changed.
    pub fn states_mut(&mut self) -> &mut PageStates {
        &mut self.states
    }

    /// For emitted code to read: the state words of all pages, and which 64-byte pieces of each
    /// code was decoded from, by page number in the arena. Both stay where they are.
    #[must_use]
    pub fn tables(&self) -> (*const u32, *const u64) {
        (self.states.table(), self.code.table())
    }

    /// Says that code was decoded from `len` bytes at arena offset `offset`, within one page.
    pub fn mark_code(&mut self, offset: u64, len: u64) {
        let page = (offset / PAGE_SIZE) as u32;
        self.code.mark(offset, len);
        self.states.protect(page, PageState::CODE);
    }

    /// Says that the blocks in `len` bytes at arena offset `offset`, within one page, are gone but
    /// for those `kept`: arena offset and bytes of each in the page.
    pub fn drop_code(&mut self, offset: u64, len: u64, kept: impl Iterator<Item = (u64, u64)>) {
        let page = (offset / PAGE_SIZE) as u32;
        if !self.code.has(page) {
            return;
        }
        self.code.clear(offset, len, kept);
        if !self.code.has(page) && self.code.emptied(page) {
            self.states.release(page, PageState::CODE);
        }
    }

    /// Forgets the code of a page: its blocks are gone.
    pub fn forget_code(&mut self, page: u32) {
        self.drop_code(u64::from(page) * PAGE_SIZE, PAGE_SIZE, std::iter::empty());
    }

    /// Where `now`, in steps, is late enough: lets pages be written freely that have no code any
    /// more, but used to get some again and again.
    #[inline]
    pub fn rest_code(&mut self, now: u64) {
        if now.wrapping_sub(self.rested) >= REST_STEPS {
            self.rested = now;
            self.code.rested().for_each(|page| self.states.release(page, PageState::CODE));
        }
    }

    /// True where a write to `len` bytes at arena offset `offset`, within one page that holds
    /// code, has nothing to tell: the page was written in this epoch, is seen to be written for
    /// its code alone, and none of the bytes is code.
    #[must_use]
    pub fn is_beside_code(&self, offset: u64, len: u64) -> bool {
        let page = (offset / PAGE_SIZE) as u32;
        self.states.is_plain_code(page) && !self.code.touches(page, offset & PAGE_MASK, len)
    }

    /// A place where code was overwritten, each once.
    pub fn next_code_write(&mut self) -> Option<CodeWrite> {
        self.code_writes.pop()
    }

    /// The pages whose code was overwritten since the last call, each once.
    pub fn take_code_writes(&mut self) -> Vec<u32> {
        let mut pages: Vec<u32> = self.code_writes.drain(..).map(|w| w.page()).collect();
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// True where code was overwritten and its blocks are still to be dropped.
    #[must_use]
    pub fn has_code_writes(&self) -> bool {
        !self.code_writes.is_empty()
    }

    /// Writes to backed memory at arena offset `offset`, within one page, seeing all that the
    /// page's state asks for. Used by slow stores, DMA, loaders and the debugger.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Write {
        let page = (offset / PAGE_SIZE) as u32;
        let outcome = self.note_write(page, offset & PAGE_MASK, bytes.len() as u64);
        self.arena.write(offset, bytes);
        outcome
    }

    /// What a write to a page must tell: it is dirty, and its code may be gone.
    #[inline]
    pub fn note_write(&mut self, page: u32, offset: u64, len: u64) -> Write {
        self.states.mark_dirty(page);
        if !self.states.get(page).contains(PageState::CODE) {
            return Write::Plain;
        }
        if !self.code.touches(page, offset, len) {
            return Write::Plain;
        }
        let offset = u64::from(page) * PAGE_SIZE + offset;
        match self.code_writes.last_mut() {
            // The next element of a string, or of a transfer.
            Some(last) if last.page() == page && last.offset + last.len == offset => {
                last.len += len;
            }
            _ => self.code_writes.push(CodeWrite { offset, len }),
        }
        Write::Code
    }

    /// Reads physical memory, as DMA and debuggers do: registers and holes read as ones.
    pub fn read_phys(&self, addr: PhysAddr, out: &mut [u8]) {
        for (at, piece) in page_pieces(addr, out.len()) {
            let part = &mut out[piece];
            match self.resolve(at) {
                Target::Memory { offset, .. } => self.arena.read(offset, part),
                Target::Mmio { .. } | Target::Unmapped => part.fill(0xFF),
            }
        }
    }

    /// Writes physical memory, as DMA and debuggers do: ROM, registers and holes ignore it.
    pub fn write_phys(&mut self, addr: PhysAddr, bytes: &[u8]) {
        for (at, piece) in page_pieces(addr, bytes.len()) {
            if let Target::Memory { offset, writable: true } = self.resolve(at) {
                self.write(offset, &bytes[piece]);
            }
        }
    }

    /// Fills ROM at load time: as [`Memory::write_phys`], ROM included.
    pub fn load_rom(&mut self, addr: PhysAddr, bytes: &[u8]) {
        for (at, piece) in page_pieces(addr, bytes.len()) {
            if let Target::Memory { offset, .. } = self.resolve(at) {
                self.write(offset, &bytes[piece]);
            }
        }
    }
}

/// Cuts a range at page borders: the address of each part and its range in the buffer.
fn page_pieces(
    addr: PhysAddr,
    len: usize,
) -> impl Iterator<Item = (PhysAddr, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = addr.plus(done as u64);
        let part = (len - done).min((PAGE_SIZE - at.offset()) as usize);
        let range = done..done + part;
        done += part;
        Some((at, range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_beside_code_is_plain_and_into_it_is_seen() {
        let mut m = Memory::flat(0x4000).unwrap();
        m.mark_code(0x1040, 16);
        assert_eq!(m.write(0x1050, &[1]), Write::Plain);
        assert!(!m.has_code_writes());
        assert_eq!(m.write(0x104F, &[1, 2]), Write::Code);
        assert_eq!(m.write(0x1051, &[1]), Write::Plain);
        assert_eq!(m.next_code_write(), Some(CodeWrite { offset: 0x104F, len: 2 }));
        assert_eq!(m.next_code_write(), None);
        m.forget_code(1);
        assert_eq!(m.write(0x1040, &[1]), Write::Plain);
    }

    #[test]
    fn only_the_blocks_that_are_kept_are_code() {
        let mut m = Memory::flat(0x4000).unwrap();
        m.mark_code(0x1000, 0x80);
        m.drop_code(0x1000, 0x80, [(0x1040, 0x40)].into_iter());
        assert_eq!((m.write(0x1000, &[1]), m.write(0x1040, &[1])), (Write::Plain, Write::Code));
    }

    #[test]
    fn a_page_that_gets_code_again_and_again_stays_seen_until_it_rests() {
        let mut m = Memory::flat(0x4000).unwrap();
        let mut is_seen = |now: u64, marks: bool| {
            m.rest_code(now);
            if marks {
                m.mark_code(0x1000, 4);
                m.forget_code(1);
            }
            m.states().get(1).contains(PageState::CODE)
        };
        assert_eq!([1, 2, 3, 4].map(|now| is_seen(now, true)), [false, false, true, true]);
        let late = |n: u64| n * REST_STEPS;
        assert_eq!([1, 2, 3].map(|n| is_seen(late(n), n == 1)), [true, true, false]);
    }

    #[test]
    fn writes_one_behind_the_other_are_told_as_one() {
        let mut m = Memory::flat(0x4000).unwrap();
        m.mark_code(0x1000, 0x1000);
        m.mark_code(0x2000, 0x40);
        m.write(0x1FFC, &[1, 2]);
        m.write(0x1FFE, &[1, 2]);
        m.write(0x2000, &[1]);
        assert_eq!(m.next_code_write(), Some(CodeWrite { offset: 0x2000, len: 1 }));
        assert_eq!(m.next_code_write(), Some(CodeWrite { offset: 0x1FFC, len: 4 }));
    }

    #[test]
    fn dma_into_code_is_seen_too() {
        let mut m = Memory::flat(0x4000).unwrap();
        m.mark_code(0x2000, 4);
        m.write_phys(PhysAddr(0x1FFE), &[1, 2, 3, 4]);
        assert_eq!(m.take_code_writes(), [2]);
    }

    #[test]
    fn holes_read_as_ones_and_ignore_writes() {
        let mut m = Memory::flat(0x1000).unwrap();
        m.write_phys(PhysAddr(0xFFE), &[1, 2, 3, 4]);
        let mut out = [0; 4];
        m.read_phys(PhysAddr(0xFFE), &mut out);
        assert_eq!(out, [1, 2, 0xFF, 0xFF]);
    }
}
