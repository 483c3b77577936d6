//! Where code was decoded from: for each page of the arena a bit for each 64-byte piece, which
//! emitted code looks at too, and one for each byte, which is asked where a piece holds both.
//!
//! Invariant: a piece's bit is set where that of one of its bytes is.

use x86::addr::{PAGE_MASK, PAGE_SIZE};

/// Bytes in a piece.
const PIECE: u64 = 64;

/// A bit for each byte of a page, by pieces.
type Bytes = [u64; 64];

/// The code of all pages.
#[derive(Debug)]
pub(crate) struct CodeMap {
    pieces: Vec<u64>,
    /// Of pages that hold code, or did.
    bytes: Vec<Option<Box<Bytes>>>,
}

/// The pieces that `len` bytes at `offset` within a page lie in, a bit each.
fn pieces(offset: u64, len: u64) -> u64 {
    bits(offset / PIECE, (offset + len.max(1) - 1) / PIECE)
}

/// Bits `first` to `last` of a word.
fn bits(first: u64, last: u64) -> u64 {
    (u64::MAX << first) & (u64::MAX >> (63 - last))
}

/// The words of a page that `len` bytes at `offset` lie in, and which bits of each.
fn words(offset: u64, len: u64) -> impl Iterator<Item = (usize, u64)> {
    let last = offset + len.max(1) - 1;
    (offset / PIECE..=last / PIECE).map(move |word| {
        let start = word * PIECE;
        (word as usize, bits(offset.max(start) - start, last.min(start + PIECE - 1) - start))
    })
}

impl CodeMap {
    /// `pages` pages without code.
    pub fn new(pages: usize) -> Self {
        Self { pieces: vec![0; pages], bytes: vec![const { None }; pages] }
    }

    /// The words of pieces, for emitted code to read; they stay where they are.
    pub fn table(&self) -> *const u64 {
        self.pieces.as_ptr()
    }

    /// Code was decoded from `len` bytes at arena offset `offset`, within one page.
    pub fn mark(&mut self, offset: u64, len: u64) {
        let (page, offset) = ((offset / PAGE_SIZE) as usize, offset & PAGE_MASK);
        self.pieces[page] |= pieces(offset, len);
        let bytes = self.bytes[page].get_or_insert_with(|| Box::new([0; 64]));
        words(offset, len).for_each(|(word, bits)| bytes[word] |= bits);
    }

    /// Forgets all code of a page.
    pub fn clear(&mut self, page: u32) {
        self.pieces[page as usize] = 0;
        if let Some(bytes) = &mut self.bytes[page as usize] {
            bytes.fill(0);
        }
    }

    /// True where a page holds code.
    pub fn has(&self, page: u32) -> bool {
        self.pieces[page as usize] != 0
    }

    /// True where code was decoded from any of `len` bytes at `offset` within a page.
    pub fn touches(&self, page: u32, offset: u64, len: u64) -> bool {
        if self.pieces[page as usize] & pieces(offset, len) == 0 {
            return false;
        }
        let bytes = self.bytes[page as usize].as_ref();
        bytes.is_some_and(|bytes| words(offset, len).any(|(word, bits)| bytes[word] & bits != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_masks_cover_whole_pages() {
        assert_eq!(pieces(0, 4096), u64::MAX);
        assert_eq!(pieces(63, 2), 3);
        assert_eq!(pieces(4095, 1), 1 << 63);
    }

    #[test]
    fn bytes_beside_code_in_its_piece_are_told_from_it() {
        let mut map = CodeMap::new(2);
        map.mark(0x103C, 8);
        assert_eq!(map.pieces[1], 3);
        let touches = |offset, len| map.touches(1, offset, len);
        assert!(touches(0x3C, 1) && touches(0x43, 1) && touches(0x38, 5) && touches(0, 0x1000));
        assert!(!touches(0x38, 4) && !touches(0x44, 4) && !touches(0x7F, 1) && !touches(0x80, 1));
        map.clear(1);
        assert!(!map.has(1) && !map.touches(1, 0x3C, 8));
    }
}
