//! Bytes of code, and where they will lie.

use super::place;
use crate::rng::Rng;

/// EAX to EDI by their encodings.
pub const EAX: u8 = 0;
pub const ECX: u8 = 1;
pub const EDX: u8 = 2;
pub const EBX: u8 = 3;
pub const EBP: u8 = 5;
pub const ESI: u8 = 6;
pub const EDI: u8 = 7;

/// A place in the code where an address is still to be filled in.
#[derive(Clone, Copy, Debug)]
pub struct Hole(usize);

/// Code that grows.
#[derive(Debug)]
pub struct Asm {
    base: u32,
    code: Vec<u8>,
}

impl Asm {
    /// Nothing yet; it will lie at `base`.
    pub fn new(base: u32) -> Self {
        Self { base, code: Vec::new() }
    }

    /// The code.
    pub fn finish(self) -> Vec<u8> {
        self.code
    }

    /// The last byte; 0 if there is none yet.
    pub fn last(&self) -> u8 {
        self.code.last().copied().unwrap_or(0)
    }

    /// The address of the next byte.
    pub fn here(&self) -> u32 {
        self.base + self.code.len() as u32
    }

    /// These bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    /// A double word.
    pub fn word(&mut self, word: u32) {
        self.bytes(&word.to_le_bytes());
    }

    /// These bytes and a double word.
    pub fn op(&mut self, bytes: &[u8], word: u32) {
        self.bytes(bytes);
        self.word(word);
    }

    /// `mov r32, imm32`
    pub fn set(&mut self, register: u8, value: u32) {
        self.op(&[0xB8 + register], value);
    }

    /// `mov dword [address], value`
    pub fn store(&mut self, address: u32, value: u32) {
        self.op(&[0xC7, 0x05], address);
        self.word(value);
    }

    /// These bytes and a double word that [`Self::fill`] puts in.
    pub fn hole(&mut self, bytes: &[u8]) -> Hole {
        self.bytes(bytes);
        self.word(0);
        Hole(self.code.len() - 4)
    }

    /// Puts an absolute address into a hole.
    pub fn fill(&mut self, hole: Hole, value: u32) {
        self.code[hole.0..hole.0 + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// In 16-bit code: `mov r32, imm32` for the registers that 16-bit addresses are made of.
    pub fn set_16(&mut self, rng: &mut Rng) {
        for register in [EBX, EBP, ESI, EDI] {
            self.op(&[0x66, 0xB8 + register], rng.below(0x8000));
        }
        self.bytes(&[0xB9, rng.below(40) as u8, 0]);
    }

    /// Puts the distance to `target` into a hole that ends its instruction.
    pub fn fill_relative(&mut self, hole: Hole, target: u32) {
        let next = self.base + hole.0 as u32 + 4;
        self.fill(hole, target.wrapping_sub(next));
    }

    /// A jump or call (`E8`, `E9`, `0F 8x`) to a known address.
    pub fn branch(&mut self, opcode: &[u8], target: u32) {
        let hole = self.hole(opcode);
        self.fill_relative(hole, target);
    }

    /// Fills up to a multiple of `align` with NOPs.
    pub fn align(&mut self, align: u32) {
        while !self.here().is_multiple_of(align) {
            self.bytes(&[0x90]);
        }
    }

    /// Says where a fault leads, and gives every register and flag a value.
    pub fn begin_fragment(&mut self, rng: &mut Rng) -> Hole {
        if rng.below(8) == 0 {
            self.align(0x40);
        }
        self.op(&[0xC7, 0x05], place::RECOVER);
        let next = self.hole(&[]);
        for register in [EAX, ECX, EDX, EBX, EBP, ESI, EDI] {
            let value = match register {
                ECX => rng.below(48),
                EBX | EBP | ESI | EDI => data_address(rng),
                _ => rng.value(),
            };
            self.set(register, value);
        }
        self.flags(rng.next_u32() & 0xAD5 | u32::from(rng.chance(12)) << 10);
        next
    }

    /// The next fragment begins here.
    pub fn end_fragment(&mut self, next: Hole) {
        // A fragment that got here by itself still has its own segments and stack: int 3Fh.
        self.bytes(&[0xCD, 0x3F]);
        let here = self.here();
        self.fill(next, here);
    }

    /// `push imm32; popfd`
    pub fn flags(&mut self, flags: u32) {
        self.op(&[0x68], flags);
        self.bytes(&[0x9D]);
    }
}

/// An address in the data, its edges and the pages behind it not excepted.
pub fn data_address(rng: &mut Rng) -> u32 {
    let within = match rng.below(8) {
        0 => (rng.below(8) << 12).wrapping_sub(rng.below(6)),
        1 => rng.below(super::DATA_BYTES + 0x100),
        _ => 0x1000 + rng.below(0x1000),
    };
    let alias = place::ALIAS + (super::BUFFER_PAGES << 12);
    within.wrapping_add(if rng.below(5) == 0 { alias } else { place::DATA })
}
