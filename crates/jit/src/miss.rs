//! What a software-TLB site does that missed, short of leaving the instruction to the interpreter:
//! a store beside code on its page goes straight through (beside code in the same 64 bytes, once
//! Rust has looked at each), and a page that the guest's tables allow is entered into the view.
//!
//! Invariant: what is done here the interpreter would have done too, in the same order, for the
//! access at hand: translate it and enter it into the view. Whatever else may come of the access
//! (a fault, a device, code that is overwritten, something to look at afterwards) is left to it,
//! and so are the accesses of blocks that have the x87 or SSE unit loaded, which Rust would spoil.

use crate::abi::{Context, at};
use crate::asm::Ops;
use crate::fpu;
use bus::System;
use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use interp::Cpu;
use mmu::{Access, Refill, View};
use x86::paging::AccessKind;
use x86::{Eflags, LinAddr};

/// Of an access's kind: it writes. The size in bytes lies in bits 0 to 7.
pub const WRITE: i32 = 1 << 8;

const TLB: mmu::Layout = View::LAYOUT;

/// The stub. Its steps, where the page isn't known to be a device's:
/// ```text
///   slot of the page (r10) ; read? refill ; the page of the last byte is the one that may be seen written
///   state word of the page = one that holds code and nothing else
///   the pieces of the first and the last byte hold no code
///   r8 = host address ; ret
/// ```
/// Else [`refill`] is asked, unless a unit is loaded.
pub(crate) fn emit(ops: &mut Ops) {
    let (mask, seen) = (((TLB.slots - 1) * TLB.slot_bytes) as i32, TLB.seen as i32);
    let (offset, read, device) = (TLB.offset as i32, TLB.read as i32, TLB.device as i32);
    dynasm!(ops
        ; .arch x64
        ; push rax
        ; push rcx
        ; mov r10d, r8d
        ; shr r10d, 7
        ; and r10d, mask
        ; add r10, [r15 + at::TLB]
        ; mov eax, r8d
        ; and eax, -4096
        ; or eax, device
        ; cmp rax, [r10 + read]
        ; jne >memory
        ; xor eax, eax
        ; jmp >back
        ; memory:
        ; test r9d, WRITE
        ; jz >refill
        ; movzx ecx, r9b
        ; lea ecx, [r8 + rcx - 1]
        ; mov eax, ecx
        ; and eax, -4096
        ; cmp rax, [r10 + seen]
        ; jne >refill
        ; shr ecx, 6
        ; mov rax, [r10 + offset]
        ; shr rax, 12
        ; mov r10, [r15 + at::PAGE_STATES]
        ; mov r10d, [r10 + rax * 4]
        ; cmp r10d, [r15 + at::PLAIN_CODE]
        ; jne >refill
        ; mov r10, [r15 + at::CODE_PIECES]
        ; mov r10, [r10 + rax * 8]
        ; bt r10, rcx
        ; jc >refill
        ; mov ecx, r8d
        ; shr ecx, 6
        ; bt r10, rcx
        ; jc >refill
        ; shl rax, 12
        ; and r8d, 0xFFF
        ; add r8, rax
        ; add r8, [r15 + at::RAM]
        ; pop rcx
        ; pop rax
        ; ret
        ; refill:
    );
    emit_refill(ops);
    dynasm!(ops
        ; .arch x64
        ; back:
        ; mov r8, rax
        ; pop rcx
        ; pop rax
        ; ret
    );
}

/// Asks [`refill`], unless a unit is loaded: then RAX is 0.
fn emit_refill(ops: &mut Ops) {
    dynasm!(ops
        ; .arch x64
        ; mov eax, [r15 + fpu::X87_COLD]
        ; and eax, [r15 + fpu::SSE_COLD]
        ; jz >back
        ; push rdx
        ; push rsi
        ; push rdi
        ; push r11
        ; mov rdi, r15
        ; mov esi, r8d
        ; mov edx, r9d
        ; sub rsp, 8
        ; call QWORD [r15 + at::REFILL_FN]
        ; add rsp, 8
        ; pop r11
        ; pop rdi
        ; pop rsi
        ; pop rdx
        ; back:
    );
}

/// Translates an access as the interpreter does, and enters its page into the view. Gives the host
/// address of the access; 0 where the interpreter must take it.
///
/// # Safety
/// `context` is the one whose emitted code called, with the processor and system that the run
/// was given; nobody else uses them meanwhile.
pub(crate) unsafe extern "sysv64" fn refill(context: *mut Context, lin: u32, kind: i32) -> u64 {
    // SAFETY: the caller's promise. The pointers were made from `&mut` that `Jit::run` holds and
    // doesn't use while emitted code runs.
    let (context, cpu, sys) = unsafe {
        let context = &*context;
        (context, &mut *context.cpu, &mut *context.sys)
    };
    let (lin, size, user) = (u64::from(lin), (kind & 0xFF) as u32, cpu.state.cpl == 3);
    let write = kind & WRITE != 0;
    let crosses = (lin & 0xFFF) + u64::from(size) > 0x1000;
    if crosses || cpu.state.flag(Eflags::AC) {
        return 0;
    }
    if write
        && let Some(place) = cpu.mmu.view().write_seen(lin, size, user)
        && sys.mem.is_beside_code(place, u64::from(size))
    {
        return context.ram + place;
    }
    let kind = if write { AccessKind::Write } else { AccessKind::Read };
    let access = Access { kind, user, implicit: false };
    match cpu.mmu.refill(&mut sys.mem, LinAddr(lin), access) {
        Refill::At(place) if !sys.mem.has_code_writes() => context.ram + place,
        Refill::At(_) => overwritten(cpu),
        Refill::Absent => 0,
        Refill::Ask => refill_slowly(context, cpu, sys, (lin, size), access),
    }
}

/// The tables lie among code, and A or D was set: the block under way may be overwritten.
#[cold]
fn overwritten(cpu: &mut Cpu) -> u64 {
    cpu.end_block();
    0
}

/// Of a page for which more must be done than to enter it.
#[cold]
#[inline(never)]
fn refill_slowly(
    context: &Context,
    cpu: &mut Cpu,
    sys: &mut System,
    (lin, size): (u64, u32),
    access: Access,
) -> u64 {
    let (write, user) = (access.kind == AccessKind::Write, access.user);
    // A fault on the way to D drops what the set holds, which the instruction, done again from its
    // start, may read by before it comes to this access.
    if write && cpu.mmu.set().get(LinAddr(lin)).is_some() {
        return 0;
    }
    if cpu.mmu.translate(&mut sys.mem, LinAddr(lin), access).is_err() {
        return 0;
    }
    cpu.mmu.sync(&sys.mem);
    cpu.mmu.fill(&sys.mem, LinAddr(lin), access);
    let view = cpu.mmu.view();
    let is_stale = view.version() != context.version || sys.mem.states().seen() != context.seen;
    if sys.mem.has_code_writes() {
        return overwritten(cpu);
    }
    if is_stale {
        return 0;
    }
    let known = if write { view.write(lin, size, user) } else { view.read(lin, size, user) };
    known.map_or(0, |place| context.ram + place)
}
