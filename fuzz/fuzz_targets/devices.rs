//! Loops `machine::fuzz::devices`: any traffic on the ports.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| machine::fuzz::devices(data));
