//! The memory operand: where it points and which bytes lie there.
#![forbid(unsafe_code)]

use super::Builder;
use crate::case::{reg, sreg};
use crate::forms::x87::memory_bytes;
use crate::layout::Segment;
use iced_x86::Mnemonic;

impl Builder<'_> {
    /// The segment register that the data operand uses.
    pub(super) fn data_register(&self) -> usize {
        let default = self.address.map_or(sreg::DS, |address| address.default_segment());
        self.data_segment.unwrap_or(default)
    }

    /// Bytes of the memory operand.
    fn memory_bytes(&self) -> u32 {
        let operand = if self.operand_wide { 4 } else { 2 };
        match self.mnemonic() {
            _ if self.form.vector.is_some() => self.vector_bytes(),
            _ if self.form.x87 => memory_bytes(self.form.opcode, self.reg_field, self.operand_wide),
            Mnemonic::Cmpxchg8b => 8,
            Mnemonic::Bound => operand * 2,
            _ if self.is_far_pointer() => operand + 2,
            Mnemonic::Movzx | Mnemonic::Movsx => {
                if self.form.opcode & 1 == 0 {
                    1
                } else {
                    2
                }
            }
            Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw => 2,
            _ => self.operand_bytes(),
        }
    }

    pub(super) fn is_far_pointer(&self) -> bool {
        let far_group = self.form.opcode == 0xFF && matches!(self.reg_field, 3 | 5);
        let load = matches!(
            self.mnemonic(),
            Mnemonic::Les | Mnemonic::Lds | Mnemonic::Lss | Mnemonic::Lfs | Mnemonic::Lgs
        );
        load || (!self.form.two_bytes && far_group)
    }

    /// Points the operand somewhere and fills it.
    pub(super) fn aim_operand(&mut self) {
        let register = self.data_register();
        let Some(segment) = self.segment(register) else { return };
        let size = self.memory_bytes();
        let offset = if self.form.moffs {
            let offset = self.target(segment, size, self.address_wide);
            self.moffs = Some(offset);
            offset
        } else if let Some(mut address) = self.address {
            let wanted = self.target(segment, size, self.address_wide);
            address.aim(&mut self.gpr, wanted);
            self.address = Some(address);
            address.offset(&self.gpr)
        } else {
            return;
        };
        self.fill(segment, offset, size);
    }

    fn fill(&mut self, segment: &Segment, offset: u32, size: u32) {
        if self.form.x87 {
            let bytes = self.units_operand();
            return self.poke(segment, offset, &bytes);
        }
        if self.form.vector.is_some() {
            let bytes = self.vector_operand(size);
            return self.poke(segment, offset, &bytes);
        }
        let mut bytes = [0; 8];
        for half in bytes.chunks_exact_mut(4) {
            half.copy_from_slice(&self.rng.value().to_le_bytes());
        }
        self.shape(&mut bytes);
        let bytes = &bytes[..size as usize];
        self.poke(segment, offset, bytes);
    }

    /// Gives the operand's bytes a meaning where the instruction asks for one.
    fn shape(&mut self, bytes: &mut [u8; 8]) {
        let operand = if self.operand_wide { 4 } else { 2 };
        match self.mnemonic() {
            _ if self.is_far_pointer() => {
                let code = matches!(self.mnemonic(), Mnemonic::Call | Mnemonic::Jmp);
                let target = if code { self.branch_target() } else { self.rng.value() };
                let selector = self.selector(code);
                bytes[..4].copy_from_slice(&target.to_le_bytes());
                bytes[operand..operand + 2].copy_from_slice(&selector.to_le_bytes());
            }
            Mnemonic::Call | Mnemonic::Jmp => {
                bytes[..4].copy_from_slice(&self.branch_target().to_le_bytes());
            }
            Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw | Mnemonic::Arpl => {
                bytes[..2].copy_from_slice(&self.selector(false).to_le_bytes());
            }
            Mnemonic::Mov if self.form.opcode == 0x8E && !self.form.two_bytes => {
                bytes[..2].copy_from_slice(&self.selector(false).to_le_bytes());
            }
            Mnemonic::Cmpxchg if self.rng.chance(50) => {
                bytes[..4].copy_from_slice(&self.gpr[reg::EAX].to_le_bytes());
            }
            Mnemonic::Cmpxchg8b if self.rng.chance(50) => {
                bytes[..4].copy_from_slice(&self.gpr[reg::EAX].to_le_bytes());
                bytes[4..].copy_from_slice(&self.gpr[reg::EDX].to_le_bytes());
            }
            Mnemonic::Bound if self.rng.chance(70) => self.bounds(bytes, operand),
            _ => {}
        }
    }

    /// Bounds around the index, give or take one.
    fn bounds(&mut self, bytes: &mut [u8; 8], operand: usize) {
        let index = self.gpr[usize::from(self.reg_field)];
        let low = index.wrapping_sub(self.rng.below(4)).wrapping_add(1);
        let high = index.wrapping_add(self.rng.below(4)).wrapping_sub(1);
        bytes[..operand].copy_from_slice(&low.to_le_bytes()[..operand]);
        bytes[operand..operand * 2].copy_from_slice(&high.to_le_bytes()[..operand]);
    }
}
