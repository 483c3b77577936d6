//! x87 instructions: the guest's bytes on the host's unit (SDM 1 chapter 8; SDM 2 FADD and so on).
//!
//! Every instruction that waits may raise #MF for an exception that is pending: on the host that is
//! SIGFPE, which leads to the interpreter, which raises it in the guest.

use super::{Emitter, Item, Kind};
use crate::abi::Mode;
use crate::block::After;
use crate::fpu::{Half, SCRATCH};
use crate::rewrite::{Host, Mem, Rm};
use decode::Code;
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use interp::ops::fpu::{Memory, memory};

impl Emitter<'_> {
    pub(super) fn x87(&mut self, item: &Item, left: u32) -> Option<Kind> {
        self.is_usable(Half::X87).then_some(())?;
        let before = self.offset();
        self.need(Half::X87);
        match item.insn.code {
            Code::Wait => self.computing(item, left, Memory::None),
            Code::Fnstsw_AX => {
                self.note_data_pointer();
                dynasm!(self.ops; .arch x64; fnstsw ax);
            }
            Code::Fnstcw_m2byte | Code::Fnstsw_m2byte => {
                self.computing(item, left, Memory::Store(2));
            }
            Code::Fldcw_m2byte => self.load_control(item, left),
            _ => {
                if writes_flags(item) {
                    // An exception that isn't masked leaves them alone.
                    self.settle_af();
                }
                self.computing(item, left, memory(item.insn.imm2));
                self.was_last(item);
            }
        }
        let is_longer = self.offset() > before + 15;
        Some(if is_longer { Kind::Expanded } else { Kind::Rewritten })
    }

    /// The instruction as it is.
    fn computing(&mut self, item: &Item, left: u32, memory: Memory) {
        let back = self.ops.new_dynamic_label();
        let (op, modrm) = (item.guest.op, item.guest.modrm);
        let operand = match memory {
            Memory::None => None,
            Memory::Load(size) => Some((size, false)),
            Memory::Store(size) => Some((size, true)),
        };
        if let Some(operand) = operand {
            let access = self.unit_access(item, left, operand, back);
            self.raising(access.cold, &Host::new(op, item.guest.digit(), Rm::Mem(access.rm)));
        } else {
            let cold = self.cold(item, left, Some(back));
            self.expect(cold);
            self.ops.push(op);
            if item.insn.code != Code::Wait {
                self.ops.push(modrm);
            }
        }
        dynasm!(self.ops; .arch x64; =>back);
    }

    /// FLDCW. Where CR0.NE is clear, a word that unmasks anything is for the interpreter: the
    /// unit can't be used then.
    /// ```text
    ///   movzx r9d, word ea
    ///   (mov r8d, 3Fh ; pext r8d, r9d, r8d ; mov r10, rcx ; lea ecx, [r8-3Fh]
    ///   jrcxz masked ; mov rcx, r10 ; jmp cold ; masked: mov rcx, r10)
    ///   mov [scratch], r9d ; fldcw [scratch]
    /// ```
    fn load_control(&mut self, item: &Item, left: u32) {
        let back = self.ops.new_dynamic_label();
        let first = self.sites.len();
        let access = self.unit_access(item, left, (2, false), back);
        self.sites[first..].iter_mut().for_each(|site| site.after = After::Mode);
        let load = Host { map0f: true, ..Host::new(0xB7, 9, Rm::Mem(access.rm)) };
        self.raising(access.cold, &load);
        if !self.source.mode.has(Mode::NE) {
            dynasm!(self.ops
                ; .arch x64
                ; mov r8d, 0x3F
                ; pext r8d, r9d, r8d
                ; mov r10, rcx
                ; lea ecx, [r8 - 0x3F]
                ; jrcxz >masked
                ; mov rcx, r10
                ; jmp =>access.cold
                ; masked:
                ; mov rcx, r10
            );
        }
        dynasm!(self.ops; .arch x64; mov [r15 + SCRATCH], r9d);
        self.raising(access.cold, &Host::new(0xD9, 5, Rm::Mem(Mem::host(15, SCRATCH))));
        dynasm!(self.ops; .arch x64; =>back);
    }
}

/// FCOMI and its kin.
fn writes_flags(item: &Item) -> bool {
    matches!(item.insn.imm2, 0x3E8..=0x3F7 | 0x7E8..=0x7F7)
}
