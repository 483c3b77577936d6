//! The stubs every block shares: the way in, the ways out, and the way through Rust and back.
//! Written once, at the front of the arena. See [`crate::abi`] for what they keep.

use crate::abi::at;
use crate::arena::{Arena, JitError};
use crate::asm::Ops;
use crate::fault::Expected;
use crate::strings;
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// Where the stubs are executed.
#[derive(Clone, Copy, Debug)]
pub struct Stubs {
    /// `extern "sysv64" fn(*mut Context, target)`: runs emitted code until it leaves.
    pub enter: usize,
    /// See [`crate::abi`].
    pub callout: usize,
    /// What a software-TLB site calls that missed.
    pub miss: usize,
    /// Goes on at the EIP in r9, by the jump cache.
    pub by_cache: usize,
    /// Leaves with r8d as the reason.
    pub exit_edge: usize,
    /// Leaves for the dispatcher.
    pub exit_dispatch: usize,
    /// Loads the guest's x87 state: see [`crate::fpu`].
    pub load_x87: usize,
    /// Loads the guest's XMM registers and MXCSR.
    pub load_sse: usize,
    /// REP MOVS and REP STOS: see [`crate::strings`].
    pub repeats: [usize; strings::STUBS],
    /// Where they may fault.
    pub expected: [Expected; strings::STUBS],
    /// Bytes of all of them, from the front of the arena.
    pub len: usize,
}

impl Stubs {
    /// Writes them into an empty arena.
    pub fn new(arena: &mut Arena) -> Result<Self, JitError> {
        let mut ops = Ops::new(arena.start());
        let start = |ops: &Ops| arena.start() + ops.offset().0;
        let enter = start(&ops);
        emit_enter(&mut ops);
        let callout = start(&ops);
        emit_callout(&mut ops);
        let miss = start(&ops);
        crate::miss::emit(&mut ops);
        let exit_dispatch = start(&ops);
        dynasm!(ops; .arch x64; mov r8d, crate::abi::Exit::DISPATCH as i32);
        let exit_edge = start(&ops);
        emit_exit(&mut ops);
        let by_cache = start(&ops);
        crate::emit::emit_by_cache(&mut ops);
        let load_x87 = start(&ops);
        crate::fpu::emit_load_x87(&mut ops);
        let load_sse = start(&ops);
        crate::fpu::emit_load_sse(&mut ops);
        let mut repeats = [0; strings::STUBS];
        let expected = std::array::from_fn(|number| {
            repeats[number] = start(&ops);
            strings::emit(&mut ops, number)
        });
        let code = ops.finish().expect("the stubs use only labels that they define");
        arena.add(&code);
        arena.keep();
        let len = code.len();
        Ok(Self {
            enter,
            callout,
            miss,
            by_cache,
            exit_edge,
            exit_dispatch,
            load_x87,
            load_sse,
            repeats,
            expected,
            len,
        })
    }
}

/// State to registers. Uses r8.
///
/// `add al, 127` overflows exactly where AL was 1; SAHF then leaves OF alone.
fn emit_reload(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; mov r8, [r15 + at::GPR]
        ; mov r14, [r15 + at::BUDGET]
        ; mov eax, [r15 + at::FLAGS]
        ; add al, 127
        ; sahf
        ; mov eax, [r8]
        ; mov ecx, [r8 + 8]
        ; mov edx, [r8 + 16]
        ; mov ebx, [r8 + 24]
        ; mov r12d, [r8 + 32]
        ; mov ebp, [r8 + 40]
        ; mov esi, [r8 + 48]
        ; mov edi, [r8 + 56]
    );
}

/// Registers to state. Keeps r8; uses r9 and RAX.
fn emit_spill(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; mov r9, [r15 + at::GPR]
        ; mov [r15 + at::BUDGET], r14
        ; mov [r9], rax
        ; mov [r9 + 8], rcx
        ; mov [r9 + 16], rdx
        ; mov [r9 + 24], rbx
        ; mov [r9 + 32], r12
        ; mov [r9 + 40], rbp
        ; mov [r9 + 48], rsi
        ; mov [r9 + 56], rdi
        ; lahf
        ; seto al
        ; movzx eax, ax
        ; mov [r15 + at::FLAGS], eax
    );
    crate::fpu::emit_spill(ops);
}

fn emit_enter(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; push rbx
        ; push rbp
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; sub rsp, 8
        ; mov r15, rdi
        ; mov r11, rsi
        ; mov r13, [r15 + at::RING_AT]
        ; mov r8, [r15 + at::WINDOW]
        ; mov [r15 + at::WINDOW_LIVE], r8
        ; wrgsbase r8
    );
    emit_ring(ops);
    emit_reload(ops);
    dynasm!(ops; .arch x64; jmp r11);
}

/// The ring of the code view, at the place that r13 had in its ring. Uses r8.
fn emit_ring(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; mov r8, [r15 + at::RING]
        ; mov r8b, r13b
        ; mov r13, r8
    );
}

fn emit_epilogue(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; mov [r15 + at::RING_AT], r13
        ; add rsp, 8
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );
}

/// The number of the site comes in r8d.
fn emit_callout(ops: &mut Ops) {
    emit_spill(ops);
    dynasm!(ops
        ; .arch x64
        ; mov rdi, r15
        ; mov esi, r8d
        ; sub rsp, 8
        ; call QWORD [r15 + at::CALLOUT_FN]
        ; add rsp, 8
        ; test eax, eax
        ; jnz >leave
    );
    emit_reload(ops);
    dynasm!(ops
        ; .arch x64
        ; ret
        ; leave:
        ; add rsp, 8
        ; cmp eax, crate::abi::Exit::GO as i32
        ; jne >out
        ; mov r8, [r15 + at::WINDOW]
        ; cmp r8, [r15 + at::WINDOW_LIVE]
        ; je >go
        ; mov [r15 + at::WINDOW_LIVE], r8
        ; wrgsbase r8
        ; go:
    );
    emit_ring(ops);
    emit_reload(ops);
    dynasm!(ops
        ; .arch x64
        ; jmp QWORD [r15 + at::TARGET]
        ; out:
        ; mov [r15 + at::EXIT], eax
    );
    emit_epilogue(ops);
}

fn emit_exit(ops: &mut Ops) {
    dynasm!(ops; .arch x64; mov [r15 + at::EXIT], r8d);
    emit_spill(ops);
    emit_epilogue(ops);
}
