//! The run loop around the machine: slices of virtual time, and between them the guest's words
//! go out, keys go in, and whoever wanted the run to end is asked.

use super::camera::Camera;
use super::hearing::Hearing;
use super::pacer::Pacer;
use super::ports::Ports;
use super::scene::rows;
use super::setup;
use super::trace::Trace;
use super::typist::Typist;
use crate::args::{ClockKind, Display, RunArgs, Serial};
use crate::failure::{Failure, plain};
use crate::live::{Live, Signals, Wish};
use crate::output::{Console, Stream, Style};
use debugger::Symbols;
use debugger::history::History;
use machine::{Input, Machine, StopReason, Until};
use std::collections::VecDeque;
use std::io::{IsTerminal, Read};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use x86::event::Wanted;

/// A slice of virtual time: between slices keys enter and texts are looked for. As long as the
/// machine's own: shorter ones would be felt.
const SLICE_NS: u64 = 10_000_000;
/// While a film is made: its frames are taken when the screen changes.
const FILM_SLICE_NS: u64 = 1_000_000;
/// A guest that runs no step for this long of virtual time, with nothing to be typed, is dead.
const DEAD_NS: u64 = 60_000_000_000;

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
    /// Ctrl-C, or another signal to stop.
    Interrupted,
    /// A person left, from the keyboard.
    Left,
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
    live: Option<Live>,
    camera: Camera,
    signals: Signals,
    left: bool,
    /// What was typed at the terminal and hasn't reached the guest's keyboard yet.
    typed: VecDeque<Input>,
    started: Instant,
    /// When the last step was seen to run: its number and the virtual time.
    alive: (u64, u64),
}

/// What the history needs, whoever traces: of the crossings SYSENTER's only if they are traced.
fn kept(trace: &Trace) -> Wanted {
    let told = Wanted::CROSSINGS | Wanted::FAULTS;
    if trace.wanted().intersects(Wanted::CROSSINGS) { told } else { told | Wanted::BUT_SYSENTER }
}

impl<'a> Session<'a> {
    /// Opens what the run writes to. Nothing has run yet.
    pub fn new(args: &'a RunArgs, mut machine: Machine, symbols: Symbols) -> Result<Self, Failure> {
        let signals = Signals::listen().map_err(|error| {
            Failure::host(format!("can't listen to signals: {}", plain(&error)))
        })?;
        let serial = match &args.serial {
            None | Some(Serial::Stdio) => SerialOut::Console,
            Some(Serial::None) => SerialOut::Nowhere,
            Some(Serial::File(path)) => SerialOut::File(Stream::create(path)?),
        };
        let file = args.trace_out.as_deref().map(Stream::create).transpose()?;
        let trace = Trace::new(args.trace, file);
        machine.cpu_mut().events.wanted = trace.wanted() | kept(&trace);
        let watched = is_watched(args);
        let scripted = args.expect.is_some() || args.keys.is_some();
        let hosted = match args.clock {
            None => watched && !scripted && !setup::compares(args),
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
            camera: Camera::new(args)?,
            live: watched.then(|| Live::open(&signals)).transpose()?,
            signals,
            left: false,
            typed: VecDeque::new(),
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
            self.camera.look(&mut self.machine);
            if let Some(end) = self.ended(stop) {
                self.trace.finish()?;
                return Ok(end);
            }
            self.input()?;
            self.pace();
        }
    }

    fn next_stop(&self) -> Until {
        let slice_ns = if self.args.record_screen.is_some() { FILM_SLICE_NS } else { SLICE_NS };
        let until = Until::ns(self.machine.now_ns().saturating_add(slice_ns));
        let until = self.args.max_time.map_or(until, |ns| until.and_ns(ns));
        self.args.max_insns.map_or(until, |step| until.and_step(step))
    }

    fn events(&mut self) -> Result<(), Failure> {
        let records = self.machine.take_events();
        self.history.observe_all(&records);
        self.trace.events(&records, &self.symbols)
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
        match &mut self.live {
            Some(live) => {
                live.hear(&console);
                live.hear(shown);
            }
            None => {
                self.console.raw(&console)?;
                self.console.raw(shown)?;
            }
        }
        if let SerialOut::File(file) = &mut self.serial {
            file.write(&serial)?;
            if !serial.is_empty() {
                file.flush()?;
            }
        }
        self.live.as_mut().map_or(Ok(()), |live| live.show(&mut self.machine))
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
        if self.signals.stop() {
            return Some(End::Interrupted);
        }
        if self.left {
            return Some(End::Left);
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
        if steps != self.alive.0 || typing || self.stdin.is_some() || self.live.is_some() {
            self.alive = (steps, now_ns);
        }
        now_ns - self.alive.1 > DEAD_NS
    }

    fn input(&mut self) -> Result<(), Failure> {
        self.type_keys();
        self.type_live()?;
        let typed: Vec<Vec<u8>> = self.stdin.iter().flat_map(|stdin| stdin.try_iter()).collect();
        for bytes in typed {
            self.machine.input(Input::Serial(bytes));
        }
        Ok(())
    }

    fn type_live(&mut self) -> Result<(), Failure> {
        let Some(live) = &mut self.live else { return Ok(()) };
        if self.signals.take_suspend() {
            live.suspend()?;
        }
        for wish in live.wishes()? {
            match wish {
                Wish::Leave => self.left = true,
                Wish::Input(input @ Input::Mouse(_)) => {
                    self.machine.input(input);
                }
                Wish::Input(input) => self.typed.push_back(input),
            }
        }
        if !self.machine.board().keyboard_is_busy()
            && let Some(input) = self.typed.pop_front()
        {
            self.machine.input(input);
        }
        Ok(())
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

    /// Writes the pictures of the screen that were asked for.
    pub fn pictures(&mut self) -> Result<(), Failure> {
        self.camera.finish(&self.machine)
    }

    /// What the typist waits for in vain, if anything.
    pub fn waits_for(&self) -> Option<String> {
        self.typist.as_ref().and_then(Typist::current).map(ToString::to_string)
    }

    /// Gives the terminal back, with what the guest said and its last screen left on it.
    pub fn close_live(&mut self) -> Result<(), Failure> {
        if let Some(live) = self.live.take() {
            let said = live.close();
            let screen = self.machine.board().screen();
            let rows = (0..screen.rows).map(|row| screen.line(row)).collect::<Vec<_>>();
            let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
            let used = if screen.is_graphics { 0 } else { used };
            for line in said.iter().chain(&rows[..used]) {
                self.console.line(line, Style::Plain)?;
            }
        }
        self.console.fresh_line()
    }
}

/// A person sees the screen as it changes: on a terminal that can draw, whose keyboard isn't
/// the guest's serial port.
fn is_watched(args: &RunArgs) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let tells = args.trace.is_some() && std::io::stderr().is_terminal();
    let both = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let is_asked_for = args.display == Display::Terminal && args.serial != Some(Serial::Stdio);
    is_asked_for && both && !dumb && !tells
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
