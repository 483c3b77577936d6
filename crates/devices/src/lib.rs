//! The chips of the board, one file each. A chip sees only what it was handed: interrupt
//! lines, a timer in virtual time, and small traits behind which the host's files and
//! terminals are.
//!
//! Invariants: whatever a guest writes, a chip answers with a defined value and never panics;
//! all of its state is saved; time is the virtual time of the access, never the host's.

#![forbid(unsafe_code)]

pub mod calendar;
pub mod cmos;
pub mod coprocessor;
pub mod cp437;
pub mod debugcon;
pub mod dma8237;
pub mod exit;
pub mod fdc;
pub mod ide;
pub mod keys;
pub mod lpt;
pub mod pic;
pub mod pit;
pub mod port92;
pub mod post;
pub mod power;
pub mod ps2;
pub mod storage;
#[cfg(test)]
#[path = "_template.rs"]
mod template;
pub mod uart;
pub mod vga;
mod wire;

pub use calendar::Civil;
pub use cmos::{Cmos, CmosConfig, DiskGeometry};
pub use coprocessor::Coprocessor;
pub use debugcon::Debugcon;
pub use dma8237::{Dma, DmaChannel};
pub use exit::DebugExit;
pub use fdc::Fdc;
pub use ide::Ide;
pub use keys::Key;
pub use lpt::Lpt;
pub use pic::Pic;
pub use pit::Pit;
pub use port92::Port92;
pub use post::Post;
pub use power::Power;
pub use ps2::{Motion, Ps2};
pub use storage::{Overlay, SECTOR_BYTES, Sector, Storage, StorageError};
pub use uart::{SerialSink, Uart};
pub use vga::{TextScreen, Vga};
