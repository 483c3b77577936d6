//! Memory operands: the software-TLB site, and the access through the host window.

use super::{Cold, Emitter, Item, Miss};
use crate::abi::{Mode, at};
use crate::rewrite::{Host, Mem, Rm, encode, host};
use decode::{Insn, NONE};
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use mmu::View;
use x86::SegReg;

/// A guest address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub seg: SegReg,
    pub base: u8,
    pub index: u8,
    pub scale: u8,
    pub disp: u32,
    pub wide: bool,
}

impl Address {
    /// The memory operand of an instruction.
    pub fn of(insn: &Insn) -> Self {
        Self {
            seg: insn.seg,
            base: insn.base,
            index: insn.index,
            scale: insn.scale,
            disp: insn.disp,
            wide: insn.has(Insn::ADDR32),
        }
    }

    /// `disp` bytes from the top of the stack.
    pub fn stack(disp: i32, mode: Mode) -> Self {
        let wide = mode.has(Mode::STACK32);
        Self { seg: SegReg::Ss, base: 4, index: NONE, scale: 0, disp: disp as u32, wide }
    }

    /// The same address arithmetic in host registers.
    pub fn host(&self, window: bool) -> Mem {
        Mem {
            window,
            base: (self.base != NONE).then(|| host(self.base)),
            index: (self.index != NONE).then(|| (host(self.index), self.scale)),
            disp: self.disp as i32,
        }
    }
}

/// What an access site needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub address: Address,
    pub size: u8,
    pub write: bool,
    /// The instruction, or one after it, looks at flags from before.
    pub keep_flags: bool,
}

/// An access site: the operand to use, and what to do if it faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub rm: Mem,
    /// Where the interpreter takes the instruction over.
    pub cold: DynamicLabel,
    /// The flags from before are in r11.
    pub flags_in_r11: bool,
}

const TLB: mmu::Layout = View::LAYOUT;
const _: () = assert!(TLB.slot_bytes == 32 && TLB.slots.is_power_of_two());

impl Emitter<'_> {
    /// `lea r8d, ea`, cut to the address size.
    pub(super) fn effective_address(&mut self, a: &Address) {
        let lea = Host::new(0x8D, 8, Rm::Mem(a.host(false)));
        encode(&mut self.ops, &lea).expect("no byte register");
        if !a.wide {
            dynasm!(self.ops; .arch x64; movzx r8d, r8w);
        }
    }

    /// Finds the operand of an instruction through the software TLB, in r8:
    /// ```text
    ///   lea r8d, ea ; (movzx r8d, r8w)
    ///   save flags in r11
    ///   lea r10, [r8+size] ; cmp r10, [end] ; ja cold ; add r8d, [base]      unless flat
    ///   mov r9d, r8d ; shr r9d, 7 ; and r9d, (slots-1)*32 ; add r9, [tlb]
    ///   lea r10d, [r8+size-1] ; and r10d, ~FFFh ; cmp r10, [r9+tag] ; jne miss
    ///   and r8d, FFFh ; add r8, [r9+offset] ; add r8, [ram]
    ///   found: (restore flags)
    ///   ...
    ///   miss: mov r9d, size and kind ; call [miss] ; test r8, r8 ; jnz found ; cold: ...
    /// ```
    /// The page of the last byte is compared: a crossing misses too. See [`crate::miss`].
    fn soft(&mut self, w: &Wanted, cold: DynamicLabel) -> Mem {
        let (size, seg) = (i32::from(w.size), w.address.seg);
        self.effective_address(&w.address);
        self.flags_to_r11();
        if !self.source.mode.flat(seg) {
            let n = seg as i32 * 8;
            let end = if w.write { at::WRITE_END } else { at::READ_END } + n;
            dynasm!(self.ops
                ; .arch x64
                ; lea r10, [r8 + size]
                ; cmp r10, [r15 + end]
                ; ja =>cold
                ; add r8d, [r15 + at::BASE + n]
            );
        }
        let (miss, found) = (self.ops.new_dynamic_label(), self.ops.new_dynamic_label());
        let kind = size | if w.write { crate::miss::WRITE } else { 0 };
        self.last_cold().miss = Some(Miss { label: miss, found, kind });
        let tag = if w.write { TLB.write } else { TLB.read } as i32;
        let (mask, offset) = (((TLB.slots - 1) * TLB.slot_bytes) as i32, TLB.offset as i32);
        dynasm!(self.ops
            ; .arch x64
            ; mov r9d, r8d
            ; shr r9d, 7
            ; and r9d, mask
            ; add r9, [r15 + at::TLB]
            ; lea r10d, [r8 + size - 1]
            ; and r10d, -4096
            ; cmp r10, [r9 + tag]
            ; jne =>miss
            ; and r8d, 0xFFF
            ; add r8, [r9 + offset]
            ; add r8, [r15 + at::RAM]
            ; =>found
        );
        if w.keep_flags {
            self.flags_from_r11();
        }
        Mem::host(8, 0)
    }

    /// An access site for an instruction, which goes on at `back` if the interpreter took over.
    pub(super) fn access(
        &mut self,
        item: &Item,
        left: u32,
        w: &Wanted,
        back: Option<DynamicLabel>,
    ) -> Access {
        let cold = self.cold(item, left, back);
        let direct = self.source.mode.has(Mode::WINDOW)
            && w.address.wide
            && self.source.mode.flat(w.address.seg)
            && !self.source.soft.contains(&self.place(item));
        if direct {
            return Access { rm: w.address.host(true), cold, flags_in_r11: false };
        }
        self.last_cold().flags_in_r11 = true;
        let rm = self.soft(w, cold);
        Access { rm, cold, flags_in_r11: !w.keep_flags }
    }

    pub(super) fn last_cold(&mut self) -> &mut Cold {
        self.cold.last_mut().expect("a site was just made")
    }
}
