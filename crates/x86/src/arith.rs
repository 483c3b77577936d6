//! The six status flags in a form that is cheap to make: the result and the carries.
//!
//! Nearly all flags are overwritten unread, so the ALU keeps what they derive from. Invariant:
//! every combination of the six flags has a representation (`from_flags`), and two values are
//! equal when their flags are. (SDM 1 3.4.3.1, SDM 1 appendix A.)

use crate::flags::Eflags;
use serde::{Deserialize, Serialize};

/// An operand width: `u8`, `u16` or `u32`.
pub trait Width: Copy + Eq + std::fmt::Debug + Default + Send + 'static {
    /// Width in bits.
    const BITS: u32;
    /// Width in bytes.
    const BYTES: u32 = Self::BITS / 8;
    /// Keeps the low bits of `v`.
    fn trunc(v: u32) -> Self;
    /// Zero-extends.
    fn zx(self) -> u32;
    /// Sign-extends, as bits.
    fn sx(self) -> u32;
}

macro_rules! width {
    ($unsigned:ty, $signed:ty) => {
        impl Width for $unsigned {
            const BITS: u32 = <$unsigned>::BITS;
            #[inline(always)]
            fn trunc(v: u32) -> Self {
                v as $unsigned
            }
            #[inline(always)]
            fn zx(self) -> u32 {
                u32::from(self)
            }
            #[inline(always)]
            fn sx(self) -> u32 {
                self as $signed as i32 as u32
            }
        }
    };
}

width!(u8, i8);
width!(u16, i16);
width!(u32, i32);

/// The status flags, kept as the result and the carries they derive from.
///
/// `aux` holds CF in bit 31, CF xor OF in bit 30, AF in bit 3, a byte to be xored into the
/// result's low byte before its parity is taken in bits 8..16, and in bit 0 a value to be
/// xored into the sign.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(C)]
#[serde(into = "u32", from = "u32")]
pub struct Arith {
    result: u32,
    aux: u32,
}

const CARRY: u32 = 1 << 31;
const CARRY_IN_TOP: u32 = 1 << 30;
const HALF_CARRY: u32 = 1 << 3;
const ODD: u32 = 1 << 8;
const NEGATE: u32 = 1;

impl Arith {
    /// Flags of a result with the carry out of every bit given in `carries` (only those out of
    /// bit 3 and of the two top bits of `W` are used).
    #[inline(always)]
    #[must_use]
    pub fn from_carries<W: Width>(result: W, carries: u32) -> Self {
        let top = (carries << (32 - W::BITS)) & (CARRY | CARRY_IN_TOP);
        Self { result: result.sx(), aux: top | (carries & HALF_CARRY) }
    }

    /// Flags of a logical operation: CF, OF and AF are clear.
    #[inline(always)]
    #[must_use]
    pub fn logic<W: Width>(result: W) -> Self {
        Self { result: result.sx(), aux: 0 }
    }

    /// SF, ZF and PF from the result, the others given.
    #[inline(always)]
    #[must_use]
    pub fn with<W: Width>(result: W, cf: bool, of: bool, af: bool) -> Self {
        let aux = u32::from(cf) << 31 | u32::from(cf != of) << 30 | u32::from(af) << 3;
        Self { result: result.sx(), aux }
    }

    /// These flags with another CF and OF, as rotates leave them.
    #[inline(always)]
    #[must_use]
    pub fn with_cf_of(self, cf: bool, of: bool) -> Self {
        let top = u32::from(cf) << 31 | u32::from(cf != of) << 30;
        Self { aux: self.aux & !(CARRY | CARRY_IN_TOP) | top, ..self }
    }

    /// These flags with another CF.
    #[inline(always)]
    #[must_use]
    pub fn with_cf(self, cf: bool) -> Self {
        self.with_cf_of(cf, self.of())
    }

    /// The flags that a copy of EFLAGS holds; other bits are ignored.
    #[must_use]
    pub fn from_flags(flags: u32) -> Self {
        let f = Eflags::from_bits_truncate(flags);
        let mut aux = u32::from(f.contains(Eflags::AF)) << 3;
        if !f.contains(Eflags::PF) {
            aux |= ODD;
        }
        if f.contains(Eflags::SF) {
            aux |= NEGATE;
        }
        // Either value has an even low byte and a clear sign; only zeroness differs.
        let result = if f.contains(Eflags::ZF) { 0 } else { 1 << 8 };
        Self { result, aux }.with_cf_of(f.contains(Eflags::CF), f.contains(Eflags::OF))
    }

    /// The six flags at their places in EFLAGS.
    #[inline]
    #[must_use]
    pub fn flags(self) -> u32 {
        u32::from(self.cf())
            | u32::from(self.pf()) << 2
            | u32::from(self.af()) << 4
            | u32::from(self.zf()) << 6
            | u32::from(self.sf()) << 7
            | u32::from(self.of()) << 11
    }

    /// Carry.
    #[inline(always)]
    #[must_use]
    pub fn cf(self) -> bool {
        self.aux & CARRY != 0
    }

    /// Parity (even) of the low byte.
    #[inline(always)]
    #[must_use]
    pub fn pf(self) -> bool {
        ((self.result ^ (self.aux >> 8)) as u8).count_ones() & 1 == 0
    }

    /// Auxiliary carry.
    #[inline(always)]
    #[must_use]
    pub fn af(self) -> bool {
        self.aux & HALF_CARRY != 0
    }

    /// Zero.
    #[inline(always)]
    #[must_use]
    pub fn zf(self) -> bool {
        self.result == 0
    }

    /// Sign.
    #[inline(always)]
    #[must_use]
    pub fn sf(self) -> bool {
        (self.result >> 31) ^ (self.aux & NEGATE) != 0
    }

    /// Signed overflow.
    #[inline(always)]
    #[must_use]
    pub fn of(self) -> bool {
        (self.aux ^ (self.aux << 1)) & CARRY != 0
    }

    /// The condition with the encoding `cc`, the low nibble of Jcc (SDM 1 appendix B).
    #[inline(always)]
    #[must_use]
    pub fn condition(self, cc: u8) -> bool {
        let met = match (cc >> 1) & 7 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() || self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() || self.sf() != self.of(),
        };
        met != (cc & 1 != 0)
    }
}

impl Default for Arith {
    fn default() -> Self {
        Self::from_flags(0)
    }
}

impl PartialEq for Arith {
    fn eq(&self, other: &Self) -> bool {
        self.flags() == other.flags()
    }
}

impl Eq for Arith {}

impl From<Arith> for u32 {
    fn from(a: Arith) -> u32 {
        a.flags()
    }
}

impl From<u32> for Arith {
    fn from(flags: u32) -> Self {
        Self::from_flags(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_flags_round_trips() {
        for bits in 0..=0xFFFu32 {
            let flags = bits & Eflags::STATUS.bits();
            assert_eq!(Arith::from_flags(bits).flags(), flags, "{bits:#x}");
        }
    }

    #[test]
    fn changing_carry_leaves_the_rest() {
        for bits in 0..=0xFFFu32 {
            let flags = bits & Eflags::STATUS.bits();
            let a = Arith::from_flags(flags);
            assert_eq!(a.with_cf(true).flags(), flags | 1);
            assert_eq!(a.with_cf(false).flags(), flags & !1);
            assert_eq!(a.with_cf_of(true, true).flags(), flags | 0x801);
        }
    }
}
