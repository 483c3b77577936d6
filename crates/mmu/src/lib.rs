//! Paging: page walks, the set of cached translations, and the software TLB.
//!
//! Invariants: which translations are cached is machine state, visible to a guest, the same
//! for every engine, saved and hashed ([`Set`]). Views such as the software TLB ([`View`])
//! hold a part of the set and never more. A would-be page fault drops the entry and walks
//! again (SDM 3A 4.10.4.1). What loads of control registers keep or drop is decided here.

#![forbid(unsafe_code)]

mod set;
mod unit;
mod view;
mod walk;

pub use set::{CAPACITY, Entry, Set};
pub use unit::{Access, Control, Mmu, PageFault, Paging, Refill};
pub use view::{Layout, View, WriteRight};
pub use walk::{Physical, TableMemory, Walk};
