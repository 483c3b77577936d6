//! Fragments of x87, MMX and SSE: loops in which the units' state lives on between instructions,
//! with callouts, exceptions that are unmasked, operands that aren't aligned, and the switches in
//! CR0 and CR4.

use super::asm::{Asm, EAX, EBX, ECX, EDX, ESI, data_address};
use super::fragments::plain;
use super::place;
use crate::Set;
use crate::forms::Form;
use crate::generate;
use crate::rng::Rng;
use std::sync::OnceLock;

/// An address of 16 bytes, mostly aligned.
fn aligned(rng: &mut Rng) -> u32 {
    let address = place::DATA + 0x1000 + (rng.below(0x800) & !15);
    if rng.chance(3) { address + 1 + rng.below(15) } else { address }
}

/// x87, MMX and SSE in one loop.
pub fn units(asm: &mut Asm, rng: &mut Rng) {
    // Where NE is clear an exception stops the program until its steps are used up.
    let (raises, opens) =
        if rng.chance(70) { (true, rng.chance(60)) } else { (false, rng.chance(3)) };
    switches(asm, rng, raises);
    constants(asm, rng, opens);
    asm.set(EBX, aligned(rng));
    asm.set(ESI, aligned(rng));
    asm.set(ECX, 1 + rng.below(40));
    let top = asm.here();
    let families = rng.pick(&[1, 1, 2, 2, 3, 7]);
    for _ in 0..2 + rng.below(14) {
        one(asm, rng, families);
    }
    // Leaves room in the stack, and the loop.
    if rng.chance(30) {
        asm.bytes(&rng.pick(&[[0xDD, 0xD8], [0x0F, 0x77], [0xDB, 0xE2], [0xDB, 0xE3]]));
    }
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
}

/// One instruction of the families, or what comes between them.
fn one(asm: &mut Asm, rng: &mut Rng, families: u32) {
    match rng.below(10) {
        0 => plain_kept(asm, rng),
        1 if rng.chance(30) => between(asm, rng),
        1..=5 if families & 1 != 0 => x87(asm, rng),
        6 if families & 4 != 0 => mmx(asm, rng),
        2..=7 if families & 2 != 0 => sse(asm, rng),
        8 if families & 1 != 0 => register_form(asm, rng, Set::X87),
        9 if families & 2 != 0 => register_form(asm, rng, Set::Simd),
        _ => plain_kept(asm, rng),
    }
}

/// Plain code that leaves the addresses alone, most of the time.
fn plain_kept(asm: &mut Asm, rng: &mut Rng) {
    if rng.chance(20) {
        plain(asm, rng);
        asm.set(EBX, aligned(rng));
        asm.set(ESI, aligned(rng));
    } else {
        asm.bytes(&rng.pick(&[[0x01, 0xD0], [0x11, 0xC2], [0xD1, 0xE8], [0x83, 0xC3]]));
        if asm.last() == 0xC3 {
            asm.bytes(&[rng.pick(&[16, 0xF0])]);
        }
    }
}

/// CLTS and CR4.OSFXSR with OSXMMEXCPT; CR0.NE, or not; seldom a switch that forbids.
fn switches(asm: &mut Asm, rng: &mut Rng, raises: bool) {
    asm.bytes(&[0x0F, 0x06, 0x0F, 0x20, 0xE0]);
    asm.op(&[0x0D], if rng.chance(90) { 0x600 } else { 0x200 });
    asm.bytes(&[0x0F, 0x22, 0xE0, 0x0F, 0x20, 0xC0]);
    if raises {
        asm.op(&[0x0D], 0x20);
    } else {
        asm.op(&[0x25], !0x20);
    }
    if rng.chance(97) {
        asm.op(&[0x25], !4);
    } else {
        asm.bytes(&[0x0C, 4]);
    }
    asm.bytes(&[0x0F, 0x22, 0xC0]);
    if rng.chance(80) {
        asm.bytes(&[0xDB, 0xE3]);
    } else {
        asm.bytes(&[0xDB, 0xE2]);
    }
}

/// Numbers worth computing with, a control word and an MXCSR.
fn constants(asm: &mut Asm, rng: &mut Rng, opens: bool) {
    for slot in 0..12 {
        let float = rng.pick(&[0x3F80_0000, 0xC049_0FDB, 0x0000_0001, 0x7F7F_FFFF, 0, 0x7FC0_0000]);
        let double = rng.pick(&[0x3FF0_0000, 0x4009_21FB, 0xBFE0_0000, 0x0010_0000, 0x7FEF_FFFF]);
        let value = if rng.chance(50) { float } else { double };
        asm.store(place::DATA + 0x1000 + 4 * slot + 0x80 * rng.below(8), value);
    }
    let open = if opens { rng.below(0x40) } else { 0 };
    let control = 0x7F & !open | rng.below(0x10) << 8;
    asm.store(place::DATA, control);
    let open = if rng.chance(40) { rng.below(0x40) } else { 0 };
    asm.store(place::DATA + 4, (0x3F & !open) << 7 | rng.below(4) << 13 | rng.below(2) << 15);
    if rng.chance(50) {
        asm.op(&[0xD9, 0x2D], place::DATA);
    }
    if rng.chance(50) {
        asm.op(&[0x0F, 0xAE, 0x15], place::DATA + 4);
    }
}

/// A memory operand: `[ebx+disp8]`, `[esi]` or an address.
fn operand(asm: &mut Asm, rng: &mut Rng, opcode: &[u8], reg: u8) {
    asm.bytes(opcode);
    let disp = 16 * rng.below(6) as u8;
    match rng.below(8) {
        0..=3 => asm.bytes(&[0x40 | reg << 3 | EBX, disp]),
        4..=5 => asm.bytes(&[reg << 3 | ESI]),
        6 => asm.op(&[reg << 3 | 5], aligned(rng)),
        _ => asm.op(&[reg << 3 | 5], data_address(rng)),
    }
}

fn x87(asm: &mut Asm, rng: &mut Rng) {
    match rng.below(12) {
        0..=2 => {
            let (escape, row) = rng.pick(&[(0xD9, 0), (0xDD, 0), (0xDB, 0), (0xDF, 5), (0xDB, 5)]);
            operand(asm, rng, &[escape], row);
        }
        3..=4 => {
            let (escape, row) = (rng.pick(&[0xD8, 0xDC, 0xDA, 0xDE]), rng.below(8) as u8);
            operand(asm, rng, &[escape], row);
        }
        5..=6 => {
            let (escape, row) = rng.pick(&[(0xD9, 3), (0xDD, 3), (0xDB, 3), (0xDB, 7), (0xDF, 6)]);
            operand(asm, rng, &[escape], row);
        }
        7 => asm.bytes(&[rng.pick(&[0xD8, 0xDC, 0xDE]), 0xC0 + rng.below(64) as u8]),
        8 => asm.bytes(&rng.pick(&[[0xDF, 0xE0], [0xDB, 0xF1], [0xDF, 0xE9], [0xDA, 0xC1]])),
        9 => asm.op(&rng.pick(&[[0xD9, 0x2D], [0xD9, 0x3D], [0xDD, 0x3D]]), place::DATA),
        10 => asm.bytes(&[0xD9, 0xE8 + rng.below(7) as u8]),
        _ => asm.bytes(&rng.pick(&[[0xD9, 0xC9], [0x9B, 0x90], [0xD9, 0xFA], [0xDD, 0xD9]])),
    }
}

fn mmx(asm: &mut Asm, rng: &mut Rng) {
    let opcode = rng.pick(&[0x6F, 0x7F, 0xFC, 0xD5, 0x60, 0x6E, 0x7E, 0xEF]);
    if rng.chance(50) {
        let reg = rng.below(8) as u8;
        operand(asm, rng, &[0x0F, opcode], reg);
    } else {
        let to = rng.pick(&[EAX, EDX]);
        asm.bytes(&[0x0F, opcode, 0xC0 | (rng.below(8) as u8) << 3 | to]);
    }
}

fn sse(asm: &mut Asm, rng: &mut Rng) {
    let prefix = rng.pick(&[None, Some(0x66), Some(0xF3), Some(0xF2)]);
    prefix.into_iter().for_each(|prefix| asm.bytes(&[prefix]));
    let opcode = match rng.below(4) {
        0 => rng.pick(&[0x10, 0x11]),
        1 if prefix.is_none() || prefix == Some(0x66) => rng.pick(&[0x28, 0x29, 0x2F, 0x54, 0x57]),
        _ => rng.pick(&[0x58, 0x59, 0x5C, 0x5E, 0x51, 0x5D, 0x2C, 0x5A]),
    };
    let reg = rng.below(8) as u8;
    // What converts to a general register mustn't hit the counter or an address.
    let reg = if opcode == 0x2C { rng.pick(&[EAX, EDX]) } else { reg };
    if rng.chance(50) {
        operand(asm, rng, &[0x0F, opcode], reg);
    } else {
        asm.bytes(&[0x0F, opcode, 0xC0 | reg << 3 | rng.below(8) as u8]);
    }
}

/// Any form of a set that has no operand in memory.
fn register_form(asm: &mut Asm, rng: &mut Rng, set: Set) {
    static FORMS: OnceLock<[Vec<Form>; 2]> = OnceLock::new();
    let all = FORMS.get_or_init(|| [Set::X87, Set::Simd].map(Set::forms));
    let forms = &all[usize::from(set == Set::Simd)];
    for _ in 0..20 {
        let form = &forms[rng.below(forms.len() as u32) as usize];
        let Some(case) = generate::generate(form, true, rng.next_u64()) else { continue };
        let there = decode::decode(&case.code, true);
        if there.is_ok_and(|insn| !insn.is_mem() && insn.len as usize == case.code.len()) {
            asm.bytes(&case.code);
            // It may have hit the counter or an address.
            asm.bytes(&[0x83, 0xE1, 0x1F, 0x41]);
            asm.set(EBX, aligned(rng));
            return asm.set(ESI, aligned(rng));
        }
    }
}

/// What goes to the interpreter between instructions of the units.
fn between(asm: &mut Asm, rng: &mut Rng) {
    let image = place::DATA + 0x3000;
    match rng.below(9) {
        0 => asm.bytes(&[0xE4, 0x21]),
        1 => asm.bytes(&[0x0F, 0x01, 0xE0]),
        2 => asm.op(&[0x0F, 0xAE, 0x05], image),
        3 => asm.op(&[0x0F, 0xAE, 0x0D], image),
        4 => asm.op(&[0xDD, 0x35], image + 0x200),
        5 => asm.op(&[0xDD, 0x25], image + 0x200),
        6 => asm.op(&[0xD9, 0x35], image + 0x300),
        7 => asm.op(&[0x0F, 0xAE, rng.pick(&[0x15, 0x1D])], place::DATA + 4),
        // mov eax, cr0; or al, 8; mov cr0, eax: the next one is #NM.
        _ if rng.chance(20) => asm.bytes(&[0x0F, 0x20, 0xC0, 0x0C, 0x08, 0x0F, 0x22, 0xC0]),
        _ => asm.bytes(&[0x0F, 0x06]),
    }
}
