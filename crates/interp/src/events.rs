//! The buffer between the interpreter and whoever reads events. The machine drains it.

use x86::event::Wanted;
use x86::{Event, Record};

/// Events waiting to be read.
#[derive(Clone, Debug)]
pub struct Events {
    /// Which events are made at all.
    pub wanted: Wanted,
    buffer: Vec<Record>,
}

/// The engine stops for the machine to drain the buffer at this many.
const FULL: usize = 4096;
/// No more than this are ever kept.
const MAX: usize = 2 * FULL;

impl Default for Events {
    fn default() -> Self {
        Self { wanted: Wanted::CROSSINGS | Wanted::FAULTS, buffer: Vec::new() }
    }
}

impl Events {
    /// True where any of these is wanted.
    #[inline(always)]
    #[must_use]
    pub fn wants(&self, class: Wanted) -> bool {
        self.wanted.intersects(class)
    }

    /// Adds an event.
    pub fn push(&mut self, step: u64, event: Event) {
        if self.buffer.len() < MAX {
            self.buffer.push(Record { step, event });
        }
    }

    /// The engine should stop and let the machine drain it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// Takes everything.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.buffer)
    }
}
