//! The host's x87 unit, on which the guest's instructions run: results are the hardware's, to
//! the last of 80 bits (SDM 1 chapter 8).
//!
//! Invariants, which the same file for SSE keeps too: one `asm!` block loads what the guest
//! has, runs one instruction, reads what came of it and puts the host's control word back, so
//! that no Rust code ever runs under the guest's rounding; and no exception reaches the host.
//! The second holds even where the guest unmasks: a pending exception is raised by the *next*
//! waiting instruction, and what follows here is FNSAVE, which doesn't wait and clears it.

use core::arch::{asm, global_asm};
use std::sync::LazyLock;
use x86::F80;
use x86::fpu::{Fpu, Status};

/// An instruction that may run on the host's unit: the escape's low three bits and ModRM, 11
/// bits. Control instructions, whose meaning is ours, and undefined ones aren't among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op(u16);

impl Op {
    /// The instruction with this opcode.
    #[must_use]
    pub fn new(opcode: u16) -> Option<Self> {
        let opcode = opcode & 0x7FF;
        let (escape, modrm) = (opcode >> 8, opcode & 0xFF);
        let runs =
            if modrm < 0xC0 { of_memory(escape, modrm >> 3 & 7) } else { of_registers(opcode) };
        runs.then_some(Self(opcode))
    }

    /// Which of the stubs below.
    fn stub(self) -> usize {
        let (escape, modrm) = (usize::from(self.0 >> 8), usize::from(self.0 & 0xFF));
        if modrm < 0xC0 { 512 + escape * 8 + (modrm >> 3 & 7) } else { escape * 64 + modrm - 0xC0 }
    }
}

/// Memory forms, but for FLDENV, FLDCW, FNSTENV, FNSTCW, FRSTOR, FNSAVE, FNSTSW.
fn of_memory(escape: u16, reg: u16) -> bool {
    match escape {
        1 => matches!(reg, 0 | 2 | 3),
        3 => matches!(reg, 0..=3 | 5 | 7),
        5 => reg <= 3,
        _ => true,
    }
}

/// Register forms.
fn of_registers(opcode: u16) -> bool {
    match opcode {
        // FNOP; FCHS FABS, FTST FXAM; FLD1..FLDZ; F2XM1..FCOS.
        0x1D0 | 0x1E0 | 0x1E1 | 0x1E4 | 0x1E5 | 0x1E8..=0x1EE | 0x1F0..=0x1FF => true,
        0x1D1..=0x1D7 | 0x1E2 | 0x1E3 | 0x1E6 | 0x1E7 | 0x1EF => false,
        // FUCOMPP and FCOMPP stand alone in their rows.
        0x2E0..=0x2FF => opcode == 0x2E9,
        0x6D8..=0x6DF => opcode == 0x6D9,
        // FNCLEX, FNINIT and their neighbours.
        0x3E0..=0x3E7 | 0x3F8..=0x3FF => false,
        0x5F0..=0x5FF | 0x7E0..=0x7E7 | 0x7F8..=0x7FF => false,
        _ => true,
    }
}

// One stub of four bytes an opcode: the instruction, then RET. 8 x 64 register forms, then
// 8 x 8 memory forms on [rax].
global_asm!(
    ".pushsection .text.cloister_x87, \"ax\", @progbits",
    ".balign 16",
    ".globl cloister_x87_stubs",
    ".hidden cloister_x87_stubs",
    "cloister_x87_stubs:",
    ".set escape, 0",
    ".rept 8",
    ".set modrm, 0xC0",
    ".rept 64",
    ".byte 0xD8 + escape, modrm, 0xC3, 0x90",
    ".set modrm, modrm + 1",
    ".endr",
    ".set escape, escape + 1",
    ".endr",
    ".set escape, 0",
    ".rept 8",
    ".set modrm, 0",
    ".rept 8",
    ".byte 0xD8 + escape, modrm, 0xC3, 0x90",
    ".set modrm, modrm + 8",
    ".endr",
    ".set escape, escape + 1",
    ".endr",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "cloister_x87_stubs"]
    static STUBS: [[u8; 4]; 576];
}

/// What FRSTOR loads and FNSAVE stores in 64-bit mode.
#[repr(C)]
struct Image {
    control: u32,
    status: u32,
    tags: u32,
    pointers: [u32; 4],
    /// ST(0) to ST(7).
    stack: [[u8; 10]; 8],
}

const _: () = assert!(size_of::<Image>() == 108);

impl Image {
    /// The guest's state; no exception is pending in it.
    fn of(fpu: &Fpu) -> Self {
        let mut stack = [[0; 10]; 8];
        for (i, slot) in stack.iter_mut().enumerate() {
            *slot = fpu.regs[fpu.physical(i)].to_bytes();
        }
        let empty = (0..8).filter(|n| fpu.full >> n & 1 == 0);
        Self {
            control: u32::from(fpu.control),
            status: u32::from(fpu.status & !PENDING),
            tags: empty.fold(0, |tags, n| tags | 3 << (2 * n)),
            pointers: [0; 4],
            stack,
        }
    }

    /// Puts registers, tags and status into the guest's state; exceptions stay raised.
    fn put(&self, fpu: &mut Fpu) {
        fpu.status = fpu.status & EXCEPTIONS_AND_SF | self.status as u16;
        fpu.summarize();
        fpu.set_tag_word(self.tags as u16);
        for (i, slot) in self.stack.iter().enumerate() {
            let n = fpu.physical(i);
            fpu.regs[n] = F80::from_bytes(*slot);
        }
    }
}

/// Status bits that accumulate.
const EXCEPTIONS_AND_SF: u16 = Status::EXCEPTIONS.union(Status::SF).bits();
/// Status bits that FRSTOR isn't given.
const PENDING: u16 = EXCEPTIONS_AND_SF | Status::ES.union(Status::B).bits();

/// The flags that x87 instructions read or write: CF, PF, AF, ZF, SF, OF.
const FLAGS: u64 = 0x8D5;

/// Runs one instruction with all of the guest's state; what it reads from and writes to memory
/// is `memory`. Takes and gives EFLAGS' status flags. Returns the exceptions it raised, SF
/// among them; where one isn't masked, registers and memory are as the hardware leaves them.
/// `opcode`, `ip` and the like aren't touched.
pub fn run(op: Op, fpu: &mut Fpu, memory: &mut [u8; 16], flags: &mut u32) -> Status {
    let mut image = Image::of(fpu);
    let mut control = 0u16;
    let mut word = u64::from(*flags) & FLAGS;
    // SAFETY: the stub is that of an instruction which touches nothing but the x87 unit, the
    // status flags and at most ten bytes at RAX, which `memory` has; an `Op` is no other. It
    // ends in RET, and the stack is free below RSP as `nostack` isn't given. FRSTOR and FNSAVE
    // use 108 bytes, an `Image`. FNSAVE clears any exception before something could wait for
    // it, and empties the stack; FLDCW restores what FNSTCW saved. Flags pushed are masked.
    unsafe {
        asm!(
            "fnstcw word ptr [{control}]",
            "frstor [{image}]",
            "push {flags}",
            "popfq",
            "call {stub}",
            "pushfq",
            "pop {flags}",
            "fnsave [{image}]",
            "fldcw word ptr [{control}]",
            stub = in(reg) STUBS.as_ptr().add(op.stub()),
            image = in(reg) &raw mut image,
            control = in(reg) &raw mut control,
            flags = inout(reg) word,
            in("rax") memory.as_mut_ptr(),
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    *flags = (word & FLAGS) as u32;
    image.put(fpu);
    Status::from_bits_truncate(image.status as u16 & EXCEPTIONS_AND_SF)
}

/// True where the host's FCOMI, FUCOMI and FCMOVcc leave C1 as it was (AMD's do) instead of
/// clearing it (SDM 2A FCOMI; FCMOVcc leaves it open).
pub fn comparison_keeps_c1() -> bool {
    static KEEPS: LazyLock<bool> = LazyLock::new(|| {
        const FCOMI: Op = Op(0x3F0);
        let mut fpu = Fpu::init([F80::ZERO; 8]);
        (fpu.full, fpu.status) = (0xFF, Status::C1.bits());
        run(FCOMI, &mut fpu, &mut [0; 16], &mut 0);
        fpu.status & Status::C1.bits() != 0
    });
    *KEEPS
}

/// All exceptions masked.
const MASKED: u16 = Status::EXCEPTIONS.bits();

/// Runs one instruction on ST(0) and ST(1) alone, all exceptions masked. It may leave two
/// registers or one; what it leaves comes back in `values`. Returns the status word: exceptions
/// and condition codes.
#[inline]
pub fn compute(op: Op, values: &mut [F80; 2], memory: &mut [u8; 16], control: u16) -> u16 {
    let control = control | MASKED;
    let (mut host, mut status) = (0u16, memory.as_mut_ptr() as u64);
    // SAFETY: an `Op` touches the unit, flags and at most ten bytes at RAX, which `memory` has;
    // its stub ends in RET. An `F80` begins with the ten bytes that FLD and FSTP use. The stack
    // is empty before, since all of it is clobbered, and after, since two are loaded and popped;
    // where the instruction pops, the last FSTP underflows, masked, and stores what nobody
    // reads. Nothing is unmasked while anything could wait for it.
    unsafe {
        asm!(
            "fnclex",
            "fnstcw word ptr [{host}]",
            "fldcw word ptr [{control}]",
            "fld tbyte ptr [{values} + 16]",
            "fld tbyte ptr [{values}]",
            "call {stub}",
            "fnstsw ax",
            "fstp tbyte ptr [{values}]",
            "fstp tbyte ptr [{values} + 16]",
            "fldcw word ptr [{host}]",
            stub = in(reg) STUBS.as_ptr().add(op.stub()),
            values = in(reg) values.as_mut_ptr(),
            control = in(reg) &raw const control,
            host = in(reg) &raw mut host,
            inout("rax") status,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    status as u16
}

/// Runs one instruction that pushes onto an empty stack, all exceptions masked; returns what it
/// pushed and the status word.
#[inline]
pub fn load(op: Op, memory: &mut [u8; 16], control: u16) -> (F80, u16) {
    let control = control | MASKED;
    let (mut host, mut status) = (0u16, memory.as_mut_ptr() as u64);
    let mut value = F80::ZERO;
    // SAFETY: as in `compute`; one register is pushed and popped.
    unsafe {
        asm!(
            "fnclex",
            "fnstcw word ptr [{host}]",
            "fldcw word ptr [{control}]",
            "call {stub}",
            "fnstsw ax",
            "fstp tbyte ptr [{value}]",
            "fldcw word ptr [{host}]",
            stub = in(reg) STUBS.as_ptr().add(op.stub()),
            value = in(reg) &raw mut value,
            control = in(reg) &raw const control,
            host = in(reg) &raw mut host,
            inout("rax") status,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    (value, status as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use x86::fpu::CONTROL_INIT;

    fn two(a: F80, b: F80, control: u16) -> Fpu {
        let mut fpu = Fpu::init([F80::ZERO; 8]);
        fpu.regs[6] = a;
        fpu.regs[7] = b;
        fpu.full = 0xC0;
        fpu.control = control;
        fpu.set_top(6);
        fpu
    }

    const ONE: F80 = F80 { significand: 1 << 63, sign_exponent: 0x3FFF };
    const FDIVP: u16 = 0x6F9;

    fn go(opcode: u16, fpu: &mut Fpu) -> Status {
        run(Op::new(opcode).unwrap(), fpu, &mut [0; 16], &mut 0)
    }

    #[test]
    fn a_masked_division_by_zero_gives_infinity() {
        let mut fpu = two(F80::ZERO, ONE, CONTROL_INIT);
        assert_eq!(go(FDIVP, &mut fpu), Status::ZE);
        assert_eq!((fpu.top(), fpu.full, fpu.tag_word()), (7, 0x80, 0xBFFF));
        assert_eq!(fpu.regs[7], F80 { significand: 1 << 63, sign_exponent: 0x7FFF });
    }

    #[test]
    fn an_unmasked_one_leaves_the_stack_and_is_pending() {
        let mut fpu = two(F80::ZERO, ONE, CONTROL_INIT & !Status::ZE.bits());
        assert_eq!(go(FDIVP, &mut fpu), Status::ZE);
        assert_eq!((fpu.top(), fpu.full), (6, 0xC0));
        assert_eq!((fpu.regs[6], fpu.regs[7]), (F80::ZERO, ONE));
        assert!(fpu.is_pending());
        // Another instruction while it is pending doesn't reach the host either.
        assert_eq!(go(0x1E8, &mut fpu), Status::empty());
        assert_eq!((fpu.regs[5], fpu.status & 0x80FF), (ONE, 0x8084));
    }

    #[test]
    fn fcomi_writes_flags_and_memory_forms_write_memory() {
        let mut fpu = two(ONE, ONE, CONTROL_INIT);
        let (mut memory, mut flags) = ([0xAA; 16], 1);
        run(Op::new(0x3F1).unwrap(), &mut fpu, &mut memory, &mut flags);
        assert_eq!(flags & 0x45, 0x40);
        run(Op::new(0x114).unwrap(), &mut fpu, &mut memory, &mut flags);
        assert_eq!(memory[..5], [0, 0, 0x80, 0x3F, 0xAA]);
    }

    #[test]
    fn control_instructions_are_not_for_the_host() {
        for opcode in [0x3E2, 0x3E3, 0x7E0, 0x120, 0x128, 0x130, 0x138, 0x520, 0x530, 0x538] {
            assert_eq!(Op::new(opcode), None, "{opcode:#x}");
        }
    }
}
