//! What another engine takes from this crate, so that semantics exist once: the boundary, single
//! instructions, faults, and the bounds of segments. A translator runs a [`crate::Handler`] for
//! what it doesn't emit, with RIP behind the instruction, and calls [`Cpu::fault`] if it fails.

use crate::cpu::Cpu;
use bus::System;
use x86::event::Wanted;
use x86::{Fault, SegReg};

impl Cpu {
    /// Where the first offsets that may not be read lie, by segment, for emitted code to write
    /// when it loads a segment whose end it knows.
    pub const READ_END: usize = std::mem::offset_of!(Cpu, read_end);

    /// True where somebody wants to be told of SYSENTER and SYSEXIT.
    #[inline]
    #[must_use]
    pub fn tells_sysenter(&self) -> bool {
        let crossings = self.events.wants(Wanted::CROSSINGS);
        self.events.wants(Wanted::CALLOUTS) || crossings && !self.events.wants(Wanted::BUT_SYSENTER)
    }

    /// Begins a run of `budget` steps; the boundary is looked at first.
    pub fn begin(&mut self, sys: &mut System, budget: u64) {
        sys.mem.rest_code(self.steps);
        self.budget_end = self.steps.saturating_add(budget);
        self.mmu.sync(&sys.mem);
        self.attention = true;
        self.is_careful = false;
    }

    /// Carries out one instruction (or one iteration of a REP), or delivers its fault.
    pub fn step(&mut self, sys: &mut System) {
        self.single(sys);
    }

    /// Delivers the fault of the instruction at `ip`.
    pub fn fault(&mut self, sys: &mut System, fault: Fault, ip: u64) {
        self.fail(sys, fault, ip);
    }

    /// True where the boundary is to be looked at before the next instruction.
    #[inline(always)]
    #[must_use]
    pub fn wants_boundary(&self) -> bool {
        self.attention
    }

    /// The first offsets that may not be read and not be written; 0 where every access must be
    /// checked with care.
    #[inline]
    #[must_use]
    pub fn segment_ends(&self, s: SegReg) -> (u64, u64) {
        (self.read_end[s as usize], self.write_end[s as usize])
    }

    /// Where in guest memory the code at linear address `lin` lies; `None` where fetching it
    /// faults, or it lies outside memory: then [`Cpu::step`] finds out.
    pub fn code_offset(&mut self, sys: &mut System, lin: u64) -> Option<u64> {
        let known = self.mmu.view().fetch(lin, self.state.cpl == 3);
        known.or_else(|| self.fetch_offset(sys, lin))
    }
}
