//! The machine and its run loop.
//!
//! [`Machine::advance`] runs slices until something of interest happens. A slice ends by steps
//! alone: at the next deadline of a device, at the next input, at what was asked for, or after
//! ten milliseconds of virtual time. Between slices requests of devices are served, inputs
//! enter, and timers tick. Where the processor halts, idle time is skipped to the next event.

use crate::board::Board;
use crate::boot::Handoff;
use crate::config::{MachineConfig, OnShutdown};
use crate::error::MachineError;
use crate::hang::{self, HangKind};
use crate::input::{Input, Stamped};
use crate::lockstep::Twin;
use crate::runner::{Runner, Way};
use crate::stop::{StopReason, Until};
use bus::{Request, System};
use devices::vga::{Scanout, TextScreen};
use interp::{Cpu, Exit};
use std::collections::VecDeque;
use x86::{Eflags, Record};

/// The longest slice, virtual nanoseconds: a million steps where a step takes as long as it does at
/// first. The translator leaves its code by a fault of the host, which takes as long as some ten
/// thousand steps.
const SLICE_NS: u64 = 10_000_000;
/// Idle time without a step after which an unbounded `advance` gives the turn back.
const IDLE_NS: u64 = 60_000_000_000;
/// Slices shorter than this aren't searched for endless loops: a debugger's single steps.
const LOOP_STEPS: u64 = 16;

/// A PC.
pub struct Machine {
    pub(crate) cpu: Cpu,
    pub(crate) board: Board,
    pub(crate) engine: Runner,
    pub(crate) handoff: Option<Handoff>,
    /// The kernel is still to be started.
    pub(crate) booting_kernel: bool,
    on_shutdown: OnShutdown,
    log: Vec<Stamped>,
    scheduled: VecDeque<Stamped>,
    next_seq: u64,
    twin: Option<Box<Twin>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("steps", &self.cpu.steps).finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine after power-on. Nothing has run yet.
    pub fn new(mut config: MachineConfig) -> Result<Self, MachineError> {
        let (way, twin) = config.engine.runners();
        let Some(other) = twin else {
            return Self::alone(&config, way);
        };
        config.keep_writes_in_memory();
        // The interpreter in the translator's place would be compared with itself.
        config.translator.cold_runs = 0;
        config.translator.hot_rounds = 2;
        let twin = Some(Box::new(Twin::new(&config, [way, other])?));
        Ok(Self { twin, ..Self::alone(&config, way)? })
    }

    /// A machine without a twin.
    pub(crate) fn alone(config: &MachineConfig, way: Way) -> Result<Self, MachineError> {
        let handoff = config.handoff()?;
        let (on_shutdown, wanted) = (config.on_shutdown, config.wanted);
        let board = Board::new(config)?;
        let mut cpu = Cpu::of(config.model());
        cpu.events.wanted = wanted;
        let mut machine = Self {
            cpu,
            board,
            engine: Runner::new(way, config.translator)?,
            booting_kernel: handoff.is_some(),
            handoff,
            on_shutdown,
            log: Vec::new(),
            scheduled: VecDeque::new(),
            next_seq: 0,
            twin: None,
        };
        machine.power_on();
        Ok(machine)
    }

    fn power_on(&mut self) {
        self.board.power_on(self.booting_kernel);
        self.reset_cpu();
    }

    /// The processor.
    #[must_use]
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// The processor, to be changed by a debugger. Call [`Machine::changed`] afterwards.
    pub fn cpu_mut(&mut self) -> &mut Cpu {
        &mut self.cpu
    }

    /// Memory and bus.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.board.sys
    }

    /// Memory and bus, to be changed. Memory is written with `Memory::write_phys`.
    pub fn system_mut(&mut self) -> &mut System {
        &mut self.board.sys
    }

    /// The board: its devices by name.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The board, to be changed.
    pub fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }

    /// Says that the processor's state was changed from outside.
    pub fn changed(&mut self) {
        self.cpu.sync();
        self.engine.flush();
    }

    /// Why the interpreter runs what [`Engine::Best`](crate::Engine::Best) would have translated.
    #[must_use]
    pub fn untranslated(&self) -> Option<&jit::JitError> {
        self.engine.untranslated()
    }

    /// What is translated now, by physical address; nothing where nothing translates.
    #[must_use]
    pub fn translations(&self) -> Vec<jit::survey::Translated> {
        self.engine.survey(&self.cpu, &self.board.sys)
    }

    /// Searches all emitted code for instructions that a user program must not run.
    #[must_use]
    pub fn sweep(&self) -> jit::survey::Sweep {
        self.engine.sweep()
    }

    /// What the translator has done since power-on; `None` where nothing translates.
    pub fn translator_statistics(&mut self) -> Option<jit::Statistics> {
        self.engine.statistics()
    }

    /// Steps since power-on.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.cpu.steps
    }

    /// Virtual nanoseconds since power-on.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.board.sys.bus.clock.now_ns(self.cpu.steps)
    }

    /// True while a kernel waits for the BIOS to be done: what runs isn't the guest's yet.
    #[must_use]
    pub fn kernel_waits(&self) -> bool {
        self.booting_kernel
    }

    /// The text screen as it shows now.
    #[must_use]
    pub fn screen(&self) -> TextScreen {
        self.board.screen()
    }

    /// The display as it shows now: registers and memory, for crate `screen` to draw.
    #[must_use]
    pub fn scanout(&self) -> Scanout {
        self.board.scanout(self.now_ns())
    }

    /// A number that is another whenever the screen may look different than when it was last
    /// asked for; cheap enough for sixty times a second.
    pub fn screen_generation(&mut self) -> u64 {
        let now_ns = self.now_ns();
        self.board.screen_generation(now_ns)
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Record> {
        if let Some(twin) = &mut self.twin {
            drop(twin.machine.cpu.events.take());
        }
        self.cpu.events.take()
    }

    /// An input, now. False if the machine can't take it yet (the keyboard's buffer is full):
    /// then nothing has happened.
    pub fn input(&mut self, input: Input) -> bool {
        let stamped =
            Stamped { step: self.cpu.steps, ns: self.now_ns(), seq: self.next_seq, input };
        self.enter(stamped)
    }

    /// An input of a recorded run, to enter at its moment. They come in order.
    pub fn schedule(&mut self, input: Stamped) {
        if let Some(twin) = &mut self.twin {
            twin.machine.schedule(input.clone());
        }
        self.scheduled.push_back(input);
    }

    /// Goes back to a snapshot of this run, `inputs` inputs after power-on, with the later ones
    /// scheduled to come again. False if it can't.
    pub(crate) fn go_back(&mut self, snapshot: &[u8], inputs: usize) -> bool {
        if inputs > self.log.len() || self.restore(snapshot).is_err() {
            return false;
        }
        let again = self.log.split_off(inputs);
        for input in again.into_iter().rev() {
            self.scheduled.push_front(input);
        }
        true
    }

    /// All inputs so far.
    #[must_use]
    pub fn input_log(&self) -> &[Stamped] {
        &self.log
    }

    fn enter(&mut self, stamped: Stamped) -> bool {
        let step = self.cpu.steps;
        match &stamped.input {
            Input::Key { key, down } => {
                if !self.board.press(*key, *down) {
                    return false;
                }
            }
            Input::Mouse(motion) => self.board.mouse(*motion),
            Input::Serial(bytes) => self.board.receive(bytes),
            Input::Rate(ps_per_step) => self.board.sys.bus.clock.set_rate(step, *ps_per_step),
            Input::Nmi => self.board.sys.bus.signals().raise_nmi(),
            Input::Reset => self.board.sys.bus.signals().request(Request::Reset),
        }
        if let Some(twin) = &mut self.twin {
            twin.machine.enter(stamped.clone());
        }
        self.next_seq = stamped.seq + 1;
        self.log.push(stamped);
        true
    }

    /// Runs until `until`, or until something else stops the machine.
    pub fn advance(&mut self, until: Until) -> StopReason {
        let Some(mut twin) = self.twin.take() else {
            return self.advance_alone(until);
        };
        let stop = twin.advance(self, until);
        self.twin = Some(twin);
        stop
    }

    /// Runs one engine.
    pub(crate) fn advance_alone(&mut self, until: Until) -> StopReason {
        let mut idle_since_ns = self.now_ns();
        loop {
            if let Some(stop) = self.serve_requests() {
                return stop;
            }
            self.enter_due_inputs();
            self.tick();
            if self.has_reached(until) {
                return StopReason::Until;
            }
            let before = self.cpu.steps;
            let exit = self.slice(until);
            if let Some(stop) = self.after(exit, before, until) {
                return stop;
            }
            if self.cpu.steps != before {
                idle_since_ns = self.now_ns();
            } else if until.ns.is_none() && self.now_ns() - idle_since_ns > IDLE_NS {
                return StopReason::Idle;
            }
        }
    }

    pub(crate) fn has_reached(&self, until: Until) -> bool {
        until.step.is_some_and(|step| self.cpu.steps >= step)
            || until.ns.is_some_and(|ns| self.now_ns() >= ns)
    }

    fn enter_due_inputs(&mut self) {
        let (step, ns) = (self.cpu.steps, self.now_ns());
        while self.scheduled.front().is_some_and(|i| i.is_due(step, ns)) {
            if let Some(input) = self.scheduled.pop_front() {
                self.enter(input);
            }
        }
    }

    fn tick(&mut self) {
        let System { mem, bus } = &mut self.board.sys;
        bus.run_timers(self.cpu.steps, mem);
    }

    /// Runs up to the next moment at which anything from outside the processor can happen.
    fn slice(&mut self, until: Until) -> Exit {
        let (step, bus) = (self.cpu.steps, &self.board.sys.bus);
        let at = |ns: u64| bus.clock.step_at(step, ns);
        let deadline = bus.next_deadline_ns().map(at);
        let input = self.scheduled.front().map(|i| i.step.max(step + 1));
        let bounds = [until.step, until.ns.map(at), deadline, input];
        let slice_end = at(self.now_ns().saturating_add(SLICE_NS));
        let end = bounds.into_iter().flatten().min().unwrap_or(u64::MAX).min(slice_end);
        // What made the last slice end early has been looked at.
        bus.signals().take_attention();
        self.engine.run(&mut self.cpu, &mut self.board.sys, end.saturating_sub(step).max(1))
    }

    fn after(&mut self, exit: Exit, before: u64, until: Until) -> Option<StopReason> {
        match exit {
            Exit::Budget => {
                let is_long = self.cpu.steps - before >= LOOP_STEPS && self.scheduled.is_empty();
                let hang = if is_long { hang::hang(&self.cpu, &self.board.sys) } else { None };
                hang.map(StopReason::Hang)
            }
            Exit::Attention => self.cpu.events.is_full().then_some(StopReason::EventsFull),
            Exit::Halted => self.halted(until),
            Exit::LongMode => Some(StopReason::LongMode64),
            Exit::Shutdown => match self.on_shutdown {
                OnShutdown::Stop => Some(StopReason::Shutdown),
                OnShutdown::Reset => {
                    self.reset();
                    None
                }
            },
        }
    }

    /// HLT: starts the kernel if it was waiting for the BIOS, skips idle time, or finds that
    /// nothing will ever wake the processor.
    fn halted(&mut self, until: Until) -> Option<StopReason> {
        if self.booting_kernel && Handoff::is_due(&self.cpu.state) {
            self.start_kernel();
            return None;
        }
        if self.board.sys.bus.signals().has_requests() {
            return None;
        }
        let state = &self.cpu.state;
        let wakes = state.flag(Eflags::IF) || (state.nmi_pending && !state.nmi_masked);
        if !wakes && self.scheduled.is_empty() {
            return Some(StopReason::Hang(HangKind::HaltWithoutInterrupts));
        }
        let bus = &self.board.sys.bus;
        let input = self.scheduled.front().map(|i| i.ns);
        let Some(wake_ns) = [bus.next_deadline_ns(), input, until.ns].into_iter().flatten().min()
        else {
            return Some(StopReason::Idle);
        };
        // At least one nanosecond: time goes on even if a device's deadline doesn't.
        let skipped_ns = wake_ns.saturating_sub(self.now_ns()).max(1);
        self.board.sys.bus.clock.skip(self.cpu.steps, skipped_ns);
        None
    }

    fn start_kernel(&mut self) {
        let Some(handoff) = &self.handoff else {
            return;
        };
        handoff.write(&mut self.board.sys.mem);
        handoff.enter(&mut self.cpu.state);
        self.booting_kernel = false;
        self.board.put_right_floppy(false);
        self.cpu.sync();
        self.engine.flush();
    }

    /// Serves what devices asked for.
    fn serve_requests(&mut self) -> Option<StopReason> {
        let signals = self.board.sys.bus.signals();
        if signals.take_nmi() {
            self.cpu.state.nmi_pending = true;
        }
        let requests = signals.take_requests();
        if requests == 0 {
            return None;
        }
        let asked = |r: Request| requests & r as u32 != 0;
        let debug_exit = signals.debug_exit();
        if asked(Request::A20) {
            self.cpu.mmu.set_a20(signals.a20());
        }
        if asked(Request::DebugExit) {
            return Some(StopReason::DebugExit(debug_exit));
        }
        if asked(Request::PowerOff) {
            return Some(StopReason::PoweredOff);
        }
        if asked(Request::Reset) {
            self.reset();
        }
        None
    }

    /// Resets the processor, as the 8042, port 92h and a shutdown on a PC do. Memory and
    /// devices keep their state: the BIOS finds in CMOS why it runs.
    fn reset(&mut self) {
        if self.handoff.is_some() && !self.booting_kernel {
            self.booting_kernel = true;
            self.board.put_right_floppy(true);
        }
        self.board.processor_reset();
        self.reset_cpu();
    }

    fn reset_cpu(&mut self) {
        self.cpu.reset();
        self.cpu.mmu.set_a20(self.board.sys.bus.signals().a20());
        self.cpu.sync();
        self.engine.flush();
    }
}
