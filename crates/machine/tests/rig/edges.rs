//! A machine for each way of reaching memory, and cases that run on all of them.
//!
//! ```text
//! linear     physical   a page each
//! 00000000   10000      read and write
//! 00001000   -
//! 00002000   12000      read only
//! 00003000   13000      read and write
//! 00005000   5000       code; 6000 IDT, 7000 GDT, 8000 handlers, 9000 stack
//! 0000F000   14000      the last of 64 KiB
//! FFFFD000   13000      shows twice
//! FFFFE000   -
//! FFFFF000   11000      read and write
//! ```

use super::rig;
use machine::{Engine, Machine, MachineConfig, StopReason, Tuning, Until, WindowUse};
use x86::event::Wanted;
use x86::segment::Descriptor;
use x86::state::gpr;
use x86::{PhysAddr, SegReg, Segment, Selector, State};

const CODE: u32 = 0x5000;
const STACK_TOP: u32 = 0x9800;
/// Page tables: the directory, the table of the first 4 MiB and that of the last.
const TABLES: u64 = 0x2_0000;
/// First of the pages that the cases reach, and how many there are.
const DATA: u64 = 0x1_0000;
const DATA_BYTES: usize = 5 << 12;
/// Each case runs its instruction four times, with a jump between.
const STEPS: u64 = 8;

/// Where the edges are.
pub const TARGETS: [u32; 26] = [
    0,
    1,
    2,
    7,
    0xFF1,
    0xFF7,
    0xFF8,
    0xFFC,
    0xFFD,
    0xFFE,
    0xFFF,
    0x1000,
    0x1FF9,
    0x1FFF,
    0x2000,
    0x2FFD,
    0xFFFD,
    0xFFFF,
    0xFFFF_DFFF,
    0xFFFF_EFF1,
    0xFFFF_EFFF,
    0xFFFF_F000,
    0xFFFF_FFF1,
    0xFFFF_FFF8,
    0xFFFF_FFFC,
    0xFFFF_FFFF,
];

/// The segment that a case goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All 4 GiB.
    Flat,
    /// Its limit is FFEh.
    Short,
    /// From FFFFF000h, 4 GiB long.
    High,
    /// What lies above FFFh.
    Down,
    /// 64 KiB, B clear.
    Half,
}

impl Shape {
    fn segment(self) -> Segment {
        let descriptor = match self {
            Self::Flat => 0x00CF_9300_0000_FFFF,
            Self::Short => 0x0040_9300_0000_0FFE,
            Self::High => 0xFFCF_93FF_F000_FFFF,
            Self::Down => 0x0040_9700_0000_0FFF,
            Self::Half => 0x0000_9300_0000_FFFF,
        };
        Segment::from_descriptor(Selector(0x10), Descriptor(descriptor))
    }
}

/// A form of address: ModRM without `reg`, SIB, and the registers that they name.
pub struct Form {
    is_16bit: bool,
    modrm: u8,
    sib: Option<u8>,
    /// Bytes of displacement, and its value where it is one byte.
    disp: (usize, i8),
    base: Option<usize>,
    /// Register and shift.
    index: Option<(usize, u32)>,
}

const fn form(
    modrm: u8,
    sib: Option<u8>,
    disp: (usize, i8),
    base: Option<usize>,
    index: Option<(usize, u32)>,
) -> Form {
    Form { is_16bit: false, modrm, sib, disp, base, index }
}

/// 32-bit ones first.
pub const FORMS: [Form; 17] = [
    form(0x05, None, (4, 0), None, None),
    form(0x03, None, (0, 0), Some(gpr::EBX), None),
    form(0x43, None, (1, -128), Some(gpr::EBX), None),
    form(0x83, None, (4, 0), Some(gpr::EBX), None),
    form(0x45, None, (1, 127), Some(gpr::EBP), None),
    form(0x04, Some(0x24), (0, 0), Some(gpr::ESP), None),
    form(0x44, Some(0x24), (1, -1), Some(gpr::ESP), None),
    form(0x04, Some(0x33), (0, 0), Some(gpr::EBX), Some((gpr::ESI, 0))),
    form(0x44, Some(0x73), (1, 16), Some(gpr::EBX), Some((gpr::ESI, 1))),
    form(0x84, Some(0xF3), (4, 0), Some(gpr::EBX), Some((gpr::ESI, 3))),
    form(0x04, Some(0xB5), (4, 0), None, Some((gpr::ESI, 2))),
    form(0x84, Some(0xBC), (4, 0), Some(gpr::ESP), Some((gpr::EDI, 2))),
    Form { is_16bit: true, ..form(0x06, None, (2, 0), None, None) },
    Form { is_16bit: true, ..form(0x00, None, (0, 0), Some(gpr::EBX), Some((gpr::ESI, 0))) },
    Form { is_16bit: true, ..form(0x43, None, (1, -2), Some(gpr::EBP), Some((gpr::EDI, 0))) },
    Form { is_16bit: true, ..form(0x84, None, (2, 0), Some(gpr::ESI), None) },
    Form { is_16bit: true, ..form(0x07, None, (0, 0), Some(gpr::EBX), None) },
];

impl Form {
    /// 16-bit addresses don't go through the window.
    pub fn is_16bit(&self) -> bool {
        self.is_16bit
    }
}

/// Displacements and index values that make sums wrap.
const FAR: u32 = 0x8000_0003;
const INDEX: u32 = 0xC000_0005;

/// One instruction, and the registers that it starts with.
pub struct Case {
    code: Vec<u8>,
    regs: Vec<(usize, u32)>,
    shape: Shape,
    /// The shape is SS's too.
    on_stack: bool,
    is_down: bool,
}

impl Case {
    /// An instruction with a memory operand at `target`.
    pub fn of(form: &Form, opcode: &[u8], reg: u8, target: u32, shape: Shape) -> Self {
        let scaled = form.index.map_or(0, |(_, shift)| INDEX << shift);
        let disp = match (form.disp, form.base) {
            ((1, value), _) => i32::from(value) as u32,
            ((0, _), _) => 0,
            (_, Some(_)) => FAR,
            (_, None) => target.wrapping_sub(scaled),
        };
        let mut regs: Vec<(usize, u32)> = form.index.iter().map(|(reg, _)| (*reg, INDEX)).collect();
        let base = target.wrapping_sub(scaled).wrapping_sub(disp);
        regs.extend(form.base.map(|reg| (reg, base)));
        let mut code = if form.is_16bit { vec![0x67] } else { Vec::new() };
        code.extend(opcode);
        code.push(form.modrm | reg << 3);
        code.extend(form.sib);
        code.extend(&disp.to_le_bytes()[..form.disp.0]);
        let on_stack = matches!(form.base, Some(gpr::ESP | gpr::EBP));
        Self { code, regs, shape, on_stack, is_down: false }
    }

    /// An instruction that uses the stack.
    pub fn stack(code: &[u8], esp: u32, shape: Shape) -> Self {
        let regs = vec![(gpr::ESP, esp), (gpr::EBP, esp)];
        Self { code: code.to_vec(), regs, shape, on_stack: true, is_down: false }
    }

    /// A string instruction from and to `target`, or one of them.
    pub fn string(code: &[u8], target: u32, shape: Shape, is_repeated: bool, down: bool) -> Self {
        let mut all = if is_repeated { vec![0xF3] } else { Vec::new() };
        all.extend(code);
        let regs = vec![(gpr::ESI, target), (gpr::EDI, target ^ 0xFFF), (gpr::ECX, 7)];
        Self { code: all, regs, shape, on_stack: false, is_down: down }
    }

    fn state(&self, template: &State) -> State {
        let mut state = template.clone();
        for reg in [gpr::EAX, gpr::ECX, gpr::EDX, gpr::EBX, gpr::EBP, gpr::ESI, gpr::EDI] {
            state.gpr[reg] = 0x1234_0000 + 0x111 * reg as u64;
        }
        state.gpr[gpr::ESP] = u64::from(STACK_TOP);
        for (reg, value) in &self.regs {
            state.gpr[*reg] = u64::from(*value);
        }
        let segments: &[SegReg] =
            if self.on_stack { &[SegReg::Ss] } else { &[SegReg::Ds, SegReg::Es] };
        for segment in segments {
            state.seg[*segment as usize] = self.shape.segment();
        }
        state.system_flags |= if self.is_down { 1 << 10 } else { 0 };
        state
    }
}

/// What a case came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    stop: StopReason,
    state: State,
    data: Vec<u8>,
    stack: Vec<u8>,
    translations: String,
}

/// The machines.
pub struct Bench {
    machines: Vec<(Machine, State)>,
    cases: u32,
}

impl Bench {
    /// Interpreter, window, software TLB.
    pub fn new() -> Self {
        let ways = [
            (Engine::Interp, WindowUse::Never),
            (Engine::Jit, WindowUse::AtOnce),
            (Engine::Jit, WindowUse::Never),
        ];
        let machines = ways.map(|(engine, windows)| machine(engine, windows)).into();
        Self { machines, cases: 0 }
    }

    /// Runs a case on all.
    pub fn compare(&mut self, case: &Case) {
        let outcomes =
            self.machines.iter_mut().map(|(machine, template)| run(machine, template, case));
        let outcomes: Vec<Outcome> = outcomes.collect();
        for (n, how) in [(1, "the window"), (2, "the software TLB")] {
            let (code, regs, shape) = (&case.code, &case.regs, case.shape);
            assert!(
                outcomes[n] == outcomes[0],
                "{code:02x?} with {regs:x?} in {shape:?}, by {how}: {}",
                difference(&outcomes[0], &outcomes[n])
            );
        }
        self.cases += 1;
    }

    /// Most cases mapped pages: it is windows that were tried.
    pub fn used_windows(&mut self) -> bool {
        let statistics = self.machines[1].0.translator_statistics().expect("a translator");
        self.cases > 0 && statistics.windows.pages > u64::from(self.cases) / 2
    }
}

fn difference(left: &Outcome, right: &Outcome) -> String {
    if left.stop != right.stop {
        return format!("{:?} and {:?}", left.stop, right.stop);
    }
    if left.state != right.state {
        let (left, right) = (format!("{:#x?}", left.state), format!("{:#x?}", right.state));
        let pairs = left.lines().zip(right.lines()).filter(|(l, r)| l != r);
        return pairs.map(|(l, r)| format!("{l} / {r}")).collect::<Vec<_>>().join("; ");
    }
    let pairs = left.data.iter().zip(&right.data).position(|(l, r)| l != r);
    format!("data at {pairs:x?}, or stack or translations")
}

fn machine(engine: Engine, windows: WindowUse) -> (Machine, State) {
    let config = MachineConfig {
        engine,
        translator: Tuning { cold_runs: 0, windows, ..Tuning::default() },
        wanted: Wanted::empty(),
        ..rig::config(&[0xF4])
    };
    let mut machine = Machine::new(config).expect("a test machine");
    write_tables(&mut machine);
    let mut state = machine.cpu().state.clone();
    let flat = |selector, d| Segment::from_descriptor(Selector(selector), Descriptor(d));
    state.seg = [flat(0x10, 0x00CF_9300_0000_FFFF); 6];
    state.seg[SegReg::Cs as usize] = flat(0x08, 0x00CF_9B00_0000_FFFF);
    // PG, WP, NE, PE; OSFXSR.
    (state.cr0, state.cr3, state.cr4) = (0x8001_0021, TABLES, 0x200);
    (state.gdtr.base, state.gdtr.limit) = (0x7000, 0x17);
    (state.idtr.base, state.idtr.limit) = (0x6000, 0xFF);
    state.rip = u64::from(CODE);
    (machine, state)
}

fn write_tables(machine: &mut Machine) {
    let mut put = |at: u64, bytes: &[u8]| {
        machine.system_mut().mem.write_phys(PhysAddr(at), bytes);
    };
    let (low, high) = (TABLES + 0x1000, TABLES + 0x2000);
    put(TABLES, &(low as u32 | 3).to_le_bytes());
    put(TABLES + 4 * 1023, &(high as u32 | 3).to_le_bytes());
    let mut page = |table: u64, n: u64, entry: u32| put(table + 4 * n, &entry.to_le_bytes());
    for (n, entry) in [(0, 0x1_0003), (2, 0x1_2001), (3, 0x1_3003), (15, 0x1_4003)] {
        page(low, n, entry);
    }
    (5..10).for_each(|n| page(low, n, (n as u32) << 12 | 3));
    page(high, 1021, 0x1_3003);
    page(high, 1023, 0x1_1003);
    // 32 interrupt gates to 8:8000, where `jmp $` is.
    (0..32).for_each(|n| put(0x6000 + 8 * n, &[0x00, 0x80, 0x08, 0, 0, 0x8E, 0, 0]));
    put(0x7008, &0x00CF_9B00_0000_FFFF_u64.to_le_bytes());
    put(0x7010, &0x00CF_9300_0000_FFFF_u64.to_le_bytes());
    put(0x8000, &[0xEB, 0xFE]);
}

fn run(machine: &mut Machine, template: &State, case: &Case) -> Outcome {
    let pattern: Vec<u8> = (0..DATA_BYTES).map(|n| (n * 7 + n / 256) as u8).collect();
    let mut code = case.code.clone();
    code.extend([0xEB, 0_u8.wrapping_sub(case.code.len() as u8 + 2)]);
    let mem = &mut machine.system_mut().mem;
    mem.write_phys(PhysAddr(DATA), &pattern);
    mem.write_phys(PhysAddr(0x9000), &[0; 0x1000]);
    mem.write_phys(PhysAddr(u64::from(CODE)), &code);
    machine.cpu_mut().state = case.state(template);
    machine.changed();
    let end = Until::step(machine.steps() + STEPS);
    let stop = rig::advance(machine, end);
    Outcome {
        stop,
        state: machine.cpu().state.clone(),
        data: rig::read(machine, DATA, DATA_BYTES),
        stack: rig::read(machine, 0x9000, 0x1000),
        translations: format!("{:?}", machine.cpu().mmu.set().list()),
    }
}
