//! How often each block was executed, where somebody asked for it ([`crate::Tuning::counts`]): the
//! emitted code counts, at the start of the block and behind its budget check.

use crate::abi::at;
use crate::emit::Emitter;
use dynasm::dynasm;
use dynasmrt::DynasmApi;
use std::sync::atomic::{AtomicU64, Ordering};

/// Blocks that can be counted: those with higher numbers aren't.
const MOST: usize = 1 << 18;

/// The counters, by the blocks' numbers; none where nobody asked. They never move.
#[derive(Debug, Default)]
pub(crate) struct Counts(Box<[AtomicU64]>);

impl Counts {
    pub fn new(are_wanted: bool) -> Self {
        let count = if are_wanted { MOST } else { 0 };
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    /// The first counter, for the context.
    pub fn start(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// The number by which the block of this number counts, if it does.
    pub fn counter(&self, number: u32) -> Option<u32> {
        Some(number).filter(|n| (*n as usize) < self.0.len())
    }

    /// Executions of the block of this number.
    pub fn of(&self, number: u32) -> Option<u64> {
        self.0.get(number as usize).map(|counter| counter.load(Ordering::Relaxed))
    }

    /// The number is a new block's.
    pub fn begin(&self, number: u32) {
        if let Some(counter) = self.0.get(number as usize) {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

impl Emitter<'_> {
    /// Counts an execution, if the source says by which number. Touches no flag.
    /// ```text
    ///   mov r9, [r15+COUNTS] ; mov r8, [r9+n*8] ; lea r8, [r8+1] ; mov [r9+n*8], r8
    /// ```
    pub(crate) fn count(&mut self, number: Option<u32>) {
        let Some(number) = number else { return };
        let counter = number as i32 * 8;
        dynasm!(self.ops
            ; .arch x64
            ; mov r9, [r15 + at::COUNTS]
            ; mov r8, [r9 + counter]
            ; lea r8, [r8 + 1]
            ; mov [r9 + counter], r8
        );
    }
}
