//! Boot paths, on each engine.

mod rig;

#[path = "rig/boots.rs"]
mod interpreted;
#[allow(clippy::duplicate_mod)] // the same tests on the other engine
#[path = "rig/boots.rs"]
mod translated;
