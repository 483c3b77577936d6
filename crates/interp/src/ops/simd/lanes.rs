//! Overflow and underflow where a guest unmasks them (SDM 1 4.9.1.4 to 4.9.1.6). Then underflow
//! is raised for a tiny result even if it is exact, and precision isn't raised by what the
//! range cuts off: only if the result wouldn't fit even with an unbounded exponent. The host,
//! which runs with all masked, says neither, so each element is looked at alone.
//!
//! Elements are computed one by one on the host; whether a result is exact is told from the
//! operands' significands as integers.

use super::exception::BEFORE;
use crate::host_simd::{self, Op, Unit};
use decode::Insn;

const OVERFLOW: u32 = 0x08;
const UNDERFLOW: u32 = 0x10;
const PRECISION: u32 = 0x20;
/// Denormals are zeros.
const DAZ: u32 = 1 << 6;

/// The arithmetic of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// To single precision.
    Narrow,
}

/// One element: what is done, on which operands.
#[derive(Clone, Copy, Debug)]
struct Lane {
    kind: Kind,
    double: bool,
    a: u64,
    b: u64,
}

/// The exceptions that an instruction raises where those of `open` aren't masked; `None` for
/// instructions that can neither overflow nor underflow by these rules.
pub(super) fn raised(insn: &Insn, unit: &Unit, open: u32) -> Option<u32> {
    let lanes = lanes(insn.imm2, unit)?;
    Some(lanes.iter().fold(0, |all, lane| all | lane.raised(unit.mxcsr, open)))
}

/// DPPS and DPPD.
pub(super) fn is_dot_product(insn: &Insn) -> bool {
    matches!(insn.imm2, 0x640 | 0x641)
}

/// DPPS and DPPD: the products that the immediate chooses, then sums of pairs. An exception
/// that isn't masked keeps the next step from being done.
pub(super) fn dot_product(insn: &Insn, unit: &Unit, open: u32) -> u32 {
    let double = insn.imm2 & 1 != 0;
    let (bits, count) = if double { (64, 2) } else { (32, 4) };
    let mut raised = 0;
    let mut values: Vec<u64> = (0..count)
        .map(|n| {
            let element = |from: u128| (from >> (bits * n)) as u64 & (u64::MAX >> (64 - bits));
            let (a, b) = (element(unit.first), element(unit.second));
            if insn.imm >> (4 + n) & 1 == 0 {
                return 0;
            }
            let lane = Lane { kind: Kind::Multiply, double, a, b };
            raised |= lane.raised(unit.mxcsr, open);
            lane.result(unit.mxcsr)
        })
        .collect();
    // What is found before a step is done keeps it from being done.
    let step = |raised: u32| if raised & open & BEFORE != 0 { raised & BEFORE } else { raised };
    raised = step(raised);
    while values.len() > 1 && raised & open == 0 {
        let pairs = values.chunks_exact(2).map(|p| (p[0], p[1]));
        let lanes: Vec<Lane> = pairs.map(|(a, b)| Lane { kind: Kind::Add, double, a, b }).collect();
        raised |= step(lanes.iter().fold(0, |all, lane| all | lane.raised(unit.mxcsr, open)));
        values = lanes.iter().map(|lane| lane.result(unit.mxcsr)).collect();
    }
    raised
}

/// Packed and scalar forms alike (SDM 2D table A-3).
fn lanes(opcode: u16, unit: &Unit) -> Option<Vec<Lane>> {
    let (prefix, opcode) = (opcode >> 10, opcode & 0x3FF);
    let kind = match opcode {
        0x58 | 0x7C => Kind::Add,
        0x59 => Kind::Multiply,
        0x5C | 0x7D | 0xD0 => Kind::Subtract,
        0x5E => Kind::Divide,
        0x5A if prefix & 1 != 0 => Kind::Narrow,
        _ => return None,
    };
    let horizontal = matches!(opcode, 0x7C | 0x7D);
    // Of the horizontal forms and ADDSUB, F2 means packed singles.
    let double = if horizontal || opcode == 0xD0 { prefix == 1 } else { prefix & 1 != 0 };
    let bits = if double { 64 } else { 32 };
    let scalar = prefix >= 2 && !horizontal && opcode != 0xD0;
    let count = if scalar { 1 } else { 128 / bits };
    let element = |from: u128, n: u32| (from >> (bits * n)) as u64 & (u64::MAX >> (64 - bits));
    let lane = |n: u32| {
        let (a, b) = if horizontal {
            let from = if n < count / 2 { unit.first } else { unit.second };
            let pair = 2 * n % count;
            (element(from, pair), element(from, pair + 1))
        } else {
            (element(unit.first, n), element(unit.second, n))
        };
        let kind = if opcode == 0xD0 && n & 1 != 0 { Kind::Add } else { kind };
        Lane { kind, double, a, b }
    };
    Some((0..count).map(lane).collect())
}

impl Lane {
    /// The opcode that computes this element alone.
    fn opcode(&self) -> u16 {
        let prefix = if self.double { 3 } else { 2 };
        let opcode = match self.kind {
            Kind::Add => 0x58,
            Kind::Subtract => 0x5C,
            Kind::Multiply => 0x59,
            Kind::Divide => 0x5E,
            Kind::Narrow => 0x5A,
        };
        prefix << 10 | opcode
    }

    /// Computes it on the host, all masked.
    fn run(&self, mxcsr: u32) -> Unit {
        let op = Op::new(self.opcode()).expect("scalar arithmetic");
        let (first, second) = (u128::from(self.a), u128::from(self.b));
        let mut unit = Unit { first, second, mxcsr, ..Unit::default() };
        host_simd::run(op, 0, &mut unit, false);
        unit
    }

    fn result(&self, mxcsr: u32) -> u64 {
        self.run(mxcsr).first as u64
    }

    fn raised(&self, mxcsr: u32, open: u32) -> u32 {
        let unit = self.run(mxcsr);
        let mut raised = unit.mxcsr;
        if open & UNDERFLOW != 0 && self.is_tiny(unit.first) {
            raised |= UNDERFLOW;
        }
        if raised & open & (OVERFLOW | UNDERFLOW) != 0 {
            raised &= !PRECISION;
            if !self.is_exact(mxcsr & DAZ != 0) {
                raised |= PRECISION;
            }
        }
        raised
    }

    /// True where the result is denormal.
    fn is_tiny(&self, result: u128) -> bool {
        if self.double && self.kind != Kind::Narrow {
            let bits = result as u64;
            bits >> 52 & 0x7FF == 0 && bits << 12 != 0
        } else {
            let bits = result as u32;
            bits >> 23 & 0xFF == 0 && bits << 9 != 0
        }
    }

    /// True where the result has no more digits than its format, whatever its exponent.
    fn is_exact(&self, daz: bool) -> bool {
        let digits = if self.double && self.kind != Kind::Narrow { 53 } else { 24 };
        let a = Number::of(self.a, self.double, daz);
        let b = Number::of(self.b, self.double, daz);
        match self.kind {
            Kind::Narrow => fits(u128::from(b.significand), digits),
            Kind::Multiply => fits(u128::from(a.significand) * u128::from(b.significand), digits),
            Kind::Divide => {
                let odd = b.significand >> b.significand.trailing_zeros().min(63);
                odd != 0 && a.significand.is_multiple_of(odd)
            }
            Kind::Add => sum_fits(a, b, digits),
            Kind::Subtract => sum_fits(a, Number { negative: !b.negative, ..b }, digits),
        }
    }
}

/// A finite number: significand times two to the exponent.
#[derive(Clone, Copy, Debug)]
struct Number {
    negative: bool,
    significand: u64,
    exponent: i32,
}

impl Number {
    fn of(bits: u64, double: bool, daz: bool) -> Self {
        let (fraction, exponents) = if double { (52, 0x7FF) } else { (23, 0xFF) };
        let exponent = (bits >> fraction & exponents) as i32;
        let digits = bits & ((1 << fraction) - 1);
        let negative = bits >> (if double { 63 } else { 31 }) & 1 != 0;
        match exponent {
            0 if daz => Self { negative, significand: 0, exponent: 0 },
            0 => Self { negative, significand: digits, exponent: 1 },
            _ => Self { negative, significand: digits | 1 << fraction, exponent },
        }
    }
}

/// True where a number has at most so many significant digits.
fn fits(value: u128, digits: u32) -> bool {
    value == 0 || 128 - value.leading_zeros() - value.trailing_zeros() <= digits
}

fn sum_fits(a: Number, b: Number, digits: u32) -> bool {
    let (high, low) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
    let apart = high.exponent.abs_diff(low.exponent);
    if high.significand == 0 || low.significand == 0 {
        return true;
    }
    // So far apart the sum has digits at both ends, more than any format.
    if apart > 70 {
        return false;
    }
    let (x, y) = (u128::from(high.significand) << apart, u128::from(low.significand));
    fits(if high.negative == low.negative { x + y } else { x.abs_diff(y) }, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(kind: Kind, a: f32, b: f32) -> u32 {
        let (a, b) = (u64::from(a.to_bits()), u64::from(b.to_bits()));
        Lane { kind, double: false, a, b }.raised(0, 0x3F)
    }

    #[test]
    fn an_exact_overflow_is_no_loss_of_precision() {
        assert_eq!(single(Kind::Add, f32::MAX, f32::MAX), OVERFLOW);
        assert_eq!(single(Kind::Multiply, f32::MAX, f32::MAX), OVERFLOW | PRECISION);
        assert_eq!(single(Kind::Divide, f32::MAX, 0.25), OVERFLOW);
        assert_eq!(single(Kind::Divide, f32::MAX, 0.3), OVERFLOW | PRECISION);
    }

    #[test]
    fn a_tiny_result_underflows_even_if_exact() {
        assert_eq!(single(Kind::Multiply, f32::MIN_POSITIVE, 0.5), UNDERFLOW);
        assert_eq!(single(Kind::Multiply, 1.0e-30, 1.0e-30), UNDERFLOW | PRECISION);
        assert_eq!(single(Kind::Subtract, 1.5, 0.5), 0);
    }

    #[test]
    fn horizontal_forms_take_pairs_of_both_operands() {
        let unit = Unit { first: 1 | 2 << 32, second: 5 | 6 << 32, ..Unit::default() };
        let pairs: Vec<_> = lanes(0xC7C, &unit).unwrap().iter().map(|l| (l.a, l.b)).collect();
        assert_eq!(pairs, [(1, 2), (0, 0), (5, 6), (0, 0)]);
    }
}
