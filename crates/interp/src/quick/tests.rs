//! Quick steps against the handlers, which take one instruction at a time: the same state
//! after every budget, for operands at the edges. 1 MiB flat, ring 0, code at 1000h.

use crate::{Cpu, Dispatch, Interp};
use bus::{Bus, System};
use mem::Memory;
use x86::segment::{Descriptor, SegReg, Segment, Selector};
use x86::{Cr0, PhysAddr, State};

const AT: u32 = 0x1000;
const VALUES: [u32; 9] = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];

/// A processor that runs one piece of code again and again.
struct Rig {
    cpu: Cpu,
    sys: System,
    engine: Interp,
}

impl Rig {
    fn new(dispatch: Dispatch, code: &[u8]) -> Self {
        let mut sys = System::new(Memory::flat(1 << 20).expect("1 MiB"), Bus::default());
        sys.mem.write_phys(PhysAddr(u64::from(AT)), code);
        let mut cpu = Cpu::new();
        cpu.mmu.set_a20(true);
        Self { cpu, sys, engine: Interp::new(dispatch) }
    }

    /// What it comes to in `steps` steps from EAX, ECX and flags; EBX is 2000h, ESP 3000h.
    fn run(&mut self, [eax, ecx, flags]: [u32; 3], steps: u64) -> (State, [u8; 16]) {
        self.sys.mem.write_phys(PhysAddr(0x2000), &ecx.to_le_bytes());
        self.sys.mem.write_phys(PhysAddr(0x2FF8), &[0; 8]);
        self.cpu.state = flat();
        for (register, value) in [(0, eax), (1, ecx), (3, 0x2000), (4, 0x3000)] {
            self.cpu.state.set_reg32(register, value);
        }
        self.cpu.state.set_eflags(flags);
        self.cpu.sync();
        self.engine.run(&mut self.cpu, &mut self.sys, steps);
        let mut stored = [0; 16];
        self.sys.mem.read_phys(PhysAddr(0x2000), &mut stored[..8]);
        self.sys.mem.read_phys(PhysAddr(0x2FF8), &mut stored[8..]);
        (self.cpu.state.clone(), stored)
    }
}

fn flat() -> State {
    let mut state = State::reset();
    let segment =
        |descriptor, selector| Segment::from_descriptor(Selector(selector), Descriptor(descriptor));
    state.seg = [segment(0x00CF_9300_0000_FFFF, 0x10); 6];
    state.seg[SegReg::Cs as usize] = segment(0x00CF_9B00_0000_FFFF, 0x08);
    state.cr0 |= Cr0::PE.bits();
    state.rip = u64::from(AT);
    state
}

/// Compares both ways for all pairs of values and every budget up to `most`. From the second
/// pair on, memory's page is known to the software TLB.
fn agree(code: &[u8], most: u64) {
    let mut blocks = Rig::new(Dispatch::Blocks, code);
    let mut single = Rig::new(Dispatch::Single, code);
    for a in VALUES {
        for b in VALUES {
            for steps in 1..=most {
                let from = [a, b, 0x8D5 * (a & 1)];
                let (one, other) = (blocks.run(from, steps), single.run(from, steps));
                assert_eq!(one, other, "{code:02x?} with {a:#x}, {b:#x}, {steps} steps");
            }
        }
    }
}

/// A comparison, the Jcc, and what tells whether it jumped: INC EDX twice, or once.
fn with_jcc(compare: &[u8], condition: u8) -> Vec<u8> {
    [compare, &[0x70 | condition, 1, 0x42, 0x42, 0xF4]].concat()
}

#[test]
fn a_comparison_joined_with_its_jump_is_as_both_alone() {
    let compares: [&[u8]; 22] = [
        &[0x38, 0xC8],       // cmp al, cl
        &[0x39, 0xC8],       // cmp eax, ecx
        &[0x3B, 0xC1],       // cmp eax, ecx (the other form)
        &[0x80, 0xF8, 0x7F], // cmp al, 7Fh
        &[0x83, 0xF8, 0xFF], // cmp eax, -1
        &[0x84, 0xC8],       // test al, cl
        &[0x85, 0xC8],       // test eax, ecx
        &[0x83, 0xE0, 0x81], // and eax, FFFFFF81h
        &[0x83, 0xE8, 0x01], // sub eax, 1
        &[0x48],             // dec eax
        &[0x66, 0x39, 0xC8], // cmp ax, cx: not joined
        &[0x3C, 0x80],       // cmp al, 80h
        &[0xA8, 0x81],       // test al, 81h
        &[0xF6, 0xC5, 0x80], // test ch, 80h
        &[0x3D, 0, 0, 0, 0x80],
        &[0x38, 0x03],       // cmp [ebx], al
        &[0x39, 0x03],       // cmp [ebx], eax
        &[0x3A, 0x23],       // cmp ah, [ebx]
        &[0x3B, 0x43, 1],    // cmp eax, [ebx + 1]: not aligned
        &[0x80, 0x3B, 0x7F], // cmp byte ptr [ebx], 7Fh
        &[0x83, 0x3B, 0xFF], // cmp dword ptr [ebx], -1
        &[0xF6, 0x03, 0x81], // test byte ptr [ebx], 81h
    ];
    for compare in compares {
        for condition in 0..16 {
            agree(&with_jcc(compare, condition), 3);
        }
    }
}

#[test]
fn operations_on_registers_and_memory_are_as_their_handlers() {
    for operation in 0..8u8 {
        for form in 0..4 {
            agree(&[operation << 3 | form, 0xC8, 0xF4], 1);
            agree(&[operation << 3 | form, 0x0B, 0xF4], 1);
        }
        for opcode in [0x80, 0x83] {
            agree(&[opcode, 0xC0 | operation << 3, 0x85, 0xF4], 1);
            agree(&[opcode, 0x03 | operation << 3, 0x85, 0xF4], 1);
        }
        agree(&[operation << 3 | 4, 0x85, 0xF4], 1);
    }
}

#[test]
fn one_operand_forms_and_shifts_are_as_their_handlers() {
    for code in [
        &[0x40][..],
        &[0x49],
        &[0x66, 0x41],
        &[0xFE, 0xC4],
        &[0xFF, 0x03],
        &[0xFE, 0x0B],
        &[0xF7, 0xD0],
        &[0xF7, 0xD9],
        &[0xF6, 0x13],
        &[0xF7, 0x1B],
        &[0xC1, 0xE0, 5],
        &[0xC1, 0xE8, 31],
        &[0xC1, 0xF8, 4],
        &[0xD1, 0xE1],
        &[0xD0, 0xED],
        &[0x66, 0xD1, 0xF8],
        &[0xC0, 0xE0, 9],
        &[0xC1, 0xE0, 0x20],
        &[0x0F, 0xAF, 0xC1],
        &[0x6B, 0xC1, 0xF3],
        &[0x69, 0xC9, 1, 2, 3, 0x84],
        &[0x0F, 0xAF, 0x03],
        &[0x0F, 0xAF, 0x44, 0x63, 0],
        &[0xD3, 0xC0],
        &[0xD2, 0xCC],
        &[0xD3, 0xE0],
        &[0xD3, 0xE9],
        &[0x66, 0xD3, 0xF8],
        &[0xD2, 0xE5],
    ] {
        agree(&[code, &[0xF4]].concat(), 1);
    }
}

#[test]
fn moves_and_the_stack_are_as_their_handlers() {
    for code in [
        &[0x88, 0xE1][..],
        &[0x89, 0x03],
        &[0x8A, 0x63, 2],
        &[0x8B, 0x04, 0x1B],
        &[0xA1, 0, 0x20, 0, 0],
        &[0x67, 0x8B, 0x07],
        &[0xA2, 1, 0x20, 0, 0],
        &[0xB4, 7],
        &[0x66, 0xB8, 1, 2],
        &[0xC7, 0x03, 1, 2, 3, 4],
        &[0xC6, 0xC5, 9],
        &[0x8D, 0x44, 0x8B, 0xFE],
        &[0x67, 0x8D, 0x47, 1],
        &[0x0F, 0xB6, 0xC5],
        &[0x0F, 0xBF, 0x03],
        &[0x0F, 0xBE, 0xC1],
        &[0x0F, 0xB7, 0x43, 1],
        &[0x50],
        &[0x54],
        &[0x6A, 0x80],
        &[0x5C],
        &[0x58],
        &[0x90],
        &[0x66, 0x90],
        &[0x91],
        &[0x0F, 0x42, 0xC1],
        &[0x0F, 0x4F, 0xC1],
        &[0x0F, 0x43, 0x03],
        &[0x0F, 0x45, 0x04, 0x1D, 0, 0, 0, 0],
        &[0x0F, 0x9C, 0xC4],
        &[0x0F, 0x9A, 0xC0],
        &[0x8B, 0x43, 0xFD],
        &[0x01, 0x4B, 0x03],
        // by an index and both
        &[0x8B, 0x04, 0x5D, 0, 0xE0, 0xFF, 0xFF],
        &[0x89, 0x44, 0x23, 0],
    ] {
        agree(&[code, &[0xF4]].concat(), 1);
    }
    // mov ebp, ebx ; leave
    agree(&[0x89, 0xDD, 0xC9, 0xF4], 2);
}

#[test]
fn a_block_goes_on_behind_a_jump_that_isn_t_taken() {
    // cmp eax, ecx ; jb +1 ; inc edx ; js +1 ; inc edx ; dec eax ; jnp back to the first
    agree(&[0x39, 0xC8, 0x72, 1, 0x42, 0x78, 1, 0x42, 0x48, 0x7B, 0xF5, 0xF4], 20);
    // Beyond a limit: dec eax ; jnz to where no code may be, once the first was not taken
    agree(&[0x48, 0x74, 1, 0x48, 0x75, 0x10, 0x42, 0xF4], 5);
}

#[test]
fn jumps_calls_and_returns_are_as_their_handlers() {
    agree(&[0xE8, 1, 0, 0, 0, 0xF4, 0x42, 0xC3], 4);
    agree(&[0xEB, 1, 0xF4, 0x66, 0xEB, 1, 0x42, 0x42, 0xF4], 4);
    // mov eax, 100Ah ; call eax ; nop... ; ret 4
    agree(&[0xB8, 0x0A, 0x10, 0, 0, 0xFF, 0xD0, 0xF4, 0x90, 0x90, 0xC2, 4, 0], 4);
    // mov dword ptr [ebx], 100Ah ; jmp [ebx]
    agree(&[0xC7, 0x03, 0x0A, 0x10, 0, 0, 0xFF, 0x23, 0xF4, 0xF4, 0x42, 0xF4], 4);
}
