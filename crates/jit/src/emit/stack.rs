//! PUSH POP LEAVE: they have no 32-bit form on the host, so they become a move and an LEA. The
//! access that may fault comes before any change.

use super::control::is_leave;
use super::memory::{Address, Wanted};
use super::{Emitter, Item, Kind};
use crate::abi::{Mode, at};
use crate::rewrite::{Host, Mem, Rm, encode, host};
use decode::NONE;
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

impl Emitter<'_> {
    /// Emits a stack instruction; `None` where it is none, or must be a callout.
    pub(super) fn stack(&mut self, item: &Item, left: u32) -> Option<Kind> {
        let g = &item.guest;
        if g.map0f {
            return None;
        }
        let size: u8 = if g.op16 { 2 } else { 4 };
        let back = self.ops.new_dynamic_label();
        match g.op {
            0x50..0x58 => {
                let rm = self.stack_access(item, left, -i32::from(size), true, Some(back));
                let store = Host { op16: g.op16, ..Host::new(0x89, host(g.op & 7), Rm::Mem(rm)) };
                encode(&mut self.ops, &store).expect("no byte register");
                self.move_stack(-i32::from(size));
            }
            0x68 | 0x6A => {
                let rm = self.stack_access(item, left, -i32::from(size), true, Some(back));
                let imm = item.insn.imm.to_le_bytes();
                let imm = &imm[..usize::from(size)];
                let store = Host { op16: g.op16, imm, ..Host::new(0xC7, 0, Rm::Mem(rm)) };
                encode(&mut self.ops, &store).expect("no byte register");
                self.move_stack(-i32::from(size));
            }
            0x58..0x60 => {
                let rm = self.stack_access(item, left, 0, false, Some(back));
                let is_esp = g.op & 7 == 4;
                let to = if is_esp { 9 } else { host(g.op & 7) };
                let load = Host { op16: g.op16, ..Host::new(0x8B, to, Rm::Mem(rm)) };
                encode(&mut self.ops, &load).expect("no byte register");
                self.move_stack(i32::from(size));
                if is_esp {
                    self.settle_esp();
                    // What was popped, not one above the slot.
                    let mov = Host { op16: g.op16, ..Host::new(0x89, 9, Rm::Reg(12)) };
                    encode(&mut self.ops, &mov).expect("no byte register");
                }
            }
            0xC9 if is_leave(item.insn.code) => self.leave(item, left, size, back),
            0xFF if g.digit() == 6 => self.push_rm(item, left, size, back),
            _ => return None,
        }
        dynasm!(self.ops; .arch x64; =>back);
        Some(Kind::Expanded)
    }

    /// The slot `disp` bytes from the top of the stack.
    pub(super) fn stack_access(
        &mut self,
        item: &Item,
        left: u32,
        disp: i32,
        write: bool,
        back: Option<DynamicLabel>,
    ) -> Mem {
        let size = if item.insn.op32() { 4 } else { 2 };
        let address = Address::stack(self.esp + disp, self.source.mode);
        let wanted = Wanted { address, size, write, keep_flags: true };
        let access = self.access(item, left, &wanted, back);
        if access.rm.window {
            self.expect(access.cold);
        }
        access.rm
    }

    /// Moves ESP or SP without touching a flag. ESP only moves ahead of r12: in a row of pushes
    /// each would wait for the one before.
    /// ```text
    ///   lea r8d, [r12+n] ; mov r12w, r8w
    /// ```
    pub(super) fn move_stack(&mut self, by: i32) {
        if self.source.mode.has(Mode::STACK32) {
            self.esp += by;
        } else {
            dynasm!(self.ops; .arch x64; lea r8d, [r12 + by]; mov r12w, r8w);
        }
    }

    /// Brings r12 up to ESP.
    pub(super) fn settle_esp(&mut self) {
        let by = std::mem::take(&mut self.esp);
        self.move_r12(by);
    }

    /// `lea r12d, [r12+by]`
    pub(super) fn move_r12(&mut self, by: i32) {
        if by != 0 {
            dynasm!(self.ops; .arch x64; lea r12d, [r12 + by]);
        }
    }

    /// True where an instruction is emitted with ESP ahead of r12: it names ESP in an address at
    /// most, or is a push or pop.
    pub(super) fn goes_ahead(&self, item: &Item) -> bool {
        let g = &item.guest;
        match &item.form {
            Some(form) => !form.names_esp(g),
            None if item.unit.is_some() || g.map0f => false,
            None => match g.op {
                0x50..0x60 => g.op & 7 != 4,
                0xFF => g.digit() == 6 && (item.insn.is_mem() || g.modrm & 7 != 4),
                0x68 | 0x6A | 0xC2 | 0xC3 | 0xC9 | 0xE8 => true,
                _ => false,
            },
        }
    }

    /// The memory operand of an instruction.
    pub(super) fn address(&self, item: &Item) -> Address {
        let address = Address::of(&item.insn);
        let ahead = if address.base == 4 { self.esp } else { 0 };
        Address { disp: address.disp.wrapping_add(ahead as u32), ..address }
    }

    /// PUSH of a register or memory. A value from memory waits in the context, since the second
    /// access needs all scratch registers.
    fn push_rm(&mut self, item: &Item, left: u32, size: u8, back: DynamicLabel) {
        let source = if item.insn.is_mem() {
            let address = self.address(item);
            let wanted = Wanted { address, size, write: false, keep_flags: true };
            let access = self.access(item, left, &wanted, Some(back));
            if access.rm.window {
                self.expect(access.cold);
            }
            let load = Host { op16: size == 2, ..Host::new(0x8B, 9, Rm::Mem(access.rm)) };
            encode(&mut self.ops, &load).expect("no byte register");
            dynasm!(self.ops; .arch x64; mov [r15 + at::KEPT], r9d);
            9
        } else {
            host(item.guest.modrm & 7)
        };
        let rm = self.stack_access(item, left, -i32::from(size), true, Some(back));
        if source == 9 && !rm.window {
            dynasm!(self.ops; .arch x64; mov r9d, [r15 + at::KEPT]);
        }
        let store = Host { op16: size == 2, ..Host::new(0x89, source, Rm::Mem(rm)) };
        encode(&mut self.ops, &store).expect("no byte register");
        self.move_stack(-i32::from(size));
    }

    /// LEAVE: the frame pointer is where the stack pointer goes.
    fn leave(&mut self, item: &Item, left: u32, size: u8, back: DynamicLabel) {
        let wide = self.source.mode.has(Mode::STACK32);
        let address =
            Address { seg: x86::SegReg::Ss, base: 5, index: NONE, scale: 0, disp: 0, wide };
        let wanted = Wanted { address, size, write: false, keep_flags: true };
        let access = self.access(item, left, &wanted, Some(back));
        if access.rm.window {
            self.expect(access.cold);
        }
        let load = Host { op16: size == 2, ..Host::new(0x8B, 9, Rm::Mem(access.rm)) };
        encode(&mut self.ops, &load).expect("no byte register");
        let n = i32::from(size);
        if wide {
            self.esp = 0;
            dynasm!(self.ops; .arch x64; lea r12d, [rbp + n]);
        } else {
            dynasm!(self.ops; .arch x64; lea r8d, [rbp + n]; mov r12w, r8w);
        }
        if size == 4 {
            dynasm!(self.ops; .arch x64; mov ebp, r9d);
        } else {
            dynasm!(self.ops; .arch x64; mov bp, r9w);
        }
    }
}
