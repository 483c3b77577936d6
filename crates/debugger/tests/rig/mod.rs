//! Runs a guest on a whole machine and explains its end, as the command line does.

use debugger::{Ending, Explanation, GuestMemory, History, Link, Pic, Scene, Symbols};
use devices::pic::Chip;
use machine::{Engine, HangKind, Machine, MachineConfig, StopReason, Until};
use std::any::Any;
use std::sync::Arc;
use x86::{LinAddr, PhysAddr};

/// Enough for the BIOS and any of our kernels.
const STEPS: u64 = 20_000_000;
const NS: u64 = 5_000_000_000;

struct Memory<'a>(&'a Machine);

impl GuestMemory for Memory<'_> {
    fn linear(&self, addr: LinAddr, out: &mut [u8]) -> usize {
        self.0.cpu().peek(self.0.system(), addr, out)
    }
    fn physical(&self, addr: PhysAddr, out: &mut [u8]) {
        self.0.system().mem.read_phys(addr, out);
    }
    fn backed(&self, addr: PhysAddr) -> bool {
        matches!(self.0.system().mem.resolve(addr), mem::map::Target::Memory { .. })
    }
}

/// How a guest program ended.
pub struct Run {
    pub ending: Ending,
    pub explanation: Option<Explanation>,
    /// The explanation alone, step numbers replaced by N: they depend on the BIOS.
    pub summary: String,
    /// All of it: crossings, registers and code too.
    pub text: String,
}

/// Boots a guest program and runs it to its end.
pub fn run(name: &str, engine: Engine) -> Run {
    let image = roms::get(name).unwrap_or_else(|| panic!("there is no guest program {name}"));
    let mut config = MachineConfig { engine, ..MachineConfig::default() };
    config.add_image(Arc::from(image)).expect("an image that can be booted");
    let mut machine = Machine::new(config).expect("a machine");
    let mut history = History::new();
    let stop = loop {
        let stop = machine.advance(Until::ns(NS).and_step(STEPS));
        machine.take_events().iter().for_each(|record| history.observe(record));
        if stop != StopReason::EventsFull {
            break stop;
        }
    };
    explained(&machine, &history, ending(&stop))
}

fn ending(stop: &StopReason) -> Ending {
    match stop {
        StopReason::Shutdown => Ending::Shutdown,
        StopReason::Hang(HangKind::HaltWithoutInterrupts) => Ending::HaltedForEver,
        StopReason::Hang(HangKind::LoopWithoutInterrupts { .. }) => Ending::Spinning,
        StopReason::LongMode64 => Ending::LongMode,
        _ => Ending::Stopped,
    }
}

fn pic(machine: &Machine) -> Option<Pic> {
    let intc: &dyn Any = machine.system().bus.intc()?;
    let pic = intc.downcast_ref::<devices::Pic>()?;
    let pair = |value: fn(&Chip) -> u8| [value(pic.master()), value(pic.slave())];
    Some(Pic {
        base: pair(Chip::vector_base),
        imr: pair(Chip::imr),
        isr: pair(Chip::isr),
        irr: pair(Chip::irr),
    })
}

fn explained(machine: &Machine, history: &History, ending: Ending) -> Run {
    let chain: Vec<Link> = machine
        .cpu()
        .chain
        .iter()
        .map(|l| Link { fault: l.fault, why: l.cause, at: l.at, cr2: l.cr2 })
        .collect();
    let memory = Memory(machine);
    let symbols = Symbols::default();
    let scene = Scene {
        ending,
        steps: machine.steps(),
        state: &machine.cpu().state,
        chain: &chain,
        last_cause: machine.cpu().cause,
        history,
        memory: &memory,
        pic: pic(machine),
        symbols: &symbols,
    };
    let explanation = debugger::explain(&scene);
    let lines = explanation.as_ref().map(Explanation::summary).unwrap_or_default();
    let text = explanation.as_ref().map(|e| e.render(&scene)).unwrap_or_default();
    Run { ending, explanation, summary: without_steps(&lines), text: text.join("\n") }
}

/// Replaces the number behind `step`, `After` and `after`.
fn without_steps(lines: &[String]) -> String {
    let mut out = Vec::new();
    for line in lines {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for i in 1..words.len() {
            let is_number = words[i].starts_with(|c: char| c.is_ascii_digit());
            if is_number && matches!(words[i - 1].as_str(), "step" | "After" | "after") {
                let tail = words[i].trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
                words[i] = format!("N{tail}");
            }
        }
        out.push(words.join(" "));
    }
    out.join("\n") + "\n"
}
