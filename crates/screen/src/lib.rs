//! What a display shows, as pixels: [`render`] makes a [`Frame`] of a [`Scanout`], that is, of
//! the adapter's registers and memory at one moment. Pure: no terminal, no file, no clock.
//!
//! A frame has the dots of the monitor: 320x200 with 256 colours is 640 dots by 400 lines, as the
//! adapter sends it. [`Frame::shrunk`] takes the repetition out again. [`png`] writes one, [`Film`] many. A frame is drawn as of one
//! moment: what a program changes while the beam is under way shows whole or not at all.

#![forbid(unsafe_code)]

mod beam;
mod film;
mod graphics;
mod linear;
mod picture;
mod text;

use devices::vga::reg::{ATC_OVERSCAN, GC_GRAPHICS, GC_MISC, SEQ_CLOCKING, SEQ_SCREEN_OFF};
use devices::vga::{Registers, Scanout};

pub use film::Film;
pub use picture::{PictureError, png};

/// Red, green, blue, and 255.
pub type Pixel = [u8; 4];

const BLACK: Pixel = [0, 0, 0, 255];

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Dots of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// How often each dot comes side by side.
    pub repeat_x: usize,
    /// How often each line comes in succession.
    pub repeat_y: usize,
    /// All dots, line by line.
    pub pixels: Vec<Pixel>,
}

impl Frame {
    /// All dots as bytes: red, green, blue, alpha.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// The same without repetition: 320x200 where that is what the program draws.
    #[must_use]
    pub fn shrunk(&self) -> Self {
        let (x, y) = (self.repeat_x.max(1), self.repeat_y.max(1));
        let rows = self.pixels.chunks(self.width.max(1)).step_by(y);
        Self {
            width: self.width.div_ceil(x),
            height: self.height.div_ceil(y),
            repeat_x: 1,
            repeat_y: 1,
            pixels: rows.flat_map(|row| row.iter().step_by(x).copied()).collect(),
        }
    }

    fn plain(width: usize, height: usize, color: Pixel) -> Self {
        let pixels = vec![color; width * height];
        Self { width, height, repeat_x: 1, repeat_y: 1, pixels }
    }
}

/// Draws what shows.
#[must_use]
pub fn render(scanout: &Scanout) -> Frame {
    let r = &scanout.registers;
    if let Some(mode) = r.vbe().mode() {
        return linear::draw(scanout, &mode);
    }
    let beam = beam::Beam::of(r);
    if r.seq(SEQ_CLOCKING) & SEQ_SCREEN_OFF != 0 {
        return Frame::plain(beam.width, beam.height(), BLACK);
    }
    if !r.palette_shows() {
        return Frame::plain(beam.width, beam.height(), color(r, r.atc(ATC_OVERSCAN)));
    }
    if r.gc(GC_MISC) & GC_GRAPHICS == 0 {
        text::draw(scanout, &beam)
    } else {
        graphics::draw(scanout, &beam)
    }
}

fn color(r: &Registers, index: u8) -> Pixel {
    let [red, green, blue] = r.color(index);
    [red, green, blue, 255]
}

/// The sixteen colours of planes and text, by palette and DAC.
fn sixteen(r: &Registers) -> [Pixel; 16] {
    std::array::from_fn(|value| color(r, r.palette(value as u8)))
}

/// The four planes' bytes at an address.
fn planes(scanout: &Scanout, address: u16) -> [u8; 4] {
    let at = usize::from(address) * 4;
    let bytes = scanout.memory.get(at..at + 4).and_then(|b| b.try_into().ok());
    bytes.unwrap_or_default()
}

#[cfg(test)]
mod tests;
