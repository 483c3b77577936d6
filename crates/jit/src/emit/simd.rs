//! MMX and SSE to SSE4.2: the guest's bytes on the host's unit (SDM 2). The decoder's tables say
//! where the operands are, so there is one emitter for all forms.
//!
//! An operand of 16 bytes that isn't aligned, and an exception that MXCSR doesn't mask, fault on the
//! host as they do in the guest, and lead to the interpreter.

use super::fpu::UnitFlags;
use super::{Emitter, Item, Kind};
use crate::fpu::Half;
use crate::rewrite::{Host, Rm, encode, host};
use decode::{Code, Encoding, Insn, Place};
use dynasm::dynasm;
use dynasmrt::DynasmLabelApi;
use interp::host_simd::Op;
use x86::Features;

/// What is emitted belongs to one of these.
const VECTOR: Features = Features::MMX
    .union(Features::SSE)
    .union(Features::SSE2)
    .union(Features::SSE3)
    .union(Features::SSSE3)
    .union(Features::SSE41)
    .union(Features::SSE42)
    .union(Features::POPCNT);

/// The encoding of an instruction that is emitted.
pub(super) fn encoding(insn: &Insn) -> Option<Encoding> {
    let needs = decode::needs(insn.code);
    if needs.is_empty() || !VECTOR.contains(needs) || insn.code == Code::Ldmxcsr_m32 {
        return None;
    }
    let encoding = decode::vector_encoding(insn.code)?;
    if insn.code == Code::Stmxcsr_m32 {
        return Some(Encoding { writes_rm: true, ..encoding });
    }
    // AH and its like can't stand beside the register that ESP lives in.
    let high = encoding.rm8 && !insn.is_mem() && insn.rm >= 4 && insn.reg == 4;
    (!high).then_some(encoding)
}

/// The halves that an instruction needs.
pub(super) fn halves(e: &Encoding, insn: &Insn) -> Half {
    let has = |place| e.reg == Some(place) || e.rm == Some(place);
    let x87 = if has(Place::Mm) { Half::X87.0 } else { 0 };
    let sse = has(Place::Xmm) || insn.code == Code::Stmxcsr_m32;
    Half(x87 | if sse { Half::SSE.0 } else { 0 })
}

/// Something other than its operand in memory may make it fault: an exception of its own, or one
/// that is pending in the x87 unit.
fn raises(e: &Encoding) -> bool {
    let mmx = e.reg == Some(Place::Mm) || e.rm == Some(Place::Mm);
    mmx || Op::new(e.opcode).is_some_and(Op::is_float)
}

/// COMISS, COMISD and UCOMIS., PTEST, PCMP.STR., POPCNT: all six flags.
const fn writes_flags(opcode: u16) -> bool {
    matches!(opcode, 0x02E | 0x02F | 0x42E | 0x42F | 0x517 | 0x660..=0x663 | 0x8B8)
}

/// What an instruction has to do with the flags.
pub(super) fn flags(e: &Encoding, insn: &Insn) -> UnitFlags {
    if insn.is_mem() || raises(e) {
        UnitFlags::Looks
    } else if writes_flags(e.opcode) {
        UnitFlags::Covers
    } else {
        UnitFlags::Keeps
    }
}

impl Emitter<'_> {
    pub(super) fn vector(&mut self, item: &Item, e: &Encoding, left: u32) -> Option<Kind> {
        let needed = halves(e, &item.insn);
        for half in Half::ALL {
            if needed.has(half) && !self.is_usable(half) {
                return None;
            }
        }
        let before = self.offset();
        if writes_general(e) {
            self.note_data_pointer();
        }
        for half in Half::ALL {
            if needed.has(half) {
                self.need(half);
            }
        }
        let back = self.ops.new_dynamic_label();
        let form = |rm| form(item, e, rm);
        if item.insn.is_mem() {
            let access = self.unit_access(item, left, (e.bytes, e.writes_rm), back);
            self.raising(access.cold, &form(Rm::Mem(access.rm)));
        } else {
            let rm = Rm::Reg(place(e.rm, e.rm8, item.insn.rm));
            if raises(e) {
                let cold = self.cold(item, left, Some(back));
                self.raising(cold, &form(rm));
            } else {
                encode(&mut self.ops, &form(rm)).expect("no high byte beside REX");
            }
        }
        if writes_flags(e.opcode) {
            self.af_clear = false;
        }
        dynasm!(self.ops; .arch x64; =>back);
        let is_longer = self.offset() > before + 15;
        Some(if is_longer { Kind::Expanded } else { Kind::Rewritten })
    }
}

/// It may write a general register.
fn writes_general(e: &Encoding) -> bool {
    let named = e.reg == Some(Place::General) || e.writes_rm && e.rm == Some(Place::General);
    named || matches!(e.opcode, 0x660..=0x663)
}

/// The host's number of a register.
fn place(place: Option<Place>, byte: bool, n: u8) -> u8 {
    if place == Some(Place::General) && !byte { host(n) } else { n & 7 }
}

fn form<'a>(item: &'a Item, e: &Encoding, rm: Rm) -> Host<'a> {
    const PREFIXES: [Option<u8>; 4] = [None, Some(0x66), Some(0xF3), Some(0xF2)];
    const MAPS: [Option<u8>; 4] = [None, Some(0x38), Some(0x3A), None];
    let reg = match e.reg {
        Some(_) => place(e.reg, false, item.insn.reg),
        None => item.guest.digit(),
    };
    Host {
        op16: e.op16,
        mandatory: PREFIXES[usize::from(e.opcode >> 10 & 3)],
        map0f: true,
        beyond: MAPS[usize::from(e.opcode >> 8 & 3)],
        rm8: e.rm8,
        imm: item.guest.imm(usize::from(e.imm8)),
        ..Host::new(e.opcode as u8, reg, rm)
    }
}
