//! The state of the x87 FPU, which MMX shares (SDM 1 chapter 8, 9.2; reset: SDM 3A table 9-1).
//!
//! Invariant: registers lie by their physical number, R0 to R7, so that MMn is `regs[n]`
//! whatever TOP is. A register's tag is one bit, as in FXSAVE: the two-bit tag word is made from
//! the register's content whenever software asks for it (SDM 1 8.1.7).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// The status word (SDM 1 8.1.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u16 {
        /// Invalid operation.
        const IE = 1 << 0;
        /// Denormal operand.
        const DE = 1 << 1;
        /// Zero divide.
        const ZE = 1 << 2;
        /// Overflow.
        const OE = 1 << 3;
        /// Underflow.
        const UE = 1 << 4;
        /// Precision.
        const PE = 1 << 5;
        /// Stack fault: which way says C1.
        const SF = 1 << 6;
        /// Exception summary: one that isn't masked is pending.
        const ES = 1 << 7;
        /// Condition code 0.
        const C0 = 1 << 8;
        /// Condition code 1.
        const C1 = 1 << 9;
        /// Condition code 2.
        const C2 = 1 << 10;
        /// Condition code 3.
        const C3 = 1 << 14;
        /// Busy: a copy of ES.
        const B = 1 << 15;
        /// The six exceptions; the control word masks them with the same bits.
        const EXCEPTIONS = 0x3F;
    }
}

/// The control word after FNINIT: all masked, 64 bits of precision, round to nearest.
pub const CONTROL_INIT: u16 = 0x037F;
/// The control word after RESET.
pub const CONTROL_RESET: u16 = 0x0040;
/// The bits of the control word that can be written; bit 6 is always set, the rest zero.
pub const CONTROL_BITS: u16 = 0x1F3F;
/// Bit 6 of the control word.
pub const CONTROL_FIXED: u16 = 0x0040;
/// MXCSR after RESET: all masked, round to nearest.
pub const MXCSR_RESET: u32 = 0x1F80;

/// An 80-bit register, as ten bytes of memory hold it, in sixteen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(C)]
pub struct F80 {
    /// The significand, its integer bit in bit 63; an MMX register.
    pub significand: u64,
    /// The sign in bit 15 and the biased exponent; an MMX instruction that writes sets all.
    pub sign_exponent: u16,
}

impl F80 {
    /// The quiet NaN that a masked invalid operation gives.
    pub const INDEFINITE: F80 = F80 { significand: 0xC000_0000_0000_0000, sign_exponent: 0xFFFF };
    /// +0.
    pub const ZERO: F80 = F80 { significand: 0, sign_exponent: 0 };

    /// From ten bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j] = bytes;
        Self {
            significand: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            sign_exponent: u16::from_le_bytes([i, j]),
        }
    }

    /// As ten bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.significand.to_le_bytes();
        let [i, j] = self.sign_exponent.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j]
    }

    /// The tag of a register that isn't empty: 0 valid, 1 zero, 2 special (SDM 1 8.1.7).
    #[must_use]
    pub fn tag(self) -> u16 {
        match (self.sign_exponent & 0x7FFF, self.significand) {
            (0, 0) => 1,
            (0 | 0x7FFF, _) => 2,
            (_, s) if s >> 63 == 0 => 2,
            _ => 0,
        }
    }
}

/// The registers of the x87 FPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Fpu {
    /// R0 to R7, by physical number; MM0 to MM7.
    pub regs: [F80; 8],
    /// Control word.
    pub control: u16,
    /// Status word, TOP in bits 13:11.
    pub status: u16,
    /// Bit n: Rn isn't empty.
    pub full: u8,
    /// The last opcode but for the escape's upper five bits: 11 bits.
    pub opcode: u16,
    /// Where the last instruction that isn't a control instruction began: its offset.
    pub ip: u32,
    /// Its code segment's selector.
    pub cs: u16,
    /// The offset of its memory operand.
    pub dp: u32,
    /// The selector of that operand's segment.
    pub ds: u16,
}

impl Fpu {
    /// After RESET: eight zeros, none of them empty.
    #[must_use]
    pub fn reset() -> Self {
        Self { control: CONTROL_RESET, full: 0xFF, ..Self::init([F80::ZERO; 8]) }
    }

    /// After FNINIT, which keeps the registers' contents and marks them empty.
    #[must_use]
    pub fn init(regs: [F80; 8]) -> Self {
        Self {
            regs,
            control: CONTROL_INIT,
            status: 0,
            full: 0,
            opcode: 0,
            ip: 0,
            cs: 0,
            dp: 0,
            ds: 0,
        }
    }

    /// TOP: the physical number of ST(0).
    #[inline(always)]
    #[must_use]
    pub fn top(&self) -> usize {
        usize::from(self.status >> 11 & 7)
    }

    /// Sets TOP, modulo 8.
    #[inline(always)]
    pub fn set_top(&mut self, top: usize) {
        self.status = self.status & !0x3800 | (top as u16 & 7) << 11;
    }

    /// The physical number of ST(i).
    #[inline(always)]
    #[must_use]
    pub fn physical(&self, i: usize) -> usize {
        (self.top() + i) & 7
    }

    /// True where ST(i) is empty.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self, i: usize) -> bool {
        self.full >> self.physical(i) & 1 == 0
    }

    /// An exception that isn't masked is pending: ES.
    #[inline(always)]
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status & Status::ES.bits() != 0
    }

    /// Makes ES and B follow the exceptions and their masks.
    #[inline(always)]
    pub fn summarize(&mut self) {
        let summary = (Status::ES | Status::B).bits();
        let unmasked = self.status & !self.control & Status::EXCEPTIONS.bits() != 0;
        self.status = if unmasked { self.status | summary } else { self.status & !summary };
    }

    /// Loads the control word; bits that don't exist stay as they are.
    pub fn set_control(&mut self, value: u16) {
        self.control = value & CONTROL_BITS | CONTROL_FIXED;
        self.summarize();
    }

    /// The two-bit tag word: 3 is empty.
    #[must_use]
    pub fn tag_word(&self) -> u16 {
        (0..8).fold(0, |word, n| {
            let tag = if self.full >> n & 1 == 0 { 3 } else { self.regs[n].tag() };
            word | tag << (2 * n)
        })
    }

    /// Loads a two-bit tag word, of which only "empty" counts.
    pub fn set_tag_word(&mut self, word: u16) {
        self.full = (0..8).filter(|n| word >> (2 * n) & 3 != 3).fold(0, |full, n| full | 1 << n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_tags_eight_zeros_as_table_9_1_says() {
        let fpu = Fpu::reset();
        assert_eq!((fpu.control, fpu.status, fpu.tag_word()), (0x0040, 0, 0x5555));
        let init = Fpu::init(fpu.regs);
        assert_eq!((init.control, init.status, init.tag_word()), (0x037F, 0, 0xFFFF));
    }

    #[test]
    fn tags_tell_zero_special_valid_and_empty() {
        let mut fpu = Fpu::init([F80::ZERO; 8]);
        fpu.regs[1] = F80 { significand: 1 << 63, sign_exponent: 0x3FFF };
        fpu.regs[2] = F80::INDEFINITE;
        fpu.regs[3] = F80 { significand: 1, sign_exponent: 0 };
        fpu.regs[4] = F80 { significand: 1, sign_exponent: 0x3FFF };
        fpu.full = 0x1F;
        assert_eq!(fpu.tag_word(), 0b11_11_11_10_10_10_00_01);
        fpu.set_tag_word(0xC000);
        assert_eq!(fpu.full, 0x7F);
    }

    #[test]
    fn unmasking_a_raised_exception_sets_the_summary() {
        let mut fpu = Fpu::init([F80::ZERO; 8]);
        fpu.status = Status::ZE.bits();
        fpu.set_control(!Status::ZE.bits());
        assert_eq!((fpu.control, fpu.status), (0x1F7B, 0x8084));
        fpu.set_control(CONTROL_INIT);
        assert!(!fpu.is_pending());
    }

    #[test]
    fn ten_bytes_and_back() {
        let value = F80 { significand: 0x0123_4567_89AB_CDEF, sign_exponent: 0x8001 };
        assert_eq!(F80::from_bytes(value.to_bytes()), value);
    }
}
