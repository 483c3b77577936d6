//! Virtual time: nanoseconds that derive from steps.
//!
//! now = base + (steps - base steps) x rate + idle time skipped in HLT. A change of rate
//! starts a new base, so time never goes back.

use serde::{Deserialize, Serialize};

/// The virtual clock of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    base_ns: u64,
    base_step: u64,
    ps_per_step: u64,
}

/// 10 ns a step: one hundred million steps a second.
pub const DEFAULT_PS_PER_STEP: u64 = 10_000;

impl Default for Clock {
    fn default() -> Self {
        Self { base_ns: 0, base_step: 0, ps_per_step: DEFAULT_PS_PER_STEP }
    }
}

impl Clock {
    /// Nanoseconds at `step`.
    #[inline]
    #[must_use]
    pub fn now_ns(&self, step: u64) -> u64 {
        let steps = step.saturating_sub(self.base_step);
        let ns = match steps.checked_mul(self.ps_per_step) {
            Some(ps) => ps / 1000,
            None => (u128::from(steps) * u128::from(self.ps_per_step) / 1000) as u64,
        };
        self.base_ns.saturating_add(ns)
    }

    /// The first step at which the clock shows `ns` or later; `step` if that is now.
    #[must_use]
    pub fn step_at(&self, step: u64, ns: u64) -> u64 {
        let Some(ahead) = ns.checked_sub(self.base_ns) else {
            return step;
        };
        let steps = match ahead.checked_mul(1000) {
            Some(ps) => ps.div_ceil(self.ps_per_step),
            None => {
                let steps = (u128::from(ahead) * 1000).div_ceil(u128::from(self.ps_per_step));
                u64::try_from(steps).unwrap_or(u64::MAX)
            }
        };
        self.base_step.saturating_add(steps).max(step)
    }

    /// Changes the rate, picoseconds a step (at least 1), from `step` on.
    pub fn set_rate(&mut self, step: u64, ps_per_step: u64) {
        self.rebase(step);
        self.ps_per_step = ps_per_step.max(1);
    }

    /// Picoseconds a step.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.ps_per_step
    }

    /// Skips idle time: from `step` on the clock shows `ns_skipped` more.
    pub fn skip(&mut self, step: u64, ns_skipped: u64) {
        self.rebase(step);
        self.base_ns = self.base_ns.saturating_add(ns_skipped);
    }

    fn rebase(&mut self, step: u64) {
        self.base_ns = self.now_ns(step);
        self.base_step = step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_steps_times_rate_plus_idle() {
        let mut c = Clock::default();
        assert_eq!(c.now_ns(100), 1000);
        c.skip(100, 500);
        assert_eq!(c.now_ns(101), 1510);
        c.set_rate(101, 20_000);
        assert_eq!(c.now_ns(102), 1530);
    }

    #[test]
    fn step_at_is_the_first_step_that_shows_the_time() {
        let mut c = Clock::default();
        c.set_rate(7, 3_300);
        for ns in [0, 1, 70, 71, 73, 74, 1000, 999_999] {
            let step = c.step_at(7, ns);
            assert!(c.now_ns(step) >= ns);
            assert!(step == 7 || c.now_ns(step - 1) < ns);
        }
    }
}
