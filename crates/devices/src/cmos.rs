//! The MC146818 real-time clock and its CMOS memory. From the Motorola MC146818A datasheet;
//! the memory's meaning is that of AT BIOSes.
//!
//! The time is the machine's start time plus virtual time: equal runs show equal dates. The
//! time registers are advanced when they're looked at, not second by second.

use crate::calendar::Civil;
use crate::wire;
use bus::{Device, Io, IrqLine, NmiGate, StateError, Timer};
use serde::{Deserialize, Serialize};

/// Index; bit 7 masks NMI.
pub const INDEX: u16 = 0x70;
/// Bit 7 of the index.
const NMI_OFF: u8 = 0x80;
/// Data.
pub const DATA: u16 = 0x71;

/// Status register A.
pub const REG_A: u8 = 0x0A;
/// Status register B.
pub const REG_B: u8 = 0x0B;
/// Status register C.
pub const REG_C: u8 = 0x0C;
/// Status register D.
pub const REG_D: u8 = 0x0D;
/// Century, BCD.
pub const CENTURY: u8 = 0x32;

/// A: update in progress.
pub const A_UIP: u8 = 1 << 7;
/// B: updates stopped, the guest sets the time.
pub const B_SET: u8 = 1 << 7;
/// B: periodic interrupt.
pub const B_PIE: u8 = 1 << 6;
/// B: alarm interrupt.
pub const B_AIE: u8 = 1 << 5;
/// B: update-ended interrupt.
pub const B_UIE: u8 = 1 << 4;
/// B: binary, not BCD.
pub const B_DM: u8 = 1 << 2;
/// B: 24 hours.
pub const B_24H: u8 = 1 << 1;
/// C: some enabled flag is set.
pub const C_IRQF: u8 = 1 << 7;
/// C: periodic flag.
pub const C_PF: u8 = 1 << 6;
/// C: alarm flag.
pub const C_AF: u8 = 1 << 5;
/// C: update flag.
pub const C_UF: u8 = 1 << 4;
/// D: the battery is good.
pub const D_VRT: u8 = 1 << 7;

const SECOND_NS: u64 = 1_000_000_000;
/// UIP rises 244 microseconds before an update, which takes 1984.
const UIP_NS: u64 = 2_228_000;
/// An alarm byte at or above this matches always.
const ALARM_ANY: u8 = 0xC0;
const BYTES: usize = 128;

/// A disk, as CMOS describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskGeometry {
    /// Cylinders.
    pub cylinders: u16,
    /// Heads.
    pub heads: u8,
    /// Sectors a track.
    pub sectors: u8,
}

/// What the board tells the BIOS by way of CMOS.
#[derive(Clone, Debug)]
pub struct CmosConfig {
    /// RAM in all, bytes.
    pub memory_bytes: u64,
    /// Where RAM below 4 GiB ends, bytes; the rest lies above 4 GiB.
    pub below_4g_bytes: u64,
    /// Types of drives A and B: 0 none, 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M.
    pub floppies: [u8; 2],
    /// Disks of the first channel.
    pub disks: [Option<DiskGeometry>; 2],
    /// The time at virtual time 0.
    pub start: Civil,
}

impl Default for CmosConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 32 << 20,
            below_4g_bytes: 32 << 20,
            floppies: [4, 0],
            disks: [None; 2],
            start: Civil::DEFAULT,
        }
    }
}

fn to_bcd(value: u8) -> u8 {
    (value / 10) << 4 | (value % 10)
}

/// Clock and memory.
#[derive(Debug)]
pub struct Cmos {
    state: State,
    irq: IrqLine,
    nmi: NmiGate,
    timer: Timer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    index: u8,
    bytes: Vec<u8>,
    /// Virtual time of the last update.
    updated_ns: u64,
    /// Up to when the periodic flag was looked after.
    periodic_ns: u64,
    due_ns: Option<u64>,
}

impl State {
    fn get(&self, index: u8) -> u8 {
        self.bytes.get(usize::from(index)).copied().unwrap_or(0)
    }

    fn set(&mut self, index: u8, value: u8) {
        if let Some(byte) = self.bytes.get_mut(usize::from(index)) {
            *byte = value;
        }
    }

    fn set_word(&mut self, index: u8, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.set(index, low);
        self.set(index + 1, high);
    }

    fn is_binary(&self) -> bool {
        self.get(REG_B) & B_DM != 0
    }

    fn decode(&self, value: u8) -> u32 {
        if self.is_binary() {
            u32::from(value)
        } else {
            u32::from(value >> 4) * 10 + u32::from(value & 0xF)
        }
    }

    fn encode(&self, value: u32) -> u8 {
        let value = (value % 100) as u8;
        if self.is_binary() { value } else { to_bcd(value) }
    }

    fn decode_hour(&self, byte: u8) -> u32 {
        if self.get(REG_B) & B_24H != 0 {
            return self.decode(byte);
        }
        let noon = if byte & 0x80 != 0 { 12 } else { 0 };
        self.decode(byte & 0x7F) % 12 + noon
    }

    fn encode_hour(&self, hour: u32) -> u8 {
        if self.get(REG_B) & B_24H != 0 {
            return self.encode(hour);
        }
        let of_half = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        self.encode(of_half) | if hour >= 12 { 0x80 } else { 0 }
    }

    fn time(&self) -> Civil {
        let century = self.get(CENTURY);
        let century = u32::from(century >> 4) * 10 + u32::from(century & 0xF);
        Civil {
            year: (century * 100 + self.decode(self.get(9))).min(9999),
            month: self.decode(self.get(8)),
            day: self.decode(self.get(7)),
            hour: self.decode_hour(self.get(4)),
            minute: self.decode(self.get(2)),
            second: self.decode(self.get(0)),
        }
    }

    fn set_time(&mut self, t: Civil) {
        self.set(0, self.encode(t.second));
        self.set(2, self.encode(t.minute));
        self.set(4, self.encode_hour(t.hour));
        self.set(6, self.encode(t.weekday()));
        self.set(7, self.encode(t.day));
        self.set(8, self.encode(t.month));
        self.set(9, self.encode(t.year));
        let century = (t.year / 100) as u8;
        self.set(CENTURY, to_bcd(century));
    }

    /// True while the clock counts: the divider runs and SET is off.
    fn runs(&self) -> bool {
        self.get(REG_A) >> 4 & 7 == 2 && self.get(REG_B) & B_SET == 0
    }

    fn period_ns(&self) -> Option<u128> {
        let rate = self.get(REG_A) & 0xF;
        let rate = if (1..=2).contains(&rate) { rate + 7 } else { rate };
        let clocks = 1u128 << rate.checked_sub(1)?;
        Some(clocks)
    }

    /// How many periods of the rate have passed at a time; the unit is 1/32768 s.
    fn periods_at(&self, ns: u64) -> u128 {
        let clocks = u128::from(ns) * 32_768 / u128::from(SECOND_NS);
        self.period_ns().map_or(0, |period| clocks / period)
    }

    fn next_period_ns(&self, now_ns: u64) -> Option<u64> {
        let clocks = (self.periods_at(now_ns) + 1) * self.period_ns()?;
        u64::try_from((clocks * u128::from(SECOND_NS)).div_ceil(32_768)).ok()
    }

    fn alarm_matches(&self, seconds: u64) -> bool {
        let t = Civil::from_epoch(seconds);
        let is = |index: u8, now: u8| {
            let alarm = self.get(index);
            alarm >= ALARM_ANY && index != 5 || alarm & ALARM_ANY == ALARM_ANY || alarm == now
        };
        is(1, self.encode(t.second))
            && is(3, self.encode(t.minute))
            && is(5, self.encode_hour(t.hour))
    }

    /// The first second in `from..=to` at which the alarm goes off. A day covers all times.
    fn alarm_between(&self, from: u64, to: u64) -> Option<u64> {
        (from..=to.min(from.saturating_add(86_400))).find(|s| self.alarm_matches(*s))
    }

    fn flag(&mut self, flags: u8) {
        let mut c = self.get(REG_C) | flags;
        if c & self.get(REG_B) & (C_PF | C_AF | C_UF) != 0 {
            c |= C_IRQF;
        }
        self.set(REG_C, c);
    }

    fn catch_up(&mut self, now_ns: u64) {
        if self.periods_at(now_ns) != self.periods_at(self.periodic_ns) {
            self.flag(C_PF);
        }
        self.periodic_ns = now_ns;
        if !self.runs() {
            return;
        }
        let seconds = now_ns.saturating_sub(self.updated_ns) / SECOND_NS;
        if seconds == 0 {
            return;
        }
        self.updated_ns += seconds * SECOND_NS;
        let before = self.time().to_epoch();
        let after = before + seconds;
        // Nobody can see more than whether it went off; a whole day needs no search.
        let alarm = self.alarm_between(before + 1, after).is_some();
        self.set_time(Civil::from_epoch(after));
        self.flag(if alarm { C_UF | C_AF } else { C_UF });
    }

    fn next_deadline(&self, now_ns: u64) -> Option<u64> {
        let b = self.get(REG_B);
        if self.get(REG_C) & C_IRQF != 0 {
            return None;
        }
        let periodic = if b & B_PIE != 0 { self.next_period_ns(now_ns) } else { None };
        // An alarm is looked for second by second: cheap, and its bytes may change meanwhile.
        let update = (b & (B_UIE | B_AIE) != 0 && self.runs())
            .then_some(self.updated_ns.saturating_add(SECOND_NS));
        [periodic, update].into_iter().flatten().min()
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        let index = self.index & 0x7F;
        match index {
            REG_A => {
                let since = now_ns.saturating_sub(self.updated_ns);
                let uip = self.runs() && since >= SECOND_NS - UIP_NS;
                self.get(REG_A) & !A_UIP | if uip { A_UIP } else { 0 }
            }
            REG_C => {
                let flags = self.get(REG_C);
                self.set(REG_C, 0);
                flags
            }
            REG_D => D_VRT,
            _ => self.get(index),
        }
    }

    fn write(&mut self, value: u8, now_ns: u64) {
        let index = self.index & 0x7F;
        match index {
            REG_A => {
                let ran = self.runs();
                self.set(REG_A, value & !A_UIP);
                if self.runs() && !ran {
                    // A divider that is released updates half a second later.
                    self.updated_ns = now_ns.saturating_sub(SECOND_NS / 2);
                }
                self.periodic_ns = now_ns;
            }
            REG_B => self.write_b(value, now_ns),
            REG_C | REG_D => {}
            _ => self.set(index, value),
        }
    }

    fn write_b(&mut self, value: u8, now_ns: u64) {
        let value = if value & B_SET != 0 { value & !B_UIE } else { value };
        let ran = self.runs();
        self.set(REG_B, value);
        if self.runs() && !ran {
            // SET doesn't stop the divider: the next update keeps its place in the second.
            let missed = now_ns.saturating_sub(self.updated_ns) / SECOND_NS;
            self.updated_ns += missed * SECOND_NS;
        }
        self.set(REG_C, self.get(REG_C) & !C_IRQF);
        self.flag(0);
    }
}

impl Cmos {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[INDEX, DATA];

    /// A clock and memory that describe the machine of `config`, driving `irq` (IRQ 8).
    #[must_use]
    pub fn new(config: &CmosConfig, irq: IrqLine, nmi: NmiGate, timer: Timer) -> Self {
        let mut state =
            State { index: 0, bytes: vec![0; BYTES], updated_ns: 0, periodic_ns: 0, due_ns: None };
        state.set(REG_A, 0x26);
        state.set(REG_B, B_24H);
        state.set_time(config.start);
        set_memory(&mut state, config);
        set_drives(&mut state, config);
        let sum = (0x10..0x2E).map(|i| u16::from(state.get(i))).sum::<u16>();
        let [low, high] = sum.to_le_bytes();
        state.set(0x2E, high);
        state.set(0x2F, low);
        Self { state, irq, nmi, timer }
    }

    /// A byte of the memory, as the board or a report wants it.
    #[must_use]
    pub fn byte(&self, index: u8) -> u8 {
        self.state.get(index & 0x7F)
    }

    /// Sets a byte of the memory, as the board's maker would.
    pub fn set_byte(&mut self, index: u8, value: u8) {
        self.state.set(index & 0x7F, value);
    }

    fn settle(&mut self, now_ns: u64) {
        self.irq.set(self.state.get(REG_C) & C_IRQF != 0);
        self.nmi.close(self.state.index & NMI_OFF != 0);
        let due = self.state.next_deadline(now_ns);
        self.state.due_ns = due;
        if self.timer.due_ns() != due {
            self.timer.set(due);
        }
    }
}

fn set_memory(state: &mut State, config: &CmosConfig) {
    let total = config.memory_bytes.min(config.below_4g_bytes.max(1 << 20));
    let clamp = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let kib = clamp((total / 1024).min(640));
    let extended = total.saturating_sub(1 << 20) / 1024;
    state.set_word(0x15, kib);
    state.set_word(0x17, clamp(extended.min(0xFC00)));
    state.set_word(0x30, clamp(extended.min(0xFC00)));
    state.set_word(0x34, clamp(total.saturating_sub(16 << 20) >> 16));
    let high = config.memory_bytes.saturating_sub(total) >> 16;
    state.set(0x5B, high as u8);
    state.set(0x5C, (high >> 8) as u8);
    state.set(0x5D, (high >> 16) as u8);
}

fn set_drives(state: &mut State, config: &CmosConfig) {
    let [a, b] = config.floppies;
    state.set(0x10, a << 4 | b & 0xF);
    let drives = u8::from(a != 0) + u8::from(b != 0);
    // Equipment: a coprocessor, a pointing device, the display is VGA.
    let floppies = if drives > 0 { 1 | (drives - 1) << 6 } else { 0 };
    state.set(0x14, floppies | 0x06);
    let kind = |disk: Option<DiskGeometry>| if disk.is_some() { 0xF } else { 0 };
    state.set(0x12, kind(config.disks[0]) << 4 | kind(config.disks[1]));
    for (i, disk) in config.disks.iter().enumerate() {
        let Some(disk) = disk else { continue };
        // Type 47 is "as described": nine bytes at 1Bh or 24h.
        state.set([0x19, 0x1A][i], 47);
        let at = [0x1B, 0x24][i];
        state.set_word(at, disk.cylinders);
        state.set(at + 2, disk.heads);
        state.set_word(at + 3, 0xFFFF);
        state.set(at + 5, if disk.heads > 8 { 8 } else { 0 });
        state.set_word(at + 6, disk.cylinders);
        state.set(at + 8, disk.sectors);
    }
}

impl Device for Cmos {
    fn name(&self) -> &'static str {
        "cmos"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        self.state.catch_up(io.now_ns);
        let state = &mut self.state;
        let value = wire::read_bytes(at, io.size, |port| match port {
            DATA => state.read(io.now_ns),
            _ => 0xFF,
        });
        self.settle(io.now_ns);
        value
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        self.state.catch_up(io.now_ns);
        let state = &mut self.state;
        wire::write_bytes(at, io.size, value, |port, byte| match port {
            INDEX => state.index = byte,
            _ => state.write(byte, io.now_ns),
        });
        self.settle(io.now_ns);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.state.catch_up(io.now_ns);
        self.settle(io.now_ns);
    }

    fn reset(&mut self) {
        // The battery keeps time and memory; RESET clears the interrupt enables and flags.
        let b = self.state.get(REG_B) & !(B_PIE | B_AIE | B_UIE);
        self.state.set(REG_B, b);
        self.state.set(REG_C, 0);
        self.state.index = 0;
        self.settle(self.state.periodic_ns);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: State = wire::restore(self.name(), bytes)?;
        let limit = u64::MAX / 4;
        let sane = state.bytes.len() == BYTES && state.updated_ns < limit;
        wire::require(self.name(), sane, "not its memory")?;
        self.state = state;
        self.irq.set(self.state.get(REG_C) & C_IRQF != 0);
        self.nmi.close(self.state.index & NMI_OFF != 0);
        self.timer.set(self.state.due_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
