//! The jump cache: from a target's EIP to the block there, for returns, indirect jumps and jumps
//! to other pages. Emitted code looks it up without touching a flag.
//!
//! The return ring stands before it: a call leaves the address of its landing there, a return goes
//! to the last one left. A landing compares the return's EIP with the one behind its call, and goes
//! by the jump cache if they differ: a guess that is wrong costs time, nothing else. The host
//! predicts such a jump well, and the way from landing to block is a linked edge.
//!
//! Invariants: an entry is found only while the base and limit of CS, the mode and the version of
//! the view are those it was made under, and while its block exists. A ring belongs to one code
//! view; its slots hold landings of blocks made for that view, whose code is in the arena still
//! (a dropped block's landing is as good as ever), or the stub that goes by the jump cache.

use crate::abi::Mode;
use crate::arena::TABLE_BYTES;
use crate::turn::{TURNS, Turn};
use std::ptr::NonNull;

/// One place, chosen by the low 16 bits of EIP.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Entry {
    /// What EIP and the code view give 0 with.
    negated: u64,
    /// Where the block is executed.
    start: u64,
}

const ENTRIES: usize = 1 << 16;
const _: () = assert!(size_of::<Entry>() * ENTRIES == TABLE_BYTES);

/// What entries depend on besides EIP.
#[derive(Clone, Copy, Debug, Default)]
pub struct CodeView {
    /// Base of CS.
    pub base: u32,
    /// Limit of CS.
    pub limit: u32,
    /// The mode's bits.
    pub mode: u32,
    /// Version of the view.
    pub version: u64,
}

impl CodeView {
    /// The code view of a processor in `mode`.
    #[must_use]
    pub fn of(cpu: &interp::Cpu, mode: Mode) -> Self {
        let cs = cpu.state.segment(x86::SegReg::Cs);
        let version = cpu.mmu.view().version();
        Self { base: cs.base as u32, limit: cs.limit, mode: mode.0, version }
    }

    /// Field by field: a comparison of wide words would wait for the stores of the fields.
    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        self.base == other.base
            && self.limit == other.limit
            && self.mode == other.mode
            && self.version == other.version
    }

    /// Where its number is remembered.
    fn place(&self) -> usize {
        let mixed = u64::from(self.base) << 32 ^ u64::from(self.mode) ^ self.version << 24;
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize % VIEWS
    }
}

/// Slots of a return ring: as many as a byte counts in steps of 8, so that r13 finds the next by
/// its low byte alone.
const SLOTS: usize = 32;

/// Where returns go that are due under one code view.
#[derive(Clone)]
#[repr(C, align(256))]
struct Ring([u64; SLOTS]);

/// The table.
pub struct Jumps {
    table: NonNull<u8>,
    /// Where a return goes whose call isn't in the ring: the stub.
    by_cache: u64,
    /// The code views' rings, by their places, and the current one's.
    rings: Vec<Ring>,
    ring: u64,
    current: CodeView,
    number: u32,
    /// Numbers of code views seen lately, 0 for none; no number is used twice.
    numbers: [(CodeView, u32); VIEWS],
    next: u32,
    /// Bit n: the block of entry n begins with a REP.
    repeats: Vec<u64>,
    /// What noted crossings lead to.
    pub(crate) turns: [Turn; TURNS],
    /// A ring was given to another code view.
    has_lost: bool,
}

/// Code views remembered at most: a power of two.
const VIEWS: usize = 64;

impl Jumps {
    /// An empty cache in `table`, which nobody but emitted code and it uses as long as it lives:
    /// [`TABLE_BYTES`] of zeroes. `by_cache` is the stub that looks r9 up.
    #[must_use]
    pub fn new(table: NonNull<u8>, by_cache: usize) -> Self {
        let (current, by_cache) = (CodeView::default(), by_cache as u64);
        let rings = vec![Ring([by_cache; SLOTS]); VIEWS];
        Self {
            table,
            by_cache,
            ring: rings.as_ptr() as u64,
            rings,
            current,
            number: 1,
            numbers: [(CodeView::default(), 0); VIEWS],
            next: 2,
            repeats: vec![0; ENTRIES / 64],
            turns: [Turn::default(); TURNS],
            has_lost: false,
        }
    }

    /// The number of a code view, in the upper half.
    #[inline(always)]
    pub fn number(&mut self, view: CodeView) -> u64 {
        if !view.is(&self.current) {
            self.current = view;
            let place = view.place();
            let known = &mut self.numbers[place];
            if !known.0.is(&view) || known.1 == 0 {
                // One of another version isn't led to any more.
                if known.1 != 0 && known.0.version == view.version {
                    self.turns = [Turn::default(); TURNS];
                    self.has_lost = true;
                }
                self.next = self.next.wrapping_add(1).max(1);
                *known = (view, self.next);
                self.rings[place].0 = [self.by_cache; SLOTS];
            }
            self.number = known.1;
            self.ring = &raw const self.rings[place] as u64;
        }
        u64::from(self.number) << 32
    }

    /// True if a code view lost its ring since this was asked: who noted one must forget it.
    #[inline(always)]
    pub fn has_lost(&mut self) -> bool {
        std::mem::take(&mut self.has_lost)
    }

    /// The current code view.
    #[must_use]
    pub fn view(&self) -> CodeView {
        self.current
    }

    /// Takes the code view of a turn, by its place.
    #[inline(always)]
    pub(crate) fn turn(&mut self, place: usize) {
        let turn = &self.turns[place];
        self.current = turn.view;
        self.number = (turn.number >> 32) as u32;
        self.ring = turn.ring;
    }

    /// Takes the code view that emitted code was left in, by its number and ring: doors lead to
    /// others.
    #[inline]
    pub fn follow(&mut self, number: u64, ring: u64) {
        let number = (number >> 32) as u32;
        if number != self.number {
            self.current = CodeView::default();
            (self.number, self.ring) = (number, ring);
        }
    }

    /// The current code view's return ring: an address that is a multiple of 256.
    #[inline(always)]
    #[must_use]
    pub fn ring(&self) -> u64 {
        self.ring
    }

    /// Where the block at `eip` is executed under the current code view, if that is known.
    #[inline]
    pub fn find(&mut self, eip: u32) -> Option<usize> {
        let tag = u64::from(self.number) << 32 | u64::from(eip);
        let entry = self.entry(eip);
        (entry.negated == tag.wrapping_neg()).then_some(entry.start as usize)
    }

    fn entry(&mut self, eip: u32) -> &mut Entry {
        // SAFETY: 16 bits choose one of the table's 65,536 entries, all of which are mapped,
        // aligned and plain data; emitted code, the only other user, isn't running.
        unsafe { &mut *self.table.as_ptr().cast::<Entry>().add((eip & 0xFFFF) as usize) }
    }

    /// True where the block at `eip`, which was found, begins with a REP.
    #[must_use]
    pub fn repeats(&self, eip: u32) -> bool {
        let n = eip as usize & (ENTRIES - 1);
        self.repeats[n / 64] >> (n % 64) & 1 != 0
    }

    /// Remembers the block at `eip` under the current code view.
    pub fn insert(&mut self, eip: u32, start: usize, repeats: bool) {
        let n = eip as usize & (ENTRIES - 1);
        let word = &mut self.repeats[n / 64];
        *word = *word & !(1 << (n % 64)) | u64::from(repeats) << (n % 64);
        let tag = u64::from(self.number) << 32 | u64::from(eip);
        *self.entry(eip) = Entry { negated: tag.wrapping_neg(), start: start as u64 };
    }

    /// Forgets a block.
    pub fn forget(&mut self, eip: u32, start: usize) {
        let entry = self.entry(eip);
        if entry.start == start as u64 {
            *entry = Entry { negated: 0, start: 0 };
        }
    }

    /// Forgets all: under numbers not used before, nothing is found. Landings are no more.
    pub fn clear(&mut self) {
        self.rings.fill(Ring([self.by_cache; SLOTS]));
        self.numbers = [(CodeView::default(), 0); VIEWS];
        self.turns = [Turn::default(); TURNS];
        self.current = CodeView::default();
        self.next = self.next.wrapping_add(1).max(1);
        self.number = self.next;
    }
}
