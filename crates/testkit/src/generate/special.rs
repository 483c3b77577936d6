//! What single instructions need so that their interesting paths are taken: counts, pointers,
//! frames on the stack, targets of branches.
#![forbid(unsafe_code)]

use super::Builder;
use crate::case::{Stop, flag, reg, sreg};
use iced_x86::{Code, Mnemonic};

impl Builder<'_> {
    /// Before the operand is aimed: registers and immediates.
    pub(super) fn specialize(&mut self) {
        if self.form.is_string() {
            self.string_registers();
        }
        match self.mnemonic() {
            Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sal | Mnemonic::Sar => self.small_count(),
            Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Rcl | Mnemonic::Rcr => self.small_count(),
            Mnemonic::Shld | Mnemonic::Shrd => self.double_shift_count(),
            Mnemonic::Xlatb => self.translate_registers(),
            Mnemonic::Enter => self.enter_registers(),
            Mnemonic::Leave => self.frame_pointer(),
            Mnemonic::Div | Mnemonic::Idiv if self.rng.chance(60) => self.small_dividend(),
            Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc => self.bit_offset(),
            Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => self.loop_count(),
            Mnemonic::Jcxz | Mnemonic::Jecxz => self.loop_count(),
            Mnemonic::Call | Mnemonic::Jmp => self.branch_operand(),
            Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw | Mnemonic::Arpl => {
                self.selector_operand();
            }
            Mnemonic::Int if self.rng.chance(40) => {
                self.immediate[0] = self.rng.pick(&[0, 1, 2, 3, 4, 5, 8, 13, 14, 32]);
            }
            Mnemonic::Mov if self.form.opcode == 0x8E && !self.form.two_bytes => {
                self.selector_operand();
                self.shadow_if(self.reg_field == sreg::SS as u8);
            }
            Mnemonic::Cmpxchg if self.rng.chance(50) => {
                if let Some(register) = self.register_operand {
                    self.gpr[usize::from(register)] = self.gpr[reg::EAX];
                }
            }
            _ => {}
        }
        self.choose_stop();
    }

    fn choose_stop(&mut self) {
        self.shadow_if(matches!(self.form.code, Code::Popw_SS | Code::Popd_SS));
        let shows_flags = matches!(
            self.mnemonic(),
            Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Int1
        );
        if shows_flags {
            self.stop = Stop::Planted;
        }
        if matches!(self.mnemonic(), Mnemonic::Iret | Mnemonic::Iretd) {
            self.eflags &= !flag::NT;
        }
    }

    fn shadow_if(&mut self, holds_off: bool) {
        if holds_off {
            self.stop = Stop::Shadow;
        }
    }

    fn low(&mut self, register: usize, value: u32) {
        let mask = if self.address_wide { u32::MAX } else { 0xFFFF };
        self.gpr[register] = self.gpr[register] & !mask | value & mask;
    }

    fn string_registers(&mut self) {
        let size = if self.form.opcode & 1 == 0 { 1 } else { self.operand_bytes() };
        let source = self.data_segment.unwrap_or(sreg::DS);
        let mut same = [0; 4];
        same.copy_from_slice(&self.gpr[reg::EAX].to_le_bytes());
        let alike = self.rng.chance(60);
        for (register, segment) in [(reg::ESI, source), (reg::EDI, sreg::ES)] {
            let Some(segment) = self.segment(segment) else { continue };
            let offset = self.target(segment, size, self.address_wide);
            self.low(register, offset);
            if alike {
                // The middle is filled; pages' ends stay as they are.
                let mut bytes = [same; 8].concat();
                if self.rng.chance(50) {
                    let at = self.rng.below(32) as usize;
                    bytes[at] ^= 1;
                }
                let start = offset.wrapping_sub(16);
                self.poke(segment, start, &bytes);
            }
        }
        if self.repeated {
            let count = if self.stop == Stop::Step && self.rng.chance(20) {
                self.rng.value()
            } else {
                self.rng.below(10)
            };
            self.low(reg::ECX, count);
        }
    }

    fn small_count(&mut self) {
        let count = self.rng.below(40);
        if self.rng.chance(80) {
            self.set_count(count);
        }
    }

    /// A 16-bit double shift by more than 16 has an undefined result.
    fn double_shift_count(&mut self) {
        let limit = if self.operand_bytes() == 2 { 17 } else { 32 };
        let count = self.rng.below(limit) | self.rng.pick(&[0, 0x20, 0x40, 0xE0]);
        self.set_count(count);
    }

    fn set_count(&mut self, count: u32) {
        if let Some(last) = self.immediate.last_mut() {
            *last = count as u8;
        } else {
            self.gpr[reg::ECX] = self.gpr[reg::ECX] & !0xFF | count & 0xFF;
        }
    }

    fn translate_registers(&mut self) {
        let register = self.data_segment.unwrap_or(sreg::DS);
        let Some(segment) = self.segment(register) else { return };
        let offset = self.target(segment, 1, self.address_wide);
        let table = offset.wrapping_sub(self.gpr[reg::EAX] & 0xFF);
        self.low(reg::EBX, table);
    }

    fn enter_registers(&mut self) {
        let size = if self.rng.chance(70) { self.rng.below(0x80) } else { self.rng.value() };
        let level = match self.rng.below(10) {
            0..=4 => 0,
            5..=8 => self.rng.below(6),
            _ => self.rng.below(0x100),
        };
        self.immediate[..2].copy_from_slice(&size.to_le_bytes()[..2]);
        self.immediate[2] = level as u8;
        self.frame_pointer();
    }

    fn frame_pointer(&mut self) {
        let Some(segment) = self.segment(sreg::SS) else { return };
        let pointer = self.stack_target(segment);
        self.gpr[reg::EBP] = self.merge_stack(segment, pointer);
    }

    /// A dividend that isn't much greater than the divisor's size allows.
    fn small_dividend(&mut self) {
        match self.operand_bytes() {
            1 => self.gpr[reg::EAX] &= 0xFFFF_03FF,
            _ => {
                let sign = (self.gpr[reg::EAX] as i32 >> 31) as u32;
                self.gpr[reg::EDX] = self.rng.pick(&[0, 0, 1, sign, sign]);
            }
        }
        if let (Some(register), true) = (self.register_operand, self.operand_bytes() == 1) {
            self.gpr[usize::from(register & 3)] |= 4 << (register / 4 * 8);
        }
    }

    /// Bit offsets reach far beyond the operand: keep most of them in the page.
    fn bit_offset(&mut self) {
        if self.immediate.is_empty() && self.rng.chance(90) {
            let offset = self.rng.below(2000).wrapping_sub(1000);
            self.gpr[usize::from(self.reg_field)] = offset;
        }
    }

    fn loop_count(&mut self) {
        if self.rng.chance(60) {
            let count = self.rng.below(3);
            self.low(reg::ECX, count);
        }
    }

    fn branch_operand(&mut self) {
        if let (Some(register), 2 | 4) = (self.register_operand, self.reg_field) {
            self.gpr[usize::from(register)] = self.branch_target();
        }
        if let [offset @ .., _, _] = self.immediate.as_mut_slice()
            && matches!(self.form.opcode, 0x9A | 0xEA)
        {
            let length = offset.len();
            let target = self.branch_target();
            let selector = self.selector(true);
            self.immediate[..length].copy_from_slice(&target.to_le_bytes()[..length]);
            self.immediate[length..].copy_from_slice(&selector.to_le_bytes());
        }
    }

    fn selector_operand(&mut self) {
        let selector = self.selector(false);
        if let Some(register) = self.register_operand {
            let register = usize::from(register);
            self.gpr[register] = self.gpr[register] & !0xFFFF | u32::from(selector);
        }
        if self.mnemonic() == Mnemonic::Arpl {
            let other = usize::from(self.reg_field);
            self.gpr[other] = self.gpr[other] & !0xFFFF | u32::from(self.selector(false));
        }
    }

    /// After the code has its place: frames on the stack and targets relative to EIP.
    pub(super) fn late_specials(&mut self, code: &mut [u8]) {
        self.relative_target(code);
        let Some(segment) = self.segment(sreg::SS) else { return };
        let mask = if segment.big { u32::MAX } else { 0xFFFF };
        let top = self.gpr[reg::ESP] & mask;
        let size: usize = if self.operand_wide { 4 } else { 2 };
        let words: Vec<u32> = match self.mnemonic() {
            Mnemonic::Ret => vec![self.branch_target()],
            _ if self.is_far_return() => {
                let target = self.branch_target();
                let flags = self.rng.next_u32() & !flag::TF;
                vec![target, u32::from(self.selector(true)), flags]
            }
            Mnemonic::Popf | Mnemonic::Popfd => vec![self.rng.next_u32()],
            Mnemonic::Pop if self.pops_segment() => {
                vec![self.rng.next_u32() & 0xFFFF_0000 | u32::from(self.selector(false))]
            }
            _ => return,
        };
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.to_le_bytes()[..size].to_vec()).collect();
        self.poke(segment, top, &bytes);
    }

    fn pops_segment(&self) -> bool {
        matches!(self.form.opcode, 0x07 | 0x17 | 0x1F) && !self.form.two_bytes
            || matches!(self.form.opcode, 0xA1 | 0xA9) && self.form.two_bytes
    }

    /// Near branches by 16 or 32 bits: aimed into the code segment most of the time.
    fn relative_target(&mut self, code: &mut [u8]) {
        let near = if self.form.two_bytes {
            matches!(self.form.opcode, 0x80..=0x8F)
        } else {
            matches!(self.form.opcode, 0xE8 | 0xE9)
        };
        if !near {
            return;
        }
        let next = self.eip.wrapping_add(code.len() as u32);
        let distance = self.branch_target().wrapping_sub(next).to_le_bytes();
        let at = code.len() - self.immediate.len();
        code[at..].copy_from_slice(&distance[..self.immediate.len()]);
    }
}
