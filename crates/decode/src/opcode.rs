//! The place of a form in the manual's opcode map (SDM 2 appendix A).

use iced_x86::{Code, OpCodeTableKind};

/// An opcode of one byte, or of two of which the first is 0F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// 0F comes first.
    pub is_0f: bool,
    /// The byte; for a form that has its register in the opcode, that of the first register.
    pub byte: u8,
    /// The extension in ModRM.reg, 0..=7, where the opcode is a group's.
    pub group: Option<u8>,
}

impl Opcode {
    /// The opcode of a form; `None` for the longer ones (x87 with a fixed ModRM, 0F 38, 0F 3A).
    #[must_use]
    pub fn of(code: Code) -> Option<Self> {
        let info = code.op_code();
        let is_0f = match info.table() {
            OpCodeTableKind::Normal => false,
            OpCodeTableKind::T0F => true,
            _ => return None,
        };
        if info.op_code_len() != 1 {
            return None;
        }
        let byte = u8::try_from(info.op_code()).ok()?;
        let group = info.is_group().then(|| info.group_index() as u8);
        Some(Self { is_0f, byte, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_map() {
        let of = |code| Opcode::of(code).map(|o| (o.is_0f, o.byte, o.group));
        assert_eq!(of(Code::Add_rm32_r32), Some((false, 0x01, None)));
        assert_eq!(of(Code::Cmp_rm32_imm8), Some((false, 0x83, Some(7))));
        assert_eq!(of(Code::Inc_r32), Some((false, 0x40, None)));
        assert_eq!(of(Code::Movzx_r32_rm8), Some((true, 0xB6, None)));
        assert_eq!(of(Code::Fadd_st0_sti), None);
    }
}
