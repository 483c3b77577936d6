//! Steers virtual time to the host's clock: `--clock host`. A guest that computes gets a rate of
//! steps that is what this host can do, and a little more while it is behind; one that waits is
//! waited with. Time is never lost but where the host itself stood still.

use std::time::{Duration, Instant};

/// The rate is looked at this often, nanoseconds.
const WINDOW_NS: u64 = 50_000_000;
/// A lag beyond this isn't caught up: the host slept, or was stopped.
const FORGIVEN_NS: u64 = 2_000_000_000;
/// A lag is caught up in about this time.
const CATCH_UP_NS: u64 = 250_000_000;
/// A lag below this asks for no other rate.
const LAG_SLACK_NS: u64 = 2_000_000;
/// A lead below this isn't worth a sleep.
const LEAD_SLACK_NS: u64 = 1_000_000;
/// No sleep is longer, so that Ctrl-C and keys are seen.
const LONGEST_NAP_NS: u64 = 20_000_000;
/// A window with fewer steps tells nothing of the host's speed: the guest waited.
const TELLING_STEPS: u64 = 100_000;
/// Picoseconds a step may take.
const RATES: std::ops::RangeInclusive<u64> = 1_000..=10_000_000;

/// What to do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Orders {
    /// Sleep this long, nanoseconds.
    nap_ns: u64,
    /// Let a step take this long from here on, picoseconds.
    rate: Option<u64>,
}

/// What both clocks show, and how far the guest is.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The host's clock.
    wall_ns: u64,
    /// Virtual time.
    virtual_ns: u64,
    step: u64,
    /// Picoseconds a step takes now.
    rate: u64,
}

/// The arithmetic, without a clock.
#[derive(Debug)]
struct Steering {
    /// A moment at which both clocks agreed: wall and virtual.
    origin: (u64, u64),
    /// The current window's start: wall and step, and what was slept since.
    window: (u64, u64),
    slept_ns: u64,
}

impl Steering {
    fn new(wall_ns: u64, virtual_ns: u64, step: u64) -> Self {
        Self { origin: (wall_ns, virtual_ns), window: (wall_ns, step), slept_ns: 0 }
    }

    fn orders(&mut self, r: Reading) -> Orders {
        let wall_ns = r.wall_ns - self.origin.0;
        let virtual_ns = r.virtual_ns.saturating_sub(self.origin.1);
        let lag_ns = wall_ns.saturating_sub(virtual_ns);
        let lead_ns = virtual_ns.saturating_sub(wall_ns);
        if lag_ns > FORGIVEN_NS {
            self.origin = (r.wall_ns, r.virtual_ns);
        }
        let nap_ns = if lead_ns > LEAD_SLACK_NS { lead_ns.min(LONGEST_NAP_NS) } else { 0 };
        Orders { nap_ns, rate: self.rate(r, lag_ns) }
    }

    /// Says how long a nap was.
    fn slept(&mut self, ns: u64) {
        self.slept_ns += ns;
    }

    /// At the end of a window, the rate that fits the host, if it isn't the present one.
    fn rate(&mut self, r: Reading, lag_ns: u64) -> Option<u64> {
        let length_ns = r.wall_ns - self.window.0;
        if length_ns < WINDOW_NS {
            return None;
        }
        let steps = r.step.saturating_sub(self.window.1);
        let busy_ns = length_ns.saturating_sub(self.slept_ns);
        (self.window, self.slept_ns) = ((r.wall_ns, r.step), 0);
        best_rate(busy_ns, steps, lag_ns, r.rate)
    }
}

/// The rate at which `steps` would have taken `busy_ns`, faster by what there is to catch up, if
/// it is far from the present one.
fn best_rate(busy_ns: u64, steps: u64, lag_ns: u64, rate: u64) -> Option<u64> {
    if steps < TELLING_STEPS {
        return None;
    }
    let measured = u128::from(busy_ns) * 1000 / u128::from(steps);
    let behind = if lag_ns > LAG_SLACK_NS { lag_ns.min(CATCH_UP_NS) } else { 0 };
    let wanted = measured + measured * u128::from(behind) / u128::from(CATCH_UP_NS);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX).clamp(*RATES.start(), *RATES.end());
    let is_far = wanted > rate + rate / 4 || wanted < rate - rate / 4;
    // Behind, a rate that is a little too low stays so for ever: any higher one is better.
    (is_far || behind > 0 && wanted > rate).then_some(wanted)
}

/// Compares both clocks.
#[derive(Debug)]
pub struct Pacer {
    started: Instant,
    steering: Steering,
}

impl Pacer {
    /// Both clocks agree now.
    pub fn new(now_ns: u64, step: u64) -> Self {
        Self { started: Instant::now(), steering: Steering::new(0, now_ns, step) }
    }

    fn wall_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Sleeps if virtual time is ahead. Returns the rate (picoseconds a step) to be set if the
    /// present one doesn't fit the host.
    pub fn pace(&mut self, now_ns: u64, step: u64, rate: u64) -> Option<u64> {
        let wall_ns = self.wall_ns();
        let orders = self.steering.orders(Reading { wall_ns, virtual_ns: now_ns, step, rate });
        if orders.nap_ns > 0 {
            std::thread::sleep(Duration::from_nanos(orders.nap_ns));
            self.steering.slept(self.wall_ns() - wall_ns);
        }
        orders.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A host that runs a step in so many picoseconds, and a guest, both without a clock.
    struct World {
        steering: Steering,
        r: Reading,
        /// Part of virtual time in which the guest waits, of 100.
        waits: u64,
        changes: usize,
    }

    impl World {
        fn new(rate: u64, waits: u64) -> Self {
            let r = Reading { wall_ns: 0, virtual_ns: 0, step: 0, rate };
            Self { steering: Steering::new(0, 0, 0), r, waits, changes: 0 }
        }

        /// One slice of a millisecond of virtual time on a host of this speed.
        fn slice(&mut self, host_ps: u64) {
            let r = &mut self.r;
            let steps = MS * (100 - self.waits) / 100 * 1000 / r.rate;
            r.virtual_ns += MS;
            r.step += steps;
            r.wall_ns += steps * host_ps / 1000 + 5_000;
            let orders = self.steering.orders(*r);
            r.wall_ns += orders.nap_ns;
            self.steering.slept(orders.nap_ns);
            if let Some(rate) = orders.rate {
                r.rate = rate;
                self.changes += 1;
            }
        }

        /// Until the host's clock shows so much.
        fn run(&mut self, seconds: u64, host_ps: impl Fn(u64) -> u64) {
            while self.r.wall_ns < seconds * 1000 * MS {
                self.slice(host_ps(self.r.wall_ns));
            }
        }

        /// Virtual time against the host's, in parts of a million.
        fn error_ppm(&self) -> i64 {
            let (wall, virtual_ns) = (self.r.wall_ns as i64, self.r.virtual_ns as i64);
            (virtual_ns - wall) * 1_000_000 / wall
        }
    }

    #[test]
    fn ten_minutes_of_computing_keep_to_the_wall_clock() {
        for host_ps in [3_000, 9_000, 11_000, 12_400, 80_000] {
            let mut world = World::new(10_000, 0);
            world.run(600, |_| host_ps);
            assert!(world.error_ppm().abs() < 100, "{host_ps}: {} ppm", world.error_ppm());
            assert!(world.changes < 100, "{host_ps}: the rate changed {} times", world.changes);
        }
    }

    #[test]
    fn a_host_whose_speed_changes_all_the_time_is_followed() {
        let mut world = World::new(10_000, 0);
        // 10 to 100 ns a step, back and forth within seconds.
        world.run(600, |wall_ns| 10_000 + (wall_ns / MS * 37 % 3_000) * 30);
        assert!(world.error_ppm().abs() < 1_000, "{} ppm", world.error_ppm());
    }

    #[test]
    fn ten_minutes_of_waiting_keep_to_the_wall_clock_at_the_same_rate() {
        let mut world = World::new(10_000, 100);
        world.run(600, |_| 20_000);
        assert!(world.error_ppm().abs() < 100, "{} ppm", world.error_ppm());
        assert_eq!(world.changes, 0);
    }

    #[test]
    fn a_guest_that_waits_half_the_time_keeps_to_the_wall_clock() {
        let mut world = World::new(10_000, 50);
        world.run(600, |_| 15_000);
        assert!(world.error_ppm().abs() < 100, "{} ppm", world.error_ppm());
    }

    #[test]
    fn a_host_that_slept_is_forgiven() {
        let mut world = World::new(10_000, 100);
        world.run(1, |_| 10_000);
        world.r.wall_ns += 3600 * 1000 * MS;
        world.slice(10_000);
        let virtual_ns = world.r.virtual_ns;
        world.run(3602, |_| 10_000);
        let since = world.r.virtual_ns - virtual_ns;
        assert!((990 * MS..1_100 * MS).contains(&since), "{since} ns of one second");
    }

    #[test]
    fn a_slower_host_gets_slower_steps() {
        assert_eq!(best_rate(50 * MS, 1_000_000, 0, 10_000), Some(50_000));
    }

    #[test]
    fn a_rate_that_is_about_right_stays() {
        assert_eq!(best_rate(50 * MS, 5_000_000, 0, 11_000), None);
    }

    #[test]
    fn a_guest_that_waits_tells_nothing() {
        assert_eq!(best_rate(50 * MS, 10, 0, 10_000), None);
    }
}
