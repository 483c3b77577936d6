//! The engine: finds or makes the block at CS:EIP, runs emitted code until it leaves, and looks
//! around at boundaries exactly as the interpreter does.

use crate::abi::{Context, Exit as Left, Mode};
use crate::arena::{Arena, ContextPage, JitError, MOST_STEPS};
use crate::block::{Block, Edge, Key};
use crate::cache::Cache;
use crate::callout::{NEARLY_SPENT, callout, pack, unpack};
use crate::counts::Counts;
use crate::door::Door;
use crate::emit::{self, Source, Tools};
use crate::fault::Registration;
use crate::jumps::Jumps;
use crate::stats::Counters;
use crate::stubs::Stubs;
use crate::window::Windows;
use bus::System;
use interp::{Cpu, Exit, Next};
use std::collections::HashSet;
use x86::{Eflags, SegReg};

/// Room that a block's host code may take, bytes: more is never made of so few instructions.
const BLOCK_ROOM: usize = 64 << 10;

/// Bytes of a loop that may become one block.
const LOOP_BYTES: u64 = 256;

/// When windows are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowUse {
    /// Once the guest's translations rest.
    #[default]
    AtRest,
    /// From the first instruction on.
    AtOnce,
    /// Never: all accesses go through the software TLB.
    Never,
}

/// How blocks lead to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Direct jumps within a page lead straight on, all others through the jump cache.
    #[default]
    All,
    /// Direct jumps within a page lead straight on; the jump cache stays empty.
    Direct,
    /// After each block the engine looks for the next one.
    Never,
}

/// How to translate. The default is what serves a guest best; the others show and test a part.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The most instructions a block holds.
    pub block_insns: usize,
    /// How often the interpreter runs a piece of code before it is translated, again after each
    /// time that it was overwritten.
    pub cold_runs: u8,
    /// How often a loop is gone round before it is made one block; 0 for never.
    pub hot_rounds: u8,
    /// When windows are used.
    pub windows: WindowUse,
    /// How blocks lead to each other.
    pub links: Links,
    /// Blocks count how often they are executed.
    pub counts: bool,
    /// Nanoseconds of the host, for somebody who wants to know what translating costs: nothing
    /// else comes of them.
    pub clock: Option<fn() -> u64>,
    /// Says what this host lacks. [`check_host`], save where a test tells of another host.
    pub host: fn() -> Result<(), JitError>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            block_insns: 32,
            cold_runs: 2,
            hot_rounds: 16,
            windows: WindowUse::AtRest,
            links: Links::All,
            counts: false,
            clock: None,
            host: check_host,
        }
    }
}

/// What an edge closes.
enum Loop {
    /// No loop, or one that is no longer looked at.
    No,
    /// A loop that wasn't gone round often.
    Young,
    /// A loop of so many bytes.
    Hot(u32),
}

/// What there is at an address.
enum Found {
    /// A block, by its number.
    Block(u32),
    /// Code that was hardly run yet.
    Cold,
    /// Something that must be taken alone.
    Nothing,
}

/// The translator of one processor. Holds host caches only.
pub struct Jit {
    pub(crate) cache: Cache,
    pub(crate) arena: Arena,
    pub(crate) stubs: Stubs,
    // Goes before the page it names.
    _registration: Registration,
    pub(crate) context: ContextPage,
    jumps: Box<Jumps>,
    pub(crate) windows: Box<Windows>,
    /// Instructions, by their offsets in the arena, that must not use a window.
    pub(crate) soft: HashSet<u64>,
    pub(crate) tuning: Tuning,
    pub(crate) counters: Counters,
    pub(crate) counts: Counts,
    tools: Tools,
}

impl std::fmt::Debug for Jit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jit").field("blocks", &self.cache.len()).finish_non_exhaustive()
    }
}

/// What a host's processor and kernel must have; memory shows when it is asked for.
pub fn check_host() -> Result<(), JitError> {
    if !is_x86_feature("bmi2") {
        return Err(JitError::Processor("BMI2"));
    }
    // SAFETY: reads the auxiliary vector; bit 1 of AT_HWCAP2 says that WRGSBASE may be used.
    if unsafe { libc::getauxval(libc::AT_HWCAP2) } & 2 == 0 {
        return Err(JitError::Processor("FSGSBASE"));
    }
    Ok(())
}

fn is_x86_feature(name: &str) -> bool {
    match name {
        "bmi2" => std::arch::is_x86_feature_detected!("bmi2"),
        _ => false,
    }
}

impl Jit {
    /// A translator with empty caches; an error names what this host lacks.
    pub fn new() -> Result<Self, JitError> {
        Self::tuned(Tuning::default())
    }

    /// A translator that works in a given way.
    pub fn tuned(tuning: Tuning) -> Result<Self, JitError> {
        (tuning.host)()?;
        let mut arena = Arena::new()?;
        let stubs = Stubs::new(&mut arena)?;
        let mut context = ContextPage::new()?;
        let registration = Registration::new(context.as_ptr())?;
        let c = context.get();
        c.callout = stubs.callout as u64;
        c.exit_edge = stubs.exit_edge as u64;
        c.exit_dispatch = stubs.exit_dispatch as u64;
        c.callout_fn = callout as *const () as u64;
        c.miss = stubs.miss as u64;
        c.repeats = stubs.repeats.map(|stub| stub as u64);
        c.refill_fn = crate::miss::refill as *const () as u64;
        c.fpu.init(&stubs);
        c.code = [arena.start() as u64, crate::arena::CODE_BYTES as u64];
        c.by_cache = stubs.by_cache as u64;
        let jumps = Box::new(Jumps::new(context.table(), stubs.by_cache));
        let counts = Counts::new(tuning.counts);
        context.get().counts = counts.start();
        Ok(Self {
            cache: Cache::new(stubs.expected.to_vec()),
            arena,
            stubs,
            _registration: registration,
            context,
            jumps,
            windows: Box::new(Windows::new(tuning.windows)),
            soft: HashSet::new(),
            tuning,
            counters: Counters::default(),
            counts,
            tools: Tools::default(),
        })
    }

    /// Drops all translated code.
    pub fn flush(&mut self) {
        self.cache.clear(&mut self.arena, &mut self.jumps, None);
        self.context.get().doors = [Door::SHUT; 2];
        self.windows.clear();
        self.soft.clear();
    }

    /// Makes blocks of at most so many instructions from now on; returns how many it were.
    pub fn set_block_insns(&mut self, most: usize) -> usize {
        self.flush();
        std::mem::replace(&mut self.tuning.block_insns, most)
    }

    /// Runs until `budget` steps are done or something else ends it. The state is exact then.
    pub fn run(&mut self, cpu: &mut Cpu, sys: &mut System, budget: u64) -> Exit {
        cpu.begin(sys, budget);
        loop {
            let next = if cpu.wants_boundary() {
                self.cache.drop_written(&mut self.arena, &mut self.jumps, sys, cpu.steps);
                cpu.boundary(sys)
            } else {
                Next::Block
            };
            match next {
                Next::Exit(exit) => return exit,
                Next::Again => {}
                Next::Resume => self.resume(cpu, sys),
                Next::Single => {
                    cpu.end_block();
                    self.alone(cpu, sys);
                }
                Next::Block => self.blocks(cpu, sys),
            }
        }
    }

    /// Runs on after a fault was handled, as [`interp::Interp`] does: RF goes out before a block that
    /// doesn't begin with a REP, and the jump cache has it the next time.
    fn resume(&mut self, cpu: &mut Cpu, sys: &mut System) {
        self.prepare(cpu, sys);
        if let Found::Block(id) = self.find(cpu, sys)
            && !self.cache.block(id).repeats
        {
            cpu.state.set_flag(Eflags::RF, false);
            return self.blocks(cpu, sys);
        }
        cpu.end_block();
        self.alone(cpu, sys);
    }

    /// Runs blocks until something asks for a look around.
    fn blocks(&mut self, cpu: &mut Cpu, sys: &mut System) {
        let mut arrived: Option<u32> = None;
        self.prepare(cpu, sys);
        loop {
            if cpu.steps >= cpu.budget_end {
                return cpu.end_block();
            }
            if arrived.is_none()
                && cpu.budget_end - cpu.steps >= NEARLY_SPENT
                && let Some(start) = self.jumps.find(cpu.state.eip())
            {
                match self.after(cpu, sys, start) {
                    Some(edge) => arrived = edge,
                    None => return,
                }
                continue;
            }
            let generation = self.cache.generation;
            let mut id = match self.find(cpu, sys) {
                Found::Block(id) => id,
                Found::Cold => return self.stretch(cpu, sys),
                Found::Nothing => return self.alone(cpu, sys),
            };
            if let Some(edge) = arrived
                && self.cache.generation == generation
            {
                match self.hot_loop(edge, id) {
                    Loop::No => {}
                    Loop::Young => arrived = None,
                    Loop::Hot(len) => id = self.make_loop(cpu, sys, id, len),
                }
            }
            let (seen, version) = (sys.mem.states().seen(), cpu.mmu.view().version());
            let c = self.context.get();
            if (c.seen, c.version) != (seen, version) || self.cache.generation != generation {
                // Making a block withdrew write rights, or dropped all others.
                let mode = c.mode;
                self.prepare(cpu, sys);
                if self.context.get().mode != mode {
                    continue;
                }
            }
            if let Some(edge) = arrived.take()
                && self.cache.generation == generation
                && self.tuning.links != Links::Never
            {
                self.link(edge, id);
            }
            let block = self.cache.block(id);
            let (eip, start, steps) = (block.key.eip, block.start, block.steps);
            if self.tuning.links == Links::All {
                self.jumps.insert(eip, start, block.repeats);
            }
            if u64::from(steps) > cpu.budget_end - cpu.steps {
                return self.rest(cpu, sys);
            }
            match self.after(cpu, sys, start) {
                Some(edge) => arrived = edge,
                None => return,
            }
        }
    }

    /// Runs emitted code from `start` on. Gives the edge by which it was left, if by one; `None`
    /// where the boundary is to be looked at.
    fn after(&mut self, cpu: &mut Cpu, sys: &mut System, start: usize) -> Option<Option<u32>> {
        match self.enter(cpu, start) {
            Left::BOUNDARY => None,
            Left::SHORT if cpu.budget_end - cpu.steps < NEARLY_SPENT => {
                self.rest(cpu, sys);
                None
            }
            // All of the meter was used, not of the budget.
            Left::SHORT => Some(None),
            Left::DISPATCH => {
                self.prepare(cpu, sys);
                Some(None)
            }
            edge => Some(Some(edge - Left::EDGES)),
        }
    }

    /// One instruction by the interpreter.
    fn alone(&mut self, cpu: &mut Cpu, sys: &mut System) {
        let before = cpu.steps;
        cpu.step(sys);
        self.counters.alone_steps += cpu.steps - before;
    }

    /// Instructions by the interpreter up to one that doesn't go on at the next.
    fn stretch(&mut self, cpu: &mut Cpu, sys: &mut System) {
        for _ in 0..self.tuning.block_insns {
            let before = cpu.state.rip;
            self.alone(cpu, sys);
            let goes_on = cpu.state.rip.wrapping_sub(before) <= decode::MAX_LEN as u64;
            if !goes_on || cpu.wants_boundary() || cpu.steps >= cpu.budget_end {
                break;
            }
        }
    }

    /// The last steps of a budget that is too short for the next block: no block is made for a
    /// place where a budget happens to end.
    fn rest(&mut self, cpu: &mut Cpu, sys: &mut System) {
        while cpu.steps < cpu.budget_end {
            self.alone(cpu, sys);
            if cpu.wants_boundary() {
                return;
            }
        }
        cpu.end_block();
    }

    /// Brings the context up to date with the processor.
    fn prepare(&mut self, cpu: &mut Cpu, sys: &mut System) {
        let soften = std::mem::take(&mut self.context.get().soften);
        if soften != 0 {
            self.soft.insert(soften - 1);
            self.cache.drop_at(&mut self.arena, &mut self.jumps, soften - 1);
        }
        let c = self.context.get();
        c.renew(cpu, sys, &mut self.windows, &mut self.jumps);
        c.windows = std::ptr::from_mut(&mut *self.windows);
        c.cache = std::ptr::from_mut(&mut *self.jumps);
        c.gpr = cpu.state.gpr.as_mut_ptr();
        c.cpu = std::ptr::from_mut(cpu);
        c.sys = std::ptr::from_mut(sys);
        c.ram = sys.mem.arena().base_ptr() as u64;
        (c.page_states, c.code_pieces) = sys.mem.tables();
        c.plain_code = sys.mem.states().plain_code();
    }

    /// Runs emitted code from `start` on; says why it was left.
    fn enter(&mut self, cpu: &mut Cpu, start: usize) -> u32 {
        let room = (cpu.budget_end - cpu.steps).min(MOST_STEPS as u64);
        let (sites, expected) = (self.cache.sites.as_mut_ptr(), &self.cache.expected);
        let pointer = self.context.as_ptr();
        let c = self.context.get();
        c.end = cpu.steps + room;
        c.budget = room as i64;
        c.flags = pack(cpu.state.arith);
        c.sites = sites;
        (c.expected, c.expected_count) = (expected.as_ptr(), expected.len() as u64);
        // SAFETY: the stub has this signature; it keeps the registers that the convention asks
        // for, and `start` is a block of the arena whose mode is the processor's. Emitted code
        // touches the processor and the system only by the pointers in the context, which were
        // made from the `&mut` that our callers hold and don't use meanwhile.
        unsafe {
            let enter: extern "sysv64" fn(*mut Context, usize) =
                std::mem::transmute(self.stubs.enter);
            enter(pointer, start);
        }
        let c = self.context.get();
        self.jumps.follow(c.code_view, c.ring);
        cpu.steps = c.steps(0);
        cpu.state.rip = u64::from(c.eip);
        cpu.state.arith = unpack(c.flags);
        c.exit
    }

    fn key(cpu: &Cpu, place: u64, mode: u32) -> Key {
        let limit = cpu.state.segment(SegReg::Cs).limit;
        Key { place, eip: cpu.state.eip(), limit, mode: Mode(mode) }
    }

    /// The block at CS:EIP, made if there is none and its code was run before.
    fn find(&mut self, cpu: &mut Cpu, sys: &mut System) -> Found {
        let base = cpu.state.segment(SegReg::Cs).base as u32;
        let lin = base.wrapping_add(cpu.state.eip());
        let Some(place) = cpu.code_offset(sys, u64::from(lin)) else { return Found::Nothing };
        let version = cpu.mmu.view().version();
        if version != self.context.get().version {
            self.prepare(cpu, sys);
        }
        let key = Self::key(cpu, place, self.context.get().mode);
        if let Some(id) = self.cache.find(&key) {
            return Found::Block(id);
        }
        if self.cache.warm(place, self.tuning.cold_runs) {
            return Found::Cold;
        }
        self.make_timed(cpu, sys, key, 0).map_or(Found::Nothing, Found::Block)
    }

    /// Whether the edge by which block `to` was reached closes a loop that `to` is the head of.
    fn hot_loop(&mut self, edge: u32, to: u32) -> Loop {
        let from = self.cache.edge(edge);
        let (a, b) = (self.cache.block(from.from), self.cache.block(to));
        let end = a.key.place + u64::from(a.len);
        let is_back = self.leads_on(&from, b) && b.key.place <= a.key.place && b.loop_len == 0;
        let may = is_back && self.tuning.hot_rounds != 0 && self.tuning.links == Links::All;
        let len = end.wrapping_sub(b.key.place);
        if !may || from.rounds == u8::MAX || len > LOOP_BYTES {
            return Loop::No;
        }
        match self.cache.count_round(edge) {
            rounds if rounds < self.tuning.hot_rounds => Loop::Young,
            _ => Loop::Hot(len as u32),
        }
    }

    /// Makes the loop of `len` bytes at the start of a block one block, if that can be done; gives
    /// the block to go on with.
    fn make_loop(&mut self, cpu: &mut Cpu, sys: &mut System, head: u32, len: u32) -> u32 {
        let key = self.cache.block(head).key;
        if self.is_full() {
            return head;
        }
        let Some(made) = self.make_timed(cpu, sys, key, len) else { return head };
        self.cache.drop_one(&mut self.arena, &mut self.jumps, head);
        made
    }

    /// True where all blocks are dropped before the next is made.
    fn is_full(&self) -> bool {
        self.arena.room() < BLOCK_ROOM || self.cache.is_mostly_dead(self.arena.used())
    }

    fn make_timed(
        &mut self,
        cpu: &mut Cpu,
        sys: &mut System,
        key: Key,
        loop_len: u32,
    ) -> Option<u32> {
        let Some(clock) = self.tuning.clock else { return self.make(cpu, sys, key, loop_len) };
        let begun = clock();
        let made = self.make(cpu, sys, key, loop_len);
        self.counters.making_ns += clock().saturating_sub(begun);
        made
    }

    fn make(&mut self, cpu: &mut Cpu, sys: &mut System, key: Key, loop_len: u32) -> Option<u32> {
        if self.is_full() {
            self.cache.clear(&mut self.arena, &mut self.jumps, Some(sys));
            self.context.get().doors = [Door::SHUT; 2];
        }
        let page_offset = (key.place & 0xFFF) as u32;
        let most_bytes = (self.tuning.block_insns * decode::MAX_LEN).max(loop_len as usize);
        let mut bytes = std::mem::take(&mut self.tools.bytes);
        bytes.resize(most_bytes.min(0x1000 - page_offset as usize), 0);
        sys.mem.arena().read(key.place, &mut bytes);
        let (limit, mode, features) = (key.limit, key.mode, cpu.state.model.features);
        let (place, soft, most) = (key.place, &self.soft, self.tuning.block_insns);
        let number = self.cache.len() as u32;
        self.counts.begin(number);
        let (eip, counter) = (key.eip, self.counts.counter(number));
        let source = Source {
            bytes: &bytes,
            eip,
            page_offset,
            limit,
            mode,
            features,
            place,
            soft,
            most,
            counter,
            loop_len,
        };
        let first_edge = self.cache.next_edge();
        let (base, sites) = (self.arena.next(), &mut self.cache.sites);
        let draft = emit::translate(&mut self.tools, &source, base, sites, first_edge);
        self.tools.bytes = bytes;
        let draft = draft?;
        self.counters.made(&draft);
        sys.mem.mark_code(key.place, u64::from(draft.len));
        cpu.mmu.sync(&sys.mem);
        let id = self.cache.add(&mut self.arena, key, &draft, cpu.steps);
        self.tools.give_back(draft);
        Some(id)
    }

    /// Links the edge by which emitted code was left to the block it led to, where nothing can
    /// come between.
    fn link(&mut self, edge: u32, to: u32) {
        if self.leads_on(&self.cache.edge(edge), self.cache.block(to)) {
            self.cache.link(&mut self.arena, edge, to);
        }
    }

    /// True where nothing can come between an edge and the block it led to.
    fn leads_on(&self, edge: &Edge, to: &Block) -> bool {
        let from = self.cache.block(edge.from);
        let is_same = from.key.mode == to.key.mode && from.key.limit == to.key.limit;
        let is_near = edge.near && from.key.place >> 12 == to.key.place >> 12;
        from.start != 0 && is_same && is_near && edge.eip == to.key.eip
    }
}
