//! The timer's tests.

use super::*;
use bus::Signals;
use mem::Memory;
use std::sync::Arc;

struct Rig {
    pit: Pit,
    mem: Memory,
    signals: Arc<Signals>,
}

impl Rig {
    fn new() -> Self {
        let signals = Signals::new();
        let pit = Pit::new(IrqLine::new(&signals, 0), Timer::new(&signals));
        Self { pit, mem: Memory::flat(4096).unwrap(), signals }
    }

    fn write(&mut self, tick: i64, port: u16, value: u32) {
        let mut io = Io { cpu: 0, now_ns: ns_at(tick), size: 1, memory: &mut self.mem };
        self.pit.write(u64::from(port), value, &mut io);
    }

    fn read(&mut self, tick: i64, port: u16) -> u32 {
        let mut io = Io { cpu: 0, now_ns: ns_at(tick), size: 1, memory: &mut self.mem };
        self.pit.read(u64::from(port), &mut io)
    }

    /// Runs to the next deadline: (tick, level of IRQ 0).
    fn next(&mut self) -> Option<(i64, bool)> {
        let now_ns = self.pit.timer.due_ns()?;
        let mut io = Io { cpu: 0, now_ns, size: 0, memory: &mut self.mem };
        self.pit.tick(&mut io);
        Some((ticks_at(now_ns), self.signals.lines() & 1 != 0))
    }
}

#[test]
fn ticks_and_nanoseconds_agree_at_every_edge() {
    for tick in [0, 1, 2, 3, 65_535, 1_193_182, 123_456_789_012] {
        assert_eq!(ticks_at(ns_at(tick)), tick);
        assert!(tick == 0 || ticks_at(ns_at(tick) - 1) == tick - 1);
    }
    assert_eq!(ns_at(1_193_182), 1_000_000_000);
}

#[test]
fn rate_generator_is_low_for_one_clock_a_period() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x34);
    assert!(r.pit.irq.is_high());
    r.write(0, COUNTER_0, 10);
    r.write(0, COUNTER_0, 0);
    assert_eq!(r.next(), Some((1, true)));
    let edges: Vec<_> = std::iter::repeat_with(|| r.next().unwrap()).take(4).collect();
    assert_eq!(edges, [(10, false), (11, true), (20, false), (21, true)]);
}

#[test]
fn square_wave_of_odd_count_is_high_one_clock_longer() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x16);
    r.write(0, COUNTER_0, 5);
    let edges: Vec<_> = std::iter::repeat_with(|| r.next().unwrap()).take(5).collect();
    assert_eq!(edges, [(1, true), (4, false), (6, true), (9, false), (11, true)]);
}

#[test]
fn square_wave_takes_a_new_count_at_the_half() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x16);
    r.write(0, COUNTER_0, 100);
    r.next();
    r.write(20, COUNTER_0, 10);
    let edges: Vec<_> = std::iter::repeat_with(|| r.next().unwrap()).take(3).collect();
    assert_eq!(edges, [(51, false), (56, true), (61, false)]);
}

#[test]
fn interrupt_on_terminal_count_comes_once() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x30);
    assert!(!r.pit.irq.is_high());
    r.write(0, COUNTER_0, 0x00);
    r.write(0, COUNTER_0, 0x01);
    r.next();
    assert_eq!(r.read(129, COUNTER_0), 0x80);
    assert_eq!(r.next(), Some((257, true)));
    assert_eq!(r.next(), None);
}

#[test]
fn latch_freezes_both_bytes() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x34);
    r.write(0, COUNTER_0, 0);
    r.write(0, COUNTER_0, 0);
    r.write(0x101, CONTROL, 0x00);
    assert_eq!(r.read(0x400, COUNTER_0), 0x00);
    assert_eq!(r.read(0x500, COUNTER_0), 0xFF);
}

#[test]
fn read_back_gives_status_before_count() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x34);
    r.write(0, CONTROL, 0xE2);
    assert_eq!(r.read(0, COUNTER_0), 0xF4);
    r.write(0, COUNTER_0, 100);
    r.write(0, COUNTER_0, 0);
    r.write(11, CONTROL, 0xC2);
    assert_eq!(r.read(50, COUNTER_0), 0xB4);
    assert_eq!(r.read(50, COUNTER_0), 90);
}

#[test]
fn gate_of_counter_2_stops_mode_0_and_out_is_seen_at_61h() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0xB0);
    r.write(0, COUNTER_2, 100);
    r.write(0, COUNTER_2, 0);
    assert_eq!(r.read(500, PORT_B) as u8 & OUT2, 0);
    r.write(501, PORT_B, 1);
    r.write(551, PORT_B, 0);
    r.write(1000, PORT_B, 1);
    assert_eq!(r.read(1049, PORT_B) as u8 & OUT2, 0);
    assert_ne!(r.read(1050, PORT_B) as u8 & OUT2, 0);
}

#[test]
fn one_shot_waits_for_the_gate_to_rise() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x92);
    r.write(0, COUNTER_2, 50);
    assert_ne!(r.read(300, PORT_B) as u8 & OUT2, 0);
    r.write(400, PORT_B, 1);
    assert_eq!(r.read(402, PORT_B) as u8 & OUT2, 0);
    assert_ne!(r.read(451, PORT_B) as u8 & OUT2, 0);
}

#[test]
fn refresh_bit_toggles() {
    let mut r = Rig::new();
    let seen: Vec<_> = (0..4).map(|i| r.read(i * 18, PORT_B) as u8 & REFRESH).collect();
    assert_eq!(seen, [0, REFRESH, 0, REFRESH]);
}

#[test]
fn bcd_counts_in_decimal() {
    let mut r = Rig::new();
    r.write(0, CONTROL, 0x35);
    r.write(0, COUNTER_0, 0x00);
    r.write(0, COUNTER_0, 0x10);
    assert_eq!(r.read(2, COUNTER_0), 0x99);
    assert_eq!(r.read(2, COUNTER_0), 0x09);
}
