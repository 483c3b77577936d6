//! The contracts of the machine, on each engine.

mod rig;

#[path = "rig/contracts.rs"]
mod interpreted;
#[allow(clippy::duplicate_mod)] // the same tests on the other engine
#[path = "rig/contracts.rs"]
mod translated;
