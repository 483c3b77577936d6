//! The generator's random source: SplitMix64, so that a seed gives the same cases for ever and on
//! every machine. Values are biased towards the edges where flags and faults change.
#![forbid(unsafe_code)]

/// A deterministic stream of numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Values at which carries, signs and limits change.
const EDGES: [u32; 20] = [
    0,
    1,
    2,
    0x0F,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0x8000_0001,
    0xFFFF_FF80,
    0xFFFF_8000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];

/// One step of SplitMix64's output function: a bijection that spreads every bit.
pub fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// A stream that depends on every bit of `seed`.
    pub fn new(seed: u64) -> Rng {
        Rng(mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// The next 32 bits, all values alike.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number below `bound`, which isn't 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// True in `percent` of 100 calls.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which isn't empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// A 32-bit value: half of the time at an edge (give or take one), else small or random.
    pub fn value(&mut self) -> u32 {
        match self.below(8) {
            0..=2 => self.pick(&EDGES),
            3 => self.pick(&EDGES).wrapping_add(self.below(3)).wrapping_sub(1),
            4 => self.below(0x40),
            5 => self.next_u32() >> self.below(32),
            _ => self.next_u32(),
        }
    }
}
