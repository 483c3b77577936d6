//! The modes of Bochs's VBE: dots of 8, 15, 16, 24 or 32 bits one after the other, low bytes
//! first, blue in the low bits.

use crate::{BLACK, Frame, Pixel, color, graphics};
use devices::vga::{Registers, Scanout, VbeMode};

/// `bits` bits, widened to eight.
fn widen(value: u32, bits: u32) -> u8 {
    let value = value & ((1 << bits) - 1);
    (value << (8 - bits) | value >> (2 * bits - 8)) as u8
}

/// What shows a dot of some bits.
fn dot(bpp: u32, bytes: &[u8], colors: &[Pixel; 256]) -> Pixel {
    let value = bytes.iter().rev().fold(0, |value, b| value << 8 | u32::from(*b));
    match bpp {
        8 => colors[(value & 0xFF) as usize],
        15 => [widen(value >> 10, 5), widen(value >> 5, 5), widen(value, 5), 255],
        16 => [widen(value >> 11, 5), widen(value >> 5, 6), widen(value, 5), 255],
        _ => [(value >> 16) as u8, (value >> 8) as u8, value as u8, 255],
    }
}

fn all_colors(r: &Registers) -> Box<[Pixel; 256]> {
    Box::new(std::array::from_fn(|i| color(r, i as u8)))
}

pub(crate) fn draw(scanout: &Scanout, mode: &VbeMode) -> Frame {
    let (width, height, pitch) = (mode.width as usize, mode.height as usize, mode.pitch as usize);
    if mode.bpp == 4 {
        return graphics::draw_planes(scanout, width, height, pitch);
    }
    let colors = all_colors(&scanout.registers);
    let size = mode.bpp.div_ceil(8) as usize;
    let mut pixels = Vec::with_capacity(width * height);
    for row in scanout.memory.chunks(pitch.max(1)).take(height) {
        let dots = row.chunks_exact(size).take(width);
        pixels.extend(dots.map(|bytes| dot(mode.bpp, bytes, &colors)));
    }
    // A last line that display memory has no room for.
    pixels.resize(width * height, BLACK);
    Frame { width, height, repeat_x: 1, repeat_y: 1, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_all_depths_have_their_colours() {
        let colors = Box::new([[9, 9, 9, 255]; 256]);
        assert_eq!(dot(15, &[0x00, 0x7C], &colors), [255, 0, 0, 255]);
        assert_eq!(dot(16, &[0xE0, 0x07], &colors), [0, 255, 0, 255]);
        assert_eq!(dot(16, &[0x10, 0x84], &colors), [0x84, 0x82, 0x84, 255]);
        assert_eq!(dot(24, &[1, 2, 3], &colors), [3, 2, 1, 255]);
        assert_eq!(dot(32, &[1, 2, 3, 0xFF], &colors), [3, 2, 1, 255]);
        assert_eq!(dot(8, &[7], &colors), [9, 9, 9, 255]);
    }
}
