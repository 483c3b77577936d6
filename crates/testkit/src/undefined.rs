//! What the manual leaves undefined, by instruction (SDM 2A and 2B, "Flags Affected"; the table is
//! volume 1, appendix A). Undefined flags aren't compared; instructions with undefined *results*
//! (SHLD and SHRD of 16 bits by more than 16) aren't generated.
//!
//! Rules of silicon that the manual doesn't give and that processors of both makers keep are
//! compared: BSF and BSR of zero leave the destination as it was; BSWAP of 16 bits gives zero.
#![forbid(unsafe_code)]

use crate::case::{Case, Outcome, flag, reg};
use crate::generate::is_wide;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// Decodes the instruction of a case, illegal LOCK prefixes and all.
pub fn decode(case: &Case) -> Instruction {
    let bits = if is_wide(case.sel[crate::case::sreg::CS]) { 32 } else { 16 };
    let options = DecoderOptions::NO_INVALID_CHECK;
    Decoder::with_ip(bits, &case.code, u64::from(case.eip), options).decode()
}

/// Why the case can't be compared at all: the manual leaves all of it open, or the recording
/// processor has a feature that ours doesn't report.
pub fn open(case: &Case) -> Option<&'static str> {
    let insn = decode(case);
    let repeated = insn.has_rep_prefix() || insn.has_repne_prefix();
    let control = (0..insn.op_count()).any(|n| insn.op_register(n).is_cr());
    match insn.mnemonic() {
        Mnemonic::Loope | Mnemonic::Loopne if repeated => {
            Some("a REP prefix before LOOPE or LOOPNE is reserved (SDM 2A 2.1.1)")
        }
        Mnemonic::Mov if control && insn.has_lock_prefix() => {
            Some("LOCK MOV CR names CR8 where the processor reports AltMovCr8; ours doesn't")
        }
        Mnemonic::Verr | Mnemonic::Verw if insn.has_lock_prefix() => {
            Some("LOCK before VERR or VERW is #UD (SDM 2A, LOCK); the recording processor runs it")
        }
        _ => None,
    }
}

/// The flags of the outcome that the manual doesn't define.
pub fn undefined_flags(case: &Case, outcome: &Outcome) -> u32 {
    let insn = decode(case);
    if let Some(fault) = outcome.fault {
        let divides = matches!(insn.mnemonic(), Mnemonic::Div | Mnemonic::Idiv | Mnemonic::Aam);
        return if divides && fault.vector == 0 { flag::ARITHMETIC } else { 0 };
    }
    use flag::{AF, ARITHMETIC, CF, OF, PF, SF, ZF};
    match insn.mnemonic() {
        Mnemonic::And | Mnemonic::Or | Mnemonic::Xor | Mnemonic::Test => AF,
        Mnemonic::Mul | Mnemonic::Imul => SF | ZF | AF | PF,
        Mnemonic::Div | Mnemonic::Idiv => ARITHMETIC,
        Mnemonic::Aaa | Mnemonic::Aas => OF | SF | ZF | PF,
        Mnemonic::Daa | Mnemonic::Das => OF,
        Mnemonic::Aam | Mnemonic::Aad => OF | AF | CF,
        Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc => OF | SF | AF | PF,
        Mnemonic::Bsf | Mnemonic::Bsr => CF | OF | SF | AF | PF,
        _ => shift_flags(case, &insn),
    }
}

fn shift_flags(case: &Case, insn: &Instruction) -> u32 {
    let count = count(case, insn) & 31;
    let bits = operand_bits(insn);
    if count == 0 {
        return 0;
    }
    let overflow = if count == 1 { 0 } else { flag::OF };
    match insn.mnemonic() {
        Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Rcl | Mnemonic::Rcr => overflow,
        Mnemonic::Shl | Mnemonic::Sal | Mnemonic::Shr if count >= bits => {
            flag::CF | flag::AF | overflow
        }
        Mnemonic::Shl | Mnemonic::Sal | Mnemonic::Shr | Mnemonic::Sar => flag::AF | overflow,
        Mnemonic::Shld | Mnemonic::Shrd if count > bits => flag::ARITHMETIC,
        Mnemonic::Shld | Mnemonic::Shrd => flag::AF | overflow,
        _ => 0,
    }
}

fn count(case: &Case, insn: &Instruction) -> u32 {
    let last = insn.op_count().saturating_sub(1);
    match insn.op_kind(last) {
        OpKind::Immediate8 => u32::from(insn.immediate8()),
        OpKind::Register if insn.op_register(last) == Register::CL => case.gpr[reg::ECX],
        _ => 0,
    }
}

fn operand_bits(insn: &Instruction) -> u32 {
    match insn.op0_kind() {
        OpKind::Register => insn.op0_register().size() as u32 * 8,
        _ => insn.memory_size().size() as u32 * 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::parse;

    fn flags_of(code: &str, ecx: u32) -> u32 {
        let line = format!("code={code} gpr=0,{ecx:x},0,0,0,0,0,0");
        let case = parse(&line).expect("a good line");
        let outcome = Outcome {
            gpr: case.gpr,
            eip: case.eip,
            eflags: case.eflags,
            sel: case.sel,
            fault: None,
            memory: Vec::new(),
        };
        undefined_flags(&case, &outcome)
    }

    #[test]
    fn a_shift_by_zero_defines_every_flag() {
        assert_eq!(flags_of("d3e0", 0x20), 0);
    }

    #[test]
    fn a_shift_by_one_leaves_af_undefined() {
        assert_eq!(flags_of("d1e0", 0), flag::AF);
        assert_eq!(flags_of("d3e0", 1), flag::AF);
    }

    #[test]
    fn a_byte_shift_by_its_width_leaves_cf_undefined() {
        assert_eq!(flags_of("c0e008", 0), flag::AF | flag::OF | flag::CF);
        assert_eq!(flags_of("c0f808", 0), flag::AF | flag::OF);
    }

    #[test]
    fn only_loops_with_a_condition_and_a_rep_prefix_are_open() {
        let open_for = |code: &str| {
            let line = format!("code={code} gpr=0,0,0,0,0,0,0,0");
            open(&parse(&line).expect("a good line")).is_some()
        };
        assert_eq!(["f3e0fe", "f2e1fe", "f00f20c0"].map(open_for), [true; 3]);
        assert_eq!(["e0fe", "f3e2fe", "0f20c0", "f3a4"].map(open_for), [false; 4]);
    }

    #[test]
    fn a_rotate_by_two_leaves_of_undefined() {
        assert_eq!(flags_of("c0c002", 0), flag::OF);
    }
}
