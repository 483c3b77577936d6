//! All that a picture follows from, taken at one moment: registers, display memory, the phase of
//! what blinks. Crate `screen` makes pixels of it.

use super::reg::*;
use super::{Registers, Timing, VbeMode, Vga};
use mem::Memory;

/// The display at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanout {
    /// The registers.
    pub registers: Registers,
    /// Without VBE, or with 4 bits: the four planes, byte 4a+p for plane p of address a. Else
    /// what VBE shows, from its first dot to its last.
    pub memory: Vec<u8>,
    /// The cursor is in the half of its period in which it shows.
    pub cursor_is_lit: bool,
    /// Blinking text shows its foreground.
    pub blink_is_lit: bool,
}

/// The cursor blinks once in 16 frames, text once in 32.
pub(super) fn phases(r: &Registers, now_ns: u64) -> (bool, bool) {
    let frame = Timing::of(r).frame(now_ns);
    (frame & 8 == 0, frame & 16 == 0)
}

/// Bytes of display memory that a VBE mode shows.
pub(super) fn vbe_bytes(mode: &VbeMode) -> u64 {
    u64::from(mode.pitch) * u64::from(mode.height)
}

impl Vga {
    /// The display as it shows at `now_ns`.
    #[must_use]
    pub fn scanout(&self, memory: &Memory, now_ns: u64) -> Scanout {
        let (cursor_is_lit, blink_is_lit) = phases(&self.regs, now_ns);
        let memory = match (self.regs.vbe().mode(), self.place) {
            (Some(mode), Some(place)) => {
                let start = u64::from(mode.start);
                let room = super::VRAM_BYTES - start.min(super::VRAM_BYTES);
                let mut shown = vec![0; vbe_bytes(&mode).min(room) as usize];
                memory.arena().read(place.vram + start, &mut shown);
                shown
            }
            _ => self.planes(memory),
        };
        Scanout { registers: self.regs.clone(), memory, cursor_is_lit, blink_is_lit }
    }

    /// True where something on the screen changes by itself, with the phases of [`Scanout`].
    pub(super) fn blinks(&self) -> bool {
        let r = &self.regs;
        let is_text = r.gc(GC_MISC) & GC_GRAPHICS == 0 && !r.vbe().is_enabled();
        let has_cursor = r.crtc(CRTC_CURSOR_START) & 0x20 == 0;
        is_text && (has_cursor || r.atc(ATC_MODE) & ATC_BLINK != 0)
    }
}
