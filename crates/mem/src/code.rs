//! Where code was decoded from: for each page of the arena a bit for each 64-byte piece, which
//! emitted code looks at too, and one for each byte, which is asked where a piece holds both.
//!
//! Invariant: a piece's bit is set where that of one of its bytes is.

use x86::addr::{PAGE_MASK, PAGE_SIZE};

/// Bytes in a piece.
const PIECE: u64 = 64;

/// A bit for each byte of a page, by pieces.
type Bytes = [u64; 64];

/// Times that a page loses its last code before it is thought to get some again.
const CHURNS: u8 = 3;

/// A page that holds code, or did.
#[derive(Clone, Debug)]
struct PageCode {
    bytes: Bytes,
    /// How often it lost its last code.
    emptied: u8,
    /// No code was marked since [`CodeMap::rested`] last looked.
    rests: bool,
}

/// The code of all pages.
#[derive(Debug)]
pub(crate) struct CodeMap {
    pieces: Vec<u64>,
    pages: Vec<Option<Box<PageCode>>>,
    /// Pages that may be seen to be written for code that they no longer hold.
    idle: Vec<u32>,
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
        let (pieces, idle) = (vec![0; pages], Vec::new());
        Self { pieces, pages: vec![const { None }; pages], idle }
    }

    /// The words of pieces, for emitted code to read; they stay where they are.
    pub fn table(&self) -> *const u64 {
        self.pieces.as_ptr()
    }

    /// Code was decoded from `len` bytes at arena offset `offset`, within one page.
    pub fn mark(&mut self, offset: u64, len: u64) {
        let (page, offset) = ((offset / PAGE_SIZE) as usize, offset & PAGE_MASK);
        self.pieces[page] |= pieces(offset, len);
        let code = self.pages[page]
            .get_or_insert_with(|| Box::new(PageCode { bytes: [0; 64], emptied: 0, rests: false }));
        code.rests = false;
        words(offset, len).for_each(|(word, bits)| code.bytes[word] |= bits);
    }

    /// Forgets the code in the pieces that `len` bytes at `offset` lie in, within one page, but for
    /// the `kept` blocks that reach into them: arena offset and bytes of each.
    pub fn clear(&mut self, offset: u64, len: u64, kept: impl Iterator<Item = (u64, u64)>) {
        let page = (offset / PAGE_SIZE) as usize;
        let gone = pieces(offset & PAGE_MASK, len);
        self.pieces[page] &= !gone;
        if let Some(code) = &mut self.pages[page] {
            words(offset & PAGE_MASK, len).for_each(|(word, _)| code.bytes[word] = 0);
        }
        for (offset, len) in kept {
            if pieces(offset & PAGE_MASK, len) & gone != 0 {
                self.mark(offset, len);
            }
        }
    }

    /// A page lost its last code. True where its writes need no longer be seen; one that lost it
    /// often is thought to get code again soon, and [`CodeMap::rested`] says when it didn't.
    pub fn emptied(&mut self, page: u32) -> bool {
        let Some(code) = &mut self.pages[page as usize] else { return true };
        code.emptied = code.emptied.saturating_add(1);
        if code.emptied == CHURNS {
            self.idle.push(page);
        }
        code.emptied < CHURNS
    }

    /// The pages that are seen to be written for code that they no longer hold, and got none
    /// since this was called before.
    pub fn rested(&mut self) -> impl Iterator<Item = u32> {
        let (pages, pieces) = (&mut self.pages, &self.pieces);
        self.idle.extract_if(.., move |page| {
            let Some(code) = &mut pages[*page as usize] else { return true };
            let rests = code.rests && pieces[*page as usize] == 0;
            code.rests = true;
            if rests {
                code.emptied = 0;
            }
            rests
        })
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
        let code = self.pages[page as usize].as_ref();
        code.is_some_and(|code| words(offset, len).any(|(word, bits)| code.bytes[word] & bits != 0))
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
        map.clear(0x1000, 0x1000, std::iter::empty());
        assert!(!map.has(1) && !map.touches(1, 0x3C, 8));
    }

    #[test]
    fn what_is_kept_of_a_piece_stays_code() {
        let mut map = CodeMap::new(1);
        let blocks = [(0x3C, 8), (0x50, 4), (0x80, 4)];
        blocks.iter().for_each(|&(offset, len)| map.mark(offset, len));
        map.clear(0x50, 4, [blocks[0], blocks[2]].into_iter());
        assert!(map.touches(0, 0x3C, 1) && map.touches(0, 0x43, 1) && map.touches(0, 0x80, 1));
        assert!(!map.touches(0, 0x50, 4) && !map.touches(0, 0x44, 0x3C));
        map.clear(0x3C, 8, [blocks[2]].into_iter());
        assert_eq!(map.pieces[0], 1 << 2);
    }

    #[test]
    fn a_page_that_often_gets_code_again_is_given_up_when_it_rests() {
        let mut map = CodeMap::new(1);
        let lose = |map: &mut CodeMap| {
            map.mark(0, 4);
            map.clear(0, 4, std::iter::empty());
            map.emptied(0)
        };
        assert!((1..CHURNS).all(|_| lose(&mut map)));
        assert!(!lose(&mut map) && !lose(&mut map));
        assert_eq!(map.rested().count(), 0);
        assert!(!lose(&mut map));
        assert_eq!(map.rested().count(), 0, "it got code meanwhile");
        assert_eq!(map.rested().collect::<Vec<_>>(), [0]);
        assert!(lose(&mut map) && map.rested().count() == 0);
    }
}
