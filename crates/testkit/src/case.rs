//! A test of one instruction and what came of it: the common language of every engine.
//!
//! A case runs at CPL 3 with paging, the descriptors and the pages of [`crate::layout`]: nothing
//! that only ring 0 can see is part of it.
#![forbid(unsafe_code)]

use crate::fx::Fx;

/// The bits of EFLAGS that tests name.
pub mod flag {
    /// Carry.
    pub const CF: u32 = 1 << 0;
    /// The bit that is always set.
    pub const FIXED: u32 = 1 << 1;
    /// Parity of the low byte.
    pub const PF: u32 = 1 << 2;
    /// Carry out of bit 3.
    pub const AF: u32 = 1 << 4;
    /// Zero.
    pub const ZF: u32 = 1 << 6;
    /// Sign.
    pub const SF: u32 = 1 << 7;
    /// Single step.
    pub const TF: u32 = 1 << 8;
    /// Interrupts enabled.
    pub const IF: u32 = 1 << 9;
    /// String direction.
    pub const DF: u32 = 1 << 10;
    /// Signed overflow.
    pub const OF: u32 = 1 << 11;
    /// Nested task.
    pub const NT: u32 = 1 << 14;
    /// Resume.
    pub const RF: u32 = 1 << 16;
    /// Alignment check.
    pub const AC: u32 = 1 << 18;
    /// CPUID exists.
    pub const ID: u32 = 1 << 21;
    /// The six arithmetic flags.
    pub const ARITHMETIC: u32 = CF | PF | AF | ZF | SF | OF;
}

/// Numbers of the general registers in [`Case::gpr`] and [`Outcome::gpr`]: the encoding's order.
pub mod reg {
    /// EAX.
    pub const EAX: usize = 0;
    /// ECX.
    pub const ECX: usize = 1;
    /// EDX.
    pub const EDX: usize = 2;
    /// EBX.
    pub const EBX: usize = 3;
    /// ESP.
    pub const ESP: usize = 4;
    /// EBP.
    pub const EBP: usize = 5;
    /// ESI.
    pub const ESI: usize = 6;
    /// EDI.
    pub const EDI: usize = 7;
}

/// Numbers of the segment registers in [`Case::sel`] and [`Outcome::sel`]: the encoding's order.
pub mod sreg {
    /// ES.
    pub const ES: usize = 0;
    /// CS.
    pub const CS: usize = 1;
    /// SS.
    pub const SS: usize = 2;
    /// DS.
    pub const DS: usize = 3;
    /// FS.
    pub const FS: usize = 4;
    /// GS.
    pub const GS: usize = 5;
}

/// How far a case runs, and how an engine without a step counter is to stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// One step: an instruction, or one iteration of a repeated string instruction. Silicon runs
    /// it with TF set, so TF isn't compared.
    Step,
    /// Steps until EIP leaves the instruction: a whole repeated string instruction.
    Through,
    /// One step of an instruction that shows TF or clears it (PUSHF, POPF, ICEBP): silicon runs it
    /// with TF as given and meets a HLT behind it.
    Planted,
    /// One step of an instruction that holds off traps (MOV SS, POP SS): silicon runs the NOP
    /// behind it as well, which is taken back.
    Shadow,
}

/// Bytes put into memory before a case runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patch {
    /// Linear address of the first byte, in a writable page of the layout.
    pub address: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The state before one instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// The instruction's bytes, at CS:EIP. What follows them is a NOP, or a HLT if planted.
    pub code: Vec<u8>,
    /// How far to run.
    pub stop: Stop,
    /// EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI.
    pub gpr: [u32; 8],
    /// Offset of the instruction in CS.
    pub eip: u32,
    /// EFLAGS; TF is always clear.
    pub eflags: u32,
    /// Selectors of ES, CS, SS, DS, FS, GS.
    pub sel: [u16; 6],
    /// What differs from the background of the pages.
    pub patches: Vec<Patch>,
    /// The x87 and SSE units, where the instruction has to do with them.
    pub fx: Option<Box<Fx>>,
}

/// An exception, as its handler would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Vector.
    pub vector: u8,
    /// Error code; 0 for vectors without one.
    pub error: u32,
    /// CR2 for a page fault; 0 for others.
    pub cr2: u32,
}

/// The state after the instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// General registers.
    pub gpr: [u32; 8],
    /// EIP: of the next instruction, or what an exception's frame holds.
    pub eip: u32,
    /// EFLAGS, without TF (unless planted) and RF.
    pub eflags: u32,
    /// Selectors of ES, CS, SS, DS, FS, GS.
    pub sel: [u16; 6],
    /// The exception, if one was raised.
    pub fault: Option<Fault>,
    /// Every byte that differs from the state before: linear address and value, ascending.
    pub memory: Vec<(u32, u8)>,
    /// The x87 and SSE units, if the case has them.
    pub fx: Option<Box<Fx>>,
}

/// Anything that can run a case.
pub trait Engine {
    /// Runs one case from its state to its stop.
    fn run(&mut self, case: &Case) -> Outcome;
}

impl Stop {
    /// What stands in memory behind the instruction.
    pub fn filler(self) -> u8 {
        const NOP: u8 = 0x90;
        const HLT: u8 = 0xF4;
        if self == Stop::Planted { HLT } else { NOP }
    }
}

impl Fault {
    /// #DB.
    pub const DEBUG: u8 = 1;
    /// #GP.
    pub const PROTECTION: u8 = 13;
    /// #PF.
    pub const PAGE: u8 = 14;

    /// Whether exceptions of `vector` push an error code (SDM 3A 6.15).
    pub fn has_error_code(vector: u8) -> bool {
        matches!(vector, 8 | 10..=14 | 17)
    }
}
