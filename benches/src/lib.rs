//! The criterion benchmarks of Cloister's parts: run one with `cargo bench -p benches --bench
//! NAME`. They time single mechanisms, to find what a change did; how fast whole guests run is
//! what `cloister bench` measures (docs/performance.md).

#![forbid(unsafe_code)]

pub mod rig;
