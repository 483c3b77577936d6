//! No guest address leaves its window: accesses at both ends of the 4 GiB, over them, and beside
//! pages that aren't mapped, in every form of address, by the interpreter, through the host window
//! and through the software TLB. All must come to the same state, memory and translations.

#[path = "rig/edges.rs"]
mod edges;
mod rig;

use edges::{Bench, Case, FORMS, Form, Shape, TARGETS};

/// Instructions with a memory operand: bytes before ModRM, and its `reg`.
const MOVES: [(&[u8], u8); 20] = [
    (&[0x8A], 0),             // mov al, m
    (&[0x8A], 6),             // mov dh, m
    (&[0x88], 2),             // mov m, dl
    (&[0x00], 4),             // add m, ah
    (&[0x66, 0x8B], 0),       // mov ax, m
    (&[0x66, 0x89], 2),       // mov m, dx
    (&[0x8B], 1),             // mov ecx, m
    (&[0x89], 2),             // mov m, edx
    (&[0x01], 0),             // add m, eax
    (&[0x87], 2),             // xchg m, edx
    (&[0x0F, 0xB1], 2),       // cmpxchg m, edx
    (&[0xFF], 6),             // push m
    (&[0xDD], 0),             // fld qword m
    (&[0xDD], 3),             // fstp qword m
    (&[0x0F, 0x7F], 1),       // movq m, mm1
    (&[0xF2, 0x0F, 0x10], 0), // movsd xmm0, m
    (&[0xDB], 5),             // fld tbyte m
    (&[0xDB], 7),             // fstp tbyte m
    (&[0x0F, 0x10], 0),       // movups xmm0, m
    (&[0x0F, 0x11], 1),       // movups m, xmm1
];
/// Of those, one of each size, loads and stores.
const FEW: [usize; 6] = [2, 5, 6, 8, 17, 18];

fn in_every_form(shape: Shape, forms: &[Form], moves: &[usize]) {
    let mut bench = Bench::new();
    for form in forms {
        for n in moves {
            let (opcode, reg) = MOVES[*n];
            for target in TARGETS {
                bench.compare(&Case::of(form, opcode, reg, target, shape));
            }
        }
    }
    assert!(shape != Shape::Flat || forms[0].is_16bit() || bench.used_windows());
}

fn all_moves() -> Vec<usize> {
    (0..MOVES.len()).collect()
}

#[test]
fn in_a_flat_segment_by_32_bit_addresses() {
    in_every_form(Shape::Flat, &FORMS[..12], &all_moves());
}

#[test]
fn in_a_flat_segment_by_16_bit_addresses() {
    in_every_form(Shape::Flat, &FORMS[12..], &all_moves());
}

#[test]
fn in_a_segment_that_ends_within_a_page() {
    in_every_form(Shape::Short, &FORMS, &FEW);
}

#[test]
fn in_a_segment_whose_addresses_wrap() {
    in_every_form(Shape::High, &FORMS, &FEW);
}

#[test]
fn in_a_segment_that_expands_down() {
    in_every_form(Shape::Down, &FORMS, &FEW);
}

#[test]
fn in_a_segment_of_64_kib() {
    in_every_form(Shape::Half, &FORMS, &FEW);
}

/// Instructions that reach memory by ESP alone: `push eax`, `pop ecx`, `push imm8`, `pushfd`,
/// `pushad`, `popad`, `call +0`, `ret`, `leave`, `enter 8, 1`, `push ax`, `pop cx`.
const STACK: [&[u8]; 12] = [
    &[0x50],
    &[0x59],
    &[0x6A, 0x7F],
    &[0x9C],
    &[0x60],
    &[0x61],
    &[0xE8, 0, 0, 0, 0],
    &[0xC3],
    &[0xC9],
    &[0xC8, 8, 0, 1],
    &[0x66, 0x50],
    &[0x66, 0x59],
];

#[test]
fn by_the_stack_pointer() {
    let mut bench = Bench::new();
    for shape in [Shape::Flat, Shape::Short, Shape::High, Shape::Down, Shape::Half] {
        for code in STACK {
            for target in TARGETS {
                for above in [0, 2, 4, 32] {
                    bench.compare(&Case::stack(code, target.wrapping_add(above), shape));
                }
            }
        }
    }
}

/// `movsb`, `movsw`, `movsd`, `stosb`, `stosw`, `stosd`, `lodsb`, `lodsw`, `cmpsb`, `cmpsd`,
/// `scasb`, `scasw`.
const STRINGS: [&[u8]; 12] = [
    &[0xA4],
    &[0x66, 0xA5],
    &[0xA5],
    &[0xAA],
    &[0x66, 0xAB],
    &[0xAB],
    &[0xAC],
    &[0x66, 0xAD],
    &[0xA6],
    &[0xA7],
    &[0xAE],
    &[0x66, 0xAF],
];

#[test]
fn by_string_instructions_up_and_down() {
    let mut bench = Bench::new();
    for shape in [Shape::Flat, Shape::Short, Shape::High] {
        for (code, is_down) in STRINGS.iter().flat_map(|code| [(code, false), (code, true)]) {
            for target in TARGETS {
                for is_repeated in [false, true] {
                    bench.compare(&Case::string(code, target, shape, is_repeated, is_down));
                }
            }
        }
    }
}
