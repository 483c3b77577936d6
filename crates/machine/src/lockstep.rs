//! Lockstep: two complete machines that run in two ways, the translator and the interpreter or
//! the interpreter's two, advanced by the same budgets and compared after each. The first difference stops the
//! run with a report that fits on a screen.
//!
//! Budgets are pseudo-random, so that slices end everywhere: within blocks, within REP, between
//! a fault and its handler. Most are short; a long one now and then takes the guest onward, and lets
//! both ways run as they do alone, from link to link. When a slice ends in a difference, both machines go back to the last
//! checkpoint and come again: block by block from where they were equal, to find the block, and then
//! with blocks of one instruction, to find the very instruction. A difference that doesn't show then
//! hangs on what a host's cache held, or on the block as a whole: the report says so.

mod report;

pub use report::{Difference, Divergence};

use crate::config::MachineConfig;
use crate::error::MachineError;
use crate::machine::Machine;
use crate::runner::Way;
use crate::snapshot;
use crate::stop::{StopReason, Until};
use jit::survey::Translated;
use x86::segment::SegReg;
use x86::{LinAddr, PhysAddr};

/// Devices and translations are compared every so many slices.
const DEVICES_EVERY: u64 = 16;
/// RAM is compared every so many steps.
const RAM_EVERY: u64 = 64_000_000;
/// Steps of a long slice, at most.
const LONG: u64 = 1 << 20;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

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

    /// The next budget: short ones often, longer ones sometimes, a long one seldom (xorshift).
    fn budget(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let most = match self.random & 0xFF {
            0 => LONG,
            n if n & 3 == 0 => 512,
            _ => 24,
        };
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
                let found = self.report(main, main.steps(), None, vec![found]);
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
        (stop, Some(self.report(main, equal_at, Some(ahead), differences)))
    }

    fn report(
        &self,
        main: &Machine,
        equal_at: u64,
        ahead: Option<Ahead>,
        differences: Vec<Difference>,
    ) -> Divergence {
        let block = ahead.as_ref().and_then(|ahead| ahead.block(&main.translations()).cloned());
        Divergence {
            equal_at,
            step: main.steps(),
            is_exact: false,
            block: block.map(Box::new),
            block_at: None,
            differences,
            ways: self.ways.map(Way::name),
            first: Box::new(main.cpu.state.clone()),
            second: Box::new(self.machine.cpu.state.clone()),
            code: ahead.map_or_else(Vec::new, |ahead| ahead.listing()),
        }
    }

    /// Goes again from the checkpoint to where both were last equal, then block by block, and from
    /// the block that differs on instruction by instruction.
    fn narrow(&mut self, main: &mut Machine, found: Divergence) -> Divergence {
        let Some(checkpoint) = self.checkpoint.take() else {
            return found;
        };
        let (sent, blocks) = (main.board.outputs(), main.translations());
        let steps = |ahead: &Ahead| ahead.block(&blocks).map_or(1, |b| b.listing.entries.len());
        let by_block = self.again(main, &checkpoint, &found, steps);
        let found = by_block.map_or(found, |b| Divergence { block_at: Some(b.equal_at), ..b });
        let usual =
            [&mut *main, &mut self.machine].map(|machine| machine.engine.set_block_insns(1));
        let by_insn = self.again(main, &checkpoint, &found, |_| 1);
        for (machine, most) in [&mut *main, &mut self.machine].into_iter().zip(usual) {
            machine.engine.set_block_insns(most);
        }
        main.board.put_outputs(sent);
        let Some(exact) = by_insn else { return found };
        let block = found.block.or(exact.block);
        Divergence { is_exact: true, block, block_at: found.block_at, ..exact }
    }

    /// Both from a checkpoint to where they were last equal, then on by so many steps at a time.
    fn again(
        &mut self,
        main: &mut Machine,
        checkpoint: &Checkpoint,
        found: &Divergence,
        steps: impl Fn(&Ahead) -> usize,
    ) -> Option<Divergence> {
        for machine in [&mut *main, &mut self.machine] {
            if !machine.go_back(&checkpoint.snapshot, checkpoint.inputs) {
                return None;
            }
            while machine.advance_alone(Until::step(found.equal_at)) == StopReason::EventsFull {
                drop(machine.cpu.events.take());
            }
        }
        while main.steps() < found.step {
            drop((main.cpu.events.take(), self.machine.cpu.events.take()));
            let next = main.steps() + steps(&Ahead::of(main)) as u64;
            let (stop, differs) = self.slice(main, Until::step(next));
            if differs.is_some() || stop != StopReason::Until {
                return differs;
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
            let (left, right) = (report::fields(&main.cpu.state), report::fields(&twin.cpu.state));
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

/// What comes next where a machine is.
struct Ahead {
    eip: u32,
    place: Option<PhysAddr>,
    is_user: bool,
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
        let place = machine.cpu.mmu.peek(&machine.board.sys.mem, at);
        let (is_user, is_32bit) = (state.cpl == 3, state.code32());
        Self { eip: state.eip(), place, is_user, bytes, count, is_32bit }
    }

    /// The block there; of several the one with the highest place, made last.
    fn block<'a>(&self, blocks: &'a [Translated]) -> Option<&'a Translated> {
        let place = self.place?;
        let fits = |b: &&Translated| {
            let mode = (b.is_user, b.is_32bit) == (self.is_user, self.is_32bit);
            b.eip == self.eip && mode && b.physical.contains(&place)
        };
        blocks.iter().filter(fits).max_by_key(|b| b.host)
    }

    fn listing(&self) -> Vec<String> {
        let lines = decode::disassemble(&self.bytes[..self.count], self.is_32bit, self.eip);
        let line = |(at, _, text): (usize, u8, String)| {
            format!("{:08x}  {text}", self.eip.wrapping_add(at as u32))
        };
        lines.into_iter().take(8).map(line).collect()
    }
}
