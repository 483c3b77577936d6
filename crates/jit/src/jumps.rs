//! The jump cache: from a target's EIP to the block there, for returns, indirect jumps and jumps
//! to other pages. Emitted code looks it up without touching a flag.
//!
//! Invariant: an entry is found only while the base and limit of CS, the mode and the version of
//! the view are those it was made under, and while its block exists.

use crate::abi::Mode;
use crate::arena::{JitError, Mapping, refused};

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
const _: () = assert!(size_of::<Entry>() == 16);

/// What entries depend on besides EIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
}

/// The table.
pub struct Jumps {
    table: Mapping,
    current: CodeView,
    number: u32,
    /// Numbers of the code views seen last; none is used twice.
    numbers: Vec<(CodeView, u32)>,
    next: u32,
}

/// Code views remembered at most.
const VIEWS: usize = 16;

impl Jumps {
    /// An empty cache.
    pub fn new() -> Result<Self, JitError> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let table = Mapping::new(ENTRIES * size_of::<Entry>(), rights, flags, -1)
            .ok_or_else(refused("memory for the jump cache"))?;
        let current = CodeView::default();
        Ok(Self { table, current, number: 1, numbers: Vec::new(), next: 2 })
    }

    /// Address of the first entry.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.table.at.as_ptr() as u64
    }

    /// The number of a code view, in the upper half.
    pub fn number(&mut self, view: CodeView) -> u64 {
        if view != self.current {
            self.current = view;
            self.number = match self.numbers.iter().find(|(known, _)| *known == view) {
                Some((_, number)) => *number,
                None => self.new_number(view),
            };
        }
        u64::from(self.number) << 32
    }

    fn new_number(&mut self, view: CodeView) -> u32 {
        if self.numbers.len() >= VIEWS {
            self.numbers.clear();
        }
        self.next = self.next.wrapping_add(1).max(1);
        self.numbers.push((view, self.next));
        self.next
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
        unsafe { &mut *self.table.at.as_ptr().cast::<Entry>().add((eip & 0xFFFF) as usize) }
    }

    /// Remembers the block at `eip` under the current code view.
    pub fn insert(&mut self, eip: u32, start: usize) {
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

    /// Forgets all: under numbers not used before, nothing is found.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.current = CodeView::default();
        self.next = self.next.wrapping_add(1).max(1);
        self.number = self.next;
    }
}
