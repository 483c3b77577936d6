//! The software TLB: a small direct-mapped table from linear pages to offsets in guest
//! memory's arena, one for each privilege. A view of the set, never part of the state.

use mem::MmioId;

/// Entries for each privilege.
const SIZE: usize = 2048;

/// A tag that no page has, and no unaligned address in page 0 either (see `aligned_tag`): of a
/// slot that is empty.
const NONE: u64 = 0x800;
/// Another: of one that was emptied, but is still listed as used.
const GONE: u64 = 0xC00;

/// In the tags of a page whose accesses go to a device: no address is compared with it set.
const DEVICE: u64 = 0x400;
/// A device's number stands above this bit of a slot's offset.
const DEVICE_SHIFT: u32 = 48;

/// How a page may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRight {
    /// Not at all.
    No,
    /// Through [`mem::Memory::write`], which sees what the page's state asks for.
    Seen,
    /// Straight.
    Free,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
struct Slot {
    /// Linear page that may be read.
    read: u64,
    /// Linear page that may be written unseen.
    write: u64,
    /// Linear page that may be written through [`mem::Memory::write`].
    seen: u64,
    /// Arena offset of the page; of a device's registers, offset and number.
    offset: u64,
}

const EMPTY: Slot = Slot { read: NONE, write: NONE, seen: NONE, offset: 0 };

#[derive(Clone, Copy, Debug)]
struct FetchSlot {
    tag: u64,
    offset: u64,
}

const NO_FETCH: FetchSlot = FetchSlot { tag: NONE, offset: 0 };

/// The software TLB.
#[derive(Clone, Debug)]
pub struct View {
    data: Box<[[Slot; SIZE]; 2]>,
    fetch: Box<[[FetchSlot; SIZE]; 2]>,
    /// Slots of `data` and `fetch` filled since they were cleared, so that clearing costs what
    /// filling did.
    used: Vec<u16>,
    used_fetch: Vec<u16>,
    /// Changes whenever a translation is withdrawn: what was derived from one is void.
    version: u64,
    /// How often a page was filled in for reading or writing.
    fills: u64,
}

impl Default for View {
    fn default() -> Self {
        Self {
            data: Box::new([[EMPTY; SIZE]; 2]),
            fetch: Box::new([[NO_FETCH; SIZE]; 2]),
            used: Vec::new(),
            used_fetch: Vec::new(),
            version: 0,
            fills: 0,
        }
    }
}

#[inline(always)]
fn slot(lin: u64) -> usize {
    (lin >> 12) as usize % SIZE
}

/// The bits of an address that a tag is compared with: none of those within an aligned access
/// may be set, so that one comparison tells the page and that no page is crossed.
#[inline(always)]
fn aligned_tag(size: u32) -> u64 {
    !0xFFF | u64::from(size - 1)
}

/// The number of a slot among those of both privileges.
fn number(lin: u64, user: bool) -> usize {
    usize::from(user) * SIZE + slot(lin)
}

#[inline(always)]
fn within_page(lin: u64, size: u32) -> bool {
    (lin & 0xFFF) + u64::from(size) <= 0x1000
}

/// Where emitted code finds what in the table that [`View::table`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Slots, a power of two: the linear page's number modulo this selects one.
    pub slots: usize,
    /// Bytes of a slot.
    pub slot_bytes: usize,
    /// Offset in a slot of the linear page that may be read, eight bytes.
    pub read: usize,
    /// Of the linear page that may be written unseen.
    pub write: usize,
    /// Of the linear page that may be written where [`mem::Memory::write`] would see it.
    pub seen: usize,
    /// What is set in [`Layout::read`] besides where accesses go to a device.
    pub device: u64,
    /// Of the arena offset of the page.
    pub offset: usize,
}

impl View {
    /// The layout of a table, for emitted code.
    pub const LAYOUT: Layout = Layout {
        slots: SIZE,
        slot_bytes: size_of::<Slot>(),
        read: std::mem::offset_of!(Slot, read),
        write: std::mem::offset_of!(Slot, write),
        seen: std::mem::offset_of!(Slot, seen),
        device: DEVICE,
        offset: std::mem::offset_of!(Slot, offset),
    };

    /// The table of a privilege, for emitted code to read; it stays where it is.
    #[must_use]
    pub fn table(&self, user: bool) -> *const u8 {
        std::ptr::from_ref(&self.data[usize::from(user)]).cast()
    }

    /// Where `size` bytes at `lin` may be read, as an offset in the arena.
    #[inline(always)]
    #[must_use]
    pub fn read(&self, lin: u64, size: u32, user: bool) -> Option<u64> {
        let s = &self.data[usize::from(user)][slot(lin)];
        (s.read == lin & !0xFFF && within_page(lin, size)).then_some(s.offset | (lin & 0xFFF))
    }

    /// Where `size` bytes at `lin` may be written.
    #[inline(always)]
    #[must_use]
    pub fn write(&self, lin: u64, size: u32, user: bool) -> Option<u64> {
        let s = &self.data[usize::from(user)][slot(lin)];
        (s.write == lin & !0xFFF && within_page(lin, size)).then_some(s.offset | (lin & 0xFFF))
    }

    /// As [`View::read`], for a size of 1, 2 or 4 at a multiple of it; `None` for others.
    #[inline(always)]
    #[must_use]
    pub fn read_aligned(&self, lin: u64, size: u32, user: bool) -> Option<u64> {
        let s = &self.data[usize::from(user)][slot(lin)];
        (s.read == lin & aligned_tag(size)).then_some(s.offset | (lin & 0xFFF))
    }

    /// As [`View::write`], for a size of 1, 2 or 4 at a multiple of it; `None` for others.
    #[inline(always)]
    #[must_use]
    pub fn write_aligned(&self, lin: u64, size: u32, user: bool) -> Option<u64> {
        let s = &self.data[usize::from(user)][slot(lin)];
        (s.write == lin & aligned_tag(size)).then_some(s.offset | (lin & 0xFFF))
    }

    /// Where `size` bytes at `lin` may be written, if [`mem::Memory::write`] sees it.
    #[inline]
    #[must_use]
    pub fn write_seen(&self, lin: u64, size: u32, user: bool) -> Option<u64> {
        let s = &self.data[usize::from(user)][slot(lin)];
        (s.seen == lin & !0xFFF && within_page(lin, size)).then_some(s.offset | (lin & 0xFFF))
    }

    /// The device that `size` bytes at `lin` are read from or written to, and the offset there.
    #[inline]
    #[must_use]
    pub fn device(&self, lin: u64, size: u32, write: bool, user: bool) -> Option<(MmioId, u64)> {
        let s = &self.data[usize::from(user)][slot(lin)];
        let tag = if write { s.write } else { s.read };
        let is_it = tag == lin & !0xFFF | DEVICE && within_page(lin, size);
        let page = s.offset & ((1 << DEVICE_SHIFT) - 1);
        is_it.then_some((MmioId((s.offset >> DEVICE_SHIFT) as u16), page | (lin & 0xFFF)))
    }

    /// Where the instruction at `lin` may be fetched.
    #[inline(always)]
    #[must_use]
    pub fn fetch(&self, lin: u64, user: bool) -> Option<u64> {
        let s = &self.fetch[usize::from(user)][slot(lin)];
        (s.tag == lin & !0xFFF).then_some(s.offset | (lin & 0xFFF))
    }

    /// Remembers where a page may be read, and how it may be written.
    #[inline]
    pub fn fill(&mut self, lin: u64, offset: u64, write: WriteRight, user: bool) {
        self.fills += 1;
        let page = lin & !0xFFF;
        let (seen, write) = match write {
            WriteRight::No => (NONE, NONE),
            WriteRight::Seen => (page, NONE),
            WriteRight::Free => (page, page),
        };
        self.put(lin, user, Slot { read: page, write, seen, offset: offset & !0xFFF });
    }

    /// Remembers that accesses to a page go to a device, at `offset` there, and may write.
    pub(crate) fn fill_device(&mut self, lin: u64, to: (MmioId, u64), write: bool, user: bool) {
        let read = lin & !0xFFF | DEVICE;
        let (id, offset) = (u64::from(to.0.0), to.1 & !0xFFF);
        if offset >> DEVICE_SHIFT == 0 {
            let offset = id << DEVICE_SHIFT | offset;
            let write = if write { read } else { NONE };
            self.put(lin, user, Slot { read, write, seen: NONE, offset });
        }
    }

    #[inline]
    fn put(&mut self, lin: u64, user: bool, new: Slot) {
        let s = &mut self.data.as_flattened_mut()[number(lin, user)];
        if s.read == NONE {
            self.used.push(number(lin, user) as u16);
        }
        *s = new;
    }

    /// Remembers where a page may be executed.
    pub fn fill_fetch(&mut self, lin: u64, offset: u64, user: bool) {
        let s = &mut self.fetch.as_flattened_mut()[number(lin, user)];
        if s.tag == NONE {
            self.used_fetch.push(number(lin, user) as u16);
        }
        *s = FetchSlot { tag: lin & !0xFFF, offset: offset & !0xFFF };
    }

    /// Forgets a linear page.
    pub fn drop_page(&mut self, lin: u64) {
        for user in 0..2 {
            let s = &mut self.data[user][slot(lin)];
            if s.read & !DEVICE == lin & !0xFFF {
                *s = Slot { read: GONE, ..EMPTY };
            }
            let f = &mut self.fetch[user][slot(lin)];
            if f.tag == lin & !0xFFF {
                f.tag = GONE;
            }
        }
        self.version += 1;
    }

    /// Withdraws the right to write unseen from every mapping of a page of the arena.
    pub fn withdraw(&mut self, arena_page: u32) {
        let offset = u64::from(arena_page) << 12;
        let data = self.data.as_flattened_mut();
        for &n in &self.used {
            if data[usize::from(n)].offset == offset {
                data[usize::from(n)].write = NONE;
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for n in self.used.drain(..) {
            self.data.as_flattened_mut()[usize::from(n)] = EMPTY;
        }
        for n in self.used_fetch.drain(..) {
            self.fetch.as_flattened_mut()[usize::from(n)] = NO_FETCH;
        }
        self.version += 1;
    }

    /// How often a page was filled in for reading or writing: the misses that were cured.
    #[must_use]
    pub fn fills(&self) -> u64 {
        self.fills
    }

    /// Changes whenever a translation is withdrawn.
    #[inline(always)]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withdrawing_takes_write_rights_from_all_aliases() {
        let mut v = View::default();
        v.fill(0x1000, 0x7000, WriteRight::Free, false);
        v.fill(0x2000, 0x7000, WriteRight::Free, true);
        v.withdraw(7);
        assert_eq!((v.write(0x1004, 4, false), v.write(0x2004, 4, true)), (None, None));
        assert_eq!(v.write_seen(0x1004, 4, false), Some(0x7004));
        assert_eq!(
            (v.read(0x1004, 4, false), v.read(0x2004, 4, true)),
            (Some(0x7004), Some(0x7004))
        );
    }

    #[test]
    fn accesses_that_cross_a_page_miss() {
        let mut v = View::default();
        v.fill(0x1000, 0x7000, WriteRight::Free, false);
        assert_eq!(v.read(0x1FFC, 4, false), Some(0x7FFC));
        assert_eq!(v.read(0x1FFD, 4, false), None);
    }

    #[test]
    fn an_empty_view_knows_no_address_of_page_0() {
        let v = View::default();
        for lin in [0, 1, 2, 3, 0x800, 0xC00] {
            assert_eq!(
                (v.read_aligned(lin, 4, false), v.write_aligned(lin, 4, true)),
                (None, None)
            );
            assert_eq!((v.read(lin, 1, true), v.write_seen(lin, 1, false)), (None, None));
        }
    }

    #[test]
    fn a_devices_page_is_no_memory_and_goes_with_its_translation() {
        let mut v = View::default();
        v.fill_device(0x1000, (MmioId(7), 0xA_0000), false, true);
        assert_eq!(v.device(0x1234, 4, false, true), Some((MmioId(7), 0xA_0234)));
        assert_eq!(v.device(0x1234, 4, true, true), None);
        assert_eq!(
            (v.device(0x1234, 4, false, false), v.device(0x1FFE, 4, false, true)),
            (None, None)
        );
        assert_eq!((v.read(0x1234, 4, true), v.read_aligned(0x1400, 4, true)), (None, None));
        v.fill_device(0x1000, (MmioId(7), 0xA_0000), true, true);
        assert_eq!((v.write(0x1400, 4, true), v.write_seen(0x1400, 4, true)), (None, None));
        assert!(v.device(0x1234, 4, true, true).is_some());
        v.drop_page(0x1FFF);
        assert_eq!(
            (v.device(0x1234, 4, true, true), v.device(0x1234, 4, false, true)),
            (None, None)
        );
        v.fill_device(0x1000, (MmioId(7), 0xA_0000), true, true);
        v.clear();
        assert_eq!(v.device(0x1234, 4, false, true), None);
    }

    #[test]
    fn aligned_accesses_hit_and_others_miss() {
        let mut v = View::default();
        v.fill(0x1000, 0x7000, WriteRight::Free, false);
        assert_eq!(v.read_aligned(0x1FFC, 4, false), Some(0x7FFC));
        assert_eq!(v.write_aligned(0x1FFE, 2, false), Some(0x7FFE));
        assert_eq!(
            (v.read_aligned(0x1FFD, 4, false), v.write_aligned(0x1001, 2, false)),
            (None, None)
        );
    }

    #[test]
    fn a_cleared_view_knows_no_page_and_its_lists_stay_short() {
        let mut v = View::default();
        for _ in 0..10 {
            v.fill(0x1000, 0x7000, WriteRight::Seen, false);
            v.fill_fetch(0x1000, 0x7000, true);
            v.drop_page(0x1000);
        }
        assert_eq!((v.used.len(), v.used_fetch.len()), (1, 1));
        v.fill(0x1000, 0x7000, WriteRight::Seen, false);
        v.fill_fetch(0x1000, 0x7000, true);
        assert_eq!(
            (v.write_seen(0x1000, 4, false), v.fetch(0x1000, true)),
            (Some(0x7000), Some(0x7000))
        );
        v.clear();
        assert_eq!((v.read(0x1000, 4, false), v.write_seen(0x1000, 4, false)), (None, None));
        assert_eq!(v.fetch(0x1000, true), None);
    }
}
