//! Every MMX and SSE form up to SSE4.2, with POPCNT, from the decoder's tables. FXSAVE is in a set
//! of its own with FXRSTOR, since part of its image is the processor's own affair.
#![forbid(unsafe_code)]

use super::{Form, RegField, RegMem, immediate};
use iced_x86::{Code, CpuidFeature, EncodingKind, MandatoryPrefix, OpCodeOperandKind as Op};
use iced_x86::{MemorySize, OpCodeTableKind};

/// What the opcode of such a form has beyond others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// 66, F3 or F2.
    pub prefix: Option<u8>,
    /// 38 or 3A behind 0F.
    pub map: Option<u8>,
    /// Bytes of the memory operand.
    pub bytes: u32,
    /// What its elements are.
    pub element: Element,
}

/// The elements of packed operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Integers.
    Integer,
    /// Single-precision reals.
    Single,
    /// Double-precision reals.
    Double,
}

/// Every form, in the order of the decoder's numbers.
pub fn all() -> Vec<Form> {
    Code::values().filter(|code| wanted(*code)).flat_map(forms).collect()
}

/// FXSAVE and FXRSTOR, the image of both units.
pub fn images() -> Vec<Form> {
    [Code::Fxsave_m512byte, Code::Fxrstor_m512byte].map(form).into()
}

fn wanted(code: Code) -> bool {
    use CpuidFeature::{CLFSH, FXSR, MMX, POPCNT, SSE, SSE2, SSE3, SSE4_1, SSE4_2, SSSE3};
    const KNOWN: [CpuidFeature; 10] =
        [MMX, SSE, SSE2, SSE3, SSSE3, SSE4_1, SSE4_2, POPCNT, FXSR, CLFSH];
    let (op, features) = (code.op_code(), code.cpuid_features());
    op.encoding() == EncodingKind::Legacy
        && op.mode32()
        && op.table() != OpCodeTableKind::Normal
        && features.iter().all(|feature| KNOWN.contains(feature))
        && code != Code::Fxsave_m512byte
}

/// One form, or eight where ModRM.rm is part of the opcode (the fences).
fn forms(code: Code) -> Vec<Form> {
    let op = code.op_code();
    let last = (op.op_code() & 0xFF) as u8;
    if op.op_code_len() == 2 {
        let opcode = (op.op_code() >> 8) as u8;
        let (row, rm) = (last >> 3 & 7, Some(last & 7));
        return vec![Form {
            opcode,
            reg: RegField::Fixed(row),
            rm,
            reg_mem: RegMem::Register,
            ..form(code)
        }];
    }
    vec![form(code)]
}

fn form(code: Code) -> Form {
    let op = code.op_code();
    let kinds = op.op_kinds();
    let prefix = match op.mandatory_prefix() {
        MandatoryPrefix::P66 => Some(0x66),
        MandatoryPrefix::PF3 => Some(0xF3),
        MandatoryPrefix::PF2 => Some(0xF2),
        _ => None,
    };
    let map = match op.table() {
        OpCodeTableKind::T0F38 => Some(0x38),
        OpCodeTableKind::T0F3A => Some(0x3A),
        _ => None,
    };
    let bytes = match op.memory_size() {
        MemorySize::Fxsave_512Byte => 512,
        size => size.size() as u32,
    };
    let group = op.group_index();
    Form {
        code,
        two_bytes: true,
        opcode: (op.op_code() & 0xFF) as u8,
        opcode_reg: false,
        reg_mem: kinds.iter().find_map(|kind| reg_mem(*kind)).unwrap_or(RegMem::None),
        reg: if group >= 0 { RegField::Fixed(group as u8) } else { RegField::General },
        rm: None,
        immediates: kinds.iter().flat_map(|kind| immediate(*kind)).copied().collect(),
        moffs: false,
        operand_size: op.operand_size(),
        address_size: 0,
        needs_f3: false,
        lockable: false,
        x87: false,
        vector: Some(Vector { prefix, map, bytes, element: element(code) }),
    }
}

fn reg_mem(kind: Op) -> Option<RegMem> {
    match kind {
        Op::xmm_or_mem | Op::mm_or_mem | Op::r8_or_mem | Op::r16_or_mem | Op::r32_or_mem => {
            Some(RegMem::Either)
        }
        Op::mem => Some(RegMem::Memory),
        Op::xmm_rm | Op::mm_rm | Op::r32_rm => Some(RegMem::Register),
        _ => None,
    }
}

/// By the mnemonic's ending and the size in memory: PS and SS, PD and SD.
fn element(code: Code) -> Element {
    let name = format!("{:?}", code.mnemonic()).to_lowercase();
    let size = code.op_code().memory_size();
    if size.element_type() == MemorySize::Float64 || name.ends_with("pd") || name.ends_with("sd") {
        Element::Double
    } else if size.element_type() == MemorySize::Float32 || name.ends_with("ps") {
        Element::Single
    } else {
        Element::Integer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_cover_mmx_and_every_sse() {
        let forms = all();
        assert!(forms.len() > 380, "{}", forms.len());
        for code in [
            Code::Paddb_mm_mmm64,
            Code::Addps_xmm_xmmm128,
            Code::Maskmovdqu_rDI_xmm_xmm,
            Code::Cvttpd2pi_mm_xmmm128,
            Code::Haddps_xmm_xmmm128,
            Code::Palignr_mm_mmm64_imm8,
            Code::Insertps_xmm_xmmm32_imm8,
            Code::Pcmpistri_xmm_xmmm128_imm8,
            Code::Crc32_r32_rm16,
            Code::Popcnt_r16_rm16,
            Code::Fxrstor_m512byte,
            Code::Sfence_FF,
        ] {
            assert!(forms.iter().any(|form| form.code == code), "{code:?} is missing");
        }
    }

    #[test]
    fn elements_are_told_by_name_and_size() {
        assert_eq!(element(Code::Addps_xmm_xmmm128), Element::Single);
        assert_eq!(element(Code::Cvtpd2ps_xmm_xmmm128), Element::Double);
        assert_eq!(element(Code::Pshufb_xmm_xmmm128), Element::Integer);
    }
}
