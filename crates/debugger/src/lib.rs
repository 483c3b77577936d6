//! Says what the processor did and why it died: the ring trace, the fault explainer, the JSON
//! report, symbols.
//!
//! Reads events, evidence, state and memory; changes nothing, and knows no terminal.

#![forbid(unsafe_code)]

pub mod crossing;
pub mod narrate;
pub mod sentence;
pub mod symbols;
pub mod words;

#[cfg(test)]
mod tests_support;

pub use symbols::Symbols;
