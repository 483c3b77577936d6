//! The buffer between the interpreter and whoever reads events. The machine drains it.

use x86::event::Wanted;
use x86::{Event, Record};

/// Events waiting to be read.
#[derive(Clone, Debug)]
pub struct Events {
    /// Which events are made at all.
    pub wanted: Wanted,
    buffer: Vec<Record>,
    /// Where events begin whose place still has the EIP behind their instruction.
    unplaced: Option<usize>,
}

/// The engine stops for the machine to drain the buffer at this many.
/// A quarter of a mebibyte of them is read again before it left the host's caches.
const FULL: usize = 1024;
/// No more than this are ever kept.
const MAX: usize = 2 * FULL;

impl Default for Events {
    fn default() -> Self {
        Self { wanted: Wanted::CROSSINGS | Wanted::FAULTS, buffer: Vec::new(), unplaced: None }
    }
}

impl Events {
    /// True where any of these is wanted.
    #[inline(always)]
    #[must_use]
    pub fn wants(&self, class: Wanted) -> bool {
        self.wanted.intersects(class)
    }

    /// Adds an event: inlined, so that it is made where it is kept.
    #[inline(always)]
    pub fn push(&mut self, step: u64, event: Event) {
        if self.buffer.len() < MAX {
            self.buffer.push(Record { step, event });
        }
    }

    /// Adds an event of an instruction that doesn't know where it stands; the engine does, and
    /// calls [`Events::place`] behind it.
    pub fn push_unplaced(&mut self, step: u64, event: Event) {
        self.unplaced.get_or_insert(self.buffer.len());
        self.push(step, event);
    }

    /// The instruction whose events wait for their place stands at `eip`.
    #[inline(always)]
    pub fn place(&mut self, eip: u32) {
        if let Some(first) = self.unplaced.take() {
            self.place_from(first, eip);
        }
    }

    #[cold]
    fn place_from(&mut self, first: usize, eip: u32) {
        for record in self.buffer.iter_mut().skip(first) {
            if let Event::Io { at, .. } | Event::Callout { at, .. } = &mut record.event {
                at.eip = eip;
            }
        }
    }

    /// The engine should stop and let the machine drain it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// Takes everything.
    pub fn take(&mut self) -> Vec<Record> {
        self.unplaced = None;
        let room = Vec::with_capacity(self.buffer.len().next_power_of_two());
        std::mem::replace(&mut self.buffer, room)
    }
}
