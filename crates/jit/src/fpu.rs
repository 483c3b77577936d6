//! The guest's x87 and SSE state in the host's units: when it is there, and how it gets there and
//! back (SDM 1 chapters 8 to 11).
//!
//! Emitted code runs x87, MMX and SSE instructions as they are, on the host's own registers. The
//! two halves, x87 with MMX and XMM with MXCSR, are loaded apart, each by the first instruction
//! that needs it: kernels touch neither, most programs only one. A word in the context says of each
//! half whether it is still *cold*: 0 means that the guest's state is in the host's unit and that
//! `State` is out of date. Every way to Rust goes through [`emit_spill`], which brings `State` up to
//! date and gives Rust its own rounding and an empty x87 stack.
//!
//! Invariants: while a half is loaded no Rust code runs. No exception that is pending in the x87
//! unit outlives the spill: on the way out it is cleared in the host's unit, not in `State`.
//!
//! # The pointers
//! The host's own instruction and data pointers are of no use: they are host addresses, and some
//! processors keep them only while an exception is pending. Emitted code notes which guest
//! instruction was last and the segment of the last operand in memory in one word, the operand's
//! offset in another; the spill makes the guest's pointers of them.

use crate::abi::{Context, Mode, at};
use crate::asm::Ops;
use crate::rewrite::{Host, Mem, Rm, encode};
use crate::stubs::Stubs;
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use std::mem::offset_of;
use x86::fpu::{Fpu, Status};
use x86::state::State;
use x86::{Cr0, Cr4, F80, SegReg};

/// What FXSAVE stores.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Image([u8; 512]);

/// The part of the context that this file is about.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Words {
    image: Image,
    /// The stub that loads the x87 unit.
    load_x87: u64,
    /// The stub that loads XMM registers and MXCSR.
    load_sse: u64,
    /// [`settle`].
    settle: u64,
    /// RAX while the x87 unit is loaded.
    rax: u64,
    /// The flags, packed, while the x87 unit is loaded.
    flags: u32,
    /// 0: the guest's x87 state is in the host's unit.
    x87_cold: u32,
    /// 0: the guest's XMM registers and MXCSR are in the host's.
    sse_cold: u32,
    /// The host's MXCSR.
    mxcsr: u32,
    /// The host's x87 control word.
    control: u32,
    /// The site of the x87 instruction that was last, plus 1, in three bytes: 0 if none was since
    /// the last spill. In the fourth the segment of the last operand in memory, plus 1, or 0.
    last: u32,
    /// The offset of that operand.
    data: u32,
    /// A control word on its way.
    pub scratch: u32,
}

const WORDS: i32 = offset_of!(Context, fpu) as i32;
const IMAGE: i32 = WORDS;
const LOAD_X87: i32 = WORDS + offset_of!(Words, load_x87) as i32;
const LOAD_SSE: i32 = WORDS + offset_of!(Words, load_sse) as i32;
const SETTLE: i32 = WORDS + offset_of!(Words, settle) as i32;
const RAX: i32 = WORDS + offset_of!(Words, rax) as i32;
const FLAGS: i32 = WORDS + offset_of!(Words, flags) as i32;
/// Of `Words::x87_cold`: 1 while the x87 unit is Rust's, else 0.
pub(crate) const X87_COLD: i32 = WORDS + offset_of!(Words, x87_cold) as i32;
/// Of `Words::sse_cold`: 1 while the SSE unit is Rust's, else 0.
pub(crate) const SSE_COLD: i32 = WORDS + offset_of!(Words, sse_cold) as i32;
const MXCSR: i32 = WORDS + offset_of!(Words, mxcsr) as i32;
const CONTROL: i32 = WORDS + offset_of!(Words, control) as i32;
/// Of `Words::last`, from r15.
pub(crate) const LAST: i32 = WORDS + offset_of!(Words, last) as i32;
/// Of `Words::data`.
pub(crate) const DATA: i32 = WORDS + offset_of!(Words, data) as i32;
/// Of [`Words::scratch`].
pub(crate) const SCRATCH: i32 = WORDS + offset_of!(Words, scratch) as i32;
const _: () = assert!(WORDS % 16 == 0);

/// Offsets in [`State`].
const GUEST_REGS: i32 = (offset_of!(State, fpu) + offset_of!(Fpu, regs)) as i32;
const GUEST_CONTROL: i32 = (offset_of!(State, fpu) + offset_of!(Fpu, control)) as i32;
const GUEST_STATUS: i32 = (offset_of!(State, fpu) + offset_of!(Fpu, status)) as i32;
const GUEST_FULL: i32 = (offset_of!(State, fpu) + offset_of!(Fpu, full)) as i32;
const GUEST_XMM: i32 = offset_of!(State, xmm) as i32;
const GUEST_MXCSR: i32 = offset_of!(State, mxcsr) as i32;
const _: () = assert!(size_of::<F80>() == 16 && offset_of!(F80, sign_exponent) == 8);
const _: () = assert!(GUEST_XMM % 16 == 0 && align_of::<State>() == 16);

/// One of the halves: bits, so that a set of them is one too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Half(pub u8);

impl Half {
    /// The x87 unit, MMX's too.
    pub const X87: Self = Self(1);
    /// XMM registers and MXCSR.
    pub const SSE: Self = Self(2);
    /// Both, one by one.
    pub const ALL: [Self; 2] = [Self::X87, Self::SSE];

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Offsets of the word that says whether it is loaded, and of the stub that loads it.
    pub const fn at(self) -> (i32, i32) {
        if self.has(Self::X87) { (X87_COLD, LOAD_X87) } else { (SSE_COLD, LOAD_SSE) }
    }
}

/// The bits of [`Mode`] that are about the units. Where CR0.NE is clear an exception freezes the
/// processor, which is the interpreter's business: then all must be masked.
#[inline]
#[must_use]
pub fn mode(state: &State) -> u32 {
    let cr0 = state.cr0();
    if cr0.intersects(Cr0::EM | Cr0::TS) {
        return 0;
    }
    let masked = !state.fpu.control & Status::EXCEPTIONS.bits() == 0;
    let x87 = match (cr0.contains(Cr0::NE), masked) {
        (true, _) => Mode::X87 | Mode::NE,
        (false, true) => Mode::X87,
        (false, false) => 0,
    };
    x87 | if state.cr4().contains(Cr4::OSFXSR) { Mode::SSE } else { 0 }
}

impl Words {
    /// Nothing is loaded.
    pub(crate) fn init(&mut self, stubs: &Stubs) {
        (self.x87_cold, self.sse_cold) = (1, 1);
        (self.load_x87, self.load_sse) = (stubs.load_x87 as u64, stubs.load_sse as u64);
        self.settle = settle as *const () as u64;
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.image.0[at], self.image.0[at + 1]])
    }

    /// Takes the x87 state from what FXSAVE stored.
    fn take(&self, fpu: &mut Fpu) {
        (fpu.control, fpu.status, fpu.full) = (self.word(0), self.word(2), self.image.0[4]);
        let (stack, _) = self.image.0[32..160].as_chunks::<16>();
        for (i, slot) in stack.iter().enumerate() {
            let [a, b, c, d, e, f, g, h, i_, j, ..] = *slot;
            let n = fpu.physical(i);
            fpu.regs[n] = F80::from_bytes([a, b, c, d, e, f, g, h, i_, j]);
        }
    }
}

/// Brings the guest's x87 state and pointers up to date. Called by [`emit_spill`] alone.
///
/// # Safety
/// As for [`crate::callout::callout`].
unsafe extern "sysv64" fn settle(context: *mut Context) {
    // SAFETY: the caller's promise: the processor's pointer was made from the `&mut` that
    // `Jit::run` holds and doesn't use while emitted code runs.
    let (context, state) = unsafe { (&mut *context, &mut (*(*context).cpu).state) };
    context.fpu.take(&mut state.fpu);
    let word = std::mem::take(&mut context.fpu.last);
    let (last, segment) = (word & 0xFF_FFFF, word >> 24);
    if segment != 0 {
        state.fpu.dp = context.fpu.data;
        state.fpu.ds = state.seg[segment as usize - 1].selector.0;
    }
    if last != 0 {
        // SAFETY: the number was emitted for this table of sites.
        let site = unsafe { &*context.sites.add(last as usize - 1) };
        let cs = state.segment(SegReg::Cs).selector.0;
        (state.fpu.ip, state.fpu.opcode, state.fpu.cs) = (site.eip, site.insn.imm2, cs);
    }
}

/// Loads the guest's x87 state. Keeps flags and all registers but r8, r10 and r11. FRSTOR is the
/// fastest that leaves XMM registers alone; it wants the stack in the order of ST, and two-bit tags.
pub(crate) fn emit_load_x87(ops: &mut Ops) {
    const FIRST: i32 = IMAGE + 28;
    dynasm!(ops
        ; .arch x64
        ; mov [r15 + RAX], rax
        ; lahf
        ; seto al
        ; mov [r15 + FLAGS], eax
        ; fnstcw WORD [r15 + CONTROL]
        ; mov r8, [r15 + at::GPR]
        ; movzx eax, WORD [r8 + GUEST_CONTROL]
        ; mov [r15 + IMAGE], eax
        ; movzx r11d, WORD [r8 + GUEST_STATUS]
        ; mov [r15 + IMAGE + 4], r11d
        ; movzx eax, BYTE [r8 + GUEST_FULL]
        ; xor eax, 0xFF
        ; mov r10d, 0x5555
        ; pdep eax, eax, r10d
        ; lea eax, [rax + rax * 2]
        ; mov [r15 + IMAGE + 8], eax
        ; shr r11d, 7
        ; and r11d, 0x70
    );
    for i in 0..8 {
        dynasm!(ops
            ; .arch x64
            ; mov r10, [r8 + r11 + GUEST_REGS]
            ; mov [r15 + FIRST + 10 * i], r10
            ; mov r10w, [r8 + r11 + GUEST_REGS + 8]
            ; mov [r15 + FIRST + 10 * i + 8], r10w
            ; add r11d, 16
            ; and r11d, 0x70
        );
    }
    dynasm!(ops
        ; .arch x64
        ; frstor [r15 + IMAGE]
        ; mov DWORD [r15 + X87_COLD], 0
        ; mov eax, [r15 + FLAGS]
        ; add al, 127
        ; sahf
        ; mov rax, [r15 + RAX]
        ; ret
    );
}

/// `movaps xmm, [state]` or its reverse, by the opcode.
fn move_xmm(ops: &mut Ops, op: u8, n: u8, state: u8) {
    let place = Mem::host(state, GUEST_XMM + 16 * i32::from(n));
    let host = Host { map0f: true, ..Host::new(op, n, Rm::Mem(place)) };
    encode(ops, &host).expect("no byte register");
}

/// Loads the guest's XMM registers and MXCSR. Keeps flags and all registers but r8.
pub(crate) fn emit_load_sse(ops: &mut Ops) {
    dynasm!(ops; .arch x64; mov r8, [r15 + at::GPR]; stmxcsr [r15 + MXCSR]);
    for n in 0..8 {
        move_xmm(ops, 0x28, n, 8);
    }
    dynasm!(ops
        ; .arch x64
        ; ldmxcsr [r8 + GUEST_MXCSR]
        ; mov DWORD [r15 + SSE_COLD], 0
        ; ret
    );
}

/// Brings `State` up to date, behind the spill of the general registers: keeps r8 alone.
///
/// EMMS empties the x87 stack for a hundredth of what FNINIT costs; it would wait for an exception
/// that is pending.
pub(crate) fn emit_spill(ops: &mut Ops) {
    const ES: i8 = Status::ES.bits() as i8;
    dynasm!(ops
        ; .arch x64
        ; cmp DWORD [r15 + SSE_COLD], 0
        ; jne >no_sse
        ; mov r9, [r15 + at::GPR]
    );
    for n in 0..8 {
        move_xmm(ops, 0x29, n, 9);
    }
    dynasm!(ops
        ; .arch x64
        ; stmxcsr [r9 + GUEST_MXCSR]
        ; ldmxcsr [r15 + MXCSR]
        ; mov DWORD [r15 + SSE_COLD], 1
        ; no_sse:
        ; cmp DWORD [r15 + X87_COLD], 0
        ; jne >no_x87
        ; fxsave64 [r15 + IMAGE]
        ; test BYTE [r15 + IMAGE + 2], ES
        ; jz >none_pending
        ; fnclex
        ; none_pending:
        ; emms
        ; fldcw WORD [r15 + CONTROL]
        ; mov DWORD [r15 + X87_COLD], 1
        ; mov rbx, r8
        ; mov rbp, rsp
        ; and rsp, -16
        ; mov rdi, r15
        ; call QWORD [r15 + SETTLE]
        ; mov rsp, rbp
        ; mov r8, rbx
        ; no_x87:
    );
}
