//! What is made of guest code: golden listings, and a search for host instructions that a user
//! program must not run.

use expect_test::{Expect, expect};
use jit::abi::Mode;
use jit::listing::listing;
use x86::SegReg;

/// Flat 32-bit code in ring 0.
fn flat(window: bool) -> Mode {
    let flats = SegReg::ALL.iter().fold(0, |bits, s| bits | 1 << (Mode::FLAT + *s as u32));
    Mode(Mode::CODE32 | Mode::STACK32 | flats | if window { Mode::WINDOW } else { 0 })
}

fn shown(bytes: &[u8], mode: Mode, expected: Expect) {
    let listing = listing(bytes, 0x1000, mode).expect("a block");
    expected.assert_eq(&listing.to_string());
}

#[test]
fn a_register_move_and_an_addition_are_the_guests_bytes() {
    shown(
        &[0x89, 0xD8, 0x01, 0xC8],
        flat(false),
        expect![[r#"
        00001000  mov eax, ebx                       rewritten
                      mov eax, ebx
        00001002  add eax, ecx                       rewritten
                      add eax, ecx
                      jmp 3Eh
    "#]],
    );
}

#[test]
fn inc_becomes_its_long_form() {
    shown(
        &[0x40, 0x4F],
        flat(false),
        expect![[r#"
        00001000  inc eax                            rewritten
                      inc eax
        00001001  dec edi                            rewritten
                      dec edi
                      jmp 3Eh
    "#]],
    );
}

#[test]
fn the_stack_pointer_is_r12() {
    shown(
        &[0x89, 0xE5],
        flat(false),
        expect![[r#"
        00001000  mov ebp, esp                       rewritten
                      mov ebp, r12d
                      jmp 3Dh
    "#]],
    );
}

#[test]
fn a_load_through_the_window_is_the_guests_instruction_behind_a_prefix() {
    shown(
        &[0x8B, 0x44, 0xB3, 0x08],
        flat(true),
        expect![[r#"
        00001000  mov eax, [ebx+esi*4+8]             rewritten
                      mov eax, gs:[ebx+esi*4+8]
                      jmp 52h
    "#]],
    );
}

#[test]
fn a_load_through_the_software_tlb() {
    shown(
        &[0x8B, 0x03],
        flat(false),
        expect![[r#"
        00001000  mov eax, [ebx]                     expanded
                      lea r8d, [rbx]
                      mov r11, rax
                      lahf
                      seto al
                      xchg r11, rax
                      mov r9d, r8d
                      shr r9d, 7
                      and r9d, 0FFE0h
                      add r9, [r15+50h]
                      lea r10d, [r8+3]
                      and r10d, 0FFFFF000h
                      cmp r10, [r9]
                      jne 96h
                      and r8d, 0FFFh
                      add r8, [r9+18h]
                      add r8, [r15+48h]
                      xchg r11, rax
                      add al, 7Fh
                      sahf
                      mov rax, r11
                      mov eax, [r8]
                      jmp 0B0h
    "#]],
    );
}

#[test]
fn a_push_in_the_window() {
    shown(
        &[0x53],
        flat(true),
        expect![[r#"
        00001000  push ebx                           expanded
                      mov gs:[r12d-4], ebx
                      lea r12d, [r12-4]
                      jmp 5Bh
    "#]],
    );
}

#[test]
fn a_product_leaves_the_interpreters_flags() {
    shown(
        &[0xF7, 0xE1],
        flat(true),
        expect![[r#"
        00001000  mul ecx                            expanded
                      mul ecx
                      seto r8b
                      shl r8b, 7
                      test eax, eax
                      rol r8b, 1
                      jmp 4Ah
    "#]],
    );
}

#[test]
fn cli_is_a_callout() {
    shown(
        &[0xFA],
        flat(true),
        expect![[r#"
        00001000  cli                                callout
                      mov r8d, 0
                      call qword ptr [r15+8]
                      jmp 47h
    "#]],
    );
}

/// Every program of ours, translated from every byte on, in 16 and in 32 bits.
#[test]
fn no_host_code_holds_what_a_user_program_must_not_run() {
    let mut blocks = 0;
    for name in ["tour", "bios", "check-system", "check-io", "check-vm86", "check-segments"] {
        let image = roms::get(name).expect("a built program");
        for at in (0..image.len()).step_by(7) {
            for mode in [flat(true), flat(false), Mode(0)] {
                let bytes = &image[at..image.len().min(at + 64)];
                let Some(listing) = listing(bytes, 0x7000 + (at as u32 & 0x7FF), mode) else {
                    continue;
                };
                assert_eq!(listing.forbidden, [""; 0], "{name} at {at:#x}:\n{listing}");
                blocks += 1;
            }
        }
    }
    assert!(blocks > 10_000, "{blocks}");
}
