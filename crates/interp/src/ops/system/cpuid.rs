//! CPUID (SDM 2 CPUID): what this processor says that it has.
//!
//! Invariant: a feature is announced only if it works, and CR4 takes a bit only if it is
//! announced. No MMX or SSE: vector instructions are undefined here.

use super::CR4_VALID;
use crate::cpu::Cpu;
use bus::System;
use decode::Insn;
use x86::state::{SIGNATURE, gpr};
use x86::{Cr4, Fault, Intercept};

/// Twelve letters, in EBX, EDX, ECX.
const VENDOR: &[u8; 12] = b"CloisterX86 ";
/// 48 letters in leaves 8000_0002h to 8000_0004h; zeros fill it.
const BRAND: &[u8] = b"Cloister virtual CPU";

const MAX_BASIC: u32 = 7;
const MAX_EXTENDED: u32 = 0x8000_0004;

/// Leaf 1, EDX: the features that no bit of CR4 switches: FPU, TSC, MSR, CX8, SEP, CMOV, PAT.
const ALWAYS: u32 = 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 11 | 1 << 15 | 1 << 16;
/// Leaf 1, EDX: those that CR4 switches.
const SWITCHED: [(Cr4, u32); 5] = [
    (Cr4::VME, 1 << 1),
    (Cr4::DE, 1 << 2),
    (Cr4::PSE, 1 << 3),
    (Cr4::PAE, 1 << 6),
    (Cr4::PGE, 1 << 13),
];
/// Leaf 7, EBX.
const LEAF7_EBX: [(Cr4, u32); 2] = [(Cr4::SMEP, 1 << 7), (Cr4::SMAP, 1 << 20)];
/// Leaf 7, ECX.
const LEAF7_ECX: [(Cr4, u32); 1] = [(Cr4::UMIP, 1 << 2)];
/// Leaf 8000_0001h, EDX: XD.
const XD: u32 = 1 << 20;

pub(super) fn cpuid(cpu: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    cpu.intercept(Intercept::Cpuid);
    let [eax, ebx, ecx, edx] = leaf(cpu.state.reg32(gpr::EAX), cpu.state.reg32(gpr::ECX));
    cpu.state.set_reg32(gpr::EAX, eax);
    cpu.state.set_reg32(gpr::EBX, ebx);
    cpu.state.set_reg32(gpr::ECX, ecx);
    cpu.state.set_reg32(gpr::EDX, edx);
    Ok(())
}

/// EAX, EBX, ECX and EDX of a leaf. One that doesn't exist shows the highest basic leaf.
fn leaf(number: u32, sub: u32) -> [u32; 4] {
    match number {
        0 => [MAX_BASIC, letters(VENDOR, 0), letters(VENDOR, 8), letters(VENDOR, 4)],
        1 => [SIGNATURE as u32, 0, 0, ALWAYS | announced(&SWITCHED)],
        2..=6 => [0; 4],
        0x8000_0000 => [MAX_EXTENDED, 0, 0, 0],
        0x8000_0001 => [0, 0, 0, XD],
        0x8000_0002..=MAX_EXTENDED => {
            let at = 16 * (number - 0x8000_0002) as usize;
            [0, 4, 8, 12].map(|i| letters(BRAND, at + i))
        }
        _ if sub != 0 => [0; 4],
        _ => [0, announced(&LEAF7_EBX), announced(&LEAF7_ECX), 0],
    }
}

/// The feature bits of those that CR4 takes.
fn announced(features: &[(Cr4, u32)]) -> u32 {
    let there = features.iter().filter(|(bit, _)| CR4_VALID.contains(*bit));
    there.fold(0, |all, (_, feature)| all | feature)
}

/// Four letters as a register holds them; zeros past the end.
fn letters(text: &[u8], at: usize) -> u32 {
    let letter = |i: usize| text.get(at + i).copied().unwrap_or(0);
    u32::from_le_bytes([letter(0), letter(1), letter(2), letter(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_lies_in_ebx_edx_ecx() {
        let [max, ebx, ecx, edx] = leaf(0, 0);
        let text = [ebx, edx, ecx].map(u32::to_le_bytes).concat();
        assert_eq!((max, text.as_slice()), (7, VENDOR.as_slice()));
    }

    #[test]
    fn leaf_1_announces_an_fpu_but_no_apic_mmx_or_sse() {
        assert_eq!(leaf(1, 0), [0x673, 0, 0, 0x1_A97F]);
    }

    #[test]
    fn leaf_7_announces_smep_smap_umip() {
        assert_eq!(leaf(7, 0), [0, 0x10_0080, 4, 0]);
        assert_eq!(leaf(7, 1), [0; 4]);
    }

    #[test]
    fn brand_ends_with_zeros_in_the_second_leaf() {
        assert_eq!(leaf(0x8000_0003, 0), [u32::from_le_bytes(*b" CPU"), 0, 0, 0]);
    }

    #[test]
    fn a_leaf_beyond_the_last_shows_leaf_7() {
        assert_eq!(leaf(0x8000_0005, 0), leaf(7, 0));
        assert_eq!(leaf(8, 0), leaf(7, 0));
    }
}
