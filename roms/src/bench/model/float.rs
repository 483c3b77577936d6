//! Floating point: each operation rounds as IEEE 754 has it, so that the host's `f64` and `f32`
//! give what the x87 unit at 53 bits and SSE do.

use super::Random;

const SIZE: usize = 24;
const ELEMENTS: usize = SIZE * SIZE;
/// 2^-31.
const SCALE: f64 = 1.0 / 2_147_483_648.0;
const COEFFICIENTS: [f64; 8] = [0.5, -0.25, 0.75, -0.125, 0.875, -1.5, 0.0625, 1.0];

/// A drawn number as one from -1 to 1.
fn unit(drawn: u32) -> f64 {
    f64::from(drawn.cast_signed()) * SCALE
}

pub fn x87() -> u32 {
    let drawn: Vec<f64> = Random::list(2 * ELEMENTS).into_iter().map(unit).collect();
    let (left, right) = drawn.split_at(ELEMENTS);
    let product = (0..ELEMENTS).map(|at| {
        let (row, column) = (at / SIZE, at % SIZE);
        (0..SIZE).fold(0.0, |sum, k| sum + left[row * SIZE + k] * right[k * SIZE + column])
    });
    let values = left.iter().map(|x| {
        let (first, rest) = COEFFICIENTS.split_first().expect("there are eight");
        let y = rest.iter().fold(*first, |y, c| y * x + c);
        let r = 1.0 / (y * y + 1.0).sqrt();
        if r < y { y } else { r }
    });
    product.zip(values).fold(0_u32, |hash, (p, v)| {
        let halves = |value: f64| [value.to_bits() as u32, (value.to_bits() >> 32) as u32];
        let ([p0, p1], [v0, v1]) = (halves(p), halves(v));
        [p0, v0, p1, v1].iter().fold(hash, |h, word| h.wrapping_add(*word).rotate_left(3))
    })
}

const FLOATS: usize = 4096;

pub fn sse() -> u32 {
    let factor = [0.75_f32, -0.5, 1.25, -1.75];
    let numbers: Vec<f32> = Random::list(2 * FLOATS)
        .into_iter()
        .map(|drawn| drawn.cast_signed() as f32 * SCALE as f32)
        .collect();
    let (first, second) = numbers.split_at(FLOATS);
    let result: Vec<f32> = (0..FLOATS)
        .map(|at| {
            let sum = first[at] * factor[at % 4] + second[at];
            let size = (if sum < 1.5 { sum } else { 1.5 }).abs();
            if at % 8 < 4 { size.sqrt() } else { size }
        })
        .collect();
    let mut sums = [0.0_f64; 2];
    for at in 0..FLOATS {
        let term = f64::from(result[at]) * f64::from(first[at]);
        sums[at % 2] = sums[at % 2] * 0.5 + term;
    }
    let mut mill = [0_u64; 2];
    for four in result.chunks_exact(4) {
        let x = |at: usize| u64::from(four[at].to_bits());
        for (lane, multiplier) in [0x9E37_79B1_u64, 0x85EB_CA77].into_iter().enumerate() {
            let [low, high] = [x(2 * lane), x(2 * lane + 1)];
            let mixed = mill[lane] ^ (low | high << 32);
            let (even, odd) = (mixed & 0xFFFF_FFFF, mixed >> 32);
            let sum = ((even * multiplier) >> 7).wrapping_add(odd * multiplier);
            let low = (sum as u32).wrapping_add(low as u32);
            let high = ((sum >> 32) as u32).wrapping_add(high as u32);
            mill[lane] = u64::from(low) | u64::from(high) << 32;
        }
    }
    (0..2).fold(0_u32, |fold, lane| {
        let both = mill[lane] ^ sums[lane].to_bits();
        fold.wrapping_add(both as u32).wrapping_add((both >> 32) as u32)
    })
}
