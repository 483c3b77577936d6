//! What the criterion benchmarks share.

#![forbid(unsafe_code)]
