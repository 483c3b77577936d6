//! Boot protocols: what an image is, what of it goes where, and the state in which it begins.
//! All of it works on bytes alone; arbitrary ones give an error, never a panic.

pub mod detect;
pub mod elf;
pub mod error;
pub mod handoff;
pub mod kernel;
pub mod mbinfo;
pub mod multiboot;
#[cfg(test)]
pub(crate) mod samples;

pub use detect::{Format, HEAD, detect, detect_head};
pub use error::ImageError;
pub use handoff::Handoff;
pub use mbinfo::Module;
