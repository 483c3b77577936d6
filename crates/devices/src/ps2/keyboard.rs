//! The keyboard: scan code sets 1 to 3, lights, typematic repeat, and all of its commands. From
//! the IBM PS/2 Hardware Interface Technical Reference (keyboards).
//!
//! Its self-test takes no time. What it has to send waits in its buffer until the controller
//! takes it; answers to commands are never refused, keys are when the buffer is full.

use crate::keys::{Key, KeyType, set1_bytes, set2_bytes, set3, set3_bytes};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The answer to a byte it understood.
pub const KBD_ACK: u8 = 0xFA;
/// And to one it didn't.
pub const KBD_RESEND: u8 = 0xFE;

/// What it holds; more is lost and marked.
pub(super) const BUFFER: usize = 16;
/// The code that stands for lost ones: of set 1 another than of sets 2 and 3.
const OVERRUN: [u8; 4] = [0, 0xFF, 0, 0];
/// 10.9 characters a second after half a second.
const TYPEMATIC: u8 = 0x2B;

/// A command that waits for its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wants {
    Leds,
    ScanSet,
    Typematic,
    /// Keys, one after another, that get a type.
    Keys(KeyType),
}

/// A keyboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keyboard {
    /// What it will send, answered or typed.
    queue: VecDeque<u8>,
    wants: Option<Wants>,
    leds: u8,
    scan_set: u8,
    scanning: bool,
    last_sent: u8,
    /// Delay and rate, as command F3h gives them.
    typematic: u8,
    /// The key that repeats.
    held: Option<Key>,
    /// When it does; `None` until time was looked at.
    repeat_ns: Option<u64>,
    /// Types of set 3's keys by their codes, where they aren't the default.
    types: BTreeMap<u8, KeyType>,
    /// The type of all others.
    all: Option<KeyType>,
}

impl Keyboard {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            wants: None,
            leds: 0,
            scan_set: 2,
            scanning: true,
            last_sent: 0,
            typematic: TYPEMATIC,
            held: None,
            repeat_ns: None,
            types: BTreeMap::new(),
            all: None,
        }
    }

    pub(super) fn leds(&self) -> u8 {
        self.leds
    }

    pub(super) fn has_bytes(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn is_sane(&self) -> bool {
        self.queue.len() <= BUFFER && (1..=3).contains(&self.scan_set)
    }

    /// The next byte on the line.
    pub(super) fn send(&mut self) -> Option<u8> {
        let byte = self.queue.pop_front()?;
        if byte != KBD_RESEND {
            self.last_sent = byte;
        }
        Some(byte)
    }

    /// A key goes down or up. False, and nothing happened, if the buffer is full.
    pub(super) fn key(&mut self, key: Key, down: bool) -> bool {
        if !self.scanning {
            return true;
        }
        let bytes = self.bytes(key, down);
        if self.queue.len() + bytes.len() > BUFFER {
            return false;
        }
        self.queue.extend(bytes);
        if down {
            self.held = self.repeats(key).then_some(key);
            self.repeat_ns = None;
        } else if self.held == Some(key) {
            self.held = None;
        }
        true
    }

    fn bytes(&self, key: Key, down: bool) -> Vec<u8> {
        match self.scan_set {
            1 => set1_bytes(key, down),
            2 => set2_bytes(key, down),
            _ => set3_bytes(key, self.key_type(key), down),
        }
    }

    fn key_type(&self, key: Key) -> KeyType {
        let (code, default) = set3(key);
        self.types.get(&code).copied().or(self.all).unwrap_or(default)
    }

    fn repeats(&self, key: Key) -> bool {
        if self.scan_set == 3 { self.key_type(key).repeats() } else { key != Key::Pause }
    }

    /// From the key to its first repetition.
    fn delay_ns(&self) -> u64 {
        (u64::from(self.typematic >> 5 & 3) + 1) * 250_000_000
    }

    /// From one repetition to the next: (8 + A) x 2^B x 4.17 ms.
    fn period_ns(&self) -> u64 {
        let (a, b) = (u64::from(self.typematic & 7), self.typematic >> 3 & 3);
        ((8 + a) << b) * 4_170_000
    }

    /// True while a key is held whose time must be looked after.
    pub(super) fn repeat_due(&self) -> Option<u64> {
        self.held.map(|_| self.repeat_ns.unwrap_or(0))
    }

    /// Repeats the held key if it is time. A full buffer takes no repetition.
    pub(super) fn tick(&mut self, now_ns: u64) {
        let Some(key) = self.held else { return };
        match self.repeat_ns {
            None => self.repeat_ns = Some(now_ns.saturating_add(self.delay_ns())),
            Some(due) if due <= now_ns => {
                let bytes = self.bytes(key, true);
                if self.queue.len() + bytes.len() <= BUFFER {
                    self.queue.extend(bytes);
                }
                self.repeat_ns = Some(now_ns.saturating_add(self.period_ns()));
            }
            Some(_) => {}
        }
    }

    /// A byte from the controller.
    pub(super) fn receive(&mut self, byte: u8) {
        if let Some(wants) = self.wants.take()
            && byte < 0xED
        {
            self.parameter(wants, byte);
        } else {
            self.command(byte);
        }
        // A guest that commands and never reads fills the buffer.
        if self.queue.len() > BUFFER {
            self.queue.truncate(BUFFER - 1);
            self.queue.push_back(OVERRUN[usize::from(self.scan_set & 3)]);
        }
    }

    fn command(&mut self, byte: u8) {
        match byte {
            0xED => self.want(Wants::Leds),
            0xEE => self.queue.push_back(0xEE),
            0xF0 => self.want(Wants::ScanSet),
            0xF2 => self.queue.extend([KBD_ACK, 0xAB, 0x83]),
            0xF3 => self.want(Wants::Typematic),
            0xF4 => self.restart(true),
            0xF5 | 0xF6 => {
                self.set_defaults();
                self.restart(byte == 0xF6);
            }
            0xF7 => self.set_all(KeyType::Typematic),
            0xF8 => self.set_all(KeyType::MakeBreak),
            0xF9 => self.set_all(KeyType::Make),
            0xFA => self.set_all(KeyType::All),
            0xFB => self.want(Wants::Keys(KeyType::Typematic)),
            0xFC => self.want(Wants::Keys(KeyType::MakeBreak)),
            0xFD => self.want(Wants::Keys(KeyType::Make)),
            0xFE => self.queue.push_front(self.last_sent),
            0xFF => {
                *self = Self { leds: 0, ..Self::new() };
                self.queue.extend([KBD_ACK, 0xAA]);
            }
            _ => self.queue.push_back(KBD_RESEND),
        }
    }

    /// Clears the buffer, and scans or doesn't.
    fn restart(&mut self, scanning: bool) {
        self.queue.clear();
        self.held = None;
        self.scanning = scanning;
        self.queue.push_back(KBD_ACK);
    }

    fn set_defaults(&mut self) {
        self.scan_set = 2;
        self.typematic = TYPEMATIC;
        self.types.clear();
        self.all = None;
    }

    fn set_all(&mut self, kind: KeyType) {
        self.types.clear();
        self.all = Some(kind);
        self.queue.clear();
        self.queue.push_back(KBD_ACK);
    }

    fn want(&mut self, wants: Wants) {
        // A key's scanning stops while its type is set.
        self.held = None;
        self.wants = Some(wants);
        self.queue.push_back(KBD_ACK);
    }

    fn parameter(&mut self, wants: Wants, byte: u8) {
        let mut answer = KBD_ACK;
        match (wants, byte) {
            (Wants::Leds, _) => self.leds = byte & 7,
            (Wants::Typematic, _) => self.typematic = byte & 0x7F,
            (Wants::Keys(kind), _) => {
                self.types.insert(byte, kind);
                self.wants = Some(wants);
            }
            (Wants::ScanSet, 0) => {
                self.queue.extend([KBD_ACK, self.scan_set]);
                return;
            }
            (Wants::ScanSet, 1..=3) => {
                self.scan_set = byte;
                self.held = None;
            }
            (Wants::ScanSet, _) => answer = KBD_RESEND,
        }
        self.queue.push_back(answer);
    }
}
