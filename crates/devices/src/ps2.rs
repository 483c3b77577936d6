//! The 8042 keyboard controller and an AT keyboard. From the IBM PS/2 Hardware Interface
//! Technical Reference (keyboard and auxiliary device controller; keyboard).
//!
//! The keyboard sends one byte at a time, each a millisecond after the last, and only while
//! the output buffer is empty. There is no pointing device yet: what is sent to it is lost.

use crate::keys::{Key, set1_bytes, set2_bytes, to_set1};
use crate::wire;
use bus::{Device, Io, IrqLine, Request, Signals, StateError, Timer};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Data.
pub const DATA: u16 = 0x60;
/// Status (read), command (write).
pub const COMMAND: u16 = 0x64;

/// Status: output buffer full.
pub const STATUS_OBF: u8 = 1 << 0;
/// Status: the self-test passed.
pub const STATUS_SYS: u8 = 1 << 2;
/// Status: the last write was a command.
pub const STATUS_CMD: u8 = 1 << 3;
/// Status: the keyboard isn't locked.
pub const STATUS_UNLOCKED: u8 = 1 << 4;

/// Command byte: IRQ 1 when the output buffer fills.
pub const CCB_INT: u8 = 1 << 0;
/// Command byte: system flag.
pub const CCB_SYS: u8 = 1 << 2;
/// Command byte: keyboard clock off.
pub const CCB_KBD_OFF: u8 = 1 << 4;
/// Command byte: auxiliary clock off.
pub const CCB_AUX_OFF: u8 = 1 << 5;
/// Command byte: translate set 2 to set 1.
pub const CCB_XLATE: u8 = 1 << 6;

/// Output port: low resets the processor.
pub const OUT_RESET: u8 = 1 << 0;
/// Output port: the A20 gate.
pub const OUT_A20: u8 = 1 << 1;

/// The keyboard's answer to a byte it understood.
pub const KBD_ACK: u8 = 0xFA;
/// And to one it didn't.
pub const KBD_RESEND: u8 = 0xFE;

/// One byte takes eleven bits of some 80 microseconds.
const BYTE_NS: u64 = 1_000_000;
/// What the keyboard holds; more is lost and marked.
const BUFFER: usize = 16;
/// The code that stands for lost ones.
const OVERRUN: u8 = 0x00;

/// Who takes the next byte written to port 60h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    Keyboard,
    CommandByte,
    Ram(u8),
    OutputPort,
    FakeKeyboard,
    Nobody,
}

/// A keyboard command that waits for its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wants {
    Leds,
    ScanSet,
    Typematic,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    ccb: u8,
    ram: [u8; 32],
    next: Next,
    last_was_command: bool,
    output: Option<u8>,
    /// The byte last in the output buffer, which a read of an empty one gives.
    last_output: u8,
    /// What the keyboard will send, already answered or typed.
    queue: VecDeque<u8>,
    /// F0 came: the next translated code is a release.
    is_release: bool,
    wants: Option<Wants>,
    leds: u8,
    scan_set: u8,
    scanning: bool,
    last_sent: u8,
    /// The next byte can't come before.
    ready_ns: u64,
    due_ns: Option<u64>,
    irq: bool,
}

impl State {
    fn new() -> Self {
        Self {
            ccb: CCB_KBD_OFF | CCB_AUX_OFF,
            ram: [0; 32],
            next: Next::Keyboard,
            last_was_command: false,
            output: None,
            last_output: 0,
            queue: VecDeque::new(),
            is_release: false,
            wants: None,
            leds: 0,
            scan_set: 2,
            scanning: true,
            last_sent: 0,
            ready_ns: 0,
            due_ns: None,
            irq: false,
        }
    }

    fn reset_keyboard(&mut self) {
        self.queue.clear();
        self.is_release = false;
        self.wants = None;
        self.leds = 0;
        self.scan_set = 2;
        self.scanning = true;
    }

    /// A byte to the keyboard.
    fn command_keyboard(&mut self, byte: u8) {
        if let Some(wants) = self.wants.take()
            && byte < 0xED
        {
            self.parameter(wants, byte);
            return;
        }
        match byte {
            0xED => self.want(Wants::Leds),
            0xEE => self.queue.push_back(0xEE),
            0xF0 => self.want(Wants::ScanSet),
            0xF2 => self.queue.extend([KBD_ACK, 0xAB, 0x83]),
            0xF3 => self.want(Wants::Typematic),
            0xF4..=0xF6 => {
                self.queue.clear();
                if byte != 0xF4 {
                    self.scan_set = 2;
                }
                self.scanning = byte != 0xF5;
                self.queue.push_back(KBD_ACK);
            }
            0xF7..=0xFD => self.queue.push_back(KBD_ACK),
            0xFE => self.queue.push_front(self.last_sent),
            0xFF => {
                self.reset_keyboard();
                self.queue.extend([KBD_ACK, 0xAA]);
            }
            _ => self.queue.push_back(KBD_RESEND),
        }
    }

    fn want(&mut self, wants: Wants) {
        self.wants = Some(wants);
        self.queue.push_back(KBD_ACK);
    }

    fn parameter(&mut self, wants: Wants, byte: u8) {
        match (wants, byte) {
            (Wants::Leds, _) => self.leds = byte & 7,
            (Wants::Typematic, _) => {}
            (Wants::ScanSet, 0) => {
                self.queue.extend([KBD_ACK, self.scan_set]);
                return;
            }
            (Wants::ScanSet, 1..=2) => self.scan_set = byte,
            // Set 3 exists on few keyboards; this one doesn't have it.
            (Wants::ScanSet, _) => {
                self.queue.push_back(KBD_RESEND);
                return;
            }
        }
        self.queue.push_back(KBD_ACK);
    }

    /// The next byte of the keyboard as it arrives in the output buffer; `None` for the F0 that
    /// the translation swallows.
    fn receive(&mut self) -> Option<u8> {
        let byte = self.queue.pop_front()?;
        self.last_sent = byte;
        if self.ccb & CCB_XLATE == 0 {
            return Some(byte);
        }
        if byte == 0xF0 {
            self.is_release = true;
            return None;
        }
        let release = if std::mem::take(&mut self.is_release) { 0x80 } else { 0 };
        Some(to_set1(byte) | release)
    }

    fn fill(&mut self, byte: u8) {
        self.output = Some(byte);
        self.last_output = byte;
        self.irq = self.ccb & CCB_INT != 0;
    }

    fn can_send(&self) -> bool {
        self.output.is_none() && self.ccb & CCB_KBD_OFF == 0 && !self.queue.is_empty()
    }

    fn status(&self) -> u8 {
        let obf = if self.output.is_some() { STATUS_OBF } else { 0 };
        let cmd = if self.last_was_command { STATUS_CMD } else { 0 };
        let sys = if self.ccb & CCB_SYS != 0 { STATUS_SYS } else { 0 };
        STATUS_UNLOCKED | obf | cmd | sys
    }
}

/// Controller and keyboard.
#[derive(Debug)]
pub struct Ps2 {
    state: State,
    signals: Arc<Signals>,
    irq: IrqLine,
    timer: Timer,
}

impl Ps2 {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[DATA, COMMAND];

    /// A controller that drives `irq` (IRQ 1) and the A20 gate and reset of `signals`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>, irq: IrqLine, timer: Timer) -> Self {
        Self { state: State::new(), signals: Arc::clone(signals), irq, timer }
    }

    /// A key goes down or up. False, and nothing sent, if the keyboard's buffer is full: ask
    /// again when the guest has read some.
    pub fn key(&mut self, key: Key, down: bool) -> bool {
        let s = &mut self.state;
        if !s.scanning {
            return true;
        }
        let bytes = if s.scan_set == 1 { set1_bytes(key, down) } else { set2_bytes(key, down) };
        if s.queue.len() + bytes.len() > BUFFER {
            return false;
        }
        s.queue.extend(bytes);
        if s.can_send() && s.due_ns.is_none() {
            self.set_due(Some(0));
        }
        true
    }

    /// True while typed keys wait to be read by the guest.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.state.queue.is_empty() || self.state.output.is_some()
    }

    /// Scroll, Num and Caps Lock lights, bits 0 to 2.
    #[must_use]
    pub fn leds(&self) -> u8 {
        self.state.leds
    }

    fn set_due(&mut self, due_ns: Option<u64>) {
        self.state.due_ns = due_ns;
        if self.timer.due_ns() != due_ns {
            self.timer.set(due_ns);
        }
    }

    /// Lets a byte through whose time has come, and sees to the next.
    fn settle(&mut self, now_ns: u64) {
        let s = &mut self.state;
        while s.can_send() && now_ns >= s.ready_ns {
            if let Some(byte) = s.receive() {
                s.ready_ns = now_ns.saturating_add(BYTE_NS);
                s.fill(byte);
            }
        }
        let due = s.can_send().then_some(s.ready_ns);
        if s.output.is_none() {
            s.irq = false;
        }
        let irq = s.irq;
        self.irq.set(irq);
        self.set_due(due);
    }

    fn read_data(&mut self, now_ns: u64) -> u8 {
        let s = &mut self.state;
        if s.output.take().is_some() {
            s.irq = false;
            s.ready_ns = s.ready_ns.max(now_ns.saturating_add(BYTE_NS));
        }
        s.last_output
    }

    fn write_data(&mut self, byte: u8, now_ns: u64) {
        self.state.last_was_command = false;
        let next = std::mem::replace(&mut self.state.next, Next::Keyboard);
        match next {
            Next::Keyboard => {
                // A write to the keyboard turns its clock on, and it answers a byte later.
                self.state.ccb &= !CCB_KBD_OFF;
                self.state.command_keyboard(byte);
                self.state.ready_ns = now_ns.saturating_add(BYTE_NS);
            }
            Next::CommandByte => self.state.ccb = byte,
            Next::Ram(at) => {
                if let Some(cell) = self.state.ram.get_mut(usize::from(at)) {
                    *cell = byte;
                }
            }
            Next::OutputPort => self.write_output_port(byte),
            Next::FakeKeyboard => self.state.fill(byte),
            Next::Nobody => {}
        }
    }

    fn write_output_port(&mut self, value: u8) {
        self.signals.set_a20(value & OUT_A20 != 0);
        if value & OUT_RESET == 0 {
            self.signals.request(Request::Reset);
        }
    }

    fn output_port(&self) -> u8 {
        let a20 = if self.signals.a20() { OUT_A20 } else { 0 };
        let obf = if self.state.output.is_some() { 1 << 4 } else { 0 };
        0xC0 | OUT_RESET | a20 | obf
    }

    fn write_command(&mut self, command: u8) {
        self.state.last_was_command = true;
        self.state.next = Next::Keyboard;
        let answer = match command {
            0x20 => Some(self.state.ccb),
            0x21..=0x3F => self.state.ram.get(usize::from(command & 0x1F)).copied(),
            0xAA => {
                self.state.ccb |= CCB_SYS;
                Some(0x55)
            }
            // The keyboard's lines are fine, and there is no auxiliary device.
            0xAB => Some(0x00),
            0xA9 => Some(0xFF),
            0xC0 => Some(0xBF),
            0xD0 => Some(self.output_port()),
            0xE0 => Some(0x00),
            _ => None,
        };
        if let Some(byte) = answer {
            self.state.fill(byte);
            return;
        }
        self.command_without_answer(command);
    }

    fn command_without_answer(&mut self, command: u8) {
        let s = &mut self.state;
        match command {
            0x60 => s.next = Next::CommandByte,
            0x61..=0x7F => s.next = Next::Ram(command & 0x1F),
            0xA7 => s.ccb |= CCB_AUX_OFF,
            0xA8 => s.ccb &= !CCB_AUX_OFF,
            0xAD => s.ccb |= CCB_KBD_OFF,
            0xAE => s.ccb &= !CCB_KBD_OFF,
            0xD1 => s.next = Next::OutputPort,
            0xD2 => s.next = Next::FakeKeyboard,
            0xD3 | 0xD4 => s.next = Next::Nobody,
            0xDD => self.signals.set_a20(false),
            0xDF => self.signals.set_a20(true),
            // Pulses the output bits that are 0; only bit 0, the reset, is wired.
            0xF0..=0xFF if command & OUT_RESET == 0 => self.signals.request(Request::Reset),
            _ => {}
        }
    }
}

impl Device for Ps2 {
    fn name(&self) -> &'static str {
        "ps2"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let value = match at as u16 {
            DATA => self.read_data(io.now_ns),
            _ => self.state.status(),
        };
        self.settle(io.now_ns);
        u32::from(value)
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        match at as u16 {
            DATA => self.write_data(value as u8, io.now_ns),
            _ => self.write_command(value as u8),
        }
        // A guest that commands and never reads fills the keyboard's buffer.
        if self.state.queue.len() > BUFFER {
            self.state.queue.truncate(BUFFER - 1);
            self.state.queue.push_back(OVERRUN);
        }
        self.settle(io.now_ns);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.settle(io.now_ns);
    }

    fn reset(&mut self) {
        self.state = State::new();
        self.irq.set(false);
        self.timer.set(None);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&(&self.state, self.signals.a20()))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, a20): (State, bool) = wire::restore(self.name(), bytes)?;
        wire::require(self.name(), state.queue.len() <= BUFFER, "too many bytes")?;
        self.state = state;
        self.signals.set_a20(a20);
        self.irq.set(self.state.irq);
        self.timer.set(self.state.due_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mem::Memory;

    struct Rig {
        ps2: Ps2,
        mem: Memory,
        now_ns: u64,
        signals: Arc<Signals>,
    }

    impl Rig {
        fn new() -> Self {
            let signals = Signals::new();
            let ps2 = Ps2::new(&signals, IrqLine::new(&signals, 1), Timer::new(&signals));
            Self { ps2, mem: Memory::flat(4096).unwrap(), now_ns: 0, signals }
        }

        /// As a BIOS leaves it: interrupt and translation on.
        fn ready() -> Self {
            let mut r = Self::new();
            r.write(COMMAND, 0x60);
            r.write(DATA, 0x45);
            r
        }

        fn write(&mut self, port: u16, value: u8) {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
            self.ps2.write(u64::from(port), u32::from(value), &mut io);
        }

        fn read(&mut self, port: u16) -> u8 {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
            self.ps2.read(u64::from(port), &mut io) as u8
        }

        /// The next byte of the keyboard.
        fn next(&mut self) -> Option<u8> {
            self.now_ns = self.now_ns.max(self.ps2.timer.due_ns()?);
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 0, memory: &mut self.mem };
            self.ps2.tick(&mut io);
            (self.read(COMMAND) & STATUS_OBF != 0).then(|| self.read(DATA))
        }
    }

    #[test]
    fn self_test_answers_55() {
        let mut r = Rig::new();
        r.write(COMMAND, 0xAA);
        assert_eq!((r.read(COMMAND) & STATUS_OBF, r.read(DATA)), (STATUS_OBF, 0x55));
        assert_eq!(r.read(COMMAND) & (STATUS_OBF | STATUS_SYS), STATUS_SYS);
    }

    #[test]
    fn keys_are_translated_and_spaced() {
        let mut r = Rig::ready();
        r.ps2.key(Key::A, true);
        r.ps2.key(Key::A, false);
        r.ps2.key(Key::Up, false);
        assert_eq!(r.next(), Some(0x1E));
        let first_ns = r.now_ns;
        assert_eq!(r.next(), Some(0x9E));
        assert_eq!(r.now_ns, first_ns + BYTE_NS);
        assert_eq!((r.next(), r.next(), r.next()), (Some(0xE0), Some(0xC8), None));
    }

    #[test]
    fn interrupt_line_follows_the_output_buffer() {
        let mut r = Rig::ready();
        r.ps2.key(Key::B, true);
        let mut io = Io { cpu: 0, now_ns: 5, size: 0, memory: &mut r.mem };
        r.ps2.tick(&mut io);
        assert!(r.ps2.irq.is_high());
        assert_eq!(r.read(DATA), 0x30);
        assert!(!r.ps2.irq.is_high());
    }

    #[test]
    fn keyboard_reset_acknowledges_and_reports() {
        let mut r = Rig::new();
        r.write(DATA, 0xFF);
        assert_eq!((r.next(), r.next(), r.next()), (Some(0xFA), Some(0xAA), None));
    }

    #[test]
    fn leds_take_a_parameter() {
        let mut r = Rig::ready();
        r.write(DATA, 0xED);
        assert_eq!(r.next(), Some(KBD_ACK));
        r.write(DATA, 0x06);
        assert_eq!((r.next(), r.ps2.leds()), (Some(KBD_ACK), 6));
    }

    #[test]
    fn a20_has_three_ways_in() {
        let mut r = Rig::new();
        r.write(COMMAND, 0xDF);
        assert!(r.signals.a20());
        r.write(COMMAND, 0xDD);
        assert!(!r.signals.a20());
        r.write(COMMAND, 0xD1);
        r.write(DATA, 0xDF);
        assert!(r.signals.a20());
        r.write(COMMAND, 0xD0);
        assert_eq!(r.read(DATA) & (OUT_A20 | OUT_RESET), OUT_A20 | OUT_RESET);
    }

    #[test]
    fn pulsing_bit_0_resets() {
        let mut r = Rig::new();
        r.write(COMMAND, 0xFE);
        assert_eq!(r.signals.take_requests(), Request::Reset as u32);
        r.write(COMMAND, 0xFF);
        assert_eq!(r.signals.take_requests(), 0);
    }

    #[test]
    fn full_buffer_refuses_keys() {
        let mut r = Rig::ready();
        let taken = (0..40).take_while(|_| r.ps2.key(Key::A, true)).count();
        assert_eq!(taken, BUFFER);
        r.next();
        assert!(r.ps2.key(Key::A, true));
    }
}
