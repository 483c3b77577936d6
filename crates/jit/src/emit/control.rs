//! Near transfers of control: Jcc JMP CALL RET LOOP JECXZ. Targets in the instruction become
//! edges; others leave for the dispatcher.

use super::memory::Wanted;
use super::{Emitter, Item, Kind, Landing};
use crate::abi::at;
use crate::arena::TABLE;
use crate::asm::Ops;
use crate::rewrite::{Host, Rm, encode, host};
use decode::{Code, Insn};
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

impl Emitter<'_> {
    /// Emits a transfer of control; `None` where it must be a callout.
    pub(super) fn control(&mut self, item: &Item, left: u32) -> Option<Kind> {
        let g = &item.guest;
        match (g.map0f, g.op) {
            (false, 0x70..0x80) | (true, 0x80..0x90) => self.jcc(item),
            (false, 0xE9 | 0xEB) => {
                let target = self.target(item)?;
                self.settle_af();
                self.jump_edge(target);
                Some(Kind::Expanded)
            }
            (false, 0xE3) => self.jecxz(item),
            (false, 0xE2) => self.loop_ecx(item),
            (false, 0xE8) => self.call_near(item, left),
            (false, 0xC2 | 0xC3) => self.ret(item, left),
            (false, 0xFF) if matches!(g.digit(), 2 | 4) => self.indirect(item, left),
            (true, 0x34 | 0x35) => self.door(item, left),
            _ => None,
        }
    }

    /// Where a direct branch goes, if that lies within CS.
    fn target(&self, item: &Item) -> Option<u32> {
        target(item, self.source.limit)
    }

    /// `jcc label`, in its long form.
    pub(super) fn jump_if(&mut self, condition: u8, label: DynamicLabel) {
        match condition {
            0x0 => dynasm!(self.ops; .arch x64; jo =>label),
            0x1 => dynasm!(self.ops; .arch x64; jno =>label),
            0x2 => dynasm!(self.ops; .arch x64; jb =>label),
            0x3 => dynasm!(self.ops; .arch x64; jnb =>label),
            0x4 => dynasm!(self.ops; .arch x64; jz =>label),
            0x5 => dynasm!(self.ops; .arch x64; jnz =>label),
            0x6 => dynasm!(self.ops; .arch x64; jbe =>label),
            0x7 => dynasm!(self.ops; .arch x64; jnbe =>label),
            0x8 => dynasm!(self.ops; .arch x64; js =>label),
            0x9 => dynasm!(self.ops; .arch x64; jns =>label),
            0xA => dynasm!(self.ops; .arch x64; jp =>label),
            0xB => dynasm!(self.ops; .arch x64; jnp =>label),
            0xC => dynasm!(self.ops; .arch x64; jl =>label),
            0xD => dynasm!(self.ops; .arch x64; jnl =>label),
            0xE => dynasm!(self.ops; .arch x64; jle =>label),
            _ => dynasm!(self.ops; .arch x64; jnle =>label),
        }
    }

    /// ```text
    ///   jcc edge ; jmp edge
    /// ```
    fn jcc(&mut self, item: &Item) -> Option<Kind> {
        let target = self.target(item)?;
        self.settle_af();
        let condition = item.guest.op & 0xF;
        self.ops.push(0x0F);
        self.ops.push(0x80 | condition);
        self.ops.push_i32(0);
        self.edge_here(target);
        self.jump_edge(item.next());
        Some(Kind::Expanded)
    }

    /// ```text
    ///   jecxz taken ; jmp edge ; taken: jmp edge
    /// ```
    fn jecxz(&mut self, item: &Item) -> Option<Kind> {
        let target = self.target(item)?;
        if !item.insn.has(Insn::ADDR32) {
            return None;
        }
        self.settle_af();
        dynasm!(self.ops; .arch x64; jecxz >taken);
        self.jump_edge(item.next());
        dynasm!(self.ops; .arch x64; taken:);
        self.jump_edge(target);
        Some(Kind::Expanded)
    }

    /// ```text
    ///   lea ecx, [rcx-1] ; jecxz done ; jmp edge ; done: jmp edge
    /// ```
    fn loop_ecx(&mut self, item: &Item) -> Option<Kind> {
        let target = self.target(item)?;
        if !item.insn.has(Insn::ADDR32) {
            return None;
        }
        self.settle_af();
        dynasm!(self.ops; .arch x64; lea ecx, [rcx - 1]; jecxz >done);
        self.jump_edge(target);
        dynasm!(self.ops; .arch x64; done:);
        self.jump_edge(item.next());
        Some(Kind::Expanded)
    }

    /// A target that isn't known here can't be checked against a limit cheaply: only where the
    /// operand size keeps it within.
    fn any_target_is_within(&self, item: &Item) -> bool {
        let most = if item.insn.op32() { u32::MAX } else { 0xFFFF };
        self.source.limit >= most
    }

    fn call_near(&mut self, item: &Item, left: u32) -> Option<Kind> {
        let target = self.target(item)?;
        self.push_return(item, left);
        self.note_return(item);
        self.settle_af();
        self.jump_edge(target);
        Some(Kind::Expanded)
    }

    /// Pushes the return address, and moves the stack pointer.
    fn push_return(&mut self, item: &Item, left: u32) {
        let size: u8 = if item.insn.op32() { 4 } else { 2 };
        let rm = self.stack_access(item, left, -i32::from(size), true, None);
        let imm = item.next().to_le_bytes();
        let imm = &imm[..usize::from(size)];
        let store = Host { op16: size == 2, imm, ..Host::new(0xC7, 0, Rm::Mem(rm)) };
        encode(&mut self.ops, &store).expect("no byte register");
        self.move_stack(-i32::from(size));
    }

    /// ```text
    ///   r9d = [top] ; move the stack pointer ; leave for r9d by the return ring
    /// ```
    fn ret(&mut self, item: &Item, left: u32) -> Option<Kind> {
        if !self.any_target_is_within(item) {
            return None;
        }
        let size: u8 = if item.insn.op32() { 4 } else { 2 };
        let rm = self.stack_access(item, left, 0, false, None);
        self.load_target(Rm::Mem(rm), size);
        let released = (item.insn.imm & 0xFFFF) as i32;
        self.move_stack(i32::from(size) + released);
        self.return_to_r9();
        Some(Kind::Expanded)
    }

    /// `mov r9d, rm`, zero-extended.
    fn load_target(&mut self, rm: Rm, size: u8) {
        let load = if size == 2 {
            Host { map0f: true, ..Host::new(0xB7, 9, rm) }
        } else {
            Host::new(0x8B, 9, rm)
        };
        encode(&mut self.ops, &load).expect("no byte register");
    }

    /// Leaves the landing of a call in the return ring. Touches no flag.
    /// ```text
    ///   lea r10, [landing] ; mov [r13], r10 ; lea r8d, [r13+8] ; mov r13b, r8b
    /// ```
    fn note_return(&mut self, item: &Item) {
        let landing = self.ops.new_dynamic_label();
        dynasm!(self.ops
            ; .arch x64
            ; lea r10, [=>landing]
            ; mov [r13], r10
            ; lea r8d, [r13 + 8]
            ; mov r13b, r8b
        );
        self.landings.push(Landing { label: landing, eip: item.next() });
    }

    /// Where a return comes that the ring sent, with its EIP in r9:
    /// ```text
    ///   r11 = rcx ; ecx = r9 - eip ; jrcxz here ; rcx = r11 ; leave for r9
    ///   here: rcx = r11 ; jmp edge
    /// ```
    pub(super) fn emit_landing(&mut self, landing: &Landing) {
        let back = (landing.eip as i32).wrapping_neg();
        dynasm!(self.ops
            ; .arch x64
            ; =>landing.label
            ; mov r11, rcx
            ; lea ecx, [r9 + back]
            ; jrcxz >here
            ; mov rcx, r11
            ; jmp QWORD [r15 + at::BY_CACHE]
            ; here:
            ; mov rcx, r11
        );
        self.jump_edge(landing.eip);
    }

    /// Goes on at the EIP in r9, by the jump cache: see [`emit_by_cache`].
    pub(super) fn leave_for_r9(&mut self) {
        self.settle_af();
        self.settle_esp();
        emit_by_cache(&mut self.ops);
    }

    /// Goes on at the EIP in r9, by the return ring.
    /// ```text
    ///   lea r8d, [r13-8] ; mov r13b, r8b ; jmp [r13]
    /// ```
    fn return_to_r9(&mut self) {
        self.settle_af();
        self.settle_esp();
        dynasm!(self.ops; .arch x64; lea r8d, [r13 - 8]; mov r13b, r8b; jmp QWORD [r13]);
    }

    /// JMP and CALL through a register or memory.
    fn indirect(&mut self, item: &Item, left: u32) -> Option<Kind> {
        if !self.any_target_is_within(item) {
            return None;
        }
        let size: u8 = if item.insn.op32() { 4 } else { 2 };
        let is_call = item.guest.digit() == 2;
        if item.insn.is_mem() {
            if is_call {
                // Two accesses that may fault, the first of which r9 would have to outlive.
                return self.call_memory(item, left, size);
            }
            let rm = self.target_access(item, left, size);
            self.load_target(Rm::Mem(rm), size);
        } else {
            if is_call {
                self.push_return_of_register(item, left);
            }
            self.load_target(Rm::Reg(host(item.guest.modrm & 7)), size);
            if is_call {
                self.move_stack(-i32::from(size));
                self.note_return(item);
            }
        }
        self.leave_for_r9();
        Some(Kind::Expanded)
    }

    fn target_access(&mut self, item: &Item, left: u32, size: u8) -> crate::rewrite::Mem {
        let address = self.address(item);
        let wanted = Wanted { address, size, write: false, keep_flags: true };
        let access = self.access(item, left, &wanted, None);
        if access.rm.window {
            self.expect(access.cold);
        }
        access.rm
    }

    /// The target waits in the context while the stack is looked at. A fault of the push comes
    /// before anything has changed.
    fn call_memory(&mut self, item: &Item, left: u32, size: u8) -> Option<Kind> {
        let rm = self.target_access(item, left, size);
        self.load_target(Rm::Mem(rm), size);
        dynasm!(self.ops; .arch x64; mov [r15 + at::KEPT], r9d);
        self.push_return(item, left);
        self.note_return(item);
        dynasm!(self.ops; .arch x64; mov r9d, [r15 + at::KEPT]);
        self.leave_for_r9();
        Some(Kind::Expanded)
    }

    /// As [`Emitter::push_return`], with the stack pointer not yet moved: it may be the target.
    fn push_return_of_register(&mut self, item: &Item, left: u32) {
        let size: u8 = if item.insn.op32() { 4 } else { 2 };
        let rm = self.stack_access(item, left, -i32::from(size), true, None);
        let imm = item.next().to_le_bytes();
        let imm = &imm[..usize::from(size)];
        let store = Host { op16: size == 2, imm, ..Host::new(0xC7, 0, Rm::Mem(rm)) };
        encode(&mut self.ops, &store).expect("no byte register");
    }
}

/// Goes on at the EIP in r9, by the jump cache, without touching a flag:
/// ```text
///   movzx r8d, r9w ; r8 *= 2 ; r10 = [code_view] + r9 ; r11 = rcx
///   rcx = [table+r8*8] + r10 ; jrcxz hit ; rcx = r11 ; leave for r9d
///   hit: rcx = r11 ; jmp [table+r8*8+8]
/// ```
pub(crate) fn emit_by_cache(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; movzx r8d, r9w
        ; lea r8d, [r8 + r8]
        ; mov r10, [r15 + at::CODE_VIEW]
        ; lea r10, [r10 + r9]
        ; mov r11, rcx
        ; mov rcx, [r15 + r8 * 8 + TABLE]
        ; lea rcx, [rcx + r10]
        ; jrcxz >hit
        ; mov rcx, r11
        ; mov [r15 + at::EIP], r9d
        ; jmp QWORD [r15 + at::EXIT_DISPATCH]
        ; hit:
        ; mov rcx, r11
        ; jmp QWORD [r15 + r8 * 8 + TABLE + 8]
    );
}

/// The condition of a Jcc, as its opcode has it.
pub(super) fn condition(item: &Item) -> Option<u8> {
    let g = &item.guest;
    matches!((g.map0f, g.op), (false, 0x70..0x80) | (true, 0x80..0x90)).then_some(g.op & 0xF)
}

/// Where a direct branch goes, if that lies within a CS of this limit.
pub(super) fn target(item: &Item, limit: u32) -> Option<u32> {
    let target = item.next().wrapping_add(item.insn.imm);
    let target = if item.insn.op32() { target } else { target & 0xFFFF };
    (target <= limit).then_some(target)
}

/// True for the forms of PUSH and POP that name a general register or an immediate.
pub(super) fn is_leave(code: Code) -> bool {
    matches!(code, Code::Leavew | Code::Leaved)
}
