//! The text screen: cells and cursor, as a reader of text or a terminal wants them.

use super::Vga;
use super::reg::*;
use super::registers::Registers;
use super::window::{self, Mapping, PLANES_BYTES, TEXT_BYTES};
use crate::cp437;
use mem::Memory;

/// One place of the text screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its code, in code page 437.
    pub code: u8,
    /// Its attribute: foreground in the low half, background above, bit 7 blink.
    pub attribute: u8,
}

impl Cell {
    /// The character that is drawn.
    #[must_use]
    pub fn to_char(self) -> char {
        cp437::to_char(self.code)
    }
}

/// Where the cursor is and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Column, from 0.
    pub column: usize,
    /// Row, from 0.
    pub row: usize,
    /// First line of the character it covers.
    pub first_line: u8,
    /// Last line.
    pub last_line: u8,
}

/// What a text screen shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextScreen {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// All cells, row by row.
    pub cells: Vec<Cell>,
    /// The cursor, unless it is off or elsewhere.
    pub cursor: Option<Cursor>,
    /// Lines of a character.
    pub cell_height: u8,
    /// Attribute bit 7 blinks; else it is the background's intensity.
    pub blinks: bool,
    /// The sixteen colours by palette and DAC: red, green, blue of 8 bits each.
    pub colors: [[u8; 3]; 16],
    /// True in a graphics mode: the cells then mean nothing.
    pub is_graphics: bool,
}

impl TextScreen {
    /// One row as text, blanks at its end left out.
    #[must_use]
    pub fn line(&self, row: usize) -> String {
        let from = row * self.columns;
        let cells = self.cells.get(from..from + self.columns).unwrap_or(&[]);
        let text: String = cells.iter().map(|c| c.to_char()).collect();
        text.trim_end_matches([' ', '\u{a0}']).to_owned()
    }

    /// All rows, each ended by a line feed.
    #[must_use]
    pub fn text(&self) -> String {
        (0..self.rows).map(|row| self.line(row) + "\n").collect()
    }
}

/// The geometry of text as the CRT controller describes it, within what a screen can have.
struct Layout {
    columns: usize,
    rows: usize,
    height: usize,
    /// Addresses from row to row.
    stride: usize,
    start: usize,
    /// The first row below the line compare, which begins again at address 0.
    split: usize,
}

impl Layout {
    fn of(r: &Registers) -> Self {
        let max_scan = r.crtc(CRTC_MAX_SCAN);
        let height = (usize::from(max_scan & 0x1F) + 1) << (max_scan >> 7);
        let lines = usize::from(r.vertical(CRTC_VDE, 1, 6)) + 1;
        Self {
            columns: (usize::from(r.crtc(CRTC_HDE)) + 1).min(160),
            rows: (lines / height).clamp(1, 128),
            height,
            stride: usize::from(r.crtc(CRTC_OFFSET)) * 2,
            start: r.crtc_word(CRTC_START).into(),
            split: (usize::from(r.line_compare()) + 1).div_ceil(height),
        }
    }

    /// The address of a row's first cell.
    fn row(&self, row: usize) -> usize {
        match row.checked_sub(self.split) {
            Some(below) => below * self.stride,
            None => self.start + row * self.stride,
        }
    }

    fn cursor(&self, r: &Registers) -> Option<Cursor> {
        let (first, last) = (r.crtc(CRTC_CURSOR_START), r.crtc(CRTC_CURSOR_END));
        let at = usize::from(r.crtc_word(CRTC_CURSOR)).checked_sub(self.start)?;
        let (row, column) = (at.checked_div(self.stride)?, at % self.stride);
        let is_on = first & 0x20 == 0
            && first & 0x1F <= last & 0x1F
            && usize::from(first & 0x1F) < self.height
            && column < self.columns
            && row < self.rows;
        is_on.then_some(Cursor { column, row, first_line: first & 0x1F, last_line: last & 0x1F })
    }
}

impl Vga {
    /// The screen as it shows now, in a text mode.
    #[must_use]
    pub fn screen(&self, memory: &Memory) -> TextScreen {
        let r = &self.regs;
        let layout = Layout::of(r);
        let is_graphics = r.gc(GC_MISC) & GC_GRAPHICS != 0 || r.vbe().is_enabled();
        let cells = if is_graphics {
            vec![Cell::default(); layout.columns * layout.rows]
        } else {
            self.cells(&layout, memory)
        };
        TextScreen {
            columns: layout.columns,
            rows: layout.rows,
            cells,
            cursor: layout.cursor(r),
            cell_height: layout.height as u8,
            blinks: r.atc(ATC_MODE) & ATC_BLINK != 0,
            colors: self.text_colors(),
            is_graphics,
        }
    }

    fn cells(&self, layout: &Layout, memory: &Memory) -> Vec<Cell> {
        let end = (0..layout.rows).map(|row| layout.row(row) + layout.columns).max().unwrap_or(0);
        let pairs = self.pairs(memory, end);
        let row = |row| (layout.row(row)..).take(layout.columns);
        let cell = |address: usize| {
            let at = address * 2 % pairs.len();
            Cell { code: pairs[at], attribute: pairs[at + 1] }
        };
        (0..layout.rows).flat_map(row).map(cell).collect()
    }

    /// Planes 0 and 1, byte by byte in turn: codes and attributes, up to address `end` at least.
    fn pairs(&self, memory: &Memory, end: usize) -> Vec<u8> {
        let mut text = vec![0; TEXT_BYTES as usize];
        let is_text = matches!(self.mapping, Mapping::Text(_));
        match self.place {
            None => text,
            Some(place) if is_text && end * 2 <= text.len() => {
                memory.arena().read(place.text(), &mut text);
                text
            }
            Some(_) => {
                let planes = self.planes(memory);
                planes.chunks_exact(4).flat_map(|p| [p[0], p[1]]).collect()
            }
        }
    }

    /// The four planes, interleaved, wherever they are now.
    pub(super) fn planes(&self, memory: &Memory) -> Vec<u8> {
        let len = PLANES_BYTES as usize;
        match self.place {
            None => vec![0; len],
            Some(place) if matches!(self.mapping, Mapping::Text(_)) => {
                window::with_text(place, memory, len)
            }
            Some(place) => {
                let mut planes = vec![0; len];
                memory.arena().read(place.vram, &mut planes);
                planes
            }
        }
    }
}
