//! From a decoded form to the function that carries it out: one file a family, each with a
//! flat table.

pub mod arith;
pub mod bits;
pub mod control;
pub mod debug;
pub mod decimal;
pub mod far;
pub mod flags;
pub mod fpu;
pub mod interrupt;
pub mod io;
pub mod iret;
pub mod logic;
pub mod misc;
pub mod mov;
pub mod segment;
pub mod shift;
pub mod simd;
pub mod stack;
pub mod string;
pub mod sysenter;
pub mod system;
pub mod task;
mod test;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_features;

use crate::cpu::Handler;
use decode::Insn;
use x86::Features;

/// What carries out an instruction on a processor with these features. Forms that it doesn't
/// have, and those that nobody claims, are #UD.
#[must_use]
pub fn lookup(insn: &Insn, features: Features) -> Handler {
    Claim::of(insn).on(features)
}

/// What carries out all instructions of a form, whatever their displacement and immediate.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    needs: Features,
    run: Option<Handler>,
}

impl Claim {
    /// Of an instruction's form.
    #[must_use]
    pub fn of(insn: &Insn) -> Self {
        Self { needs: decode::needs(insn.code), run: claimed(insn) }
    }

    /// True where some model has it.
    #[inline]
    #[must_use]
    pub fn is_known(self) -> bool {
        self.run.is_some()
    }

    /// As [`lookup`].
    #[inline]
    #[must_use]
    pub fn on(self, features: Features) -> Handler {
        self.run.filter(|_| features.contains(self.needs)).unwrap_or(misc::not_here)
    }
}

/// What carries out an instruction wherever it exists; `None` where none of our models has it.
fn claimed(insn: &Insn) -> Option<Handler> {
    const FAMILIES: [fn(&Insn) -> Option<Handler>; 22] = [
        mov::handler,
        arith::handler,
        logic::handler,
        control::handler,
        stack::handler,
        shift::handler,
        bits::handler,
        string::handler,
        decimal::handler,
        flags::handler,
        segment::handler,
        far::handler,
        interrupt::handler,
        iret::handler,
        system::handler,
        debug::handler,
        test::handler,
        io::handler,
        sysenter::handler,
        fpu::handler,
        simd::handler,
        misc::handler,
    ];
    FAMILIES.iter().find_map(|f| f(insn))
}
