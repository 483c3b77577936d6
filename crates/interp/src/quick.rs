//! Quick steps for the instructions that most programs mostly execute, chosen by opcode as the
//! manual's opcode map has them (SDM 2 appendix A). They use the same ALU as the handlers and
//! leave every case but the plain one to them: see `chain`.

mod alu;
mod control;
mod mov;
#[cfg(test)]
mod tests;

use crate::chain::{Step, slow};
use crate::cpu::{Cpu, Word};
use bus::System;
use decode::{Insn, Opcode};
use x86::{Features, SegReg};

/// The step of an instruction on a processor with these features: a quick one, or by its
/// handler.
pub(crate) fn step(insn: &Insn, features: Features) -> Step {
    if !features.contains(decode::needs(insn.code)) {
        return slow;
    }
    let quick = |opcode| {
        alu::step(insn, opcode)
            .or_else(|| mov::step(insn, opcode))
            .or_else(|| control::step(insn, opcode))
    };
    Opcode::of(insn.code).and_then(quick).unwrap_or(slow)
}

/// Two instructions that are done as one where both may be done: a comparison and its jump.
pub(crate) fn join(first: &Insn, second: &Insn) -> Option<Step> {
    let condition = (second.code.condition_code() as usize).checked_sub(1)?;
    if !second.code.is_jcc_short_or_near() {
        return None;
    }
    control::compare_and_jump(first, Opcode::of(first.code)?, condition)
}

/// A way to form an effective address.
trait Address {
    fn of(cpu: &Cpu, insn: &Insn) -> u32;
}

/// A base register and a displacement, 32 bits.
struct Base;
/// An index besides.
struct Indexed;
/// Any of 32 bits.
struct Any32;
/// Any of 16 bits.
struct Any16;

impl Address for Base {
    #[inline(always)]
    fn of(cpu: &Cpu, insn: &Insn) -> u32 {
        cpu.reg::<u32>(insn.base).wrapping_add(insn.disp)
    }
}

impl Address for Indexed {
    #[inline(always)]
    fn of(cpu: &Cpu, insn: &Insn) -> u32 {
        Base::of(cpu, insn).wrapping_add(cpu.reg::<u32>(insn.index) << (insn.scale & 31))
    }
}

impl Address for Any32 {
    #[inline(always)]
    fn of(cpu: &Cpu, insn: &Insn) -> u32 {
        let register = |n: u8| cpu.state.gpr.get(usize::from(n)).map_or(0, |value| *value as u32);
        let index = register(insn.index) << (insn.scale & 31);
        register(insn.base).wrapping_add(index).wrapping_add(insn.disp)
    }
}

impl Address for Any16 {
    #[inline(always)]
    fn of(cpu: &Cpu, insn: &Insn) -> u32 {
        Any32::of(cpu, insn) & 0xFFFF
    }
}

/// Which of these an instruction needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Register,
    Base,
    Indexed,
    Any32,
    Any16,
}

fn form(insn: &Insn) -> Form {
    if !insn.is_mem() {
        Form::Register
    } else if !insn.has(Insn::ADDR32) {
        Form::Any16
    } else if insn.base == decode::NONE {
        Form::Any32
    } else if insn.index == decode::NONE {
        Form::Base
    } else {
        Form::Indexed
    }
}

/// Operand width in bits, from the lowest bit of an opcode and the operand size.
fn width(insn: &Insn, byte: u8) -> u8 {
    match (byte & 1, insn.op32()) {
        (0, _) => 8,
        (_, false) => 16,
        (_, true) => 32,
    }
}

impl Cpu {
    /// Reads where the software TLB knows the page and nothing is to be checked.
    #[inline(always)]
    pub(crate) fn quick_read<W: Word>(&self, sys: &System, seg: SegReg, off: u32) -> Option<W> {
        if u64::from(off) + u64::from(W::BYTES) > self.read_end[seg as usize] {
            return None;
        }
        let at = self.mmu.view().read_aligned(self.linear(seg, off), W::BYTES, self.user())?;
        crate::access::load_from(sys, at)
    }

    /// Where a write goes, if it may go there unseen.
    #[inline(always)]
    pub(crate) fn quick_place<W: Word>(&self, seg: SegReg, off: u32) -> Option<u64> {
        if u64::from(off) + u64::from(W::BYTES) > self.write_end[seg as usize] {
            return None;
        }
        self.mmu.view().write_aligned(self.linear(seg, off), W::BYTES, self.user())
    }

    #[inline(always)]
    pub(crate) fn quick_write<W: Word>(
        &self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        value: W,
    ) -> Option<()> {
        let at = self.quick_place::<W>(seg, off)?;
        crate::access::store_to(sys, at, value)
    }
}

/// The step for a width: the last of its type parameters.
macro_rules! by_width {
    ($width:expr, $step:ident $(::<$($t:ty),*>)?) => {
        match $width {
            8 => $step::<$($($t,)*)? u8> as Step,
            16 => $step::<$($($t,)*)? u16>,
            _ => $step::<$($($t,)*)? u32>,
        }
    };
}

/// The step for a form of address and a width: the last two of its type parameters.
macro_rules! by_address {
    ($form:expr, $width:expr, $step:ident $(::<$($t:ty),*>)?) => {
        match $form {
            Form::Base => by_width!($width, $step::<$($($t,)*)? Base>),
            Form::Indexed => by_width!($width, $step::<$($($t,)*)? Indexed>),
            Form::Any16 => by_width!($width, $step::<$($($t,)*)? Any16>),
            Form::Any32 | Form::Register => by_width!($width, $step::<$($($t,)*)? Any32>),
        }
    };
}

use {by_address, by_width};
