//! Snapshots, on each engine.

mod rig;

#[path = "rig/snapshots.rs"]
mod interpreted;
#[allow(clippy::duplicate_mod)] // the same tests on the other engine
#[path = "rig/snapshots.rs"]
mod translated;
