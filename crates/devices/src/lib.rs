//! The chips of the board, one file each. A chip sees only what it was handed: interrupt
//! lines, a timer in virtual time, and small traits behind which the host's files and
//! terminals are.
//!
//! Invariants: whatever a guest writes, a chip answers with a defined value and never panics;
//! all of its state is saved; time is the virtual time of the access, never the host's.

#![forbid(unsafe_code)]

pub mod pic;
pub mod pit;
pub mod uart;
mod wire;

pub use pic::Pic;
pub use pit::Pit;
pub use uart::{SerialSink, Uart};
