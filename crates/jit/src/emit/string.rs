//! String instructions: alone they become accesses through ESI and EDI, and an LEA each; REP MOVS
//! and REP STOS go through a stub where there is a window. All others are callouts, and end their
//! block. (SDM 2, each instruction.)

use super::memory::{Address, Wanted};
use super::{Emitter, Item, Kind};
use crate::abi::{Mode, at};
use crate::rewrite::{Host, Mem, Rm, encode};
use crate::strings::{DF, FLAGS_HIGH, number};
use decode::{Code, Insn, NONE};
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use x86::SegReg;

const ESI: u8 = 6;
const EDI: u8 = 7;

/// MOVS CMPS STOS LODS SCAS, by the opcode with its lowest bit clear.
fn family(item: &Item) -> Option<u8> {
    let op = item.guest.op & 0xFE;
    (!item.guest.map0f && matches!(op, 0xA4 | 0xA6 | 0xAA | 0xAC | 0xAE)).then_some(op)
}

fn is_repeated(item: &Item) -> bool {
    item.insn.has(Insn::REP | Insn::REPNE)
}

/// True for an instruction behind which its block goes on, whoever carries it out.
pub(super) fn goes_on(item: &Item) -> bool {
    family(item).is_some() && (!is_repeated(item) || number(item.insn.code).is_some())
}

impl Emitter<'_> {
    /// CLD, without a touch to the status flags.
    fn clear_direction(&mut self) -> Kind {
        dynasm!(self.ops
            ; .arch x64
            ; mov r9, [r15 + at::GPR]
            ; movzx r8d, BYTE [r9 + FLAGS_HIGH]
            ; mov r10d, 0xFF ^ i32::from(DF)
            ; pext r8d, r8d, r10d
            ; pdep r8d, r8d, r10d
            ; mov [r9 + FLAGS_HIGH], r8b
        );
        Kind::Expanded
    }

    /// Emits CLD or a string instruction; `None` where it is none, or must be a callout.
    pub(super) fn string(&mut self, item: &Item, left: u32) -> Option<Kind> {
        if item.insn.code == Code::Cld {
            return Some(self.clear_direction());
        }
        let family = family(item)?;
        if is_repeated(item) {
            return self.repeated(item, left);
        }
        let size = match item.guest.op & 1 {
            0 => 1,
            _ if item.guest.op16 => 2,
            _ => 4,
        };
        let back = self.ops.new_dynamic_label();
        match family {
            0xA4 | 0xA6 => {
                let stores = family == 0xA4;
                self.load_kept(item, left, size, back);
                let other = self.string_access(item, left, (EDI, size, stores), back);
                if !other.window {
                    dynasm!(self.ops; .arch x64; mov r9d, [r15 + at::KEPT]);
                }
                self.operate_string(if stores { 0x88 } else { 0x3A }, 9, size, other);
            }
            0xAA => {
                let to = self.string_access(item, left, (EDI, size, true), back);
                self.operate_string(0x88, 0, size, to);
            }
            0xAC => {
                let from = self.string_access(item, left, (ESI, size, false), back);
                self.operate_string(0x8A, 0, size, from);
            }
            _ => {
                let with = self.string_access(item, left, (EDI, size, false), back);
                self.operate_string(0x3A, 0, size, with);
            }
        }
        if matches!(family, 0xA6 | 0xAE) {
            self.af_clear = false;
        }
        self.advance(family, size, item.insn.has(Insn::ADDR32));
        dynasm!(self.ops; .arch x64; =>back);
        Some(Kind::Expanded)
    }

    /// r9 = what ESI points at; it waits in the context if the other access needs r9.
    fn load_kept(&mut self, item: &Item, left: u32, size: u8, back: DynamicLabel) {
        let from = self.string_access(item, left, (ESI, size, false), back);
        self.operate_string(0x8A, 9, size, from);
        dynasm!(self.ops; .arch x64; mov [r15 + at::KEPT], r9d);
    }

    /// The operand that a pointer register points at.
    fn string_access(
        &mut self,
        item: &Item,
        left: u32,
        (base, size, write): (u8, u8, bool),
        back: DynamicLabel,
    ) -> Mem {
        let seg = if base == EDI { SegReg::Es } else { item.insn.seg };
        let wide = item.insn.has(Insn::ADDR32);
        let address = Address { seg, base, index: NONE, scale: 0, disp: 0, wide };
        let wanted = Wanted { address, size, write, keep_flags: true };
        let access = self.access(item, left, &wanted, Some(back));
        if access.rm.window {
            self.expect(access.cold);
        }
        access.rm
    }

    /// `op reg, rm`, by the opcode of its byte form. With a REX prefix or AL no byte is a high one.
    fn operate_string(&mut self, op: u8, reg: u8, size: u8, rm: Mem) {
        let op = op | u8::from(size != 1);
        let host = Host { op16: size == 2, reg8: size == 1, ..Host::new(op, reg, Rm::Mem(rm)) };
        encode(&mut self.ops, &host).expect("AL and R9B are no high bytes");
    }

    /// Moves the pointers on, or back where DF is set, without touching a flag.
    /// ```text
    ///   r8 = [flags] ; r9d = 4 ; pext r8d, r8d, r9d ; not r8 ; lea r8, [r8*2+3]     1 or -1
    ///   lea edi, [rdi+r8*size]         or: lea r9d, [rdi+r8*size] ; mov di, r9w
    /// ```
    fn advance(&mut self, family: u8, size: u8, wide: bool) {
        let df = i32::from(DF);
        dynasm!(self.ops
            ; .arch x64
            ; mov r8, [r15 + at::GPR]
            ; movzx r8d, BYTE [r8 + FLAGS_HIGH]
            ; mov r9d, df
            ; pext r8d, r8d, r9d
            ; not r8
            ; lea r8, [r8 + r8 + 3]
        );
        let (source, target) = (matches!(family, 0xA4 | 0xA6 | 0xAC), family != 0xAC);
        for (pointer, moves) in [(ESI, source), (EDI, target)] {
            if !moves {
                continue;
            }
            let to = if wide { pointer } else { 9 };
            let scale = size.trailing_zeros() as u8;
            let sum = Mem { window: false, base: Some(pointer), index: Some((8, scale)), disp: 0 };
            encode(&mut self.ops, &Host::new(0x8D, to, Rm::Mem(sum))).expect("no byte register");
            if !wide {
                let mov = Host { op16: true, ..Host::new(0x89, 9, Rm::Reg(pointer)) };
                encode(&mut self.ops, &mov).expect("no byte register");
            }
        }
    }

    /// REP MOVS and REP STOS, by a stub that is called as a callout is: see [`crate::strings`].
    fn repeated(&mut self, item: &Item, left: u32) -> Option<Kind> {
        let (number, mode) = (number(item.insn.code)?, self.source.mode);
        let source = (number < 3).then_some(item.insn.seg);
        let is_flat = mode.flat(SegReg::Es) && source.is_none_or(|seg| mode.flat(seg));
        let may = mode.has(Mode::WINDOW) && is_flat && item.insn.has(Insn::ADDR32);
        if !may || self.source.soft.contains(&self.place(item)) {
            return None;
        }
        self.settle_af();
        self.settle_esp();
        self.note_pointers();
        let site = self.site(item, left, crate::block::After::Plain);
        let stub = at::REPEATS + 8 * number as i32;
        dynasm!(self.ops; .arch x64; mov r8d, site as i32; call QWORD [r15 + stub]);
        self.units = super::fpu::Units::default();
        Some(Kind::Expanded)
    }
}
