//! The same computations as the guest workloads, written from their description in plain Rust:
//! the second opinion on every checksum. Nothing here is shared with the assembly but the
//! constants that define the work.

mod code;
mod float;
mod string;
mod system;

pub(super) use code::{beside, filter, generate, patch, stubs};
pub(super) use float::{sse, x87};
pub(super) use string::{fills, moves, short};
pub(super) use system::{exception, mmio, spaces, syscall};

/// Where the workloads keep their data (`ARENA` in `lib.inc`).
const ARENA: u32 = 0x10_0000;

/// The generator all workloads draw from.
struct Random(u32);

impl Random {
    fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    fn list(length: usize) -> Vec<u32> {
        let mut random = Random(1);
        (0..length).map(|_| random.draw()).collect()
    }
}

/// hash = hash * 31 + value, over all values.
fn hash31(values: impl IntoIterator<Item = u32>) -> u32 {
    values.into_iter().fold(0, step31)
}

fn step31(hash: u32, value: u32) -> u32 {
    hash.wrapping_mul(31).wrapping_add(value)
}

pub(super) fn sieve() -> u32 {
    let is_prime = |n: u32| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    hash31((2..131_072).filter(|&n| is_prime(n)))
}

pub(super) fn crc() -> u32 {
    let mut crc = u32::MAX;
    for word in Random::list(65_536) {
        crc ^= word >> 24;
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (0xEDB8_8320 * carry);
        }
    }
    !crc
}

pub(super) fn sort() -> u32 {
    let mut items = Random::list(1024);
    items.sort_unstable();
    hash31(items)
}

pub(super) fn chase() -> u32 {
    let mut next: Vec<u32> = (0..65_536).collect();
    let mut random = Random(1);
    for last in (1..next.len()).rev() {
        let other = (u64::from(random.draw()) * last as u64) >> 32;
        next.swap(last, other as usize);
    }
    let mut node = 0;
    (0..65_536 * 4).fold(0_u32, |hash, _| {
        node = next[node as usize];
        hash.wrapping_add(ARENA + node * 64).rotate_left(1)
    })
}

pub(super) fn copy() -> u32 {
    let mut bytes: Vec<u8> = Random::list(65_536).iter().flat_map(|w| w.to_le_bytes()).collect();
    bytes.copy_within(..65_536, 1);
    rotating_sum(0, &bytes)
}

/// hash = (hash + dword) rotated left by 3, over all dwords.
fn rotating_sum(start: u32, bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    words
        .iter()
        .fold(start, |hash, word| hash.wrapping_add(u32::from_le_bytes(*word)).rotate_left(3))
}

pub(super) fn flags() -> u32 {
    let (mut a, mut b) = (vec![0_u32; 64], vec![0_u32; 64]);
    b[0] = 1;
    for _ in 0..1024 {
        let mut carry = 0;
        for (x, y) in a.iter_mut().zip(&b) {
            let sum = u64::from(*x) + u64::from(*y) + carry;
            *x = sum as u32;
            carry = sum >> 32;
        }
        std::mem::swap(&mut a, &mut b);
    }
    mill(b[0])
}

/// The second half of `flags`: the conditions written out as comparisons.
fn mill(seed: u32) -> u32 {
    let mut random = Random(seed);
    let (mut d, mut b) = (seed, 0_u32);
    for _ in 0..65_536 {
        let a = random.draw();
        let below = u32::from(a < d);
        let less = u32::from(a.cast_signed() < d.cast_signed());
        let low = ((b & 0xFF) + below) & 0xFF;
        let carry = low + less > 0xFF;
        b = (b & !0xFF) | ((low + less) & 0xFF);
        if carry {
            d = a;
        }
        let top = b >> 31;
        b = (b << 1) | u32::from(a < b);
        let overflow = (b >> 31) != top;
        let mut borrow = top;
        if !overflow {
            d ^= 0x5A5A_5A5A;
            borrow = 0;
        }
        d = d.wrapping_sub(a).wrapping_sub(borrow);
        let negative = d >> 31 == 1;
        if (d & 0xFF).count_ones() % 2 == 1 {
            b = !b;
        }
        if negative {
            d = d.wrapping_neg();
        }
    }
    b.wrapping_add(d)
}

pub(super) fn fib() -> u32 {
    // (value, calls) for n-2 and n-1; a call for n makes the calls of both and is one more.
    let (mut low, mut high) = ((0_u32, 1_u32), (1_u32, 1_u32));
    for _ in 1..24 {
        (low, high) = (high, (low.0 + high.0, low.1 + high.1 + 1));
    }
    step31(high.0, high.1)
}

pub(super) fn dispatch() -> u32 {
    let (mut a, mut b) = (200_u32, 77_u32);
    for _ in 0..15_000 {
        a = a.wrapping_add(b).rotate_left(5);
        if a % 2 == 1 {
            a = (a ^ b).wrapping_sub(9);
        }
        std::mem::swap(&mut a, &mut b);
        a = a.wrapping_mul(0x10DCD).wrapping_add(b) ^ b;
        if a % 2 == 1 {
            a = a.rotate_left(5);
        }
        std::mem::swap(&mut a, &mut b);
    }
    a ^ b
}

pub(super) fn string() -> u32 {
    let source: Vec<u8> = Random::list(16_384).iter().flat_map(|w| w.to_le_bytes()).collect();
    // Copies of 8 to 71 bytes without a gap are one copy of their sum.
    let mut small = source[..(8..72).sum()].to_vec();
    // The comparison stops at the byte that was changed, having counted it.
    let unequal_left = 65_536 - 30_001;
    *small.last_mut().expect("the copies aren't empty") = b'\n';
    let scans =
        hash31(small.split_inclusive(|&b| b == b'\n').map(|line| 65_536 - line.len() as u32));
    let (body, last) = small.split_at(small.len() - 4);
    let first = scans.wrapping_add(unequal_left).rotate_left(3);
    let last = u32::from_le_bytes([last[0], last[1], last[2], last[3]]);
    rotating_sum(first, body).wrapping_add(last)
}

pub(super) fn fault() -> u32 {
    const WINDOW: u32 = 0x4000_0000;
    let mut frames: Vec<u32> = (1..=256).rev().collect();
    let (mut pages, mut faults) = (0, 0);
    for touch in 0..1024_u32 {
        let left = 1024 - touch;
        let frame = &mut frames[touch as usize % 256];
        let by_write = left % 2 == 1;
        if by_write {
            *frame = left;
            pages = step31(pages, *frame);
        } else {
            pages = step31(pages, *frame);
            *frame = frame.wrapping_add(left);
        }
        let address = WINDOW + (touch * 389 % 1024) * 0x1000;
        faults = step31(faults, if by_write { 2 } else { 0 }).wrapping_add(address);
    }
    step31(pages, 1024) ^ faults
}

pub(super) fn port() -> u32 {
    hash31((1..=16_384).rev().map(|n| n & 0xFF))
}
