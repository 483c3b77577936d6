//! Display memory as the processor sees it between A0000h and BFFFFh.
//!
//! The four planes lie interleaved at the start of display memory: plane p of address a is byte
//! 4a+p. An address that a chained mode divides between planes counts from one plane to the
//! next: in chain 4 byte b of the window is byte b of display memory (plane b&3, address b>>2);
//! in odd/even order it is plane b&1, address b>>1. A real VGA leaves gaps instead, which only
//! shows where a program writes in one order and looks in another.
//!
//! Where a window's bytes go to memory unchanged, it is mapped as RAM: chain 4 and VBE's banks
//! straight, and odd/even order (text, CGA colours) by way of the *text store*, which then holds
//! the first 16 KiB of planes 0 and 1 in the processor's order. Everything else is a call a byte.
//! Reads of mapped windows leave the latches alone.

use super::Vga;
use super::planes;
use super::reg::*;
use super::registers::Registers;
use super::vbe::{FRAME_BUFFER, VRAM_BYTES};
use bus::Request;
use mem::{Kind, Memory, MmioId, Region};
use serde::{Deserialize, Serialize};
use x86::PhysAddr;

/// The four planes.
pub const PLANES_BYTES: u64 = 256 << 10;
/// The text store: as much as a text window shows.
pub const TEXT_BYTES: u64 = 32 << 10;
/// What [`Vga::attach`] wants of the arena: display memory and the text store.
pub const VIDEO_BYTES: u64 = VRAM_BYTES + TEXT_BYTES;

const REGION: &str = "vga window";
const PAGE: usize = 4096;

/// What the window is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mapping {
    /// Nothing answers.
    Closed,
    /// RAM: the text store.
    Text(Range),
    /// RAM: display memory from `from` on.
    Linear(Range, u64),
    /// Calls.
    Calls(Range),
}

/// Addresses of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    pub start: u64,
    pub len: u64,
}

/// Where display memory lies in the arena and what calls name the adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub id: MmioId,
    pub vram: u64,
}

impl Place {
    pub fn text(&self) -> u64 {
        self.vram + VRAM_BYTES
    }
}

/// Memory map select (GC 6, bits 2-3).
fn range(r: &Registers) -> Range {
    let (start, len) = match r.gc(GC_MISC) >> 2 & 3 {
        0 => (0xA_0000, 0x2_0000),
        1 => (0xA_0000, 0x1_0000),
        2 => (0xB_0000, 0x8000),
        _ => (0xB_8000, 0x8000),
    };
    Range { start, len }
}

/// A byte written arrives as it is in the planes of `map_mask`, and reads give back what is there.
fn is_plain(r: &Registers, map_mask: u8) -> bool {
    r.seq(SEQ_MAP_MASK) == map_mask
        && r.gc(GC_ENABLE_SET_RESET) == 0
        && r.gc(GC_FUNCTION) == 0
        && r.gc(GC_MODE) & (3 | GC_READ_MODE_1) == 0
        && r.gc(GC_BIT_MASK) == 0xFF
}

fn is_chain_4(r: &Registers) -> bool {
    r.seq(SEQ_MEMORY) & SEQ_CHAIN_4 != 0
}

fn writes_odd_even(r: &Registers) -> bool {
    r.seq(SEQ_MEMORY) & SEQ_NOT_ODD_EVEN == 0
}

fn reads_odd_even(r: &Registers) -> bool {
    r.gc(GC_MODE) & GC_ODD_EVEN != 0
}

/// What the registers ask for.
pub(super) fn wanted(r: &Registers) -> Mapping {
    let vbe = r.vbe();
    if vbe.is_enabled() {
        let window = Range { start: 0xA_0000, len: 0x1_0000 };
        let linear = Mapping::Linear(window, vbe.bank_start());
        return if vbe.is_planar() { Mapping::Calls(window) } else { linear };
    }
    if r.misc() & MISC_RAM == 0 {
        return Mapping::Closed;
    }
    let range = range(r);
    if is_chain_4(r) {
        return if is_plain(r, 0x0F) { Mapping::Linear(range, 0) } else { Mapping::Calls(range) };
    }
    let is_text = writes_odd_even(r)
        && reads_odd_even(r)
        && r.gc(GC_READ_MAP) & 2 == 0
        && range.len == TEXT_BYTES
        && is_plain(r, 0x03);
    if is_text { Mapping::Text(range) } else { Mapping::Calls(range) }
}

impl Vga {
    /// Gives the adapter its memory, [`VIDEO_BYTES`] at `arena_offset`, and puts window and frame
    /// buffer into the physical map. `id` is its own number on the bus.
    pub fn attach(
        &mut self,
        id: MmioId,
        arena_offset: u64,
        memory: &mut Memory,
    ) -> Result<(), mem::MapError> {
        self.place = Some(Place { id, vram: arena_offset });
        memory.add(Region {
            name: "vga frame buffer".into(),
            start: PhysAddr(FRAME_BUFFER),
            len: VRAM_BYTES,
            kind: Kind::DeviceRam,
            arena_offset,
        })?;
        self.adopt_map(memory);
        Ok(())
    }

    /// Shows the window as the registers ask for, after they were restored together with
    /// memory: nothing is moved.
    pub fn adopt_map(&mut self, memory: &mut Memory) {
        self.map(wanted(&self.regs), memory);
    }

    /// Shows the window as the registers ask for, if they have changed.
    pub fn settle_map(&mut self, memory: &mut Memory) {
        let wanted = wanted(&self.regs);
        let Some(place) = self.place.filter(|_| wanted != self.mapping) else {
            return;
        };
        let is_text = |m: Mapping| matches!(m, Mapping::Text(_));
        match (is_text(self.mapping), is_text(wanted)) {
            (true, false) => store_text(place, memory),
            (false, true) => fetch_text(place, memory),
            _ => {}
        }
        self.map(wanted, memory);
        self.signals.request(Request::Remap);
    }

    fn map(&mut self, mapping: Mapping, memory: &mut Memory) {
        self.mapping = mapping;
        memory.remove(REGION);
        let Some(place) = self.place else {
            return;
        };
        let (range, kind, arena_offset) = match mapping {
            Mapping::Closed => return,
            Mapping::Text(range) => (range, Kind::DeviceRam, place.text()),
            Mapping::Linear(range, from) => (range, Kind::DeviceRam, place.vram + from),
            Mapping::Calls(range) => (range, Kind::Mmio(place.id), range.start),
        };
        let Range { start, len } = range;
        let region =
            Region { name: REGION.into(), start: PhysAddr(start), len, kind, arena_offset };
        memory.add(region).expect("the board keeps A0000h to BFFFFh free for the window");
    }

    /// From the start of the window.
    fn offset(&self, at: u64) -> u64 {
        let start = match self.mapping {
            Mapping::Calls(range) => range.start,
            _ => 0,
        };
        at.wrapping_sub(start) & 0x1_FFFF
    }

    /// Reads one byte of the window by a call.
    pub(super) fn read_memory(&mut self, at: u64, memory: &Memory) -> u8 {
        let Some(place) = self.place else {
            return 0xFF;
        };
        let r = &self.regs;
        let offset = self.offset(at);
        let (address, plane) = match () {
            () if r.vbe().is_enabled() => ((offset & 0xFFFF) + r.vbe().bank_start() / 4, None),
            () if is_chain_4(r) => (offset >> 2, Some(offset as u8 & 3)),
            () if reads_odd_even(r) => {
                (offset >> 1, Some(r.gc(GC_READ_MAP) & 2 | offset as u8 & 1))
            }
            () => (offset & 0xFFFF, None),
        };
        self.latches = u32::from_le_bytes(memory.arena().load(place.vram + 4 * address));
        match plane {
            Some(plane) => (self.latches >> (8 * plane)) as u8,
            None => planes::read(r, self.latches),
        }
    }

    /// Writes one byte of the window by a call.
    pub(super) fn write_memory(&mut self, at: u64, value: u8, memory: &mut Memory) {
        let Some(place) = self.place else {
            return;
        };
        let r = &self.regs;
        let offset = self.offset(at);
        let (address, planes) = match () {
            () if r.vbe().is_enabled() => ((offset & 0xFFFF) + r.vbe().bank_start() / 4, 0x0F),
            () if is_chain_4(r) => (offset >> 2, 1 << (offset & 3)),
            () if writes_odd_even(r) => (offset >> 1, 0b0101 << (offset & 1)),
            () => (offset & 0xFFFF, 0x0F),
        };
        let at = place.vram + 4 * address;
        let now = u32::from_le_bytes(memory.arena().load(at));
        let mask = planes & r.seq(SEQ_MAP_MASK);
        let new = planes::written(r, value, self.latches, now, mask);
        if new != now {
            memory.write(at, &new.to_le_bytes());
        }
    }
}

/// Writes whole pages at an arena offset.
fn write(memory: &mut Memory, offset: u64, bytes: &[u8]) {
    for (at, page) in (offset..).step_by(PAGE).zip(bytes.chunks(PAGE)) {
        memory.write(at, page);
    }
}

/// The text store's content goes to planes 0 and 1.
fn store_text(place: Place, memory: &mut Memory) {
    let bytes = with_text(place, memory, 2 * TEXT_BYTES as usize);
    write(memory, place.vram, &bytes);
}

/// The text store gets what planes 0 and 1 hold.
fn fetch_text(place: Place, memory: &mut Memory) {
    let mut planes = vec![0; 2 * TEXT_BYTES as usize];
    memory.arena().read(place.vram, &mut planes);
    let text: Vec<u8> = planes.chunks_exact(4).flat_map(|p| [p[0], p[1]]).collect();
    write(memory, place.text(), &text);
}

/// The first `len` bytes of display memory with the text store's content in its place.
pub(super) fn with_text(place: Place, memory: &Memory, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    memory.arena().read(place.vram, &mut bytes);
    let mut text = vec![0; TEXT_BYTES as usize];
    memory.arena().read(place.text(), &mut text);
    for (planes, pair) in bytes.chunks_exact_mut(4).zip(text.chunks_exact(2)) {
        planes[..2].copy_from_slice(pair);
    }
    bytes
}

/// Clears display memory where a mode of `bytes` shows.
pub(super) fn clear(place: Place, memory: &mut Memory, bytes: u64) {
    for at in (0..bytes.min(VRAM_BYTES)).step_by(PAGE) {
        memory.write(place.vram + at, &[0; PAGE]);
    }
}
