//! The way of the beam through display memory: for each line, from which address, with which
//! line of a character, moved by how many dots. IBM VGA technical reference, "CRT Controller
//! Registers" 07h-18h and "Attribute Controller" 10h, 13h.
//!
//! Addresses count characters, as the CRT controller does; the adapter keeps what belongs
//! together at one address in every mode (see `devices::vga`), so that byte, word and doubleword
//! addressing are the same here.

use devices::vga::Registers;
use devices::vga::reg::*;

/// One line of dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Of the first character.
    pub address: u16,
    /// Line of a character.
    pub row_scan: u8,
    /// Dots that the picture is moved to the left.
    pub pan: usize,
}

/// The CRT controller's plan of a frame.
pub(crate) struct Beam {
    /// Characters of a line.
    pub columns: usize,
    /// Dots of a character: 8 or 9.
    pub dots: usize,
    /// How often each dot is repeated.
    pub repeat_x: usize,
    /// Dots of a line, repetition included.
    pub width: usize,
    lines: u16,
    /// How often each line is repeated for the lack of line clocks.
    twice: usize,
    start: u16,
    byte_pan: u16,
    stride: u16,
    preset: u8,
    max_scan: u8,
    doubles: bool,
    compare: u16,
    pan: usize,
    pans_only_top: bool,
    /// Address bits that the line of a character replaces.
    bank_13: Option<u16>,
    bank_14: Option<u16>,
}

impl Beam {
    pub(crate) fn of(r: &Registers) -> Self {
        let clocking = r.seq(SEQ_CLOCKING);
        let is_text = r.gc(GC_MISC) & GC_GRAPHICS == 0;
        let dots = if is_text && clocking & SEQ_8_DOTS == 0 { 9 } else { 8 };
        let repeat_x = if clocking & SEQ_HALF_CLOCK != 0 { 2 } else { 1 };
        let columns = usize::from(r.crtc(CRTC_HDE)) + 1;
        let mode = r.crtc(CRTC_MODE);
        // In word mode address bit 13 of the manual is bit 12 of ours.
        let shift = if mode & 0x40 != 0 { 13 } else { 12 };
        let pan = usize::from(r.atc(ATC_PANNING) & 0x0F);
        Self {
            columns,
            dots,
            repeat_x,
            width: columns * dots * repeat_x,
            lines: r.vertical(CRTC_VDE, 1, 6) + 1,
            twice: 1 + usize::from(mode >> 2 & 1),
            start: r.crtc_word(CRTC_START),
            byte_pan: u16::from(r.crtc(CRTC_PRESET) >> 5 & 3),
            stride: u16::from(r.crtc(CRTC_OFFSET)) * 2,
            preset: r.crtc(CRTC_PRESET) & 0x1F,
            max_scan: r.crtc(CRTC_MAX_SCAN) & 0x1F,
            doubles: r.crtc(CRTC_MAX_SCAN) & 0x80 != 0,
            compare: r.line_compare(),
            pan: match (dots, pan) {
                (9, 0..=7) => pan + 1,
                (8, 0..=7) => pan,
                _ => 0,
            },
            pans_only_top: r.atc(ATC_MODE) & ATC_PAN_TOP != 0,
            bank_13: (mode & 1 == 0).then_some(1 << shift),
            bank_14: (mode & 2 == 0).then_some(2 << shift),
        }
    }

    /// Lines of a frame.
    pub(crate) fn height(&self) -> usize {
        usize::from(self.lines) * self.twice
    }

    /// How often each line of a picture is repeated, where lines of a character are repetition:
    /// all of them, unless they choose an address bit.
    pub(crate) fn repeat_y(&self, is_text: bool) -> usize {
        let banks = 1 << [self.bank_13, self.bank_14].iter().filter(|bank| bank.is_some()).count();
        let scans = usize::from(self.max_scan) + 1;
        let scans = if is_text { 1 } else { (scans / banks).max(1) };
        (scans * self.twice) << u32::from(self.doubles)
    }

    /// The address of character `column`.
    pub(crate) fn address(&self, line: Line, column: usize) -> u16 {
        let mut address = line.address.wrapping_add(column as u16);
        for (bank, bit) in [(self.bank_13, 1), (self.bank_14, 2)] {
            if let Some(bank) = bank {
                let is_set = line.row_scan & bit != 0;
                address = address & !bank | if is_set { bank } else { 0 };
            }
        }
        address
    }

    /// All lines from the top.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let mut row = self.start.wrapping_add(self.byte_pan);
        let mut row_scan = self.preset;
        let mut pan = self.pan;
        let mut is_second = false;
        (0..self.lines).flat_map(move |y| {
            let line = Line { address: row, row_scan, pan };
            is_second = self.doubles && !is_second;
            if is_second {
                // The same once more.
            } else if row_scan == self.max_scan {
                row = row.wrapping_add(self.stride);
                row_scan = 0;
            } else {
                row_scan = (row_scan + 1) & 0x1F;
            }
            if y == self.compare {
                (row, row_scan, is_second) = (0, 0, false);
                if self.pans_only_top {
                    pan = 0;
                }
            }
            std::iter::repeat_n(line, self.twice)
        })
    }
}
