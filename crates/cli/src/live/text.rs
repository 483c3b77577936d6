//! A text screen on the terminal: a character a cell, its colours, the cursor. Screens of 40
//! columns are drawn twice as wide where there is room, as the tube did.

use devices::TextScreen;
use devices::vga::Cell;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

/// The sixteen colours of a text mode in the order of a terminal's.
const ANSI: [u8; 16] = [0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15];

/// Which colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// 24 bits.
    True,
    /// Sixteen.
    Ansi,
    /// None are wanted: light on dark and the reverse.
    None,
}

impl Palette {
    /// As the environment says: `NO_COLOR`, `COLORTERM`.
    pub fn of_terminal() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match set("COLORTERM") {
            _ if set("NO_COLOR").is_some() => Self::None,
            Some(depth) if depth == "truecolor" || depth == "24bit" => Self::True,
            _ => Self::Ansi,
        }
    }

    /// The style of a character's attribute.
    fn style(self, attribute: u8, screen: &TextScreen) -> Style {
        let blink = if screen.blinks { attribute & 0x80 } else { 0 };
        let (front, back) = (usize::from(attribute & 15), usize::from((attribute & !blink) >> 4));
        let colour = |index: usize| match self {
            Self::True => {
                let [red, green, blue] = screen.colors[index];
                Color::Rgb(red, green, blue)
            }
            _ => Color::Indexed(ANSI[index]),
        };
        let style = match self {
            Self::None if back != 0 => Style::new().add_modifier(Modifier::REVERSED),
            Self::None => Style::new(),
            _ => Style::new().fg(colour(front)).bg(colour(back)),
        };
        if blink == 0 { style } else { style.add_modifier(Modifier::SLOW_BLINK) }
    }
}

/// Draws what fits, in the middle; of a larger screen the part around the cursor. Returns
/// where the cursor is.
pub fn draw(
    screen: &TextScreen,
    palette: Palette,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    if screen.columns == 0 || area.is_empty() {
        return None;
    }
    let wide =
        if screen.columns <= 40 && usize::from(area.width) >= screen.columns * 2 { 2 } else { 1 };
    let cursor = screen.cursor.map(|cursor| (cursor.column, cursor.row));
    let (column, row) = cursor.unwrap_or((0, 0));
    let x = Window::new(screen.columns, usize::from(area.width) / wide, column);
    let y = Window::new(screen.rows, area.height.into(), row);
    let place = |column: usize, row: usize| Position {
        x: area.x + ((x.margin + column - x.first) * wide) as u16,
        y: area.y + (y.margin + row - y.first) as u16,
    };
    for row in y.first..y.first + y.count {
        for column in x.first..x.first + x.count {
            let Some(cell) = screen.cells.get(row * screen.columns + column) else { continue };
            draw_cell(
                cell,
                palette.style(cell.attribute, screen),
                place(column, row),
                wide as u16,
                buffer,
            );
        }
    }
    let inside = |window: &Window, at| (window.first..window.first + window.count).contains(&at);
    cursor.filter(|(c, r)| inside(&x, *c) && inside(&y, *r)).map(|(c, r)| place(c, r))
}

fn draw_cell(cell: &Cell, style: Style, at: Position, wide: u16, buffer: &mut Buffer) {
    for extra in 0..wide {
        let c = if extra == 0 { cell.to_char() } else { ' ' };
        if let Some(target) = buffer.cell_mut((at.x + extra, at.y)) {
            target.set_char(c).set_style(style);
        }
    }
}

/// What is seen of `of` places through `room`: all, in the middle, or the part around `centre`.
struct Window {
    margin: usize,
    first: usize,
    count: usize,
}

impl Window {
    fn new(of: usize, room: usize, centre: usize) -> Self {
        let count = of.min(room);
        let first = centre.saturating_sub(count / 2).min(of - count);
        Self { margin: (room - count) / 2, first, count }
    }
}
