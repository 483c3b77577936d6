//! Text: codes in plane 0, attributes in plane 1, shapes in plane 2. IBM VGA technical
//! reference, "Alphanumeric Modes".

use crate::beam::{Beam, Line};
use crate::{Frame, Pixel, planes, sixteen};
use devices::vga::reg::*;
use devices::vga::{Registers, Scanout};

/// What all characters of a frame have in common.
struct Style<'a> {
    scanout: &'a Scanout,
    colors: [Pixel; 16],
    /// Where the shapes begin in plane 2, for attribute bit 3 clear and set.
    fonts: [u16; 2],
    blinks: bool,
    repeats_eighth: bool,
    underline: u8,
    cursor: Option<Cursor>,
}

struct Cursor {
    address: u16,
    lines: std::ops::RangeInclusive<u8>,
}

impl Cursor {
    fn of(r: &Registers) -> Option<Self> {
        let (first, last) = (r.crtc(CRTC_CURSOR_START), r.crtc(CRTC_CURSOR_END));
        let skew = u16::from(last >> 5 & 3);
        (first & 0x20 == 0).then_some(Self {
            address: r.crtc_word(CRTC_CURSOR).wrapping_add(skew),
            lines: first & 0x1F..=last & 0x1F,
        })
    }
}

/// The eight places of a font in plane 2, in units of 8 KiB, by the three bits that choose one.
const PLACES: [u16; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// The fonts for attribute bit 3 clear (map B) and set (map A).
fn fonts(r: &Registers) -> [u16; 2] {
    let select = r.seq(SEQ_FONTS);
    let place = |low: u8, high: u8| {
        PLACES[usize::from(select >> low & 3 | (select >> high & 1) << 2)] << 13
    };
    [place(0, 4), place(2, 5)]
}

impl<'a> Style<'a> {
    fn of(scanout: &'a Scanout) -> Self {
        let r = &scanout.registers;
        Self {
            scanout,
            colors: sixteen(r),
            fonts: fonts(r),
            blinks: r.atc(ATC_MODE) & ATC_BLINK != 0,
            repeats_eighth: r.atc(ATC_MODE) & ATC_LINE_GRAPHICS != 0,
            underline: r.crtc(CRTC_UNDERLINE) & 0x1F,
            cursor: Cursor::of(r).filter(|_| scanout.cursor_is_lit),
        }
    }

    /// Foreground and background of an attribute.
    fn ink(&self, attribute: u8) -> [Pixel; 2] {
        let (ink, paper) = (attribute & 0x0F, attribute >> 4);
        let (ink, paper) = match (self.blinks, attribute & 0x80 != 0) {
            (false, _) => (ink, paper),
            (true, true) if !self.scanout.blink_is_lit => (paper & 7, paper & 7),
            (true, _) => (ink, paper & 7),
        };
        // A plane that isn't enabled counts as 0.
        let shown = self.scanout.registers.atc(ATC_PLANES);
        [ink, paper].map(|color| self.colors[usize::from(color & shown & 0x0F)])
    }

    /// One line of the character at `address`: its dots, the leftmost in bit 8.
    fn dots(&self, code: u8, attribute: u8, address: u16, row_scan: u8) -> u16 {
        let cursor = self.cursor.as_ref();
        let has_cursor =
            cursor.is_some_and(|c| c.address == address && c.lines.contains(&row_scan));
        let is_underlined = attribute & 0x77 == 1 && row_scan == self.underline;
        if has_cursor || is_underlined {
            return 0x1FF;
        }
        let font = self.fonts[usize::from(attribute >> 3 & 1)];
        let at = font.wrapping_add(u16::from(code) * 32 + u16::from(row_scan));
        let shape = u16::from(planes(self.scanout, at)[2]);
        let ninth = self.repeats_eighth && (0xC0..=0xDF).contains(&code);
        shape << 1 | if ninth { shape & 1 } else { 0 }
    }
}

pub(crate) fn draw(scanout: &Scanout, beam: &Beam) -> Frame {
    let style = Style::of(scanout);
    let mut pixels = Vec::with_capacity(beam.width * beam.height());
    let mut dots = Vec::new();
    for line in beam.lines() {
        draw_line(&style, beam, line, &mut dots);
        let shown = dots[line.pan..].iter().take(beam.columns * beam.dots);
        pixels.extend(shown.flat_map(|dot| std::iter::repeat_n(*dot, beam.repeat_x)));
    }
    Frame {
        width: beam.width,
        height: beam.height(),
        repeat_x: beam.repeat_x,
        repeat_y: beam.repeat_y(true),
        pixels,
    }
}

/// One line, and a character more than shows for what panning brings in.
fn draw_line(style: &Style<'_>, beam: &Beam, line: Line, dots: &mut Vec<Pixel>) {
    dots.clear();
    for column in 0..=beam.columns {
        let address = beam.address(line, column);
        let [code, attribute, ..] = planes(style.scanout, address);
        let [ink, paper] = style.ink(attribute);
        let shape = style.dots(code, attribute, address, line.row_scan);
        dots.extend((0..beam.dots).map(|i| if shape << i & 0x100 != 0 { ink } else { paper }));
    }
}
