//! The engine: blocks where it can, one instruction at a time where it must, and a look around
//! at every boundary where something asked for one.
//!
//! Order of what is looked at between two instructions: SDM 3A 6.9, table 6-2.

#[cfg(test)]
mod tests;

use crate::cache::{Cache, Successor, place_key};
use crate::chain::End;
use crate::cpu::Cpu;
use bus::System;
use decode::Insn;
use x86::event::{Source, Wanted};
use x86::state::{Activity, Shadow};
use x86::{Efer, Eflags, Vector};

/// How instructions are dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// Predecoded blocks with links.
    Blocks,
    /// One instruction at a time, each decoded afresh: slow, and the yardstick of the other.
    Single,
}

/// Why `run` came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is used up, exactly.
    Budget,
    /// A device or the event buffer wants the machine to look.
    Attention,
    /// HLT: nothing runs until an interrupt.
    Halted,
    /// A triple fault; [`Cpu::chain`] tells why.
    Shutdown,
    /// The guest turned on long mode.
    LongMode,
}

/// The engine of one processor. Holds host caches only.
pub struct Interp {
    dispatch: Dispatch,
    cache: Cache,
}

impl std::fmt::Debug for Interp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interp").field("dispatch", &self.dispatch).finish_non_exhaustive()
    }
}

/// What to do at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Come back.
    Exit(Exit),
    /// Something was delivered: look again.
    Again,
    /// Run on.
    Block,
    /// RF is set, and nothing else asks for one instruction at a time.
    Resume,
    /// TF, a shadow or a breakpoint asks for one instruction at a time.
    Single,
}

impl Interp {
    /// An engine with empty caches.
    #[must_use]
    pub fn new(dispatch: Dispatch) -> Self {
        Self { dispatch, cache: Cache::default() }
    }

    /// Drops all cached blocks.
    pub fn flush(&mut self) {
        self.cache.forget();
    }

    /// Runs until `budget` steps are done or something else ends it. The state is exact then.
    pub fn run(&mut self, cpu: &mut Cpu, sys: &mut System, budget: u64) -> Exit {
        cpu.budget_end = cpu.steps.saturating_add(budget);
        cpu.mmu.sync(&sys.mem);
        cpu.attention = true;
        cpu.is_careful = self.dispatch == Dispatch::Single;
        loop {
            let next = if cpu.attention {
                self.cache.drop_written(sys);
                cpu.boundary(sys)
            } else {
                Next::Block
            };
            match next {
                Next::Exit(exit) => return exit,
                Next::Again => {}
                Next::Block if self.dispatch == Dispatch::Blocks => self.blocks(cpu, sys),
                Next::Resume if self.dispatch == Dispatch::Blocks => self.resume(cpu, sys),
                Next::Block | Next::Resume | Next::Single => cpu.single(sys),
            }
        }
    }

    /// Runs on after a fault was handled. RF only holds off instruction breakpoints, and there
    /// are none: it goes out before its instruction as well as after. A REP keeps it to its
    /// end, though.
    fn resume(&mut self, cpu: &mut Cpu, sys: &mut System) {
        let first = self.cache.find(cpu, sys).and_then(|id| {
            let block = self.cache.block(id);
            self.cache.ops(block).first()
        });
        if first.is_none_or(|op| op.insn.has(Insn::REP | Insn::REPNE)) {
            cpu.attention = true;
            return cpu.single(sys);
        }
        cpu.state.set_flag(Eflags::RF, false);
        self.blocks(cpu, sys);
    }

    /// Runs blocks until something asks for a look around.
    fn blocks(&mut self, cpu: &mut Cpu, sys: &mut System) {
        let Some(mut id) = self.cache.find(cpu, sys) else {
            return cpu.single(sys);
        };
        loop {
            let end = self.linked(&mut id, cpu, sys);
            if end == End::Look {
                return;
            }
            if cpu.steps >= cpu.budget_end {
                cpu.attention = true;
                return;
            }
            id = match self.successor(cpu, id) {
                Some(found) => found,
                None => match self.cache.follow(cpu, sys, id, end) {
                    Some(found) => found,
                    None => return cpu.single(sys),
                },
            };
            if cpu.attention {
                return;
            }
        }
    }

    /// Runs block `id` and those that are linked behind it, and tells how the last of them ended,
    /// whose number is in `id` then.
    #[inline(always)]
    fn linked(&self, id: &mut u32, cpu: &mut Cpu, sys: &mut System) -> End {
        let mut block = self.cache.block(*id);
        let (mut ip, mut steps) = (cpu.state.rip, cpu.steps);
        loop {
            if ip + u64::from(block.len) > u64::from(cpu.state.seg[1].limit) + 1 {
                (cpu.state.rip, cpu.steps) = (ip, steps);
                cpu.single(sys);
                cpu.attention = true;
                return End::Look;
            }
            let (mut ops, mut len) = (self.cache.ops(block), block.len);
            if let Some(affordable) = ops.get(..(cpu.budget_end - steps) as usize)
                && let Some(last) = affordable.last()
            {
                (ops, len) = (affordable, last.end);
            }
            cpu.block_ip = ip;
            let (end, link) = loop {
                cpu.block_steps = steps;
                let end = (block.entry)(cpu, sys, ops);
                if end == End::Taken {
                    let taken = cpu.taken;
                    steps += u64::from(taken.count);
                    let next_ip = u64::from((ip as u32).wrapping_add(taken.distance));
                    // Most loops are one block.
                    let again = next_ip == ip && taken.link == *id;
                    if again && cpu.budget_end - steps >= ops.len() as u64 {
                        continue;
                    }
                    ip = next_ip;
                    break (end, taken.link);
                }
                if end == End::Next {
                    ip += u64::from(len);
                    steps += ops.len() as u64;
                    break (end, block.behind.get());
                }
                return end;
            };
            let next = self.cache.living(link).filter(|_| steps < cpu.budget_end);
            let Some(next) = next else {
                (cpu.state.rip, cpu.steps) = (ip, steps);
                return end;
            };
            (block, *id) = (next, link);
        }
    }

    /// The block that followed block `id`, if that is remembered.
    #[inline(always)]
    fn successor(&self, cpu: &Cpu, id: u32) -> Option<u32> {
        let (key, stamp) = (place_key(cpu), self.cache.stamp(cpu));
        let is_it = |s: &Successor| {
            s.key == key && s.stamp == stamp && self.cache.living(s.block).is_some()
        };
        let [first, second] = self.cache.followers(id);
        let (first, second) = (first.get(), second.get());
        if is_it(&first) { Some(first.block) } else { is_it(&second).then_some(second.block) }
    }
}

impl Cpu {
    /// Looks around between two instructions, once the engine has dropped blocks that were
    /// overwritten.
    pub fn boundary(&mut self, sys: &mut System) -> Next {
        self.attention = false;
        let signals = sys.bus.signals();
        signals.has_looked();
        if signals.take_nmi() {
            self.state.nmi_pending = true;
        }
        if self.state.activity == Activity::Shutdown {
            return Next::Exit(Exit::Shutdown);
        }
        if signals.take_attention() || signals.has_requests() || self.events.is_full() {
            return Next::Exit(Exit::Attention);
        }
        if self.state.efer().contains(Efer::LME) {
            return Next::Exit(Exit::LongMode);
        }
        if self.steps >= self.budget_end {
            self.attention = true;
            return Next::Exit(Exit::Budget);
        }
        if self.deliver_pending(sys) {
            self.attention = true;
            return Next::Again;
        }
        if self.state.activity == Activity::Halted {
            return Next::Exit(Exit::Halted);
        }
        if self.wants_single() {
            self.attention = true;
            return Next::Single;
        }
        if self.state.flag(Eflags::RF) { Next::Resume } else { Next::Block }
    }

    /// Passes the boundary where [`Cpu::boundary`] would find nothing to do but to resume; false, and
    /// nothing is changed, where it must be asked. RF stays as it is.
    #[inline]
    pub fn pass_boundary(&mut self, sys: &mut System) -> bool {
        let state = &self.state;
        let waits = sys.bus.signals().wants_engine()
            || sys.mem.has_code_writes()
            || self.events.is_full()
            || self.steps >= self.budget_end
            || state.activity != Activity::Running
            || state.efer().contains(Efer::LME)
            || state.pending_debug != 0
            || state.nmi_pending
            || self.wants_single()
            || (state.flag(Eflags::IF) && sys.bus.interrupt_pending());
        if !waits {
            self.attention = false;
        }
        !waits
    }

    /// Delivers a debug trap, NMI or interrupt that waits; true where one was.
    fn deliver_pending(&mut self, sys: &mut System) -> bool {
        let shadow = self.state.shadow;
        if self.state.pending_debug != 0 && shadow != Shadow::MovSs {
            self.deliver_debug_trap(sys);
            return true;
        }
        if self.state.nmi_pending && !self.state.nmi_masked && shadow != Shadow::MovSs {
            self.state.nmi_pending = false;
            self.state.nmi_masked = true;
            self.deliver_interrupt(sys, Vector::Nmi as u8, Source::Nmi);
            return true;
        }
        let open = self.state.flag(Eflags::IF) && shadow == Shadow::None;
        if open
            && sys.bus.interrupt_pending()
            && let Some(vector) = sys.bus.acknowledge()
        {
            self.deliver_interrupt(sys, vector, Source::External);
            return true;
        }
        false
    }

    /// True where the next instruction must be taken alone.
    fn wants_single(&self) -> bool {
        self.state.shadow != Shadow::None
            || self.state.flag(Eflags::TF)
            || self.code_breakpoints
            || self.events.wants(Wanted::INSNS)
    }
}
