//! The software TLB: a small direct-mapped table from linear pages to offsets in guest
//! memory's arena, one for each privilege. A view of the set, never part of the state.

/// Entries for each privilege.
const SIZE: usize = 2048;

/// A tag that no page has.
const NONE: u64 = 1;

#[derive(Clone, Copy, Debug)]
struct Slot {
    read: u64,
    write: u64,
    /// Arena offset of the page.
    offset: u64,
}

const EMPTY: Slot = Slot { read: NONE, write: NONE, offset: 0 };

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
    /// Changes whenever a translation is withdrawn: what was derived from one is void.
    version: u64,
}

impl Default for View {
    fn default() -> Self {
        Self {
            data: Box::new([[EMPTY; SIZE]; 2]),
            fetch: Box::new([[NO_FETCH; SIZE]; 2]),
            version: 0,
        }
    }
}

#[inline(always)]
fn slot(lin: u64) -> usize {
    (lin >> 12) as usize % SIZE
}

#[inline(always)]
fn within_page(lin: u64, size: u32) -> bool {
    (lin & 0xFFF) + u64::from(size) <= 0x1000
}

impl View {
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

    /// Where the instruction at `lin` may be fetched.
    #[inline(always)]
    #[must_use]
    pub fn fetch(&self, lin: u64, user: bool) -> Option<u64> {
        let s = &self.fetch[usize::from(user)][slot(lin)];
        (s.tag == lin & !0xFFF).then_some(s.offset | (lin & 0xFFF))
    }

    /// Remembers where a page may be read, and written too if `writable`.
    pub fn fill(&mut self, lin: u64, offset: u64, writable: bool, user: bool) {
        let page = lin & !0xFFF;
        let write = if writable { page } else { NONE };
        self.data[usize::from(user)][slot(lin)] =
            Slot { read: page, write, offset: offset & !0xFFF };
    }

    /// Remembers where a page may be executed.
    pub fn fill_fetch(&mut self, lin: u64, offset: u64, user: bool) {
        let page = lin & !0xFFF;
        self.fetch[usize::from(user)][slot(lin)] = FetchSlot { tag: page, offset: offset & !0xFFF };
    }

    /// Forgets a linear page.
    pub fn drop_page(&mut self, lin: u64) {
        for user in 0..2 {
            let s = &mut self.data[user][slot(lin)];
            if s.read == lin & !0xFFF {
                *s = EMPTY;
            }
            let f = &mut self.fetch[user][slot(lin)];
            if f.tag == lin & !0xFFF {
                *f = NO_FETCH;
            }
        }
        self.version += 1;
    }

    /// Withdraws write rights from every mapping of a page of the arena.
    pub fn withdraw(&mut self, arena_page: u32) {
        let offset = u64::from(arena_page) << 12;
        for s in self.data.iter_mut().flatten() {
            if s.offset == offset {
                s.write = NONE;
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.data.as_flattened_mut().fill(EMPTY);
        self.fetch.as_flattened_mut().fill(NO_FETCH);
        self.version += 1;
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
        v.fill(0x1000, 0x7000, true, false);
        v.fill(0x2000, 0x7000, true, true);
        v.withdraw(7);
        assert_eq!((v.write(0x1004, 4, false), v.write(0x2004, 4, true)), (None, None));
        assert_eq!(
            (v.read(0x1004, 4, false), v.read(0x2004, 4, true)),
            (Some(0x7004), Some(0x7004))
        );
    }

    #[test]
    fn accesses_that_cross_a_page_miss() {
        let mut v = View::default();
        v.fill(0x1000, 0x7000, true, false);
        assert_eq!(v.read(0x1FFC, 4, false), Some(0x7FFC));
        assert_eq!(v.read(0x1FFD, 4, false), None);
    }
}
