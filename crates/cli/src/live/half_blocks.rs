//! A picture on the terminal in half blocks: a character cell shows two dots, one above the
//! other, as `▀` in two colours. The picture is as large as fits, 4 by 3 as a tube was; each dot
//! is the mean of what it covers.

use super::text::Palette;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use screen::{Frame, Pixel};

/// Draws `frame` over `place`.
pub fn draw(frame: &Frame, palette: Palette, place: Rect, buffer: &mut Buffer) {
    let (width, height) = (place.width, place.height * 2);
    for y in 0..place.height {
        for x in 0..width {
            let dot = |y| colour(mean(frame, (x, width), (y, height)), palette);
            let style = Style::new().fg(dot(2 * y)).bg(dot(2 * y + 1));
            if let Some(cell) = buffer.cell_mut((place.x + x, place.y + y)) {
                cell.set_char('▀').set_style(style);
            }
        }
    }
}

/// The cells that the largest picture in `area` covers, in its middle. The modes of a VGA fill a
/// 4 by 3 tube; the dots of a `wide` mode are square. A cell is twice as high as wide.
pub fn place(frame: &Frame, wide: bool, area: Rect) -> Rect {
    let (across, down) = if wide { (frame.width, frame.height) } else { (4, 3) };
    let (across, down) = (across.max(1) as u64, down.max(1) as u64);
    let (room_x, room_y) = (u64::from(area.width), u64::from(area.height) * 2);
    let width = room_x.min(room_y * across / down);
    let (width, height) = (width as u16, ((width * down / across).min(room_y) / 2) as u16);
    let (left, top) = ((area.width - width) / 2, (area.height - height) / 2);
    Rect { x: area.x + left, y: area.y + top, width, height }
}

/// The mean colour of the part of the frame under dot `x` of `width`, `y` of `height`.
fn mean(frame: &Frame, (x, width): (u16, u16), (y, height): (u16, u16)) -> [u8; 3] {
    let span = |at: u16, of: u16, len: usize| {
        let from = usize::from(at) * len / usize::from(of);
        let to = (usize::from(at) + 1) * len / usize::from(of);
        from..to.max(from + 1).min(len)
    };
    let (columns, rows) = (span(x, width, frame.width), span(y, height, frame.height));
    let mut sum = [0u32; 3];
    let mut count = 0;
    for row in rows {
        let from = row * frame.width;
        let line: &[Pixel] =
            frame.pixels.get(from + columns.start..from + columns.end).unwrap_or(&[]);
        count += line.len() as u32;
        for [red, green, blue, _] in line {
            for (sum, part) in sum.iter_mut().zip([red, green, blue]) {
                *sum += u32::from(*part);
            }
        }
    }
    sum.map(|sum| (sum / count.max(1)) as u8)
}

/// A colour as the terminal has it: 24 bits, or the nearest of its 6 by 6 by 6 cube, or of its
/// 24 greys.
fn colour([red, green, blue]: [u8; 3], palette: Palette) -> Color {
    let step = |part: u8| (u16::from(part) * 5 + 127) / 255;
    let index = match palette {
        Palette::True => return Color::Rgb(red, green, blue),
        Palette::Ansi => 16 + 36 * step(red) + 6 * step(green) + step(blue),
        Palette::None => {
            let grey = u16::from(red) * 3 + u16::from(green) * 6 + u16::from(blue);
            232 + (grey / 10 * 23 + 127) / 255
        }
    };
    Color::Indexed(index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Pixel = [255, 0, 0, 255];
    const BLUE: Pixel = [0, 0, 255, 255];

    /// The upper half red, the lower blue.
    fn flag(width: usize, height: usize) -> Frame {
        let row = |y| vec![if y < height / 2 { RED } else { BLUE }; width];
        let pixels = (0..height).flat_map(row).collect();
        Frame { width, height, repeat_x: 1, repeat_y: 1, pixels }
    }

    fn drawn(frame: &Frame, wide: bool, palette: Palette, area: Rect) -> Buffer {
        let mut buffer = Buffer::empty(area);
        draw(frame, palette, place(frame, wide, area), &mut buffer);
        buffer
    }

    #[test]
    fn two_dots_share_a_cell() {
        let buffer = drawn(&flag(4, 2), true, Palette::True, Rect::new(0, 0, 4, 1));
        let cell = &buffer[(3, 0)];
        assert_eq!(
            (cell.symbol(), cell.fg, cell.bg),
            ("▀", Color::Rgb(255, 0, 0), Color::Rgb(0, 0, 255))
        );
    }

    #[test]
    fn the_picture_keeps_its_shape_and_the_middle() {
        let area = Rect::new(0, 0, 80, 24);
        assert_eq!(place(&flag(640, 400), false, area), Rect::new(8, 0, 64, 24));
        assert_eq!(place(&flag(640, 400), true, area), Rect::new(2, 0, 76, 23));
        let buffer = drawn(&flag(640, 400), false, Palette::Ansi, area);
        let row: String = (0..80).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(row, format!("{:8}{}{:8}", "", "▀".repeat(64), ""));
        assert_eq!(buffer[(8, 0)].fg, Color::Indexed(196));
        assert_eq!(buffer[(8, 23)].fg, Color::Indexed(21));
    }

    #[test]
    fn odd_frames_and_no_room_draw_nothing_wrong() {
        for (width, height) in [(0, 0), (1, 1), (3, 7)] {
            for area in [Rect::new(0, 0, 0, 0), Rect::new(0, 0, 1, 1), Rect::new(0, 0, 9, 2)] {
                drawn(&flag(width, height), width == 3, Palette::None, area);
            }
        }
    }
}
