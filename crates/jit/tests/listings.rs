//! What is made of guest code: golden listings, and a search for host instructions that a user
//! program must not run.

use expect_test::{Expect, expect};
use jit::abi::Mode;
use jit::emit::Kind;
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
                          jmp 37h
        "#]],
    );
}

#[test]
fn the_mark_of_a_jumps_target_does_nothing() {
    // endbr32, which compilers begin functions with; rdsspd eax.
    shown(
        &[0xF3, 0x0F, 0x1E, 0xFB, 0xF3, 0x0F, 0x1E, 0xC8],
        flat(false),
        expect![[r#"
        00001000  endbr32                            rewritten
                      nop
        00001004  rdsspd eax                         rewritten
                      nop
                      jmp 35h
    "#]],
    );
}

#[test]
fn a_double_shift_says_what_the_manual_leaves_open() {
    // shld edx, eax, cl; shrd esi, edi, 5.
    shown(
        &[0x0F, 0xA5, 0xC2, 0x0F, 0xAC, 0xFE, 0x05],
        flat(false),
        expect![[r#"
        00001000  shld edx, eax, cl                  rewritten
                      shld edx, eax, cl
        00001003  shrd esi, edi, 5                   expanded
                      shrd esi, edi, 5
                      mov r11, rax
                      lahf
                      mov r8d, esi
                      lea r9d, [r8+r8]
                      xor r8d, r9d
                      shr r8d, 1Fh
                      mov al, r8b
                      and ah, 0EFh
                      add al, 7Fh
                      sahf
                      mov rax, r11
                      jmp 58h
    "#]],
    );
}

/// An opcode that the interpreter has no function for is #UD there, and must not become some other
/// instruction here, as XABORT (C6 F8) once became a MOV.
#[test]
fn what_no_model_has_is_never_emitted() {
    let mut undefined = 0;
    let heads = [&[][..], &[0x0F], &[0x66], &[0x66, 0x0F], &[0xF2, 0x0F], &[0xF3, 0x0F], &[0xF3]];
    for (head, op) in heads.iter().flat_map(|head| (0..=255_u8).map(move |op| (head, op))) {
        for modrm in 0..=255 {
            let bytes = [head, &[op, modrm, 5, 0, 0, 0, 0, 0, 0, 0, 0][..]].concat();
            let Ok(insn) = decode::decode(&bytes, true) else { continue };
            if interp::ops::Claim::of(&insn).is_known() {
                continue;
            }
            undefined += 1;
            let listing = listing(&bytes, 0x1000, flat(true)).expect("a block");
            assert_eq!(listing.entries[0].kind, Kind::Callout, "{bytes:02X?}");
        }
    }
    assert!(undefined > 1000, "{undefined}");
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
                          jmp 37h
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
                          jmp 36h
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
                          jmp 4Bh
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
                          add r9, [r15+48h]
                          lea r10d, [r8+3]
                          and r10d, 0FFFFF000h
                          cmp r10, [r9]
                          jne 8Fh
                          and r8d, 0FFFh
                          add r8, [r9+18h]
                          add r8, [r15+40h]
                          xchg r11, rax
                          add al, 7Fh
                          sahf
                          mov rax, r11
                          mov eax, [r8]
                          jmp 0BFh
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
                          jmp 5Ch
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
                          jmp 43h
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
                          call qword ptr [r15]
                          jmp 40h
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

/// Flat 32-bit code whose x87 and SSE units may be used.
fn with_units(window: bool) -> Mode {
    Mode(flat(window).0 | Mode::X87 | Mode::NE | Mode::SSE)
}

#[test]
fn x87_instructions_are_the_guests_bytes_once_the_unit_is_loaded() {
    // fld qword [esi]; fmul qword [edi+8]; faddp; fstp qword [ebx]; add esi, 8
    shown(
        &[0xDD, 0x06, 0xDC, 0x4F, 0x08, 0xDE, 0xC1, 0xDD, 0x1B, 0x83, 0xC6, 0x08],
        with_units(true),
        expect![[r#"
            00001000  fld st, qword ptr [esi]            rewritten
                          fld st, qword ptr gs:[esi]
            00001002  fmul st, qword ptr [edi+8]         rewritten
                          fmul st, qword ptr gs:[edi+8]
            00001005  faddp                              rewritten
                          faddp
            00001007  fstp qword ptr [ebx], st           rewritten
                          fstp qword ptr gs:[ebx], st
            00001009  add esi, 8                         rewritten
                          lea r8d, [rbx]
                          mov [r15+4E8h], r8d
                          add esi, 8
                          mov dword ptr [r15+4E4h], 4000004h
                          jmp 115h
        "#]],
    );
}

#[test]
fn x87_status_and_control_are_read_and_loaded_in_line() {
    // fucompp; fnstsw ax; sahf; fldcw [ebx]; fnstcw [ebx]
    shown(
        &[0xDA, 0xE9, 0xDF, 0xE0, 0x9E, 0xD9, 0x2B, 0xD9, 0x3B],
        with_units(true),
        expect![[r#"
            00001000  fucompp                            rewritten
                          fucompp
            00001002  fnstsw ax                          rewritten
                          fnstsw ax
            00001004  sahf                               rewritten
                          sahf
            00001005  fldcw [ebx]                        expanded
                          movzx r9d, word ptr gs:[ebx]
                          mov [r15+4ECh], r9d
                          fldcw [r15+4ECh]
            00001007  fnstcw [ebx]                       rewritten
                          fnstcw gs:[ebx]
                          mov word ptr [r15+4E4h], 1
                          mov byte ptr [r15+4E6h], 0
                          jmp 0E7h
        "#]],
    );
}

#[test]
fn without_ne_a_control_word_that_unmasks_is_for_the_interpreter() {
    shown(
        &[0xD9, 0x2B],
        Mode(with_units(true).0 & !Mode::NE),
        expect![[r#"
            00001000  fldcw [ebx]                        expanded
                          movzx r9d, word ptr gs:[ebx]
                          mov r8d, 3Fh
                          pext
                          mov r10, rcx
                          lea ecx, [r8-3Fh]
                          jrcxz 47h
                          mov rcx, r10
                          jmp 7Ch
                          mov rcx, r10
                          mov [r15+4ECh], r9d
                          fldcw [r15+4ECh]
                          jmp 95h
        "#]],
    );
}

#[test]
fn sse_instructions_are_the_guests_bytes_once_the_registers_are_loaded() {
    // movaps xmm1, [eax]; addps xmm1, xmm2; mulsd xmm0, [esp+8]; cvttsd2si esp, xmm0;
    // comiss xmm0, xmm1; pshufb xmm3, [ebx]; pinsrw xmm0, eax, 1
    shown(
        &[
            0x0F, 0x28, 0x08, 0x0F, 0x58, 0xCA, 0xF2, 0x0F, 0x59, 0x44, 0x24, 0x08, 0xF2, 0x0F,
            0x2C, 0xE0, 0x0F, 0x2F, 0xC1, 0x66, 0x0F, 0x38, 0x00, 0x1B, 0x66, 0x0F, 0xC4, 0xC0,
            0x01,
        ],
        with_units(true),
        expect![[r#"
            00001000  movaps xmm1, [eax]                 rewritten
                          movaps xmm1, gs:[eax]
            00001003  addps xmm1, xmm2                   rewritten
                          addps xmm1, xmm2
            00001006  mulsd xmm0, [esp+8]                rewritten
                          mulsd xmm0, gs:[r12d+8]
            0000100c  cvttsd2si esp, xmm0                rewritten
                          cvttsd2si r12d, xmm0
            00001010  comiss xmm0, xmm1                  rewritten
                          comiss xmm0, xmm1
            00001013  pshufb xmm3, [ebx]                 rewritten
                          pshufb xmm3, gs:[ebx]
            00001018  pinsrw xmm0, eax, 1                rewritten
                          pinsrw xmm0, eax, 1
                          jmp 104h
        "#]],
    );
}

#[test]
fn mmx_uses_the_x87_unit() {
    // movq mm0, [eax]; paddb mm0, mm1; movd edx, mm0; emms
    shown(
        &[0x0F, 0x6F, 0x00, 0x0F, 0xFC, 0xC1, 0x0F, 0x7E, 0xC2, 0x0F, 0x77],
        with_units(true),
        expect![[r#"
            00001000  movq mm0, [eax]                    rewritten
                          movq mm0, gs:[eax]
            00001003  paddb mm0, mm1                     rewritten
                          paddb mm0, mm1
            00001006  movd edx, mm0                      rewritten
                          movd edx, mm0
            00001009  emms                               rewritten
                          emms
                          jmp 0BAh
        "#]],
    );
}

#[test]
fn an_operand_of_sixteen_bytes_is_found_through_the_software_tlb() {
    shown(
        &[0x0F, 0x29, 0x08],
        with_units(false),
        expect![[r#"
            00001000  movaps [eax], xmm1                 expanded
                          lea r8d, [rax]
                          mov r11, rax
                          lahf
                          seto al
                          xchg r11, rax
                          mov r9d, r8d
                          shr r9d, 7
                          and r9d, 0FFE0h
                          add r9, [r15+48h]
                          lea r10d, [r8+0Fh]
                          and r10d, 0FFFFF000h
                          cmp r10, [r9+8]
                          jne 0A6h
                          and r8d, 0FFFh
                          add r8, [r9+18h]
                          add r8, [r15+40h]
                          xchg r11, rax
                          add al, 7Fh
                          sahf
                          mov rax, r11
                          movaps [r8], xmm1
                          jmp 0F6h
        "#]],
    );
}

#[test]
fn units_that_may_not_be_used_are_for_the_interpreter() {
    // fld1; addps xmm0, xmm1; paddb mm0, mm1
    let listing = listing(&[0xD9, 0xE8, 0x0F, 0x58, 0xC1, 0x0F, 0xFC, 0xC1], 0x1000, flat(true));
    let kinds: Vec<_> = listing.expect("a block").entries.iter().map(|e| e.kind).collect();
    assert_eq!(kinds, [jit::emit::Kind::Callout; 3]);
}
