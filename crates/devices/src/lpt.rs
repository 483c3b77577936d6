//! A parallel port with a printer that takes every byte. From the IBM PC/AT Technical Reference
//! (printer adapter) and, for the direction bit and the interrupt status, the PS/2 Hardware
//! Interface Technical Reference (parallel port controller).
//!
//! A byte is taken when STROBE goes active; the printer is busy for a moment, then acknowledges.
//! The end of the acknowledgement raises IRQ 7 if the guest wants it; reading the status register
//! lowers it.

use crate::uart::SerialSink;
use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use serde::{Deserialize, Serialize};

/// Data.
pub const DATA: u16 = 0;
/// Status.
pub const STATUS: u16 = 1;
/// Control.
pub const CONTROL: u16 = 2;

/// Status: not busy.
pub const STATUS_READY: u8 = 1 << 7;
/// Status: high but while the printer acknowledges.
pub const STATUS_NACK: u8 = 1 << 6;
/// Status: the printer is selected.
pub const STATUS_SELECT: u8 = 1 << 4;
/// Status: no error.
pub const STATUS_NERROR: u8 = 1 << 3;
/// Status: low while an interrupt waits.
pub const STATUS_NIRQ: u8 = 1 << 2;
/// Control: STROBE.
pub const CONTROL_STROBE: u8 = 1 << 0;
/// Control: low resets the printer.
pub const CONTROL_NINIT: u8 = 1 << 2;
/// Control: interrupts.
pub const CONTROL_IRQ: u8 = 1 << 4;
/// Control: the data lines are inputs.
pub const CONTROL_INPUT: u8 = 1 << 5;

/// Bits that nothing drives.
const UNUSED: u8 = 0x03;
/// The printer is busy for this long, and acknowledges at the end.
const BUSY_NS: u64 = 10_000;
const ACK_NS: u64 = 2_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    data: u8,
    control: u8,
    /// When the printer will be ready again.
    busy_ns: Option<u64>,
    irq: bool,
}

impl State {
    const RESET: Self = Self { data: 0, control: 0, busy_ns: None, irq: false };
}

/// A parallel port.
pub struct Lpt {
    base: u16,
    state: State,
    sink: Box<dyn SerialSink>,
    irq: IrqLine,
    timer: Timer,
}

impl std::fmt::Debug for Lpt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lpt").field("base", &self.base).field("state", &self.state).finish()
    }
}

impl Lpt {
    /// Ports of LPT1.
    pub const LPT1: &'static [u16] = &[0x378, 0x379, 0x37A];

    /// A port at `base` (378h: IRQ 7) whose printer writes to `sink`.
    #[must_use]
    pub fn new(base: u16, sink: Box<dyn SerialSink>, irq: IrqLine, timer: Timer) -> Self {
        Self { base, state: State::RESET, sink, irq, timer }
    }

    fn settle(&mut self, now_ns: u64) {
        let s = &mut self.state;
        if s.busy_ns.is_some_and(|end| end <= now_ns) {
            s.busy_ns = None;
            s.irq = s.control & CONTROL_IRQ != 0;
        }
        self.show();
    }

    fn show(&self) {
        self.irq.set(self.state.irq);
        if self.timer.due_ns() != self.state.busy_ns {
            self.timer.set(self.state.busy_ns);
        }
    }

    fn status(&mut self, now_ns: u64) -> u8 {
        let s = &mut self.state;
        let left_ns = s.busy_ns.map(|end| end.saturating_sub(now_ns));
        let ready = if left_ns.is_none() { STATUS_READY } else { 0 };
        let nack = if left_ns.is_some_and(|left| left <= ACK_NS) { 0 } else { STATUS_NACK };
        let nirq = if std::mem::take(&mut s.irq) { 0 } else { STATUS_NIRQ };
        ready | nack | nirq | STATUS_SELECT | STATUS_NERROR | UNUSED
    }

    fn read_register(&mut self, register: u16, now_ns: u64) -> u8 {
        match register {
            // Nobody drives the lines when we don't.
            DATA if self.state.control & CONTROL_INPUT != 0 => 0xFF,
            DATA => self.state.data,
            STATUS => self.status(now_ns),
            _ => 0xC0 | self.state.control,
        }
    }

    fn write_control(&mut self, value: u8, now_ns: u64) {
        let s = &mut self.state;
        let strobes = value & !s.control & CONTROL_STROBE != 0;
        s.control = value & 0x3F;
        if s.control & CONTROL_IRQ == 0 {
            s.irq = false;
        }
        if s.control & CONTROL_NINIT == 0 {
            s.busy_ns = None;
        } else if strobes && s.busy_ns.is_none() {
            s.busy_ns = Some(now_ns.saturating_add(BUSY_NS));
            self.sink.send(s.data);
        }
    }
}

impl Device for Lpt {
    fn name(&self) -> &'static str {
        "lpt"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        self.settle(io.now_ns);
        let base = self.base;
        let value = wire::read_bytes(at, io.size, |port| {
            self.read_register(port.wrapping_sub(base), io.now_ns)
        });
        self.show();
        value
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        self.settle(io.now_ns);
        let base = self.base;
        wire::write_bytes(at, io.size, value, |port, byte| match port.wrapping_sub(base) {
            DATA => self.state.data = byte,
            CONTROL => self.write_control(byte, io.now_ns),
            _ => {}
        });
        self.show();
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.settle(io.now_ns);
    }

    fn reset(&mut self) {
        self.state = State::RESET;
        self.show();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.state = wire::restore(self.name(), bytes)?;
        self.show();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::Signals;
    use mem::Memory;
    use std::sync::{Arc, Mutex};

    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl SerialSink for Paper {
        fn send(&mut self, byte: u8) {
            self.0.lock().unwrap().push(byte);
        }
    }

    struct Rig {
        lpt: Lpt,
        printed: Arc<Mutex<Vec<u8>>>,
        mem: Memory,
        now_ns: u64,
    }

    impl Rig {
        fn new() -> Self {
            let signals = Signals::new();
            let printed = Arc::new(Mutex::new(Vec::new()));
            let sink = Box::new(Paper(Arc::clone(&printed)));
            let lpt = Lpt::new(0x378, sink, IrqLine::new(&signals, 7), Timer::new(&signals));
            let mut r = Self { lpt, printed, mem: Memory::flat(4096).unwrap(), now_ns: 0 };
            r.write(CONTROL, CONTROL_NINIT);
            r
        }

        fn write(&mut self, register: u16, value: u8) {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
            self.lpt.write(u64::from(0x378 + register), u32::from(value), &mut io);
        }

        fn read(&mut self, register: u16) -> u8 {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
            self.lpt.read(u64::from(0x378 + register), &mut io) as u8
        }

        fn print(&mut self, byte: u8, control: u8) {
            self.write(DATA, byte);
            self.write(CONTROL, control | CONTROL_NINIT | CONTROL_STROBE);
            self.write(CONTROL, control | CONTROL_NINIT);
        }
    }

    #[test]
    fn strobe_prints_and_the_printer_acknowledges() {
        let mut r = Rig::new();
        assert_eq!(r.read(STATUS), 0xDF);
        r.print(b'A', 0);
        assert_eq!(*r.printed.lock().unwrap(), b"A");
        assert_eq!(r.read(STATUS) & (STATUS_READY | STATUS_NACK), STATUS_NACK);
        r.now_ns = BUSY_NS - 1;
        assert_eq!(r.read(STATUS) & (STATUS_READY | STATUS_NACK), 0);
        r.now_ns = BUSY_NS;
        assert_eq!(r.read(STATUS), 0xDF);
    }

    #[test]
    fn interrupt_comes_with_the_end_of_the_acknowledgement_and_goes_with_a_look() {
        let mut r = Rig::new();
        r.print(b'A', CONTROL_IRQ);
        assert!(!r.lpt.irq.is_high());
        r.now_ns = r.lpt.timer.due_ns().unwrap();
        let mut io = Io { cpu: 0, now_ns: r.now_ns, size: 0, memory: &mut r.mem };
        r.lpt.tick(&mut io);
        assert!(r.lpt.irq.is_high());
        assert_eq!(r.read(STATUS) & STATUS_NIRQ, 0);
        assert!(!r.lpt.irq.is_high());
        assert_eq!(r.read(STATUS) & STATUS_NIRQ, STATUS_NIRQ);
    }

    #[test]
    fn data_are_read_back_unless_the_lines_are_inputs() {
        let mut r = Rig::new();
        r.write(DATA, 0xAA);
        assert_eq!(r.read(DATA), 0xAA);
        r.write(CONTROL, CONTROL_NINIT | CONTROL_INPUT);
        assert_eq!((r.read(DATA), r.read(CONTROL)), (0xFF, 0xE4));
    }

    #[test]
    fn nothing_is_printed_while_the_printer_is_busy_or_reset() {
        let mut r = Rig::new();
        r.print(b'A', 0);
        r.print(b'B', 0);
        r.now_ns = BUSY_NS;
        r.write(CONTROL, 0);
        r.write(CONTROL, CONTROL_STROBE);
        assert_eq!(*r.printed.lock().unwrap(), b"A");
    }
}
