//! Guest memory: one arena (a memfd mapped into this process) that backs RAM, ROM and device
//! memory, the physical map that says what lies where, and one state word a page.
//!
//! Invariants: every write to backed memory goes through a view that `protect` has not
//! withdrawn, or through [`Memory::write`]; so a page that holds code, is watched, or counts
//! for the dirty epoch is never written unseen. Nothing here knows a device or a CPU.

pub mod arena;
mod code;
pub mod map;
pub mod memory;
pub mod page;

pub use arena::{Arena, ArenaError};
pub use map::{Kind, MapError, MmioId, Region, Target};
pub use memory::{CodeWrite, Memory, Write};
pub use page::PageState;
