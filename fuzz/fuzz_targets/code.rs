//! Loops `machine::fuzz::code`: any bytes as code, run in two ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| machine::fuzz::code(data));
