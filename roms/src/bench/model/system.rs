//! Doors into ring 0, address spaces, and devices in memory.

use super::step31;

/// What each call adds to the hash, by a word that says which door it was.
fn calls(word: u32) -> u32 {
    (1..=20_000).rev().fold(0, |hash, n| step31(hash, n) ^ word)
}

pub fn syscall() -> u32 {
    calls(1)
}

pub fn exception() -> u32 {
    const UD2: u32 = 0x0B0F;
    calls(UD2)
}

pub fn spaces() -> u32 {
    let mut frames: Vec<u32> = (1..=128).rev().collect();
    let mut hash = 0;
    for switch in (1..=512_u32).rev() {
        let space = switch as usize % 4 * 32;
        for frame in &mut frames[space..space + 32] {
            hash = step31(hash, *frame);
            *frame = frame.wrapping_add(switch);
        }
    }
    hash
}

pub fn mmio() -> u32 {
    let written = (0..2048_u32).map(|at| u32::from((at as u8).rotate_right(3)));
    super::hash31(written.rev())
}
