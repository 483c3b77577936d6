//! Fragments about the protection model: segments, rings, doors, faults, flags, debug registers,
//! ports, virtual-8086 mode. Selectors are those of `roms/fuzz/fuzz-frame.s`.

use super::asm::{Asm, EAX, EBP, ECX, EDI, EDX, ESI, data_address};
use super::fragments::{any_instruction, plain};
use super::place;
use crate::rng::Rng;

/// Flat ring-0 and ring-3 data.
const DATA0: u16 = 0x10;
const DATA3: u16 = 0x23;
const CODE3: u16 = 0x1B;
const CONFORMING: u16 = 0x30;
const CODE16: u16 = 0x38;
/// 512 bytes of data; the same expand-down from 4 KiB; not present; ring 3 read-only.
const LIMITED: u16 = 0x40;
const EXPAND_DOWN: u16 = 0x48;
const CALL_GATE: u16 = 0x50;
const ABSENT: u16 = 0x58;
const READ_ONLY: u16 = 0x60;

/// `mov ax, selector; mov sreg, ax`
fn load(asm: &mut Asm, sreg: u8, selector: u16) {
    let [low, high] = selector.to_le_bytes();
    asm.bytes(&[0x66, 0xB8, low, high, 0x8E, 0xC0 | sreg << 3]);
}

/// Loads segments and goes to and over their limits.
pub fn segments(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        let sreg = rng.pick(&[0, 3, 4, 5]);
        let selector = rng.pick(&[
            DATA0,
            DATA3,
            LIMITED,
            LIMITED,
            EXPAND_DOWN,
            READ_ONLY,
            CODE3,
            0,
            ABSENT,
            8,
            0x28,
            0x70,
        ]);
        load(asm, sreg, selector);
        let prefix = [0x26, 0, 0, 0x3E, 0x64, 0x65][usize::from(sreg)];
        for _ in 0..1 + rng.below(4) {
            let offset = rng.pick(&[0u32, 0x1FC, 0x1FE, 0x200, 0xFFE, 0x1000, 0x1002, 0xFFFF_FFFE]);
            asm.bytes(&[prefix]);
            match rng.below(4) {
                0 => asm.op(&[0xA1], offset),
                1 => asm.op(&[0x01, 0x15], offset),
                2 => asm.op(&[0x8A, 0x0D], offset),
                _ => asm.op(&[0x66, 0xFF, 0x05], offset),
            }
        }
        asm.bytes(&[0x06, 0x0F, 0xA1]);
    }
    load(asm, 3, DATA0);
}

/// A far jump into 16-bit code and back: 16-bit addresses, stack and all.
pub fn narrow(asm: &mut Asm, rng: &mut Rng) {
    if rng.chance(40) {
        // A stack with a 16-bit pointer is that of a segment with B=0; only the code is narrow.
        asm.bytes(&[0x66, 0x50]);
    }
    let jump = asm.hole(&[0xEA]);
    asm.bytes(&CODE16.to_le_bytes());
    let here = asm.here();
    asm.fill(jump, here - place::PROGRAM);
    asm.set_16(rng);
    for _ in 0..1 + rng.below(8) {
        any_instruction(asm, rng, false);
    }
    // A loop: mov cx, n; inc ax; add [bx+si], ax; loop
    let count = 1 + rng.below(60) as u8;
    asm.bytes(&[0xB9, count, 0, 0x40, 0x01, 0x00, 0xE2, 0xFB]);
    asm.bytes(&[0x66, 0xEA]);
    let back = asm.here() + 6;
    asm.word(back);
    asm.bytes(&[8, 0]);
}

/// IRET to ring 3 with what follows; privileged instructions there fault.
pub fn ring_3(asm: &mut Asm, rng: &mut Rng) {
    enter_ring_3(asm, rng);
    load(asm, 3, DATA3);
    for _ in 0..1 + rng.below(5) {
        match rng.below(10) {
            0 => asm.bytes(&[0xCD, 0x30]),
            1 => asm.bytes(&[0xCD, 0x31]),
            2 => asm.bytes(&[rng.pick(&[0xFA, 0xFB, 0xF4, 0x9D, 0x9C])]),
            3 => asm.bytes(&[0x0F, 0x20, 0xC0]),
            4 => asm.op(&[0xA1], data_address(rng)),
            5 => any_instruction(asm, rng, true),
            6 => asm.bytes(&[0xE4, 0x80]),
            7 => asm.bytes(&[0x0F, 0x01, 0xE0]),
            _ => plain(asm, rng),
        }
    }
}

fn enter_ring_3(asm: &mut Asm, rng: &mut Rng) {
    asm.op(&[0x68], DATA3.into());
    asm.op(&[0x68], place::STACK3 - rng.below(64) * 4);
    let iopl = if rng.chance(20) { 0x3000 } else { 0 };
    asm.op(&[0x68], 0x02 | iopl | rng.pick(&[0, 0x200, 0x200, 0x300]));
    asm.op(&[0x68], CODE3.into());
    let target = asm.hole(&[0x68]);
    asm.bytes(&[0xCF]);
    let here = asm.here();
    asm.fill(target, here);
}

/// Each door into ring 0, from ring 0 or 3, in a loop so that it is met warm.
pub fn doors(asm: &mut Asm, rng: &mut Rng) {
    let outer = rng.chance(70);
    if outer {
        enter_ring_3(asm, rng);
        load(asm, 3, DATA3);
    }
    let which = rng.below(if outer { 4 } else { 3 });
    asm.set(EBP, 1 + rng.below(12));
    let top = asm.here();
    match which {
        0 => asm.bytes(&[0xCD, rng.pick(&[0x30, 0x31, 0x03, 0x04])]),
        1 => {
            asm.bytes(&[0x6A, 7, 0x6A, 9]);
            asm.op(&[0x9A], 0);
            asm.bytes(&(CALL_GATE | 3).to_le_bytes());
        }
        2 => {
            let over = asm.hole(&[0x9A]);
            asm.bytes(&CONFORMING.to_le_bytes());
            let skip = asm.hole(&[0xE9]);
            let here = asm.here();
            asm.fill(over, here);
            plain(asm, rng);
            asm.bytes(&[0xCB]);
            let here = asm.here();
            asm.fill_relative(skip, here);
        }
        _ => {
            // mov ecx, esp; mov edx, return; sysenter
            asm.bytes(&[0x89, 0xE1]);
            let back = asm.hole(&[0xBA]);
            asm.bytes(&[0x0F, 0x34]);
            let here = asm.here();
            asm.fill(back, here);
        }
    }
    plain(asm, rng);
    asm.set(EAX, 0);
    // dec ebp; jnz
    asm.bytes(&[0x4D]);
    asm.branch(&[0x0F, 0x85], top);
}

/// One fault, of many kinds, after some plain work.
pub fn faults(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..rng.below(4) {
        plain(asm, rng);
    }
    match rng.below(14) {
        0 => asm.bytes(&[0x31, 0xD2, 0xF7, 0xF2]),
        1 => asm.bytes(&[0x0F, 0x0B]),
        2 => asm.op(&[0xA1], 0x30_0000 + rng.below(0x1000)),
        3 => asm.op(&[0xFF, 0x05], 0x2F_FFFE),
        4 => asm.bytes(&[0xCC, 0xCE, 0xF1]),
        5 => load(asm, 2, rng.pick(&[0, ABSENT, LIMITED, DATA3, 0x28])),
        6 => asm.op(&[0x62, 0x05], data_address(rng)),
        7 => asm.bytes(&[0xCD, rng.pick(&[0x20, 0x40, 0x80, 0x3D])]),
        8 => asm.bytes(&[0xF0, 0x90]),
        9 => asm.bytes(&[0x66; 15]),
        10 => asm.op(&[0xE9], 0x1000_0000),
        11 => asm.op(&[0xBC], 0x30_0000 + rng.below(8)),
        12 => asm.bytes(&[0xD4, 0x00]),
        _ => asm.op(&[0xEA], rng.value()),
    }
    asm.bytes(&[0x50, 0xCD, 0x30]);
    plain(asm, rng);
}

/// IF, TF and DF come and go; loops long enough for the timer; shadows of STI and MOV SS.
pub fn flags(asm: &mut Asm, rng: &mut Rng) {
    asm.set(ECX, 10 + rng.below(100));
    let top = asm.here();
    for _ in 0..1 + rng.below(4) {
        match rng.below(8) {
            0 => asm.flags(0x002 | rng.pick(&[0x100, 0x300, 0x200, 0x400])),
            1 => asm.bytes(&[0xFB, 0xFA]),
            2 => asm.bytes(&[0xFB, 0x40, 0xFA]),
            3 => asm.bytes(&[0x8C, 0xD0, 0x8E, 0xD0, 0x42]),
            4 => asm.bytes(&[0x9C, 0x58, 0x9E, 0x9F]),
            5 => asm.bytes(&[rng.pick(&[0xF8, 0xF9, 0xF5, 0xFC, 0xFD])]),
            6 => asm.bytes(&[0x16, 0x17, 0x9C, 0x9D]),
            _ => plain(asm, rng),
        }
    }
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
    if rng.chance(30) {
        // The timer ends this.
        asm.bytes(&[0xFB, 0xF4]);
    }
}

/// A breakpoint on code or data, then both are met.
pub fn debug(asm: &mut Asm, rng: &mut Rng) {
    let data = data_address(rng) & !3;
    let on_code = rng.chance(40);
    let address = asm.hole(&[0xB8]);
    let register = rng.below(4) as u8;
    asm.bytes(&[0x0F, 0x23, 0xC0 | register << 3]);
    let kind = if on_code { 0 } else { rng.pick(&[1, 3, 3]) | rng.pick(&[0, 4, 12]) };
    asm.set(EAX, 0x400 | 2 << (2 * register) | kind << (16 + 4 * register));
    asm.bytes(&[0x0F, 0x23, 0xF8]);
    plain(asm, rng);
    let here = asm.here();
    asm.fill(address, if on_code { here } else { data });
    asm.set(EDX, 77);
    asm.op(&[0x89, 0x15], data.wrapping_add(rng.below(4)));
    asm.op(&[0x8B, 0x15], data);
    asm.set(EDI, data.wrapping_sub(16));
    asm.set(ECX, 12);
    asm.bytes(&[0xFC, 0xF3, 0xAB]);
    asm.set(EAX, 0x400);
    asm.bytes(&[0x0F, 0x23, 0xF8]);
}

/// Ports that answer, and the frame buffer.
pub fn ports(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..2 + rng.below(6) {
        match rng.below(7) {
            0 => asm.bytes(&[0xE6, 0x80]),
            1 => asm.bytes(&[0x30, 0xC0, 0xE6, 0x43, 0xE4, 0x40, 0x88, 0xC3, 0xE4, 0x40]),
            2 => asm.bytes(&[0x66, 0xBA, 0xDA, 0x03, 0xEC]),
            3 => asm.op(&[0xA3], 0xB_8000 + rng.below(0x1000)),
            4 => asm.op(&[0xFE, 0x05], 0xA_0000 + rng.below(0x1000)),
            5 => {
                asm.set(EDI, data_address(rng));
                asm.set(ECX, 1 + rng.below(20));
                asm.bytes(&[0x66, 0xBA, 0x40, 0x00, 0xF3, rng.pick(&[0x6C, 0x6D])]);
            }
            _ => {
                asm.set(ESI, data_address(rng));
                asm.set(ECX, 1 + rng.below(20));
                asm.bytes(&[0x66, 0xBA, 0x80, 0x00, 0xF3, 0x6E]);
            }
        }
    }
}

/// IRET into virtual-8086 mode, a little 16-bit code there, and out by a fault.
pub fn virtual_8086(asm: &mut Asm, rng: &mut Rng) {
    let segment = place::DATA >> 4;
    for _ in 0..4 {
        asm.op(&[0x68], segment);
    }
    asm.op(&[0x68], segment);
    asm.op(&[0x68], 0x7F00);
    asm.op(&[0x68], 0x2_0002 | rng.pick(&[0, 0x3000, 0x3200, 0x200, 0x100]));
    asm.op(&[0x68], place::PROGRAM >> 4);
    let target = asm.hole(&[0x68]);
    asm.bytes(&[0xCF]);
    let here = asm.here();
    asm.fill(target, here - place::PROGRAM);
    asm.set_16(rng);
    for _ in 0..1 + rng.below(6) {
        any_instruction(asm, rng, false);
    }
    asm.bytes(&[0xB9, 9, 0, 0x40, 0x50, 0x58, 0xE2, 0xFB]);
    asm.bytes(&[rng.pick(&[0xFA, 0x9C, 0xCC, 0xF4]), 0xCD, 0x30, 0x0F, 0x0B]);
}
