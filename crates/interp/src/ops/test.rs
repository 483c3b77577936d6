//! MOV to and from the test registers: TR6 and TR7 of the 80386, TR3 to TR7 of the 80486, by which
//! their diagnostics reach the TLB and the cache (SDM 3B 22.22). They are kept and have no effect:
//! a look-up in the TLB finds nothing, and there is no cache.

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::cause::OpcodeCheck;
use x86::{Fault, Features, Intercept};

/// TR6: the command is a look-up, not a write.
const TR6_LOOKUP: u32 = 1;
/// TR7: the look-up hit.
const TR7_HIT: u32 = 1 << 4;

/// The handler of a test-register instruction.
pub fn handler(insn: &Insn) -> Option<Handler> {
    match insn.code {
        Code::Mov_r32_tr => Some(mov_from_tr),
        Code::Mov_tr_r32 => Some(mov_to_tr),
        _ => None,
    }
}

fn mov_from_tr(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = reach(cpu, insn, Intercept::MovFromTr)?;
    let value = cpu.state.test[at];
    cpu.state.set_reg32(usize::from(insn.rm), value);
    Ok(())
}

fn mov_to_tr(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = reach(cpu, insn, Intercept::MovToTr)?;
    let value = cpu.state.reg32(usize::from(insn.rm));
    cpu.state.test[at] = value;
    if insn.reg == 6 && value & TR6_LOOKUP != 0 {
        cpu.state.test[4] &= !TR7_HIT;
    }
    Ok(())
}

/// Where the register is kept, if the model has it and this is ring 0.
fn reach(cpu: &mut Cpu, insn: &Insn, kind: Intercept) -> Result<usize, Fault> {
    let first = if cpu.state.model.has(Features::I486) { 3 } else { 6 };
    if !(first..=7).contains(&insn.reg) {
        return Err(cpu.undefined(insn, OpcodeCheck::NoSuchRegister));
    }
    cpu.intercept(kind);
    cpu.require_ring0(kind)?;
    Ok(usize::from(insn.reg) - 3)
}

#[cfg(test)]
mod tests {
    use crate::cpu::Cpu;
    use crate::ops::lookup;
    use bus::{Bus, System};
    use mem::Memory;
    use x86::model::Name;
    use x86::{Fault, Features, Model};

    fn run(cpu: &mut Cpu, bytes: &[u8]) -> Result<(), Fault> {
        let mut sys = System::new(Memory::flat(1 << 20).expect("a megabyte"), Bus::default());
        let insn = decode::decode(bytes, true).expect("an instruction");
        lookup(&insn, cpu.state.model.features)(cpu, &mut sys, &insn)
    }

    const TR3_EAX: &[u8] = &[0x0F, 0x26, 0xD8];
    const TR6_EAX: &[u8] = &[0x0F, 0x26, 0xF0];
    const EBX_TR6: &[u8] = &[0x0F, 0x24, 0xF3];

    #[test]
    fn a_386_has_two_a_486_five_and_a_pentium_none() {
        let there = |name| {
            let mut cpu = Cpu::of(Model::new(name, Features::empty()));
            [TR3_EAX, TR6_EAX].map(|code| run(&mut cpu, code) == Ok(()))
        };
        assert_eq!(there(Name::I386), [false, true]);
        assert_eq!(there(Name::I486), [true, true]);
        assert_eq!(there(Name::Pentium), [false, false]);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut cpu = Cpu::of(Model::new(Name::I386, Features::empty()));
        cpu.state.set_reg32(0, 0x1234_5000);
        assert_eq!((run(&mut cpu, TR6_EAX), run(&mut cpu, EBX_TR6)), (Ok(()), Ok(())));
        assert_eq!(cpu.state.reg32(3), 0x1234_5000);
    }
}
