//! The 16550A serial port. From the National PC16550D datasheet.
//!
//! All eight bits of a byte are sent, whatever word length is set: guests that never set one are
//! heard. Sending takes no virtual time: a byte written to THR is at the sink at once, and LSR never
//! asks for patience. Only the transmitter's interrupt comes a moment later, so that its line
//! falls in between: edge-triggered controllers live on that. Receiving is spaced by the
//! programmed speed and waits while the guest's buffer is full, so that typed input is never
//! lost.

use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Receiver buffer (read), transmitter holding (write), divisor low (DLAB).
pub const RBR: u16 = 0;
/// Interrupt enable, divisor high (DLAB).
pub const IER: u16 = 1;
/// Interrupt identification (read), FIFO control (write).
pub const IIR: u16 = 2;
/// Line control.
pub const LCR: u16 = 3;
/// Modem control.
pub const MCR: u16 = 4;
/// Line status.
pub const LSR: u16 = 5;
/// Modem status.
pub const MSR: u16 = 6;
/// Scratch.
pub const SCR: u16 = 7;

/// IER: received data.
pub const IER_ERBFI: u8 = 1 << 0;
/// IER: transmitter empty.
pub const IER_ETBEI: u8 = 1 << 1;
/// IER: line status.
pub const IER_ELSI: u8 = 1 << 2;
/// IER: modem status.
pub const IER_EDSSI: u8 = 1 << 3;
/// IIR: nothing pending.
pub const IIR_NONE: u8 = 0x01;
/// IIR: modem status.
pub const IIR_MODEM: u8 = 0x00;
/// IIR: transmitter empty.
pub const IIR_THRE: u8 = 0x02;
/// IIR: received data.
pub const IIR_DATA: u8 = 0x04;
/// IIR: line status.
pub const IIR_LINE: u8 = 0x06;
/// IIR: data waits below the trigger level for four characters' time.
pub const IIR_TIMEOUT: u8 = 0x0C;
/// IIR: FIFOs are on.
pub const IIR_FIFOS: u8 = 0xC0;
/// LCR: the line is held low.
pub const LCR_BREAK: u8 = 1 << 6;
/// LCR: divisor latch access.
pub const LCR_DLAB: u8 = 1 << 7;
/// MCR: OUT2, which lets interrupts out on a PC.
pub const MCR_OUT2: u8 = 1 << 3;
/// MCR: loopback.
pub const MCR_LOOP: u8 = 1 << 4;
/// LSR: data ready.
pub const LSR_DR: u8 = 1 << 0;
/// LSR: overrun.
pub const LSR_OE: u8 = 1 << 1;
/// LSR: break.
pub const LSR_BI: u8 = 1 << 4;
/// LSR: transmitter holding register empty.
pub const LSR_THRE: u8 = 1 << 5;
/// LSR: transmitter empty.
pub const LSR_TEMT: u8 = 1 << 6;

/// CTS, DSR and DCD of the far end, which is always there.
const FAR_END: u8 = 0xB0;
const FIFO_BYTES: usize = 16;
const CLOCK_HZ: u64 = 115_200;
/// From a write of THR to the interrupt that says it's empty.
const THRE_NS: u64 = 2_000;

/// Where sent bytes go.
pub trait SerialSink: Send {
    /// Takes one byte.
    fn send(&mut self, byte: u8);
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    fifo: VecDeque<u8>,
    /// Bytes from outside on their way.
    input: VecDeque<u8>,
    divisor: u16,
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    /// Delta bits of MSR.
    delta: u8,
    /// Error bits of LSR: overrun and break, read once.
    errors: u8,
    scr: u8,
    thre_pending: bool,
    /// When it will be pending again.
    thre_ns: Option<u64>,
    timed_out: bool,
    /// When the last character came or was read.
    activity_ns: u64,
    /// The next character can't come before.
    next_char_ns: u64,
    /// A deadline that holds whatever the chip's own timing says.
    due_ns: Option<u64>,
    irq: bool,
}

impl State {
    fn new() -> Self {
        Self {
            fifo: VecDeque::new(),
            input: VecDeque::new(),
            divisor: 1,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            delta: 0,
            errors: 0,
            scr: 0,
            thre_pending: false,
            thre_ns: None,
            timed_out: false,
            activity_ns: 0,
            next_char_ns: 0,
            due_ns: None,
            irq: false,
        }
    }

    fn has_fifo(&self) -> bool {
        self.fcr & 1 != 0
    }

    fn capacity(&self) -> usize {
        if self.has_fifo() { FIFO_BYTES } else { 1 }
    }

    fn trigger(&self) -> usize {
        if !self.has_fifo() {
            return 1;
        }
        [1, 4, 8, 14][usize::from(self.fcr >> 6)]
    }

    /// Virtual time of one character: start bit, data, parity, stop.
    fn char_ns(&self) -> u64 {
        let bits = 7
            + u64::from(self.lcr & 3)
            + u64::from(self.lcr >> 2 & 1)
            + u64::from(self.lcr >> 3 & 1);
        bits * u64::from(self.divisor.max(1)) * 1_000_000_000 / CLOCK_HZ
    }

    fn receive(&mut self, byte: u8, now_ns: u64) {
        if self.fifo.len() >= self.capacity() {
            self.errors |= LSR_OE;
            if self.has_fifo() {
                return;
            }
            self.fifo.clear();
        }
        self.fifo.push_back(byte);
        self.timed_out = false;
        self.activity_ns = now_ns;
    }

    fn modem_status(&self) -> u8 {
        if self.mcr & MCR_LOOP == 0 {
            return FAR_END;
        }
        let m = self.mcr;
        (m & 1) << 5 | (m >> 1 & 1) << 4 | (m >> 2 & 1) << 6 | (m >> 3 & 1) << 7
    }

    fn set_mcr(&mut self, value: u8) {
        let before = self.modem_status();
        self.mcr = value & 0x1F;
        let changed = before ^ self.modem_status();
        let rose_ri = changed & before & 0x40;
        self.delta |= changed >> 4 & 0x0B | rose_ri >> 4;
    }

    fn identify(&self) -> u8 {
        let cause = if self.ier & IER_ELSI != 0 && self.errors != 0 {
            IIR_LINE
        } else if self.ier & IER_ERBFI != 0 && self.fifo.len() >= self.trigger() {
            IIR_DATA
        } else if self.ier & IER_ERBFI != 0 && self.timed_out {
            IIR_TIMEOUT
        } else if self.ier & IER_ETBEI != 0 && self.thre_pending {
            IIR_THRE
        } else if self.ier & IER_EDSSI != 0 && self.delta != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        };
        if self.has_fifo() { cause | IIR_FIFOS } else { cause }
    }

    /// In loopback a break is heard at once: a zero with BI. (Elsewhere it goes to the far end,
    /// which doesn't care.)
    fn set_lcr(&mut self, value: u8, now_ns: u64) {
        let breaks = value & !self.lcr & LCR_BREAK != 0;
        self.lcr = value;
        if breaks && self.mcr & MCR_LOOP != 0 {
            self.receive(0, now_ns);
            self.errors |= LSR_BI;
        }
    }

    fn set_fcr(&mut self, value: u8) {
        if (value ^ self.fcr) & 1 != 0 || value & 2 != 0 {
            self.fifo.clear();
            self.timed_out = false;
        }
        self.fcr = if value & 1 != 0 { value & 0xC9 } else { 0 };
    }

    fn set_ier(&mut self, value: u8) {
        // Turning the transmitter's interrupt on raises it, since THR is empty.
        if value & !self.ier & IER_ETBEI != 0 {
            self.thre_pending = true;
        }
        self.ier = value & 0x0F;
    }

    fn read(&mut self, register: u16, now_ns: u64) -> u8 {
        match register {
            RBR if self.lcr & LCR_DLAB != 0 => self.divisor as u8,
            RBR => {
                self.timed_out = false;
                self.activity_ns = now_ns;
                if self.fifo.len() >= self.capacity() {
                    // What waited comes as a character of its own: the line falls first.
                    self.next_char_ns = self.next_char_ns.max(now_ns + self.char_ns());
                }
                self.fifo.pop_front().unwrap_or(0)
            }
            IER if self.lcr & LCR_DLAB != 0 => (self.divisor >> 8) as u8,
            IER => self.ier,
            IIR => {
                let cause = self.identify();
                if cause & 0x0F == IIR_THRE {
                    self.thre_pending = false;
                }
                cause
            }
            LCR => self.lcr,
            MCR => self.mcr,
            LSR => {
                let ready = if self.fifo.is_empty() { 0 } else { LSR_DR };
                let errors = std::mem::take(&mut self.errors);
                // Bit 7: an error that belongs to a character in the FIFO.
                let in_fifo = self.has_fifo() && errors & LSR_BI != 0;
                LSR_THRE | LSR_TEMT | ready | errors | u8::from(in_fifo) << 7
            }
            MSR => self.modem_status() | std::mem::take(&mut self.delta),
            _ => self.scr,
        }
    }
}

/// A serial port.
pub struct Uart {
    base: u16,
    state: State,
    sink: Box<dyn SerialSink>,
    irq: IrqLine,
    timer: Timer,
}

impl std::fmt::Debug for Uart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uart").field("base", &self.base).field("state", &self.state).finish()
    }
}

impl Uart {
    /// Ports of COM1.
    pub const COM1: &'static [u16] = &[0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x3FE, 0x3FF];
    /// Ports of COM2.
    pub const COM2: &'static [u16] = &[0x2F8, 0x2F9, 0x2FA, 0x2FB, 0x2FC, 0x2FD, 0x2FE, 0x2FF];

    /// A port at `base` (3F8h: IRQ 4, 2F8h: IRQ 3) that sends to `sink`.
    #[must_use]
    pub fn new(base: u16, sink: Box<dyn SerialSink>, irq: IrqLine, timer: Timer) -> Self {
        Self { base, state: State::new(), sink, irq, timer }
    }

    /// Input from outside: it reaches the guest byte by byte at the line's speed.
    pub fn push_input(&mut self, bytes: &[u8]) {
        self.state.input.extend(bytes);
        if !bytes.is_empty() && self.state.due_ns.is_none() {
            self.set_due(Some(0));
        }
    }

    /// Bytes of input that the guest has not been given yet.
    #[must_use]
    pub fn pending_input(&self) -> usize {
        self.state.input.len()
    }

    fn set_due(&mut self, due_ns: Option<u64>) {
        self.state.due_ns = due_ns;
        if self.timer.due_ns() != due_ns {
            self.timer.set(due_ns);
        }
    }

    fn settle(&mut self, now_ns: u64) {
        let s = &mut self.state;
        let is_loop = s.mcr & MCR_LOOP != 0;
        if now_ns >= s.next_char_ns
            && s.fifo.len() < s.capacity()
            && !is_loop
            && let Some(byte) = s.input.pop_front()
        {
            s.receive(byte, now_ns);
            s.next_char_ns = now_ns + s.char_ns();
        }
        if s.thre_ns.is_some_and(|at| at <= now_ns) {
            s.thre_ns = None;
            s.thre_pending = true;
        }
        let timeout_ns = s.activity_ns + 4 * s.char_ns();
        let waits = s.has_fifo() && !s.fifo.is_empty() && s.fifo.len() < s.trigger();
        if waits && !s.timed_out && now_ns >= timeout_ns {
            s.timed_out = true;
        }
        let can_receive = !s.input.is_empty() && s.fifo.len() < s.capacity() && !is_loop;
        let receive = can_receive.then_some(s.next_char_ns);
        let timeout = (waits && !s.timed_out).then_some(timeout_ns);
        let due = [receive, timeout, s.thre_ns].into_iter().flatten().min();
        s.irq = s.identify() & IIR_NONE == 0 && s.mcr & MCR_OUT2 != 0 && !is_loop;
        let irq = s.irq;
        self.set_due(due);
        self.irq.set(irq);
    }

    fn send(&mut self, byte: u8, now_ns: u64) {
        if self.state.mcr & MCR_LOOP != 0 {
            self.state.receive(byte, now_ns);
        } else {
            self.sink.send(byte);
        }
        self.state.thre_pending = false;
        self.state.thre_ns = Some(now_ns.saturating_add(THRE_NS));
    }

    fn write_register(&mut self, register: u16, value: u8, now_ns: u64) {
        let s = &mut self.state;
        let is_divisor = s.lcr & LCR_DLAB != 0;
        match register {
            RBR if is_divisor => s.divisor = s.divisor & 0xFF00 | u16::from(value),
            RBR => self.send(value, now_ns),
            IER if is_divisor => s.divisor = s.divisor & 0xFF | u16::from(value) << 8,
            IER => s.set_ier(value),
            IIR => s.set_fcr(value),
            LCR => s.set_lcr(value, now_ns),
            MCR => s.set_mcr(value),
            SCR => s.scr = value,
            _ => {}
        }
    }
}

impl Device for Uart {
    fn name(&self) -> &'static str {
        "uart"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let base = self.base;
        let state = &mut self.state;
        let value = wire::read_bytes(at, io.size, |port| {
            state.read(port.wrapping_sub(base) & 7, io.now_ns)
        });
        self.settle(io.now_ns);
        value
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        let base = self.base;
        wire::write_bytes(at, io.size, value, |port, byte| {
            self.write_register(port.wrapping_sub(base) & 7, byte, io.now_ns);
        });
        self.settle(io.now_ns);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.settle(io.now_ns);
    }

    fn reset(&mut self) {
        let input = std::mem::take(&mut self.state.input);
        self.state = State { input, ..State::new() };
        self.irq.set(false);
        let due = (!self.state.input.is_empty()).then_some(0);
        self.set_due(due);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: State = wire::restore(self.name(), bytes)?;
        let limit = u64::MAX / 4;
        let sane = state.activity_ns < limit && state.next_char_ns < limit;
        wire::require(self.name(), sane, "a time out of range")?;
        self.state = state;
        self.irq.set(self.state.irq);
        self.timer.set(self.state.due_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
