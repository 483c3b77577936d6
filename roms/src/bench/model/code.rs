//! Self-modifying code: what the code that is written computes.

use super::Random;

pub fn patch() -> u32 {
    let mut operand = 0x9E37_79B9_u32;
    (1..=1000_u32).rev().fold(0, |hash: u32, left| {
        let sum = hash.wrapping_add(operand).rotate_left(7) ^ left;
        operand = operand.wrapping_mul(5).wrapping_add(1);
        sum
    })
}

pub fn generate() -> u32 {
    routines(64, 1000)
}

pub fn stubs() -> u32 {
    routines(4, 100)
}

fn routines(length: u32, runs: u32) -> u32 {
    let mut random = Random(1);
    (1..=8_u32).rev().fold(0, |hash, routine| {
        let code: Vec<(u32, u32)> =
            (0..length).map(|_| (random.draw() >> 29, random.draw() | 1)).collect();
        let (mut a, mut b) = (routine, hash);
        for &(form, operand) in (0..runs).flat_map(|_| &code) {
            match form {
                0 => a = a.wrapping_add(operand),
                1 => a ^= operand,
                2 => a = a.wrapping_sub(operand),
                3 => a = a.wrapping_mul(operand),
                4 => a = a.rotate_left(operand % 32),
                5 => a = a.wrapping_add(b),
                6 => b ^= a,
                _ => a = a.wrapping_neg(),
            }
        }
        a ^ b
    })
}

pub fn filter() -> u32 {
    let mut random = Random(1);
    let mut records: Vec<u32> = (0..64 * 16).map(|_| random.draw()).collect();
    (0..8).fold(0, |hash: u32, _| {
        let mut rule = || (random.draw() >> 28, random.draw(), random.draw());
        let rules: Vec<_> = (0..8).map(|_| rule()).collect();
        records.chunks_mut(16).fold(hash, |mut score, record| {
            for (n, &(word, least, worth)) in rules.iter().enumerate() {
                let word = &mut record[word as usize];
                if *word >= least {
                    score = score.wrapping_add(worth);
                }
                if n % 4 == 0 {
                    *word = score;
                }
            }
            score
        })
    })
}

pub fn beside() -> u32 {
    let mut table = [0_u32; 16];
    (1..=16_384_u32).rev().fold(16_384, |total: u32, left| {
        let entry = &mut table[left as usize % 16];
        *entry = entry.wrapping_add(left);
        entry.wrapping_add(total).rotate_left(3)
    })
}
