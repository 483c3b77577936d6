//! The x86 architecture as data: registers, flags, selectors, descriptors, gates, page-table
//! entries, faults with their evidence, the event schema, and the pure ALU.
//!
//! Nothing here touches memory or a device, and nothing depends on another crate of ours.
//! Names are the manuals' (Intel SDM).

#![forbid(unsafe_code)]

pub mod addr;
pub mod alu;
pub mod arith;
pub mod cause;
pub mod control;
pub mod event;
pub mod fault;
pub mod flags;
pub mod fpu;
pub mod intercept;
pub mod model;
pub mod paging;
pub mod segment;
pub mod shift;
pub mod state;
pub mod tss;

pub use addr::{LinAddr, PhysAddr};
pub use arith::{Arith, Width};
pub use cause::Cause;
pub use control::{Cr0, Cr4, Efer};
pub use event::{Event, Record};
pub use fault::{Fault, Vector};
pub use flags::Eflags;
pub use fpu::{F80, Fpu};
pub use intercept::Intercept;
pub use model::{Features, Model};
pub use segment::{Descriptor, SegReg, Segment, Selector};
pub use state::State;
