//! Lockstep: two complete machines that run in two ways, the translator and the interpreter or
//! the interpreter's two, advanced by the same budgets and compared after each. The first difference stops the
//! run with a report that fits on a screen.
//!
//! Budgets are pseudo-random, so that slices end everywhere: within blocks, within REP, between
//! a fault and its handler. When a slice ends in a difference, both machines go back to the last
//! checkpoint and come again, step by step at the end, to find the very instruction. A difference
//! that doesn't show then hangs on what a host's cache held: the report says so.

use crate::config::MachineConfig;
use crate::error::MachineError;
use crate::machine::Machine;
use crate::runner::Way;
use crate::snapshot;
use crate::stop::{StopReason, Until};
use std::fmt;
use x86::segment::SegReg;
use x86::{LinAddr, State};

/// Devices and translations are compared every so many slices.
const DEVICES_EVERY: u64 = 16;
/// RAM is compared every so many steps.
const RAM_EVERY: u64 = 4_000_000;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Name, in the first way, in the second.
pub type Difference = (String, String, String);

/// Two ways of running that came to different states.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The last step at which both were equal.
    pub equal_at: u64,
    /// The step at which they weren't.
    pub step: u64,
    /// Seen again on the way from a checkpoint, so that `step` is the first that differs.
    pub is_exact: bool,
    /// What differs.
    pub differences: Vec<Difference>,
    /// The two ways of running.
    pub ways: [&'static str; 2],
    /// The state in the first way.
    pub first: Box<State>,
    /// The state in the second.
    pub second: Box<State>,
    /// The instructions from where both were equal.
    pub code: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "lockstep: {} and {} differ at step {} (equal at step {})",
            self.ways[0], self.ways[1], self.step, self.equal_at
        )?;
        if !self.is_exact {
            writeln!(f, "it didn't show again from a checkpoint: something cached made it")?;
        }
        writeln!(f, "{:<14} {:>28} {:>28}", "", self.ways[0], self.ways[1])?;
        for (name, left, right) in self.differences.iter().take(SHOWN) {
            writeln!(f, "{name:<14} {left:>28} {right:>28}")?;
        }
        if let Some(more) = self.differences.len().checked_sub(SHOWN).filter(|n| *n > 0) {
            writeln!(f, "and {more} more")?;
        }
        writeln!(f, "from where both were equal:")?;
        self.code.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

const SHOWN: usize = 12;

/// The second machine.
pub(crate) struct Twin {
    pub(crate) machine: Machine,
    ways: [Way; 2],
    random: u64,
    slices: u64,
    ram_due: u64,
    checkpoint: Option<Checkpoint>,
}

/// Where both machines were surely equal.
struct Checkpoint {
    snapshot: Vec<u8>,
    /// How many inputs had come.
    inputs: usize,
}

impl Checkpoint {
    fn of(machine: &Machine) -> Self {
        Self { snapshot: machine.save(), inputs: machine.input_log().len() }
    }
}

impl Twin {
    pub(crate) fn new(config: &MachineConfig, ways: [Way; 2]) -> Result<Self, MachineError> {
        let machine = Machine::alone(config, ways[1])?;
        Ok(Self { machine, ways, random: SEED, slices: 0, ram_due: RAM_EVERY, checkpoint: None })
    }

    /// The next budget: short ones often, long ones sometimes (xorshift).
    fn budget(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let most = if self.random & 3 == 0 { 512 } else { 24 };
        1 + (self.random >> 8) % most
    }

    /// Advances both.
    pub(crate) fn advance(&mut self, main: &mut Machine, until: Until) -> StopReason {
        if self.checkpoint.is_none() {
            self.checkpoint = Some(Checkpoint::of(main));
        }
        loop {
            let target = main.steps() + self.budget();
            let (stop, found) = self.slice(main, until.and_step(target));
            if let Some(found) = found {
                return StopReason::Diverged(Box::new(self.narrow(main, found)));
            }
            let is_done = stop != StopReason::Until || main.has_reached(until);
            let is_ram_due = main.steps() >= self.ram_due;
            if (is_done || is_ram_due)
                && let Some(found) = ram_difference(main, &self.machine)
            {
                let found = self.report(main, main.steps(), Vec::new(), vec![found]);
                return StopReason::Diverged(Box::new(found));
            }
            if is_ram_due {
                self.ram_due = main.steps() + RAM_EVERY;
                self.checkpoint = Some(Checkpoint::of(main));
            }
            if is_done {
                return stop;
            }
        }
    }

    /// One slice of both, compared.
    fn slice(&mut self, main: &mut Machine, until: Until) -> (StopReason, Option<Divergence>) {
        let (equal_at, ahead) = (main.steps(), Ahead::of(&self.machine));
        let stops = [main.advance_alone(until), self.machine.advance_alone(until)];
        let differences = self.compare(main, &stops);
        let [stop, _] = stops;
        if differences.is_empty() {
            return (stop, None);
        }
        (stop, Some(self.report(main, equal_at, ahead.listing(), differences)))
    }

    fn report(
        &self,
        main: &Machine,
        equal_at: u64,
        code: Vec<String>,
        differences: Vec<Difference>,
    ) -> Divergence {
        Divergence {
            equal_at,
            step: main.steps(),
            is_exact: false,
            differences,
            ways: self.ways.map(Way::name),
            first: Box::new(main.cpu.state.clone()),
            second: Box::new(self.machine.cpu.state.clone()),
            code,
        }
    }

    /// Goes again from the checkpoint to where both were last equal, then step by step.
    fn narrow(&mut self, main: &mut Machine, found: Divergence) -> Divergence {
        let Some(checkpoint) = self.checkpoint.take() else {
            return found;
        };
        let sent = main.board.outputs();
        let is_back = main.go_back(&checkpoint.snapshot, checkpoint.inputs)
            && self.machine.go_back(&checkpoint.snapshot, checkpoint.inputs);
        let exact = if is_back { self.step_to(main, &found) } else { None };
        main.board.put_outputs(sent);
        exact.map_or(found, |exact| Divergence { is_exact: true, ..exact })
    }

    fn step_to(&mut self, main: &mut Machine, found: &Divergence) -> Option<Divergence> {
        for machine in [&mut *main, &mut self.machine] {
            while machine.advance_alone(Until::step(found.equal_at)) == StopReason::EventsFull {
                drop(machine.cpu.events.take());
            }
        }
        while main.steps() < found.step {
            drop((main.cpu.events.take(), self.machine.cpu.events.take()));
            let next = main.steps() + 1;
            let (stop, exact) = self.slice(main, Until::step(next));
            if exact.is_some() || stop != StopReason::Until {
                return exact;
            }
        }
        None
    }

    fn compare(&mut self, main: &Machine, stops: &[StopReason; 2]) -> Vec<Difference> {
        let twin = &self.machine;
        let mut found = Vec::new();
        let mut check = |name: &str, left: String, right: String| {
            if left != right {
                found.push((name.to_owned(), left, right));
            }
        };
        if stops[0] != stops[1] {
            check("stop", format!("{:?}", stops[0]), format!("{:?}", stops[1]));
        }
        check("steps", main.steps().to_string(), twin.steps().to_string());
        check("virtual ns", main.now_ns().to_string(), twin.now_ns().to_string());
        if main.cpu.state != twin.cpu.state {
            let (left, right) = (fields(&main.cpu.state), fields(&twin.cpu.state));
            for ((name, left), (_, right)) in left.into_iter().zip(right) {
                check(&name, left, right);
            }
        }
        self.slices += 1;
        if self.slices.is_multiple_of(DEVICES_EVERY) {
            found.extend(parts_difference(main, twin));
        }
        found
    }
}

/// Translations and devices, as they are saved.
fn parts_difference(main: &Machine, twin: &Machine) -> Vec<Difference> {
    let differs = |what: &str| (what.to_owned(), "differs".to_owned(), String::new());
    let mut found = Vec::new();
    if main.cpu.mmu.set().list() != twin.cpu.mmu.set().list() {
        found.push(differs("translations"));
    }
    let (left, right) = (main.board.sys.bus.save(), twin.board.sys.bus.save());
    found.extend(left.iter().zip(&right).filter(|(l, r)| l != r).map(|(l, _)| differs(&l.kind)));
    found
}

/// The first byte of RAM that differs.
fn ram_difference(main: &Machine, twin: &Machine) -> Option<Difference> {
    let (left, right) = (snapshot::Pages::of(main), snapshot::Pages::of(twin));
    left.zip(right).find(|(l, r)| l != r).map(|((page, l), (_, r))| {
        let at = l.iter().zip(&r).position(|(a, b)| a != b).unwrap_or(0);
        let name = format!("RAM {:#x}", u64::from(page) * x86::addr::PAGE_SIZE + at as u64);
        let show = |bytes: &[u8]| bytes.get(at).map_or(String::new(), |b| format!("{b:02x}"));
        (name, show(&l), show(&r))
    })
}

/// Every field of a state, as text.
fn fields(state: &State) -> Vec<(String, String)> {
    const NAMES: [&str; 8] = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
    for (name, value) in NAMES.iter().zip(&state.gpr) {
        add(name, format!("{value:08x}"));
    }
    add("EIP", format!("{:08x}", state.rip));
    add("EFLAGS", format!("{:08x}", state.eflags()));
    for s in SegReg::ALL {
        add(s.name(), segment(state.segment(s)));
    }
    add("LDTR", segment(&state.ldtr));
    add("TR", segment(&state.tr));
    add("GDTR", format!("{:08x}+{:x}", state.gdtr.base, state.gdtr.limit));
    add("IDTR", format!("{:08x}+{:x}", state.idtr.base, state.idtr.limit));
    for (name, value) in
        [("CR0", state.cr0), ("CR2", state.cr2), ("CR3", state.cr3), ("CR4", state.cr4)]
    {
        add(name, format!("{value:08x}"));
    }
    for (i, value) in state.dr.iter().enumerate() {
        add(&format!("DR{i}"), format!("{value:08x}"));
    }
    add("PDPTE", format!("{:x?}", state.pdpte));
    add("MSR", format!("{:x?}", state.msr));
    add("CPL", state.cpl.to_string());
    add("shadow", format!("{:?}", state.shadow));
    add("activity", format!("{:?}", state.activity));
    add("NMI", format!("masked {}, pending {}", state.nmi_masked, state.nmi_pending));
    add("debug", format!("{:x}", state.pending_debug));
    add("FPU", fpu(&state.fpu));
    for (i, r) in state.fpu.regs.iter().enumerate() {
        add(&format!("R{i}"), format!("{:04x}:{:016x}", r.sign_exponent, r.significand));
    }
    for (i, value) in state.xmm.iter().enumerate() {
        add(&format!("XMM{i}"), format!("{value:032x}"));
    }
    add("MXCSR", format!("{:x}", state.mxcsr));
    all
}

/// Control, status, full registers, opcode, instruction pointer, data pointer.
fn fpu(f: &x86::Fpu) -> String {
    let pointers = format!("{:04x}:{:08x} {:04x}:{:08x}", f.cs, f.ip, f.ds, f.dp);
    format!("{:04x} {:04x} {:02x} {:03x} {pointers}", f.control, f.status, f.full, f.opcode)
}

fn segment(s: &x86::Segment) -> String {
    format!("{:04x} {:08x}+{:x} {:04x}", s.selector.0, s.base, s.limit, s.attrs)
}

/// The bytes from where a machine is.
struct Ahead {
    eip: u32,
    bytes: [u8; 64],
    count: usize,
    is_32bit: bool,
}

impl Ahead {
    fn of(machine: &Machine) -> Self {
        let state = &machine.cpu.state;
        let mut bytes = [0; 64];
        let at = LinAddr(state.segment(SegReg::Cs).base).add32(u64::from(state.eip()));
        let count = machine.cpu.peek(&machine.board.sys, at, &mut bytes);
        Self { eip: state.eip(), bytes, count, is_32bit: state.code32() }
    }

    fn listing(&self) -> Vec<String> {
        let lines = decode::disassemble(&self.bytes[..self.count], self.is_32bit, self.eip);
        let line = |(at, _, text): (usize, u8, String)| {
            format!("{:08x}  {text}", self.eip.wrapping_add(at as u32))
        };
        lines.into_iter().take(8).map(line).collect()
    }
}
