//! The machine: the board's wiring, boot protocols, the run loop, virtual time, snapshots and
//! lockstep. [`Machine::advance`] never blocks and owns no thread; the same inputs at the same
//! steps give the same run, bit for bit.
//!
//! Nothing here knows a terminal, a socket or the host's clock.

#![forbid(unsafe_code)]

pub mod board;
pub mod boot;
pub mod config;
pub mod error;
pub mod fuzz;
pub mod hang;
pub mod input;
pub mod lockstep;
pub mod machine;
pub mod media;
mod runner;
pub mod snapshot;
pub mod stop;

pub use board::Board;
pub use boot::ImageError;
pub use config::{BootDevice, Engine, KernelSource, MachineConfig, OnShutdown};
pub use error::MachineError;
pub use hang::HangKind;
pub use input::{Input, Pending, Stamped};
pub use jit::emit::Kind as TranslationKind;
pub use jit::listing::Entry as TranslatedEntry;
pub use jit::survey::{Link, Sweep, Translated};
pub use jit::{JitError, Links, Statistics as TranslatorStatistics, Tuning, WindowUse};
pub use lockstep::Divergence;
pub use machine::Machine;
pub use media::Medium;
pub use snapshot::SnapshotError;
pub use stop::{StopReason, Until};
