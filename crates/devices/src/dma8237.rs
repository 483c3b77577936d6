//! The two 8237A DMA controllers of the AT with their page registers. From the Intel 8237A
//! datasheet (231466-005).
//!
//! A device that has a channel holds a [`DmaChannel`] and moves bytes through it; the
//! controllers' registers say where to. Memory-to-memory transfers (channels 0 and 1, started by a
//! software request) run at once. No device of the board hangs on channels 5 to 7; single, block
//! and demand mode differ in bus timing only, and are the same here.

use crate::wire;
use bus::{Device, Io, StateError};
use mem::Memory;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use x86::PhysAddr;

/// Mode: transfer type, from the device to memory.
pub const MODE_WRITE: u8 = 1 << 2;
/// Mode: from memory to the device.
pub const MODE_READ: u8 = 2 << 2;
/// Mode: the transfer type's bits.
pub const MODE_TYPE: u8 = 3 << 2;
/// Mode: start again at the end.
pub const MODE_AUTOINIT: u8 = 1 << 4;
/// Mode: addresses go down.
pub const MODE_DOWN: u8 = 1 << 5;
/// Command: memory to memory.
pub const COMMAND_MEMORY: u8 = 1 << 0;
/// Command: channel 0's address stays, so that a block is filled with one byte.
pub const COMMAND_HOLD: u8 = 1 << 1;
/// Command: controller off.
pub const COMMAND_DISABLE: u8 = 1 << 2;

/// The channel by which the first controller hangs on the second.
const CASCADE: usize = 4;

/// Page registers by port from 80h on: the channel, or none.
const PAGE_OF: [Option<usize>; 16] = [
    None,
    Some(2),
    Some(3),
    Some(1),
    None,
    None,
    None,
    Some(0),
    None,
    Some(6),
    Some(7),
    Some(5),
    None,
    None,
    None,
    Some(4),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Channel {
    base_address: u16,
    base_count: u16,
    address: u16,
    count: u16,
    page: u8,
    mode: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Chip {
    command: u8,
    mask: u8,
    /// Terminal counts reached, read once.
    status: u8,
    request: u8,
    /// The byte that a memory-to-memory transfer moved last.
    temporary: u8,
    high_byte: bool,
}

const CHIP: Chip =
    Chip { command: 0, mask: 0x0F, status: 0, request: 0, temporary: 0, high_byte: false };

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    channels: [Channel; 8],
    chips: [Chip; 2],
    /// The page ports that belong to no channel hold a byte all the same.
    spare: [u8; 16],
}

impl State {
    fn new() -> Self {
        Self { channels: [Channel::default(); 8], chips: [CHIP; 2], spare: [0; 16] }
    }

    fn flip(&mut self, chip: usize) -> bool {
        let high = &mut self.chips[chip].high_byte;
        *high = !*high;
        !*high
    }

    fn read_word(&mut self, chip: usize, register: usize) -> u8 {
        let is_high = self.flip(chip);
        let channel = &self.channels[chip * 4 + (register >> 1 & 3)];
        let word = if register & 1 == 0 { channel.address } else { channel.count };
        word.to_le_bytes()[usize::from(is_high)]
    }

    fn write_word(&mut self, chip: usize, register: usize, value: u8) {
        let is_high = self.flip(chip);
        let channel = &mut self.channels[chip * 4 + (register >> 1 & 3)];
        let (base, now) = if register & 1 == 0 {
            (&mut channel.base_address, &mut channel.address)
        } else {
            (&mut channel.base_count, &mut channel.count)
        };
        for word in [base, now] {
            let mut bytes = word.to_le_bytes();
            bytes[usize::from(is_high)] = value;
            *word = u16::from_le_bytes(bytes);
        }
    }

    fn write_control(&mut self, chip: usize, register: usize, value: u8) {
        let which = usize::from(value & 3);
        let bit = 1 << which;
        let c = &mut self.chips[chip];
        match register {
            8 => c.command = value,
            9 if value & 4 != 0 => c.request |= bit,
            9 => c.request &= !bit,
            10 if value & 4 != 0 => c.mask |= bit,
            10 => c.mask &= !bit,
            11 => self.channels[chip * 4 + which].mode = value & !3,
            12 => c.high_byte = false,
            13 => *c = CHIP,
            14 => c.mask = 0,
            _ => c.mask = value & 0x0F,
        }
    }

    fn read_register(&mut self, chip: usize, register: usize) -> u8 {
        match register {
            0..=7 => self.read_word(chip, register),
            8 => {
                let c = &mut self.chips[chip];
                std::mem::take(&mut c.status) | c.request << 4
            }
            13 => self.chips[chip].temporary,
            15 => 0xF0 | self.chips[chip].mask,
            _ => 0,
        }
    }

    /// The chip and register of a port; `None` for a page register.
    fn register(port: u16) -> Option<(usize, usize)> {
        match port {
            0x00..=0x0F => Some((0, usize::from(port))),
            0xC0..=0xDF => Some((1, usize::from(port - 0xC0) / 2)),
            _ => None,
        }
    }

    fn read(&mut self, port: u16) -> u8 {
        if let Some((chip, register)) = Self::register(port) {
            return self.read_register(chip, register);
        }
        let at = usize::from(port & 0xF);
        PAGE_OF[at].map_or(self.spare[at], |channel| self.channels[channel].page)
    }

    fn write(&mut self, port: u16, value: u8) {
        match Self::register(port) {
            Some((chip, register @ 0..=7)) => self.write_word(chip, register, value),
            Some((chip, register)) => self.write_control(chip, register, value),
            None => {
                let at = usize::from(port & 0xF);
                match PAGE_OF[at] {
                    Some(channel) => self.channels[channel].page = value,
                    None => self.spare[at] = value,
                }
            }
        }
    }

    /// The first controller's requests pass the second one's channel 0, which must be open too.
    fn is_open(&self, channel: usize) -> bool {
        let is_let = |channel: usize| {
            let chip = &self.chips[channel / 4];
            chip.command & COMMAND_DISABLE == 0 && chip.mask >> (channel % 4) & 1 == 0
        };
        is_let(channel) && (channel >= CASCADE || is_let(CASCADE))
    }

    /// Where the next byte goes, and one step on. The second is true at terminal count.
    fn advance(&mut self, channel: usize) -> (PhysAddr, bool) {
        let c = &mut self.channels[channel];
        let at = u64::from(c.page) << 16 | u64::from(c.address);
        // Address bits don't carry into the page.
        c.address = if c.mode & MODE_DOWN != 0 {
            c.address.wrapping_sub(1)
        } else {
            c.address.wrapping_add(1)
        };
        c.count = c.count.wrapping_sub(1);
        let is_end = c.count == u16::MAX;
        if is_end {
            let auto = c.mode & MODE_AUTOINIT != 0;
            if auto {
                c.address = c.base_address;
                c.count = c.base_count;
            }
            let chip = &mut self.chips[channel / 4];
            chip.status |= 1 << (channel % 4);
            chip.request &= !(1 << (channel % 4));
            if !auto {
                chip.mask |= 1 << (channel % 4);
            }
        }
        (PhysAddr(at), is_end)
    }

    /// Carries out a memory-to-memory transfer that software has requested: from channel 0's
    /// address to channel 1's, as many bytes as channel 1 counts.
    fn move_memory(&mut self, memory: &mut Memory) {
        let chip = &self.chips[0];
        let asked = chip.request & 1 != 0;
        if !asked || chip.command & (COMMAND_MEMORY | COMMAND_DISABLE) != COMMAND_MEMORY {
            return;
        }
        let holds = chip.command & COMMAND_HOLD != 0;
        loop {
            let before = self.channels[0].address;
            let (from, _) = self.advance(0);
            if holds {
                self.channels[0].address = before;
            }
            let mut byte = [0];
            memory.read_phys(from, &mut byte);
            self.chips[0].temporary = byte[0];
            let (to, is_end) = self.advance(1);
            memory.write_phys(to, &byte);
            if is_end {
                break;
            }
        }
        self.chips[0].request &= !1;
    }
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    // One thread runs a machine; a panic elsewhere leaves the registers whole.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a byte went through a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It went, and more may follow.
    More,
    /// It went, and it was the last: terminal count.
    Last,
    /// The channel or the cascade is masked, or set to another direction: nothing went.
    Refused,
}

/// A device's DMA channel, 0 to 3.
#[derive(Clone, Debug)]
pub struct DmaChannel {
    shared: Shared,
    channel: usize,
}

impl DmaChannel {
    /// One byte from the device to memory. A verify transfer counts without storing.
    pub fn to_memory(&self, byte: u8, memory: &mut Memory) -> Moved {
        let mut state = lock(&self.shared);
        let kind = state.channels[self.channel].mode & MODE_TYPE;
        if !state.is_open(self.channel) || kind == MODE_READ {
            return Moved::Refused;
        }
        let (at, is_end) = state.advance(self.channel);
        if kind == MODE_WRITE {
            memory.write_phys(at, &[byte]);
        }
        if is_end { Moved::Last } else { Moved::More }
    }

    /// One byte from memory to the device.
    pub fn from_memory(&self, memory: &Memory) -> (Moved, u8) {
        let mut state = lock(&self.shared);
        let kind = state.channels[self.channel].mode & MODE_TYPE;
        if !state.is_open(self.channel) || kind != MODE_READ {
            return (Moved::Refused, 0);
        }
        let (at, is_end) = state.advance(self.channel);
        let mut byte = [0];
        memory.read_phys(at, &mut byte);
        (if is_end { Moved::Last } else { Moved::More }, byte[0])
    }

    /// True where the channel takes requests.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.shared).is_open(self.channel)
    }
}

/// The controllers.
#[derive(Debug)]
pub struct Dma {
    shared: Shared,
}

impl Default for Dma {
    fn default() -> Self {
        Self::new()
    }
}

impl Dma {
    /// All masked.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Mutex::new(State::new())) }
    }

    /// Its ports: both controllers and the page registers but 80h, which is the POST port.
    #[must_use]
    pub fn ports() -> Vec<u16> {
        (0x00..=0x0F).chain(0x81..=0x8F).chain(0xC0..=0xDF).collect()
    }

    /// Channel `number`, 0 to 3, for the device that is wired to it.
    #[must_use]
    pub fn channel(&self, number: u8) -> DmaChannel {
        DmaChannel { shared: Arc::clone(&self.shared), channel: usize::from(number & 3) }
    }
}

impl Device for Dma {
    fn name(&self) -> &'static str {
        "dma"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let mut state = lock(&self.shared);
        wire::read_bytes(at, io.size, |port| state.read(port))
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        let mut state = lock(&self.shared);
        wire::write_bytes(at, io.size, value, |port, byte| state.write(port, byte));
        state.move_memory(io.memory);
    }

    fn reset(&mut self) {
        *lock(&self.shared) = State::new();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&*lock(&self.shared))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state = wire::restore(self.name(), bytes)?;
        *lock(&self.shared) = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
