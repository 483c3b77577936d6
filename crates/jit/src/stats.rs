//! What the translator has done so far, for somebody who measures it. Nothing depends on it.

use crate::emit::Draft;
use crate::engine::Jit;
use crate::window::WindowCounts;

/// Counters of the engine's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    blocks: u64,
    guest_insns: u64,
    host_bytes: u64,
    /// Steps that the interpreter took outside emitted code.
    pub alone_steps: u64,
    /// Nanoseconds in which blocks were made.
    pub making_ns: u64,
}

impl Counters {
    pub fn made(&mut self, draft: &Draft) {
        self.blocks += 1;
        self.guest_insns += u64::from(draft.steps);
        self.host_bytes += draft.code.len() as u64;
    }
}

/// What a translator has done since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks made.
    pub blocks: u64,
    /// Blocks that can be executed now.
    pub live_blocks: u64,
    /// Guest instructions translated, each as often as it was.
    pub guest_insns: u64,
    /// Bytes of host code made.
    pub host_bytes: u64,
    /// How often all code was dropped.
    pub flushes: u64,
    /// Nanoseconds in which blocks were made; 0 without [`crate::Tuning::clock`].
    pub making_ns: u64,
    /// Steps that the interpreter took: outside emitted code, and for it.
    pub interpreted_steps: u64,
    /// Callouts by mnemonic, the most frequent first.
    pub callouts: Vec<(String, u64)>,
    /// Faults of emitted code that went to stubs.
    pub faults: u64,
    /// What windows cost.
    pub windows: WindowCounts,
}

impl Jit {
    /// What was done so far.
    #[must_use]
    pub fn statistics(&mut self) -> Statistics {
        let counters = self.counters;
        let context = self.context.get();
        let (faults, callout_steps) = (context.faults, context.callout_steps);
        Statistics {
            blocks: counters.blocks,
            live_blocks: self.cache.live().count() as u64,
            guest_insns: counters.guest_insns,
            host_bytes: counters.host_bytes,
            flushes: self.cache.generation,
            making_ns: counters.making_ns,
            interpreted_steps: counters.alone_steps + callout_steps,
            callouts: self.callouts(),
            faults,
            windows: self.windows.counts,
        }
    }

    fn callouts(&self) -> Vec<(String, u64)> {
        let mut by_name = std::collections::BTreeMap::new();
        for (code, calls) in self.cache.calls() {
            *by_name.entry(decode::mnemonic(code)).or_default() += calls;
        }
        let mut list: Vec<(String, u64)> = by_name.into_iter().collect();
        list.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        list
    }
}
