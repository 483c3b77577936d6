//! The fragments of unprivileged code: arithmetic, branches, calls, strings, the FPU.

use super::asm::{Asm, EAX, EBX, ECX, EDI, EDX, ESI, data_address};
use super::{memory, place, system, units};
use crate::forms::{self, Form};
use crate::generate;
use crate::rng::Rng;
use std::fmt;
use std::sync::OnceLock;

macro_rules! kinds {
    ($($kind:ident = $weight:literal, $emit:path, $what:literal;)*) => {
        /// What a fragment does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = $what] $kind,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            fn weight(self) -> u32 {
                match self { $(Kind::$kind => $weight,)* }
            }

            /// Writes one.
            pub(super) fn emit(self, asm: &mut Asm, rng: &mut Rng) {
                match self { $(Kind::$kind => $emit(asm, rng),)* }
            }
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Kind::$kind => $what,)* })
            }
        }
    };
}

kinds! {
    Arithmetic = 6, arithmetic, "arithmetic";
    Loop = 4, counted_loop, "a counted loop";
    Branches = 4, branches, "branches on flags";
    Calls = 4, calls, "calls and returns";
    BadReturns = 1, bad_returns, "returns to elsewhere";
    Indirect = 2, indirect, "indirect jumps";
    Strings = 4, strings, "repeated strings";
    Stack = 2, stack, "the stack's corners";
    Fpu = 2, fpu, "the FPU";
    Units = 4, units::units, "x87, MMX and SSE in loops";
    Patch = 3, memory::patch, "code that patches itself";
    Generate = 3, memory::generate, "code made at run time";
    DataBesideCode = 2, memory::data_beside_code, "data beside code";
    Straddle = 2, memory::straddle, "an instruction on two pages, one remapped";
    Protect = 3, memory::protect, "rights of pages that change";
    Remap = 2, memory::remap, "pages that move";
    Directories = 2, memory::directories, "CR3 loads";
    Modes = 1, memory::modes, "CR0 and CR4";
    Segments = 3, system::segments, "segments with limits";
    Narrow = 2, system::narrow, "16-bit code";
    Ring3 = 4, system::ring_3, "ring 3";
    Doors = 3, system::doors, "gates, soft interrupts, SYSENTER";
    Faults = 3, system::faults, "faults on purpose";
    Flags = 3, system::flags, "IF, TF, DF and what waits for them";
    Debug = 2, system::debug, "debug registers";
    Ports = 2, system::ports, "ports and device memory";
    Virtual8086 = 1, system::virtual_8086, "virtual-8086 mode";
}

impl Kind {
    /// One of all, by weight.
    pub(super) fn any(rng: &mut Rng) -> Self {
        let total = Self::ALL.iter().map(|kind| kind.weight()).sum();
        let mut left = rng.below(total);
        for kind in Self::ALL {
            if left < kind.weight() {
                return *kind;
            }
            left -= kind.weight();
        }
        Self::Arithmetic
    }
}

/// An instruction of any form but branches and what ends in the host's kernel; its memory operand
/// is wherever the registers point.
pub(super) fn any_instruction(asm: &mut Asm, rng: &mut Rng, wide: bool) {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| forms::all().into_iter().filter(stays).collect());
    for _ in 0..20 {
        let form = &forms[rng.below(forms.len() as u32) as usize];
        if let Some(case) = generate::generate(form, wide, rng.next_u64()) {
            asm.bytes(&case.code);
            return;
        }
    }
}

/// Not a branch, and not one that moves the stack away.
fn stays(form: &Form) -> bool {
    let branch = matches!(
        (form.two_bytes, form.opcode),
        (false, 0x17 | 0x5C | 0x70..=0x7F | 0x8E | 0x9A | 0xBC | 0xC2 | 0xC3 | 0xC8..=0xCF)
            | (false, 0xE0..=0xE3 | 0xE8..=0xEB | 0xF4)
            | (true, 0x0B | 0x34 | 0x35 | 0x80..=0x8F | 0xB2)
    );
    !branch && !form.name().starts_with("Jmp") && !form.name().starts_with("Call")
}

fn arithmetic(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..2 + rng.below(14) {
        any_instruction(asm, rng, true);
    }
}

/// One that changes neither ECX nor memory outside the data.
pub(super) fn plain(asm: &mut Asm, rng: &mut Rng) {
    let pick = |rng: &mut Rng| rng.pick(&[EAX, EDX, EBX, ESI, EDI]);
    let (to, from) = (pick(rng), pick(rng));
    let modrm = 0xC0 | from << 3 | to;
    match rng.below(9) {
        0 => asm.bytes(&[rng.pick(&[0x01, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85]), modrm]),
        1 => asm.bytes(&[0x40 + to]),
        2 => asm.bytes(&[
            0xC1,
            rng.pick(&[0xC0, 0xC8, 0xD0, 0xE0, 0xE8, 0xF8]) | to,
            rng.below(40) as u8,
        ]),
        3 => asm.op(&[0x81, rng.pick(&[0xC0, 0xD0, 0xE8, 0xF0, 0xF8]) | to], rng.value()),
        4 => asm.op(&[rng.pick(&[0x8B, 0x89, 0x03, 0x13, 0x33]), to << 3 | 5], data_address(rng)),
        5 => asm.op(&[0xFF, rng.pick(&[0x05, 0x0D])], data_address(rng)),
        6 => asm.bytes(&[0x0F, rng.pick(&[0xB6, 0xBE, 0xAF, 0xA3, 0xBC]), modrm]),
        7 => asm.bytes(&[rng.pick(&[0x04, 0x14, 0x2C, 0x34, 0xA8]), rng.next_u32() as u8]),
        _ => asm.bytes(&[0x0F, 0x90 + rng.below(16) as u8, 0xC0 | to & 3]),
    }
}

fn counted_loop(asm: &mut Asm, rng: &mut Rng) {
    asm.set(ECX, 1 + rng.below(200));
    let top = asm.here();
    for _ in 0..1 + rng.below(6) {
        plain(asm, rng);
    }
    if rng.chance(50) && asm.here() - top < 100 {
        let opcode = rng.pick(&[0xE2, 0xE2, 0xE0, 0xE1]);
        let back = top.wrapping_sub(asm.here() + 2) as u8;
        asm.bytes(&[opcode, back]);
    } else {
        asm.bytes(&[0x49]);
        asm.branch(&[0x0F, 0x85], top);
    }
}

fn branches(asm: &mut Asm, rng: &mut Rng) {
    asm.set(ECX, 2 + rng.below(30));
    let top = asm.here();
    for _ in 0..1 + rng.below(5) {
        plain(asm, rng);
        let over = asm.hole(&[0x0F, 0x80 + rng.below(16) as u8]);
        plain(asm, rng);
        plain(asm, rng);
        let here = asm.here();
        asm.fill_relative(over, here);
    }
    if rng.chance(20) {
        asm.bytes(&[0xE3, 0x01, 0x90]);
    }
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
}

fn calls(asm: &mut Asm, rng: &mut Rng) {
    let over = asm.hole(&[0xE9]);
    let mut routines = Vec::new();
    for _ in 0..1 + rng.below(4) {
        if rng.chance(30) {
            asm.align(if rng.chance(20) { 0x1000 } else { 0x40 });
        }
        routines.push(asm.here());
        plain(asm, rng);
        if routines.len() > 1 && rng.chance(60) {
            let callee = routines[rng.below(routines.len() as u32 - 1) as usize];
            asm.branch(&[0xE8], callee);
        }
        plain(asm, rng);
        if rng.chance(20) { asm.bytes(&[0xC2, 0, 0]) } else { asm.bytes(&[0xC3]) }
    }
    let here = asm.here();
    asm.fill_relative(over, here);
    asm.set(ECX, 1 + rng.below(20));
    let top = asm.here();
    for _ in 0..1 + rng.below(4) {
        asm.branch(&[0xE8], rng.pick(&routines));
        plain(asm, rng);
    }
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
}

/// A return address that no call left, one that was changed, and calls that never return.
fn bad_returns(asm: &mut Asm, rng: &mut Rng) {
    let pushed = asm.hole(&[0x68]);
    plain(asm, rng);
    asm.bytes(&[0xC3, 0xCC]);
    let here = asm.here();
    asm.fill(pushed, here);
    // call +0; pop eax; call over; (add [esp], n; ret)
    asm.bytes(&[0xE8, 0, 0, 0, 0, 0x58]);
    let routine = asm.hole(&[0xE8]);
    asm.bytes(&[0xCC, 0x90, 0x90]);
    let over = asm.hole(&[0xE9]);
    let here = asm.here();
    asm.fill_relative(routine, here);
    asm.bytes(&[0x83, 0x04, 0x24, rng.below(4) as u8, 0xC3]);
    let here = asm.here();
    asm.fill_relative(over, here);
    for _ in 0..rng.below(30) {
        asm.bytes(&[0xE8, 0, 0, 0, 0]);
    }
}

fn indirect(asm: &mut Asm, rng: &mut Rng) {
    asm.set(ECX, 3 + rng.below(40));
    let top = asm.here();
    // mov eax, ecx; and eax, 3; jmp [table + eax*4]
    asm.bytes(&[0x89, 0xC8, 0x83, 0xE0, 0x03]);
    let table = asm.hole(&[0xFF, 0x24, 0x85]);
    let mut targets = Vec::new();
    let mut joins = Vec::new();
    for _ in 0..4 {
        targets.push(asm.here());
        plain(asm, rng);
        joins.push(asm.hole(&[0xE9]));
    }
    let here = asm.here();
    joins.into_iter().for_each(|join| asm.fill_relative(join, here));
    asm.bytes(&[0x49]);
    asm.branch(&[0x0F, 0x85], top);
    let over = asm.hole(&[0xE9]);
    let here = asm.here();
    asm.fill(table, here);
    targets.into_iter().for_each(|target| asm.word(target));
    let here = asm.here();
    asm.fill_relative(over, here);
}

fn strings(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        let count = if rng.chance(15) { rng.below(9000) } else { rng.below(300) };
        asm.set(ECX, count);
        asm.set(ESI, data_address(rng));
        asm.set(
            EDI,
            if rng.chance(10) { place::BUFFER + rng.below(0x4000) } else { data_address(rng) },
        );
        if rng.chance(30) {
            asm.bytes(&[rng.pick(&[0xFC, 0xFD, 0xFB])]);
        }
        if rng.chance(15) {
            asm.bytes(&[0x66]);
        }
        asm.bytes(&[rng.pick(&[0xF3, 0xF3, 0xF3, 0xF2])]);
        asm.bytes(&[rng.pick(&[0xA4, 0xA5, 0xAA, 0xAB, 0xA6, 0xA7, 0xAE, 0xAF, 0xAC, 0xA5, 0xAB])]);
    }
}

fn stack(asm: &mut Asm, rng: &mut Rng) {
    for _ in 0..2 + rng.below(6) {
        match rng.below(9) {
            0 => asm.bytes(&[0x54, 0x58]),
            1 => asm.bytes(&[0x54, 0x5C]),
            2 => asm.bytes(&[0x60, 0x61]),
            3 => asm.bytes(&[0xC8, 8, 0, rng.below(4) as u8, 0xC9]),
            4 => asm.bytes(&[0x50, 0x8F, 0x04, 0x24]),
            5 => asm.bytes(&[0xFF, 0x34, 0x24, 0x8F, 0x44, 0x24, 0xFC]),
            6 => asm.bytes(&[0x66, 0x50, 0x66, 0x5A]),
            7 => asm.op(&[0xFF, 0x35], data_address(rng)),
            // The stack at the edge of a page that may not be there.
            _ => asm.set(4, data_address(rng)),
        }
    }
}

fn fpu(asm: &mut Asm, rng: &mut Rng) {
    asm.bytes(&[0xDB, 0xE3]);
    if rng.chance(20) {
        // or cr0.TS
        asm.bytes(&[0x0F, 0x20, 0xC0, 0x0C, 0x08, 0x0F, 0x22, 0xC0, 0xDB, 0xE3, 0x0F, 0x06]);
    }
    for _ in 0..3 + rng.below(10) {
        match rng.below(6) {
            0 => asm.op(&[rng.pick(&[0xD9, 0xDD, 0xDB, 0xDF]), 0x05], data_address(rng)),
            1 => asm.bytes(&[0xD9, 0xE8 + rng.below(7) as u8]),
            2 => asm.bytes(&[rng.pick(&[0xD8, 0xDC, 0xDE]), 0xC0 + rng.below(64) as u8]),
            3 => {
                asm.op(&[rng.pick(&[0xD9, 0xDD, 0xDB]), rng.pick(&[0x15, 0x1D])], data_address(rng))
            }
            4 => asm.bytes(&[0xDF, 0xE0]),
            _ => asm.op(
                &[rng.pick(&[0xD8, 0xDC, 0xDA]), (rng.below(8) as u8) << 3 | 5],
                data_address(rng),
            ),
        }
    }
}
