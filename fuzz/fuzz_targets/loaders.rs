//! Loops `machine::fuzz::loaders`: images of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| machine::fuzz::loaders(data));
