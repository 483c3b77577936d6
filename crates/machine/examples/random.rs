//! Feeds the functions of `machine::fuzz` random bytes for some minutes, on a stable compiler:
//! `cargo run -p machine --example random -- MINUTES [SEED]`. An input is known by its seed alone;
//! one that panics is told, and the rest goes on.

use machine::fuzz;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

/// What takes an input.
type Target = fn(&[u8]);

/// What an input is given to, in turn.
const TARGETS: [(&str, Target); 5] = [
    ("image", fuzz::image),
    ("code", fuzz::code),
    ("state", fuzz::state),
    ("devices", fuzz::devices),
    ("loaders", fuzz::loaders),
];
/// Bytes that random code has too few of: prefixes, two-byte opcodes, far transfers, ports.
const SPICE: [u8; 24] = [
    0x0F, 0x66, 0x67, 0xF0, 0xF3, 0x8E, 0xCD, 0xCF, 0xCB, 0xEA, 0x9A, 0xFF, 0xE6, 0xEE, 0xEC, 0xFA,
    0xFB, 0xF4, 0x9D, 0x01, 0x20, 0x22, 0x00, 0xC8,
];
/// The longest input, bytes.
const LONGEST: u64 = 4096;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.next() % LONGEST;
        let spiced = self.next() & 3;
        let one = |r: u64| match r >> 8 & 3 {
            n if n < spiced => SPICE[(r >> 16) as usize % SPICE.len()],
            _ => r as u8,
        };
        (0..len).map(|_| one(self.next())).collect()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let minutes = arguments.next().and_then(Result::ok).unwrap_or(1);
    let first = arguments.next().and_then(Result::ok).unwrap_or(1);
    let start = Instant::now();
    let (mut counts, mut found, mut seed) = ([0u64; TARGETS.len()], 0, first);
    while start.elapsed() < Duration::from_secs(60 * minutes) {
        let which = (seed % TARGETS.len() as u64) as usize;
        let (name, run) = TARGETS[which];
        let bytes = Random(seed).bytes();
        if catch_unwind(|| run(&bytes)).is_err() {
            println!("seed {seed}: {name} panics");
            found += 1;
        }
        counts[which] += 1;
        seed += 1;
    }
    for ((name, _), count) in TARGETS.iter().zip(counts) {
        println!("{count:>10}  {name}");
    }
    println!("seeds {first} to {}: {found} panics", seed - 1);
}
