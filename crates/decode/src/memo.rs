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

/// What an instruction doesn't have.
const NOWHERE: Constant = Constant { at: 0, size: 0, signed: None };

/// How far a sign is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To 16 bits; the upper half is 0.
    Word,
    /// To 32 bits.
    Dword,
}

impl Constant {
    #[inline]
    fn read(self, bytes: &[u8]) -> u32 {
        let rest = bytes.get(usize::from(self.at)..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        let above = 32 - 8 * u32::from(self.size);
        let top = u32::from_le_bytes(word) << above;
        match self.signed {
            None => top >> above,
            Some(Extent::Word) => (top as i32 >> above) as u32 & 0xFFFF,
            Some(Extent::Dword) => (top as i32 >> above) as u32,
        }
    }
}

/// A form.
#[derive(Clone, Debug)]
struct Known<T> {
    key: u32,
    insn: Insn,
    disp: Constant,
    imm: Constant,
    value: T,
}

/// What [`Memo::decode`] found: a form, and what this instruction has in its place. Nothing is
/// copied, since a copy that is read at once waits until it is written.
#[derive(Debug)]
pub struct Found<'a, T> {
    form: &'a Insn,
    disp: u32,
    imm: u32,
    /// What was made from the form.
    pub value: &'a T,
}

impl<T> Found<'_, T> {
    /// The instruction.
    #[inline]
    #[must_use]
    pub fn insn(&self) -> Insn {
        Insn { disp: self.disp, imm: self.imm, ..*self.form }
    }

    /// Gives another instruction of the form displacement and immediate of this one.
    #[inline]
    pub fn fill(&self, insn: &mut Insn) {
        (insn.disp, insn.imm) = (self.disp, self.imm);
    }

    /// Bytes.
    #[inline]
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        usize::from(self.form.len)
    }
}

/// Forms decoded lately, each with something that was made from it.
#[derive(Clone, Debug)]
pub struct Memo<T> {
    known: Vec<Option<Known<T>>>,
    /// The last instruction that isn't remembered.
    other: Option<Known<T>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: (0..FORMS).map(|_| None).collect(), other: None }
    }
}

impl<T> Memo<T> {
    /// Decodes as [`crate::decode`] does, and gives what `make` made from an instruction that
    /// differs from this one in displacement and immediate at most.
    #[inline]
    pub fn decode(
        &mut self,
        bytes: &[u8],
        bits32: bool,
        make: impl FnOnce(&Insn) -> T,
    ) -> Result<Found<'_, T>, Undecodable> {
        let key = key(bytes, bits32);
        let slot = match key {
            Some(key) => &mut self.known[(key.wrapping_mul(0x9E37_79B1) >> 22) as usize % FORMS],
            None => &mut self.other,
        };
        let is_known =
            |known: &Known<T>| key == Some(known.key) && bytes.len() >= usize::from(known.insn.len);
        if !slot.as_ref().is_some_and(is_known) {
            let (insn, disp, imm) = decode_with_constants(bytes, bits32)?;
            let value = make(&insn);
            *slot = Some(match key {
                Some(key) => Known { key, insn, disp, imm, value },
                None => Known { key: 0, insn, disp: NOWHERE, imm: NOWHERE, value },
            });
        }
        let Some(known) = slot else { return Err(Undecodable::Undefined) };
        let (mut disp, mut imm) = (known.insn.disp, known.insn.imm);
        if known.disp.size != 0 {
            disp = known.disp.read(bytes);
        }
        if known.imm.size != 0 {
            imm = known.imm.read(bytes);
        }
        Ok(Found { form: &known.insn, disp, imm, value: &known.value })
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
        let found = memo.decode(bytes, bits32, |_| ()).map(|found| found.insn());
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
        let short = memo.decode(&add[..5], true, |_| ()).map(|found| found.insn());
        assert_eq!(short, Err(Undecodable::NeedMore));
    }
}
