//! Steers virtual time to the host's clock: `--clock host`. A guest that computes gets a rate of
//! steps that is what this host can do; one that waits is waited with.

use std::time::{Duration, Instant};

/// The rate is looked at this often.
const WINDOW: Duration = Duration::from_millis(50);
/// A lag beyond this isn't caught up (the host slept).
const FORGIVEN: Duration = Duration::from_secs(1);
/// A lead below this isn't worth a sleep.
const SLACK_NS: u64 = 1_000_000;
/// No sleep is longer, so that Ctrl-C and keys are seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// Compares both clocks.
#[derive(Debug)]
pub struct Pacer {
    /// A moment at which both clocks agreed.
    origin: Instant,
    origin_ns: u64,
    /// The current window.
    window: Instant,
    window_step: u64,
    slept: Duration,
}

impl Pacer {
    /// Both clocks agree now.
    pub fn new(now_ns: u64, step: u64) -> Self {
        let now = Instant::now();
        Self {
            origin: now,
            origin_ns: now_ns,
            window: now,
            window_step: step,
            slept: Duration::ZERO,
        }
    }

    /// Sleeps if virtual time is ahead. Returns the rate (picoseconds a step) to be set if the
    /// present one is far from what the host can do.
    pub fn pace(&mut self, now_ns: u64, step: u64, ps_per_step: u64) -> Option<u64> {
        let wall = self.origin.elapsed();
        let virtual_time = Duration::from_nanos(now_ns.saturating_sub(self.origin_ns));
        if virtual_time > wall + Duration::from_nanos(SLACK_NS) {
            let nap = (virtual_time - wall).min(LONGEST_SLEEP);
            std::thread::sleep(nap);
            self.slept += nap;
        } else if wall > virtual_time + FORGIVEN {
            self.origin = Instant::now();
            self.origin_ns = now_ns;
        }
        self.rate(step, ps_per_step)
    }

    fn rate(&mut self, step: u64, ps_per_step: u64) -> Option<u64> {
        let length = self.window.elapsed();
        if length < WINDOW {
            return None;
        }
        let busy = length.saturating_sub(self.slept);
        let steps = step.saturating_sub(self.window_step);
        (self.window, self.window_step, self.slept) = (Instant::now(), step, Duration::ZERO);
        best_rate(busy, steps, ps_per_step)
    }
}

/// The rate at which `steps` would have taken `busy`, if it is far from the present one.
/// A window with few steps tells nothing: the guest waited.
fn best_rate(busy: Duration, steps: u64, ps_per_step: u64) -> Option<u64> {
    if steps < 100_000 {
        return None;
    }
    let measured = (busy.as_nanos() * 1000 / u128::from(steps)) as u64;
    let measured = measured.clamp(1_000, 10_000_000);
    let far = measured > ps_per_step * 5 / 4 || measured < ps_per_step * 3 / 4;
    far.then_some(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_host_gets_slower_steps() {
        let busy = Duration::from_millis(50);
        assert_eq!(best_rate(busy, 1_000_000, 10_000), Some(50_000));
    }

    #[test]
    fn a_rate_that_is_about_right_stays() {
        let busy = Duration::from_millis(50);
        assert_eq!(best_rate(busy, 5_000_000, 11_000), None);
    }

    #[test]
    fn a_guest_that_waits_tells_nothing() {
        assert_eq!(best_rate(Duration::from_millis(50), 10, 10_000), None);
    }
}
