//! REP MOVS and REP STOS by the host's own instruction, in the host window.
//!
//! The destination of a string instruction can't be reached through GS, so ESI and EDI become host
//! addresses meanwhile: the window's base is added. Nothing may then wrap or leave the window, DF
//! must be clear, and the budget must do for all iterations: else the interpreter takes the
//! instruction. Where a page refuses, what was done is done: pointers and counter are put back as
//! the guest has them, and the interpreter goes on from there, as after an interrupt (SDM 1 7.3.9).

use crate::abi::at;
use crate::asm::Ops;
use crate::emit::flags;
use crate::fault::Expected;
use crate::rewrite::{Host, Mem, Rm, encode};
use decode::Code;
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use std::mem::offset_of;
use x86::State;

/// Instructions that have a stub: a byte, a word, a dword moved; the same stored.
pub(crate) const STUBS: usize = 6;

/// The number of the stub of an instruction.
pub(crate) fn number(code: Code) -> Option<usize> {
    Some(match code {
        Code::Movsb_m8_m8 => 0,
        Code::Movsw_m16_m16 => 1,
        Code::Movsd_m32_m32 => 2,
        Code::Stosb_m8_AL => 3,
        Code::Stosw_m16_AX => 4,
        Code::Stosd_m32_EAX => 5,
        _ => return None,
    })
}

/// The byte of the system flags that holds DF, and DF in it.
pub(crate) const FLAGS_HIGH: i32 = offset_of!(State, system_flags) as i32 + 1;
pub(crate) const DF: i8 = 4;

/// A stub: `call [it]` instead of a callout, the site's number in r8d. Gives where its string
/// instruction is expected to fault. In Rust's words:
/// ```text
///   if DF || budget + 1 < ECX || ESI or EDI + ECX * size > 4 GiB { restore flags ; callout }
///   if ECX != 0 { budget += 1 - ECX ; ESI, EDI += window ; rep ... ; ESI, EDI -= window }
///   restore flags ; return
///   fault: ESI, EDI -= window ; budget += ECX - 1 ; restore flags ; callout
/// ```
pub(crate) fn emit(ops: &mut Ops, number: usize) -> Expected {
    let (moves, size) = (number < 3, 1 << (number % 3));
    flags::to_r11(ops);
    dynasm!(ops
        ; .arch x64
        ; mov r9, [r15 + at::GPR]
        ; test BYTE [r9 + FLAGS_HIGH], DF
        ; jnz >slow
        ; lea r9, [r14 + 1]
        ; sub r9, rcx
        ; js >slow
    );
    for pointer in [7, 6].into_iter().take(if moves { 2 } else { 1 }) {
        let end = Mem {
            window: false,
            base: Some(pointer),
            index: Some((1, number as u8 % 3)),
            disp: -1,
        };
        let lea = Host { wide: true, ..Host::new(0x8D, 10, Rm::Mem(end)) };
        encode(ops, &lea).expect("no byte register");
        dynasm!(ops; .arch x64; shr r10, 32; jnz >slow);
    }
    dynasm!(ops
        ; .arch x64
        ; test ecx, ecx
        ; jz >done
        ; mov r14, r9
        ; mov r10, [r15 + at::WINDOW]
        ; add rdi, r10
    );
    if moves {
        dynasm!(ops; .arch x64; add rsi, r10);
    }
    let at = ops.offset().0 as u32;
    if size == 2 {
        ops.push(0x66);
    }
    ops.push(0xF3);
    ops.push(if moves { 0xA4 } else { 0xAA } | u8::from(size != 1));
    emit_guest_pointers(ops, moves);
    dynasm!(ops; .arch x64; done:);
    flags::from_r11(ops);
    dynasm!(ops; .arch x64; ret);
    let stub = ops.offset().0 as u32;
    emit_guest_pointers(ops, moves);
    dynasm!(ops; .arch x64; lea r14, [r14 + rcx - 1]; slow:);
    flags::from_r11(ops);
    dynasm!(ops; .arch x64; jmp QWORD [r15 + at::CALLOUT]);
    Expected { at, stub }
}

/// ESI and EDI as the guest has them: less the window's base, which is in r10.
fn emit_guest_pointers(ops: &mut Ops, moves: bool) {
    dynasm!(ops; .arch x64; sub rdi, r10);
    if moves {
        dynasm!(ops; .arch x64; sub rsi, r10);
    }
}
