//! `cloister translate`: runs a guest on the translator for a while, and shows its code beside
//! the host code that was made of it.

mod page;
mod text;

use crate::args::MachineArgs;
use crate::failure::Failure;
use crate::output::{self, Console, Style};
use crate::quantity;
use crate::run::setup;
use machine::{
    Engine, Machine, StopReason, Translated, TranslatedEntry, TranslationKind, Tuning, Until,
};
use std::path::PathBuf;
use x86::{LinAddr, PhysAddr};

/// Short help's end.
pub const EXAMPLES: &str = "\
Examples:
  cloister translate boot.bin                  the first blocks, by address
  cloister translate boot.bin --at 0x7C00      the block that holds this byte
  cloister translate kernel.elf --hottest      where the time goes
  cloister translate kernel.elf --steps 50M --limit 200 --html blocks.html
                                               a page to be read in a browser";

/// Long help's end.
pub fn long_help() -> String {
    format!("{EXAMPLES}\n\n{READING}")
}

const READING: &str = "\
The guest runs unseen, with nobody at its keyboard; what it says isn't shown. Then each block
stands with the guest's instructions on the left and their host instructions on the right:
  identical    the guest's very bytes
  re-encoded   one host instruction of the same form, in other bytes
  expanded     a sequence of host instructions
  callout      left to the interpreter, which works on the guest's virtual state: all that is
               privileged or sensitive, and what isn't emitted yet
A block counts how often it was executed since it was made, behind its budget check; the guest
runs the slower for that, and for being translated at once, but the same steps. Hot loops stay in
blocks of one round, where they are else made one block of several.
Host addresses (host +1A40h) count from the start of the translated code. In it r12 is the
guest's ESP, r14 the budget of steps, r15 the translator's context, and GS the window through
which guest memory is reached. Links say where a block's jumps lead: straight to another block,
or back to the translator, which links them once they are taken.

Blocks are translated when they first run: what never ran isn't there.";

/// What `cloister translate` is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    machine: MachineArgs,

    /// Run at most this many steps, then look: 500_000, 20M
    #[arg(long, value_name = "STEPS", default_value = "10M", value_parser = steps, help_heading = "What to show")]
    steps: u64,
    /// Show only the blocks that hold the byte at this linear or physical address, e.g. 0x7C00
    #[arg(long, value_name = "ADDR", value_parser = quantity::count, help_heading = "What to show")]
    at: Option<u64>,
    /// Show at most this many blocks
    #[arg(long, value_name = "BLOCKS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), help_heading = "What to show")]
    limit: u32,
    /// Show the blocks that were executed most often first, not by address
    #[arg(long, help_heading = "What to show")]
    hottest: bool,
    /// Write one self-contained HTML page to FILE instead
    #[arg(long, value_name = "FILE", help_heading = "What to show")]
    html: Option<PathBuf>,
}

/// A count of steps; K, M and G are thousands, millions and so on.
fn steps(text: &str) -> Result<u64, String> {
    let units = [('K', 1_000), ('M', 1_000_000), ('G', 1_000_000_000)];
    let unit = units.iter().find(|(name, _)| text.to_ascii_uppercase().ends_with(*name));
    let (digits, unit) = unit.map_or((text, 1), |(_, n)| (&text[..text.len() - 1], *n));
    let number = quantity::count(digits)
        .map_err(|_| format!("\"{text}\" is no count; write it like 500_000 or 20M"))?;
    number.checked_mul(unit).ok_or_else(|| format!("{text} is more than can be counted"))
}

/// What is shown.
struct Survey {
    /// How far the guest ran.
    heading: String,
    blocks: Vec<Translated>,
    /// What isn't shown, and how to see it.
    rest: Option<String>,
}

/// Runs the guest and shows its blocks.
pub fn run(args: &Args) -> Result<(), Failure> {
    // What runs once is to be seen too, and each round of a loop to be counted.
    let translator = Tuning { cold_runs: 0, hot_rounds: 0, counts: true, ..Tuning::default() };
    let mut machine = setup::machine(&args.machine, Engine::Jit, translator)?;
    let why = advance(&mut machine, args.steps);
    let survey = survey(args, &machine, why)?;
    if let Some(path) = &args.html {
        output::whole(path, page::page(&survey).as_bytes())?;
        output::say(&format!("{}; written to {}", survey.heading, path.display()));
        return Ok(());
    }
    let mut console = Console::stdout();
    console.line(&survey.heading, Style::Plain)?;
    survey.blocks.iter().try_for_each(|block| text::show(&mut console, block))?;
    survey.rest.iter().try_for_each(|rest| console.line(&format!("\n{rest}"), Style::Plain))
}

/// Runs until so many steps are done or the guest stops by itself; says which.
fn advance(machine: &mut Machine, steps: u64) -> &'static str {
    loop {
        match machine.advance(Until::step(steps)) {
            StopReason::EventsFull => drop(machine.take_events()),
            StopReason::Until => return "then --steps ended it",
            StopReason::PoweredOff | StopReason::DebugExit(_) => return "then it powered off",
            StopReason::Shutdown => return "then a triple fault shut it down",
            StopReason::Hang(_) => return "then it hung",
            StopReason::Idle => return "then it waited for input",
            StopReason::LongMode64 => return "then it switched to 64-bit mode",
            StopReason::Diverged(_) => return "then the engines disagreed",
        }
    }
}

fn survey(args: &Args, machine: &Machine, why: &str) -> Result<Survey, Failure> {
    let mut blocks = machine.translations();
    let (steps, made) = (machine.steps(), blocks.len());
    let heading = format!("the guest ran {steps} steps, {why}: {made} translated blocks");
    if let Some(addr) = args.at {
        let places = places(machine, addr);
        let starts: Vec<_> = blocks.iter().filter_map(|b| b.physical.first()).copied().collect();
        blocks.retain(|block| holds(block, addr, &places));
        if blocks.is_empty() {
            return Err(no_block(addr, steps, &starts));
        }
    }
    if blocks.is_empty() {
        return Err(Failure::usage(format!(
            "nothing is translated after {steps} steps: let the guest run longer with --steps"
        )));
    }
    if args.hottest {
        blocks.sort_by_key(|block| std::cmp::Reverse(block.executions));
    }
    let (found, limit) = (blocks.len(), usize::try_from(args.limit).unwrap_or(usize::MAX));
    blocks.truncate(limit);
    let rest = (found > limit).then(|| {
        format!("{} more blocks; --limit {found} shows them, --at ADDR one", found - limit)
    });
    Ok(Survey { heading, blocks, rest })
}

/// A physical address, and where the guest's paging leads from it as a linear one.
fn places(machine: &Machine, addr: u64) -> Vec<PhysAddr> {
    let mapped = machine.cpu().mmu.peek(&machine.system().mem, LinAddr(addr));
    [PhysAddr(addr)].into_iter().chain(mapped).collect()
}

/// A block's EIP counts too where it is 32-bit, since the paging it ran under may be gone.
fn holds(block: &Translated, addr: u64, places: &[PhysAddr]) -> bool {
    let (start, len) = (u64::from(block.eip), u64::from(block.len));
    let by_eip = block.is_32bit && (start..start + len).contains(&addr);
    by_eip || places.iter().any(|place| block.covers(*place))
}

fn no_block(addr: u64, steps: u64, starts: &[PhysAddr]) -> Failure {
    let nearest = starts.iter().min_by_key(|start| start.0.abs_diff(addr));
    let nearest = nearest.map_or_else(String::new, |at| format!(" (the nearest is {:#x})", at.0));
    Failure::usage(format!(
        "no translated block holds {addr:#x}{nearest}: nothing ran there in {steps} steps, or it \
         was overwritten; give more --steps, or leave --at out to see what there is"
    ))
}

/// How an instruction was translated, in the words of the help.
fn kind(entry: &TranslatedEntry) -> &'static str {
    match entry.kind {
        TranslationKind::Rewritten if entry.is_identical => "identical",
        TranslationKind::Rewritten => "re-encoded",
        TranslationKind::Expanded => "expanded",
        TranslationKind::Callout => "callout",
    }
}

/// One line about a block.
fn headline(block: &Translated) -> String {
    let physical = block.physical.first().map_or(0, |at| at.0);
    let bits = if block.is_32bit { "32-bit" } else { "16-bit" };
    let ring = if block.is_user { "ring 3" } else { "rings 0-2" };
    let window = if block.has_window { ", window" } else { "" };
    let times = match block.executions {
        Some(1) => ", executed once".to_owned(),
        Some(times) => format!(", executed {times} times"),
        None => String::new(),
    };
    format!(
        "{physical:08X} (EIP {:08X}), {bits}, {ring}{window}: {} bytes become {} at host \
         +{:X}h{times}",
        block.eip, block.len, block.host_len, block.host
    )
}

/// Where a way out leads.
fn link(link: &machine::Link) -> String {
    match (link.to, link.is_near) {
        (Some(to), _) => format!("{:08X} -> host +{to:X}h", link.eip),
        (None, true) => format!("{:08X} not linked yet", link.eip),
        (None, false) => format!("{:08X} in another page, looked up", link.eip),
    }
}
