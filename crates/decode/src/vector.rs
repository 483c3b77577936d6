//! MMX and SSE instructions by their encoding and operands, from the decoder's tables: one
//! executor then carries out all that have the same operands.

use iced_x86::{Code, MandatoryPrefix, OpCodeOperandKind as Kind, OpCodeTableKind};

/// Where an operand of a vector instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An XMM register.
    Xmm,
    /// An MMX register.
    Mm,
    /// A general register.
    General,
}

/// The operands of an instruction that computes: destination and first source, then the other
/// source. An immediate may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    /// The register named by ModRM.reg.
    pub destination: Place,
    /// The operand named by ModRM.rm, where that is a register.
    pub source: Place,
    /// Bytes read where it is memory; 0 where it can't be.
    pub bytes: u8,
}

/// Prefix, map and opcode in 12 bits: the opcode in the low eight; map 0F, 0F 38 or 0F 3A as 0,
/// 1 or 2; prefix none, 66, F3 or F2 as 0 to 3. `None` outside these maps.
#[must_use]
pub fn vector_opcode(code: Code) -> Option<u16> {
    let op = code.op_code();
    let map = match op.table() {
        OpCodeTableKind::T0F => 0,
        OpCodeTableKind::T0F38 => 1,
        OpCodeTableKind::T0F3A => 2,
        _ => return None,
    };
    let prefix = match op.mandatory_prefix() {
        MandatoryPrefix::P66 => 1,
        MandatoryPrefix::PF3 => 2,
        MandatoryPrefix::PF2 => 3,
        _ => 0,
    };
    Some(prefix << 10 | map << 8 | op.op_code() as u16 & 0xFF)
}

/// The operands, where the first is the register in ModRM.reg and the second that in ModRM.rm
/// or memory.
#[must_use]
pub fn vector_operands(code: Code) -> Option<Operands> {
    let op = code.op_code();
    if op.op_count() < 2 {
        return None;
    }
    let destination = match op.op_kind(0) {
        Kind::xmm_reg => Place::Xmm,
        Kind::mm_reg => Place::Mm,
        Kind::r32_reg | Kind::r16_reg => Place::General,
        _ => return None,
    };
    let source = match op.op_kind(1) {
        Kind::xmm_or_mem | Kind::xmm_rm => Place::Xmm,
        Kind::mm_or_mem | Kind::mm_rm => Place::Mm,
        Kind::r32_or_mem => Place::General,
        _ => return None,
    };
    Some(Operands { destination, source, bytes: op.memory_size().size() as u8 })
}

/// An instruction of MMX or SSE by its bytes: what must be known to encode it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// What [`vector_opcode`] says.
    pub opcode: u16,
    /// 66h means operands of 16 bits, beside a prefix that belongs to the opcode.
    pub op16: bool,
    /// The register in ModRM.reg; `None` where that extends the opcode.
    pub reg: Option<Place>,
    /// The operand in ModRM.rm where that is a register; `None` where it must be memory.
    pub rm: Option<Place>,
    /// `rm` is a byte register.
    pub rm8: bool,
    /// Bytes of the operand in memory; 0 where it can't be.
    pub bytes: u8,
    /// The operand in ModRM.rm is written, and only written.
    pub writes_rm: bool,
    /// It ends in an immediate byte.
    pub imm8: bool,
}

/// The encoding of an instruction whose operands are those in ModRM and an immediate, and perhaps
/// registers that it implies. `None` for all others, whatever they belong to.
#[must_use]
pub fn vector_encoding(code: Code) -> Option<Encoding> {
    let op = code.op_code();
    let mut encoding = Encoding {
        opcode: vector_opcode(code)?,
        op16: op.operand_size() == 16,
        reg: None,
        rm: None,
        rm8: false,
        bytes: op.memory_size().size() as u8,
        writes_rm: false,
        imm8: false,
    };
    for n in 0..op.op_count() {
        match op.op_kind(n) {
            Kind::xmm_reg => encoding.reg = Some(Place::Xmm),
            Kind::mm_reg => encoding.reg = Some(Place::Mm),
            Kind::r16_reg | Kind::r32_reg => encoding.reg = Some(Place::General),
            Kind::imm8 => encoding.imm8 = true,
            kind => {
                (encoding.rm, encoding.rm8) = match kind {
                    Kind::xmm_or_mem | Kind::xmm_rm => (Some(Place::Xmm), false),
                    Kind::mm_or_mem | Kind::mm_rm => (Some(Place::Mm), false),
                    Kind::r16_or_mem | Kind::r32_or_mem => (Some(Place::General), false),
                    Kind::r8_or_mem => (Some(Place::General), true),
                    Kind::mem => (None, false),
                    _ => return None,
                };
                encoding.writes_rm = n == 0 && !op.is_group();
            }
        }
    }
    (op.op_count() != 0).then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opcode_holds_prefix_and_map() {
        assert_eq!(vector_opcode(Code::Addps_xmm_xmmm128), Some(0x058));
        assert_eq!(vector_opcode(Code::Addsd_xmm_xmmm64), Some(0xC58));
        assert_eq!(vector_opcode(Code::Ptest_xmm_xmmm128), Some(0x517));
        assert_eq!(vector_opcode(Code::Palignr_mm_mmm64_imm8), Some(0x20F));
        assert_eq!(vector_opcode(Code::Add_rm32_r32), None);
    }

    #[test]
    fn an_encoding_says_which_operand_is_written() {
        let of = |code| vector_encoding(code).map(|e| (e.reg, e.rm, e.bytes, e.writes_rm, e.imm8));
        let xmm = Some(Place::Xmm);
        assert_eq!(of(Code::Movups_xmm_xmmm128), Some((xmm, xmm, 16, false, false)));
        assert_eq!(of(Code::Movups_xmmm128_xmm), Some((xmm, xmm, 16, true, false)));
        assert_eq!(of(Code::Movlps_m64_xmm), Some((xmm, None, 8, true, false)));
        let general = Some(Place::General);
        assert_eq!(of(Code::Pextrb_r32m8_xmm_imm8), Some((xmm, general, 1, true, true)));
        assert_eq!(of(Code::Psrldq_xmm_imm8), Some((None, xmm, 0, false, true)));
        assert_eq!(of(Code::Pblendvb_xmm_xmmm128), Some((xmm, xmm, 16, false, false)));
        assert_eq!(of(Code::Maskmovq_rDI_mm_mm), None);
        assert_eq!(of(Code::Emms), None);
    }

    #[test]
    fn operands_come_with_the_size_of_the_one_in_memory() {
        let of = |code| {
            let o = vector_operands(code).unwrap();
            (o.destination, o.source, o.bytes)
        };
        assert_eq!(of(Code::Cvtps2pd_xmm_xmmm64), (Place::Xmm, Place::Xmm, 8));
        assert_eq!(of(Code::Cvttss2si_r32_xmmm32), (Place::General, Place::Xmm, 4));
        assert_eq!(of(Code::Punpcklbw_mm_mmm32), (Place::Mm, Place::Mm, 4));
        assert_eq!(of(Code::Pmovmskb_r32_mm), (Place::General, Place::Mm, 0));
        assert_eq!(vector_operands(Code::Emms), None);
    }
}
