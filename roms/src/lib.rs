//! The guest programs of Cloister, as bytes: our BIOS, the tour, the self-checking programs
//! and the benchmark workloads. Their sources are the folders beside this crate.

#![forbid(unsafe_code)]

pub mod bench;
pub mod fonts;
pub mod recipe;
pub mod screens;

include!(concat!(env!("OUT_DIR"), "/all.rs"));

/// The guest program called `name` (the source's file stem), or `None`.
pub fn get(name: &str) -> Option<&'static [u8]> {
    ALL.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes)
}
