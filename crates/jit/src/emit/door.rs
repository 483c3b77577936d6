//! SYSENTER and SYSEXIT through a door that was noted: see [`crate::door`].

use super::{Emitter, Item, Kind};
use crate::abi::{Context, Mode, at};
use crate::door::{self, Door};
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use interp::Cpu;
use std::mem::offset_of;
use x86::state::Msrs;
use x86::{Intercept, SegReg, Segment, State};

/// Offsets in [`State`].
const MSR: usize = offset_of!(State, msr);
const SYSENTER_CS: i32 = (MSR + offset_of!(Msrs, sysenter_cs)) as i32;
const SYSENTER_ESP: i32 = (MSR + offset_of!(Msrs, sysenter_esp)) as i32;
const SYSENTER_EIP: i32 = (MSR + offset_of!(Msrs, sysenter_eip)) as i32;
const CPL: i32 = offset_of!(State, cpl) as i32;
/// The byte of the system flags that holds IF, and its other bits.
const FLAGS_HIGH: i32 = offset_of!(State, system_flags) as i32 + 1;
const NOT_IF: i32 = 0xFD;

const fn segment(s: SegReg) -> i32 {
    (offset_of!(State, seg) + s as usize * size_of::<Segment>()) as i32
}

impl Emitter<'_> {
    /// Emits a crossing by the processor's own segments; `None` where it must be a callout.
    /// ```text
    ///   r11 = rcx ; r9 = state ; rcx = IA32_SYSENTER_CS + CPL + code view + [door.negated]
    ///   jrcxz open ; rcx = r11 ; (callout)
    ///   open: CS, SS, the end of CS = the door's ; CPL ; count it
    ///   code view, TLB, mode, return ring = the door's
    ///   SYSENTER: IF = 0 ; ESP, EIP from their MSRs ; note the budget
    ///   SYSEXIT:  ESP = ECX ; EIP = EDX ; note how long ring 0 took
    ///   rcx = r11 ; leave for EIP
    /// ```
    pub(super) fn door(&mut self, item: &Item, left: u32) -> Option<Kind> {
        let number = door::number(item.insn.code)?;
        let mode = self.source.mode;
        if !mode.flat(SegReg::Ss) || mode.has(Mode::USER) != (number == 0) {
            return None;
        }
        self.settle_af();
        let cold = self.cold(item, left, None);
        let door = (offset_of!(Context, doors) + number * size_of::<Door>()) as i32;
        let (negated, view) = (door, door + offset_of!(Door, view) as i32);
        dynasm!(self.ops
            ; .arch x64
            ; mov r11, rcx
            ; mov r9, [r15 + at::GPR]
            ; movzx ecx, WORD [r9 + SYSENTER_CS]
            ; movzx r8d, BYTE [r9 + CPL]
            ; rorx r8d, r8d, 16
            ; mov r10, [r15 + at::CODE_VIEW]
            ; lea rcx, [rcx + r10]
            ; lea rcx, [rcx + r8]
            ; mov r10, [r15 + negated]
            ; lea rcx, [rcx + r10]
            ; jrcxz >open
            ; mov rcx, r11
            ; jmp =>cold
            ; open:
        );
        self.segments_of(door);
        let (tlb, new) = (offset_of!(Door, tlb) as i32, offset_of!(Door, mode) as i32);
        let ring = offset_of!(Door, ring) as i32;
        dynasm!(self.ops
            ; .arch x64
            ; mov r8, [r15 + view]
            ; mov [r15 + at::CODE_VIEW], r8
            ; mov r8, [r15 + door + tlb]
            ; mov [r15 + at::TLB], r8
            ; mov r8d, [r15 + door + new]
            ; mov [r15 + at::MODE], r8d
            ; mov r8, [r15 + door + ring]
            ; mov [r15 + at::RING], r8
            ; mov r8b, r13b
            ; mov r13, r8
        );
        if number == 0 {
            self.inwards()
        } else {
            self.outwards()
        }
        dynasm!(self.ops; .arch x64; mov rcx, r11);
        self.leave_for_r9();
        Some(Kind::Expanded)
    }

    /// CS, SS and what derives from them; the count of callouts.
    fn segments_of(&mut self, door: i32) {
        let (number, from) = (door, offset_of!(Door, segments) as i32);
        for (n, s) in [(0, SegReg::Cs), (1, SegReg::Ss)] {
            for half in [0, 8] {
                let (source, to) = (number + from + 16 * n + half, segment(s) + half);
                dynasm!(self.ops; .arch x64; mov r8, [r15 + source]; mov [r9 + to], r8);
            }
        }
        let end = Cpu::READ_END as i32 + 8 * SegReg::Cs as i32;
        dynasm!(self.ops
            ; .arch x64
            ; mov r10, [r15 + at::CPU]
            ; mov r8d, 1
            ; rorx r8, r8, 32
            ; mov [r10 + end], r8
        );
    }

    fn count_in_r10(&mut self, what: Intercept) {
        let count = (offset_of!(Cpu, callouts) + 8 * what as usize) as i32;
        dynasm!(self.ops
            ; .arch x64
            ; mov r8, [r10 + count]
            ; lea r8, [r8 + 1]
            ; mov [r10 + count], r8
        );
    }

    fn inwards(&mut self) {
        self.count_in_r10(Intercept::Sysenter);
        dynasm!(self.ops
            ; .arch x64
            ; mov BYTE [r9 + CPL], 0
            ; movzx ecx, BYTE [r9 + FLAGS_HIGH]
            ; mov r8d, NOT_IF
            ; pext ecx, ecx, r8d
            ; pdep ecx, ecx, r8d
            ; mov [r9 + FLAGS_HIGH], cl
            ; mov [r15 + at::VISIT], r14
            ; mov r12d, [r9 + SYSENTER_ESP]
            ; mov r9d, [r9 + SYSENTER_EIP]
        );
    }

    fn outwards(&mut self) {
        self.count_in_r10(Intercept::Sysexit);
        dynasm!(self.ops
            ; .arch x64
            ; mov BYTE [r9 + CPL], 3
            ; mov r8, [r15 + at::VISIT]
            ; mov rcx, r14
            ; not rcx
            ; lea rcx, [rcx + r8 + 1]
            ; mov [r15 + at::VISITED], rcx
            ; mov r12d, r11d
            ; mov r9d, edx
        );
    }
}
