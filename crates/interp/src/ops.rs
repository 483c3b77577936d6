//! From a decoded form to the function that carries it out: one file a family, each with a
//! flat table.

pub mod arith;
pub mod bits;
pub mod control;
pub mod debug;
pub mod decimal;
pub mod io;
pub mod logic;
pub mod misc;
pub mod mov;
pub mod shift;
pub mod stack;
pub mod string;
pub mod system;

use crate::cpu::Handler;
use decode::Insn;

/// What carries out an instruction. Forms that nobody claims are #UD (or #NM).
#[must_use]
pub fn lookup(insn: &Insn) -> Handler {
    const FAMILIES: [fn(&Insn) -> Option<Handler>; 13] = [
        mov::handler,
        arith::handler,
        logic::handler,
        control::handler,
        stack::handler,
        shift::handler,
        bits::handler,
        string::handler,
        decimal::handler,
        system::handler,
        debug::handler,
        io::handler,
        misc::handler,
    ];
    FAMILIES.iter().find_map(|f| f(insn)).unwrap_or_else(|| misc::fpu_or_undefined(insn))
}

pub mod interrupt {
    use crate::cpu::Cpu;
    pub fn interrupt(
        _: &mut Cpu,
        _: &mut bus::System,
        _: u8,
        _: x86::event::Source,
        _: Option<u16>,
    ) -> Result<(), x86::Fault> {
        Ok(())
    }
}
