//! The registers of the x87 and SSE units before and after a case, as FXSAVE has them (SDM 2A
//! FXSAVE, table 3-43). The selectors of the two pointers aren't among them: a 64-bit kernel
//! doesn't keep them.
#![forbid(unsafe_code)]

use x86::F80;
use x86::fpu::{CONTROL_INIT, Fpu, MXCSR_RESET, Status};

/// Bytes of the image that FXSAVE writes.
pub const IMAGE_BYTES: usize = 512;
const STACK: usize = 32;
const XMM: usize = 160;

/// The state of both units.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fx {
    /// x87 control word.
    pub control: u16,
    /// x87 status word.
    pub status: u16,
    /// Bit n: physical register n isn't empty.
    pub full: u8,
    /// The last opcode, 11 bits.
    pub opcode: u16,
    /// The last instruction's offset.
    pub ip: u32,
    /// The last operand's offset.
    pub dp: u32,
    /// ST(0) to ST(7).
    pub st: [F80; 8],
    /// MXCSR.
    pub mxcsr: u32,
    /// XMM0 to XMM7.
    pub xmm: [u128; 8],
}

impl Default for Fx {
    fn default() -> Self {
        Fx {
            control: CONTROL_INIT,
            status: 0,
            full: 0,
            opcode: 0,
            ip: 0,
            dp: 0,
            st: [F80::ZERO; 8],
            mxcsr: MXCSR_RESET,
            xmm: [0; 8],
        }
    }
}

impl Fx {
    /// What FXRSTOR loads.
    pub fn image(&self) -> [u8; IMAGE_BYTES] {
        let mut image = [0; IMAGE_BYTES];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.control.to_le_bytes());
        put(2, &self.status.to_le_bytes());
        put(4, &[self.full]);
        put(6, &self.opcode.to_le_bytes());
        put(8, &self.ip.to_le_bytes());
        put(16, &self.dp.to_le_bytes());
        put(24, &self.mxcsr.to_le_bytes());
        for (i, value) in self.st.iter().enumerate() {
            put(STACK + 16 * i, &value.to_bytes());
        }
        for (i, value) in self.xmm.iter().enumerate() {
            put(XMM + 16 * i, &value.to_le_bytes());
        }
        image
    }

    /// From what FXSAVE wrote.
    pub fn from_image(image: &[u8; IMAGE_BYTES]) -> Fx {
        let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        let dword = |at: usize| u32::from(word(at + 2)) << 16 | u32::from(word(at));
        let stack = std::array::from_fn(|i| {
            F80::from_bytes(std::array::from_fn(|n| image[STACK + 16 * i + n]))
        });
        let xmm = std::array::from_fn(|i| {
            u128::from_le_bytes(std::array::from_fn(|n| image[XMM + 16 * i + n]))
        });
        Fx {
            control: word(0),
            status: word(2),
            full: image[4],
            opcode: word(6),
            ip: dword(8),
            dp: dword(16),
            st: stack,
            mxcsr: dword(24),
            xmm,
        }
    }

    /// Makes ES and B follow from flags and masks, as no load can leave them otherwise.
    pub fn settle(&mut self) {
        let summary = Status::ES.bits() | Status::B.bits();
        let pending = self.status & !self.control & 0x3F != 0;
        self.status = self.status & !summary | if pending { summary } else { 0 };
    }

    /// The physical number of ST(i).
    pub fn physical(&self, i: usize) -> usize {
        (usize::from(self.status >> 11 & 7) + i) & 7
    }

    /// From the interpreter's state.
    pub fn of(fpu: &Fpu, mxcsr: u32, xmm: [u128; 8]) -> Fx {
        Fx {
            control: fpu.control,
            status: fpu.status,
            full: fpu.full,
            opcode: fpu.opcode,
            ip: fpu.ip,
            dp: fpu.dp,
            st: std::array::from_fn(|i| fpu.regs[fpu.physical(i)]),
            mxcsr,
            xmm,
        }
    }

    /// The x87 part for the interpreter.
    pub fn fpu(&self) -> Fpu {
        let mut fpu = Fpu::init([F80::ZERO; 8]);
        for (i, value) in self.st.iter().enumerate() {
            fpu.regs[self.physical(i)] = *value;
        }
        (fpu.control, fpu.status, fpu.full) = (self.control, self.status, self.full);
        (fpu.opcode, fpu.ip, fpu.dp) = (self.opcode, self.ip, self.dp);
        fpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reads_back() {
        let mut fx =
            Fx { status: 0x2841, full: 0x5A, opcode: 0x7A5, ip: 7, dp: 9, ..Fx::default() };
        fx.st[3] = F80 { significand: 0x0123_4567_89AB_CDEF, sign_exponent: 0xFEDC };
        fx.xmm[7] = 1 << 127;
        assert_eq!(Fx::from_image(&fx.image()), fx);
        assert_eq!(Fx::of(&fx.fpu(), fx.mxcsr, fx.xmm), fx);
    }
}
