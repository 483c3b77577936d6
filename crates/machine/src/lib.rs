//! The machine: the board's wiring, boot protocols, the run loop, virtual time, snapshots and
//! lockstep. [`Machine::advance`] never blocks and owns no thread; the same inputs at the same
//! steps give the same run, bit for bit.
//!
//! Nothing here knows a terminal, a socket or the host's clock.

#![forbid(unsafe_code)]

pub mod boot;
