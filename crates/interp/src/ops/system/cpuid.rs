//! CPUID (SDM 2 CPUID): what this processor says that it has.
//!
//! Invariant: a feature is announced only if the model has it; decoding and CR4 ask the same
//! model.

use crate::cpu::Cpu;
use bus::System;
use decode::Insn;
use x86::model::{Features, Model, Name, Register};
use x86::state::gpr;
use x86::{Fault, Intercept};

/// Twelve letters, in EBX, EDX, ECX. Guests of the time use what the others announce only if
/// they know the maker.
const VENDOR: &[u8; 12] = b"GenuineIntel";

/// The highest leaf of those that tell the brand.
const BRAND_END: u32 = 0x8000_0004;

/// Leaf 1, EBX: CLFLUSH works on eight times eight bytes.
const CLFLUSH_QUADWORDS: u32 = 8 << 8;

pub(super) fn cpuid(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Cpuid);
    let (number, sub) = (cpu.state.reg32(gpr::EAX), cpu.state.reg32(gpr::ECX));
    let [eax, ebx, ecx, edx] = leaf(&cpu.state.model, number, sub);
    cpu.state.set_reg32(gpr::EAX, eax);
    cpu.state.set_reg32(gpr::EBX, ebx);
    cpu.state.set_reg32(gpr::ECX, ecx);
    cpu.state.set_reg32(gpr::EDX, edx);
    Ok(())
}

/// The highest basic and extended leaf.
fn highest(model: &Model) -> (u32, Option<u32>) {
    match model.name {
        Name::I386 | Name::I486 | Name::Pentium => (1, None),
        Name::P2 | Name::P3 => (2, None),
        Name::P4 => (2, Some(BRAND_END)),
        Name::Cloister | Name::Max => (7, Some(BRAND_END)),
    }
}

/// EAX, EBX, ECX and EDX of a leaf. One that doesn't exist shows the highest basic leaf.
fn leaf(model: &Model, number: u32, sub: u32) -> [u32; 4] {
    let (basic, extended) = highest(model);
    let there = number <= basic || extended.is_some_and(|e| (0x8000_0000..=e).contains(&number));
    let number = if there { number } else { basic };
    let bits = |register| model.announces(number, register);
    match number {
        0 => [basic, letters(VENDOR, 0), letters(VENDOR, 8), letters(VENDOR, 4)],
        1 => {
            let flush = if model.has(Features::CLFSH) { CLFLUSH_QUADWORDS } else { 0 };
            [model.signature(), flush, bits(Register::Ecx), bits(Register::Edx)]
        }
        2 => caches(model.name),
        7 if sub == 0 => [0, bits(Register::Ebx), bits(Register::Ecx), bits(Register::Edx)],
        0x8000_0000 => [BRAND_END, 0, 0, 0],
        0x8000_0001 => [0, 0, bits(Register::Ecx), bits(Register::Edx)],
        0x8000_0002..=BRAND_END => {
            let brand = format!("Cloister virtual CPU ({})", model.name);
            let at = 16 * (number - 0x8000_0002) as usize;
            [0, 4, 8, 12].map(|i| letters(brand.as_bytes(), at + i))
        }
        _ => [0; 4],
    }
}

/// Descriptors of the caches and TLBs that the part had (SDM 2 CPUID, table 3-12); the last is
/// the manual's own example. Nothing depends on them.
fn caches(name: Name) -> [u32; 4] {
    match name {
        Name::P2 => [0x0302_0101, 0, 0, 0x0C04_0843],
        Name::P3 => [0x0302_0101, 0, 0, 0x0C04_0882],
        _ => [0x665B_5001, 0, 0, 0x007A_7000],
    }
}

/// Four letters as a register holds them; zeros past the end.
fn letters(text: &[u8], at: usize) -> u32 {
    let letter = |i: usize| text.get(at + i).copied().unwrap_or(0);
    u32::from_le_bytes([letter(0), letter(1), letter(2), letter(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: Name, number: u32) -> [u32; 4] {
        leaf(&Model::new(name, Features::OF_THE_HOST), number, 0)
    }

    #[test]
    fn vendor_lies_in_ebx_edx_ecx() {
        let [max, ebx, ecx, edx] = of(Name::P4, 0);
        let text = [ebx, edx, ecx].map(u32::to_le_bytes).concat();
        assert_eq!((max, text.as_slice()), (2, VENDOR.as_slice()));
    }

    #[test]
    fn leaf_1_is_the_part_and_its_features() {
        let model = Model::new(Name::Pentium, Features::empty());
        assert_eq!(of(Name::Pentium, 1), [0x52C, 0, 0, model.announces(1, Register::Edx)]);
        assert_eq!(of(Name::Cloister, 1)[0], 0x6D8);
    }

    #[test]
    fn leaf_7_announces_smep_smap_umip_where_they_are() {
        assert_eq!(of(Name::Cloister, 7), [0, 0x10_0080, 4, 0]);
        assert_eq!(leaf(&Model::default(), 7, 1), [0; 4]);
    }

    #[test]
    fn brand_names_the_model() {
        let text: Vec<u8> = (0x8000_0002..=BRAND_END)
            .flat_map(|number| of(Name::P4, number).map(u32::to_le_bytes).concat())
            .collect();
        assert!(text.starts_with(b"Cloister virtual CPU (p4)\0"), "{text:x?}");
    }

    #[test]
    fn a_leaf_beyond_the_last_shows_the_highest_basic_one() {
        assert_eq!(of(Name::Cloister, 0x8000_0005), of(Name::Cloister, 7));
        assert_eq!(of(Name::P2, 3), of(Name::P2, 2));
        assert_eq!(of(Name::Pentium, 0x8000_0000), of(Name::Pentium, 1));
    }
}
