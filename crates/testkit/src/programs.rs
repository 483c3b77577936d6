//! Whole random programs, run by two engines from the same start and compared bit for bit: what
//! one instruction at a time can't show. A program is a chain of fragments between the handlers
//! of `roms/fuzz/fuzz-frame.s`: arithmetic, loops, calls, code that changes itself, code made at
//! run time, data beside code, strings, page tables that change under what runs, segments with
//! limits, rings, interrupts at awkward steps, debug registers, the FPU, MMX and SSE.
//!
//! [`Program::generate`] makes one of a seed; [`Race`] runs it on both engines.

mod asm;
mod fragments;
mod memory;
mod race;
mod system;
mod units;

pub use fragments::Kind;
pub use race::{Finding, Race, Tally};

use crate::rng::Rng;
use asm::Asm;

/// Where the pieces lie in guest memory; `roms/fuzz/fuzz-frame.s` has the same numbers.
pub mod place {
    /// Where a fault leads.
    pub const RECOVER: u32 = 0x8000;
    /// What the handlers saw.
    pub const HASH: u32 = 0x8004;
    /// The timer's period.
    pub const PERIOD: u32 = 0x8008;
    /// The program's start.
    pub const FIRST: u32 = 0x800C;
    /// Deliveries by vector.
    pub const COUNTS: u32 = 0x8100;
    /// The page directory; its table for the first 4 MiB follows.
    pub const PAGES: u32 = 0x10000;
    /// A second page directory that shares nothing with the first but what it maps.
    pub const OTHER_PAGES: u32 = 0x12000;
    /// The program.
    pub const PROGRAM: u32 = 0x20000;
    /// Code made at run time.
    pub const BUFFER: u32 = 0x40000;
    /// Data.
    pub const DATA: u32 = 0x50000;
    /// Top of ring 3's stack.
    pub const STACK3: u32 = 0x68000;
    /// Linear addresses where [`BUFFER`]'s and [`DATA`]'s pages are seen once more.
    pub const ALIAS: u32 = 0x20_0000;
}

/// Bytes of [`place::DATA`].
pub const DATA_BYTES: u32 = 0x8000;
/// Pages of [`place::BUFFER`], at the start of [`place::ALIAS`]; data's follow.
pub const BUFFER_PAGES: u32 = 16;
/// Fragments of a program.
const FRAGMENTS: u32 = 24;

/// A program and what it needs around it.
#[derive(Clone, Debug)]
pub struct Program {
    /// The seed it was made of.
    pub seed: u64,
    /// Its code, for [`place::PROGRAM`].
    pub code: Vec<u8>,
    /// What its fragments do, in order.
    pub kinds: Vec<Kind>,
    /// The timer's period in its own ticks.
    pub period: u16,
}

impl Program {
    /// The program of a seed: always the same.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut asm = Asm::new(place::PROGRAM);
        let mut kinds = Vec::new();
        for _ in 0..FRAGMENTS {
            let kind = Kind::any(&mut rng);
            kinds.push(kind);
            let next = asm.begin_fragment(&mut rng);
            kind.emit(&mut asm, &mut rng);
            asm.end_fragment(next);
        }
        // cli; out 0F4h, al; hlt
        asm.bytes(&[0xFA, 0xE6, 0xF4, 0xF4]);
        let longest = if rng.chance(25) { 2000 } else { 40 };
        let period = 3 + rng.below(longest) as u16;
        Self { seed, code: asm.finish(), kinds, period }
    }

    /// Both page directories with their tables: the first 4 MiB as they are, then buffer and data
    /// once more.
    #[must_use]
    pub fn pages() -> Vec<u8> {
        let mut words = Vec::new();
        for directory in [place::PAGES, place::OTHER_PAGES] {
            words.push((directory + 0x1000) | 7);
            words.extend([0; 1023]);
            words.extend((0..1024).map(entry));
        }
        words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect()
    }
}

/// The page-table entry of a page as a program finds it.
fn entry(page: u32) -> u32 {
    const FIRST: u32 = place::ALIAS >> 12;
    const DATA: u32 = FIRST + BUFFER_PAGES;
    const END: u32 = DATA + (DATA_BYTES >> 12);
    match page {
        // Global, so that some survive CR3 loads.
        0x20..0x24 => page << 12 | 0x107,
        0..0xC0 => page << 12 | 7,
        FIRST..DATA => (((page - FIRST) << 12) + place::BUFFER) | 7,
        DATA..END => (((page - DATA) << 12) + place::DATA) | 7,
        _ => 0,
    }
}
