//! Fragments about memory that changes under the code: self-modification, page tables, CR3.

use super::asm::{Asm, EAX, EBX, ECX, EDI, data_address};
use super::fragments::plain;
use super::{BUFFER_PAGES, DATA_BYTES, place};
use crate::rng::Rng;

/// A loop whose own instructions it writes: immediates, opcodes, the next instruction.
pub fn patch(asm: &mut Asm, rng: &mut Rng) {
    asm.set(ECX, 2 + rng.below(60));
    let top = asm.here();
    let patched = rng.below(3);
    let hole = match patched {
        // inc dword [imm of the next]; add eax, imm
        0 => {
            let hole = asm.hole(&[0xFF, 0x05]);
            asm.op(&[0x05], rng.value());
            let target = asm.here() - 4;
            asm.fill(hole, target);
            None
        }
        // xor byte [opcode], 8: add eax, edx becomes or eax, edx and back
        1 => {
            let hole = asm.hole(&[0x80, 0x35]);
            asm.bytes(&[0x08]);
            for _ in 0..rng.below(3) {
                plain(asm, rng);
            }
            let target = asm.here();
            asm.fill(hole, target);
            asm.bytes(&[0x01, 0xD0]);
            None
        }
        // What was just run, seen by the next round; written through the alias if it is one.
        _ => {
            asm.op(&[0x05], rng.value());
            let target = asm.here() - 4;
            asm.op(&[0x01, 0x0D], target);
            Some(target)
        }
    };
    plain(asm, rng);
    if let Some(target) = hole.filter(|_| rng.chance(50)) {
        // mov [target], al
        asm.op(&[0xA2], target);
    }
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
}

/// A small routine as bytes: arithmetic and a return.
fn routine(rng: &mut Rng) -> Vec<u8> {
    let mut asm = Asm::new(place::BUFFER);
    for _ in 0..1 + rng.below(4) {
        plain(&mut asm, rng);
    }
    asm.bytes(&[0xC3]);
    let mut code = asm.finish();
    code.resize(code.len().next_multiple_of(4), 0x90);
    code
}

/// Writes a routine into the buffer, by dwords or by REP MOVS, and calls it some times.
pub fn generate(asm: &mut Asm, rng: &mut Rng) {
    let mut at = place::BUFFER + rng.below(BUFFER_PAGES << 12) - 0x40;
    if at < place::BUFFER {
        at = place::BUFFER;
    }
    if rng.chance(60) {
        at &= !3;
    }
    for _ in 0..1 + rng.below(3) {
        let code = routine(rng);
        let seen = at - place::BUFFER + if rng.chance(30) { place::ALIAS } else { place::BUFFER };
        for (index, word) in code.chunks(4).enumerate() {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            asm.store(seen + index as u32 * 4, word);
        }
        let times = if rng.chance(30) { 40 } else { 1 + rng.below(3) };
        asm.set(ECX, times);
        let top = asm.here();
        asm.set(
            EBX,
            at - place::BUFFER + if rng.chance(40) { place::ALIAS } else { place::BUFFER },
        );
        asm.bytes(&[0xFF, 0xD3, 0x49]);
        asm.branch(&[0x0F, 0x85], top);
    }
    if rng.chance(30) {
        // The whole page goes elsewhere in the buffer.
        asm.op(&[0xBE], at & !0xFFF);
        asm.set(EDI, place::BUFFER + (rng.below(BUFFER_PAGES) << 12));
        asm.set(ECX, 0x400);
        asm.bytes(&[0xFC, 0xF3, 0xA5]);
    }
}

/// Counters between instructions, in the same 64 bytes or only in the same page.
pub fn data_beside_code(asm: &mut Asm, rng: &mut Rng) {
    let over = asm.hole(&[0xE9]);
    let counter = asm.here();
    asm.word(0);
    for _ in 0..rng.below(24) {
        asm.word(rng.value());
    }
    let here = asm.here();
    asm.fill_relative(over, here);
    asm.set(ECX, 5 + rng.below(120));
    let top = asm.here();
    asm.op(&[0xFF, 0x05], counter);
    plain(asm, rng);
    asm.op(&[0x01, 0x05], counter);
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
}

/// The address of the entry that maps a linear address in the first directory.
fn entry_of(linear: u32) -> u32 {
    place::PAGES + 0x1000 + (linear >> 12 << 2)
}

/// INVLPG, a CR3 load, or neither: what is stale stays.
fn flush(asm: &mut Asm, rng: &mut Rng, linear: u32) {
    match rng.below(3) {
        0 => asm.op(&[0x0F, 0x01, 0x3D], linear),
        1 => asm.bytes(&[0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8]),
        _ => {}
    }
}

/// An instruction that begins on one page of the alias and ends on the next, whose second half
/// comes to lie in another frame.
pub fn straddle(asm: &mut Asm, rng: &mut Rng) {
    let page = 1 + rng.below(BUFFER_PAGES - 3);
    let first = place::BUFFER + (page << 12);
    let split = 1 + rng.below(4);
    // mov eax, imm32; ret, `split` of its bytes before the end of the page
    let code = [0xB8, 0x11, 0x22, 0x33, 0x44, 0xC3];
    let other = place::BUFFER + ((page + 2) << 12);
    for (index, byte) in code.iter().enumerate() {
        let at = first + 0x1000 - split + index as u32;
        asm.op(&[0xC6, 0x05], at);
        asm.bytes(&[*byte]);
        if index as u32 >= split {
            asm.op(&[0xC6, 0x05], other + index as u32 - split);
            asm.bytes(&[if index == 5 { 0xC3 } else { byte ^ 0x55 }]);
        }
    }
    let start = place::ALIAS + (page << 12) + 0x1000 - split;
    let second = place::ALIAS + ((page + 1) << 12);
    for frame in [first + 0x1000, other, first + 0x1000] {
        asm.store(entry_of(second), frame | rng.pick(&[7, 7, 0x67, 0x27, 6]));
        flush(asm, rng, second);
        asm.set(ECX, 1 + rng.below(4));
        let top = asm.here();
        asm.set(EBX, start);
        asm.bytes(&[0xFF, 0xD3, 0x01, 0xC2, 0x49]);
        asm.branch(&[0x0F, 0x85], top);
    }
}

/// A page of the data's alias, and its linear address.
fn data_page(rng: &mut Rng) -> (u32, u32) {
    let page = rng.below(DATA_BYTES >> 12);
    (place::DATA + (page << 12), place::ALIAS + ((BUFFER_PAGES + page) << 12))
}

/// Touches a page, takes rights from it, touches it again; the last touch may fault.
pub fn protect(asm: &mut Asm, rng: &mut Rng) {
    let (frame, linear) = data_page(rng);
    for _ in 0..1 + rng.below(3) {
        touch(asm, rng, linear);
        asm.store(entry_of(linear), frame | rng.pick(&[7, 5, 3, 1, 0, 0x67, 0x107, 0x47]));
        flush(asm, rng, linear);
    }
    touch(asm, rng, linear);
    asm.store(entry_of(linear), frame | 7);
    asm.op(&[0x0F, 0x01, 0x3D], linear);
    touch(asm, rng, linear);
}

fn touch(asm: &mut Asm, rng: &mut Rng, linear: u32) {
    let at = linear + rng.below(0x1004) - 2;
    match rng.below(5) {
        0 => asm.op(&[0xA1], at),
        1 => asm.op(&[0xA3], at),
        2 => asm.op(&[0x01, 0x05], at),
        3 => asm.op(&[0x0F, 0xB3, 0x05], at),
        _ => {
            asm.set(EDI, at);
            asm.set(ECX, 1 + rng.below(40));
            asm.bytes(&[0xF3, 0xAB]);
        }
    }
}

/// A page's frame changes, with and without a flush; some become what holds the code.
pub fn remap(asm: &mut Asm, rng: &mut Rng) {
    let (frame, linear) = data_page(rng);
    for _ in 0..2 + rng.below(3) {
        let other = match rng.below(4) {
            0 => place::PROGRAM + (rng.below(4) << 12),
            1 => place::BUFFER + (rng.below(BUFFER_PAGES) << 12),
            _ => place::DATA + (rng.below(8) << 12),
        };
        let read_only = other < place::BUFFER;
        asm.store(entry_of(linear), other | if read_only { 5 } else { 7 });
        flush(asm, rng, linear);
        asm.op(&[0x03, 0x05], linear + rng.below(0x400) * 4);
        plain(asm, rng);
    }
    asm.store(entry_of(linear), frame | 7);
    asm.op(&[0x0F, 0x01, 0x3D], linear);
}

/// The other directory and back, touching pages in each; A and D bits are read as data.
pub fn directories(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..1 + rng.below(6) {
        let directory = rng.pick(&[place::PAGES, place::OTHER_PAGES]);
        asm.set(EAX, directory);
        asm.bytes(&[0x0F, 0x22, 0xD8]);
        for _ in 0..rng.below(4) {
            asm.op(&[rng.pick(&[0x03, 0x01]), 0x05], data_address(rng));
        }
        if rng.chance(40) {
            // Clears an A or D bit without a flush.
            let entry = directory + 0x1000 + (data_address(rng) >> 12 << 2);
            asm.op(&[0x03, 0x05], entry);
            asm.op(&[0x80, 0x25], entry);
            asm.bytes(&[0x9F]);
        }
    }
    asm.set(EAX, place::PAGES);
    asm.bytes(&[0x0F, 0x22, 0xD8]);
}

/// CR0.WP, paging off and on again, CR4.PGE.
pub fn modes(asm: &mut Asm, rng: &mut Rng) {
    let (frame, linear) = data_page(rng);
    asm.store(entry_of(linear), frame | 5);
    asm.op(&[0x0F, 0x01, 0x3D], linear);
    for _ in 0..1 + rng.below(3) {
        // mov eax, cr0; btc eax, 16 or 31 (or mov eax, cr4; btc eax, 7); mov back
        match rng.below(4) {
            0 => asm.bytes(&[0x0F, 0x20, 0xC0, 0x0F, 0xBA, 0xF8, 31, 0x0F, 0x22, 0xC0]),
            1 => asm.bytes(&[0x0F, 0x20, 0xE0, 0x0F, 0xBA, 0xF8, 7, 0x0F, 0x22, 0xE0]),
            _ => asm.bytes(&[0x0F, 0x20, 0xC0, 0x0F, 0xBA, 0xF8, 16, 0x0F, 0x22, 0xC0]),
        }
        asm.op(&[0x01, 0x05], place::DATA + rng.below(0x7000));
        plain(asm, rng);
    }
    // Both as they were: PG, WP and PE; PSE and PGE.
    asm.bytes(&[0x0F, 0x20, 0xC0]);
    asm.op(&[0x0D], 0x8001_0000);
    asm.bytes(&[0x0F, 0x22, 0xC0, 0x0F, 0x20, 0xE0]);
    asm.op(&[0x0D], 0x90);
    asm.bytes(&[0x0F, 0x22, 0xE0]);
    asm.op(&[0x01, 0x05], linear);
}
