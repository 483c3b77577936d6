//! Says what the processor did and why it died: the ring trace, the fault explainer, the JSON
//! report, symbols.
//!
//! Reads events, evidence, state and memory; changes nothing, and knows no terminal.

#![forbid(unsafe_code)]

pub mod crossing;
pub mod disasm;
pub mod explain;
pub mod history;
pub mod narrate;
pub mod registers;
pub mod report;
pub mod scene;
pub mod sentence;
pub mod symbols;
pub mod trace;
pub mod walk;
pub mod words;

#[cfg(test)]
mod tests_support;

pub use explain::{Explanation, explain};
pub use history::History;
pub use scene::{Ending, GuestMemory, Link, Pic, Scene};
pub use symbols::Symbols;
