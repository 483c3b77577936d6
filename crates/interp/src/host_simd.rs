//! The host's vector unit, on which the guest's MMX and SSE instructions run: results are the
//! hardware's, bit by bit (SDM 1 chapters 9 to 12).
//!
//! Invariants, those of `host_fpu`: one `asm!` block loads what the instruction reads, runs its
//! own bytes, stores what it wrote and puts the host's MXCSR back, so that no Rust code ever
//! runs under the guest's rounding; and no exception reaches the host, which runs with all of
//! them masked. What a guest that unmasks them would have seen is found out from the flags.
//!
//! MMX instructions empty the host's x87 stack when they are done, as its convention asks.

use core::arch::{asm, global_asm};
use x86::Features;

/// What the host has of [`Features::OF_THE_HOST`].
#[must_use]
pub fn features() -> Features {
    let detected = [
        (is_x86_feature_detected!("sse3"), Features::SSE3),
        (is_x86_feature_detected!("ssse3"), Features::SSSE3),
        (is_x86_feature_detected!("sse4.1"), Features::SSE41),
        (is_x86_feature_detected!("sse4.2"), Features::SSE42),
        (is_x86_feature_detected!("popcnt"), Features::POPCNT),
    ];
    let has = detected.into_iter().filter(|(there, _)| *there);
    has.fold(Features::empty(), |all, (_, feature)| all | feature)
}

/// An instruction that may run here: prefix, map and opcode as `decode::vector_opcode` packs
/// them. In its register form it touches the registers of a [`Unit`] and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op(u16);

impl Op {
    /// The instruction with this opcode.
    #[inline]
    #[must_use]
    pub const fn new(opcode: u16) -> Option<Self> {
        let known = RUNS[(opcode & 0xFFF) as usize];
        if known && opcode < 0x1000 { Some(Self(opcode)) } else { None }
    }

    /// It computes with floating-point numbers, and so obeys and sets MXCSR.
    #[inline]
    #[must_use]
    pub const fn is_float(self) -> bool {
        match self.0 >> 8 & 3 {
            0 => matches!(self.0 & 0xFF,
                0x2A | 0x2C..=0x2F | 0x51..=0x53 | 0x58..=0x5F | 0x7C | 0x7D | 0xC2 | 0xD0 | 0xE6),
            2 => matches!(self.0 & 0xFF, 0x08..=0x0B | 0x40 | 0x41),
            _ => false,
        }
    }
}

const RUNS: [bool; 0x1000] = {
    let mut table = [false; 0x1000];
    let mut opcode = 0;
    while opcode < 0x1000 {
        table[opcode] = runs(opcode as u16);
        opcode += 1;
    }
    table
};

/// The forms of SDM 2D tables that read and write registers alone, and no implied
/// one but those of a [`Unit`].
const fn runs(opcode: u16) -> bool {
    let (prefix, byte) = (opcode >> 10, opcode & 0xFF);
    match opcode >> 8 & 3 {
        0 => match prefix {
            0 => plain(byte),
            1 => operand_size(byte),
            2 => matches!(byte,
                0x12 | 0x16 | 0x2A | 0x2C | 0x2D | 0x51..=0x53 | 0x58..=0x5F | 0x70 | 0xB8 | 0xC2
                | 0xE6),
            _ => matches!(byte,
                0x12 | 0x2A | 0x2C | 0x2D | 0x51 | 0x58..=0x5A | 0x5C..=0x5F | 0x70 | 0x7C | 0x7D
                | 0xC2 | 0xD0 | 0xE6),
        },
        1 => match prefix {
            0 => matches!(byte, 0x00..=0x0B | 0x1C..=0x1E),
            1 => matches!(byte,
                0x00..=0x0B | 0x17 | 0x1C..=0x1E | 0x20..=0x25 | 0x28 | 0x29 | 0x2B | 0x30..=0x35
                | 0x37..=0x41),
            3 => matches!(byte, 0xF0 | 0xF1),
            _ => false,
        },
        2 => match prefix {
            0 => byte == 0x0F,
            1 => matches!(byte,
                0x08..=0x0F | 0x14..=0x17 | 0x20..=0x22 | 0x40..=0x42 | 0x60..=0x63),
            _ => false,
        },
        _ => false,
    }
}

/// 0F without a prefix: MMX and packed single precision.
const fn plain(byte: u16) -> bool {
    matches!(byte,
        0x14 | 0x15 | 0x2A | 0x2C..=0x2F | 0x50..=0x6B | 0x70 | 0x74..=0x76 | 0xC2 | 0xC4..=0xC6
        | 0xD1..=0xD5 | 0xD7..=0xE5 | 0xE8..=0xEF | 0xF1..=0xF6 | 0xF8..=0xFE)
}

/// 66 0F: packed integers in XMM registers and packed double precision.
const fn operand_size(byte: u16) -> bool {
    matches!(byte,
        0x14 | 0x15 | 0x2A | 0x2C..=0x2F | 0x50 | 0x51 | 0x54..=0x6D | 0x70 | 0x74..=0x76 | 0x7C
        | 0x7D | 0xC2 | 0xC4..=0xC6 | 0xD0..=0xD5 | 0xD7..=0xE6 | 0xE8..=0xEF | 0xF1..=0xF6
        | 0xF8..=0xFE)
}

// Stubs of eight bytes: the instruction on registers 0 and 1, then RET. First 4 x 256 of map
// 0F, then as many of 0F 38, by prefix; DS: stands for none. Then, with an immediate, 256 for
// each opcode in the order of `IMMEDIATE`.
global_asm!(
    ".pushsection .text.cloister_simd, \"ax\", @progbits",
    ".balign 16",
    ".globl cloister_simd_stubs",
    ".hidden cloister_simd_stubs",
    "cloister_simd_stubs:",
    ".irp prefix, 0x3E, 0x66, 0xF3, 0xF2",
    ".set opcode, 0",
    ".rept 256",
    ".byte \\prefix, 0x0F, opcode, 0xC1, 0xC3, 0x90, 0x90, 0x90",
    ".set opcode, opcode + 1",
    ".endr",
    ".endr",
    ".irp prefix, 0x3E, 0x66, 0xF3, 0xF2",
    ".set opcode, 0",
    ".rept 256",
    ".byte \\prefix, 0x0F, 0x38, opcode, 0xC1, 0xC3, 0x90, 0x90",
    ".set opcode, opcode + 1",
    ".endr",
    ".endr",
    ".globl cloister_simd_immediate_stubs",
    ".hidden cloister_simd_immediate_stubs",
    "cloister_simd_immediate_stubs:",
    ".macro cloister_immediate prefix, opcode",
    ".set immediate, 0",
    ".rept 256",
    ".byte \\prefix, 0x0F, \\opcode, 0xC1, immediate, 0xC3, 0x90, 0x90",
    ".set immediate, immediate + 1",
    ".endr",
    ".endm",
    ".irp opcode, 0x70, 0xC2, 0xC4, 0xC5, 0xC6",
    "cloister_immediate 0x3E, \\opcode",
    "cloister_immediate 0x66, \\opcode",
    "cloister_immediate 0xF3, \\opcode",
    "cloister_immediate 0xF2, \\opcode",
    ".endr",
    ".purgem cloister_immediate",
    ".macro cloister_immediate prefix, opcode",
    ".set immediate, 0",
    ".rept 256",
    ".byte \\prefix, 0x0F, 0x3A, \\opcode, 0xC1, immediate, 0xC3, 0x90",
    ".set immediate, immediate + 1",
    ".endr",
    ".endm",
    "cloister_immediate 0x3E, 0x0F",
    ".irp opcode, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x14, 0x15, 0x16, 0x17",
    "cloister_immediate 0x66, \\opcode",
    ".endr",
    ".irp opcode, 0x20, 0x21, 0x22, 0x40, 0x41, 0x42, 0x60, 0x61, 0x62, 0x63",
    "cloister_immediate 0x66, \\opcode",
    ".endr",
    ".purgem cloister_immediate",
    ".popsection",
);

/// The opcodes of the 0F map that take an immediate, each four times, by prefix.
const IMMEDIATE: [u16; 5] = [0x70, 0xC2, 0xC4, 0xC5, 0xC6];
/// Those of the 0F 3A map, all but the first with prefix 66.
const IMMEDIATE_3A: [u16; 23] = [
    0x20F, 0x608, 0x609, 0x60A, 0x60B, 0x60C, 0x60D, 0x60E, 0x60F, 0x614, 0x615, 0x616, 0x617,
    0x620, 0x621, 0x622, 0x640, 0x641, 0x642, 0x660, 0x661, 0x662, 0x663,
];
/// Where an opcode's immediates begin, in units of 256 stubs and plus one; 0 has none.
const WITH_IMMEDIATE: [u8; 0x1000] = {
    let mut table = [0; 0x1000];
    let mut i = 0;
    while i < IMMEDIATE.len() * 4 {
        table[IMMEDIATE[i / 4] as usize | (i & 3) << 10] = i as u8 + 1;
        i += 1;
    }
    let mut j = 0;
    while j < IMMEDIATE_3A.len() {
        table[IMMEDIATE_3A[j] as usize] = (i + j) as u8 + 1;
        j += 1;
    }
    table
};

unsafe extern "C" {
    #[link_name = "cloister_simd_stubs"]
    static STUBS: [[u8; 8]; 2048];
    #[link_name = "cloister_simd_immediate_stubs"]
    static IMMEDIATE_STUBS: [[u8; 8]; 256 * (4 * IMMEDIATE.len() + IMMEDIATE_3A.len())];
}

/// The registers that an instruction reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Unit {
    /// XMM0, and MM0 in its low half: the operand in ModRM.reg. MM0 is read from it, and comes
    /// back in `mm`.
    pub first: u128,
    /// XMM1, and MM1 in its low half: the operand in ModRM.rm.
    pub second: u128,
    /// MM0 afterwards, if an MMX register was asked for.
    pub mm: u64,
    /// EAX: a general register in ModRM.reg; PCMPESTRI's first length.
    pub eax: u32,
    /// ECX: a general register in ModRM.rm; where PCMPESTRI and PCMPISTRI put their index.
    pub ecx: u32,
    /// EDX: PCMPESTRI's second length.
    pub edx: u32,
    /// MXCSR: rounding, DAZ and FZ go in. The exceptions raised come out, nothing else.
    pub mxcsr: u32,
    /// EFLAGS' status flags afterwards.
    pub flags: u32,
}

/// MXCSR: rounding control, FZ and DAZ.
const MXCSR_MODE: u32 = 0xE040;
/// MXCSR: all exceptions masked.
const MXCSR_MASKED: u32 = 0x1F80;
/// The status flags: CF, PF, AF, ZF, SF, OF.
const FLAGS: u64 = 0x8D5;

/// Which code carries an instruction out.
fn stub(op: Op, immediate: u8) -> *const u8 {
    let start = WITH_IMMEDIATE[usize::from(op.0)];
    if start != 0 {
        let at = (usize::from(start) - 1) * 256 + usize::from(immediate);
        // SAFETY: the stubs are read-only data; `at` lies within them by the length of the
        // table that `WITH_IMMEDIATE` numbers.
        return unsafe { (&raw const IMMEDIATE_STUBS).cast::<u8>().add(at * 8) };
    }
    let (prefix, map, opcode) = (op.0 >> 10 & 3, op.0 >> 8 & 1, op.0 & 0xFF);
    let at = usize::from(map << 10 | prefix << 8 | opcode);
    // SAFETY: as above; `at` is below 2048.
    unsafe { (&raw const STUBS).cast::<u8>().add(at * 8) }
}

/// Runs one instruction. `mmx` says that an MMX register is among its operands.
pub fn run(op: Op, immediate: u8, unit: &mut Unit, mmx: bool) {
    let stub = stub(op, immediate);
    unit.mxcsr = unit.mxcsr & MXCSR_MODE | MXCSR_MASKED;
    if mmx {
        run_mmx(stub, unit);
    } else if op.is_float() {
        run_float(stub, unit);
    } else {
        run_integer(stub, unit);
    }
    unit.mxcsr &= 0x3F;
}

fn run_integer(stub: *const u8, unit: &mut Unit) {
    let flags: u64;
    // SAFETY: the stub belongs to an `Op`: it touches XMM0, XMM1, EAX, ECX, EDX and the status
    // flags, and returns. `unit` is aligned to 16 bytes. The stack may be used below RSP, since
    // `nostack` isn't given.
    unsafe {
        asm!(
            "movaps xmm0, [{unit}]",
            "movaps xmm1, [{unit} + 16]",
            "call {stub}",
            "pushfq",
            "pop {flags}",
            "movaps [{unit}], xmm0",
            stub = in(reg) stub,
            unit = in(reg) &raw mut *unit,
            flags = out(reg) flags,
            inout("eax") unit.eax, inout("ecx") unit.ecx, in("edx") unit.edx,
            out("xmm0") _, out("xmm1") _,
        );
    }
    unit.flags = (flags & FLAGS) as u32;
}

fn run_float(stub: *const u8, unit: &mut Unit) {
    let flags: u64;
    let mut host = 0u32;
    // SAFETY: as in `run_integer`. MXCSR has no reserved bit and masks every exception while
    // the guest's value is in it, and holds the host's again at the end.
    unsafe {
        asm!(
            "stmxcsr [{host}]",
            "movaps xmm0, [{unit}]",
            "movaps xmm1, [{unit} + 16]",
            "ldmxcsr [{unit} + {mxcsr}]",
            "call {stub}",
            "pushfq",
            "pop {flags}",
            "stmxcsr [{unit} + {mxcsr}]",
            "ldmxcsr [{host}]",
            "movaps [{unit}], xmm0",
            mxcsr = const core::mem::offset_of!(Unit, mxcsr),
            stub = in(reg) stub,
            unit = in(reg) &raw mut *unit,
            host = in(reg) &raw mut host,
            flags = out(reg) flags,
            inout("eax") unit.eax, inout("ecx") unit.ecx, in("edx") unit.edx,
            out("xmm0") _, out("xmm1") _,
        );
    }
    unit.flags = (flags & FLAGS) as u32;
}

fn run_mmx(stub: *const u8, unit: &mut Unit) {
    let mut host = 0u32;
    // SAFETY: as in `run_float`; MM0 and MM1 as well. EMMS leaves the x87 stack empty, as it was.
    unsafe {
        asm!(
            "stmxcsr [{host}]",
            "movaps xmm0, [{unit}]",
            "movaps xmm1, [{unit} + 16]",
            "movq mm0, [{unit}]",
            "movq mm1, [{unit} + 16]",
            "ldmxcsr [{unit} + {mxcsr}]",
            "call {stub}",
            "stmxcsr [{unit} + {mxcsr}]",
            "ldmxcsr [{host}]",
            "movaps [{unit}], xmm0",
            "movq [{unit} + {mm}], mm0",
            "emms",
            mxcsr = const core::mem::offset_of!(Unit, mxcsr),
            mm = const core::mem::offset_of!(Unit, mm),
            stub = in(reg) stub,
            unit = in(reg) &raw mut *unit,
            host = in(reg) &raw mut host,
            inout("eax") unit.eax, inout("ecx") unit.ecx, in("edx") unit.edx,
            out("xmm0") _, out("xmm1") _,
            out("mm0") _, out("mm1") _, out("mm2") _, out("mm3") _,
            out("mm4") _, out("mm5") _, out("mm6") _, out("mm7") _,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(opcode: u16, immediate: u8, first: u128, second: u128, mmx: bool) -> Unit {
        let mut unit = Unit { first, second, ..Unit::default() };
        run(Op::new(opcode).expect("an instruction"), immediate, &mut unit, mmx);
        unit
    }

    #[test]
    fn addps_adds_four_and_says_that_it_rounded() {
        let ones = u128::from_le_bytes([0, 0, 0x80, 0x3F].repeat(4).try_into().unwrap());
        let twos = u128::from_le_bytes([0, 0, 0, 0x40].repeat(4).try_into().unwrap());
        let unit = go(0x058, 0, ones, ones, false);
        assert_eq!((unit.first, unit.mxcsr), (twos, 0));
        assert_eq!(go(0x058, 0, ones, 1, false).mxcsr, 0x22);
    }

    #[test]
    fn immediates_reach_their_own_stub() {
        // PSHUFD, CMPPS, PALIGNR, PEXTRB and PALIGNR of MMX registers.
        let value = 0x4444_4444_3333_3333_2222_2222_1111_1111;
        let reversed = 0x1111_1111_2222_2222_3333_3333_4444_4444;
        assert_eq!(go(0x470, 0x1B, 0, value, false).first, reversed);
        assert_eq!(go(0x0C2, 3, 0, 0, false).first, 0);
        assert_eq!(go(0x0C2, 7, 0, 0, false).first, u128::MAX);
        assert_eq!(go(0x60F, 4, 0, value, false).first, value >> 32);
        assert_eq!(go(0x614, 12, value, 0, false).ecx, 0x44);
        assert_eq!(go(0x20F, 1, 0, 0x0102_0304, true).mm, 0x0001_0203);
    }

    #[test]
    fn mmx_runs_on_the_low_half_and_flags_come_from_comisd() {
        assert_eq!(go(0x0FC, 0, 0xFF01, 0x0101, true).mm, 0x0002);
        assert_eq!(go(0x42F, 0, 0, 0, false).flags & 0x45, 0x40);
        assert_eq!(go(0x0D7, 0, 0, 0x8000_0000_0000_0080, true).eax, 0x81);
    }

    #[test]
    fn what_is_not_on_registers_alone_is_refused() {
        // MASKMOVQ, MOVNTPS, PBLENDVB (XMM0 is implied), EMMS, FXSAVE, SYSCALL, UD2.
        for opcode in [0x0F7, 0x02B, 0x510, 0x077, 0x0AE, 0x005, 0x00B, 0x1058] {
            assert_eq!(Op::new(opcode), None, "{opcode:#x}");
        }
    }

    #[test]
    fn an_unmasked_exception_of_the_guest_is_none_of_the_host() {
        let mut unit = Unit { first: 1, mxcsr: 0, ..Unit::default() };
        run(Op::new(0x05E).unwrap(), 0, &mut unit, false);
        assert_eq!(unit.mxcsr, 0x05);
    }
}
