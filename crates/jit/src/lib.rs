//! The translator: guest code becomes host code. Host and guest speak the same language, so most
//! of it is copying: the guest's bytes with other prefixes.
//!
//! Invariants: what isn't emitted is carried out by the interpreter's function for that
//! instruction, so both engines have one semantics; after any `run` the state is exact; no
//! privileged or sensitive instruction of the guest is ever run by the host. [`abi`] is the
//! contract between emitted code and Rust. Nothing here knows a device.

pub mod abi;
pub mod arena;
mod asm;
pub mod block;
mod cache;
pub mod callout;
mod counts;
pub mod door;
pub mod emit;
mod engine;
pub mod fault;
pub mod forms;
pub mod fpu;
pub mod jumps;
pub mod listing;
mod miss;
pub mod rewrite;
pub mod stats;
mod strings;
mod stubs;
pub mod survey;
pub mod turn;
pub mod window;

pub use arena::JitError;
pub use engine::{Jit, Links, Tuning, WindowUse, check_host};
pub use stats::Statistics;
