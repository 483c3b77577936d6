//! The clock's tests.

use super::*;
use bus::Signals;
use mem::Memory;
use std::sync::Arc;

struct Rig {
    cmos: Cmos,
    signals: Arc<Signals>,
    mem: Memory,
    now_ns: u64,
}

impl Rig {
    fn new(config: &CmosConfig) -> Self {
        let signals = Signals::new();
        let (irq, nmi) = (IrqLine::new(&signals, 8), NmiGate::new(&signals));
        let cmos = Cmos::new(config, irq, nmi, Timer::new(&signals));
        Self { cmos, signals, mem: Memory::flat(4096).unwrap(), now_ns: 0 }
    }

    fn read(&mut self, index: u8) -> u8 {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.cmos.write(u64::from(INDEX), u32::from(index), &mut io);
        self.cmos.read(u64::from(DATA), &mut io) as u8
    }

    fn write(&mut self, index: u8, value: u8) {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.cmos.write(u64::from(INDEX), u32::from(index), &mut io);
        self.cmos.write(u64::from(DATA), u32::from(value), &mut io);
    }

    /// Presses the NMI button; true where it reaches the processor.
    fn nmi(&mut self) -> bool {
        self.signals.raise_nmi();
        self.signals.take_nmi()
    }

    fn tick(&mut self) {
        self.now_ns = self.cmos.timer.due_ns().unwrap();
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 0, memory: &mut self.mem };
        self.cmos.tick(&mut io);
    }
}

#[test]
fn time_starts_where_told_and_follows_virtual_time() {
    let mut r = Rig::new(&CmosConfig::default());
    assert_eq!((r.read(9), r.read(CENTURY), r.read(8), r.read(7)), (0x26, 0x20, 1, 1));
    r.now_ns = (31 * 86_400 + 59) * SECOND_NS;
    assert_eq!((r.read(8), r.read(7), r.read(0)), (2, 1, 0x59));
}

#[test]
fn set_time_in_binary_and_12_hours_is_kept() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_B, B_SET | B_DM);
    for (index, value) in [(0, 58), (2, 59), (4, 0x80 | 11), (7, 31), (8, 12), (9, 99)] {
        r.write(index, value);
    }
    r.write(REG_B, B_DM);
    r.now_ns += 2 * SECOND_NS;
    let seen = [0, 2, 4, 7, 8, 9].map(|i| r.read(i));
    assert_eq!(seen, [0, 0, 12, 1, 1, 0]);
    assert_eq!(r.read(CENTURY), 0x21);
}

#[test]
fn periodic_interrupt_comes_at_its_rate_until_c_is_read() {
    let mut r = Rig::new(&CmosConfig::default());
    r.read(REG_C);
    r.write(REG_B, B_24H | B_PIE);
    r.tick();
    assert_eq!(r.now_ns, 976_563);
    assert!(r.cmos.irq.is_high() && r.cmos.timer.due_ns().is_none());
    assert_eq!(r.read(REG_C), C_IRQF | C_PF);
    assert!(!r.cmos.irq.is_high());
    r.tick();
    assert_eq!(r.now_ns, 1_953_125);
}

#[test]
fn a_second_has_1024_periods() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_B, B_24H | B_PIE);
    r.read(REG_C);
    for _ in 0..1024 {
        r.tick();
        r.read(REG_C);
    }
    assert_eq!((r.now_ns, r.read(0)), (SECOND_NS, 1));
}

#[test]
fn alarm_goes_off_at_its_time() {
    let mut r = Rig::new(&CmosConfig::default());
    for (index, value) in [(1, 0x10), (3, 0x02), (5, 0xFF)] {
        r.write(index, value);
    }
    r.read(REG_C);
    r.write(REG_B, B_24H | B_AIE);
    while !r.cmos.irq.is_high() {
        r.tick();
    }
    assert_eq!(r.now_ns, 130 * SECOND_NS);
    assert_eq!(r.read(REG_C) & (C_IRQF | C_AF), C_IRQF | C_AF);
}

#[test]
fn update_in_progress_is_seen_before_each_second() {
    let mut r = Rig::new(&CmosConfig::default());
    r.now_ns = SECOND_NS - UIP_NS - 1;
    assert_eq!(r.read(REG_A), 0x26);
    r.now_ns += 1;
    assert_eq!(r.read(REG_A), 0xA6);
    r.now_ns = SECOND_NS;
    assert_eq!((r.read(REG_A), r.read(0)), (0x26, 1));
}

#[test]
fn memory_sizes_and_drives_are_described() {
    let disk = DiskGeometry { cylinders: 615, heads: 4, sectors: 17 };
    let mut r = Rig::new(&CmosConfig {
        memory_bytes: 128 << 20,
        below_4g_bytes: 3 << 30,
        floppies: [4, 2],
        disks: [Some(disk), None],
        ..CmosConfig::default()
    });
    let seen = [0x15, 0x16, 0x17, 0x18, 0x34, 0x35, 0x10, 0x12, 0x14, 0x19, 0x23];
    let seen = seen.map(|i| r.read(i));
    assert_eq!(seen, [0x80, 0x02, 0x00, 0xFC, 0x00, 0x07, 0x42, 0xF0, 0x47, 47, 17]);
}

#[test]
fn bit_7_of_the_index_keeps_nmi_off_from_that_very_write() {
    let mut rig = Rig::new(&CmosConfig::default());
    assert!(rig.nmi());
    rig.read(0x80 | REG_D);
    assert!(!rig.nmi());
    rig.read(REG_D);
    assert!(rig.nmi(), "one that came meanwhile is lost, the next one isn't");
}

#[test]
fn the_nmi_gate_comes_back_from_saved_state_and_opens_at_reset() {
    let mut rig = Rig::new(&CmosConfig::default());
    rig.read(0x80 | REG_D);
    let saved = rig.cmos.save();
    let mut other = Rig::new(&CmosConfig::default());
    other.cmos.restore(&saved).unwrap();
    assert!(!other.nmi());
    other.cmos.reset();
    assert!(other.nmi());
}

/// The periods of a 32.768 kHz time base, in microseconds, by rate select.
#[test]
fn periodic_rates_are_those_of_the_datasheet() {
    let rates = [
        (1, 3906.25),
        (2, 7812.5),
        (3, 122.070),
        (4, 244.141),
        (5, 488.281),
        (6, 976.5625),
        (7, 1953.125),
        (8, 3906.25),
        (9, 7812.5),
        (10, 15625.0),
        (11, 31250.0),
        (12, 62500.0),
        (13, 125_000.0),
        (14, 250_000.0),
        (15, 500_000.0),
    ];
    for (rate, period_us) in rates {
        let mut r = Rig::new(&CmosConfig::default());
        r.write(REG_A, 0x20 | rate);
        r.read(REG_C);
        r.write(REG_B, B_24H | B_PIE);
        for _ in 0..4 {
            r.tick();
            r.read(REG_C);
        }
        let seen_us = r.now_ns as f64 / 4000.0;
        assert!((seen_us - period_us).abs() < 0.01, "rate {rate}: {seen_us} us");
    }
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_A, 0x20);
    r.write(REG_B, B_24H | B_PIE);
    assert_eq!(r.cmos.timer.due_ns(), None);
}

#[test]
fn update_ended_interrupts_once_a_second_until_c_is_read() {
    let mut r = Rig::new(&CmosConfig::default());
    r.read(REG_C);
    r.write(REG_B, B_24H | B_UIE);
    for second in 1..4 {
        r.tick();
        assert_eq!((r.now_ns, r.cmos.irq.is_high()), (second * SECOND_NS, true));
        assert_eq!(r.read(REG_C) & (C_IRQF | C_UF | C_AF), C_IRQF | C_UF);
        assert!(!r.cmos.irq.is_high());
    }
}

#[test]
fn flags_are_set_without_their_interrupts_being_enabled() {
    let mut r = Rig::new(&CmosConfig::default());
    r.read(REG_C);
    r.now_ns = SECOND_NS;
    assert_eq!(r.read(REG_C), C_UF | C_PF);
    // Enabled afterwards, a flag that is still set interrupts at once.
    r.now_ns = 2 * SECOND_NS;
    r.write(REG_B, B_24H | B_UIE);
    assert!(r.cmos.irq.is_high());
}

#[test]
fn set_stops_updates_and_clears_their_enable() {
    let mut r = Rig::new(&CmosConfig::default());
    r.read(REG_C);
    r.write(REG_B, B_24H | B_SET | B_UIE);
    assert_eq!(r.read(REG_B), B_24H | B_SET);
    r.now_ns = 5 * SECOND_NS;
    assert_eq!((r.read(0), r.read(REG_A) & A_UIP, r.read(REG_C) & C_UF), (0, 0, 0));
}

#[test]
fn a_divider_that_is_released_updates_half_a_second_later() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_A, 0x76);
    r.now_ns = 10 * SECOND_NS;
    assert_eq!(r.read(0), 0);
    r.write(REG_A, 0x26);
    r.now_ns += SECOND_NS / 2 - 1;
    assert_eq!(r.read(0), 0);
    r.now_ns += 1;
    assert_eq!(r.read(0), 1);
}

#[test]
fn alarm_works_in_12_hours_and_binary() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_B, B_SET | B_DM);
    // 11:59:58 in the morning; the alarm at noon.
    for (index, value) in [(0, 58), (2, 59), (4, 11), (1, 0), (3, 0), (5, 0x80 | 12)] {
        r.write(index, value);
    }
    r.read(REG_C);
    r.write(REG_B, B_DM | B_AIE);
    while !r.cmos.irq.is_high() {
        r.tick();
    }
    assert_eq!((r.read(4), r.read(2), r.read(0)), (0x80 | 12, 0, 0));
}

#[test]
fn d_says_that_the_battery_is_good_and_takes_nothing() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(REG_D, 0);
    assert_eq!(r.read(REG_D), 0x80);
}

#[test]
fn bytes_of_the_memory_outlive_a_reset_and_interrupts_do_not() {
    let mut r = Rig::new(&CmosConfig::default());
    r.write(0x50, 0xA5);
    r.write(REG_B, B_24H | B_PIE | B_AIE | B_UIE | B_DM);
    r.cmos.reset();
    assert_eq!((r.read(0x50), r.read(REG_B)), (0xA5, B_24H | B_DM));
}
