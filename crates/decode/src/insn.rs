//! The predecoded instruction (SDM 2 chapter 2: prefixes, ModRM, SIB).

use crate::memo::{Constant, Extent};
use crate::vector::vector_opcode;
use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderError, DecoderOptions, FlowControl, Instruction,
};
use iced_x86::{OpCodeOperandKind as Kind, OpCodeTableKind, OpKind, Register};
use x86::SegReg;

/// The register number of an absent base or index: it names a register that is always zero.
pub const NONE: u8 = 16;

/// The longest instruction, bytes (SDM 2 2.3.11).
pub const MAX_LEN: usize = 15;

/// A predecoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// The exact form.
    pub code: Code,
    /// Length, 1..=15 bytes.
    pub len: u8,
    /// `OP32` and so on.
    pub flags: u8,
    /// Effective segment of the memory operand.
    pub seg: SegReg,
    /// Base register, or `NONE`.
    pub base: u8,
    /// Index register, or `NONE`.
    pub index: u8,
    /// The index is shifted left by this, 0..=3.
    pub scale: u8,
    /// The register in ModRM.reg or in the opcode; or the number of a segment, control or
    /// debug register.
    pub reg: u8,
    /// The register in ModRM.rm, where that isn't memory.
    pub rm: u8,
    /// The second immediate: a far pointer's selector, ENTER's level. Of an x87 instruction its
    /// opcode in 11 bits: the low three of the escape, then ModRM. Of one that begins with 0F
    /// what [`vector_opcode`] says.
    pub imm2: u16,
    /// Displacement of the memory operand.
    pub disp: u32,
    /// Immediate, sign-extended; a near branch's displacement; a far pointer's offset.
    pub imm: u32,
}

impl Insn {
    /// The operand size is 32 bits (where it matters).
    pub const OP32: u8 = 1 << 0;
    /// The address size is 32 bits.
    pub const ADDR32: u8 = 1 << 1;
    /// F3: REP or REPE.
    pub const REP: u8 = 1 << 2;
    /// F2: REPNE.
    pub const REPNE: u8 = 1 << 3;
    /// LOCK.
    pub const LOCK: u8 = 1 << 4;
    /// The rm operand is memory.
    pub const MEM: u8 = 1 << 5;
    /// It may write RIP or count steps: the last of its block.
    pub const ENDS_BLOCK: u8 = 1 << 6;

    /// True where a flag is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The operand size is 32 bits.
    #[inline(always)]
    #[must_use]
    pub const fn op32(&self) -> bool {
        self.has(Self::OP32)
    }

    /// The rm operand is memory.
    #[inline(always)]
    #[must_use]
    pub const fn is_mem(&self) -> bool {
        self.has(Self::MEM)
    }
}

/// Why bytes didn't decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// They end within the instruction. With 15 bytes given, it is too long: #GP.
    NeedMore,
    /// No such instruction: #UD.
    Undefined,
}

/// Decodes the instruction at the start of `bytes` (at most 15 are looked at) for a code
/// segment with the given default size.
pub fn decode(bytes: &[u8], bits32: bool) -> Result<Insn, Undecodable> {
    decode_with_constants(bytes, bits32).map(|(insn, ..)| insn)
}

/// As [`decode`]; and where the displacement and the immediate lie in the bytes.
pub(crate) fn decode_with_constants(
    bytes: &[u8],
    bits32: bool,
) -> Result<(Insn, Constant, Constant), Undecodable> {
    let bytes = &bytes[..bytes.len().min(MAX_LEN)];
    let bitness = if bits32 { 32 } else { 16 };
    let mut decoder = Decoder::with_ip(bitness, bytes, 0, DecoderOptions::MOV_TR);
    let i = decoder.decode();
    if i.is_invalid() {
        return Err(why(bytes, bitness, decoder.last_error()));
    }
    let mut insn = Insn {
        code: i.code(),
        len: i.len() as u8,
        flags: sizes(bytes, bits32),
        seg: segment(i.memory_segment()),
        base: NONE,
        index: NONE,
        scale: 0,
        reg: 0,
        rm: 0,
        imm2: 0,
        disp: 0,
        imm: 0,
    };
    let marks = [
        (i.has_rep_prefix(), Insn::REP),
        (i.has_repne_prefix(), Insn::REPNE),
        (i.has_lock_prefix(), Insn::LOCK),
        (i.flow_control() != FlowControl::Next || i.is_string_instruction(), Insn::ENDS_BLOCK),
    ];
    for (set, flag) in marks {
        if set {
            insn.flags |= flag;
        }
    }
    for n in 0..i.op_count() {
        operand(&mut insn, &i, n);
    }
    match opcode(bytes) {
        [escape @ 0xD8..=0xDF, modrm, ..] => {
            insn.imm2 = u16::from(escape & 7) << 8 | u16::from(*modrm);
        }
        [0x0F, ..] => insn.imm2 = vector_opcode(insn.code).unwrap_or(0),
        _ => {}
    }
    let offsets = decoder.get_constant_offsets(&i);
    Ok((insn, displacement(&insn, &offsets), immediate(&i, &offsets)))
}

fn displacement(insn: &Insn, offsets: &ConstantOffsets) -> Constant {
    let extent = if insn.has(Insn::ADDR32) { Extent::Dword } else { Extent::Word };
    Constant {
        at: offsets.displacement_offset() as u8,
        size: offsets.displacement_size() as u8,
        signed: (offsets.displacement_size() == 1).then_some(extent),
    }
}

fn immediate(i: &Instruction, offsets: &ConstantOffsets) -> Constant {
    let is_plain =
        |n| matches!(i.op_kind(n), OpKind::Immediate8 | OpKind::Immediate16 | OpKind::Immediate32);
    Constant {
        at: offsets.immediate_offset() as u8,
        size: offsets.immediate_size() as u8,
        signed: (!(0..i.op_count()).any(is_plain)).then_some(Extent::Dword),
    }
}

/// Tells what ran out of bytes from what was never an instruction. The decoder calls an
/// over-long instruction invalid too.
fn why(bytes: &[u8], bitness: u32, error: DecoderError) -> Undecodable {
    let whole = |bytes: &[u8]| {
        let mut decoder = Decoder::with_ip(bitness, bytes, 0, DecoderOptions::NO_INVALID_CHECK);
        !decoder.decode().is_invalid()
    };
    let ran_out = if matches!(opcode(bytes), [0x0F, 0xB9, ..]) {
        // UD1 is known by its opcode: processors don't fetch on.
        false
    } else if let ([0xD8..=0xDF, ..], Some(neighbour)) = (opcode(bytes), group_neighbour(bytes)) {
        // The decoder looks for the bytes behind an escape that means nothing as well.
        !whole(&neighbour[..bytes.len()])
    } else if error == DecoderError::NoMoreBytes {
        true
    } else if whole(bytes) {
        // A complete instruction with a LOCK that it doesn't take.
        false
    } else if let Some(neighbour) = group_neighbour(bytes) {
        // An empty place in a group is fetched like its neighbours before it is undefined.
        !whole(&neighbour[..bytes.len()])
    } else {
        too_long(bytes, bitness)
    };
    if ran_out { Undecodable::NeedMore } else { Undecodable::Undefined }
}

/// Would 15 bytes that aren't an instruction have needed more? Asked of the same bytes without a
/// prefix that changes no length: one that comes twice, or one that isn't a size's.
fn too_long(bytes: &[u8], bitness: u32) -> bool {
    if bytes.len() < MAX_LEN {
        return false;
    }
    let prefixes = &bytes[..bytes.len() - opcode(bytes).len()];
    // F2 and F3 choose among the instructions behind 0F.
    let escaped = opcode(bytes).first() == Some(&0x0F);
    let spare = |at: usize| {
        let counts =
            matches!(prefixes[at], 0x66 | 0x67) || (escaped && matches!(prefixes[at], 0xF2 | 0xF3));
        !counts || prefixes[at + 1..].contains(&prefixes[at])
    };
    let Some(at) = (0..prefixes.len()).find(|at| spare(*at)) else {
        return false;
    };
    let mut shorter = [0; MAX_LEN - 1];
    shorter[..at].copy_from_slice(&bytes[..at]);
    shorter[at..].copy_from_slice(&bytes[at + 1..MAX_LEN]);
    let mut decoder = Decoder::with_ip(bitness, &shorter, 0, DecoderOptions::MOV_TR);
    let _ = decoder.decode();
    decoder.last_error() == DecoderError::NoMoreBytes
}

/// The bytes behind the prefixes.
fn opcode(bytes: &[u8]) -> &[u8] {
    let prefix =
        |byte: &u8| matches!(byte, 0x26 | 0x2E | 0x36 | 0x3E | 0x64..=0x67 | 0xF0 | 0xF2 | 0xF3);
    &bytes[bytes.iter().take_while(|byte| prefix(byte)).count()..]
}

/// For an opcode that ModRM.reg extends: the same bytes with the extension of an instruction
/// that exists.
fn group_neighbour(bytes: &[u8]) -> Option<[u8; MAX_LEN]> {
    let (behind, extension) = match opcode(bytes) {
        [0xC6 | 0xC7 | 0xFE | 0xFF | 0xD8..=0xDF, _, ..] => (1, 0),
        [0x0F, 0x00, ..] => (2, 0),
        [0x0F, 0xBA, ..] => (2, 4),
        _ => return None,
    };
    let at = bytes.len() - opcode(bytes).len() + behind;
    let mut copy = [0; MAX_LEN];
    copy[..bytes.len()].copy_from_slice(bytes);
    let modrm = copy[..bytes.len()].get_mut(at)?;
    *modrm = *modrm & 0xC7 | extension << 3;
    Some(copy)
}

/// Operand and address size, from the prefixes.
fn sizes(bytes: &[u8], bits32: bool) -> u8 {
    let (mut op, mut addr) = (bits32, bits32);
    for byte in bytes {
        match byte {
            0x66 => op = !bits32,
            0x67 => addr = !bits32,
            0x26 | 0x2E | 0x36 | 0x3E | 0x64 | 0x65 | 0xF0 | 0xF2 | 0xF3 => {}
            _ => break,
        }
    }
    (u8::from(op) * Insn::OP32) | (u8::from(addr) * Insn::ADDR32)
}

fn segment(register: Register) -> SegReg {
    match register {
        Register::ES => SegReg::Es,
        Register::CS => SegReg::Cs,
        Register::SS => SegReg::Ss,
        Register::FS => SegReg::Fs,
        Register::GS => SegReg::Gs,
        _ => SegReg::Ds,
    }
}

fn operand(insn: &mut Insn, i: &Instruction, n: u32) {
    match i.op_kind(n) {
        OpKind::Register => register(insn, i, n),
        OpKind::Memory => memory(insn, i),
        OpKind::NearBranch16 => insn.imm = sign16(i.near_branch16().wrapping_sub(i.len() as u16)),
        OpKind::NearBranch32 => insn.imm = i.near_branch32().wrapping_sub(i.len() as u32),
        OpKind::FarBranch16 => {
            insn.imm = u32::from(i.far_branch16());
            insn.imm2 = i.far_branch_selector();
        }
        OpKind::FarBranch32 => {
            insn.imm = i.far_branch32();
            insn.imm2 = i.far_branch_selector();
        }
        OpKind::Immediate8_2nd => insn.imm2 = u16::from(i.immediate8_2nd()),
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32 => insn.imm = i.immediate(n) as u32,
        // Implied by the form: the addresses of string instructions.
        _ => {}
    }
}

/// True where the opcode behind the prefixes is an escape to the x87 FPU, D8 to DF, whether or
/// not it names an instruction.
#[must_use]
pub fn is_escape(bytes: &[u8]) -> bool {
    matches!(opcode(bytes), [0xD8..=0xDF, ..])
}

/// An instruction of the x87 FPU: one whose first byte is an escape, D8 to DF.
#[must_use]
pub fn is_x87(code: Code) -> bool {
    let op = code.op_code();
    let first = if op.op_code_len() == 2 { op.op_code() >> 8 } else { op.op_code() };
    op.table() == OpCodeTableKind::Normal && (0xD8..=0xDF).contains(&first)
}

fn sign16(v: u16) -> u32 {
    v as i16 as u32
}

fn register(insn: &mut Insn, i: &Instruction, n: u32) {
    let register = i.op_register(n);
    let number = register.number() as u8;
    match i.op_code().op_kind(n) {
        Kind::r8_reg
        | Kind::r16_reg
        | Kind::r32_reg
        | Kind::r8_opcode
        | Kind::r16_opcode
        | Kind::r32_opcode
        | Kind::seg_reg
        | Kind::cr_reg
        | Kind::dr_reg
        | Kind::tr_reg
        | Kind::es
        | Kind::cs
        | Kind::ss
        | Kind::ds
        | Kind::fs
        | Kind::gs
        | Kind::xmm_reg
        | Kind::mm_reg => insn.reg = number,
        Kind::r8_or_mem
        | Kind::r16_or_mem
        | Kind::r32_or_mem
        | Kind::r16_rm
        | Kind::r32_rm
        | Kind::r32_or_mem_mpx
        | Kind::xmm_or_mem
        | Kind::xmm_rm
        | Kind::mm_or_mem
        | Kind::mm_rm => insn.rm = number,
        // AL, eAX, CL and DX are part of the form.
        _ => {}
    }
}

fn memory(insn: &mut Insn, i: &Instruction) {
    let number = |r: Register| match r {
        // XLAT's index is AL, which its handler adds.
        Register::None | Register::AL => NONE,
        r => r.number() as u8,
    };
    insn.flags |= Insn::MEM;
    insn.base = number(i.memory_base());
    insn.index = number(i.memory_index());
    insn.scale = i.memory_index_scale().trailing_zeros() as u8;
    insn.disp = i.memory_displacement32();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(bytes: &[u8], bits32: bool) -> Insn {
        decode(bytes, bits32).unwrap()
    }

    #[test]
    fn an_address_with_base_index_scale_and_displacement() {
        // add [ebx+esi*4-8], ecx
        let i = ok(&[0x01, 0x4C, 0xB3, 0xF8], true);
        assert!(i.is_mem() && i.op32());
        assert_eq!((i.base, i.index, i.scale, i.disp, i.reg), (3, 6, 2, 0xFFFF_FFF8, 1));
    }

    #[test]
    fn a_16_bit_address_uses_bp_with_ss() {
        // mov ax, [bp+di+1]
        let i = ok(&[0x8B, 0x43, 0x01], false);
        assert_eq!((i.base, i.index, i.seg, i.disp), (5, 7, SegReg::Ss, 1));
        assert!(!i.op32() && !i.has(Insn::ADDR32));
    }

    #[test]
    fn near_branches_hold_their_displacement() {
        assert_eq!(ok(&[0xEB, 0xFE], true).imm, 0xFFFF_FFFE);
        assert_eq!(ok(&[0xE9, 0x00, 0x80], false).imm, 0xFFFF_8000);
        assert!(ok(&[0xEB, 0xFE], true).has(Insn::ENDS_BLOCK));
    }

    #[test]
    fn high_byte_registers_have_numbers_4_to_7() {
        let i = ok(&[0x88, 0xE7], true);
        assert_eq!((i.reg, i.rm), (4, 7));
    }

    #[test]
    fn x87_is_told_from_wait_and_sse() {
        assert!(is_x87(ok(&[0xD9, 0xC1], true).code));
        assert!(is_x87(ok(&[0xDB, 0xE3], true).code));
        assert!(is_x87(ok(&[0xDD, 0x00], true).code));
        assert!(is_x87(ok(&[0xDF, 0xE0], true).code));
        assert!(!is_x87(ok(&[0x9B], true).code));
        assert!(!is_x87(ok(&[0x0F, 0xAE, 0x00], true).code));
        assert!(!is_x87(ok(&[0x0F, 0xDB, 0xC0], true).code));
    }

    #[test]
    fn x87_instructions_hold_their_opcode() {
        // fs fdivr qword ptr [ebx+8]; faddp st(2), st(0).
        assert_eq!(ok(&[0x64, 0xDC, 0x7B, 0x08], true).imm2, 0x47B);
        assert_eq!(ok(&[0xDE, 0xC2], false).imm2, 0x6C2);
    }

    #[test]
    fn fifteen_bytes_without_an_end_need_more() {
        assert_eq!(decode(&[0x66; 15], true).unwrap_err(), Undecodable::NeedMore);
        assert_eq!(decode(&[0x81, 0xC0, 1], true).unwrap_err(), Undecodable::NeedMore);
        assert_eq!(decode(&[0x0F, 0xFF, 0xC0], true).map(|i| i.code), Ok(Code::Ud0_r32_rm32));
        assert_eq!(decode(&[0xF0, 0x90], true).unwrap_err(), Undecodable::Undefined);
    }

    #[test]
    fn an_empty_place_in_a_group_is_fetched_to_its_end() {
        let error = |bytes: &[u8]| decode(bytes, true).unwrap_err();
        assert_eq!(error(&[0xC6, 0x8A, 1, 2, 3]), Undecodable::NeedMore);
        assert_eq!(error(&[0xC6, 0x8A, 1, 2, 3, 4, 5]), Undecodable::Undefined);
        assert_eq!(error(&[0x0F, 0xBA, 0x1F]), Undecodable::NeedMore);
        assert_eq!(error(&[0x0F, 0xB9, 0x05]), Undecodable::Undefined);
        assert_eq!(error(&[0xDF, 0xFC]), Undecodable::Undefined);
        assert_eq!(error(&[0xD9]), Undecodable::NeedMore);
        assert_eq!(error(&[0xD9, 0x4F]), Undecodable::NeedMore);
        assert_eq!(error(&[0xD9, 0x4F, 0]), Undecodable::Undefined);
        assert_eq!(error(&[0x0F]), Undecodable::NeedMore);
    }

    #[test]
    fn fifteen_bytes_with_a_lock_that_fits_nothing_are_undefined() {
        let mut bytes = [0x66; MAX_LEN];
        (bytes[5], bytes[13], bytes[14]) = (0xF0, 0x11, 0xFC);
        assert_eq!(decode(&bytes, true).unwrap_err(), Undecodable::Undefined);
        // LFS from a register.
        (bytes[5], bytes[12], bytes[13], bytes[14]) = (0x66, 0x0F, 0xB4, 0xCC);
        assert_eq!(decode(&bytes, true).unwrap_err(), Undecodable::Undefined);
        (bytes[13], bytes[14]) = (0xAF, 0x0D);
        assert_eq!(decode(&bytes, true).unwrap_err(), Undecodable::NeedMore);
    }
}
