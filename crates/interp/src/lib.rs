//! The interpreter: the meaning of every instruction, segmentation, interrupts, gates and task
//! switches, and the engine that runs predecoded blocks with links.
//!
//! Invariants: after any `run` the state is exact, and the budget was honoured to the step.
//! Semantics exist once: a translator calls these functions for what it doesn't emit. Nothing
//! here knows a device. `unsafe` is in the files named `host_*`, which run instructions on the
//! host's own units.

#![deny(unsafe_code)]

mod access;
mod cache;
mod chain;
mod cpu;
mod deliver;
mod engine;
mod events;
#[allow(unsafe_code)]
pub mod host_fpu;
#[allow(unsafe_code)]
pub mod host_simd;
pub mod ops;
mod quick;
mod seam;
mod single;
mod wide;

pub use cpu::{Cpu, Handler, Link, Word};
pub use engine::{Dispatch, Exit, Interp, Next};
pub use events::Events;
