//! The 8042 keyboard controller of the PS/2, with a keyboard and a mouse on its two ports. From
//! the IBM PS/2 Hardware Interface Technical Reference (keyboard and auxiliary device
//! controller).
//!
//! A device sends one byte at a time, each a millisecond after the last, and only while the
//! output buffer is empty; the keyboard goes first. The timeout and parity bits of the status
//! are never set, since the lines have no noise.

mod keyboard;
mod mouse;

pub use keyboard::{KBD_ACK, KBD_RESEND};
pub use mouse::{BUTTON_BACK, BUTTON_FORWARD, BUTTON_LEFT, BUTTON_MIDDLE, BUTTON_RIGHT, Motion};

use crate::keys::{Key, to_set1};
use crate::wire;
use bus::{Device, Io, IrqLine, Request, Signals, StateError, Timer};
use keyboard::Keyboard;
use mouse::Mouse;
use serde::{Deserialize, Serialize};
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
/// Status: the output buffer holds a byte of the auxiliary device.
pub const STATUS_AUX: u8 = 1 << 5;

/// Command byte: IRQ 1 when the output buffer fills.
pub const CCB_INT: u8 = 1 << 0;
/// Command byte: IRQ 12 when it fills from the auxiliary device.
pub const CCB_AUX_INT: u8 = 1 << 1;
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
/// Output port: IRQ 1.
pub const OUT_IRQ1: u8 = 1 << 4;
/// Output port: IRQ 12.
pub const OUT_IRQ12: u8 = 1 << 5;

/// One byte takes eleven bits of some 80 microseconds.
const BYTE_NS: u64 = 1_000_000;

/// Who takes the next byte written to port 60h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    Keyboard,
    Mouse,
    Ram(u8),
    OutputPort,
    FakeKeyboard,
    FakeMouse,
}

/// Whose byte is in the output buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum From {
    /// The keyboard's, or the controller's own.
    Keyboard,
    Mouse,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The controller's memory; its first byte is the command byte.
    ram: [u8; 32],
    next: Next,
    last_was_command: bool,
    output: Option<From>,
    /// The byte in the output buffer, which stays there after it was read.
    data: u8,
    /// F0 came: the next translated code is a release.
    is_release: bool,
    keyboard: Keyboard,
    mouse: Mouse,
    /// The next byte can't come before.
    ready_ns: u64,
    due_ns: Option<u64>,
}

impl State {
    fn new() -> Self {
        let mut ram = [0; 32];
        ram[0] = CCB_KBD_OFF | CCB_AUX_OFF;
        Self {
            ram,
            next: Next::Keyboard,
            last_was_command: false,
            output: None,
            data: 0,
            is_release: false,
            keyboard: Keyboard::new(),
            mouse: Mouse::new(),
            ready_ns: 0,
            due_ns: None,
        }
    }

    fn ccb(&self) -> u8 {
        self.ram[0]
    }

    fn set_ccb(&mut self, bits: u8, on: bool) {
        self.ram[0] = self.ram[0] & !bits | if on { bits } else { 0 };
    }

    /// A byte of the keyboard as it arrives in the output buffer; `None` for the F0 that the
    /// translation swallows.
    fn translate(&mut self, byte: u8) -> Option<u8> {
        if self.ccb() & CCB_XLATE == 0 {
            return Some(byte);
        }
        if byte == 0xF0 {
            self.is_release = true;
            return None;
        }
        let release = if std::mem::take(&mut self.is_release) { 0x80 } else { 0 };
        Some(to_set1(byte) | release)
    }

    fn fill(&mut self, byte: u8, from: From) {
        self.output = Some(from);
        self.data = byte;
    }

    fn keyboard_sends(&self) -> bool {
        self.ccb() & CCB_KBD_OFF == 0 && self.keyboard.has_bytes()
    }

    fn mouse_sends(&self) -> bool {
        self.ccb() & CCB_AUX_OFF == 0 && self.mouse.has_bytes()
    }

    /// Lets a byte through, if the output buffer is free and its time has come.
    fn deliver(&mut self, now_ns: u64) {
        while self.output.is_none() && now_ns >= self.ready_ns {
            let (byte, from) = if self.keyboard_sends() {
                let byte = self.keyboard.send();
                (byte.and_then(|byte| self.translate(byte)), From::Keyboard)
            } else if self.mouse_sends() {
                (self.mouse.send(), From::Mouse)
            } else {
                return;
            };
            if let Some(byte) = byte {
                self.ready_ns = now_ns.saturating_add(BYTE_NS);
                self.fill(byte, from);
            }
        }
    }

    fn next_due(&self) -> Option<u64> {
        let sends = self.output.is_none() && (self.keyboard_sends() || self.mouse_sends());
        let byte = sends.then_some(self.ready_ns);
        earlier(byte, earlier(self.keyboard.repeat_due(), self.mouse.sample_due()))
    }

    fn status(&self) -> u8 {
        let output = match self.output {
            None => 0,
            Some(From::Keyboard) => STATUS_OBF,
            Some(From::Mouse) => STATUS_OBF | STATUS_AUX,
        };
        let cmd = if self.last_was_command { STATUS_CMD } else { 0 };
        let sys = if self.ccb() & CCB_SYS != 0 { STATUS_SYS } else { 0 };
        STATUS_UNLOCKED | output | cmd | sys
    }

    /// The levels of IRQ 1 and IRQ 12.
    fn irqs(&self) -> [bool; 2] {
        let is = |from, bit| self.output == Some(from) && self.ccb() & bit != 0;
        [is(From::Keyboard, CCB_INT), is(From::Mouse, CCB_AUX_INT)]
    }
}

/// The earlier of two times. Not by way of an array: guests poll, and its copy is waited for.
fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Controller, keyboard and mouse.
#[derive(Debug)]
pub struct Ps2 {
    state: State,
    signals: Arc<Signals>,
    irqs: [IrqLine; 2],
    timer: Timer,
}

impl Ps2 {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[DATA, COMMAND];

    /// A controller that drives `irqs` (IRQ 1 and IRQ 12) and the A20 gate and reset of
    /// `signals`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>, irqs: [IrqLine; 2], timer: Timer) -> Self {
        Self { state: State::new(), signals: Arc::clone(signals), irqs, timer }
    }

    /// A key goes down or up. False, and nothing sent, if the keyboard's buffer is full: ask
    /// again when the guest has read some. A key that stays down repeats by itself.
    pub fn key(&mut self, key: Key, down: bool) -> bool {
        let taken = self.state.keyboard.key(key, down);
        self.hurry();
        taken
    }

    /// The mouse is moved, or a button of it.
    pub fn mouse(&mut self, motion: Motion) {
        self.state.mouse.moved(motion);
        self.hurry();
    }

    /// True while typed keys wait to be read by the guest.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.state.keyboard.has_bytes() || self.state.output.is_some()
    }

    /// True while the guest wants to hear of the mouse's movements.
    #[must_use]
    pub fn mouse_is_on(&self) -> bool {
        self.state.mouse.streams()
    }

    /// Scroll, Num and Caps Lock lights, bits 0 to 2.
    #[must_use]
    pub fn leds(&self) -> u8 {
        self.state.keyboard.leds()
    }

    /// Something came from outside, where there is no time: the timer will tell it.
    fn hurry(&mut self) {
        self.set_due(self.state.next_due());
    }

    fn set_due(&mut self, due_ns: Option<u64>) {
        self.state.due_ns = due_ns;
        if self.timer.due_ns() != due_ns {
            self.timer.set(due_ns);
        }
    }

    /// Lets through what is due, and sees to the next.
    fn settle(&mut self, now_ns: u64) {
        let s = &mut self.state;
        s.keyboard.tick(now_ns);
        s.mouse.tick(now_ns);
        s.deliver(now_ns);
        let due = s.next_due();
        self.show_lines();
        self.set_due(due);
    }

    fn show_lines(&self) {
        for (line, level) in self.irqs.iter().zip(self.state.irqs()) {
            line.set(level);
        }
    }

    fn read_data(&mut self, now_ns: u64) -> u8 {
        let s = &mut self.state;
        if s.output.take().is_some() {
            s.ready_ns = s.ready_ns.max(now_ns.saturating_add(BYTE_NS));
        }
        s.data
    }

    fn write_data(&mut self, byte: u8, now_ns: u64) {
        let s = &mut self.state;
        s.last_was_command = false;
        match std::mem::replace(&mut s.next, Next::Keyboard) {
            // A write to a device turns its clock on, and it answers a byte later.
            Next::Keyboard => {
                s.set_ccb(CCB_KBD_OFF, false);
                s.keyboard.receive(byte);
                s.ready_ns = now_ns.saturating_add(BYTE_NS);
            }
            Next::Mouse => {
                s.set_ccb(CCB_AUX_OFF, false);
                s.mouse.receive(byte);
                s.ready_ns = now_ns.saturating_add(BYTE_NS);
            }
            Next::Ram(at) => s.ram[usize::from(at & 0x1F)] = byte,
            Next::OutputPort => self.write_output_port(byte),
            Next::FakeKeyboard => s.fill(byte, From::Keyboard),
            Next::FakeMouse => s.fill(byte, From::Mouse),
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
        let full = match self.state.output {
            None => 0,
            Some(From::Keyboard) => OUT_IRQ1,
            Some(From::Mouse) => OUT_IRQ12,
        };
        0xC0 | OUT_RESET | a20 | full
    }

    fn write_command(&mut self, command: u8) {
        self.state.last_was_command = true;
        self.state.next = Next::Keyboard;
        let answer = match command {
            0x20..=0x3F => Some(self.state.ram[usize::from(command & 0x1F)]),
            0xAA => {
                self.state.set_ccb(CCB_SYS, true);
                Some(0x55)
            }
            // The lines of both devices are fine.
            0xA9 | 0xAB => Some(0x00),
            // No password is set.
            0xA4 => Some(0xF1),
            0xC0 => Some(0xBF),
            0xD0 => Some(self.output_port()),
            // Test inputs: both clocks are low where they are held.
            0xE0 => Some((!self.state.ccb() >> 4) & 3),
            _ => None,
        };
        match answer {
            Some(byte) => self.state.fill(byte, From::Keyboard),
            None => self.command_without_answer(command),
        }
    }

    fn command_without_answer(&mut self, command: u8) {
        let s = &mut self.state;
        match command {
            0x60..=0x7F => s.next = Next::Ram(command & 0x1F),
            0xA7 => s.set_ccb(CCB_AUX_OFF, true),
            0xA8 => s.set_ccb(CCB_AUX_OFF, false),
            0xAD => s.set_ccb(CCB_KBD_OFF, true),
            0xAE => s.set_ccb(CCB_KBD_OFF, false),
            0xD1 => s.next = Next::OutputPort,
            0xD2 => s.next = Next::FakeKeyboard,
            0xD3 => s.next = Next::FakeMouse,
            0xD4 => s.next = Next::Mouse,
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
        self.settle(io.now_ns);
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
        self.settle(io.now_ns);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.settle(io.now_ns);
    }

    fn reset(&mut self) {
        self.state = State::new();
        self.show_lines();
        self.timer.set(None);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&(&self.state, self.signals.a20()))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, a20): (State, bool) = wire::restore(self.name(), bytes)?;
        let is_sane = state.keyboard.is_sane() && state.mouse.is_sane();
        wire::require(self.name(), is_sane, "a device out of range")?;
        self.state = state;
        self.signals.set_a20(a20);
        self.show_lines();
        self.timer.set(self.state.due_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
