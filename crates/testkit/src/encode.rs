//! Memory operands as ModRM, SIB and displacement bytes (SDM 2A 2.1.5, tables 2-1 to 2-3), and
//! the other direction: which registers make one point at a wanted offset.
#![forbid(unsafe_code)]

use crate::case::{reg, sreg};
use crate::rng::Rng;

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    wide: bool,
    mode: u8,
    rm: u8,
    sib: Option<u8>,
    base: Option<usize>,
    second: Option<(usize, u8)>,
    disp: u32,
    disp_bytes: u8,
}

/// Base and index of the eight 16-bit forms.
const NARROW: [(Option<usize>, Option<usize>); 8] = [
    (Some(reg::EBX), Some(reg::ESI)),
    (Some(reg::EBX), Some(reg::EDI)),
    (Some(reg::EBP), Some(reg::ESI)),
    (Some(reg::EBP), Some(reg::EDI)),
    (Some(reg::ESI), None),
    (Some(reg::EDI), None),
    (Some(reg::EBP), None),
    (Some(reg::EBX), None),
];

impl Address {
    /// Any of the addressing modes of one address size.
    pub fn random(rng: &mut Rng, wide: bool) -> Address {
        let mode = rng.below(3) as u8;
        let rm = rng.below(8) as u8;
        let disp = match rng.below(3) {
            0 => rng.below(0x40),
            1 => rng.below(0x40).wrapping_neg(),
            _ => rng.value(),
        };
        let sib = (wide && rm == 4).then(|| rng.below(0x100) as u8);
        Address::new(wide, mode, rm, sib, disp)
    }

    /// The operand with these fields; `mode` is 0, 1 or 2.
    pub fn new(wide: bool, mode: u8, rm: u8, sib: Option<u8>, disp: u32) -> Address {
        let bare = if wide { sib.map_or(rm, |sib| sib & 7) == 5 } else { rm == 6 };
        let full = if wide { 4 } else { 2 };
        let disp_bytes = match mode {
            0 if bare => full,
            0 => 0,
            1 => 1,
            _ => full,
        };
        let no_base = bare && mode == 0;
        let (base, second) = if wide {
            let base = sib.map_or(rm, |sib| sib & 7);
            let second = sib.and_then(|sib| match sib >> 3 & 7 {
                4 => None,
                index => Some((usize::from(index), sib >> 6)),
            });
            ((!no_base).then_some(usize::from(base)), second)
        } else if no_base {
            (None, None)
        } else {
            let (base, second) = NARROW[usize::from(rm)];
            (base, second.map(|index| (index, 0)))
        };
        let disp = match disp_bytes {
            0 => 0,
            1 => disp as i8 as u32,
            2 => disp & 0xFFFF,
            _ => disp,
        };
        Address { wide, mode, rm, sib, base, second, disp, disp_bytes }
    }

    /// The segment register that is used unless a prefix overrides it.
    pub fn default_segment(&self) -> usize {
        match self.base {
            Some(reg::EBP | reg::ESP) => sreg::SS,
            _ => sreg::DS,
        }
    }

    /// Whether `register` takes part in the address.
    pub fn uses(&self, register: usize) -> bool {
        self.base == Some(register) || self.second.is_some_and(|(index, _)| index == register)
    }

    fn mask(&self) -> u32 {
        if self.wide { u32::MAX } else { 0xFFFF }
    }

    /// The offset that the operand names.
    pub fn offset(&self, gpr: &[u32; 8]) -> u32 {
        let base = self.base.map_or(0, |base| gpr[base]);
        let second = self.second.map_or(0, |(index, shift)| gpr[index] << shift);
        base.wrapping_add(second).wrapping_add(self.disp) & self.mask()
    }

    /// Changes the base register, or else the displacement, so that the operand names `offset`,
    /// if it can.
    pub fn aim(&mut self, gpr: &mut [u32; 8], offset: u32) {
        let error = offset.wrapping_sub(self.offset(gpr));
        match self.base {
            Some(base) if self.second.is_none_or(|(index, _)| index != base) => {
                let value = gpr[base].wrapping_add(error);
                gpr[base] = gpr[base] & !self.mask() | value & self.mask();
            }
            _ if self.disp_bytes >= 2 => {
                self.disp = self.disp.wrapping_add(error) & self.mask();
            }
            _ => {}
        }
    }

    /// Appends ModRM, SIB and displacement.
    pub fn encode(&self, reg_field: u8, out: &mut Vec<u8>) {
        out.push(self.mode << 6 | reg_field << 3 | self.rm);
        out.extend(self.sib);
        out.extend_from_slice(&self.disp.to_le_bytes()[..usize::from(self.disp_bytes)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(address: &Address) -> Vec<u8> {
        let mut out = Vec::new();
        address.encode(0, &mut out);
        out
    }

    #[test]
    fn bare_displacements_are_rm_5_and_rm_6() {
        assert_eq!(bytes(&Address::new(true, 0, 5, None, 0x1234)), [5, 0x34, 0x12, 0, 0]);
        assert_eq!(bytes(&Address::new(false, 0, 6, None, 0x1234)), [6, 0x34, 0x12]);
    }

    #[test]
    fn aim_sets_the_low_half_of_a_16_bit_base() {
        let mut gpr = [0xAAAA_5555; 8];
        let mut address = Address::new(false, 1, 0, None, 0xF0);
        address.aim(&mut gpr, 0x1234);
        assert_eq!(address.offset(&gpr), 0x1234);
        assert_eq!(gpr[reg::EBX] >> 16, 0xAAAA);
    }

    #[test]
    fn aim_through_esp_with_a_scaled_index() {
        let mut gpr = [3; 8];
        let mut address = Address::new(true, 2, 4, Some(0x8C), 0x100);
        assert_eq!(address.default_segment(), sreg::SS);
        address.aim(&mut gpr, 0x2000);
        assert_eq!(address.offset(&gpr), 0x2000);
        assert_eq!(gpr[reg::ESP], 0x2000 - 0x100 - 12);
    }
}
