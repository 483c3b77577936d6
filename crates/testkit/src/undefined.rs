//! What the manual leaves undefined, by instruction (SDM 2A and 2B, "Flags Affected"; the table is
//! volume 1, appendix A). Undefined flags aren't compared; instructions with undefined *results*
//! (SHLD and SHRD of 16 bits by more than 16) aren't generated.
//!
//! Rules of silicon that the manual doesn't give and that processors of both makers keep are
//! compared: BSF and BSR of zero leave the destination as it was; BSWAP of 16 bits gives zero.
#![forbid(unsafe_code)]

use crate::case::{Case, Outcome, flag, reg};
use crate::generate::is_wide;
use crate::layout::segment_of;
use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, MemorySize, Mnemonic, OpKind, Register,
};
use x86::fpu::Status;

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
        _ if by_pieces(case) && wraps(case, &insn) => Some(
            "an x87 environment, ten-byte operand or FXSAVE image across offset FFFF of a 16-bit \
             address wraps on the recording processor; ours faults (SDM 3B 22.33.1)",
        ),
        Mnemonic::Maskmovq | Mnemonic::Maskmovdqu if has_zero_mask(case, &insn) => Some(
            "which faults a masked store without a single byte raises is left to the processor \
             (SDM 2B MASKMOVQ, MASKMOVDQU)",
        ),
        Mnemonic::Maskmovdqu if case.eflags & flag::AC != 0 => Some(
            "whether MASKMOVDQU checks alignment is left to the processor (SDM 3A 6.15, #AC): Zen 5 \
             and ours do, Zen 4 doesn't",
        ),
        Mnemonic::Mov if control && insn.has_lock_prefix() => {
            Some("LOCK MOV CR names CR8 where the processor reports AltMovCr8; ours doesn't")
        }
        Mnemonic::Verr | Mnemonic::Verw if insn.has_lock_prefix() => {
            Some("LOCK before VERR or VERW is #UD (SDM 2A, LOCK); the recording processor runs it")
        }
        _ => None,
    }
}

/// Whether the instruction accesses memory in pieces, so that which of two faults comes first, and
/// what was written before it, is the processor's own affair. CMPS reads its two operands in an
/// order that the manual doesn't tell: Zen 5 DS:(E)SI first, Zen 4 ES:(E)DI.
pub fn by_pieces(case: &Case) -> bool {
    use MemorySize::{Bcd, Float80, FpuEnv14, FpuEnv28, FpuState94, FpuState108, Fxsave_512Byte};
    let insn = decode(case);
    let masked = matches!(insn.mnemonic(), Mnemonic::Maskmovq | Mnemonic::Maskmovdqu);
    let compares = matches!(insn.code(), Code::Cmpsb_m8_m8 | Code::Cmpsw_m16_m16)
        || insn.code() == Code::Cmpsd_m32_m32;
    let size = insn.memory_size();
    masked
        || compares
        || matches!(
            size,
            Bcd | Float80 | FpuEnv14 | FpuEnv28 | FpuState94 | FpuState108 | Fxsave_512Byte
        )
}

/// Whether the recording processor has taken the x87 registers for MMX before the instruction
/// faults. The manual says no more than that the instruction causes the transition (SDM 2A
/// CVTPD2PI, MASKMOVQ).
pub fn takes_mmx_early(case: &Case) -> bool {
    use Mnemonic::{Cvtpd2pi, Cvtpi2pd, Cvtpi2ps, Cvtps2pi, Cvttpd2pi, Cvttps2pi, Maskmovq};
    matches!(
        decode(case).mnemonic(),
        Cvtpd2pi | Cvtpi2pd | Cvtpi2ps | Cvtps2pi | Cvttpd2pi | Cvttps2pi | Maskmovq
    )
}

/// Whether a masked store stores nothing.
fn has_zero_mask(case: &Case, insn: &Instruction) -> bool {
    let Some(fx) = &case.fx else { return false };
    let register = insn.op2_register();
    let mask = if register.is_xmm() {
        fx.xmm[register.number() & 7]
    } else {
        u128::from(fx.st[(register.number() + 8 - fx.physical(0)) & 7].significand)
    };
    mask & 0x8080_8080_8080_8080_8080_8080_8080_8080 == 0
}

/// The offset in its segment of the operand in memory.
fn offset(case: &Case, insn: &Instruction) -> Option<u64> {
    let operand = (0..insn.op_count()).find(|n| insn.op_kind(*n) == OpKind::Memory)?;
    let value = |register: Register, _, _| {
        let segment = register.is_segment_register();
        Some(if segment { 0 } else { u64::from(case.gpr[register.number() & 7]) })
    };
    insn.virtual_address(operand, 0, value)
}

/// Whether a byte that FXSAVE wrote is one that processors of this architecture disagree about:
/// opcode and pointers (AMD's keep them for pending exceptions only, newer ones of both makers no
/// selectors) and bits 23 to 16 of MXCSR's mask (bit 17 is AMD's misaligned mode). (SDM 2A
/// table 3-43)
pub fn own_affair_of_image(case: &Case) -> impl Fn(u32) -> bool {
    let insn = decode(case);
    let saves = insn.mnemonic() == Mnemonic::Fxsave;
    let base = segment_of(case.sel[insn.memory_segment().number() & 7]).map(|s| s.base);
    let start = offset(case, &insn).zip(base).map(|(at, base)| base.wrapping_add(at as u32));
    move |address| {
        let at = start.map_or(u32::MAX, |start| address.wrapping_sub(start));
        saves && matches!(at, 6..=23 | 30)
    }
}

/// Whether an operand goes on beyond what a 16-bit address reaches.
fn wraps(case: &Case, insn: &Instruction) -> bool {
    let Some(offset) = offset(case, insn) else { return false };
    let narrow = [insn.memory_base(), insn.memory_index()].iter().any(|r| r.size() == 2)
        || insn.memory_displ_size() == 2;
    narrow && offset + insn.memory_size().size() as u64 > 0x1_0000
}

/// Why a result that isn't undefined may still differ between makers of processors.
pub fn by_maker(case: &Case) -> Option<&'static str> {
    use Mnemonic::{F2xm1, Fcos, Fpatan, Fptan, Fsin, Fsincos, Fyl2x, Fyl2xp1};
    use Mnemonic::{Rcpps, Rcpss, Rsqrtps, Rsqrtss};
    match decode(case).mnemonic() {
        F2xm1 | Fcos | Fpatan | Fptan | Fsin | Fsincos | Fyl2x | Fyl2xp1 => {
            Some("transcendentals are within an ulp, not the same bits (SDM 1 8.3.10)")
        }
        Rcpps | Rcpss | Rsqrtps | Rsqrtss => {
            Some("reciprocals are within 1.5 * 2^-12, not the same bits (SDM 2B RCPPS, RSQRTPS)")
        }
        _ => None,
    }
}

/// The condition codes of the x87 status word that the manual doesn't define after this instruction
/// (SDM 1 table 8-1). They are compared where the same maker's processor runs: there one rule
/// covers them, that of the host's unit.
pub fn undefined_conditions(case: &Case) -> u16 {
    use Mnemonic::{
        Fcom, Fcomi, Fcomip, Fcomp, Fcompp, Fcos, Ficom, Ficomp, Fldenv, Fninit, Fnsave, Fnstenv,
        Fprem, Fprem1, Fptan, Frstor, Fsin, Fsincos, Ftst, Fucom, Fucomi, Fucomip, Fucomp, Fucompp,
        Fxam,
    };
    let (c0, c2, c3) = (Status::C0.bits(), Status::C2.bits(), Status::C3.bits());
    match decode(case).mnemonic() {
        Fcom | Fcomp | Fcompp | Ficom | Ficomp | Fucom | Fucomp | Fucompp | Ftst | Fxam => 0,
        Fcomi | Fcomip | Fucomi | Fucomip | Fprem | Fprem1 => 0,
        Fldenv | Frstor | Fninit | Fnsave | Fnstenv => 0,
        Fcos | Fsin | Fsincos | Fptan => c0 | c3,
        _ => c0 | c2 | c3,
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
            fx: None,
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
