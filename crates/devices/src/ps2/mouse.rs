//! The mouse: three buttons, or five and a wheel once a driver has asked for them. From the IBM
//! PS/2 Hardware Interface Technical Reference (mouse) and Microsoft's description of the
//! IntelliMouse, whose sequences of sample rates turn the wheel (200, 100, 80) and the fourth
//! and fifth button (200, 200, 80) on.
//!
//! Movement is what the host counts: resolution is kept and told, but scales nothing. What
//! doesn't fit into one packet waits for the next, so the overflow bits are never set.

use super::keyboard::{KBD_ACK, KBD_RESEND};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The left button, in [`Motion::buttons`].
pub const BUTTON_LEFT: u8 = 1 << 0;
/// The right button.
pub const BUTTON_RIGHT: u8 = 1 << 1;
/// The middle button, or the wheel pressed.
pub const BUTTON_MIDDLE: u8 = 1 << 2;
/// The fourth button.
pub const BUTTON_BACK: u8 = 1 << 3;
/// The fifth button.
pub const BUTTON_FORWARD: u8 = 1 << 4;

/// The second byte in a row that isn't understood.
const ERROR: u8 = 0xFC;
/// A movement that waits is at most this far.
const FAR: i32 = 4096;
/// A wheel packet counts -8 to 7.
const WHEEL_MOST: i32 = 7;

/// What a hand does to the mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Motion {
    /// Counts to the right.
    pub dx: i16,
    /// Counts towards the user: down on a screen.
    pub dy: i16,
    /// Notches of the wheel towards the user: down.
    pub wheel: i8,
    /// The buttons that are down now, a set of `BUTTON_` bits.
    pub buttons: u8,
}

/// A command that waits for its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wants {
    Rate,
    Resolution,
}

/// A mouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mouse {
    queue: VecDeque<u8>,
    wants: Option<Wants>,
    /// The last answer or packet, for a resend.
    last: Vec<u8>,
    /// Device ID: 0, 3 with a wheel, 4 with five buttons.
    id: u8,
    rate: u8,
    /// The last three rates, the newest in the low byte.
    rates: u32,
    resolution: u8,
    double: bool,
    remote: bool,
    wrap: bool,
    reporting: bool,
    /// The byte before wasn't understood.
    confused: bool,
    dx: i32,
    dy: i32,
    wheel: i32,
    buttons: u8,
    /// The buttons that the guest was told.
    told: u8,
    /// No packet before this: the sample rate.
    sample_ns: u64,
}

impl Mouse {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            wants: None,
            last: Vec::new(),
            id: 0,
            rate: 100,
            rates: 0,
            resolution: 2,
            double: false,
            remote: false,
            wrap: false,
            reporting: false,
            confused: false,
            dx: 0,
            dy: 0,
            wheel: 0,
            buttons: 0,
            told: 0,
            sample_ns: 0,
        }
    }

    pub(super) fn is_sane(&self) -> bool {
        let far = |n: i32| (-FAR..=FAR).contains(&n);
        self.queue.len() <= 8
            && self.last.len() <= 8
            && matches!(self.id, 0 | 3 | 4)
            && self.rate > 0
            && far(self.dx)
            && far(self.dy)
            && far(self.wheel)
    }

    pub(super) fn has_bytes(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn send(&mut self) -> Option<u8> {
        self.queue.pop_front()
    }

    /// A hand moves it.
    pub(super) fn moved(&mut self, motion: Motion) {
        let add = |sum: i32, more: i32| (sum + more).clamp(-FAR, FAR);
        self.buttons = motion.buttons & 0x1F;
        self.dx = add(self.dx, motion.dx.into());
        self.dy = add(self.dy, -i32::from(motion.dy));
        self.wheel = add(self.wheel, motion.wheel.into());
    }

    fn has_news(&self) -> bool {
        let seen = if self.id == 4 { 0x1F } else { 7 };
        let wheel = self.wheel != 0 && self.id >= 3;
        self.dx != 0 || self.dy != 0 || wheel || (self.buttons ^ self.told) & seen != 0
    }

    /// It sends packets of its own accord.
    pub(super) fn streams(&self) -> bool {
        self.reporting && !self.remote && !self.wrap
    }

    /// When a packet will be made, if one is due.
    pub(super) fn sample_due(&self) -> Option<u64> {
        let due = self.streams() && self.has_news() && self.queue.is_empty();
        due.then_some(self.sample_ns)
    }

    /// Makes a packet if it is time.
    pub(super) fn tick(&mut self, now_ns: u64) {
        if self.sample_due().is_some_and(|due| due <= now_ns) {
            let packet = self.packet(self.double);
            self.say(&packet);
            let period_ns = 1_000_000_000 / u64::from(self.rate.max(1));
            self.sample_ns = now_ns.saturating_add(period_ns);
        }
    }

    /// The movement since the last packet, and the buttons.
    fn packet(&mut self, double: bool) -> Vec<u8> {
        let (dx, dy) = (take(&mut self.dx, -255, 255), take(&mut self.dy, -255, 255));
        let wheel = take(&mut self.wheel, -WHEEL_MOST, WHEEL_MOST);
        let (dx, dy) = if double { (scaled(dx), scaled(dy)) } else { (dx, dy) };
        self.told = self.buttons;
        let signs = u8::from(dx < 0) << 4 | u8::from(dy < 0) << 5;
        let mut packet = vec![0x08 | self.buttons & 7 | signs, dx as u8, dy as u8];
        match self.id {
            3 => packet.push(wheel as u8),
            4 => packet.push(wheel as u8 & 0x0F | (self.buttons & 0x18) << 1),
            _ => {}
        }
        packet
    }

    fn say(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
        self.last = bytes.to_vec();
    }

    fn acknowledge(&mut self, then: &[u8]) {
        self.confused = false;
        self.queue.push_back(KBD_ACK);
        self.say(then);
        if then.is_empty() {
            self.last = vec![KBD_ACK];
        }
    }

    fn forget_movement(&mut self) {
        (self.dx, self.dy, self.wheel) = (0, 0, 0);
    }

    /// A byte from the controller. It stops whatever was being sent.
    pub(super) fn receive(&mut self, byte: u8) {
        self.queue.clear();
        if self.wrap && !matches!(byte, 0xEC | 0xFF) {
            self.queue.push_back(byte);
            return;
        }
        match (self.wants.take(), byte) {
            // Commands are above all rates and resolutions.
            (Some(wants), 0..=0xE5) => self.parameter(wants, byte),
            _ => self.command(byte),
        }
    }

    fn command(&mut self, byte: u8) {
        // Whatever is asked, movement counts anew from here, but for what is to be told.
        if !matches!(byte, 0xEB | 0xFE) {
            self.forget_movement();
        }
        match byte {
            0xE6 | 0xE7 => self.double = byte == 0xE7,
            0xE8 => self.wants = Some(Wants::Resolution),
            0xE9 => return self.acknowledge(&self.status()),
            0xEA | 0xF0 => self.remote = byte == 0xF0,
            0xEB => {
                let packet = self.packet(false);
                return self.acknowledge(&packet);
            }
            0xEC | 0xEE => self.wrap = byte == 0xEE,
            0xF2 => return self.acknowledge(&[self.id]),
            0xF3 => self.wants = Some(Wants::Rate),
            0xF4 | 0xF5 => self.reporting = byte == 0xF4,
            0xF6 => self.set_defaults(),
            0xFE => {
                let last = std::mem::take(&mut self.last);
                return self.say(&last);
            }
            0xFF => {
                *self = Self { buttons: self.buttons, ..Self::new() };
                return self.acknowledge(&[0xAA, 0]);
            }
            _ => return self.refuse(),
        }
        self.acknowledge(&[]);
    }

    fn set_defaults(&mut self) {
        (self.rate, self.resolution) = (100, 2);
        (self.double, self.remote, self.reporting) = (false, false, false);
    }

    /// The first time "again", then "error".
    fn refuse(&mut self) {
        let answer = if self.confused { ERROR } else { KBD_RESEND };
        self.confused = !self.confused;
        self.queue.push_back(answer);
    }

    fn parameter(&mut self, wants: Wants, byte: u8) {
        match (wants, byte) {
            (Wants::Resolution, 0..=3) => self.resolution = byte,
            (Wants::Rate, 10 | 20 | 40 | 60 | 80 | 100 | 200) => self.set_rate(byte),
            _ => {
                // The parameter may be sent again.
                self.wants = Some(wants);
                return self.refuse();
            }
        }
        self.acknowledge(&[]);
    }

    fn set_rate(&mut self, rate: u8) {
        self.rate = rate;
        self.rates = (self.rates << 8 | u32::from(rate)) & 0xFF_FFFF;
        self.id = match self.rates {
            0xC8_64_50 => 3,
            0xC8_C8_50 => 4,
            _ => self.id,
        };
    }

    fn status(&self) -> [u8; 3] {
        let b = self.buttons;
        let buttons = (b & BUTTON_LEFT) << 2 | (b & BUTTON_MIDDLE) >> 1 | (b & BUTTON_RIGHT) >> 1;
        let modes =
            u8::from(self.remote) << 6 | u8::from(self.reporting) << 5 | u8::from(self.double) << 4;
        [modes | buttons, self.resolution, self.rate]
    }
}

/// Takes as much of a sum as one packet holds.
fn take(sum: &mut i32, least: i32, most: i32) -> i32 {
    let taken = (*sum).clamp(least, most);
    *sum -= taken;
    taken
}

/// Scaling 2:1: 0, 1, 1, 3, 6, 9, and from there twice the count.
fn scaled(count: i32) -> i32 {
    let most = match count.abs() {
        n @ 0..=1 => n,
        2 => 1,
        3 => 3,
        4 => 6,
        5 => 9,
        n => (2 * n).min(255),
    };
    most * count.signum()
}
