//! The integer forms of the legacy map that a ring-3 program may execute, from the decoder's
//! op-code tables, so that none is forgotten.
//!
//! Left out, because the host's answer isn't the guest's: CPUID and counters (values), the five
//! UMIP instructions (Linux emulates them), SYSENTER and SYSEXIT (64-bit hosts differ), RSM, and
//! what only a 286, a 386 or a 486 stepping had. Privileged forms stay in: they fault alike.
#![forbid(unsafe_code)]

pub mod simd;
pub mod x87;

use iced_x86::{
    Code, CpuidFeature, EncodingKind, MandatoryPrefix, Mnemonic, OpCodeOperandKind as Op,
    OpCodeTableKind,
};

/// What a ModRM byte's r/m field may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegMem {
    /// There is no ModRM byte.
    None,
    /// A register or memory.
    Either,
    /// Memory; a register is an invalid op-code.
    Memory,
    /// A register, whatever the mod field says (MOV to and from CR and DR).
    Register,
}

/// How the low three bits of an op-code or the reg field are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegField {
    /// A general register (or nothing: the field is free).
    General,
    /// A segment register.
    Segment,
    /// A control register.
    Control,
    /// A debug register.
    Debug,
    /// Part of the op-code.
    Fixed(u8),
}

/// One way of encoding one instruction.
#[derive(Clone, Debug)]
pub struct Form {
    /// The decoder's name of it.
    pub code: Code,
    /// Whether it lies in the 0F map.
    pub two_bytes: bool,
    /// The op-code's last byte, with a register's number still to be added if `opcode_reg`.
    pub opcode: u8,
    /// Whether the op-code's low bits name a register.
    pub opcode_reg: bool,
    /// The r/m field.
    pub reg_mem: RegMem,
    /// The reg field.
    pub reg: RegField,
    /// The r/m field, where a register form is one of eight different instructions.
    pub rm: Option<u8>,
    /// Lengths in bytes of the immediates that follow.
    pub immediates: Vec<u8>,
    /// Whether an address follows (A0-A3), as wide as the address size.
    pub moffs: bool,
    /// 16 or 32 if the operand size is part of the form, else 0.
    pub operand_size: u32,
    /// 16 or 32 if the address size is part of the form, else 0.
    pub address_size: u32,
    /// Whether F3 is part of the op-code.
    pub needs_f3: bool,
    /// Whether LOCK is legal when the destination is in memory.
    pub lockable: bool,
    /// Whether its cases have the x87 unit.
    pub x87: bool,
    /// What makes it an MMX or SSE form, if it is one.
    pub vector: Option<simd::Vector>,
}

const FEATURES: [CpuidFeature; 8] = [
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::CMOV,
    CpuidFeature::CX8,
    CpuidFeature::MULTIBYTENOP,
];

const LEFT_OUT: [Mnemonic; 9] = [
    Mnemonic::Sgdt,
    Mnemonic::Sidt,
    Mnemonic::Sldt,
    Mnemonic::Str,
    Mnemonic::Smsw,
    Mnemonic::Rsm,
    Mnemonic::Zero_bytes,
    Mnemonic::INVALID,
    Mnemonic::Ud0,
];

/// Members of groups that no processor of this architecture defines: two-byte map, op-code, reg.
const HOLES: [(bool, u8, &[u8]); 6] = [
    (false, 0xC6, &[1, 2, 3, 4, 5, 6]),
    (false, 0xC7, &[1, 2, 3, 4, 5, 6]),
    (false, 0xFE, &[2, 3, 4, 5, 6, 7]),
    (false, 0xFF, &[7]),
    (true, 0x00, &[7]),
    (true, 0xBA, &[0, 1, 2, 3]),
];

/// The sets of forms, each with a fixture of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Integer and system instructions.
    Integer,
    /// The x87 unit.
    X87,
    /// MMX and SSE to SSE4.2.
    Simd,
    /// FXSAVE and FXRSTOR.
    Fxsave,
}

impl Set {
    /// All sets.
    pub const ALL: [Set; 4] = [Set::Integer, Set::X87, Set::Simd, Set::Fxsave];

    /// The name of its fixture, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Set::Integer => "integer",
            Set::X87 => "x87",
            Set::Simd => "simd",
            Set::Fxsave => "fxsave",
        }
    }

    /// The set with this name.
    pub fn named(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Its forms.
    pub fn forms(self) -> Vec<Form> {
        match self {
            Set::Integer => all(),
            Set::X87 => x87::all(),
            Set::Simd => simd::all(),
            Set::Fxsave => simd::images(),
        }
    }

    /// Raised when a seed's case changes.
    pub fn version(self) -> u32 {
        match self {
            Set::Integer => 2,
            Set::X87 | Set::Simd | Set::Fxsave => 1,
        }
    }
}

/// Every integer form, in the order of their op-codes.
pub fn all() -> Vec<Form> {
    let mut forms: Vec<Form> = Code::values().filter_map(form_of).collect();
    for (two_bytes, opcode, members) in HOLES {
        forms.extend(members.iter().map(|reg| hole(two_bytes, opcode, *reg)));
    }
    forms
        .sort_by_key(|form| (form.two_bytes, form.opcode, form.reg.sort_key(), form.code as usize));
    forms
}

/// An invalid op-code with a memory operand.
fn hole(two_bytes: bool, opcode: u8, reg: u8) -> Form {
    Form {
        code: Code::INVALID,
        two_bytes,
        opcode,
        opcode_reg: false,
        reg_mem: RegMem::Memory,
        reg: RegField::Fixed(reg),
        rm: None,
        immediates: Vec::new(),
        moffs: false,
        operand_size: 0,
        address_size: 0,
        needs_f3: false,
        lockable: false,
        x87: false,
        vector: None,
    }
}

fn wanted(code: Code) -> bool {
    let info = code.op_code();
    let features = code.cpuid_features();
    let known = code == Code::Pause
        || (!features.is_empty() && features.iter().all(|feature| FEATURES.contains(feature)));
    let pseudo = matches!(
        code,
        Code::DeclareByte | Code::DeclareWord | Code::DeclareDword | Code::DeclareQword
    );
    // 0F 0D is a prefetch on some hosts, with rules of its own.
    let prefetch =
        matches!(code, Code::Reservednop_rm16_r16_0F0D | Code::Reservednop_rm32_r32_0F0D);
    info.encoding() == EncodingKind::Legacy
        && info.mode32()
        && known
        && !pseudo
        && !prefetch
        && !LEFT_OUT.contains(&code.mnemonic())
}

fn form_of(code: Code) -> Option<Form> {
    if !wanted(code) {
        return None;
    }
    let info = code.op_code();
    let kinds = info.op_kinds();
    let two_bytes = match info.table() {
        OpCodeTableKind::Normal => false,
        OpCodeTableKind::T0F => true,
        _ => return None,
    };
    let reg = match info.group_index() {
        group @ 0..=7 => RegField::Fixed(group as u8),
        _ => kinds.iter().find_map(|kind| reg_field(*kind)).unwrap_or(RegField::General),
    };
    let from_operands = kinds.iter().find_map(|kind| reg_mem(*kind)).unwrap_or(RegMem::None);
    // MOV to and from control and debug registers take r/m as a register whatever mod says.
    Some(Form {
        code,
        two_bytes,
        opcode: (info.op_code() & 0xFF) as u8,
        opcode_reg: kinds
            .iter()
            .any(|kind| matches!(kind, Op::r8_opcode | Op::r16_opcode | Op::r32_opcode)),
        reg_mem: from_operands,
        reg,
        rm: None,
        immediates: kinds.iter().flat_map(|kind| immediate(*kind)).copied().collect(),
        moffs: kinds.contains(&Op::mem_offs),
        operand_size: info.operand_size(),
        address_size: info.address_size(),
        needs_f3: info.mandatory_prefix() == MandatoryPrefix::PF3,
        lockable: info.can_use_lock_prefix(),
        x87: false,
        vector: None,
    })
}

fn reg_field(kind: Op) -> Option<RegField> {
    match kind {
        Op::seg_reg => Some(RegField::Segment),
        Op::cr_reg => Some(RegField::Control),
        Op::dr_reg => Some(RegField::Debug),
        _ => None,
    }
}

fn reg_mem(kind: Op) -> Option<RegMem> {
    match kind {
        Op::r8_or_mem | Op::r16_or_mem | Op::r32_or_mem => Some(RegMem::Either),
        Op::mem => Some(RegMem::Memory),
        Op::r32_rm => Some(RegMem::Register),
        _ => None,
    }
}

fn immediate(kind: Op) -> &'static [u8] {
    match kind {
        Op::imm8 | Op::imm8sex16 | Op::imm8sex32 | Op::br16_1 | Op::br32_1 => &[1],
        Op::imm16 | Op::br16_2 => &[2],
        Op::imm32 | Op::br32_4 => &[4],
        Op::farbr2_2 => &[2, 2],
        Op::farbr4_2 => &[4, 2],
        _ => &[],
    }
}

impl RegField {
    fn sort_key(self) -> u8 {
        if let RegField::Fixed(number) = self { number } else { 0 }
    }
}

impl Form {
    /// Its name, for people: the decoder's, or the bytes of an invalid op-code.
    pub fn name(&self) -> String {
        let map = if self.two_bytes { "0F " } else { "" };
        match (self.code, self.reg) {
            (Code::INVALID, RegField::Fixed(row)) if self.reg_mem == RegMem::Register => {
                let modrm = 0xC0 | row << 3 | self.rm.unwrap_or(0);
                format!("{:02X} {modrm:02X}", self.opcode)
            }
            (Code::INVALID, RegField::Fixed(reg)) => format!("{map}{:02X}/{reg}", self.opcode),
            (code, _) => format!("{code:?}"),
        }
    }

    /// Whether it is one of the string instructions (A4-A7, AA-AF, 6C-6F).
    pub fn is_string(&self) -> bool {
        !self.two_bytes && matches!(self.opcode, 0xA4..=0xA7 | 0xAA..=0xAF | 0x6C..=0x6F)
    }

    /// Whether F2 and F3 are ignored by every processor (0F op-codes give them other meanings
    /// on newer ones).
    pub fn ignores_repeat(&self) -> bool {
        !self.two_bytes && !self.is_string() && self.opcode != 0x90
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_cover_the_integer_set() {
        let forms = all();
        assert!(forms.len() > 560, "{}", forms.len());
        for code in [
            Code::Add_rm8_r8,
            Code::Salc,
            Code::Test_rm8_imm8_F6r1,
            Code::Sal_rm32_CL,
            Code::Cmpxchg8b_m64,
            Code::Cmovg_r32_rm32,
            Code::Int1,
            Code::Enterw_imm16_imm8,
            Code::Jecxz_rel8_16,
            Code::Lsl_r32_r32m16,
            Code::Bswap_r32,
        ] {
            assert!(forms.iter().any(|form| form.code == code), "{code:?} is missing");
        }
    }

    #[test]
    fn emulated_and_valued_instructions_are_left_out() {
        let forms = all();
        for code in [Code::Cpuid, Code::Rdtsc, Code::Sgdt_m1632, Code::Sysenter, Code::Popw_CS] {
            assert!(!forms.iter().any(|form| form.code == code), "{code:?} is listed");
        }
    }

    #[test]
    fn operands_are_read_from_the_tables() {
        let forms = all();
        let find = |code| forms.iter().find(|form| form.code == code).expect("listed");
        let shld = find(Code::Shld_rm16_r16_imm8);
        assert_eq!((shld.reg_mem, shld.immediates.as_slice()), (RegMem::Either, &[1][..]));
        let enter = find(Code::Enterd_imm16_imm8);
        assert_eq!(enter.immediates, [2, 1]);
        let mov = find(Code::Mov_cr_r32);
        assert_eq!((mov.reg_mem, mov.reg), (RegMem::Register, RegField::Control));
    }
}
