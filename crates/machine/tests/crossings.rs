//! Crossings between rings that were seen again and again, and then something they rely on changes:
//! gate, descriptors, TSS, the tables' places, pages and their rights, flags. The guest itself changes
//! it, in the handler of its fortieth INT, and back in that of the sixtieth. Translated or
//! interpreted, and however its steps are cut, it must come to the same state.

mod rig;

use machine::{Engine, Machine, MachineConfig, Tuning, Until, WindowUse};
use x86::event::Wanted;
use x86::segment::{Descriptor, TableReg, attr, system_type};
use x86::state::gpr;
use x86::{Eflags, PhysAddr, SegReg, Segment, Selector};

/// ```text
/// linear  physical
/// 1000    code of ring 3; 1100 handlers; 1200 the change, 1300 the change back
/// 5000    how many INTs there were, how many #DB; 5100 pseudo-descriptors
/// 6000    IDT; 7000 GDT; 8000 TSS; 9000 stack of ring 0; A000 stack of ring 3
/// B000    page directory; C000 table
/// 16000   others: IDT, whose INT leads elsewhere; 17000 GDT, whose code has another base;
/// 18000   TSS, whose stack is that of 19000
/// ```
const CODE: u32 = 0x1000;
const COUNTS: u32 = 0x5000;
const POINTERS: u32 = 0x5100;
const IDT: u32 = 0x6000;
const GDT: u32 = 0x7000;
const TSS: u32 = 0x8000;
/// Neither is aligned: with EFLAGS.AC that shows in ring 3.
const STACK0: u32 = 0x9802;
const STACK3: u32 = 0xA802;
const DIRECTORY: u32 = 0xB000;
const TABLE: u32 = 0xC000;
/// From a table to the other one.
const OTHER: u32 = 0x1_0000;

/// ```text
/// user: mov edi, 1 ; int 30h ; 1: push 5 ; push 7 ; mov edi, 2 ; call 2Bh:0 ; jmp 3
/// 2: add esp, 8 ; 3: mov edi, 4 ; ud2 ; 4: add edx, ecx ; adc ecx, 1 ; jmp user
/// ```
const USER: &[u8] = &[
    0xBF, 0x07, 0x10, 0x00, 0x00, 0xCD, 0x30, 0x6A, 0x05, 0x6A, 0x07, 0xBF, 0x19, 0x10, 0x00, 0x00,
    0x9A, 0x00, 0x00, 0x00, 0x00, 0x2B, 0x00, 0xEB, 0x03, 0x83, 0xC4, 0x08, 0xBF, 0x23, 0x10, 0x00,
    0x00, 0x0F, 0x0B, 0x01, 0xCA, 0x83, 0xD1, 0x01, 0xEB, 0xD6,
];
/// ```text
/// lea ebx, [ebx+ebx*2+1] ; inc dword ss:[COUNTS] ; cmp dword ss:[COUNTS], 40 ; jne 1 ; call change
/// 1: cmp dword ss:[COUNTS], 60 ; jne 2 ; call back ; 2: iretd
/// ```
const INT: &[u8] = &[
    0x8D, 0x5C, 0x5B, 0x01, 0x36, 0xFF, 0x05, 0x00, 0x50, 0x00, 0x00, 0x36, 0x83, 0x3D, 0x00, 0x50,
    0x00, 0x00, 0x28, 0x75, 0x05, 0xE8, 0xE6, 0x00, 0x00, 0x00, 0x36, 0x83, 0x3D, 0x00, 0x50, 0x00,
    0x00, 0x3C, 0x75, 0x05, 0xE8, 0xD7, 0x01, 0x00, 0x00, 0xCF,
];
/// Handlers by their offsets from the code: INT 30h; another of it: `add ebx, 16 ; iretd`; the
/// call gate's: `add edx, [esp+8] ; xor edx, [esp+12] ; retf 8`; #UD: `add dword [esp], 2 ; inc esi ;
/// iretd`; faults with an error code go on at EDI: `pop eax ; inc ebp ; mov [esp], edi ; iretd`; #DB:
/// `inc dword ss:[COUNTS+4] ; iretd`.
const HANDLERS: [(u32, &[u8]); 6] = [
    (0x100, INT),
    (0x140, &[0x83, 0xC3, 0x10, 0xCF]),
    (0x160, &[0x03, 0x54, 0x24, 0x08, 0x33, 0x54, 0x24, 0x0C, 0xCA, 0x08, 0x00]),
    (0x180, &[0x83, 0x04, 0x24, 0x02, 0x46, 0xCF]),
    (0x1A0, &[0x58, 0x45, 0x89, 0x3C, 0x24, 0xCF]),
    (0x1C0, &[0x36, 0xFF, 0x05, 0x04, 0x50, 0x00, 0x00, 0xCF]),
];
const CHANGE: u32 = CODE + 0x200;
const CHANGE_BACK: u32 = CODE + 0x300;

/// The GDT: code and data of ring 0, code and data of ring 3, the call gate, the TSS, code and data
/// of ring 0 once more, the other TSS.
const DESCRIPTORS: [u64; 10] = [
    0,
    0x00CF_9B00_0000_FFFF,
    0x00CF_9300_0000_FFFF,
    0x00CF_FB00_0000_FFFF,
    0x00CF_F300_0000_FFFF,
    0x0000_EC02_0008_1160,
    0x0000_8B00_8000_0067,
    0x00CF_9B00_0000_FFFF,
    0x00CF_9300_0000_FFFF,
    0x0000_8901_8000_0067,
];
/// The code segment that INT 30h leads to, the stack segment of ring 0, those of ring 3.
const HANDLER_CODE: u32 = GDT + 8 * 7;
const HANDLER_STACK: u32 = GDT + 8 * 2;
const USER_CODE: u32 = GDT + 8 * 3;
const USER_STACK: u32 = GDT + 8 * 4;
const CALL_GATE: u32 = GDT + 8 * 5;
const GATE: u32 = IDT + 8 * 0x30;

fn code(opcode: &[u8], at: u32, rest: &[u8]) -> Vec<u8> {
    [opcode, &at.to_le_bytes(), rest].concat()
}

/// `mov dword ss:[at], value`.
fn poke(at: u32, value: u32) -> Vec<u8> {
    code(&[0x36, 0xC7, 0x05], at, &value.to_le_bytes())
}

/// `mov byte ss:[at], value`.
fn poke8(at: u32, value: u8) -> Vec<u8> {
    code(&[0x36, 0xC6, 0x05], at, &[value])
}

/// `invlpg ss:[at]`.
fn invlpg(at: u32) -> Vec<u8> {
    code(&[0x36, 0x0F, 0x01, 0x3D], at, &[])
}

/// `lgdt ss:[pointer]` or `lidt`, of the pseudo-descriptor with this number.
fn load_table(is_idt: bool, number: u32) -> Vec<u8> {
    let modrm = if is_idt { 0x1D } else { 0x15 };
    code(&[0x36, 0x0F, 0x01, modrm], POINTERS + 8 * number, &[])
}

/// Sets the entry of a page's translation, and drops what is cached of it.
fn map(at: u32, entry: u32) -> Vec<u8> {
    [poke(TABLE + (at >> 12) * 4, entry), invlpg(at)].concat()
}

fn write_tables(put: &mut impl FnMut(u32, &[u8])) {
    put(DIRECTORY, &(TABLE | 7).to_le_bytes());
    for page in 0..512 {
        put(TABLE + 4 * page, &(page << 12 | 7).to_le_bytes());
    }
    for (at, int, base) in [(0, 0x1100, 0), (OTHER, 0x1140, 0x40)] {
        for vector in [1, 6, 8, 10, 11, 12, 13, 14, 17] {
            let handler = match vector {
                1 => 0x11C0,
                6 => 0x1180,
                _ => 0x11A0_u32,
            };
            let gate = 0x0000_8E00_0008_0000 | u64::from(handler);
            put(at + IDT + 8 * vector, &gate.to_le_bytes());
        }
        let gate = 0x0000_EE00_0038_0000 | int;
        put(at + GATE, &u64::to_le_bytes(gate));
        for (n, d) in (0..).zip(DESCRIPTORS) {
            put(at + GDT + 8 * n, &d.to_le_bytes());
        }
        put(at + HANDLER_CODE + 2, &[base]);
        put(at + TSS + 4, &(at + STACK0).to_le_bytes());
        put(at + TSS + 8, &0x10_u32.to_le_bytes());
    }
    // The usual tables, the other ones, and the usual ones cut.
    let pointers: [(u16, u32); 6] = [
        (0x7FF, IDT),
        (0x7FF, OTHER + IDT),
        (8 * 0x30 + 6, IDT),
        (8 * 10 - 1, GDT),
        (8 * 10 - 1, OTHER + GDT),
        (8 * 5 + 6, GDT),
    ];
    for (n, (limit, base)) in (0..).zip(pointers) {
        put(POINTERS + 8 * n, &[&limit.to_le_bytes()[..], &base.to_le_bytes()].concat());
    }
}

/// A guest that crosses over and over; ring 0 runs `change` once, and later `back`.
#[derive(Clone, Copy)]
struct Guest<'a> {
    change: &'a [u8],
    back: &'a [u8],
}

impl Guest<'_> {
    fn machine(self, engine: Engine, windows: WindowUse, wanted: Wanted) -> Machine {
        let translator = Tuning { cold_runs: 0, windows, ..Tuning::default() };
        let config = MachineConfig { engine, translator, wanted, ..rig::config(&[0xF4]) };
        let mut machine = Machine::new(config).expect("a test machine");
        let mut put = |at: u32, bytes: &[u8]| {
            machine.system_mut().mem.write_phys(PhysAddr(u64::from(at)), bytes);
        };
        write_tables(&mut put);
        put(CODE, USER);
        HANDLERS.iter().for_each(|(at, code)| put(CODE + at, code));
        put(CHANGE, &[self.change, &[0xC3]].concat());
        put(CHANGE_BACK, &[self.back, &[0xC3]].concat());
        let state = &mut machine.cpu_mut().state;
        let flat = |n: usize| {
            Segment::from_descriptor(Selector((n << 3 | 3) as u16), Descriptor(DESCRIPTORS[n]))
        };
        state.seg = [flat(4); 6];
        state.seg[SegReg::Cs as usize] = flat(3);
        state.tr = Segment {
            base: u64::from(TSS),
            limit: 0x67,
            attrs: attr::P | u16::from(system_type::TSS32_BUSY),
            selector: Selector(0x30),
        };
        state.gdtr = TableReg { base: u64::from(GDT), limit: 8 * 10 - 1 };
        state.idtr = TableReg { base: u64::from(IDT), limit: 0x7FF };
        // PG, WP, AM, NE, PE.
        (state.cr0, state.cr3, state.cpl) = (0x8005_0021, u64::from(DIRECTORY), 3);
        // PVI.
        state.cr4 = 2;
        state.set_reg32(gpr::ESP, STACK3);
        state.rip = u64::from(CODE);
        machine.changed();
        machine
    }
}

/// About ninety rounds, and steps between two looks.
const STEPS: u64 = 2_500;
const STRIDES: [u64; 3] = [1, 31, 1_250];

/// Runs `change`, and later `back`, on both engines in all ways.
fn compare_with(change: &[u8], back: &[u8]) {
    let guest = Guest { change, back };
    let (none, all) = (Wanted::empty(), Wanted::all() - Wanted::INSNS);
    for stride in STRIDES {
        guest.compare(stride, WindowUse::AtOnce, none);
        for wanted in [none, Wanted::CROSSINGS | Wanted::FAULTS, all] {
            guest.compare(stride, WindowUse::Never, wanted);
        }
    }
}

impl Guest<'_> {
    fn compare(self, stride: u64, windows: WindowUse, wanted: Wanted) {
        let [mut reference, mut translated] =
            [Engine::Interp, Engine::Jit].map(|engine| self.machine(engine, windows, wanted));
        for step in (1..=STEPS / stride).map(|n| n * stride) {
            let mut events = [Vec::new(), Vec::new()];
            let stops = [&mut reference, &mut translated].map(|m| m.advance(Until::step(step)));
            events[0] = reference.take_events();
            events[1] = translated.take_events();
            let name = format!("step {step} by {stride}, {windows:?}, {wanted:?}");
            assert_eq!(stops[0], stops[1], "{name}");
            let (left, right) = (reference.cpu(), translated.cpu());
            assert_eq!(left.state, right.state, "{name}");
            assert_eq!(left.mmu.set().list(), right.mmu.set().list(), "{name}");
            assert_eq!((left.cause, &left.chain), (right.cause, &right.chain), "{name}");
            assert_eq!(left.callouts, right.callouts, "{name}");
            assert_eq!(events[0], events[1], "{name}");
        }
        assert_eq!(reference.state_hash(), translated.state_hash());
    }
}

fn compare(change: Vec<u8>, back: Vec<u8>) {
    compare_with(&change, &back);
}

/// A word changes, and is again what it was.
fn word(at: u32, from: u32, to: u32) {
    compare(poke(at, to), poke(at, from));
}

fn byte(at: u32, from: u8, to: u8) {
    compare(poke8(at, to), poke8(at, from));
}

#[test]
fn that_nothing_changes_are_followed() {
    compare(Vec::new(), Vec::new());
    let guest = Guest { change: &[], back: &[] };
    let mut machine = guest.machine(Engine::Jit, WindowUse::Never, Wanted::empty());
    rig::run_to(&mut machine, STEPS);
    assert_ne!(machine.cpu().followed(), 0);
    assert!(rig::read32(&machine, u64::from(COUNTS)) > 80);
}

#[test]
fn whose_gates_change() {
    word(GATE, 0x0038_1100, 0x0038_1140);
    word(GATE, 0x0038_1100, 0x0008_1140);
    // DPL 0; not present; a trap gate; of 16 bits.
    word(GATE + 4, 0xEE00, 0x8E00);
    word(GATE + 4, 0xEE00, 0x6E00);
    word(GATE + 4, 0xEE00, 0xEF00);
    word(GATE + 4, 0xEE00, 0xE600);
    // One parameter; three; DPL 0; not present.
    byte(CALL_GATE + 4, 2, 1);
    byte(CALL_GATE + 4, 2, 3);
    byte(CALL_GATE + 5, 0xEC, 0x8C);
    byte(CALL_GATE + 5, 0xEC, 0x6C);
}

#[test]
fn whose_segments_change() {
    // Another base; a limit below the handler; accessed no more; conforming; data.
    byte(HANDLER_CODE + 2, 0, 0x40);
    word(HANDLER_CODE + 4, 0x00CF_9B00, 0x0040_9B00);
    for rights in [0x9A, 0x9F, 0x93, 0x1B, 0xFB] {
        byte(HANDLER_CODE + 5, 0x9B, rights);
    }
    byte(HANDLER_STACK + 3, 0, 0x10);
    for rights in [0x92, 0x97, 0x91, 0x13, 0xF3] {
        byte(HANDLER_STACK + 5, 0x93, rights);
    }
    // 16 bits.
    byte(HANDLER_STACK + 6, 0xCF, 0x8F);
    byte(USER_STACK + 3, 0, 0x01);
    for rights in [0xF2, 0xF7, 0xF1, 0x73, 0x93] {
        byte(USER_STACK + 5, 0xF3, rights);
    }
    byte(USER_CODE + 5, 0xFB, 0xFA);
    byte(USER_CODE + 5, 0xFB, 0x9B);
    word(USER_CODE + 4, 0x00CF_FB00, 0x0040_FB00);
}

#[test]
fn whose_tss_changes() {
    word(TSS + 4, STACK0, STACK0 - 0x100);
    word(TSS + 4, STACK0, 0x1_9008);
    word(TSS + 8, 0x10, 0x40);
    word(TSS + 8, 0x10, 0x23);
    // mov ax, 48h ; ltr ax: the other one, and not back.
    compare(vec![0x66, 0xB8, 0x48, 0, 0x0F, 0x00, 0xD8], Vec::new());
}

#[test]
fn whose_tables_move() {
    for n in [1, 2] {
        compare(load_table(true, n), load_table(true, 0));
    }
    for n in [4, 5] {
        compare(load_table(false, n), load_table(false, 3));
    }
}

#[test]
fn whose_pages_change() {
    for page in [IDT, GDT, TSS, STACK0 & !0xFFF, STACK3 & !0xFFF] {
        let other = if page == STACK3 & !0xFFF { page } else { page + OTHER };
        // Elsewhere; A and D clear; read only; of the supervisor; not there.
        for entry in [other | 7, page | 7, page | 5, page | 3, page | 6] {
            compare(map(page, entry), map(page, page | 7));
        }
        // The translation that is cached stays.
        compare(poke(TABLE + (page >> 12) * 4, other | 7), invlpg(page));
    }
    // mov eax, cr3 ; mov cr3, eax
    compare(vec![0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8], Vec::new());
}

#[test]
fn whose_stack_gets_code() {
    // mov byte [STACK0-200h], C3h (ret) ; call there
    let mut change = poke8(STACK0 - 0x200, 0xC3);
    change.extend([0xB8, 0x00, 0x96, 0, 0, 0xFF, 0xD0]);
    compare(change, Vec::new());
}

#[test]
fn that_come_back_with_other_flags() {
    // or dword [esp+12], flags: the EFLAGS that IRETD takes.
    let or = |flags: Eflags| [&[0x81, 0x4C, 0x24, 0x0C][..], &flags.bits().to_le_bytes()].concat();
    let and =
        |flags: Eflags| [&[0x81, 0x64, 0x24, 0x0C][..], &(!flags).bits().to_le_bytes()].concat();
    for flags in [
        Eflags::TF,
        Eflags::RF,
        Eflags::AC,
        Eflags::NT,
        Eflags::DF,
        Eflags::IF,
        Eflags::IOPL,
        Eflags::ID,
        Eflags::VIP,
        Eflags::VIF | Eflags::VIP,
        Eflags::STATUS,
    ] {
        compare(or(flags), and(flags));
    }
    compare(or(Eflags::VM), Vec::new());
}

#[test]
fn that_meet_other_flags() {
    // pushfd ; or dword [esp], flags (or xor) ; popfd
    let set = |modrm: u8, flags: Eflags| {
        [&[0x9C, 0x81, modrm, 0x24][..], &flags.bits().to_le_bytes(), &[0x9D]].concat()
    };
    for flags in [Eflags::NT, Eflags::AC, Eflags::TF, Eflags::IF, Eflags::DF, Eflags::IOPL] {
        compare(set(0x0C, flags), set(0x34, flags));
    }
}

#[test]
fn that_come_back_with_segments_of_ring_0_or_breakpoints() {
    // mov ax, 10h ; mov es, ax (or ds, fs)
    for load in [[0x8E, 0xC0], [0x8E, 0xD8], [0x8E, 0xE0]] {
        compare([&[0x66, 0xB8, 0x10, 0][..], &load].concat(), Vec::new());
    }
    // mov eax, STACK0-8 ; mov dr0, eax ; mov eax, D0001h ; mov dr7, eax; and back: dr7 = 400h
    let watch =
        vec![0xB8, 0xF8, 0x97, 0, 0, 0x0F, 0x23, 0xC0, 0xB8, 1, 0, 0x0D, 0, 0x0F, 0x23, 0xF8];
    compare(watch, vec![0xB8, 0, 4, 0, 0, 0x0F, 0x23, 0xF8]);
}
