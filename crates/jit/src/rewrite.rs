//! The byte rewriter: a guest instruction's opcode and immediate, with host registers and a host
//! address, as a 64-bit instruction (SDM 2 chapter 2). dynasm can't say 32-bit address registers
//! or `gs:[reg]`; this can.
//!
//! Invariant: AH CH DH BH (numbers 4 to 7 of byte operands) are never encoded beside a REX
//! prefix, where they would mean other registers: [`encode`] refuses.

use dynasmrt::DynasmApi;

/// The host register of a guest register: ESP lives in r12.
#[must_use]
pub const fn host(guest: u8) -> u8 {
    if guest == 4 { 12 } else { guest }
}

/// A host memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    /// With GS, and 32-bit address arithmetic.
    pub window: bool,
    /// Base register.
    pub base: Option<u8>,
    /// Index register and the power of two it is scaled by.
    pub index: Option<(u8, u8)>,
    /// Displacement.
    pub disp: i32,
}

impl Mem {
    /// `[base + disp]`, an address of the host.
    #[must_use]
    pub const fn host(base: u8, disp: i32) -> Self {
        Self { window: false, base: Some(base), index: None, disp }
    }
}

/// The rm operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// A host register; of byte operands, 4 to 7 are AH CH DH BH.
    Reg(u8),
    /// Memory.
    Mem(Mem),
}

/// An instruction to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// 66h: 16-bit operands.
    pub op16: bool,
    /// REX.W.
    pub wide: bool,
    /// A prefix that belongs to the opcode: 66, F2 or F3.
    pub mandatory: Option<u8>,
    /// From the 0F map.
    pub map0f: bool,
    /// The byte that leads from the 0F map to another: 38 or 3A.
    pub beyond: Option<u8>,
    /// Opcode.
    pub op: u8,
    /// ModRM.reg: a host register or a digit.
    pub reg: u8,
    /// `reg` is a byte register.
    pub reg8: bool,
    /// ModRM.rm.
    pub rm: Rm,
    /// `rm`, if a register, is a byte register.
    pub rm8: bool,
    /// Immediate bytes.
    pub imm: &'a [u8],
}

impl Host<'_> {
    /// `op reg, rm` with 32-bit operands.
    #[must_use]
    pub const fn new(op: u8, reg: u8, rm: Rm) -> Self {
        Host {
            op16: false,
            wide: false,
            mandatory: None,
            map0f: false,
            beyond: None,
            op,
            reg,
            reg8: false,
            rm,
            rm8: false,
            imm: &[],
        }
    }
}

/// What can't be encoded: a high byte register beside a REX prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HighByte;

/// True where [`encode`] writes something.
#[must_use]
pub fn is_encodable(i: &Host) -> bool {
    let high = |n: u8, byte: bool| byte && (4..8).contains(&n);
    let rm_high = matches!(i.rm, Rm::Reg(n) if high(n, i.rm8));
    rex(i) == 0 || !(high(i.reg, i.reg8) || rm_high)
}

/// Encodes an instruction. Nothing is written where it can't be.
pub fn encode(out: &mut impl DynasmApi, i: &Host) -> Result<(), HighByte> {
    if !is_encodable(i) {
        return Err(HighByte);
    }
    let rex = rex(i);
    if let Rm::Mem(Mem { window: true, .. }) = i.rm {
        out.push(0x65);
        out.push(0x67);
    }
    if i.op16 {
        out.push(0x66);
    }
    i.mandatory.into_iter().for_each(|byte| out.push(byte));
    if rex != 0 {
        out.push(0x40 | rex);
    }
    if i.map0f {
        out.push(0x0F);
    }
    i.beyond.into_iter().for_each(|byte| out.push(byte));
    out.push(i.op);
    let reg = (i.reg & 7) << 3;
    match i.rm {
        Rm::Reg(n) => out.push(0xC0 | reg | n & 7),
        Rm::Mem(m) => address(out, reg, m),
    }
    i.imm.iter().for_each(|byte| out.push(*byte));
    Ok(())
}

fn rex(i: &Host) -> u8 {
    let (x, b) = match i.rm {
        Rm::Reg(n) => (0, n >> 3),
        Rm::Mem(m) => (m.index.map_or(0, |(n, _)| n >> 3), m.base.map_or(0, |n| n >> 3)),
    };
    u8::from(i.wide) << 3 | (i.reg >> 3) << 2 | x << 1 | b
}

/// ModRM, SIB and displacement. Without a base: mod 00, rm 100, SIB with base 101, since a bare
/// displacement is RIP-relative in 64-bit mode.
fn address(out: &mut impl DynasmApi, reg: u8, m: Mem) {
    let (index, scale) = m.index.unwrap_or((4, 0));
    let Some(base) = m.base else {
        out.push(reg | 4);
        out.push(scale << 6 | (index & 7) << 3 | 5);
        return out.push_i32(m.disp);
    };
    let small = i8::try_from(m.disp).ok();
    // Base 101 with mod 00 means no base.
    let mode = match small {
        Some(0) if base & 7 != 5 => 0,
        Some(_) => 0x40,
        None => 0x80,
    };
    if m.index.is_some() || base & 7 == 4 {
        out.push(mode | reg | 4);
        out.push(scale << 6 | (index & 7) << 3 | base & 7);
    } else {
        out.push(mode | reg | base & 7);
    }
    match (mode, small) {
        (0x40, Some(disp)) => out.push_i8(disp),
        (0x80, _) => out.push_i32(m.disp),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynasmrt::SimpleAssembler;

    fn bytes(i: &Host) -> Result<Vec<u8>, HighByte> {
        let mut out = SimpleAssembler::new();
        encode(&mut out, i).map(|()| out.finalize())
    }

    fn window(base: Option<u8>, index: Option<(u8, u8)>, disp: i32) -> Rm {
        Rm::Mem(Mem { window: true, base, index, disp })
    }

    #[test]
    fn a_window_access_is_the_guests_bytes_behind_two_prefixes() {
        // mov eax, [ebx+esi*4+8]
        let i = Host::new(0x8B, 0, window(Some(3), Some((6, 2)), 8));
        assert_eq!(bytes(&i).unwrap(), [0x65, 0x67, 0x8B, 0x44, 0xB3, 0x08]);
    }

    #[test]
    fn a_bare_displacement_takes_a_sib_byte() {
        let i = Host::new(0x8B, 1, window(None, None, 0x1234));
        assert_eq!(bytes(&i).unwrap(), [0x65, 0x67, 0x8B, 0x0C, 0x25, 0x34, 0x12, 0, 0]);
    }

    #[test]
    fn a_base_of_ebp_or_r12_or_r13_is_never_misread() {
        let load = |base| bytes(&Host::new(0x8B, 0, Rm::Mem(Mem::host(base, 0)))).unwrap();
        assert_eq!(load(5), [0x8B, 0x45, 0x00]);
        assert_eq!(load(12), [0x41, 0x8B, 0x04, 0x24]);
        assert_eq!(load(13), [0x41, 0x8B, 0x45, 0x00]);
    }

    #[test]
    fn a_prefix_of_the_opcode_stands_before_rex_and_a_map_behind_it() {
        // movd r12d, xmm1; pshufb xmm2, [r8]
        let base = Host { mandatory: Some(0x66), map0f: true, ..Host::new(0x7E, 1, Rm::Reg(12)) };
        assert_eq!(bytes(&base).unwrap(), [0x66, 0x41, 0x0F, 0x7E, 0xCC]);
        let rm = Rm::Mem(Mem::host(8, 0));
        let beyond = Host { op: 0, reg: 2, beyond: Some(0x38), rm, ..base };
        assert_eq!(bytes(&beyond).unwrap(), [0x66, 0x41, 0x0F, 0x38, 0x00, 0x10]);
    }

    #[test]
    fn a_high_byte_beside_a_rex_prefix_is_refused() {
        // mov ah, [r8]
        let i = Host { reg8: true, ..Host::new(0x8A, 4, Rm::Mem(Mem::host(8, 0))) };
        assert_eq!(bytes(&i), Err(HighByte));
        let i = Host { reg8: true, ..Host::new(0x8A, 4, window(Some(3), None, 0)) };
        assert_eq!(bytes(&i).unwrap(), [0x65, 0x67, 0x8A, 0x23]);
    }
}
