//! The 8254 interval timer and port 61h. From the Intel 8254 datasheet (231164-005).
//!
//! A counter is not stepped: what it holds follows from the clock tick at which it was loaded.
//! OUT of channel 0 is IRQ 0; channel 2's gate and OUT are bits of port 61h.

use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use serde::{Deserialize, Serialize};

/// Counter 0.
pub const COUNTER_0: u16 = 0x40;
/// Counter 2.
pub const COUNTER_2: u16 = 0x42;
/// Control word register.
pub const CONTROL: u16 = 0x43;
/// System control port B: gate 2, speaker, refresh toggle, OUT 2.
pub const PORT_B: u16 = 0x61;

/// Port 61h: gate of counter 2.
pub const GATE2: u8 = 1 << 0;
/// Port 61h: speaker connected to OUT 2.
pub const SPEAKER_DATA: u8 = 1 << 1;
/// Port 61h: toggles with each refresh.
pub const REFRESH: u8 = 1 << 4;
/// Port 61h: OUT of counter 2.
pub const OUT2: u8 = 1 << 5;

/// Its clock.
pub const FREQUENCY_HZ: u64 = 1_193_182;
/// A refresh every 18 clocks, 15 microseconds.
const REFRESH_TICKS: i64 = 18;
const NS_PER_S: u128 = 1_000_000_000;

/// Clocks that have passed at a time.
#[must_use]
pub fn ticks_at(ns: u64) -> i64 {
    (u128::from(ns) * u128::from(FREQUENCY_HZ) / NS_PER_S) as i64
}

/// The first nanosecond at which that many clocks have passed.
#[must_use]
pub fn ns_at(tick: i64) -> u64 {
    let ticks = u128::try_from(tick).unwrap_or(0);
    (ticks * NS_PER_S).div_ceil(u128::from(FREQUENCY_HZ)) as u64
}

/// RW1 and RW0 of the control word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Access {
    Low,
    High,
    Both,
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    mode: u8,
    access: Access,
    bcd: bool,
    /// Clocks from load to terminal count; 0 until a count was written.
    count: u32,
    /// When the count was loaded.
    start: i64,
    /// True from the load on: OUT follows the count, not the mode's first level.
    started: bool,
    /// A count that will be loaded at a tick (modes 1 and 5: at the trigger, `None`).
    next: Option<(u32, Option<i64>)>,
    gate: bool,
    /// Clocks counted when the gate stopped it.
    held: Option<i64>,
    low_byte: Option<u8>,
    high_next: bool,
    latch: Option<u16>,
    status: Option<u8>,
}

impl Counter {
    fn new(gate: bool) -> Self {
        Self {
            mode: 3,
            access: Access::Both,
            bcd: false,
            count: 0,
            start: 0,
            started: false,
            next: None,
            gate,
            held: None,
            low_byte: None,
            high_next: false,
            latch: None,
            status: None,
        }
    }

    /// The clocks in the high part of a period of mode 3.
    fn high_part(count: u32) -> i64 {
        i64::from(count.div_ceil(2))
    }

    /// Clocks since the load.
    fn elapsed(&self, now: i64) -> i64 {
        self.held.unwrap_or(now - self.start).max(0)
    }

    fn is_periodic(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    /// Loads what is to be loaded by `now`.
    fn catch_up(&mut self, now: i64) {
        if let Some((count, Some(at))) = self.next
            && at <= now
        {
            self.load(count, at);
        }
    }

    fn load(&mut self, count: u32, at: i64) {
        // A square wave that is reloaded in its middle goes on with the low half.
        let is_low_half = self.mode == 3 && self.started && self.held.is_none() && {
            let high = Self::high_part(self.count);
            (at - self.start).rem_euclid(i64::from(self.count.max(1))) == high
        };
        self.start = if is_low_half { at - Self::high_part(count) } else { at };
        self.count = count;
        self.started = true;
        self.next = None;
        if !self.gate && !matches!(self.mode, 1 | 5) {
            self.held = Some(0);
        }
    }

    fn out(&self, now: i64) -> bool {
        let count = i64::from(self.count);
        let elapsed = self.elapsed(now);
        if !self.started || count == 0 {
            return self.mode != 0;
        }
        match self.mode {
            0 | 1 => elapsed >= count,
            2 => !self.gate || elapsed % count != count - 1,
            3 => !self.gate || elapsed % count < Self::high_part(self.count),
            _ => elapsed != count,
        }
    }

    /// What the counting element holds.
    fn value(&self, now: i64) -> u16 {
        let count = i64::from(self.count);
        let elapsed = self.elapsed(now);
        let modulus = if self.bcd { 10_000 } else { 0x1_0000 };
        let value = match self.mode {
            _ if count == 0 => 0,
            2 => count - elapsed % count,
            3 => self.square_value(elapsed % count),
            _ => count - elapsed,
        };
        let value = value.rem_euclid(modulus) as u16;
        if self.bcd { to_bcd(value) } else { value }
    }

    fn square_value(&self, at: i64) -> i64 {
        let even = i64::from(self.count & !1);
        let high = Self::high_part(self.count);
        (even - 2 * (if at < high { at } else { at - high })).max(0)
    }

    /// The next tick after `now` at which OUT changes.
    fn next_edge(&self, now: i64) -> Option<i64> {
        let load = self.next.and_then(|(_, at)| at).filter(|at| *at > now);
        let count = i64::from(self.count);
        if !self.started || count == 0 || self.held.is_some() {
            return load;
        }
        let elapsed = (now - self.start).max(0);
        let from_now = |at: i64| (at > elapsed).then_some(self.start + at);
        let edge = match self.mode {
            0 | 1 => from_now(count),
            2 | 3 if count < 2 => None,
            2 | 3 => {
                let first = if self.mode == 2 { count - 1 } else { Self::high_part(self.count) };
                let period = elapsed - elapsed % count;
                let in_period = elapsed % count;
                from_now(period + if in_period < first { first } else { count })
            }
            _ => from_now(count).or_else(|| from_now(count + 1)),
        };
        match (edge, load) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn write_control(&mut self, word: u8) {
        let mode = word >> 1 & 7;
        *self = Self {
            mode: if mode > 5 { mode & 3 } else { mode },
            access: match word >> 4 & 3 {
                1 => Access::Low,
                2 => Access::High,
                _ => Access::Both,
            },
            bcd: word & 1 != 0,
            ..Self::new(self.gate)
        };
    }

    fn write(&mut self, byte: u8, now: i64) {
        let written = match (self.access, self.low_byte.take()) {
            (Access::Low, _) => u16::from(byte),
            (Access::High, _) => u16::from(byte) << 8,
            (Access::Both, Some(low)) => u16::from_le_bytes([low, byte]),
            (Access::Both, None) => {
                self.low_byte = Some(byte);
                if self.mode == 0 {
                    // The first byte stops the count, and OUT goes low at once.
                    self.started = false;
                    self.next = None;
                }
                return;
            }
        };
        let count = match (written, self.bcd) {
            (0, false) => 0x1_0000,
            (0, true) => 10_000,
            (n, false) => u32::from(n),
            (n, true) => from_bcd(n),
        };
        let at = match self.mode {
            // A trigger that has come already takes the new count.
            1 | 5 => self.next.and_then(|(_, at)| at),
            2 | 3 if self.started && self.held.is_none() => self.boundary(now),
            _ => Some(now + 1),
        };
        if self.mode == 0 {
            self.started = false;
        }
        self.next = Some((count, at));
    }

    /// Where a running periodic count takes a new value: at the end of the period, or of the
    /// half in mode 3.
    fn boundary(&self, now: i64) -> Option<i64> {
        let count = i64::from(self.count.max(1));
        let elapsed = (now - self.start).max(0);
        let in_period = elapsed % count;
        let high = Self::high_part(self.count);
        let end = if self.mode == 3 && in_period < high { high } else { count };
        Some((now - in_period + end).max(now + 1))
    }

    fn read(&mut self, now: i64) -> u8 {
        if let Some(status) = self.status.take() {
            return status;
        }
        let value = self.latch.unwrap_or_else(|| self.value(now));
        let [low, high] = value.to_le_bytes();
        match self.access {
            Access::Low => {
                self.latch = None;
                low
            }
            Access::High => {
                self.latch = None;
                high
            }
            Access::Both if self.high_next => {
                self.high_next = false;
                self.latch = None;
                high
            }
            Access::Both => {
                self.high_next = true;
                low
            }
        }
    }

    fn latch_count(&mut self, now: i64) {
        if self.latch.is_none() {
            self.latch = Some(self.value(now));
        }
    }

    fn latch_status(&mut self, now: i64) {
        let access = match self.access {
            Access::Low => 1,
            Access::High => 2,
            Access::Both => 3,
        };
        let is_null = self.next.is_some() || self.count == 0;
        let status = u8::from(self.out(now)) << 7
            | u8::from(is_null) << 6
            | access << 4
            | self.mode << 1
            | u8::from(self.bcd);
        self.status.get_or_insert(status);
    }

    fn set_gate(&mut self, gate: bool, now: i64) {
        let rises = gate && !self.gate;
        let falls = !gate && self.gate;
        self.gate = gate;
        match self.mode {
            0 | 4 if falls && self.started => self.held = Some(now - self.start),
            0 | 4 if rises => {
                if let Some(held) = self.held.take() {
                    self.start = now - held;
                }
            }
            2 | 3 if falls && self.started => self.held = Some(0),
            1 | 5 if rises && (self.next.is_some() || self.count != 0) => self.trigger(now),
            2 | 3 if rises && self.held.is_some() => {
                self.held = None;
                self.started = false;
                self.trigger(now);
            }
            _ => {}
        }
    }

    fn trigger(&mut self, now: i64) {
        let count = self.next.map_or(self.count, |(count, _)| count);
        self.next = Some((count, Some(now + 1)));
    }
}

fn from_bcd(n: u16) -> u32 {
    (0..4).rev().fold(0, |value, i| value * 10 + u32::from(n >> (4 * i) & 0xF))
}

fn to_bcd(n: u16) -> u16 {
    let digit = |weight: u16| n / weight % 10;
    digit(1) | digit(10) << 4 | digit(100) << 8 | digit(1000) << 12
}

/// The timer.
#[derive(Debug)]
pub struct Pit {
    counters: [Counter; 3],
    port_b: u8,
    irq: IrqLine,
    timer: Timer,
}

#[derive(Serialize, Deserialize)]
struct State {
    counters: [Counter; 3],
    port_b: u8,
    irq: bool,
    due_ns: Option<u64>,
}

impl Pit {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[COUNTER_0, 0x41, COUNTER_2, CONTROL, PORT_B];

    /// A timer that drives `irq` (IRQ 0); the bus ticks it by `timer`.
    #[must_use]
    pub fn new(irq: IrqLine, timer: Timer) -> Self {
        let counters = [Counter::new(true), Counter::new(true), Counter::new(false)];
        Self { counters, port_b: 0, irq, timer }
    }

    /// Counter 0's period in clocks if it makes periodic interrupts, for reports.
    #[must_use]
    pub fn period_ticks(&self) -> Option<u32> {
        let c = &self.counters[0];
        (c.started && c.is_periodic()).then_some(c.count)
    }

    fn settle(&mut self, now: i64) {
        let channel = &mut self.counters[0];
        channel.catch_up(now);
        self.irq.set(channel.out(now));
        let due = channel.next_edge(now).map(ns_at);
        if self.timer.due_ns() != due {
            self.timer.set(due);
        }
    }

    fn write_control(&mut self, word: u8, now: i64) {
        let which = usize::from(word >> 6);
        if let Some(counter) = self.counters.get_mut(which) {
            if word >> 4 & 3 == 0 {
                counter.latch_count(now);
            } else {
                counter.write_control(word);
            }
            return;
        }
        for (i, counter) in self.counters.iter_mut().enumerate() {
            if word >> (i + 1) & 1 == 0 {
                continue;
            }
            if word >> 5 & 1 == 0 {
                counter.latch_count(now);
            }
            if word >> 4 & 1 == 0 {
                counter.latch_status(now);
            }
        }
    }

    fn read_port_b(&self, now: i64) -> u8 {
        let refresh = if (now / REFRESH_TICKS) & 1 != 0 { REFRESH } else { 0 };
        let out = if self.counters[2].out(now) { OUT2 } else { 0 };
        self.port_b | refresh | out
    }

    fn write_port(&mut self, port: u16, value: u8, now: i64) {
        match port {
            COUNTER_0..=COUNTER_2 => {
                self.counters[usize::from(port - COUNTER_0)].write(value, now);
            }
            CONTROL => self.write_control(value, now),
            _ => {
                self.port_b = value & 0x0F;
                self.counters[2].set_gate(value & GATE2 != 0, now);
            }
        }
    }

    fn catch_up(&mut self, now: i64) {
        for counter in &mut self.counters {
            counter.catch_up(now);
        }
    }
}

impl Device for Pit {
    fn name(&self) -> &'static str {
        "pit"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let now = ticks_at(io.now_ns);
        self.catch_up(now);
        wire::read_bytes(at, io.size, |port| match port {
            COUNTER_0..=COUNTER_2 => self.counters[usize::from(port - COUNTER_0)].read(now),
            PORT_B => self.read_port_b(now),
            _ => 0xFF,
        })
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        let now = ticks_at(io.now_ns);
        self.catch_up(now);
        wire::write_bytes(at, io.size, value, |port, byte| self.write_port(port, byte, now));
        self.settle(now);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        // Late by more than an edge: show them one by one, so that none is lost.
        let now = ticks_at(io.now_ns);
        let due = self.timer.due_ns().map_or(now, ticks_at);
        self.settle(due.min(now));
    }

    fn reset(&mut self) {
        *self = Self::new(self.irq.clone(), self.timer.clone());
        self.irq.set(false);
        self.timer.set(None);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&State {
            counters: self.counters.clone(),
            port_b: self.port_b,
            irq: self.irq.is_high(),
            due_ns: self.timer.due_ns(),
        })
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: State = wire::restore(self.name(), bytes)?;
        let in_range = |n: i64| (0..=i64::MAX / 4).contains(&n.saturating_add(0x2_0000));
        let sane = state.counters.iter().all(|c| {
            let next = c.next.unwrap_or((1, None));
            c.mode <= 5
                && c.count <= 0x1_0000
                && in_range(c.start)
                && in_range(c.held.unwrap_or(0))
                && (1..=0x1_0000).contains(&next.0)
                && in_range(next.1.unwrap_or(0))
        });
        wire::require(self.name(), sane, "a counter out of range")?;
        self.counters = state.counters;
        self.port_b = state.port_b & 0x0F;
        self.irq.set(state.irq);
        self.timer.set(state.due_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
