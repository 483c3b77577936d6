//! The run loop around the machine: slices of virtual time, and between them the guest's words
//! go out, keys go in, and whoever wanted the run to end is asked.

use super::hearing::Hearing;
use super::pacer::Pacer;
use super::pane::Pane;
use super::ports::Ports;
use super::scene::rows;
use super::trace::Trace;
use super::typist::Typist;
use crate::args::{ClockKind, Engine, RunArgs, Serial};
use crate::failure::Failure;
use crate::output::{Console, Stream};
use debugger::Symbols;
use debugger::history::History;
use machine::{Input, Machine, StopReason, Until};
use std::io::{IsTerminal, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use x86::event::Wanted;

/// A slice of virtual time: between slices keys enter and texts are looked for.
const SLICE_NS: u64 = 1_000_000;
/// A guest that runs no step for this long of virtual time, with nothing to be typed, is dead.
const DEAD_NS: u64 = 60_000_000_000;

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Why a run ended.
#[derive(Debug)]
pub enum End {
    /// The machine stopped.
    Machine(StopReason),
    /// `--expect` was met.
    Expected,
    /// `--max-insns`.
    MaxInsns,
    /// `--max-time`.
    MaxTime,
    /// `--timeout`.
    Timeout,
    /// Nothing has run for a long time, and nothing will.
    Dead,
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads our output any more.
    PipeClosed,
}

/// Where COM1's output goes.
enum SerialOut {
    Console,
    Nowhere,
    File(Stream),
}

/// A machine that runs, and all that hangs on it.
pub struct Session<'a> {
    args: &'a RunArgs,
    pub machine: Machine,
    pub symbols: Symbols,
    pub history: History,
    pub console: Console,
    trace: Trace,
    serial: SerialOut,
    ports: Ports,
    stdin: Option<Receiver<Vec<u8>>>,
    typist: Option<Typist>,
    typist_hears: Hearing,
    expect_hears: Hearing,
    pacer: Option<Pacer>,
    pane: Option<Pane>,
    started: Instant,
    /// When the last step was seen to run: its number and the virtual time.
    alive: (u64, u64),
}

impl<'a> Session<'a> {
    /// Opens what the run writes to. Nothing has run yet.
    pub fn new(args: &'a RunArgs, mut machine: Machine, symbols: Symbols) -> Result<Self, Failure> {
        // A second handler can't be set; there is only ever one session in a process.
        let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
        let serial = match &args.serial {
            None | Some(Serial::Stdio) => SerialOut::Console,
            Some(Serial::None) => SerialOut::Nowhere,
            Some(Serial::File(path)) => SerialOut::File(Stream::create(path)?),
        };
        let file = args.trace_out.as_deref().map(Stream::create).transpose()?;
        let trace = Trace::new(args.trace, file);
        let told = Wanted::CROSSINGS | Wanted::FAULTS;
        machine.cpu_mut().events.wanted = trace.wanted() | told;
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let watched = std::io::stdout().is_terminal() && !dumb;
        let scripted = args.expect.is_some() || args.keys.is_some();
        let hosted = match args.clock {
            None => watched && !scripted && args.engine == Engine::Interp,
            Some(kind) => kind == ClockKind::Host,
        };
        Ok(Self {
            serial,
            ports: Ports::open(args)?,
            trace,
            symbols,
            history: History::new(),
            console: Console::stdout(),
            stdin: (args.serial == Some(Serial::Stdio)).then(read_stdin),
            typist: args.keys.clone().map(Typist::new),
            typist_hears: Hearing::default(),
            expect_hears: Hearing::default(),
            pacer: hosted.then(|| Pacer::new(machine.now_ns(), machine.steps())),
            pane: watched.then(Pane::new),
            started: Instant::now(),
            alive: (0, 0),
            args,
            machine,
        })
    }

    /// Runs to the end.
    pub fn run(&mut self) -> Result<End, Failure> {
        loop {
            let stop = self.machine.advance(self.next_stop());
            self.events()?;
            self.output()?;
            if let Some(end) = self.ended(stop) {
                self.trace.finish()?;
                return Ok(end);
            }
            self.input();
            self.pace();
        }
    }

    fn next_stop(&self) -> Until {
        let until = Until::ns(self.machine.now_ns().saturating_add(SLICE_NS));
        let until = self.args.max_time.map_or(until, |ns| until.and_ns(ns));
        self.args.max_insns.map_or(until, |step| until.and_step(step))
    }

    fn events(&mut self) -> Result<(), Failure> {
        for record in self.machine.take_events() {
            self.history.observe(&record);
            self.trace.event(&record, &self.symbols)?;
        }
        Ok(())
    }

    /// The guest's words, to whoever listens.
    fn output(&mut self) -> Result<(), Failure> {
        self.ports.drain(&self.machine)?;
        let (serial, console) =
            (self.machine.board().take_serial(), self.machine.board().take_console());
        if self.typist.is_some() {
            self.typist_hears.hear(&serial, &console);
        }
        if self.args.expect.is_some() {
            self.expect_hears.hear(&serial, &console);
        }
        let shown: &[u8] = if matches!(self.serial, SerialOut::Console) { &serial } else { &[] };
        if let Some(pane) = self.pane.as_mut().filter(|_| !(shown.is_empty() && console.is_empty()))
        {
            pane.clear(&mut self.console)?;
        }
        self.console.raw(&console)?;
        self.console.raw(shown)?;
        if let SerialOut::File(file) = &mut self.serial {
            file.write(&serial)?;
            if !serial.is_empty() {
                file.flush()?;
            }
        }
        match &mut self.pane {
            Some(pane) => pane.show(&self.machine, &mut self.console),
            None => Ok(()),
        }
    }

    fn ended(&mut self, stop: StopReason) -> Option<End> {
        // What the guest's last words fulfil counts, whatever came after them.
        if self.is_as_expected() {
            return Some(End::Expected);
        }
        if self.console.is_closed() {
            return Some(End::PipeClosed);
        }
        match stop {
            StopReason::Until | StopReason::EventsFull | StopReason::Idle => {}
            other => return Some(End::Machine(other)),
        }
        if self.args.max_insns.is_some_and(|most| self.machine.steps() >= most) {
            return Some(End::MaxInsns);
        }
        if self.args.max_time.is_some_and(|most| self.machine.now_ns() >= most) {
            return Some(End::MaxTime);
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Some(End::Interrupted);
        }
        let timeout = self.args.timeout.map(Duration::from_nanos);
        if timeout.is_some_and(|most| self.started.elapsed() >= most) {
            return Some(End::Timeout);
        }
        self.is_dead().then_some(End::Dead)
    }

    fn is_as_expected(&mut self) -> bool {
        let Some(text) = &self.args.expect else { return false };
        self.expect_hears.shows(text, &rows(&self.machine))
    }

    fn is_dead(&mut self) -> bool {
        let (steps, now_ns) = (self.machine.steps(), self.machine.now_ns());
        let typing = self.typist.as_ref().is_some_and(|typist| !typist.is_done());
        if steps != self.alive.0 || typing || self.stdin.is_some() {
            self.alive = (steps, now_ns);
        }
        now_ns - self.alive.1 > DEAD_NS
    }

    fn input(&mut self) {
        self.type_keys();
        let typed: Vec<Vec<u8>> = self.stdin.iter().flat_map(|stdin| stdin.try_iter()).collect();
        for bytes in typed {
            self.machine.input(Input::Serial(bytes));
        }
    }

    fn type_keys(&mut self) {
        // A guest that doesn't read its keyboard gets no more than the keyboard holds.
        let busy = self.machine.board().keyboard_is_busy();
        let Some(typist) = self.typist.as_mut().filter(|typist| !busy && !typist.is_done()) else {
            return;
        };
        let (now_ns, screen) = (self.machine.now_ns(), rows(&self.machine));
        for (key, down) in typist.at(now_ns, &mut self.typist_hears, &screen) {
            self.machine.input(Input::Key { key, down });
        }
    }

    fn pace(&mut self) {
        let Some(pacer) = &mut self.pacer else { return };
        let rate = self.machine.system().bus.clock.rate();
        let new = pacer.pace(self.machine.now_ns(), self.machine.steps(), rate);
        if let Some(ps_per_step) = new {
            self.machine.input(Input::Rate(ps_per_step));
        }
    }

    /// What the typist waits for in vain, if anything.
    pub fn waits_for(&self) -> Option<String> {
        self.typist.as_ref().and_then(Typist::current).map(ToString::to_string)
    }

    /// Leaves the terminal to whoever writes next.
    pub fn leave_pane(&mut self) -> Result<(), Failure> {
        if let Some(mut pane) = self.pane.take() {
            pane.leave(&mut self.console)?;
        }
        self.console.fresh_line()
    }
}

/// Reads standard input from a thread of its own, since reading blocks.
fn read_stdin() -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
