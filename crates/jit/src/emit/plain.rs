//! Instructions that the host has in the same form: their bytes with host registers, and a
//! memory operand found first. (SDM 2, each instruction's "Flags Affected".)

use super::item::Ready;
use super::memory::{Access, Wanted};
use super::{Emitter, Item, Kind};
use crate::forms::{self, Form, Guest, Operand, Reg, Writes};
use crate::rewrite::{HighByte, Host, Mem, Rm, encode, host, is_encodable};
use decode::{Code, Insn};
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// The host instruction, with `rm` for its rm operand.
pub(super) fn host_form<'a>(guest: &'a Guest, f: &Form, access: Option<Access>) -> Host<'a> {
    let byte_rm = f.width == 1;
    let gpr = |n: u8, byte: bool| if byte { n } else { host(n) };
    let rm = match (f.rm, access) {
        (_, Some(access)) => Rm::Mem(access.rm),
        (Operand::Accumulator | Operand::None, None) => Rm::Reg(0),
        (Operand::InOpcode, None) => Rm::Reg(gpr(guest.op & 7, byte_rm)),
        (Operand::ModRm, None) => Rm::Reg(gpr(guest.modrm & 7, byte_rm)),
    };
    let (reg, reg8) = match f.reg {
        Reg::Digit(digit) => (digit, false),
        Reg::Gpr { byte } => (gpr(guest.digit(), byte), byte),
    };
    Host {
        op16: f.op16,
        map0f: f.map0f,
        reg8,
        rm8: byte_rm,
        imm: guest.imm(usize::from(f.imm)),
        ..Host::new(f.op, reg, rm)
    }
}

impl Emitter<'_> {
    /// Emits what is ready. Touches nothing but what the guest's instruction does.
    pub(super) fn ready(&mut self, item: &Item, ready: &Ready) {
        self.note_data_pointer();
        if ready.names_esp {
            self.settle_esp();
        }
        self.ops.template(&ready.code, item.guest.tail());
        self.af_clear = ready.af_clear.unwrap_or(self.af_clear);
    }

    /// Emits `item` by its form; `None` where it must be a callout.
    pub(super) fn plain(&mut self, item: &Item, f: &Form, left: u32) -> Option<Kind> {
        let dead = item.dead;
        let is_double = matches!(f.writes, Writes::Double | Writes::DoubleCl) && !dead;
        if (is_double && item.insn.is_mem()) || !self.is_encodable(item, f) {
            return None;
        }
        let is_shift_cl = matches!(f.writes, Writes::ShiftCl | Writes::DoubleCl) && !dead;
        // Whether AF is cleared hangs on the count, which such a shift has shifted away.
        if is_shift_cl && !item.insn.is_mem() && item.guest.modrm & 7 == 1 {
            return None;
        }
        let before = self.offset();
        if item.insn.code == Code::Lahf || is_shift_cl {
            self.settle_af();
        }
        if f.access == forms::Access::Address {
            return Some(self.lea(item, f));
        }
        if is_double {
            return Some(self.double_shift(item, f));
        }
        let back = self.ops.new_dynamic_label();
        let memory = item.insn.is_mem() && f.rm != Operand::None;
        let access = memory.then(|| {
            let covers = f.writes.covers_all() && !f.reads_flags;
            let divides = f.writes == Writes::Divide;
            let keep_flags = !divides && !covers && (!dead || f.reads_flags);
            let write = f.access != forms::Access::Read;
            let address = self.address(item);
            let wanted = Wanted { address, size: f.width, write, keep_flags };
            self.access(item, left, &wanted, Some(back))
        });
        if f.writes == Writes::Divide {
            self.divide(item, f, left, dead, access);
        } else {
            self.operate(item, f, access);
        }
        self.settle(item, f, dead, is_shift_cl);
        dynasm!(self.ops; .arch x64; =>back);
        let is_longer = access.is_some_and(|a| !a.rm.window) || self.offset() > before + 15;
        Some(if is_longer { Kind::Expanded } else { Kind::Rewritten })
    }

    /// The flags as the interpreter leaves them.
    fn settle(&mut self, item: &Item, f: &Form, dead: bool, is_shift_cl: bool) {
        match f.writes {
            Writes::Nothing | Writes::Some | Writes::Divide => {}
            Writes::All | Writes::SomeAndAf | Writes::Double => self.af_clear = false,
            Writes::AllButAf => self.af_clear = true,
            Writes::ShiftCl if is_shift_cl => self.settle_shift_cl(),
            Writes::ShiftCl | Writes::DoubleCl => {}
            Writes::Product => {
                self.af_clear = false;
                let low = match f.reg {
                    Reg::Gpr { .. } => host(item.guest.digit()),
                    Reg::Digit(_) => 0,
                };
                if !dead {
                    self.settle_product(low, f.width);
                }
            }
            Writes::Scan => {
                self.af_clear = false;
                if !dead {
                    self.settle_scan();
                }
            }
        }
    }

    /// False where a high byte register would need a REX prefix beside it, with no way around.
    fn is_encodable(&self, item: &Item, f: &Form) -> bool {
        if f.rm == Operand::None {
            return true;
        }
        if item.insn.is_mem() {
            // CMPXCHG has AL besides the register.
            let exchanges = f.map0f && matches!(f.op, 0xB0 | 0xB1);
            return !(exchanges && f.width == 1 && item.guest.digit() >= 4);
        }
        is_encodable(&host_form(&item.guest, f, None))
    }

    /// One host instruction; a high byte register that can't be named beside an address in a
    /// high register changes places with its low half meanwhile, which touches no flag:
    /// ```text
    ///   xchg al, ah ; op al, [r8] ; xchg al, ah
    /// ```
    fn operate(&mut self, item: &Item, f: &Form, access: Option<Access>) {
        if f.rm == Operand::None {
            if f.op16 {
                self.ops.push(0x66);
            }
            return self.ops.push(f.op);
        }
        let host = host_form(&item.guest, f, access);
        if let Some(access) = access.filter(|a| a.rm.window) {
            if !is_encodable(&host) {
                // The address may name the register whose halves change places.
                let address = self.address(item);
                self.effective_address(&address);
                let rm = Mem { window: true, base: Some(8), index: None, disp: 0 };
                let host = Host { rm: Rm::Mem(rm), ..host };
                self.last_cold().swapped = Some(host.reg & 3);
                self.swap_halves(host.reg & 3);
                self.expect(access.cold);
                let low = Host { reg: host.reg & 3, ..host };
                encode(&mut self.ops, &low).expect("a low byte register");
                return self.swap_halves(host.reg & 3);
            }
            self.expect(access.cold);
        }
        if encode(&mut self.ops, &host) == Err(HighByte) {
            self.swap_halves(host.reg & 3);
            let low = Host { reg: host.reg & 3, ..host };
            encode(&mut self.ops, &low).expect("a low byte register");
            self.swap_halves(host.reg & 3);
        }
    }

    /// `xchg al, ah` and its like.
    pub(super) fn swap_halves(&mut self, low: u8) {
        self.ops.push(0x86);
        self.ops.push(0xC0 | (low + 4) << 3 | low);
    }

    /// SHLD or SHRD of a register, whose flags somebody may see: OF is whether the top bit changed,
    /// of SHRD whether the two at the top differ, and AF is clear.
    /// ```text
    ///   SHLD: mov r9d, a
    ///   shxd ; (by CL: unless CL & 31 is 0, with r10 for rcx)
    ///   mov r11, rax ; lahf ; r8d = OF ; mov al, r8b ; clear AF in ah ; OF and the rest from ax
    ///   mov rax, r11
    /// ```
    fn double_shift(&mut self, item: &Item, f: &Form) -> Kind {
        let (a, is_left) = (host(item.guest.modrm & 7), f.op < 0xAC);
        let copy = |to: u8, from: u8| Host::new(0x89, from, Rm::Reg(to));
        let put = |ops: &mut _, host: Host| encode(ops, &host).expect("no byte register");
        if is_left {
            put(&mut self.ops, copy(9, a));
        }
        self.operate(item, f, None);
        let skip = self.ops.new_dynamic_label();
        if f.writes == Writes::DoubleCl {
            dynasm!(self.ops
                ; .arch x64
                ; mov r8d, 31
                ; pext r8d, ecx, r8d
                ; mov r10, rcx
                ; mov ecx, r8d
                ; jrcxz =>skip
            );
        }
        dynasm!(self.ops; .arch x64; mov r11, rax; lahf);
        put(&mut self.ops, copy(8, if a == 0 { 11 } else { a }));
        if !is_left {
            dynasm!(self.ops; .arch x64; lea r9d, [r8 + r8]);
        }
        dynasm!(self.ops
            ; .arch x64
            ; xor r8d, r9d
            ; shr r8d, 31
            ; mov al, r8b
            ; and ah, !0x10
            ; add al, 127
            ; sahf
            ; mov rax, r11
        );
        if f.writes == Writes::DoubleCl {
            dynasm!(self.ops; .arch x64; =>skip; mov rcx, r10);
        }
        self.af_clear = false;
        Kind::Expanded
    }

    /// A division leaves the guest's flags alone, the host's doesn't. One that faults changes
    /// nothing, and the interpreter raises the fault.
    /// ```text
    ///   save flags in r11 (where they matter) ; div ; restore
    /// ```
    fn divide(&mut self, item: &Item, f: &Form, left: u32, dead: bool, access: Option<Access>) {
        let from_site = access.is_some_and(|a| a.flags_in_r11);
        if !dead && !from_site {
            self.flags_to_r11();
        }
        let host = host_form(&item.guest, f, access);
        let cold = if access.is_some_and(|a| a.rm.window) {
            self.last_cold().flags_in_r11 = !dead;
            self.last_cold().label
        } else {
            let back = self.ops.new_dynamic_label();
            let cold = self.cold(item, left, Some(back));
            self.last_cold().flags_in_r11 = from_site || !dead;
            self.expect(cold);
            encode(&mut self.ops, &host).expect("no high byte beside an address");
            if !dead {
                self.flags_from_r11();
            }
            dynasm!(self.ops; .arch x64; =>back);
            return;
        };
        self.expect(cold);
        encode(&mut self.ops, &host).expect("no high byte beside an address");
        if !dead {
            self.flags_from_r11();
        }
    }

    /// LEA: with a 16-bit address the sum is cut first.
    fn lea(&mut self, item: &Item, f: &Form) -> Kind {
        let address = self.address(item);
        let reg = host(item.guest.digit());
        if item.insn.has(Insn::ADDR32) {
            let lea = Host { op16: f.op16, ..Host::new(0x8D, reg, Rm::Mem(address.host(false))) };
            encode(&mut self.ops, &lea).expect("no byte register");
            return Kind::Rewritten;
        }
        self.effective_address(&address);
        let mov = Host { op16: f.op16, ..Host::new(0x89, 8, Rm::Reg(reg)) };
        encode(&mut self.ops, &mov).expect("no byte register");
        Kind::Expanded
    }
}
