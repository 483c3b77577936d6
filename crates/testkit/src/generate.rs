//! Makes a case of a form: prefixes, addressing mode, registers, memory and flags from a seed.
//!
//! The same (form, code size, seed) gives the same case for ever; [`crate::Set::version`] must be raised
//! when that changes, and fixtures be recorded again. Most operands land in mapped pages; some at page
//! ends, segment limits, read-only and unmapped pages, so that faults occur.
#![forbid(unsafe_code)]

mod operand;
mod place;
mod simd;
mod special;
mod x87;

use crate::case::{Case, Patch, Stop, flag, reg, sreg};
use crate::encode::Address;
use crate::forms::{Form, RegField, RegMem};
use crate::fx::Fx;
use crate::layout::segment_of;
use crate::rng::{Rng, mix};
use iced_x86::{Code, Decoder, DecoderOptions, Mnemonic};

/// Tries before a form is given up: no seed in practice needs more than a few.
const TRIES: u64 = 200;

/// Whether a code segment has the D bit.
pub fn is_wide(cs: u16) -> bool {
    segment_of(cs).is_some_and(|segment| segment.big)
}

/// What is known of a case while it is being made.
struct Builder<'a> {
    rng: Rng,
    form: &'a Form,
    wide: bool,
    operand_wide: bool,
    address_wide: bool,
    prefixes: Vec<u8>,
    repeated: bool,
    locked: bool,
    data_segment: Option<usize>,
    reg_field: u8,
    register_operand: Option<u8>,
    address: Option<Address>,
    stack_set: bool,
    immediate: Vec<u8>,
    moffs: Option<u32>,
    stop: Stop,
    gpr: [u32; 8],
    sel: [u16; 6],
    eip: u32,
    eflags: u32,
    patches: Vec<Patch>,
    fx: Option<Box<Fx>>,
}

/// The case of `form` in 16- or 32-bit code for `seed`. None if the form has no encoding there
/// that a test can tell from another.
pub fn generate(form: &Form, wide: bool, seed: u64) -> Option<Case> {
    (0..TRIES).find_map(|attempt| attempt_at(form, wide, mix(seed ^ attempt << 48)))
}

fn attempt_at(form: &Form, wide: bool, seed: u64) -> Option<Case> {
    let mut builder = Builder::new(form, wide, seed);
    builder.choose_segments();
    builder.choose_prefixes();
    builder.choose_operands();
    builder.choose_immediates();
    builder.specialize();
    builder.choose_units();
    builder.choose_vectors();
    builder.aim_operand();
    builder.choose_stack();
    let mut code = builder.encode();
    builder.place_code(code.len())?;
    builder.late_specials(&mut code);
    let case = builder.finish(code);
    acceptable(form, &case).then_some(case)
}

impl<'a> Builder<'a> {
    fn new(form: &'a Form, wide: bool, seed: u64) -> Builder<'a> {
        let mut rng = Rng::new(seed);
        let mut gpr = [0; 8];
        gpr.fill_with(|| rng.value());
        let arithmetic = rng.next_u32() & flag::ARITHMETIC;
        let mut eflags = flag::FIXED | flag::IF | arithmetic;
        let often = if form.is_string() { 40 } else { 15 };
        for (bit, percent) in [(flag::DF, often), (flag::ID, 20), (flag::AC, 4), (flag::NT, 3)] {
            if rng.chance(percent) {
                eflags |= bit;
            }
        }
        Builder {
            rng,
            form,
            wide,
            operand_wide: wide,
            address_wide: wide,
            prefixes: Vec::new(),
            repeated: false,
            locked: false,
            data_segment: None,
            reg_field: 0,
            register_operand: None,
            address: None,
            stack_set: false,
            immediate: Vec::new(),
            moffs: None,
            stop: Stop::Step,
            gpr,
            sel: [0; 6],
            eip: 0,
            eflags,
            patches: Vec::new(),
            fx: None,
        }
    }

    fn mnemonic(&self) -> Mnemonic {
        self.form.code.mnemonic()
    }

    /// Bytes of the form's general operands.
    fn operand_bytes(&self) -> u32 {
        match self.form.operand_size {
            16 => 2,
            32 => 4,
            _ => 1,
        }
    }

    fn choose_prefixes(&mut self) {
        let width = |size: u32, free: bool| if size == 0 { free } else { size == 32 };
        let flip_operand =
            self.form.operand_size == 0 && self.form.vector.is_none() && self.rng.chance(6);
        let flip_address = self.form.address_size == 0 && self.rng.chance(20);
        self.operand_wide = width(self.form.operand_size, self.wide ^ flip_operand);
        self.address_wide = width(self.form.address_size, self.wide ^ flip_address);
        if self.operand_wide != self.wide {
            self.prefixes.push(0x66);
        }
        if self.address_wide != self.wide {
            self.prefixes.push(0x67);
        }
        if self.rng.chance(20) {
            const OVERRIDES: [(u8, usize); 6] = [
                (0x26, sreg::ES),
                (0x2E, sreg::CS),
                (0x36, sreg::SS),
                (0x3E, sreg::DS),
                (0x64, sreg::FS),
                (0x65, sreg::GS),
            ];
            let (prefix, segment) = self.rng.pick(&OVERRIDES);
            self.prefixes.push(prefix);
            self.data_segment = Some(segment);
        }
        self.choose_repeat_and_lock();
        self.make_soup();
        for at in (1..self.prefixes.len()).rev() {
            let other = self.rng.below(at as u32 + 1) as usize;
            self.prefixes.swap(at, other);
        }
    }

    fn choose_repeat_and_lock(&mut self) {
        if self.form.is_string() && self.rng.chance(60) {
            self.prefixes.push(self.rng.pick(&[0xF2, 0xF3]));
            self.repeated = true;
            self.stop = self.rng.pick(&[Stop::Step, Stop::Through, Stop::Through]);
        } else if self.form.ignores_repeat() && self.rng.chance(3) {
            self.prefixes.push(self.rng.pick(&[0xF2, 0xF3]));
        } else if self.form.needs_f3 {
            self.prefixes.push(0xF3);
        }
        self.prefixes.extend(self.form.vector.iter().flat_map(|vector| vector.prefix));
        let percent = if self.form.lockable { 20 } else { 2 };
        if self.rng.chance(percent) {
            self.prefixes.push(0xF0);
            self.locked = true;
        }
    }

    /// Repeats prefixes, now and then up to and beyond the longest instruction.
    fn make_soup(&mut self) {
        if self.prefixes.is_empty() || !self.rng.chance(4) {
            return;
        }
        for _ in 0..self.rng.below(14) {
            // The last segment prefix counts, and F2 and F3 differ: only the others repeat.
            let again = self.rng.pick(&self.prefixes.clone());
            if matches!(again, 0x66 | 0x67) {
                self.prefixes.push(again);
            }
        }
    }

    fn choose_operands(&mut self) {
        self.reg_field = match self.form.reg {
            RegField::Fixed(number) => number,
            RegField::General => self.rng.below(8) as u8,
            RegField::Segment => self.segment_register(),
            RegField::Control => self.rng.pick(&[0, 2, 3, 4]),
            RegField::Debug => self.rng.pick(&[0, 1, 2, 3, 6, 7]),
        };
        let register = self.rng.below(8) as u8;
        match self.form.reg_mem {
            RegMem::None => {}
            RegMem::Register => {
                self.register_operand = Some(self.form.rm.unwrap_or(register));
            }
            RegMem::Either if self.rng.chance(30) => self.register_operand = Some(register),
            RegMem::Memory if self.rng.chance(2) && self.register_is_undefined() => {
                self.register_operand = Some(register);
            }
            _ => self.address = Some(Address::random(&mut self.rng, self.address_wide)),
        }
        if self.form.opcode_reg {
            self.reg_field = self.rng.below(8) as u8;
        }
    }

    /// MOV to a segment register: CS and the two that don't exist are invalid op-codes.
    fn segment_register(&mut self) -> u8 {
        if self.rng.chance(5) { self.rng.pick(&[1, 6, 7]) } else { self.rng.pick(&[0, 2, 3, 4, 5]) }
    }

    /// Forms whose register operand is an invalid op-code on every processor (62, C4, C5 and
    /// 0F 01 have newer meanings there).
    fn register_is_undefined(&self) -> bool {
        use Mnemonic::{Call, Cmpxchg8b, Jmp, Lea, Lfs, Lgs, Lss};
        matches!(self.mnemonic(), Lea | Lss | Lfs | Lgs | Call | Jmp | Cmpxchg8b)
    }

    fn choose_immediates(&mut self) {
        for length in self.form.immediates.clone() {
            let value = self.rng.value();
            self.immediate.extend_from_slice(&value.to_le_bytes()[..usize::from(length)]);
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut code = self.prefixes.clone();
        if self.form.two_bytes {
            code.push(0x0F);
        }
        code.extend(self.form.vector.iter().flat_map(|vector| vector.map));
        if self.form.opcode_reg {
            code.push(self.form.opcode | self.reg_field);
        } else {
            code.push(self.form.opcode);
        }
        if let Some(register) = self.register_operand {
            code.push(0xC0 | self.reg_field << 3 | register);
        } else if let Some(address) = &self.address {
            address.encode(self.reg_field, &mut code);
        }
        if let Some(offset) = self.moffs {
            let length = if self.address_wide { 4 } else { 2 };
            code.extend_from_slice(&offset.to_le_bytes()[..length]);
        }
        code.extend_from_slice(&self.immediate);
        code
    }

    fn finish(mut self, code: Vec<u8>) -> Case {
        let big_stack = segment_of(self.sel[sreg::SS]).is_some_and(|segment| segment.big);
        if !big_stack {
            let half = crate::sys::HIGH_HALVES[(self.gpr[reg::ESP] >> 16) as usize & 3];
            self.gpr[reg::ESP] = u32::from(half) << 16 | self.gpr[reg::ESP] & 0xFFFF;
        }
        Case {
            code,
            stop: self.stop,
            gpr: self.gpr,
            eip: self.eip,
            eflags: self.eflags,
            sel: self.sel,
            patches: self.patches,
            fx: self.fx,
        }
    }
}

/// Whether the bytes are the wanted form, and nothing that would reach the kernel or stop time.
fn acceptable(form: &Form, case: &Case) -> bool {
    // The decoder calls an over-long instruction invalid.
    let long = case.code.len() > 15;
    let exact = !long && form.code != Code::INVALID;
    !enters_kernel(&case.code) && case.code.len() <= 20 && (!exact || decodes_as(form, case))
}

/// Whether the host's kernel would take the instruction for a system call.
pub fn enters_kernel(code: &[u8]) -> bool {
    let at = code.iter().position(|byte| !is_prefix(*byte)).unwrap_or(0);
    matches!(&code[at..], [0xCD, 0x80, ..] | [0x0F, 0x05 | 0x34 | 0x35, ..])
}

fn is_prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2E | 0x36 | 0x3E | 0x64..=0x67 | 0xF0 | 0xF2 | 0xF3)
}

fn decodes_as(form: &Form, case: &Case) -> bool {
    let bits = if is_wide(case.sel[sreg::CS]) { 32 } else { 16 };
    let mut invalid = false;
    for more in [DecoderOptions::NONE, DecoderOptions::FORCE_RESERVED_NOP] {
        let options = DecoderOptions::NO_INVALID_CHECK | more;
        let insn = Decoder::with_ip(bits, &case.code, 0, options).decode();
        if insn.code() == form.code {
            return insn.len() == case.code.len();
        }
        invalid |= insn.code() == Code::INVALID;
    }
    // A segment register that doesn't exist, or a register where memory must be.
    invalid && (form.reg == RegField::Segment || form.reg_mem == RegMem::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms;

    #[test]
    fn the_same_seed_gives_the_same_case() {
        for form in forms::all().iter().step_by(7) {
            for wide in [false, true] {
                assert_eq!(generate(form, wide, 42), generate(form, wide, 42));
            }
        }
    }

    #[test]
    fn another_seed_gives_another_case() {
        let form = &forms::all()[0];
        assert_ne!(generate(form, true, 1), generate(form, true, 2));
    }

    #[test]
    fn every_form_has_cases_in_both_code_sizes() {
        for form in &forms::all() {
            for wide in [false, true] {
                let made = (0..20).filter(|seed| generate(form, wide, *seed).is_some()).count();
                assert_eq!(made, 20, "{:?} in {} bits", form.code, if wide { 32 } else { 16 });
            }
        }
    }

    #[test]
    fn no_case_enters_the_kernel() {
        let int = forms::all().into_iter().find(|form| form.code == Code::Int_imm8);
        let int = int.expect("listed");
        for seed in 0..2000 {
            let case = generate(&int, true, seed).expect("generated");
            assert!(!case.code.ends_with(&[0xCD, 0x80]), "{case:?}");
        }
    }
}
