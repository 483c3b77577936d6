//! Loops `machine::fuzz::state`: any state of the processor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| machine::fuzz::state(data));
