//! The engine under test: the interpreter, put into the world of [`crate::layout`] at CPL 3.
//!
//! Exceptions go through the guest's own interrupt table to ring 0, one handler address for each
//! vector, so that delivery, stack switch and error codes are part of what is compared. The system's
//! structures lie in supervisor pages where no case can reach them:
//!
//! ```text
//!  linear C000_0000  GDT, at +100 LDT      physical 0001_0000
//!         C000_1000  IDT                            0001_1000
//!         C000_2000  TSS                            0001_2000
//!         C000_3000  ring-0 stack                   0001_3000
//!         C000_4000  handlers: vector n at +n       0001_4000
//!         1000_0000  the window                     0004_0000
//! ```
//! Paging is PAE with NX, as on the processor that recorded the fixtures (SDM 3A 4.4).
#![forbid(unsafe_code)]

use crate::case::{Case, Engine, Fault, Outcome, Stop, flag, reg, sreg};
use crate::fx::Fx;
use crate::layout::{
    FLAT_CODE_SEGMENT, FLAT_DATA_SEGMENT, LDT, PAGE, PAGES, Rights, WINDOW, background_page,
    segment_of,
};
use crate::native::{MAX_STEPS, initial_bytes, memory_change};
use bus::{Bus, System};
use interp::{Cpu, Dispatch, Interp};
use jit::{Jit, Tuning, WindowUse};
use mem::Memory;
use x86::event::Wanted;
use x86::model::Name;
use x86::segment::{Descriptor, SegReg, Segment, Selector, TableReg};
use x86::{Cr0, Cr4, Efer, Model, PhysAddr, State};

const RAM_BYTES: u64 = 0x10_0000;
const PDPT: u64 = 0x1000;
const LOW_DIRECTORY: u64 = 0x2000;
const HIGH_DIRECTORY: u64 = 0x3000;
const WINDOW_TABLE: u64 = 0x4000;
const SYSTEM_TABLE: u64 = 0x5000;
const SYSTEM: u64 = 0x1_0000;
const SYSTEM_LINEAR: u32 = 0xC000_0000;
const WINDOW_PHYS: u64 = 0x4_0000;
const LDT_OFFSET: u32 = 0x100;
const GDT_LIMIT: u32 = 0x7F;
const IDT_OFFSET: u32 = 0x1000;
const TSS_OFFSET: u32 = 0x2000;
const STACK_TOP: u32 = 0x4000;
const HANDLERS: u32 = 0x4000;
const KERNEL_DATA: u16 = 0x18;
const KERNEL_CODE: u16 = 0x08;

const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const NO_EXECUTE: u64 = 1 << 63;

/// How instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One instruction at a time.
    Steps,
    /// Predecoded blocks.
    Blocks,
    /// Translated one by one, through the software TLB.
    Translated,
    /// Translated one by one, through the host window.
    Windowed,
}

impl Way {
    /// All ways.
    pub const ALL: [Way; 4] = [Way::Steps, Way::Blocks, Way::Translated, Way::Windowed];
}

enum Runner {
    Interp(Box<Interp>),
    Jit(Box<Jit>),
}

impl Runner {
    fn new(way: Way) -> Self {
        let jit = |windows| {
            let tuned =
                Jit::tuned(Tuning { block_insns: 1, cold_runs: 0, windows, ..Tuning::default() });
            Runner::Jit(Box::new(tuned.expect("this host can have the translator")))
        };
        match way {
            Way::Steps => Runner::Interp(Box::new(Interp::new(Dispatch::Single))),
            Way::Blocks => Runner::Interp(Box::new(Interp::new(Dispatch::Blocks))),
            Way::Translated => jit(WindowUse::Never),
            Way::Windowed => jit(WindowUse::AtOnce),
        }
    }

    fn step(&mut self, cpu: &mut Cpu, system: &mut System) {
        match self {
            Runner::Interp(engine) => engine.run(cpu, system, 1),
            Runner::Jit(engine) => engine.run(cpu, system, 1),
        };
    }
}

/// An engine with its world.
pub struct Emulated {
    runner: Runner,
    cpu: Cpu,
    system: System,
    fresh: State,
    background: Vec<Vec<u8>>,
}

impl Emulated {
    /// Builds the world.
    pub fn new(way: Way) -> Emulated {
        let mut memory = Memory::flat(RAM_BYTES).expect("a megabyte can be had");
        build_tables(&mut memory);
        build_system(&mut memory);
        let background: Vec<Vec<u8>> =
            PAGES.iter().map(|(number, _)| background_page(*number)).collect();
        for ((number, _), bytes) in PAGES.iter().zip(&background) {
            memory.write_phys(PhysAddr(WINDOW_PHYS + u64::from(number * PAGE)), bytes);
        }
        let fresh = fresh_state();
        let mut cpu = Cpu::new();
        cpu.state = fresh.clone();
        cpu.events.wanted = Wanted::empty();
        cpu.mmu.flush_all();
        let runner = Runner::new(way);
        Emulated { runner, cpu, system: System::new(memory, Bus::default()), fresh, background }
    }

    fn write(&mut self, address: u32, value: u8) {
        let at = WINDOW_PHYS + u64::from(address - WINDOW);
        self.system.mem.write_phys(PhysAddr(at), &[value]);
    }

    fn load(&mut self, case: &Case) {
        for (address, value) in initial_bytes(case) {
            self.write(address, value);
        }
        let state = &mut self.cpu.state;
        *state = self.fresh.clone();
        for (register, value) in case.gpr.iter().enumerate() {
            state.set_reg32(register, *value);
        }
        state.rip = u64::from(case.eip);
        state.set_eflags(case.eflags);
        for (register, selector) in case.sel.iter().enumerate() {
            let selector = Selector(*selector);
            state.seg[register] = match segment_of(selector.0) {
                Some(segment) => {
                    Segment::from_descriptor(selector, Descriptor(segment.descriptor()))
                }
                None => Segment::null(selector),
            };
        }
        if let Some(fx) = &case.fx {
            (state.fpu, state.mxcsr, state.xmm) = (fx.fpu(), fx.mxcsr, fx.xmm);
        }
        self.cpu.events.take();
        self.cpu.sync();
    }

    /// What the handler of the exception would find, if one was delivered.
    fn delivered(&self) -> Option<Outcome> {
        let state = &self.cpu.state;
        if state.cpl == 3 {
            return None;
        }
        let vector = state.eip().wrapping_sub(SYSTEM_LINEAR + HANDLERS) as u8;
        let has_error = Fault::has_error_code(vector);
        let mut frame = self.stack_words(state.reg32(reg::ESP));
        let error = if has_error { frame.remove(0) } else { 0 };
        let cr2 = if vector == Fault::PAGE { state.cr2 as u32 } else { 0 };
        let mut outcome = self.registers();
        outcome.fault = Some(Fault { vector, error, cr2 });
        outcome.eip = frame[0];
        outcome.sel[sreg::CS] = frame[1] as u16;
        outcome.eflags = frame[2];
        outcome.gpr[reg::ESP] = frame[3];
        outcome.sel[sreg::SS] = frame[4] as u16;
        Some(outcome)
    }

    fn stack_words(&self, esp: u32) -> Vec<u32> {
        let mut bytes = [0; 24];
        let at = SYSTEM + u64::from(esp.wrapping_sub(SYSTEM_LINEAR) & 0xFFFF);
        self.system.mem.read_phys(PhysAddr(at), &mut bytes);
        let word = |four: &[u8]| four.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        bytes.chunks_exact(4).map(word).collect()
    }

    fn registers(&self) -> Outcome {
        let state = &self.cpu.state;
        let mut gpr = [0; 8];
        for (register, value) in gpr.iter_mut().enumerate() {
            *value = state.reg32(register);
        }
        Outcome {
            gpr,
            eip: state.eip(),
            eflags: state.eflags(),
            sel: SegReg::ALL.map(|register| state.segment(register).selector.0),
            fault: None,
            memory: Vec::new(),
            fx: None,
        }
    }

    fn collect(&mut self, case: &Case) -> Vec<(u32, u8)> {
        let mut after = Vec::new();
        for ((number, _), before) in PAGES.iter().zip(&self.background) {
            let start = number * PAGE;
            let mut now = vec![0; PAGE as usize];
            self.system.mem.read_phys(PhysAddr(WINDOW_PHYS + u64::from(start)), &mut now);
            if now == *before {
                continue;
            }
            let changed = now.iter().zip(before).enumerate().filter(|(_, (a, b))| a != b);
            after.extend(changed.map(|(at, (a, b))| (WINDOW + start + at as u32, *a, *b)));
        }
        for (address, _, old) in &after {
            self.write(*address, *old);
        }
        let after: Vec<(u32, u8)> = after.into_iter().map(|(at, value, _)| (at, value)).collect();
        memory_change(case, &after)
    }
}

impl Engine for Emulated {
    fn run(&mut self, case: &Case) -> Outcome {
        self.load(case);
        for _ in 0..MAX_STEPS {
            // On silicon a trap comes between two iterations.
            self.cpu.state.repeat_flags = None;
            self.runner.step(&mut self.cpu, &mut self.system);
            let again = self.cpu.state.eip() == case.eip && self.cpu.state.cpl == 3;
            if case.stop != Stop::Through || !again {
                break;
            }
        }
        let mut outcome = self.delivered().unwrap_or_else(|| self.registers());
        let hidden = if case.stop == Stop::Planted { flag::RF } else { flag::RF | flag::TF };
        outcome.eflags &= !hidden;
        outcome.memory = self.collect(case);
        let state = &self.cpu.state;
        outcome.fx =
            case.fx.is_some().then(|| Box::new(Fx::of(&state.fpu, state.mxcsr, state.xmm)));
        outcome
    }
}

fn put64(memory: &mut Memory, address: u64, value: u64) {
    memory.write_phys(PhysAddr(address), &value.to_le_bytes());
}

fn build_tables(memory: &mut Memory) {
    put64(memory, PDPT, LOW_DIRECTORY | PRESENT);
    put64(memory, PDPT + 3 * 8, HIGH_DIRECTORY | PRESENT);
    let directory = LOW_DIRECTORY + u64::from(WINDOW >> 21) * 8;
    put64(memory, directory, WINDOW_TABLE | PRESENT | WRITE | USER);
    put64(memory, HIGH_DIRECTORY, SYSTEM_TABLE | PRESENT | WRITE);
    for (number, rights) in PAGES {
        let rights = match rights {
            Rights::Read => NO_EXECUTE,
            Rights::Data => WRITE | NO_EXECUTE,
            Rights::Code => WRITE,
        };
        let frame = WINDOW_PHYS + u64::from(number * PAGE);
        put64(memory, WINDOW_TABLE + u64::from(number) * 8, frame | PRESENT | USER | rights);
    }
    for number in 0..5 {
        let frame = SYSTEM + number * u64::from(PAGE);
        put64(memory, SYSTEM_TABLE + number * 8, frame | PRESENT | WRITE);
    }
}

/// The descriptors that Linux has at these places, as far as a program can tell.
fn build_system(memory: &mut Memory) {
    const KERNEL: [(u64, u64); 4] = [
        (0x08, 0x00CF_9B00_0000_FFFF),
        (0x10, 0x00AF_9B00_0000_FFFF),
        (0x18, 0x00CF_9300_0000_FFFF),
        (0x30, 0x00AF_FB00_0000_FFFF),
    ];
    for (offset, descriptor) in KERNEL {
        put64(memory, SYSTEM + offset, descriptor);
    }
    put64(memory, SYSTEM + 0x20, FLAT_CODE_SEGMENT.descriptor());
    put64(memory, SYSTEM + 0x28, FLAT_DATA_SEGMENT.descriptor());
    for (entry, segment) in LDT.iter().enumerate() {
        let at = SYSTEM + u64::from(LDT_OFFSET) + entry as u64 * 8;
        put64(memory, at, segment.descriptor());
    }
    // Gates of vectors 3 and 4 are open to programs; all others are for exceptions alone.
    for vector in 0..256u64 {
        let dpl = if matches!(vector, 3 | 4) { 3 } else { 0 };
        let handler = u64::from(SYSTEM_LINEAR + HANDLERS) + vector;
        let gate = (handler & 0xFFFF)
            | u64::from(KERNEL_CODE) << 16
            | (0x8E00 | dpl << 13) << 32
            | (handler >> 16) << 48;
        put64(memory, SYSTEM + u64::from(IDT_OFFSET) + vector * 8, gate);
    }
    let tss = SYSTEM + u64::from(TSS_OFFSET);
    put64(memory, tss + 4, u64::from(SYSTEM_LINEAR + STACK_TOP) | u64::from(KERNEL_DATA) << 32);
    // The I/O map begins beyond the limit: no port is open.
    put64(memory, tss + 0x60, 0x68 << 48);
}

fn fresh_state() -> State {
    let model = Model::new(Name::Max, interp::host_simd::features());
    let mut state = State::reset_of(model);
    state.cr0 = (Cr0::PE | Cr0::ET | Cr0::NE | Cr0::WP | Cr0::AM | Cr0::PG).bits();
    state.cr3 = PDPT;
    state.cr4 = (Cr4::PAE | Cr4::DE | Cr4::OSFXSR | Cr4::OSXMMEXCPT).bits();
    state.msr.efer = Efer::NXE.bits();
    state.pdpte = [LOW_DIRECTORY | PRESENT, 0, 0, HIGH_DIRECTORY | PRESENT];
    let linear = |offset: u32| u64::from(SYSTEM_LINEAR + offset);
    state.gdtr = TableReg { base: linear(0), limit: GDT_LIMIT };
    state.idtr = TableReg { base: linear(IDT_OFFSET), limit: 0x7FF };
    state.ldtr = Segment {
        base: linear(LDT_OFFSET),
        limit: LDT.len() as u32 * 8 - 1,
        attrs: 0x82,
        selector: Selector(0x50),
    };
    state.tr =
        Segment { base: linear(TSS_OFFSET), limit: 0x67, attrs: 0x8B, selector: Selector(0x40) };
    state.cpl = 3;
    state
}
