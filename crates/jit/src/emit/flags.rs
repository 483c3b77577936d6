//! The guest's flags where the host's differ or get in the way.

use super::Emitter;
use crate::asm::Ops;
use crate::rewrite::{Host, Rm, encode};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// Saves the flags in r11, with RAX as it was: AH as LAHF has it, OF in AL.
/// ```text
///   mov r11, rax ; lahf ; seto al ; xchg rax, r11
/// ```
pub(crate) fn to_r11(ops: &mut Ops) {
    dynasm!(ops; .arch x64; mov r11, rax; lahf; seto al; xchg rax, r11);
}

/// Takes them back. AL is 0 or 1: adding 127 overflows exactly for 1.
/// ```text
///   xchg rax, r11 ; add al, 127 ; sahf ; mov rax, r11
/// ```
pub(crate) fn from_r11(ops: &mut Ops) {
    dynasm!(ops; .arch x64; xchg rax, r11; add al, 127; sahf; mov rax, r11);
}

impl Emitter<'_> {
    /// See [`to_r11`].
    pub(super) fn flags_to_r11(&mut self) {
        to_r11(&mut self.ops);
    }

    /// See [`from_r11`].
    pub(super) fn flags_from_r11(&mut self) {
        from_r11(&mut self.ops);
    }

    /// Clears AF in RFLAGS if it is to be taken for clear.
    /// ```text
    ///   mov r8d, eax ; lahf ; seto al ; and ah, ~10h ; add al, 127 ; sahf ; mov eax, r8d
    /// ```
    pub(super) fn settle_af(&mut self) {
        if std::mem::take(&mut self.af_clear) {
            self.clear_af();
        }
    }

    pub(super) fn clear_af(&mut self) {
        dynasm!(self.ops
            ; .arch x64
            ; mov r8d, eax
            ; lahf
            ; seto al
            ; and ah, !0x10
            ; add al, 127
            ; sahf
            ; mov eax, r8d
        );
    }

    /// After a product: CF and OF stay, SF ZF PF are those of register `low` of `width` bytes,
    /// AF is clear. ROL by 1 of 80h sets CF and OF, of 0 clears both, and touches no other flag.
    /// ```text
    ///   seto r8b ; shl r8b, 7 ; test low, low ; rol r8b, 1
    /// ```
    pub(super) fn settle_product(&mut self, low: u8, width: u8) {
        dynasm!(self.ops; .arch x64; seto r8b; shl r8b, 7);
        let (op, byte) = (if width == 1 { 0x84 } else { 0x85 }, width == 1);
        let test = Host { reg8: byte, rm8: byte, ..Host::new(op, low, Rm::Reg(low)) };
        let test = Host { op16: width == 2, ..test };
        encode(&mut self.ops, &test).expect("AL is no high byte");
        dynasm!(self.ops; .arch x64; rol r8b, 1);
    }

    /// After a bit scan: ZF and PF if the source was 0, no other flag.
    /// ```text
    ///   setnz r8b ; test r8b, r8b
    /// ```
    pub(super) fn settle_scan(&mut self) {
        dynasm!(self.ops; .arch x64; setnz r8b; test r8b, r8b);
    }

    /// After a shift by CL: AF is clear if CL & 31 isn't 0. PEXT and JRCXZ touch no flag.
    /// ```text
    ///   mov r8d, 31 ; pext r8d, ecx, r8d ; mov r9, rcx ; mov ecx, r8d ; jrcxz skip
    ///   (clear AF) ; skip: mov rcx, r9
    /// ```
    pub(super) fn settle_shift_cl(&mut self) {
        use dynasmrt::DynasmLabelApi;
        dynasm!(self.ops
            ; .arch x64
            ; mov r8d, 31
            ; pext r8d, ecx, r8d
            ; mov r9, rcx
            ; mov ecx, r8d
            ; jrcxz >skip
        );
        self.clear_af();
        dynasm!(self.ops; .arch x64; skip:; mov rcx, r9);
    }
}
