//! `cloister` and `cloister tour`: the teaching kernel walks the rings, and beside its own words
//! stands what the processor did at each gate. Words and account come from the same trace of
//! events, in step order; nothing here knows what the kernel is about to do.

use crate::failure::Failure;
use crate::output::{Console, Style};
use crate::run::setup;
use crate::status::Status;
use debugger::{Symbols, narrate};
use machine::{Machine, MachineConfig, Medium, StopReason, Until};
use std::process::ExitCode;
use x86::Record;
use x86::event::{Event, Mode, Place, Wanted};

/// The port of the debug console.
const CONSOLE: u16 = 0xE9;
/// The real-mode segment of the BIOS.
const BIOS: u16 = 0xF000;
/// The tour is over in a fraction of this.
const MOST_NS: u64 = 10_000_000_000;

/// Plays the tour.
pub fn run() -> Result<ExitCode, Failure> {
    let image = roms::get("tour").ok_or_else(|| Failure::host("this build lacks the tour"))?;
    let floppy = Medium::floppy(image.into()).map_err(|error| Failure::host(error.to_string()))?;
    let config = MachineConfig {
        floppies: [Some(floppy), None],
        wanted: Wanted::CROSSINGS | Wanted::IO,
        ..MachineConfig::default()
    };
    let mut machine = Machine::new(config).map_err(|error| Failure::host(error.to_string()))?;
    setup::say_what_runs(&machine);
    let mut guide = Guide::new(Console::stdout());
    loop {
        let stop = machine.advance(Until::ns(MOST_NS));
        for record in machine.take_events() {
            guide.tell(&record)?;
        }
        match stop {
            _ if guide.console.is_closed() => return Ok(Status::Success.code()),
            StopReason::EventsFull => {}
            StopReason::PoweredOff => return guide.finish().map(|()| Status::Success.code()),
            other => return Err(Failure::host(format!("the tour stopped short: {other:?}"))),
        }
    }
}

/// Tells the tour.
struct Guide {
    console: Console,
    /// The kernel has said its first word; how it got into memory is no part of the walk.
    begun: bool,
    /// What the guest has said of its current line.
    line: Vec<u8>,
    crossings: u64,
}

impl Guide {
    fn new(console: Console) -> Self {
        Self { console, begun: false, line: Vec::new(), crossings: 0 }
    }

    fn tell(&mut self, record: &Record) -> Result<(), Failure> {
        match &record.event {
            Event::Io { port: CONSOLE, write: true, value, .. } => self.word(*value as u8),
            event if self.begun && !is_of_the_bios(event) => self.crossing(record),
            _ => Ok(()),
        }
    }

    /// A character of the guest.
    fn word(&mut self, byte: u8) -> Result<(), Failure> {
        self.begun = true;
        if byte != b'\n' {
            self.line.push(byte);
            return Ok(());
        }
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        self.console.line(&line, Style::Plain)
    }

    /// A crossing, in a box beside the guest's words.
    fn crossing(&mut self, record: &Record) -> Result<(), Failure> {
        let Some(lines) = narrate::boxed(record, &Symbols::default()) else { return Ok(()) };
        self.crossings += 1;
        for line in lines {
            self.console.line(&format!("        {line}"), Style::Ours)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if !self.line.is_empty() {
            self.word(b'\n')?;
        }
        let count = self.crossings;
        self.console.line("", Style::Plain)?;
        self.console.line(
            &format!(
                "{count} crossings. `cloister run --trace rings IMAGE` shows those of any guest."
            ),
            Style::Ours,
        )
    }
}

/// True for what the BIOS does for the guest: its services and the timer's ticks.
fn is_of_the_bios(event: &Event) -> bool {
    let bios = |at: &Place| at.mode == Mode::Real && at.cs.0 == BIOS;
    match event {
        Event::Transfer(transfer) => bios(&transfer.from) || bios(&transfer.to),
        Event::Halt { at, .. } => bios(at),
        _ => false,
    }
}
