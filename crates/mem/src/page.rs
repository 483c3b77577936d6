//! The state word of a page of backed memory.
//!
//! One operation, [`PageStates::protect`], withdraws write rights from every view: code
//! tracking, dirty tracking, watchpoints and checkpoints all use it. Views (software TLBs,
//! later host windows) read the log of withdrawn pages and drop what they hold.

use bitflags::bitflags;

bitflags! {
    /// Why a page may not be written without being seen. The upper half of the word is the
    /// epoch of the last seen write.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PageState: u32 {
        /// Code was decoded from it.
        const CODE = 1 << 0;
        /// A watchpoint lies on it.
        const WATCHED = 1 << 1;
        /// It was used as a page table.
        const TABLES = 1 << 2;
        /// Not yet written in this epoch.
        const CLEAN = 1 << 3;
        /// Not yet written since a display drew it.
        const SHOWN = 1 << 4;
    }
}

const EPOCH_SHIFT: u32 = 16;

/// The words of all pages, and the log of withdrawals.
#[derive(Debug)]
pub struct PageStates {
    words: Vec<u32>,
    /// Pages whose write rights were withdrawn, oldest first.
    log: Vec<u32>,
    /// Withdrawals before the log's first; views that saw less must drop everything.
    dropped: u64,
    epoch: u16,
}

const LOG_MAX: usize = 4096;

impl PageStates {
    /// `pages` pages, none protected.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self { words: vec![0; pages], log: Vec::new(), dropped: 0, epoch: 0 }
    }

    /// The state of a page, by its number in the arena.
    #[inline]
    #[must_use]
    pub fn get(&self, page: u32) -> PageState {
        PageState::from_bits_truncate(self.words[page as usize])
    }

    /// The words, for emitted code to read.
    pub(crate) fn table(&self) -> *const u32 {
        self.words.as_ptr()
    }

    /// The word of a page that is seen to be written for its code alone, and was in this epoch:
    /// a write beside the code changes nothing of it.
    #[must_use]
    pub fn plain_code(&self) -> u32 {
        PageState::CODE.bits() | u32::from(self.epoch) << EPOCH_SHIFT
    }

    /// True where the word of a page is [`PageStates::plain_code`].
    #[must_use]
    pub fn is_plain_code(&self, page: u32) -> bool {
        self.words[page as usize] == self.plain_code()
    }

    /// Adds reasons to see each write to `page`, and withdraws its write rights from every
    /// view if it had none before.
    pub fn protect(&mut self, page: u32, why: PageState) {
        let word = &mut self.words[page as usize];
        let had = PageState::from_bits_truncate(*word);
        *word |= why.bits();
        if had.is_empty() && !why.is_empty() {
            if self.log.len() == LOG_MAX {
                self.dropped += LOG_MAX as u64;
                self.log.clear();
            }
            self.log.push(page);
        }
    }

    /// Removes reasons. Views regain write rights when they next ask.
    pub fn release(&mut self, page: u32, why: PageState) {
        self.words[page as usize] &= !why.bits();
    }

    /// Counts of withdrawals so far: what a view remembers.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.dropped + self.log.len() as u64
    }

    /// The pages withdrawn since a view saw `seen` of them; `None` if it must drop all it has.
    #[must_use]
    pub fn since(&self, seen: u64) -> Option<&[u32]> {
        let from = usize::try_from(seen.checked_sub(self.dropped)?).ok()?;
        self.log.get(from..)
    }

    /// Marks a page as written in this epoch.
    #[inline]
    pub fn mark_dirty(&mut self, page: u32) {
        let unwritten = PageState::CLEAN | PageState::SHOWN;
        let word = &mut self.words[page as usize];
        *word = *word & 0xFFFF & !unwritten.bits() | u32::from(self.epoch) << EPOCH_SHIFT;
    }

    /// Begins a new epoch: from now on each page's first write is seen again.
    pub fn next_epoch(&mut self) -> u16 {
        self.epoch = self.epoch.wrapping_add(1);
        for page in 0..self.words.len() as u32 {
            self.protect(page, PageState::CLEAN);
        }
        self.epoch
    }

    /// True where the page was written in epoch `epoch`.
    #[must_use]
    pub fn written_in(&self, page: u32, epoch: u16) -> bool {
        let word = self.words[page as usize];
        (word >> EPOCH_SHIFT) as u16 == epoch && word & PageState::CLEAN.bits() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protecting_logs_a_page_once() {
        let mut s = PageStates::new(4);
        s.protect(2, PageState::CODE);
        s.protect(2, PageState::WATCHED);
        assert_eq!(s.since(0), Some(&[2][..]));
        assert_eq!(s.since(s.seen()), Some(&[][..]));
        s.release(2, PageState::CODE | PageState::WATCHED);
        s.protect(2, PageState::CODE);
        assert_eq!(s.since(1), Some(&[2][..]));
    }

    #[test]
    fn a_write_to_what_is_shown_is_seen() {
        let mut s = PageStates::new(2);
        s.protect(1, PageState::SHOWN | PageState::CODE);
        s.mark_dirty(1);
        assert_eq!(s.get(1), PageState::CODE);
    }

    #[test]
    fn a_view_that_missed_too_much_must_drop_all() {
        let mut s = PageStates::new(2);
        for _ in 0..=LOG_MAX {
            s.protect(1, PageState::CODE);
            s.release(1, PageState::CODE);
        }
        assert_eq!(s.since(0), None);
    }

    #[test]
    fn a_new_epoch_sees_first_writes_again() {
        let mut s = PageStates::new(2);
        let epoch = s.next_epoch();
        assert!(s.get(1).contains(PageState::CLEAN));
        s.mark_dirty(1);
        assert!(s.written_in(1, epoch) && !s.written_in(0, epoch));
    }
}
