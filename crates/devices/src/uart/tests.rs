//! The serial port's tests.

use super::*;
use bus::Signals;
use mem::Memory;
use std::sync::{Arc, Mutex};

struct Kept(Arc<Mutex<Vec<u8>>>);

impl SerialSink for Kept {
    fn send(&mut self, byte: u8) {
        self.0.lock().unwrap().push(byte);
    }
}

struct Rig {
    uart: Uart,
    sent: Arc<Mutex<Vec<u8>>>,
    mem: Memory,
    now_ns: u64,
}

impl Rig {
    fn new() -> Self {
        let signals = Signals::new();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let sink = Box::new(Kept(Arc::clone(&sent)));
        let uart = Uart::new(0x3F8, sink, IrqLine::new(&signals, 4), Timer::new(&signals));
        Self { uart, sent, mem: Memory::flat(4096).unwrap(), now_ns: 0 }
    }

    fn write(&mut self, register: u16, value: u32) {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.uart.write(u64::from(0x3F8 + register), value, &mut io);
    }

    fn read(&mut self, register: u16) -> u8 {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.uart.read(u64::from(0x3F8 + register), &mut io) as u8
    }

    fn tick(&mut self) {
        self.now_ns = self.now_ns.max(self.uart.timer.due_ns().unwrap());
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 0, memory: &mut self.mem };
        self.uart.tick(&mut io);
    }
}

#[test]
fn bytes_reach_the_sink() {
    let mut r = Rig::new();
    for byte in *b"hi" {
        assert_ne!(r.read(LSR) & LSR_THRE, 0);
        r.write(RBR, u32::from(byte));
    }
    assert_eq!(*r.sent.lock().unwrap(), b"hi");
}

#[test]
fn loopback_returns_bytes_and_modem_lines_without_interrupts() {
    let mut r = Rig::new();
    r.write(IER, 1);
    r.write(MCR, 0x1A);
    r.write(RBR, 0xAE);
    assert_eq!((r.read(LSR) & LSR_DR, r.read(RBR)), (LSR_DR, 0xAE));
    assert_eq!(r.read(MSR) & 0xF0, 0x90);
    assert!(r.sent.lock().unwrap().is_empty() && !r.uart.irq.is_high());
}

#[test]
fn input_comes_at_line_speed_and_interrupts() {
    let mut r = Rig::new();
    r.write(LCR, 3);
    r.write(IER, 1);
    r.write(MCR, u32::from(MCR_OUT2));
    r.now_ns = 1_000_000;
    r.uart.push_input(b"ab");
    r.tick();
    assert!(r.uart.irq.is_high());
    assert_eq!((r.read(IIR), r.read(RBR)), (IIR_DATA, b'a'));
    assert!(!r.uart.irq.is_high());
    r.tick();
    assert_eq!(r.now_ns, 1_000_000 + 86_805);
    assert_eq!(r.read(RBR), b'b');
}

#[test]
fn line_falls_between_two_waiting_characters() {
    let mut r = Rig::new();
    r.write(IER, 1);
    r.write(MCR, u32::from(MCR_OUT2));
    r.uart.push_input(b"ab");
    r.tick();
    r.now_ns += 1_000_000_000;
    assert_eq!(r.read(RBR), b'a');
    assert!(!r.uart.irq.is_high());
    r.tick();
    assert!(r.uart.irq.is_high());
}

#[test]
fn fifo_below_its_trigger_times_out() {
    let mut r = Rig::new();
    r.write(IER, 1);
    r.write(IIR, 0xC1);
    r.uart.push_input(b"x");
    r.tick();
    assert_eq!(r.read(IIR), IIR_FIFOS | IIR_NONE);
    r.tick();
    assert_eq!(r.read(IIR), IIR_FIFOS | IIR_TIMEOUT);
    assert_eq!(r.read(RBR), b'x');
    assert_eq!(r.read(IIR), IIR_FIFOS | IIR_NONE);
}

#[test]
fn transmitter_interrupt_is_cleared_by_reading_iir() {
    let mut r = Rig::new();
    r.write(MCR, u32::from(MCR_OUT2));
    r.write(IER, 2);
    assert!(r.uart.irq.is_high());
    assert_eq!(r.read(IIR), IIR_THRE);
    assert_eq!(r.read(IIR), IIR_NONE);
    r.write(RBR, 0x55);
    assert!(!r.uart.irq.is_high());
    r.tick();
    assert!(r.uart.irq.is_high());
}

#[test]
fn overrun_is_a_line_status_interrupt_read_once() {
    let mut r = Rig::new();
    r.write(LCR, 3);
    r.write(MCR, u32::from(MCR_LOOP));
    r.write(IER, u32::from(IER_ELSI));
    r.write(RBR, 1);
    r.write(RBR, 2);
    assert_eq!(r.read(IIR), IIR_LINE);
    assert_eq!(r.read(LSR) & (LSR_OE | LSR_DR), LSR_OE | LSR_DR);
    assert_eq!((r.read(LSR) & LSR_OE, r.read(IIR), r.read(RBR)), (0, IIR_NONE, 2));
}

#[test]
fn break_is_heard_in_loopback() {
    let mut r = Rig::new();
    r.write(MCR, u32::from(MCR_LOOP));
    r.write(LCR, u32::from(3 | LCR_BREAK));
    assert_eq!(r.read(LSR) & (LSR_BI | LSR_DR), LSR_BI | LSR_DR);
    assert_eq!((r.read(RBR), r.read(LSR) & LSR_BI), (0, 0));
}

#[test]
fn ring_indicator_tells_only_its_trailing_edge() {
    let mut r = Rig::new();
    r.write(MCR, u32::from(MCR_LOOP));
    r.read(MSR);
    r.write(MCR, u32::from(MCR_LOOP | 4));
    assert_eq!(r.read(MSR), 0x40);
    r.write(MCR, u32::from(MCR_LOOP));
    assert_eq!(r.read(MSR), 0x04);
}

#[test]
fn divisor_is_behind_dlab() {
    let mut r = Rig::new();
    r.write(LCR, 0x83);
    r.write(RBR, 0x80);
    r.write(IER, 0x01);
    assert_eq!((r.read(RBR), r.read(IER)), (0x80, 0x01));
    r.write(LCR, 3);
    assert_eq!(r.read(IER), 0);
}
