//! A memory of forms that were decoded before: most instructions differ from one seen earlier in
//! displacement and immediate alone, and those are read from their bytes.
//!
//! Invariant: what [`Memo::decode`] gives is what [`crate::decode`] gives for the same bytes.

use crate::insn::{Insn, MAX_LEN, Undecodable, decode_with_constants};

/// Forms remembered: a power of two.
const FORMS: usize = 1 << 10;

/// Prefixes of which a remembered form may have one.
const PREFIXES: [u8; 10] = [0x66, 0x67, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0xF2, 0xF3];

/// Where a number lies in an instruction, and how it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Constant {
    /// Offset of its first byte.
    pub at: u8,
    /// Bytes: 0, 1, 2 or 4.
    pub size: u8,
    /// It is sign-extended, to 16 bits or to 32.
    pub signed: Option<Extent>,
}

/// How far a sign is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To 16 bits; the upper half is 0.
    Word,
    /// To 32 bits.
    Dword,
}

impl Constant {
    fn read(self, bytes: &[u8]) -> u32 {
        let at = usize::from(self.at);
        let (value, sign) = match self.size {
            1 => (u32::from(bytes[at]), bytes[at] as i8 as u32),
            2 => {
                let word = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
                (u32::from(word), word as i16 as u32)
            }
            _ => {
                let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
                return u32::from_le_bytes(word);
            }
        };
        match self.signed {
            None => value,
            Some(Extent::Word) => sign & 0xFFFF,
            Some(Extent::Dword) => sign,
        }
    }
}

/// A form.
#[derive(Clone, Copy, Debug)]
struct Known<T> {
    key: u32,
    insn: Insn,
    disp: Constant,
    imm: Constant,
    value: T,
}

/// Forms decoded lately, each with something that was made from it.
#[derive(Clone, Debug)]
pub struct Memo<T> {
    known: Vec<Option<Known<T>>>,
}

impl<T: Copy> Default for Memo<T> {
    fn default() -> Self {
        Self { known: vec![None; FORMS] }
    }
}

impl<T: Copy> Memo<T> {
    /// Decodes as [`crate::decode`] does, and gives what `make` made from an instruction that
    /// differs from this one in displacement and immediate at most.
    #[inline]
    pub fn decode(
        &mut self,
        bytes: &[u8],
        bits32: bool,
        make: impl FnOnce(&Insn) -> T,
    ) -> Result<(Insn, T), Undecodable> {
        let Some(key) = key(bytes, bits32) else {
            let (insn, ..) = decode_with_constants(bytes, bits32)?;
            return Ok((insn, make(&insn)));
        };
        let slot = key.wrapping_mul(0x9E37_79B1) as usize >> 22;
        if let Some(known) = &self.known[slot % FORMS]
            && known.key == key
            && bytes.len() >= usize::from(known.insn.len)
        {
            let mut insn = known.insn;
            if known.disp.size != 0 {
                insn.disp = known.disp.read(bytes);
            }
            if known.imm.size != 0 {
                insn.imm = known.imm.read(bytes);
            }
            return Ok((insn, known.value));
        }
        let (insn, disp, imm) = decode_with_constants(bytes, bits32)?;
        let value = make(&insn);
        self.known[slot % FORMS] = Some(Known { key, insn, disp, imm, value });
        Ok((insn, value))
    }
}

/// All that an instruction's form hangs on, as one number: the size of the code segment, one
/// prefix, the opcode, ModRM and SIB. `None` where that may not be all.
#[inline]
fn key(bytes: &[u8], bits32: bool) -> Option<u32> {
    let mut bytes = bytes[..bytes.len().min(MAX_LEN)].iter().copied();
    let mut op = bytes.next()?;
    let prefix = PREFIX[usize::from(op)];
    if prefix != 0 {
        op = bytes.next()?;
    }
    let map0f = op == 0x0F;
    let shape = if map0f {
        op = bytes.next()?;
        BEHIND_0F[usize::from(op)]
    } else {
        ONE_BYTE[usize::from(op)]
    };
    let mut rest = 0;
    match shape {
        Shape::Other => return None,
        Shape::Plain => {}
        Shape::ModRm => {
            let modrm = bytes.next()?;
            rest = u32::from(modrm) << 8;
            let wide = bits32 != (prefix == 2);
            if wide && modrm < 0xC0 && modrm & 7 == 4 {
                rest |= u32::from(bytes.next()?);
            }
        }
    }
    let head = u32::from(bits32) << 5 | u32::from(map0f) << 4 | u32::from(prefix);
    Some(head << 24 | u32::from(op) << 16 | rest)
}

/// What follows an opcode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// An immediate, or nothing.
    Plain,
    /// ModRM.
    ModRm,
    /// Something else, or the byte is no opcode.
    Other,
}

/// The number of a prefix, from 1 on.
const PREFIX: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < PREFIXES.len() {
        table[PREFIXES[n] as usize] = n as u8 + 1;
        n += 1;
    }
    table
};

/// SDM 2 appendix A, table A-2. Left out: far pointers, ENTER, and what begins VEX, EVEX or XOP.
const ONE_BYTE: [Shape; 256] = {
    let mut table = [Shape::Plain; 256];
    let mut op = 0;
    while op < 256 {
        table[op] = match op {
            0x0F | 0x62 | 0x8F | 0x9A | 0xC4 | 0xC5 | 0xC8 | 0xEA | 0xF0 => Shape::Other,
            _ if PREFIX[op] != 0 => Shape::Other,
            0x00..0x40 if op & 7 < 4 => Shape::ModRm,
            0x63 | 0x69 | 0x6B | 0x80..0x90 | 0xC0 | 0xC1 | 0xC6 | 0xC7 => Shape::ModRm,
            0xD0..0xD4 | 0xD8..0xE0 | 0xF6 | 0xF7 | 0xFE | 0xFF => Shape::ModRm,
            _ => Shape::Plain,
        };
        op += 1;
    }
    table
};

/// Table A-3. Left out: further maps, 3DNow, and what nobody has.
const BEHIND_0F: [Shape; 256] = {
    let mut table = [Shape::Other; 256];
    let mut op = 0;
    while op < 256 {
        table[op] = match op {
            0x05..0x0D | 0x30..0x36 | 0x77 | 0x80..0x90 | 0xA0..0xA3 | 0xA8..0xAB => Shape::Plain,
            0xC8..0xD0 => Shape::Plain,
            0x00..=0x03 | 0x0D | 0x10..0x20 | 0x28..0x30 | 0x40..0x77 | 0x7E | 0x7F => Shape::ModRm,
            0x90..0xA0 | 0xA3..0xA6 | 0xAB..0xC8 | 0xD0..=0xFE => Shape::ModRm,
            _ => Shape::Other,
        };
        op += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    /// Bytes by xorshift: the same in each run.
    fn tail(state: &mut u32) -> [u8; 12] {
        std::array::from_fn(|_| {
            *state ^= *state << 13;
            *state ^= *state >> 17;
            *state ^= *state << 5;
            *state as u8
        })
    }

    fn agree(memo: &mut Memo<()>, bytes: &[u8], bits32: bool) {
        let plain = decode(bytes, bits32);
        let found = memo.decode(bytes, bits32, |_| ()).map(|(insn, ())| insn);
        assert_eq!(plain, found, "{bytes:02X?} {bits32}");
    }

    fn all_of(head: &[u8], modrms: impl Iterator<Item = u8>) {
        let (mut memo, mut state) = (Memo::default(), 1);
        for modrm in modrms {
            for bits32 in [false, true] {
                for _ in 0..3 {
                    let mut bytes = [head, &[modrm], &tail(&mut state)].concat();
                    agree(&mut memo, &bytes, bits32);
                    // The same SIB once more, with other numbers behind it.
                    let sib = bytes[head.len() + 1];
                    bytes[head.len() + 2..].copy_from_slice(&tail(&mut state)[1..]);
                    bytes[head.len() + 1] = sib;
                    agree(&mut memo, &bytes, bits32);
                }
            }
        }
    }

    #[test]
    fn every_opcode_is_decoded_as_without_a_memory() {
        for op in 0..=255 {
            all_of(&[op], 0..=255);
            all_of(&[0x0F, op], 0..=255);
        }
    }

    #[test]
    fn every_opcode_behind_a_prefix_is_decoded_as_without_a_memory() {
        for prefix in PREFIXES {
            for op in 0..=255 {
                all_of(&[prefix, op], (0..=255).step_by(5));
                all_of(&[prefix, 0x0F, op], (0..=255).step_by(5));
            }
        }
    }

    #[test]
    fn an_instruction_that_is_cut_short_needs_more_though_its_form_is_known() {
        let mut memo = Memo::default();
        let add = [0x81, 0xC0, 1, 2, 3, 4];
        assert!(memo.decode(&add, true, |_| ()).is_ok());
        let short = memo.decode(&add[..5], true, |_| ()).map(|(insn, ())| insn);
        assert_eq!(short, Err(Undecodable::NeedMore));
    }
}
