//! MMX and SSE registers before a case, and operands for them: integers at their limits, reals
//! of every class, operands that are related; MXCSR in every mode, exceptions masked and not.
#![forbid(unsafe_code)]

use super::Builder;
use crate::case::reg;
use crate::forms::simd::{Element, Vector};
use crate::fx::Fx;
use crate::rng::Rng;
use iced_x86::{Code, Mnemonic};
use x86::F80;

impl Builder<'_> {
    fn vector(&self) -> Option<Vector> {
        self.form.vector
    }

    /// Bytes of the memory operand.
    pub(super) fn vector_bytes(&self) -> u32 {
        self.vector().map_or(16, |vector| vector.bytes.max(1))
    }

    /// Gives the case its units, and aims what (E)DI points at.
    pub(super) fn choose_vectors(&mut self) {
        let Some(vector) = self.vector() else { return };
        let rng = &mut self.rng;
        let mut fx = Fx { status: rng.below(8) as u16 * 0x800, ..Fx::default() };
        fx.full = rng.next_u32() as u8;
        if rng.chance(3) {
            // An x87 exception is pending.
            (fx.control, fx.status) = (0x37B, fx.status | 0x8084);
        }
        for slot in &mut fx.st {
            let significand = packed(rng, vector.element) as u64;
            *slot = F80 { significand, sign_exponent: rng.next_u32() as u16 };
        }
        fx.mxcsr = mxcsr(rng);
        for value in &mut fx.xmm {
            *value = packed(rng, vector.element);
        }
        self.relate(&mut fx, vector.element);
        if self.form.code == Code::Fxsave_m512byte {
            any_control(&mut fx, &mut self.rng);
        }
        self.fx = Some(Box::new(fx));
        if matches!(self.mnemonic(), Mnemonic::Maskmovq | Mnemonic::Maskmovdqu) {
            self.aim_edi(vector.bytes);
        }
    }

    /// Makes the two operands alike now and then, and counts of shifts small.
    fn relate(&mut self, fx: &mut Fx, element: Element) {
        let Some(rm) = self.register_operand.map(usize::from) else { return };
        let reg = usize::from(self.reg_field);
        let rng = &mut self.rng;
        match rng.below(10) {
            0 => fx.xmm[rm] = fx.xmm[reg],
            1 => fx.xmm[rm] = fx.xmm[reg] ^ 1 << rng.below(128),
            2 if element == Element::Integer => fx.xmm[rm] = u128::from(rng.below(70)),
            3 if element == Element::Integer => {
                let top = usize::from(fx.status >> 11 & 7);
                fx.st[(rm + 8 - top) & 7].significand = u64::from(rng.below(70));
            }
            _ => {}
        }
    }

    fn aim_edi(&mut self, size: u32) {
        let Some(segment) = self.segment(self.data_register()) else { return };
        let offset = self.target(segment, size, self.address_wide);
        let mask = if self.address_wide { u32::MAX } else { 0xFFFF };
        self.gpr[reg::EDI] = self.gpr[reg::EDI] & !mask | offset & mask;
    }

    /// Bytes for the memory operand.
    pub(super) fn vector_operand(&mut self, size: u32) -> Vec<u8> {
        let element = self.vector().map_or(Element::Integer, |vector| vector.element);
        let rng = &mut self.rng;
        match self.form.code.mnemonic() {
            Mnemonic::Fxrstor => {
                let mut fx = Fx { mxcsr: loaded_mxcsr(rng), ..Fx::default() };
                (fx.control, fx.full) =
                    (0x40 | rng.next_u32() as u16 & 0x1F3F, rng.next_u32() as u8);
                fx.status = rng.next_u32() as u16 & 0x7F7F;
                fx.xmm.fill_with(|| packed(rng, Element::Integer));
                return fx.image().to_vec();
            }
            Mnemonic::Ldmxcsr => return loaded_mxcsr(rng).to_le_bytes().to_vec(),
            _ => {}
        }
        let mut bytes = packed(rng, element).to_le_bytes().to_vec();
        if element == Element::Integer && rng.chance(10) {
            bytes = u128::from(rng.below(70)).to_le_bytes().to_vec();
        }
        bytes.truncate(size as usize);
        bytes
    }
}

/// MXCSR: mostly all masked; every rounding, DAZ and FZ; some flags raised before.
fn mxcsr(rng: &mut Rng) -> u32 {
    let masks = match rng.below(10) {
        0..=6 => 0x3F,
        7 => 0,
        _ => rng.below(0x40),
    };
    let flags = if rng.chance(20) { rng.below(0x40) } else { 0 };
    let mode = if rng.chance(40) { 0 } else { rng.next_u32() & 0xE040 };
    masks << 7 | mode | flags
}

/// Any control word and any flags: what FXSAVE stores of them. It doesn't wait for exceptions.
fn any_control(fx: &mut Fx, rng: &mut Rng) {
    fx.control = 0x40 | rng.next_u32() as u16 & 0x1F3F;
    fx.status = fx.status & 0x3800 | rng.next_u32() as u16 & 0x477F;
    fx.settle();
}

/// For LDMXCSR: now and then with a reserved bit. Bit 17 exists on some processors.
fn loaded_mxcsr(rng: &mut Rng) -> u32 {
    let reserved = if rng.chance(15) { 1 << rng.pick(&[16, 18, 23, 31]) } else { 0 };
    mxcsr(rng) | reserved
}

/// Sixteen bytes of these elements.
fn packed(rng: &mut Rng, element: Element) -> u128 {
    let mut value = 0;
    match element {
        Element::Single => (0..4).for_each(|n| value |= u128::from(single(rng)) << (32 * n)),
        Element::Double => (0..2).for_each(|n| value |= u128::from(double(rng)) << (64 * n)),
        Element::Integer => {
            let edges = rng.chance(50);
            for n in 0..16 {
                let byte = if edges {
                    rng.pick(&[0, 1, 0x7F, 0x80, 0x81, 0xFF, 0xFE])
                } else {
                    rng.next_u32() as u8
                };
                value |= u128::from(byte) << (8 * n);
            }
            if rng.chance(10) {
                value = [0, u128::MAX, 1, 1 << 127][rng.below(4) as usize];
            }
        }
    }
    value
}

/// Sign, exponent and fraction of a real with `fraction` bits, of every class.
fn real(rng: &mut Rng, fraction: u32, exponent_bits: u32) -> u64 {
    let most = (1u64 << exponent_bits) - 1;
    let bias = most >> 1;
    let near = |middle: u64, rng: &mut Rng| {
        (middle + u64::from(rng.below(5))).saturating_sub(2).clamp(1, most - 1)
    };
    if rng.chance(8) {
        return u64::from(rng.below(2)) << (fraction + exponent_bits);
    }
    let exponent = match rng.below(20) {
        0 | 1 => 0,
        2 => most,
        3 => near(1, rng),
        4 => near(most - 1, rng),
        5 => near(bias + 31, rng),
        6 => near(bias / 2, rng),
        7 => near(bias + bias / 2, rng),
        8 => near(bias + u64::from(fraction), rng),
        9 => near(896, rng),
        10 => near(1151, rng),
        11..=14 => near(bias, rng),
        15..=17 => bias.saturating_sub(20) + u64::from(rng.below(40)),
        _ => rng.next_u64() & most,
    };
    let mask = (1u64 << fraction) - 1;
    let digits = match rng.below(8) {
        0 | 1 => 0,
        2 => mask,
        3 => 1,
        4 => 1 << (fraction - 1),
        5 => rng.next_u64() << rng.below(fraction),
        _ => rng.next_u64(),
    };
    let sign = u64::from(rng.below(2)) << (fraction + exponent_bits);
    sign | exponent << fraction | digits & mask
}

fn single(rng: &mut Rng) -> u32 {
    real(rng, 23, 8) as u32
}

fn double(rng: &mut Rng) -> u64 {
    real(rng, 52, 11)
}
