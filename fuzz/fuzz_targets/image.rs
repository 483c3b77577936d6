//! Loops `machine::fuzz::image`: boot images of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| machine::fuzz::image(data));
