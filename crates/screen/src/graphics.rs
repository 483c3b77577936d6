//! The graphics modes of the VGA: sixteen colours in planes, the CGA's four packed as it packed
//! them, 256 colours. IBM VGA technical reference, "Graphics Controller" 05h and "Attribute
//! Controller".

use crate::beam::{Beam, Line};
use crate::{Frame, Pixel, color, planes, sixteen};
use devices::vga::Scanout;
use devices::vga::reg::*;

/// How the shift registers send what they took from the planes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shift {
    /// A bit of each plane.
    Planar,
    /// Two bits of planes 0 and 2, then of 1 and 3.
    Cga,
    /// All eight of a plane, one plane after the other.
    Bytes,
}

/// The colours of the values that the planes give.
enum Colors {
    Sixteen([Pixel; 16], u8),
    All(Box<[Pixel; 256]>),
}

impl Colors {
    fn get(&self, value: u8) -> Pixel {
        match self {
            Self::Sixteen(colors, shown) => colors[usize::from(value & shown & 0x0F)],
            Self::All(colors) => colors[usize::from(value)],
        }
    }
}

/// The values of the eight (or four) dots of an address.
fn values(shift: Shift, planes: [u8; 4]) -> [u8; 8] {
    match shift {
        Shift::Planar => std::array::from_fn(|i| {
            (0..4).fold(0, |value, plane| value | (planes[plane] >> (7 - i) & 1) << plane)
        }),
        Shift::Cga => std::array::from_fn(|i| {
            let at = 6 - 2 * (i & 3);
            planes[i >> 2] >> at & 3 | (planes[2 + (i >> 2)] >> at & 3) << 2
        }),
        Shift::Bytes => std::array::from_fn(|i| planes[i & 3]),
    }
}

/// Draws the lines of `beam`.
pub(crate) fn draw(scanout: &Scanout, beam: &Beam) -> Frame {
    let r = &scanout.registers;
    let mode = r.gc(GC_MODE);
    let shift = match (mode & GC_SHIFT_256 != 0, mode & GC_SHIFT_CGA != 0) {
        (true, _) => Shift::Bytes,
        (false, true) => Shift::Cga,
        (false, false) => Shift::Planar,
    };
    let colors = match shift {
        Shift::Bytes => Colors::All(Box::new(std::array::from_fn(|i| color(r, i as u8)))),
        _ => Colors::Sixteen(sixteen(r), r.atc(ATC_PLANES)),
    };
    // Dots of a byte are sent at half the clock.
    let repeat_x = beam.repeat_x * if shift == Shift::Bytes { 2 } else { 1 };
    let mut pixels = Vec::with_capacity(beam.width * beam.height());
    let mut dots = Vec::new();
    let mut before: Option<(Line, usize)> = None;
    for line in beam.lines() {
        // Most lines come twice: what was drawn is copied.
        let again = before.filter(|(old, _)| {
            let same = beam.address(*old, 0) == beam.address(line, 0);
            same && old.address == line.address && old.pan == line.pan
        });
        let from = pixels.len();
        if let Some((_, start)) = again {
            pixels.extend_from_within(start..start + beam.width);
        } else {
            dots.clear();
            for column in 0..=beam.columns {
                let all = values(shift, planes(scanout, beam.address(line, column)));
                let all = if shift == Shift::Bytes { &all[..4] } else { &all[..] };
                dots.extend(all.iter().map(|value| colors.get(*value)));
            }
            let pan = if shift == Shift::Bytes { line.pan / 2 } else { line.pan };
            let shown = dots[pan..].iter().take(beam.width / repeat_x);
            pixels.extend(shown.flat_map(|dot| std::iter::repeat_n(*dot, repeat_x)));
        }
        before = Some((line, from));
    }
    let (width, height) = (beam.width, beam.height());
    Frame { width, height, repeat_x, repeat_y: beam.repeat_y(false), pixels }
}

/// Sixteen colours in planes without a CRT controller, as VBE has them with four bits.
pub(crate) fn draw_planes(scanout: &Scanout, width: usize, height: usize, pitch: usize) -> Frame {
    let r = &scanout.registers;
    let colors = Colors::Sixteen(sixteen(r), r.atc(ATC_PLANES));
    let mut pixels = Vec::with_capacity(width * height);
    for row in scanout.memory.chunks(pitch.max(1)).take(height) {
        let groups = row.chunks_exact(4).take(width / 8);
        let dots = groups.flat_map(|g| values(Shift::Planar, [g[0], g[1], g[2], g[3]]));
        pixels.extend(dots.map(|value| colors.get(value)));
    }
    pixels.resize(width * height, crate::BLACK);
    Frame { width, height, repeat_x: 1, repeat_y: 1, pixels }
}
