//! The x87 unit before a case, and operands for it: every class of number, every rounding and
//! precision, exceptions masked and not, stacks that overflow and underflow.
#![forbid(unsafe_code)]

use super::Builder;
use crate::forms::x87::memory_bytes;
use crate::fx::Fx;
use crate::rng::Rng;
use x86::F80;
use x86::fpu::{CONTROL_INIT, Status};

/// The bias of an 80-bit real.
const BIAS: u32 = 0x3FFF;
/// Integer bit of a significand.
const INTEGER: u64 = 1 << 63;
/// Quiet bit of a NaN.
const QUIET: u64 = 1 << 62;

impl Builder<'_> {
    /// Gives the case its units, if the form has to do with them.
    pub(super) fn choose_units(&mut self) {
        if !self.form.x87 {
            return;
        }
        let rng = &mut self.rng;
        let mut fx = Fx { control: control(rng), full: 0, ..Fx::default() };
        fx.status = status(rng, fx.control);
        fx.full = full(rng, usize::from(fx.status >> 11 & 7));
        for slot in &mut fx.st {
            *slot = real80(rng);
        }
        let other = self.register_operand.map_or(1, usize::from).max(1) & 7;
        if rng.chance(45) {
            fx.st[other] = related(rng, fx.st[0]);
        }
        if rng.chance(50) {
            (fx.opcode, fx.ip, fx.dp) = (rng.below(0x800) as u16, rng.next_u32(), rng.next_u32());
        }
        self.fx = Some(Box::new(fx));
    }

    /// Bytes for the memory operand.
    pub(super) fn units_operand(&mut self) -> Vec<u8> {
        let (escape, row) = (self.form.opcode, self.reg_field);
        let size = memory_bytes(escape, row, self.operand_wide);
        let rng = &mut self.rng;
        let f32s = matches!((escape, row), (0xD8, _) | (0xD9, 0..=3));
        let f64s = matches!((escape, row), (0xDC, _) | (0xDD, 0 | 2 | 3));
        match (escape, row) {
            _ if f32s => real(rng, 8, 23).to_le_bytes()[..4].to_vec(),
            _ if f64s => real(rng, 11, 52).to_le_bytes().to_vec(),
            (0xD9, 5) => control(rng).to_le_bytes().to_vec(),
            (0xD9 | 0xDD, 4 | 6) => environment(rng, size, self.operand_wide),
            (0xDF, 4) => decimal(rng),
            (0xDB, 5) => real80(rng).to_bytes().to_vec(),
            _ => integer(rng)[..size as usize].to_vec(),
        }
    }
}

/// A control word: masks, precision and rounding.
fn control(rng: &mut Rng) -> u16 {
    let masks = match rng.below(10) {
        0..=4 => 0x3F,
        5 => 0,
        6 => 0x3F & !(1 << rng.below(6)),
        _ => rng.below(0x40) as u16,
    };
    if rng.chance(15) {
        return (CONTROL_INIT & !0x3F) | masks;
    }
    let precision = if rng.chance(50) { 0x300 } else { rng.below(4) as u16 * 0x100 };
    0x40 | masks | precision | (rng.below(8) as u16 * 0x400)
}

/// A status word with a summary that fits.
fn status(rng: &mut Rng, control: u16) -> u16 {
    let exceptions = match rng.below(10) {
        0..=6 => 0,
        7 | 8 => rng.below(0x80) as u16 & (control | Status::SF.bits()),
        _ => rng.below(0x80) as u16,
    };
    let conditions = rng.next_u32() as u16 & 0x4700;
    let top = rng.below(8) as u16 * 0x800;
    let pending = exceptions & !control & Status::EXCEPTIONS.bits() != 0;
    let summary = if pending { (Status::ES | Status::B).bits() } else { 0 };
    exceptions | conditions | top | summary
}

/// Which registers are full: mostly a stack of some depth from TOP on.
fn full(rng: &mut Rng, top: usize) -> u8 {
    let depth = match rng.below(10) {
        0 => return rng.next_u32() as u8,
        1 => 8,
        2 => rng.below(2),
        _ => 1 + rng.below(7),
    };
    (0..depth as usize).fold(0, |full, i| full | 1 << ((top + i) & 7))
}

/// A significand of `bits` bits: random, round, or next to where rounding turns.
fn significand(rng: &mut Rng, bits: u32) -> u64 {
    let all = rng.next_u64();
    let high = INTEGER;
    let value = match rng.below(12) {
        0 => high,
        1 => u64::MAX,
        2 => high | 1,
        3 => u64::MAX << rng.below(64),
        4 => all << rng.below(64),
        // Halfway between two singles or doubles, give or take one.
        5 | 6 => {
            let kept = if rng.chance(50) { 24 } else { 53 };
            let half = 1u64 << (63 - kept);
            let tie = all & !(2 * half - 1) | half;
            tie.wrapping_add(u64::from(rng.below(3))).wrapping_sub(1)
        }
        7 => u64::from(rng.next_u32()) << 32,
        _ => all,
    };
    (value | high) >> (64 - bits)
}

fn sign(rng: &mut Rng) -> u16 {
    if rng.chance(50) { 0x8000 } else { 0 }
}

fn exponent(rng: &mut Rng) -> u32 {
    let near = |middle: u32, rng: &mut Rng, reach: u32| {
        (middle + rng.below(2 * reach + 1)).saturating_sub(reach).clamp(1, 0x7FFE)
    };
    match rng.below(16) {
        0 => 1 + rng.below(3),
        1 => 0x7FFE - rng.below(3),
        2 => near(BIAS - 126, rng, 26),
        3 => near(BIAS + 127, rng, 2),
        4 => near(BIAS - 1022, rng, 55),
        5 => near(BIAS + 1023, rng, 2),
        6 | 7 => near(BIAS + 62, rng, 4),
        8 => BIAS + rng.below(70),
        9..=11 => near(BIAS, rng, 3),
        12 | 13 => near(BIAS, rng, 70),
        14 => near(BIAS, rng, 16_400),
        _ => 1 + rng.below(0x7FFE),
    }
}

/// A whole number, perhaps with a half.
fn whole(rng: &mut Rng) -> F80 {
    let bits = match rng.below(4) {
        0 => u64::from(rng.below(40)),
        1 => u64::from(rng.value()),
        2 => (1u64 << rng.pick(&[14, 15, 16, 31, 32, 60, 62])) - 2 + u64::from(rng.below(5)),
        // About 16,384 and 32,768 for FSCALE, 10 ** 18 for FBSTP.
        _ => rng.pick(&[16_383, 16_384, 16_446, 32_767, 32_768, 999_999_999_999_999_999]),
    };
    let doubled = (bits << 1) | u64::from(rng.chance(30));
    let shift = doubled.leading_zeros();
    if doubled == 0 {
        return F80 { significand: 0, sign_exponent: sign(rng) };
    }
    let exponent = BIAS + 62 - shift;
    F80 { significand: doubled << shift, sign_exponent: sign(rng) | exponent as u16 }
}

/// An 80-bit real of any class, supported or not (SDM 1 table 8-3).
fn real80(rng: &mut Rng) -> F80 {
    let sign = sign(rng);
    let (exponent, significand) = match rng.below(26) {
        0 => (0, 0),
        1 => (BIAS, INTEGER),
        2 => (0, (rng.next_u64() | INTEGER) >> (1 + rng.below(63))),
        3 => (0, significand(rng, 64)),
        4 => (0x7FFF, INTEGER),
        5 => (0x7FFF, rng.next_u64() | INTEGER | QUIET),
        6 => (0x7FFF, (rng.next_u64() | 1) & !QUIET | INTEGER),
        7 => (0x7FFF, INTEGER | QUIET),
        8 if rng.chance(50) => (exponent(rng), significand(rng, 64) & !INTEGER),
        8 => (0x7FFF, rng.next_u64() & !INTEGER & if rng.chance(30) { 0 } else { u64::MAX }),
        9..=12 => return whole(rng),
        _ => (exponent(rng), significand(rng, 64)),
    };
    F80 { significand, sign_exponent: sign | exponent as u16 }
}

/// A second operand whose sum, product or quotient with the first comes to an edge.
fn related(rng: &mut Rng, first: F80) -> F80 {
    let e = u32::from(first.sign_exponent & 0x7FFF);
    let spread = rng.below(7);
    let exponent = match rng.below(6) {
        0 => return F80 { sign_exponent: first.sign_exponent ^ 0x8000, ..first },
        1 => {
            let near = first.significand.wrapping_add(u64::from(rng.below(5))).wrapping_sub(2);
            return F80 {
                significand: near,
                sign_exponent: first.sign_exponent ^ rng.pick(&[0, 0x8000]),
            };
        }
        2 => e.wrapping_add(rng.below(140)).wrapping_sub(70),
        // Products and quotients that over- and underflow.
        3 => (0x7FFE + BIAS + 3).wrapping_sub(e).wrapping_sub(spread),
        4 => (BIAS + 3).wrapping_sub(e).wrapping_sub(spread + 60 * rng.below(2)),
        _ => e.wrapping_sub(BIAS).wrapping_add(3).wrapping_sub(spread),
    };
    let exponent = if (1..0x7FFF).contains(&exponent) { exponent } else { BIAS };
    F80 { significand: significand(rng, 64), sign_exponent: sign(rng) | exponent as u16 }
}

/// A single or double: its bits.
fn real(rng: &mut Rng, exponent_bits: u32, fraction_bits: u32) -> u64 {
    let most = (1u64 << exponent_bits) - 1;
    let bias = most >> 1;
    let fraction_mask = (1u64 << fraction_bits) - 1;
    let fraction = significand(rng, fraction_bits + 1) & fraction_mask;
    let quiet = 1u64 << (fraction_bits - 1);
    let (exponent, fraction) = match rng.below(16) {
        0 => (0, 0),
        1 => (bias, 0),
        2 => (0, fraction | 1),
        3 => (most, 0),
        4 => (most, fraction | quiet),
        5 => (most, (fraction | 1) & !quiet),
        6 => (1, fraction),
        7 => (most - 1, fraction),
        8 => (u64::from(rng.below(most as u32 + 1)), fraction),
        _ => (bias.wrapping_add(u64::from(rng.below(64))).wrapping_sub(32), fraction),
    };
    let sign = u64::from(rng.chance(50)) << (exponent_bits + fraction_bits);
    sign | (exponent & most) << fraction_bits | fraction
}

fn integer(rng: &mut Rng) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..4].copy_from_slice(&rng.value().to_le_bytes());
    bytes[4..8].copy_from_slice(&rng.value().to_le_bytes());
    bytes
}

/// Eighteen decimal digits; those that aren't (A to F) are undefined (SDM 2A FBLD) and not made.
fn decimal(rng: &mut Rng) -> Vec<u8> {
    let digits = rng.below(19) as usize;
    let mut bytes = vec![0u8; 10];
    for n in 0..digits {
        let digit = if rng.chance(10) { 9 } else { rng.below(10) as u8 };
        bytes[n / 2] |= digit << (4 * (n % 2));
    }
    bytes[9] = rng.pick(&[0, 0x80, 0x7F, 0xFF]);
    bytes
}

/// An environment, and behind it what FRSTOR loads into the stack.
fn environment(rng: &mut Rng, size: u32, wide: bool) -> Vec<u8> {
    let control = control(rng);
    let tags = if rng.chance(50) { rng.next_u32() as u16 } else { 0 };
    let fields = [control, status(rng, control), tags];
    let (step, length) = if wide { (4, 28) } else { (2, 14) };
    let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
    for (n, field) in fields.iter().enumerate() {
        bytes[n * step..n * step + 2].copy_from_slice(&field.to_le_bytes());
    }
    while bytes.len() < size as usize {
        bytes.extend(real80(rng).to_bytes());
    }
    bytes
}
