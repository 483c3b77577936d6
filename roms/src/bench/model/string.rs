//! String instructions by kind.

use super::Random;

/// Samples of the large ones, and their distance.
const SAMPLES: usize = 64;
const STRIDE: usize = 0x1_0000 / SAMPLES;

fn source(bytes: usize) -> Vec<u8> {
    Random::list(bytes / 4).iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn dword(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub fn moves() -> u32 {
    let source = source(0x4_0000);
    let moved = &source[0x1003..];
    (0..SAMPLES).fold(0, |hash: u32, n| hash.wrapping_add(dword(moved, n * STRIDE)).rotate_left(3))
}

pub fn fills() -> u32 {
    let both = 0x5EED_1234_u32.wrapping_add(0xA7A7_A7A7);
    (0..SAMPLES).fold(0, |hash: u32, _| hash.wrapping_add(both).rotate_left(3))
}

pub fn short() -> u32 {
    let source = source(0x1000);
    (1..=4096_usize).rev().fold(0, |hash: u32, turn| {
        let units = turn % 16 + 1;
        let from = &source[turn % 2048..];
        let mut target = from[..units * 5].to_vec();
        target.extend(hash.to_le_bytes().repeat(units));
        target.extend([hash as u8].repeat(units));
        let [middle, last] = [units * 4, target.len() - 4].map(|at| dword(&target, at));
        let sum = hash.wrapping_add(target.len() as u32).wrapping_add(middle);
        sum.wrapping_add(last).rotate_left(5)
    })
}
