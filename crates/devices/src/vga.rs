//! The VGA with Bochs's VBE. From the IBM VGA technical reference and the PS/2 Hardware Interface
//! Technical Reference (video subsystem); `vga/vbe.rs` names Bochs's.
//!
//! The chip draws nothing: memory is read when somebody looks, by [`Vga::screen`] (text) or
//! [`Vga::scanout`] (everything; crate `screen` makes pixels of it). The beam follows from virtual
//! time. Vertical retrace raises no interrupt, as on nearly every VGA but IBM's own.
//!
//! ```text
//! registers   what the ports do             planes   write and read modes
//! timing      where the beam is             window   A0000h-BFFFFh
//! vbe         ports 1CEh, 1CFh              watch    is there something new to draw?
//! ```

mod planes;
pub mod reg;
mod registers;
mod scanout;
mod text;
mod timing;
mod vbe;
mod watch;
mod window;

use crate::wire;
use bus::{Device, Io, Signals, StateError};
use mem::Memory;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use window::{Mapping, Place};

pub use registers::Registers;
pub use scanout::Scanout;
pub use text::{Cell, Cursor, TextScreen};
pub use timing::Timing;
pub use vbe::{FRAME_BUFFER, VRAM_BYTES, Vbe, VbeMode};
pub use window::{PLANES_BYTES, TEXT_BYTES, VIDEO_BYTES};

/// Addresses from here on are memory, below are ports.
const MEMORY: u64 = 0x1_0000;

#[derive(Serialize)]
struct Saved<'a> {
    registers: &'a Registers,
    latches: u32,
}

#[derive(Deserialize)]
struct Restored {
    registers: Registers,
    latches: u32,
}

/// The adapter.
#[derive(Debug)]
pub struct Vga {
    regs: Registers,
    latches: u32,
    signals: Arc<Signals>,
    /// Its memory, once it has some.
    place: Option<Place>,
    /// What the physical map shows at A0000h-BFFFFh. Follows from the registers.
    mapping: Mapping,
    watch: watch::Watch,
}

impl Vga {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[
        reg::CRTC_INDEX_MONO,
        0x3B5,
        reg::STATUS_1_MONO,
        reg::ATC_INDEX,
        reg::ATC_READ,
        reg::MISC_WRITE,
        reg::SUBSYSTEM,
        reg::SEQ_INDEX,
        reg::SEQ_DATA,
        reg::DAC_MASK,
        reg::DAC_READ_INDEX,
        reg::DAC_WRITE_INDEX,
        reg::DAC_DATA,
        reg::FEATURE_READ,
        0x3CB,
        reg::MISC_READ,
        0x3CD,
        reg::GC_INDEX,
        reg::GC_DATA,
        reg::CRTC_INDEX,
        reg::CRTC_DATA,
        reg::STATUS_1,
        reg::VBE_INDEX,
        reg::VBE_DATA,
        // The upper half of the data word.
        0x1D0,
    ];

    /// An adapter in mode 3, as a video BIOS leaves it, without memory: see [`Vga::attach`].
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self {
            regs: Registers::new(),
            latches: 0,
            signals: Arc::clone(signals),
            place: None,
            mapping: Mapping::Closed,
            watch: watch::Watch::default(),
        }
    }

    /// The registers.
    #[must_use]
    pub fn registers(&self) -> &Registers {
        &self.regs
    }

    /// The sixteen colours of text as red, green, blue of 8 bits each, by way of the palette.
    #[must_use]
    pub fn text_colors(&self) -> [[u8; 3]; 16] {
        std::array::from_fn(|i| self.regs.color(self.regs.palette(i as u8)))
    }

    fn write_vbe(&mut self, port: u16, value: u16, memory: &mut Memory) {
        if port == reg::VBE_INDEX {
            return self.regs.vbe.write_index(value);
        }
        let was_wide = self.regs.vbe.has_8_bit_dac();
        let clears = self.regs.vbe.write(value);
        let is_wide = self.regs.vbe.has_8_bit_dac();
        if is_wide != was_wide {
            self.regs.scale_dac(is_wide);
        }
        self.settle_map(memory);
        if let (true, Some(place), Some(mode)) = (clears, self.place, self.regs.vbe.mode()) {
            window::clear(place, memory, u64::from(mode.pitch) * u64::from(mode.height));
        }
    }

    fn read_vbe(&self, port: u16) -> u16 {
        match port {
            reg::VBE_INDEX => self.regs.vbe.read_index(),
            reg::VBE_DATA => self.regs.vbe.read(),
            _ => 0xFFFF,
        }
    }
}

/// Bochs's ports take words alone.
fn is_vbe(at: u64, size: u8) -> bool {
    size == 2 && (at == u64::from(reg::VBE_INDEX) || at == u64::from(reg::VBE_DATA))
}

impl Device for Vga {
    fn name(&self) -> &'static str {
        "vga"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        if at >= MEMORY {
            return (0..u64::from(io.size)).fold(0, |value, i| {
                value | u32::from(self.read_memory(at + i, io.memory)) << (8 * i)
            });
        }
        if is_vbe(at, io.size) {
            return self.read_vbe(at as u16).into();
        }
        wire::read_bytes(at, io.size, |port| self.regs.read(port, io.now_ns))
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        if at >= MEMORY {
            for i in 0..u64::from(io.size) {
                self.write_memory(at + i, (value >> (8 * i)) as u8, io.memory);
            }
            return;
        }
        if is_vbe(at, io.size) {
            return self.write_vbe(at as u16, value as u16, io.memory);
        }
        wire::write_bytes(at, io.size, value, |port, byte| self.regs.write(port, byte));
        self.settle_map(io.memory);
    }

    /// [`Vga::settle_map`] must follow: a reset sees no memory.
    fn reset(&mut self) {
        self.regs = Registers::new();
        self.latches = 0;
    }

    fn version(&self) -> u32 {
        2
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&Saved { registers: &self.regs, latches: self.latches })
    }

    /// [`Vga::adopt_map`] must follow, when memory is restored too.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let Restored { registers, latches } = wire::restore(self.name(), bytes)?;
        wire::require(self.name(), registers.are_sane(), "not its registers")?;
        (self.regs, self.latches) = (registers, latches);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
