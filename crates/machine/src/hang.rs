//! Tells a guest that hangs for ever from one that waits. Only what can be proved is called a
//! hang: a halted processor that no interrupt can wake, a loop that reads nothing and changes
//! nothing while interrupts are off, and an x87 instruction that waits for an interrupt then.

use bus::System;
use interp::Cpu;
use serde::{Deserialize, Serialize};
use x86::segment::SegReg;
use x86::{Cr0, Eflags, LinAddr};

/// Why nothing will ever happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangKind {
    /// HLT with IF = 0: only NMI or reset could wake the processor.
    HaltWithoutInterrupts,
    /// A loop of jumps with IF = 0: it can't end.
    LoopWithoutInterrupts {
        /// Where the loop is, linear.
        at: LinAddr,
        /// Instructions in it.
        instructions: u8,
    },
    /// An x87 instruction that waits for the interrupt of an earlier one's exception, with
    /// CR0.NE = 0 and IF = 0 (SDM 3A 2.5, CR0.NE; SDM 1 8.7.2).
    CoprocessorError,
}

/// Loops longer than this aren't looked for.
const LONGEST: u8 = 8;
/// Breakpoint enables of DR7.
const DR7_ENABLES: u64 = 0xFF;

/// Finds what can't end at the processor's place.
#[must_use]
pub fn hang(cpu: &Cpu, sys: &System) -> Option<HangKind> {
    if waits_for_coprocessor(cpu, sys) {
        return Some(HangKind::CoprocessorError);
    }
    endless_loop(cpu, sys)
}

/// True where the instruction at the processor's place waits for IRQ 13 in vain: FWAIT, or one of
/// x87 that waits (those that don't are DB E0 to E4, D9 /6 and /7, DD /6 and /7, DF E0).
fn waits_for_coprocessor(cpu: &Cpu, sys: &System) -> bool {
    let (state, signals) = (&cpu.state, sys.bus.signals());
    let is_frozen = state.fpu.is_pending() && signals.ferr() && !signals.ignne();
    let wakes = state.flag(Eflags::IF | Eflags::TF) || state.nmi_pending;
    if !is_frozen || wakes || state.cr0().contains(Cr0::NE) {
        return false;
    }
    let mut bytes = [0; 2];
    let at = LinAddr(state.segment(SegReg::Cs).base).add32(u64::from(state.eip()));
    let count = cpu.peek(sys, at, &mut bytes);
    let digit = bytes[1] >> 3 & 7;
    let is_memory = bytes[1] < 0xC0;
    match (bytes[0], count) {
        (0x9B, 1..) => true,
        (0xD9 | 0xDD, 2) => !(is_memory && digit >= 6),
        (0xDB, 2) => !(0xE0..=0xE4).contains(&bytes[1]),
        (0xDF, 2) => bytes[1] != 0xE0,
        (0xD8..=0xDF, 2) => true,
        _ => false,
    }
}

/// Finds a loop that can't end.
fn endless_loop(cpu: &Cpu, sys: &System) -> Option<HangKind> {
    let state = &cpu.state;
    let wakes = state.flag(Eflags::IF | Eflags::TF) || state.nmi_pending;
    if wakes || state.dr[7] & DR7_ENABLES != 0 || state.pending_debug != 0 {
        return None;
    }
    let code = Code { cpu, sys, wide: state.code32(), flags: state.eflags() };
    let start = state.eip();
    let mut eip = start;
    for instructions in 1..=LONGEST {
        eip = code.follow(eip)?;
        if eip == start {
            let base = state.segment(SegReg::Cs).base;
            return Some(HangKind::LoopWithoutInterrupts {
                at: LinAddr(base).add32(u64::from(start)),
                instructions,
            });
        }
    }
    None
}

/// The code segment, followed without being run.
struct Code<'a> {
    cpu: &'a Cpu,
    sys: &'a System,
    wide: bool,
    flags: u32,
}

impl Code<'_> {
    /// Where the instruction at `eip` leads, if it is a jump or does nothing.
    fn follow(&self, eip: u32) -> Option<u32> {
        let base = self.cpu.state.segment(SegReg::Cs).base;
        let mut bytes = [0; 5];
        let at = LinAddr(base).add32(u64::from(eip));
        let count = self.cpu.peek(self.sys, at, &mut bytes);
        let (len, displacement) = self.decode(&bytes[..count])?;
        let next = eip.wrapping_add(len).wrapping_add_signed(displacement);
        Some(if self.wide { next } else { next & 0xFFFF })
    }

    /// Length and jump distance.
    fn decode(&self, bytes: &[u8]) -> Option<(u32, i32)> {
        let near = |b: u8| i32::from(b as i8);
        match *bytes {
            [0xEB, d, ..] => Some((2, near(d))),
            [opcode @ 0x70..=0x7F, d, ..] => {
                Some((2, if self.holds(opcode & 15) { near(d) } else { 0 }))
            }
            [0xE9, a, b, c, d] if self.wide => Some((5, i32::from_le_bytes([a, b, c, d]))),
            [0xE9, a, b, ..] if !self.wide => Some((3, i32::from(i16::from_le_bytes([a, b])))),
            // NOP and CLI; PAUSE.
            [0x90 | 0xFA, ..] => Some((1, 0)),
            [0xF3, 0x90, ..] => Some((2, 0)),
            _ => None,
        }
    }

    /// Condition code `cc` (SDM 1 appendix B).
    fn holds(&self, cc: u8) -> bool {
        let set = |flag: Eflags| self.flags & flag.bits() != 0;
        let less = set(Eflags::SF) != set(Eflags::OF);
        let base = match cc >> 1 {
            0 => set(Eflags::OF),
            1 => set(Eflags::CF),
            2 => set(Eflags::ZF),
            3 => set(Eflags::CF) || set(Eflags::ZF),
            4 => set(Eflags::SF),
            5 => set(Eflags::PF),
            6 => less,
            _ => less || set(Eflags::ZF),
        };
        base != (cc & 1 != 0)
    }
}
