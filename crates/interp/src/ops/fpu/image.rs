//! The environment and the whole state in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR in their four
//! formats, by operand size and by whether selectors mean anything (SDM 1 8.1.10, figures 8-9 to
//! 8-12).

use super::{Ready, available, ready, report_error};
use crate::cpu::Cpu;
use bus::System;
use decode::Insn;
use x86::fpu::Status;
use x86::{F80, Fault, Fpu};

/// FNSAVE with an operand size of 32 bits.
const MOST: usize = 28 + STACK;
const STACK: usize = 80;

/// How an environment is laid out.
#[derive(Clone, Copy, Debug)]
struct Format {
    /// Fields of four bytes, not two.
    wide: bool,
    /// Selectors and offsets; else linear addresses, as in real and virtual-8086 mode.
    selectors: bool,
}

impl Format {
    fn of(cpu: &Cpu, insn: &Insn) -> Self {
        Self { wide: insn.op32(), selectors: cpu.state.uses_descriptors() }
    }

    /// Bytes of the environment.
    fn len(self) -> usize {
        if self.wide { 28 } else { 14 }
    }

    /// What an alignment check asks for (SDM 3A table 6-7).
    fn alignment(self) -> u32 {
        if self.wide { 4 } else { 2 }
    }

    /// The seven fields. Halves that hold nothing are ones.
    fn fields(self, fpu: &Fpu) -> [u32; 7] {
        const NONE: u32 = 0xFFFF_0000;
        let (ip, dp) = (linear(fpu.cs, fpu.ip), linear(fpu.ds, fpu.dp));
        let opcode = u32::from(fpu.opcode & 0x7FF);
        let words = [fpu.control, fpu.status, fpu.tag_word()].map(|w| NONE | u32::from(w));
        let pointers = match (self.selectors, self.wide) {
            (true, _) => {
                let cs = opcode << 16 | u32::from(fpu.cs);
                [fpu.ip, cs, fpu.dp, NONE | u32::from(fpu.ds)]
            }
            (false, true) => {
                let high = |address: u32| (address & NONE) >> 4;
                [NONE | ip & 0xFFFF, high(ip) | opcode, NONE | dp & 0xFFFF, high(dp)]
            }
            (false, false) => {
                let high = |address: u32| (address & 0xF_0000) >> 4;
                [ip, high(ip) | opcode, dp, high(dp)]
            }
        };
        let [a, b, c] = words;
        let [d, e, f, g] = pointers;
        [a, b, c, d, e, f, g]
    }

    /// Writes the environment.
    fn store(self, fpu: &Fpu, out: &mut [u8]) {
        let size = self.len() / 7;
        for (field, slot) in self.fields(fpu).iter().zip(out.chunks_exact_mut(size)) {
            slot.copy_from_slice(&field.to_le_bytes()[..size]);
        }
    }

    /// Loads the environment.
    fn load(self, fpu: &mut Fpu, bytes: &[u8]) {
        let size = self.len() / 7;
        let field = |n: usize| {
            let mut word = [0; 4];
            word[..size].copy_from_slice(&bytes[n * size..(n + 1) * size]);
            u32::from_le_bytes(word)
        };
        fpu.status = field(1) as u16;
        fpu.set_tag_word(field(2) as u16);
        if self.selectors {
            (fpu.ip, fpu.cs) = (field(3), field(4) as u16);
            (fpu.dp, fpu.ds) = (field(5), field(6) as u16);
            // The narrow format holds no opcode.
            fpu.opcode = (field(4) >> 16) as u16 & 0x7FF;
        } else {
            let whole = |low: u32, high: u32| low & 0xFFFF | (high & 0x0FFF_F000) << 4;
            (fpu.ip, fpu.cs) = (whole(field(3), field(4)), 0);
            (fpu.dp, fpu.ds) = (whole(field(5), field(6)), 0);
            fpu.opcode = field(4) as u16 & 0x7FF;
        }
        fpu.set_control(field(0) as u16);
    }
}

/// A real-mode pointer as the address it names.
fn linear(selector: u16, offset: u32) -> u32 {
    (u32::from(selector) << 4).wrapping_add(offset)
}

/// FNSTENV masks all exceptions.
pub(super) fn fnstenv(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    let format = Format::of(cpu, insn);
    let mut bytes = [0; 28];
    let bytes = &mut bytes[..format.len()];
    format.store(&cpu.state.fpu, bytes);
    cpu.write_bytes(sys, insn.seg, cpu.ea(insn), bytes, format.alignment())?;
    let masked = cpu.state.fpu.control | Status::EXCEPTIONS.bits();
    cpu.state.fpu.set_control(masked);
    report_error(cpu, sys);
    Ok(())
}

pub(super) fn fldenv(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    if ready(cpu, sys, insn)? == Ready::Frozen {
        return Ok(());
    }
    let format = Format::of(cpu, insn);
    let mut bytes = [0; 28];
    let bytes = &mut bytes[..format.len()];
    cpu.read_bytes(sys, insn.seg, cpu.ea(insn), bytes, format.alignment())?;
    format.load(&mut cpu.state.fpu, bytes);
    report_error(cpu, sys);
    Ok(())
}

/// FNSAVE initializes the FPU.
pub(super) fn fnsave(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    let format = Format::of(cpu, insn);
    let mut bytes = [0; MOST];
    let bytes = &mut bytes[..format.len() + STACK];
    let (environment, stack) = bytes.split_at_mut(format.len());
    let fpu = &cpu.state.fpu;
    format.store(fpu, environment);
    for (i, slot) in stack.chunks_exact_mut(10).enumerate() {
        slot.copy_from_slice(&fpu.regs[fpu.physical(i)].to_bytes());
    }
    cpu.write_bytes(sys, insn.seg, cpu.ea(insn), bytes, format.alignment())?;
    cpu.state.fpu = Fpu::init(cpu.state.fpu.regs);
    report_error(cpu, sys);
    Ok(())
}

pub(super) fn frstor(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    available(cpu)?;
    if ready(cpu, sys, insn)? == Ready::Frozen {
        return Ok(());
    }
    let format = Format::of(cpu, insn);
    let mut bytes = [0; MOST];
    let bytes = &mut bytes[..format.len() + STACK];
    cpu.read_bytes(sys, insn.seg, cpu.ea(insn), bytes, format.alignment())?;
    let (environment, stack) = bytes.split_at(format.len());
    let fpu = &mut cpu.state.fpu;
    format.load(fpu, environment);
    for (i, slot) in stack.chunks_exact(10).enumerate() {
        let mut value = [0; 10];
        value.copy_from_slice(slot);
        let n = fpu.physical(i);
        fpu.regs[n] = F80::from_bytes(value);
    }
    report_error(cpu, sys);
    Ok(())
}
