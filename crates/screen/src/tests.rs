//! Pictures of small screens, as the manual describes them.

use super::*;
use bus::{Bus, Handle, Signals};
use devices::Vga;
use devices::vga::reg::*;
use devices::vga::{FRAME_BUFFER, VIDEO_BYTES};
use mem::{Memory, Target};

/// An adapter and what a guest does to it.
struct Rig {
    bus: Bus,
    mem: Memory,
    vga: Handle<Vga>,
}

impl Rig {
    /// Mode 3 with the 8x16 font in plane 2.
    fn new() -> Self {
        let signals = Signals::new();
        let mut bus = Bus::new(signals.clone());
        let vga = bus.add(Vga::new(&signals), Vga::PORTS).unwrap();
        let mut mem = Memory::new(VIDEO_BYTES).unwrap();
        bus.get_mut(vga).attach(vga.mmio(), 0, &mut mem).unwrap();
        let mut rig = Self { bus, mem, vga };
        rig.load_font(0, roms::fonts::FONT_8X16);
        rig
    }

    /// Through the window, as a BIOS does it.
    fn load_font(&mut self, place: u64, font: &[u8]) {
        self.set(SEQ_INDEX, &[(2, 0x04), (4, 0x06)]);
        self.set(GC_INDEX, &[(5, 0x00), (6, 0x04)]);
        for (code, shape) in (0..).zip(font.chunks(font.len() / 256)) {
            for (row, byte) in (0..).zip(shape) {
                self.poke(0xA_0000 + place + code * 32 + row, *byte);
            }
        }
        self.set(SEQ_INDEX, &[(2, 0x03), (4, 0x02)]);
        self.set(GC_INDEX, &[(5, 0x10), (6, 0x0E)]);
    }

    fn set(&mut self, port: u16, values: &[(u8, u8)]) {
        for (index, value) in values {
            let word = u32::from(*value) << 8 | u32::from(*index);
            self.bus.port_write(port, 2, word, 0, &mut self.mem);
        }
    }

    fn atc(&mut self, index: u8, value: u8) {
        self.bus.port_read(STATUS_1, 1, 0, &mut self.mem);
        for byte in [index, value, 0x20] {
            self.bus.port_write(ATC_INDEX, 1, byte.into(), 0, &mut self.mem);
        }
        self.bus.port_read(STATUS_1, 1, 0, &mut self.mem);
    }

    fn vbe(&mut self, values: &[(u16, u16)]) {
        for (index, value) in values {
            self.bus.port_write(VBE_INDEX, 2, (*index).into(), 0, &mut self.mem);
            self.bus.port_write(VBE_DATA, 2, (*value).into(), 0, &mut self.mem);
        }
    }

    fn poke(&mut self, at: u64, value: u8) {
        match self.mem.resolve(x86::PhysAddr(at)) {
            Target::Memory { offset, .. } => drop(self.mem.write(offset, &[value])),
            Target::Mmio { id, offset } => {
                self.bus.mmio_write(id, offset, 1, value.into(), 0, &mut self.mem);
            }
            Target::Unmapped => panic!("{at:#x} isn't display memory"),
        }
    }

    fn cell(&mut self, column: u64, row: u64, code: u8, attribute: u8) {
        self.poke(0xB_8000 + (row * 80 + column) * 2, code);
        self.poke(0xB_8001 + (row * 80 + column) * 2, attribute);
    }

    fn frame_at(&self, now_ns: u64) -> Frame {
        render(&self.bus.get(self.vga).scanout(&self.mem, now_ns))
    }

    fn frame(&self) -> Frame {
        self.frame_at(0)
    }

    /// What differs from a standard mode 12h, 640x480 in planes.
    fn mode_12(&mut self) {
        self.bus.port_write(MISC_WRITE, 1, 0xE3, 0, &mut self.mem);
        self.set(SEQ_INDEX, &[(1, 0x01), (2, 0x0F), (4, 0x06)]);
        let crtc = [
            (0x11, 0x0C),
            (0x00, 0x5F),
            (0x06, 0x0B),
            (0x07, 0x3E),
            (0x09, 0x40),
            (0x10, 0xEA),
            (0x12, 0xDF),
            (0x17, 0xE3),
        ];
        self.set(CRTC_INDEX, &crtc);
        self.set(GC_INDEX, &[(5, 0x00), (6, 0x05)]);
        self.atc(0x10, 0x01);
        self.atc(0x13, 0x00);
    }

    fn mode_13(&mut self) {
        self.mode_12();
        self.set(SEQ_INDEX, &[(4, 0x0E)]);
        let crtc =
            [(0x06, 0xBF), (0x07, 0x1F), (0x09, 0x41), (0x12, 0x8F), (0x14, 0x40), (0x17, 0xA3)];
        self.set(CRTC_INDEX, &crtc);
        self.set(GC_INDEX, &[(5, 0x40)]);
        self.atc(0x10, 0x41);
    }
}

/// A line of a frame, a letter for each colour in the order of `colors`.
fn letters(frame: &Frame, x: usize, y: usize, len: usize, colors: &[Pixel]) -> String {
    let at = y * frame.width + x;
    let letter = |pixel: &Pixel| match colors.iter().position(|c| c == pixel) {
        Some(i) => char::from(b"abcdefgh"[i]),
        None => '?',
    };
    frame.pixels[at..at + len].iter().map(letter).collect()
}

const PAPER: Pixel = [0, 0, 0xAA, 255];
const INK: Pixel = [0xFF, 0xFF, 0x55, 255];
const GRAY: Pixel = [0xAA, 0xAA, 0xAA, 255];

#[test]
fn a_letter_has_the_fonts_shape_in_nine_dots() {
    let mut r = Rig::new();
    r.cell(1, 1, b'A', 0x1E);
    let f = r.frame();
    assert_eq!((f.width, f.height, f.repeat_x, f.repeat_y), (720, 400, 1, 1));
    assert_eq!(letters(&f, 9, 16 + 2, 9, &[PAPER, INK]), "aaabaaaaa");
    assert_eq!(letters(&f, 9, 16 + 7, 9, &[PAPER, INK]), "bbbbbbbaa");
    assert_eq!(letters(&f, 0, 16 + 7, 9, &[BLACK]), "aaaaaaaaa");
}

#[test]
fn line_graphics_join_over_the_ninth_dot() {
    let mut r = Rig::new();
    r.cell(0, 0, 0xC4, 0x1E);
    r.cell(1, 0, 0xFE, 0x1E);
    assert_eq!(letters(&r.frame(), 0, 7, 9, &[PAPER, INK]), "bbbbbbbbb");
    r.atc(0x10, 0x08);
    assert_eq!(letters(&r.frame(), 0, 7, 9, &[PAPER, INK]), "bbbbbbbba");
}

#[test]
fn eight_dots_make_640() {
    let mut r = Rig::new();
    r.cell(79, 0, 0xDB, 0x1E);
    r.set(SEQ_INDEX, &[(1, 0x01)]);
    r.atc(0x13, 0);
    let f = r.frame();
    assert_eq!(f.width, 640);
    assert_eq!(letters(&f, 631, 0, 9, &[BLACK, INK]), "abbbbbbbb");
}

#[test]
fn forty_columns_have_dots_twice_as_wide() {
    let mut r = Rig::new();
    r.cell(0, 0, 0xC3, 0x1E);
    r.set(SEQ_INDEX, &[(1, 0x08)]);
    r.set(CRTC_INDEX, &[(0x11, 0x0E), (0x01, 39), (0x13, 0x14)]);
    let f = r.frame();
    assert_eq!((f.width, f.repeat_x), (720, 2));
    assert_eq!(letters(&f, 0, 0, 18, &[PAPER, INK]), "aaaaaabbbbaaaaaaaa");
    assert_eq!(letters(&f.shrunk(), 0, 0, 9, &[PAPER, INK]), "aaabbaaaa");
}

#[test]
fn the_cursor_shows_in_its_lines_half_of_the_time() {
    let mut r = Rig::new();
    r.cell(2, 0, b' ', 0x1E);
    r.set(CRTC_INDEX, &[(0x0F, 2), (0x0A, 0x0D), (0x0B, 0x0E)]);
    let line = |f: &Frame, y| letters(f, 18, y, 9, &[PAPER, INK]);
    let f = r.frame();
    let lines: String = (12..16).map(|y| line(&f, y).remove(4)).collect();
    assert_eq!(lines, "abba");
    let frame_ns = devices::vga::Timing::of(&f_registers(&r)).frame_ns();
    assert_eq!(line(&r.frame_at(8 * frame_ns + frame_ns / 2), 13), "aaaaaaaaa");
    assert_eq!(line(&r.frame_at(16 * frame_ns + frame_ns / 2), 13), "bbbbbbbbb");
}

fn f_registers(r: &Rig) -> Registers {
    r.bus.get(r.vga).registers().clone()
}

#[test]
fn bit_7_blinks_or_is_the_papers_intensity() {
    let mut r = Rig::new();
    r.cell(0, 0, 0xDB, 0x9E);
    let frame_ns = devices::vga::Timing::of(&f_registers(&r)).frame_ns();
    let dark = 16 * frame_ns + frame_ns / 2;
    assert_eq!(letters(&r.frame(), 0, 5, 8, &[PAPER, INK]), "bbbbbbbb");
    assert_eq!(letters(&r.frame_at(dark), 0, 5, 8, &[PAPER, INK]), "aaaaaaaa");
    r.atc(0x10, 0x04);
    r.cell(0, 0, b' ', 0x9E);
    let bright = [0x55, 0x55, 0xFF, 255];
    assert_eq!(letters(&r.frame_at(dark), 0, 5, 9, &[bright]), "aaaaaaaaa");
}

#[test]
fn attribute_bit_3_chooses_a_second_font() {
    let mut r = Rig::new();
    r.load_font(0x4000, &[0xFF; 16 * 256]);
    r.cell(0, 0, b' ', 0x17);
    r.cell(1, 0, b' ', 0x1E);
    // Map A is the third 16 KiB: bits 2-3 are 1.
    r.set(SEQ_INDEX, &[(3, 0x04)]);
    assert_eq!(letters(&r.frame(), 0, 3, 18, &[PAPER, INK]), "aaaaaaaaabbbbbbbba");
}

#[test]
fn underlines_come_with_attribute_1_where_the_crtc_says() {
    let mut r = Rig::new();
    r.cell(0, 0, b' ', 0x01);
    r.cell(1, 0, b' ', 0x07);
    r.set(CRTC_INDEX, &[(0x14, 0x0D)]);
    assert_eq!(letters(&r.frame(), 0, 13, 18, &[BLACK, PAPER]), "bbbbbbbbbaaaaaaaaa");
}

#[test]
fn panning_moves_text_by_dots_and_preset_by_lines() {
    let mut r = Rig::new();
    for column in 0..=80 {
        r.cell(column, 0, if column % 2 == 0 { 0xDB } else { b' ' }, 0x07);
    }
    r.atc(0x13, 2);
    assert_eq!(letters(&r.frame(), 0, 0, 15, &[BLACK, GRAY]), "bbbbbbaaaaaaaaa");
    assert_eq!(letters(&r.frame(), 717, 0, 3, &[BLACK, GRAY]), "bbb");
    r.atc(0x13, 8);
    r.set(CRTC_INDEX, &[(0x08, 0x0F)]);
    let f = r.frame();
    assert_eq!(
        (letters(&f, 18, 0, 1, &[GRAY]), letters(&f, 18, 1, 1, &[BLACK])),
        ("a".into(), "a".into())
    );
}

#[test]
fn line_compare_splits_the_screen() {
    let mut r = Rig::new();
    r.cell(0, 0, 0xDB, 0x1E);
    r.set(CRTC_INDEX, &[(0x0C, 0x08), (0x18, 99), (0x07, 0x0F), (0x09, 0x0F)]);
    let f = r.frame();
    let column: String = (98..118).map(|y| letters(&f, 0, y, 1, &[BLACK, INK])).collect();
    assert_eq!(column, "aabbbbbbbbbbbbbbbbaa");
}

#[test]
fn planes_give_sixteen_colours_by_the_palette() {
    let mut r = Rig::new();
    r.mode_12();
    for plane in 0..4 {
        r.set(SEQ_INDEX, &[(2, 1 << plane)]);
        r.poke(0xA_0000 + 80, [0b1111_0000, 0b1100_1100, 0b1010_1010, 0][plane]);
    }
    let f = r.frame();
    assert_eq!((f.width, f.height, f.repeat_x, f.repeat_y), (640, 480, 1, 1));
    // Dots of colours 7, 3, 5, 1, 6, 2, 4, 0; 6 is brown by way of palette and DAC.
    let at = f.width;
    assert_eq!(f.pixels[at], GRAY);
    assert_eq!(f.pixels[at + 3], PAPER);
    assert_eq!(f.pixels[at + 4], [0xAA, 0x55, 0, 255]);
    assert_eq!(f.pixels[at + 7], BLACK);
    r.atc(0x12, 0x0E);
    assert_eq!(r.frame().pixels[at + 3], BLACK, "plane 0 isn't shown");
}

#[test]
fn mode_13_shows_each_byte_as_two_by_two_dots() {
    let mut r = Rig::new();
    r.mode_13();
    r.poke(0xA_0000 + 320 + 5, 1);
    let f = r.frame();
    assert_eq!((f.width, f.height, f.repeat_x, f.repeat_y), (640, 400, 2, 2));
    let lines: Vec<String> = (1..5).map(|y| letters(&f, 8, y, 6, &[BLACK, PAPER])).collect();
    assert_eq!(lines, ["aaaaaa", "aabbaa", "aabbaa", "aaaaaa"]);
    let small = f.shrunk();
    assert_eq!((small.width, small.height), (320, 200));
    assert_eq!(small.pixels[320 + 5], PAPER);
}

#[test]
fn unchained_pages_flip_and_pan() {
    let mut r = Rig::new();
    r.mode_13();
    r.set(SEQ_INDEX, &[(4, 0x06)]);
    r.set(CRTC_INDEX, &[(0x14, 0x00), (0x17, 0xE3)]);
    // Dot 6 of line 0 of the second page: plane 2, address 16000 + 1.
    r.set(SEQ_INDEX, &[(2, 0x04)]);
    r.poke(0xA_0000 + 16001, 1);
    r.set(CRTC_INDEX, &[(0x0C, 0x3E), (0x0D, 0x80)]);
    assert_eq!(letters(&r.frame().shrunk(), 4, 0, 4, &[BLACK, PAPER]), "aaba");
    r.atc(0x13, 4);
    assert_eq!(letters(&r.frame().shrunk(), 4, 0, 4, &[BLACK, PAPER]), "baaa");
}

#[test]
fn a_split_can_stand_still_while_the_top_pans() {
    let mut r = Rig::new();
    r.mode_13();
    for y in [0, 1] {
        r.poke(0xA_0000 + y * 320 + 4, 1);
    }
    r.set(CRTC_INDEX, &[(0x18, 0x02), (0x07, 0x0F), (0x09, 0x01)]);
    r.atc(0x10, 0x61);
    r.atc(0x13, 2);
    let f = r.frame();
    assert_eq!(f.pixels[6], PAPER, "panned by a dot of two");
    assert_eq!(f.pixels[3 * f.width + 8], PAPER, "below the split it isn't");
}

#[test]
fn the_palette_turned_away_shows_the_border_and_screen_off_black() {
    let mut r = Rig::new();
    r.atc(0x11, 0x01);
    r.bus.port_write(ATC_INDEX, 1, 0x00, 0, &mut r.mem);
    assert!(r.frame().pixels.iter().all(|p| *p == PAPER));
    r.set(SEQ_INDEX, &[(1, 0x20)]);
    assert!(r.frame().pixels.iter().all(|p| *p == BLACK));
}

#[test]
fn vbe_shows_its_dots_from_its_offset() {
    let mut r = Rig::new();
    r.vbe(&[(1, 64), (2, 16), (3, 32), (4, 0x41), (6, 128), (8, 2), (9, 3)]);
    let at = FRAME_BUFFER + (3 * 128 + 2) * 4;
    for (i, byte) in [0x30, 0x20, 0x10].into_iter().enumerate() {
        r.poke(at + i as u64, byte);
    }
    let f = r.frame();
    assert_eq!((f.width, f.height, f.pixels.len()), (64, 16, 1024));
    assert_eq!((f.pixels[0], f.pixels[1]), ([0x10, 0x20, 0x30, 255], BLACK));
}

#[test]
fn vbe_with_four_bits_draws_in_planes() {
    let mut r = Rig::new();
    r.vbe(&[(1, 800), (2, 600), (3, 4), (4, 0x01)]);
    r.set(SEQ_INDEX, &[(2, 0x06)]);
    r.poke(0xA_0000 + 100, 0x80);
    let f = r.frame();
    assert_eq!((f.width, f.height), (800, 600));
    assert_eq!(f.pixels[800], [0xAA, 0x55, 0, 255], "colour 6");
}
