//! Is there something new to draw? Cheap enough to ask sixty times a second: pages of display
//! memory that were drawn are marked [`PageState::SHOWN`], and the first write to one takes the
//! mark away. A host's cache: never part of the state, and nothing a guest could see.

use super::scanout::{phases, vbe_bytes};
use super::window::{PLANES_BYTES, TEXT_BYTES};
use super::{Registers, VRAM_BYTES, Vga};
use mem::{Memory, PageState};

const PAGE: u64 = 4096;

/// What was last drawn.
#[derive(Debug, Default)]
pub(super) struct Watch {
    generation: u64,
    registers: Option<Registers>,
    phases: (bool, bool),
}

impl Vga {
    /// A number that is another whenever the screen may look different than when it was last
    /// asked for. Several displays can watch: each remembers the number it has drawn.
    pub fn generation(&mut self, memory: &mut Memory, now_ns: u64) -> u64 {
        let shown = self.regs.shown();
        let phases = if self.blinks() { phases(&self.regs, now_ns) } else { (true, true) };
        let is_written = self.mark_shown(memory);
        let watch = &mut self.watch;
        if is_written || watch.registers.as_ref() != Some(&shown) || watch.phases != phases {
            watch.generation += 1;
            watch.registers = Some(shown);
            watch.phases = phases;
        }
        watch.generation
    }

    /// Marks the pages that show. True where one had lost its mark.
    fn mark_shown(&self, memory: &mut Memory) -> bool {
        let Some(place) = self.place else {
            return false;
        };
        let ranges = match self.regs.vbe().mode() {
            Some(mode) => {
                let start = u64::from(mode.start).min(VRAM_BYTES);
                let len = vbe_bytes(&mode).min(VRAM_BYTES - start);
                [place.vram + start..place.vram + start + len, 0..0]
            }
            None => {
                [place.vram..place.vram + PLANES_BYTES, place.text()..place.text() + TEXT_BYTES]
            }
        };
        let states = memory.states_mut();
        let mut is_written = false;
        for range in ranges {
            for page in range.start / PAGE..range.end.div_ceil(PAGE) {
                let page = page as u32;
                if !states.get(page).contains(PageState::SHOWN) {
                    is_written = true;
                    states.protect(page, PageState::SHOWN);
                }
            }
        }
        is_written
    }
}
