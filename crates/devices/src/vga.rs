//! The VGA: all its registers, and the text screen they describe. From the IBM PS/2 Hardware
//! Interface Technical Reference (video subsystem).
//!
//! Text memory is device RAM of the machine; the chip only reads it, and only when somebody
//! looks at the screen. Retrace follows from virtual time: 70 frames of 449 lines.

use crate::cp437;
use crate::wire;
use bus::{Device, Io, StateError};
use mem::Memory;
use serde::{Deserialize, Serialize};
use x86::PhysAddr;

/// CRT controller index where the display is monochrome.
pub const CRTC_INDEX_MONO: u16 = 0x3B4;
/// Input status 1 where the display is monochrome.
pub const STATUS_1_MONO: u16 = 0x3BA;
/// Attribute controller, index and data in turn.
pub const ATC_INDEX: u16 = 0x3C0;
/// Attribute controller, read.
pub const ATC_READ: u16 = 0x3C1;
/// Miscellaneous output (write), input status 0 (read).
pub const MISC_WRITE: u16 = 0x3C2;
/// Sequencer index; data is the next port.
pub const SEQ_INDEX: u16 = 0x3C4;
/// DAC pixel mask.
pub const DAC_MASK: u16 = 0x3C6;
/// DAC read index (write), DAC state (read).
pub const DAC_READ_INDEX: u16 = 0x3C7;
/// DAC write index.
pub const DAC_WRITE_INDEX: u16 = 0x3C8;
/// DAC data: red, green, blue in turn.
pub const DAC_DATA: u16 = 0x3C9;
/// Miscellaneous output, read.
pub const MISC_READ: u16 = 0x3CC;
/// Graphics controller index; data is the next port.
pub const GC_INDEX: u16 = 0x3CE;
/// CRT controller index.
pub const CRTC_INDEX: u16 = 0x3D4;
/// Input status 1.
pub const STATUS_1: u16 = 0x3DA;

/// CRTC: horizontal display end.
pub const CRTC_HDE: usize = 0x01;
/// CRTC: overflow bits.
pub const CRTC_OVERFLOW: usize = 0x07;
/// CRTC: character height.
pub const CRTC_MAX_SCAN: usize = 0x09;
/// CRTC: cursor start; bit 5 turns it off.
pub const CRTC_CURSOR_START: usize = 0x0A;
/// CRTC: cursor end.
pub const CRTC_CURSOR_END: usize = 0x0B;
/// CRTC: start address, high.
pub const CRTC_START: usize = 0x0C;
/// CRTC: cursor place, high.
pub const CRTC_CURSOR: usize = 0x0E;
/// CRTC: vertical retrace end; bit 7 protects 0-7.
pub const CRTC_VRE: usize = 0x11;
/// CRTC: vertical display end.
pub const CRTC_VDE: usize = 0x12;
/// CRTC: words from one row to the next, halved.
pub const CRTC_OFFSET: usize = 0x13;

/// Miscellaneous output: colour addresses.
pub const MISC_COLOR: u8 = 1 << 0;
/// Input status 1: no display now.
pub const STATUS_1_BLANK: u8 = 1 << 0;
/// Input status 1: vertical retrace.
pub const STATUS_1_RETRACE: u8 = 1 << 3;
/// GC 6: graphics, not text.
pub const GC_GRAPHICS: u8 = 1 << 0;

/// GC 6: which addresses the display memory has.
pub const GC_MEMORY_MAP: u8 = 3 << 2;

/// Where colour text lies.
pub const TEXT_BASE: u64 = 0xB8000;
/// Where monochrome text lies.
pub const TEXT_BASE_MONO: u64 = 0xB0000;
/// And its size, bytes.
pub const TEXT_LEN: u64 = 0x8000;

/// 31.46 kHz.
const LINE_NS: u64 = 31_778;
/// Of which the display is on for 640 of 800 clocks.
const LINE_SHOWN_NS: u64 = LINE_NS * 4 / 5;
const FRAME_LINES: u64 = 449;
const SHOWN_LINES: u64 = 400;
const RETRACE_LINES: std::ops::Range<u64> = 412..414;

/// The registers of mode 3, 80x25 text, as a BIOS leaves them.
const MODE_3_CRTC: [u8; 25] = [
    0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00, 0x00,
    0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF,
];
const MODE_3_SEQ: [u8; 5] = [0x03, 0x00, 0x03, 0x00, 0x02];
const MODE_3_GC: [u8; 9] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x00, 0xFF];
const MODE_3_ATC: [u8; 21] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
    0x0C, 0x00, 0x0F, 0x08, 0x00,
];
const MODE_3_MISC: u8 = 0x67;

/// The bits that exist, of the sequencer's registers, the graphics controller's, and the
/// attribute controller's from 10h on. The others read as 0.
const SEQ_BITS: [u8; 5] = [0x03, 0x3D, 0x0F, 0x3F, 0x0E];
const GC_BITS: [u8; 9] = [0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF];
const ATC_BITS: [u8; 5] = [0xEF, 0xFF, 0x3F, 0x0F, 0x0F];

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    misc: u8,
    feature: u8,
    crtc_index: u8,
    crtc: Vec<u8>,
    seq_index: u8,
    seq: Vec<u8>,
    gc_index: u8,
    gc: Vec<u8>,
    atc_index: u8,
    atc_wants_data: bool,
    atc: Vec<u8>,
    dac_mask: u8,
    dac_index: u16,
    dac_reading: bool,
    dac: Vec<u8>,
}

const CRTC_LEN: usize = 32;
const SEQ_LEN: usize = 8;
const GC_LEN: usize = 16;
const ATC_LEN: usize = 32;
const DAC_LEN: usize = 768;

fn padded(values: &[u8], len: usize) -> Vec<u8> {
    let mut registers = values.to_vec();
    registers.resize(len, 0);
    registers
}

/// The sixteen colours of text, as the DAC has them at the places mode 3's palette names.
fn default_dac() -> Vec<u8> {
    let mut dac = Vec::with_capacity(DAC_LEN);
    for i in 0..256_u32 {
        // 6-bit EGA colour: rgbRGB.
        let part = |low: u32, high: u32| (i >> low & 1) as u8 * 0x2A + (i >> high & 1) as u8 * 0x15;
        let rgb = if i < 64 { [part(2, 5), part(1, 4), part(0, 3)] } else { [0; 3] };
        dac.extend(rgb);
    }
    dac
}

impl State {
    fn new() -> Self {
        Self {
            misc: MODE_3_MISC,
            feature: 0,
            crtc_index: 0,
            crtc: padded(&MODE_3_CRTC, CRTC_LEN),
            seq_index: 0,
            seq: padded(&MODE_3_SEQ, SEQ_LEN),
            gc_index: 0,
            gc: padded(&MODE_3_GC, GC_LEN),
            atc_index: 0x20,
            atc_wants_data: false,
            atc: padded(&MODE_3_ATC, ATC_LEN),
            dac_mask: 0xFF,
            dac_index: 0,
            dac_reading: false,
            dac: default_dac(),
        }
    }

    fn has_right_lengths(&self) -> bool {
        self.crtc.len() == CRTC_LEN
            && self.seq.len() == SEQ_LEN
            && self.gc.len() == GC_LEN
            && self.atc.len() == ATC_LEN
            && self.dac.len() == DAC_LEN
    }

    fn crtc(&self, index: usize) -> u8 {
        self.crtc.get(index).copied().unwrap_or(0)
    }

    fn crtc_word(&self, index: usize) -> usize {
        usize::from(self.crtc(index)) << 8 | usize::from(self.crtc(index + 1))
    }

    /// The address of CRTC and status 1 moves with the display: `port` as if it were colour,
    /// or `None` where nobody answers.
    fn as_color(&self, port: u16) -> Option<u16> {
        let is_color = self.misc & MISC_COLOR != 0;
        match port {
            0x3B0..=0x3BF if is_color => None,
            0x3B0..=0x3BF => Some(port + 0x20),
            0x3D0..=0x3DF if !is_color => None,
            _ => Some(port),
        }
    }

    fn write_crtc(&mut self, value: u8) {
        let index = usize::from(self.crtc_index & 0x1F);
        let is_protected = self.crtc(CRTC_VRE) & 0x80 != 0;
        let value = match index {
            // Of the protected ones only the line-compare bit can change.
            CRTC_OVERFLOW if is_protected => self.crtc(index) & !0x10 | value & 0x10,
            0..=7 if is_protected => return,
            _ => value,
        };
        put(&mut self.crtc, index, value);
    }

    fn write_atc(&mut self, value: u8) {
        if self.atc_wants_data {
            let index = usize::from(self.atc_index & 0x1F);
            // The palette is closed while it drives the screen (bit 5).
            if index >= 0x10 || self.atc_index & 0x20 == 0 {
                let bits = match index.checked_sub(0x10) {
                    None => 0x3F,
                    Some(mode) => ATC_BITS.get(mode).copied().unwrap_or(0),
                };
                put(&mut self.atc, index, value & bits);
            }
        } else {
            self.atc_index = value & 0x3F;
        }
        self.atc_wants_data = !self.atc_wants_data;
    }

    fn next_dac(&mut self) -> usize {
        let index = usize::from(self.dac_index);
        self.dac_index = ((index + 1) % DAC_LEN) as u16;
        index
    }

    fn status_1(&mut self, now_ns: u64) -> u8 {
        self.atc_wants_data = false;
        let line = now_ns / LINE_NS % FRAME_LINES;
        let is_blank = line >= SHOWN_LINES || now_ns % LINE_NS >= LINE_SHOWN_NS;
        let retrace = if RETRACE_LINES.contains(&line) { STATUS_1_RETRACE } else { 0 };
        retrace | if is_blank { STATUS_1_BLANK } else { 0 }
    }

    fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        let Some(port) = self.as_color(port) else {
            return 0xFF;
        };
        match port {
            ATC_INDEX => self.atc_index,
            ATC_READ => get(&self.atc, self.atc_index & 0x1F),
            // Input status 0: the switch sense that a colour display gives.
            MISC_WRITE => 0x10,
            SEQ_INDEX => self.seq_index,
            0x3C5 => get(&self.seq, self.seq_index),
            DAC_MASK => self.dac_mask,
            DAC_READ_INDEX => {
                if self.dac_reading {
                    3
                } else {
                    0
                }
            }
            DAC_WRITE_INDEX => (self.dac_index / 3) as u8,
            DAC_DATA => {
                let index = self.next_dac();
                self.dac.get(index).copied().unwrap_or(0)
            }
            0x3CA => self.feature,
            MISC_READ => self.misc,
            GC_INDEX => self.gc_index,
            0x3CF => get(&self.gc, self.gc_index),
            CRTC_INDEX => self.crtc_index,
            0x3D5 => get(&self.crtc, self.crtc_index & 0x1F),
            STATUS_1 => self.status_1(now_ns),
            _ => 0xFF,
        }
    }

    fn write(&mut self, port: u16, value: u8) {
        let Some(port) = self.as_color(port) else {
            return;
        };
        match port {
            ATC_INDEX => self.write_atc(value),
            MISC_WRITE => self.misc = value,
            SEQ_INDEX => self.seq_index = value & 7,
            0x3C5 => put(
                &mut self.seq,
                usize::from(self.seq_index),
                value & get(&SEQ_BITS, self.seq_index),
            ),
            DAC_MASK => self.dac_mask = value,
            DAC_READ_INDEX | DAC_WRITE_INDEX => {
                self.dac_index = u16::from(value) * 3;
                self.dac_reading = port == DAC_READ_INDEX;
            }
            DAC_DATA => {
                let index = self.next_dac();
                put(&mut self.dac, index, value & 0x3F);
            }
            GC_INDEX => self.gc_index = value & 0x0F,
            0x3CF => {
                put(&mut self.gc, usize::from(self.gc_index), value & get(&GC_BITS, self.gc_index))
            }
            CRTC_INDEX => self.crtc_index = value & 0x3F,
            0x3D5 => self.write_crtc(value),
            STATUS_1 => self.feature = value & 3,
            _ => {}
        }
    }
}

fn get(registers: &[u8], index: u8) -> u8 {
    registers.get(usize::from(index)).copied().unwrap_or(0)
}

fn put(registers: &mut [u8], index: usize, value: u8) {
    if let Some(register) = registers.get_mut(index) {
        *register = value;
    }
}

/// The adapter.
#[derive(Debug)]
pub struct Vga {
    state: State,
}

impl Default for Vga {
    fn default() -> Self {
        Self::new()
    }
}

impl Vga {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[
        CRTC_INDEX_MONO,
        0x3B5,
        STATUS_1_MONO,
        ATC_INDEX,
        ATC_READ,
        MISC_WRITE,
        0x3C3,
        SEQ_INDEX,
        0x3C5,
        DAC_MASK,
        DAC_READ_INDEX,
        DAC_WRITE_INDEX,
        DAC_DATA,
        0x3CA,
        0x3CB,
        MISC_READ,
        0x3CD,
        GC_INDEX,
        0x3CF,
        CRTC_INDEX,
        0x3D5,
        STATUS_1,
    ];

    /// An adapter in mode 3, as a video BIOS leaves it.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::new() }
    }

    /// The sixteen colours of text as red, green, blue of 8 bits each, by way of the palette.
    #[must_use]
    pub fn text_colors(&self) -> [[u8; 3]; 16] {
        let s = &self.state;
        std::array::from_fn(|i| {
            let at = usize::from(get(&s.atc, i as u8) & s.dac_mask) * 3;
            std::array::from_fn(|c| {
                let six = s.dac.get(at + c).copied().unwrap_or(0) & 0x3F;
                six << 2 | six >> 4
            })
        })
    }

    /// Columns and rows that the CRTC describes, within what a text mode can have.
    fn size(&self) -> (usize, usize) {
        let s = &self.state;
        let columns = usize::from(s.crtc(CRTC_HDE)) + 1;
        let overflow = usize::from(s.crtc(CRTC_OVERFLOW));
        let lines =
            usize::from(s.crtc(CRTC_VDE)) | (overflow >> 1 & 1) << 8 | (overflow >> 6 & 1) << 9;
        let height = usize::from(s.crtc(CRTC_MAX_SCAN) & 0x1F) + 1;
        (columns.min(160), ((lines + 1) / height).clamp(1, 128))
    }

    fn text_base(&self) -> u64 {
        if get(&self.state.gc, 6) & GC_MEMORY_MAP == 2 << 2 { TEXT_BASE_MONO } else { TEXT_BASE }
    }

    fn cursor(&self, start: usize, stride: usize, columns: usize, rows: usize) -> Option<Cursor> {
        let s = &self.state;
        let first = s.crtc(CRTC_CURSOR_START);
        let at = s.crtc_word(CRTC_CURSOR).checked_sub(start)?;
        let (row, column) = (at.checked_div(stride)?, at % stride.max(1));
        let is_on = first & 0x20 == 0 && column < columns && row < rows;
        is_on.then_some(Cursor {
            column,
            row,
            first_line: first & 0x1F,
            last_line: s.crtc(CRTC_CURSOR_END) & 0x1F,
        })
    }

    /// The screen as it shows now.
    #[must_use]
    pub fn screen(&self, memory: &Memory) -> TextScreen {
        let mut text = vec![0; TEXT_LEN as usize];
        memory.read_phys(PhysAddr(self.text_base()), &mut text);
        let (columns, rows) = self.size();
        let start = self.state.crtc_word(CRTC_START);
        let stride = usize::from(self.state.crtc(CRTC_OFFSET)) * 2;
        let mut cells = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let at = (start + row * stride + column) * 2 % text.len();
                cells.push(Cell { code: text[at], attribute: text[at + 1] });
            }
        }
        TextScreen {
            columns,
            rows,
            cells,
            cursor: self.cursor(start, stride, columns, rows),
            is_graphics: get(&self.state.gc, 6) & GC_GRAPHICS != 0,
        }
    }
}

impl Device for Vga {
    fn name(&self) -> &'static str {
        "vga"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        wire::read_bytes(at, io.size, |port| self.state.read(port, io.now_ns))
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        wire::write_bytes(at, io.size, value, |port, byte| self.state.write(port, byte));
    }

    fn reset(&mut self) {
        self.state = State::new();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: State = wire::restore(self.name(), bytes)?;
        let sane = state.has_right_lengths() && usize::from(state.dac_index) < DAC_LEN;
        wire::require(self.name(), sane, "not its registers")?;
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        vga: Vga,
        mem: Memory,
        now_ns: u64,
    }

    impl Rig {
        fn new() -> Self {
            Self { vga: Vga::new(), mem: Memory::flat(1 << 20).unwrap(), now_ns: 0 }
        }

        fn write(&mut self, port: u16, size: u8, value: u32) {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size, memory: &mut self.mem };
            self.vga.write(u64::from(port), value, &mut io);
        }

        fn read(&mut self, port: u16) -> u8 {
            let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
            self.vga.read(u64::from(port), &mut io) as u8
        }

        fn put(&mut self, cell: usize, text: &str) {
            for (i, byte) in text.bytes().enumerate() {
                let at = TEXT_BASE + 2 * (cell + i) as u64;
                self.mem.write_phys(PhysAddr(at), &[byte, 0x1E]);
            }
        }
    }

    #[test]
    fn mode_3_shows_25_rows_of_80() {
        let mut r = Rig::new();
        r.put(80 + 2, "hello");
        let screen = r.vga.screen(&r.mem);
        assert_eq!((screen.columns, screen.rows), (80, 25));
        assert_eq!(screen.line(1), "  hello");
        assert_eq!(screen.cells[82], Cell { code: b'h', attribute: 0x1E });
        assert!(!screen.is_graphics);
    }

    #[test]
    fn start_address_scrolls_and_the_cursor_follows() {
        let mut r = Rig::new();
        r.put(80, "second");
        r.write(CRTC_INDEX, 2, 80 << 8 | 0x0D);
        r.write(CRTC_INDEX, 2, (80 + 6) << 8 | 0x0F);
        let screen = r.vga.screen(&r.mem);
        assert_eq!(screen.line(0), "second");
        let cursor = screen.cursor.unwrap();
        assert_eq!((cursor.row, cursor.column, cursor.first_line), (0, 6, 0x0D));
        r.write(CRTC_INDEX, 2, 0x20 << 8 | 0x0A);
        assert_eq!(r.vga.screen(&r.mem).cursor, None);
    }

    #[test]
    fn attribute_flip_flop_is_reset_by_status_1() {
        let mut r = Rig::new();
        r.write(ATC_INDEX, 1, 0x10);
        r.read(STATUS_1);
        r.write(ATC_INDEX, 1, 0x11);
        r.write(ATC_INDEX, 1, 0x05);
        r.write(ATC_INDEX, 1, 0x31);
        assert_eq!((r.read(ATC_INDEX), r.read(ATC_READ)), (0x31, 0x05));
    }

    #[test]
    fn bits_that_do_not_exist_read_as_0() {
        let mut r = Rig::new();
        r.write(SEQ_INDEX, 2, 0xFF04);
        r.write(GC_INDEX, 2, 0xFF06);
        assert_eq!((r.read(0x3C5), r.read(0x3CF)), (0x0E, 0x0F));
    }

    #[test]
    fn dac_counts_through_its_colours() {
        let mut r = Rig::new();
        r.write(DAC_WRITE_INDEX, 1, 9);
        for value in [1, 2, 0xFF, 4] {
            r.write(DAC_DATA, 1, value);
        }
        r.write(DAC_READ_INDEX, 1, 9);
        let seen = [0; 4].map(|_| r.read(DAC_DATA));
        assert_eq!(seen, [1, 2, 0x3F, 4]);
        assert_eq!(r.read(DAC_READ_INDEX), 3);
    }

    #[test]
    fn retrace_comes_once_a_frame() {
        let mut r = Rig::new();
        let frame_ns = LINE_NS * FRAME_LINES;
        let mut rises = 0;
        let mut was = true;
        for i in 0..2000 {
            r.now_ns = i * frame_ns * 4 / 2000;
            let is = r.read(STATUS_1) & STATUS_1_RETRACE != 0;
            rises += u32::from(is && !was);
            was = is;
        }
        assert_eq!(rises, 4);
    }

    #[test]
    fn monochrome_moves_the_crtc() {
        let mut r = Rig::new();
        assert_eq!(r.read(CRTC_INDEX_MONO), 0xFF);
        r.write(MISC_WRITE, 1, 0x66);
        r.write(CRTC_INDEX_MONO, 2, 0x55 << 8 | 0x0E);
        assert_eq!((r.read(0x3B5), r.read(0x3D5)), (0x55, 0xFF));
    }

    #[test]
    fn monochrome_text_lies_at_b0000() {
        let mut r = Rig::new();
        r.mem.write_phys(PhysAddr(TEXT_BASE_MONO), b"m\x07");
        r.write(GC_INDEX, 2, 0x0A << 8 | 0x06);
        assert_eq!(r.vga.screen(&r.mem).line(0), "m");
    }

    #[test]
    fn protected_registers_stay() {
        let mut r = Rig::new();
        r.write(CRTC_INDEX, 2, 0x12 << 8);
        assert_eq!(r.read(0x3D5), 0x5F);
        r.write(CRTC_INDEX, 2, 0x11);
        r.write(CRTC_INDEX, 2, 0x12 << 8);
        assert_eq!(r.read(0x3D5), 0x12);
    }

    #[test]
    fn text_colours_are_the_usual_ones() {
        let colors = Vga::new().text_colors();
        assert_eq!((colors[1], colors[6], colors[15]), ([0, 0, 0xAA], [0xAA, 0x55, 0], [255; 3]));
    }
}
