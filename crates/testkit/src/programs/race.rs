//! Two machines, two engines, one program: equal after every slice, or a finding.

use super::{Kind, Program, place};
use crate::rng::Rng;
use machine::{Engine, Machine, MachineConfig, MachineError, StopReason, Tuning, Until};
use std::collections::BTreeMap;
use x86::event::{Record, Wanted};
use x86::segment::{SegReg, attr};
use x86::{LinAddr, PhysAddr};

/// RAM, bytes.
const RAM: u64 = 1 << 20;
/// Bytes of the ROM, which only jumps to the frame.
const ROM: usize = 64 << 10;
/// A program that hasn't ended by then is left.
const STEPS: u64 = 150_000;
/// Virtual time after which a program that halts is left.
const NS: u64 = 100_000_000;
/// Instructions shown before a difference.
const SHOWN: u64 = 24;

/// What programs have done so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Programs.
    pub programs: u64,
    /// Steps of all of them, on one engine.
    pub steps: u64,
    /// Fragments by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Deliveries by vector.
    pub vectors: BTreeMap<u8, u64>,
    /// Events by their kind.
    pub events: BTreeMap<String, u64>,
    /// How programs ended.
    pub ends: BTreeMap<String, u64>,
}

/// A program on which the engines disagree.
#[derive(Debug)]
pub struct Finding {
    /// The program's seed.
    pub seed: u64,
    /// The last step at which they were seen to agree.
    pub equal_at: u64,
    /// The step at which they were seen not to.
    pub step: u64,
    /// What differs.
    pub what: String,
}

/// Both machines.
pub struct Race {
    machines: [Machine; 2],
    /// A machine of this shape before its first step.
    fresh: Vec<u8>,
}

impl Race {
    /// Two machines that run in these ways.
    pub fn new(engines: [Engine; 2]) -> Result<Self, MachineError> {
        let [first, second] = engines.map(|engine| Machine::new(config(engine)));
        let machines = [first?, second?];
        let fresh = machines[0].save();
        Ok(Self { machines, fresh })
    }

    /// Runs a program on both.
    pub fn run(&mut self, program: &Program, tally: &mut Tally) -> Result<(), Finding> {
        let end = self.run_to(program, STEPS, tally)?;
        let [first, second] = &self.machines;
        if first.state_hash() != second.state_hash() {
            let what = format!("the state hash: {}", memory(first, second));
            return Err(Finding { seed: program.seed, equal_at: 0, step: first.steps(), what });
        }
        self.count(program, end, tally);
        Ok(())
    }

    /// The same up to a step; the slices before it are the same whatever the step is. Returns how
    /// the program ended.
    fn run_to(
        &mut self,
        program: &Program,
        limit: u64,
        tally: &mut Tally,
    ) -> Result<String, Finding> {
        for machine in &mut self.machines {
            machine.restore(&self.fresh).expect("a snapshot of an equal machine");
            load(machine, program);
        }
        let mut rng = Rng::new(!program.seed);
        let most = rng.pick(&[3, 40, 700, 20_000]);
        loop {
            let [first, second] = &mut self.machines;
            let equal_at = first.steps();
            let target = equal_at + 1 + u64::from(rng.below(most));
            let until = Until::step(target.min(limit)).and_ns(NS);
            let stops = [first.advance(until), second.advance(until)];
            let events = [first.take_events(), second.take_events()];
            let what = difference(first, second, &stops).or_else(|| event_difference(&events));
            if let Some(what) = what {
                return Err(Finding { seed: program.seed, equal_at, step: first.steps(), what });
            }
            for record in &events[0] {
                *tally.events.entry(first_word(&record.event)).or_default() += 1;
            }
            match &stops[0] {
                StopReason::EventsFull => {}
                StopReason::Until if first.steps() < limit && first.now_ns() < NS => {}
                other => return Ok(first_word(other)),
            }
        }
    }

    /// Goes again to where the engines were last equal, and on to each step behind it in turn:
    /// the first that differs, and the instructions that led there.
    pub fn locate(&mut self, program: &Program) -> Option<(Finding, Vec<String>)> {
        let tally = &mut Tally::default();
        let found = self.run_to(program, STEPS, tally).err()?;
        let steps = found.equal_at + 1..=found.step;
        let exact = steps.into_iter().find_map(|step| self.run_to(program, step, tally).err());
        let found = exact.unwrap_or(found);
        let [_, machine] = &mut self.machines;
        machine.restore(&self.fresh).expect("a snapshot of an equal machine");
        load(machine, program);
        let mut code = Vec::new();
        while machine.steps() < found.step {
            if machine.steps() + SHOWN >= found.step {
                code.push(instruction(machine));
            }
            let next = Until::step(machine.steps() + 1).and_ns(NS);
            let stop = machine.advance(next);
            drop(machine.take_events());
            if !matches!(stop, StopReason::Until | StopReason::EventsFull) {
                break;
            }
        }
        Some((found, code))
    }

    fn count(&self, program: &Program, end: String, tally: &mut Tally) {
        let [machine, _] = &self.machines;
        tally.programs += 1;
        tally.steps += machine.steps();
        for kind in &program.kinds {
            *tally.kinds.entry(*kind).or_default() += 1;
        }
        for vector in 0..64 {
            let mut count = [0; 4];
            let at = PhysAddr(u64::from(place::COUNTS) + 4 * u64::from(vector));
            machine.system().mem.read_phys(at, &mut count);
            let count = u32::from_le_bytes(count);
            if count != 0 && count < 1 << 20 {
                *tally.vectors.entry(vector).or_default() += u64::from(count);
            }
        }
        *tally.ends.entry(end).or_default() += 1;
    }
}

/// The name of a variant.
fn first_word(what: &impl std::fmt::Debug) -> String {
    let text = format!("{what:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// The instruction a machine is at, with its step.
fn instruction(machine: &Machine) -> String {
    let (cpu, sys) = (machine.cpu(), machine.system());
    let cs = &cpu.state.seg[SegReg::Cs as usize];
    let eip = cpu.state.eip();
    let mut bytes = [0; decode::MAX_LEN];
    let length = cpu.peek(sys, LinAddr(cs.base).add32(u64::from(eip)), &mut bytes);
    let listing = decode::disassemble(&bytes[..length], cs.attrs & attr::DB != 0, eip);
    let text = listing.into_iter().next().map_or("(unmapped)".into(), |(_, _, text)| text);
    format!("{:>7}  {:04x}:{eip:08x}  {text}", machine.steps(), cs.selector.0)
}

fn event_difference(events: &[Vec<Record>; 2]) -> Option<String> {
    let [events, others] = events;
    let pairs = events.len().max(others.len());
    let at = (0..pairs).find(|at| events.get(*at) != others.get(*at))?;
    Some(format!("event {:?} and {:?}", events.get(at), others.get(at)))
}

fn config(engine: Engine) -> MachineConfig {
    let mut rom = vec![0xF4; ROM];
    // jmp 0000:1000
    rom[0xFFF0..0xFFF5].copy_from_slice(&[0xEA, 0x00, 0x10, 0x00, 0x00]);
    MachineConfig {
        bios: Some(rom.into()),
        memory_bytes: RAM,
        engine,
        wanted: Wanted::all() - Wanted::INSNS,
        translator: Tuning { cold_runs: 0, hot_rounds: 2, ..Tuning::default() },
        ..MachineConfig::default()
    }
}

fn load(machine: &mut Machine, program: &Program) {
    let frame = roms::get("fuzz-frame").expect("the frame is one of the guest programs");
    let period = u32::from(program.period);
    let words = |words: [u32; 4]| words.map(u32::to_le_bytes).concat();
    let parameters = words([0, 0, period, place::PROGRAM]);
    let pieces: [(u32, &[u8]); 4] = [
        (0x1000, frame),
        (place::RECOVER, &parameters),
        (place::PAGES, &Program::pages()),
        (place::PROGRAM, &program.code),
    ];
    for (at, bytes) in pieces {
        machine.system_mut().mem.write_phys(PhysAddr(at.into()), bytes);
    }
    machine.changed();
}

/// What differs in what a program can see of the processor.
fn difference(first: &Machine, second: &Machine, stops: &[StopReason; 2]) -> Option<String> {
    let at = first.steps();
    if stops[0] != stops[1] {
        return Some(format!("stop: {:?} and {:?}", stops[0], stops[1]));
    }
    if (at, first.now_ns()) != (second.steps(), second.now_ns()) {
        return Some(format!("steps: {at} and {}", second.steps()));
    }
    let states = [&first.cpu().state, &second.cpu().state];
    (states[0] != states[1]).then(|| {
        let [left, right] = states.map(|state| format!("{state:#x?}"));
        let lines = left.lines().zip(right.lines()).filter(|(left, right)| left != right);
        let lines: Vec<String> =
            lines.take(6).map(|(l, r)| format!("{} / {}", l.trim(), r.trim())).collect();
        format!("state: {}", lines.join("; "))
    })
}

/// Where memory differs first.
fn memory(first: &Machine, second: &Machine) -> String {
    let bytes = |machine: &Machine| {
        let mut bytes = vec![0; RAM as usize];
        machine.system().mem.read_phys(PhysAddr(0), &mut bytes);
        bytes
    };
    let (left, right) = (bytes(first), bytes(second));
    let at = left.iter().zip(&right).position(|(left, right)| left != right);
    at.map_or("not in memory".into(), |at| {
        format!("memory at {at:#x}: {:02x} and {:02x}", left[at], right[at])
    })
}
