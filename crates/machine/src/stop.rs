//! How far to run, and why a run came back.

use crate::hang::HangKind;
use crate::lockstep::Divergence;

/// How far to run: the first of both bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Until {
    /// Until this many steps have been retired since power-on.
    pub step: Option<u64>,
    /// Until virtual time is this, nanoseconds.
    pub ns: Option<u64>,
}

impl Until {
    /// No bound: until the guest stops by itself.
    pub const STOPPED: Until = Until { step: None, ns: None };

    /// Until a step.
    #[must_use]
    pub fn step(step: u64) -> Self {
        Self { step: Some(step), ns: None }
    }

    /// Until a virtual time in nanoseconds.
    #[must_use]
    pub fn ns(ns: u64) -> Self {
        Self { step: None, ns: Some(ns) }
    }

    /// The same, but for a step as well.
    #[must_use]
    pub fn and_step(self, step: u64) -> Self {
        Self { step: Some(self.step.map_or(step, |s| s.min(step))), ..self }
    }

    /// The same, but for a virtual time as well.
    #[must_use]
    pub fn and_ns(self, ns: u64) -> Self {
        Self { ns: Some(self.ns.map_or(ns, |n| n.min(ns))), ..self }
    }
}

/// Why [`Machine::advance`](crate::Machine::advance) came back.
#[derive(Clone, Debug, PartialEq)]
pub enum StopReason {
    /// What was asked for is reached.
    Until,
    /// The guest switched the machine off.
    PoweredOff,
    /// The guest wrote this to isa-debug-exit.
    DebugExit(u32),
    /// A triple fault; the processor's `chain` tells why.
    Shutdown,
    /// Nothing will ever happen again.
    Hang(HangKind),
    /// The guest switched to long mode, which we don't run yet.
    LongMode64,
    /// Take the events and call again.
    EventsFull,
    /// Halted with interrupts on, and no device will raise one by itself: give input.
    Idle,
    /// Lockstep found two ways of running that differ.
    Diverged(Box<Divergence>),
}
