//! The adapter with its memory, as a guest sees it: through ports and addresses.

use super::*;
use bus::{Bus, Handle};
use mem::{Kind, Region, Target};
use x86::PhysAddr;

/// Arena: a page of RAM for the table of contents' sake, then display memory.
const RAM: u64 = 0x1000;

struct Rig {
    bus: Bus,
    mem: Memory,
    vga: Handle<Vga>,
}

impl Rig {
    fn new() -> Self {
        let signals = Signals::new();
        let mut bus = Bus::new(Arc::clone(&signals));
        let vga = bus.add(Vga::new(&signals), Vga::PORTS).unwrap();
        let mut mem = Memory::new(RAM + VIDEO_BYTES).unwrap();
        bus.get_mut(vga).attach(vga.mmio(), RAM, &mut mem).unwrap();
        Self { bus, mem, vga }
    }

    fn out(&mut self, port: u16, value: u8) {
        self.bus.port_write(port, 1, value.into(), 0, &mut self.mem);
    }

    /// An index and its value.
    fn set(&mut self, port: u16, index: u8, value: u8) {
        self.bus.port_write(port, 2, u32::from(value) << 8 | u32::from(index), 0, &mut self.mem);
    }

    fn vbe(&mut self, index: u16, value: u16) {
        self.bus.port_write(reg::VBE_INDEX, 2, index.into(), 0, &mut self.mem);
        self.bus.port_write(reg::VBE_DATA, 2, value.into(), 0, &mut self.mem);
    }

    /// A byte written by the processor.
    fn poke(&mut self, at: u64, value: u8) {
        match self.mem.resolve(PhysAddr(at)) {
            Target::Memory { offset, .. } => drop(self.mem.write(offset, &[value])),
            Target::Mmio { id, offset } => {
                self.bus.mmio_write(id, offset, 1, value.into(), 0, &mut self.mem);
            }
            Target::Unmapped => {}
        }
    }

    fn peek(&mut self, at: u64) -> u8 {
        match self.mem.resolve(PhysAddr(at)) {
            Target::Memory { offset, .. } => self.mem.arena().load::<1>(offset)[0],
            Target::Mmio { id, offset } => {
                self.bus.mmio_read(id, offset, 1, 0, &mut self.mem) as u8
            }
            Target::Unmapped => 0xFF,
        }
    }

    fn text(&mut self, cell: u64, text: &str) {
        for (i, byte) in (0..).zip(text.bytes()) {
            self.poke(0xB8000 + 2 * (cell + i), byte);
            self.poke(0xB8001 + 2 * (cell + i), 0x1E);
        }
    }

    fn screen(&self) -> TextScreen {
        self.bus.get(self.vga).screen(&self.mem)
    }

    fn is_ram(&self, at: u64) -> bool {
        matches!(self.mem.resolve(PhysAddr(at)), Target::Memory { writable: true, .. })
    }

    /// Byte `plane` at `address`.
    fn plane(&self, address: u64, plane: u64) -> u8 {
        let scanout = self.bus.get(self.vga).scanout(&self.mem, 0);
        scanout.memory[(4 * address + plane) as usize]
    }

    /// Planar, all 64 KiB at A0000h, as mode 12h has it.
    fn planar(&mut self) {
        self.set(reg::SEQ_INDEX, 4, 0x06);
        self.set(reg::SEQ_INDEX, 2, 0x0F);
        self.set(reg::GC_INDEX, 5, 0x00);
        self.set(reg::GC_INDEX, 6, 0x05);
    }

    /// As mode 13h has it.
    fn chain_4(&mut self) {
        self.set(reg::SEQ_INDEX, 4, 0x0E);
        self.set(reg::SEQ_INDEX, 2, 0x0F);
        self.set(reg::GC_INDEX, 5, 0x40);
        self.set(reg::GC_INDEX, 6, 0x05);
    }

    fn generation(&mut self) -> u64 {
        let Self { bus, mem, vga } = self;
        bus.get_mut(*vga).generation(mem, 0)
    }
}

#[test]
fn mode_3_shows_25_rows_of_80() {
    let mut r = Rig::new();
    r.text(80 + 2, "hello");
    let screen = r.screen();
    assert_eq!((screen.columns, screen.rows), (80, 25));
    assert_eq!(screen.line(1), "  hello");
    assert_eq!(screen.cells[82], Cell { code: b'h', attribute: 0x1E });
    assert!(!screen.is_graphics && screen.blinks && r.is_ram(0xB8000));
}

#[test]
fn start_address_scrolls_and_the_cursor_follows() {
    let mut r = Rig::new();
    r.text(80, "second");
    r.set(reg::CRTC_INDEX, 0x0D, 80);
    r.set(reg::CRTC_INDEX, 0x0F, 80 + 6);
    let screen = r.screen();
    assert_eq!(screen.line(0), "second");
    let cursor = screen.cursor.unwrap();
    assert_eq!((cursor.row, cursor.column, cursor.first_line), (0, 6, 0x0D));
    r.set(reg::CRTC_INDEX, 0x0A, 0x20);
    assert_eq!(r.screen().cursor, None);
}

#[test]
fn rows_below_the_line_compare_begin_at_address_0() {
    let mut r = Rig::new();
    r.text(0, "status");
    r.text(800, "scrolled");
    r.set(reg::CRTC_INDEX, 0x0C, 800_u16.to_be_bytes()[0]);
    r.set(reg::CRTC_INDEX, 0x0D, 800_u16.to_be_bytes()[1]);
    r.set(reg::CRTC_INDEX, 0x09, 0x0F);
    r.set(reg::CRTC_INDEX, 0x18, 0x7F);
    r.set(reg::CRTC_INDEX, 0x07, 0x1F);
    let screen = r.screen();
    assert_eq!((screen.line(0), screen.line(24)), ("scrolled".into(), "status".into()));
    // Without bit 8 it is line 127.
    r.set(reg::CRTC_INDEX, 0x07, 0x0F);
    let screen = r.screen();
    assert_eq!((screen.line(7), screen.line(8)), (String::new(), "status".into()));
}

#[test]
fn text_beyond_the_window_shows_too() {
    let mut r = Rig::new();
    r.planar();
    r.set(reg::SEQ_INDEX, 2, 0x01);
    r.poke(0xA0000 + 0x5000, b'f');
    r.set(reg::SEQ_INDEX, 4, 0x02);
    r.set(reg::SEQ_INDEX, 2, 0x03);
    r.set(reg::GC_INDEX, 5, 0x10);
    r.set(reg::GC_INDEX, 6, 0x0E);
    r.set(reg::CRTC_INDEX, 0x0C, 0x50);
    assert_eq!(r.screen().line(0), "f");
}

#[test]
fn a_cursor_that_ends_before_it_starts_is_off() {
    let mut r = Rig::new();
    r.set(reg::CRTC_INDEX, 0x0A, 0x0E);
    r.set(reg::CRTC_INDEX, 0x0B, 0x0D);
    assert_eq!(r.screen().cursor, None);
}

#[test]
fn monochrome_text_lies_at_b0000() {
    let mut r = Rig::new();
    r.text(0, "kept");
    r.set(reg::GC_INDEX, 6, 0x0A);
    assert!(r.is_ram(0xB0000) && !r.is_ram(0xB8000));
    r.poke(0xB0000, b'm');
    assert_eq!(r.screen().line(0), "mept");
}

#[test]
fn text_colours_are_the_usual_ones() {
    let r = Rig::new();
    let colors = r.bus.get(r.vga).text_colors();
    assert_eq!((colors[1], colors[6], colors[15]), ([0, 0, 0xAA], [0xAA, 0x55, 0], [255; 3]));
}

#[test]
fn a_font_is_loaded_into_plane_2_and_text_stays() {
    let mut r = Rig::new();
    r.text(0, "text");
    r.set(reg::SEQ_INDEX, 2, 0x04);
    r.set(reg::SEQ_INDEX, 4, 0x06);
    r.set(reg::GC_INDEX, 4, 2);
    r.set(reg::GC_INDEX, 5, 0);
    r.set(reg::GC_INDEX, 6, 0x04);
    r.poke(0xA0000 + 0x41 * 32 + 5, 0x5A);
    assert_eq!((r.peek(0xA0000 + 0x41 * 32 + 5), r.screen().line(0)), (0x5A, "text".into()));
    r.set(reg::SEQ_INDEX, 2, 0x03);
    r.set(reg::SEQ_INDEX, 4, 0x02);
    r.set(reg::GC_INDEX, 4, 0);
    r.set(reg::GC_INDEX, 5, 0x10);
    r.set(reg::GC_INDEX, 6, 0x0E);
    assert!(r.is_ram(0xB8000));
    assert_eq!((r.plane(0x41 * 32 + 5, 2), r.screen().line(0)), (0x5A, "text".into()));
}

#[test]
fn the_window_answers_where_the_memory_map_says() {
    let mut r = Rig::new();
    r.planar();
    for (select, start, end) in [
        (0_u8, 0xA0000_u64, 0xC0000_u64),
        (1, 0xA0000, 0xB0000),
        (2, 0xB0000, 0xB8000),
        (3, 0xB8000, 0xC0000),
    ] {
        r.set(reg::GC_INDEX, 6, 0x01 | select << 2);
        let mapped = |at| r.mem.resolve(PhysAddr(at)) != Target::Unmapped;
        assert_eq!((mapped(start), mapped(end - 1)), (true, true), "select {select}");
        let around = [0xA0000, 0xB0000, 0xB8000].into_iter().filter(|at| mapped(*at));
        assert!(around.into_iter().all(|at| (start..end).contains(&at)), "select {select}");
    }
    r.out(reg::MISC_WRITE, 0x65);
    assert_eq!(r.mem.resolve(PhysAddr(0xB8000)), Target::Unmapped);
}

#[test]
fn planar_copies_go_through_the_latches() {
    let mut r = Rig::new();
    r.planar();
    for plane in 0..4 {
        r.set(reg::SEQ_INDEX, 2, 1 << plane);
        r.poke(0xA0010, 0x11 << plane);
    }
    r.set(reg::SEQ_INDEX, 2, 0x0F);
    r.set(reg::GC_INDEX, 5, 1);
    r.peek(0xA0010);
    r.poke(0xAFFFF, 0);
    assert_eq!([0, 1, 2, 3].map(|p| r.plane(0xFFFF, p)), [0x11, 0x22, 0x44, 0x88]);
    assert!(!r.is_ram(0xA0000));
}

#[test]
fn chain_4_is_ram_and_unchained_sees_the_same_dots() {
    let mut r = Rig::new();
    r.chain_4();
    assert!(r.is_ram(0xA0000) && r.is_ram(0xAFFFF));
    for i in 0..8 {
        r.poke(0xA0000 + i, 0x10 + i as u8);
    }
    r.set(reg::SEQ_INDEX, 4, 0x06);
    r.set(reg::GC_INDEX, 4, 3);
    assert_eq!((r.peek(0xA0000), r.peek(0xA0001)), (0x13, 0x17));
}

#[test]
fn chain_4_with_a_map_mask_is_no_longer_ram() {
    let mut r = Rig::new();
    r.chain_4();
    r.set(reg::SEQ_INDEX, 2, 0x05);
    for i in 0..4 {
        r.poke(0xA0000 + i, 0xEE);
    }
    assert_eq!([0, 1, 2, 3].map(|i| r.peek(0xA0000 + i)), [0xEE, 0, 0xEE, 0]);
}

#[test]
fn odd_even_writes_go_to_two_planes_each() {
    let mut r = Rig::new();
    r.set(reg::SEQ_INDEX, 2, 0x0F);
    assert!(!r.is_ram(0xB8000));
    r.poke(0xB8002, 0xAB);
    r.poke(0xB8003, 0xCD);
    assert_eq!([0, 1, 2, 3].map(|p| r.plane(1, p)), [0xAB, 0xCD, 0xAB, 0xCD]);
}

#[test]
fn vbe_shows_its_memory_in_the_frame_buffer_and_in_banks() {
    let mut r = Rig::new();
    r.vbe(1, 800);
    r.vbe(2, 600);
    r.vbe(3, 32);
    r.poke(FRAME_BUFFER + 5, 0x55);
    r.vbe(4, 0x41);
    assert_eq!(r.peek(FRAME_BUFFER + 5), 0, "cleared");
    r.poke(FRAME_BUFFER + 0x1_0003, 0x77);
    r.vbe(5, 1);
    assert!(r.is_ram(0xA0000));
    assert_eq!(r.peek(0xA0003), 0x77);
    assert!(r.screen().is_graphics);
    let scanout = r.bus.get(r.vga).scanout(&r.mem, 0);
    assert_eq!((scanout.memory.len(), scanout.memory[0x1_0003]), (800 * 600 * 4, 0x77));
}

#[test]
fn vbe_widens_the_dac_and_keeps_its_colours() {
    let mut r = Rig::new();
    r.vbe(4, 0x21);
    r.out(reg::DAC_READ_INDEX, 0x3F);
    assert_eq!(r.bus.port_read(reg::DAC_DATA, 1, 0, &mut r.mem), 0xFC);
    r.out(reg::DAC_WRITE_INDEX, 0);
    r.out(reg::DAC_DATA, 0xFF);
    assert_eq!(r.bus.get(r.vga).registers().color(0)[0], 0xFF);
}

#[test]
fn restoring_with_memory_moves_nothing() {
    let mut r = Rig::new();
    r.text(3, "saved");
    let (saved, bytes) = (r.bus.save(), r.mem.arena().load::<4096>(RAM + VRAM_BYTES));
    let mut twin = Rig::new();
    twin.chain_4();
    twin.bus.restore(&saved).unwrap();
    twin.mem.write(RAM + VRAM_BYTES, &bytes);
    twin.bus.get_mut(twin.vga).adopt_map(&mut twin.mem);
    assert_eq!(twin.screen(), r.screen());
    assert!(twin.is_ram(0xB8000));
}

#[test]
fn a_changed_map_asks_for_attention() {
    let mut r = Rig::new();
    r.bus.signals().take_requests();
    let before = r.mem.map_version();
    r.set(reg::GC_INDEX, 6, 0x0E);
    assert_eq!((r.bus.signals().take_requests(), r.mem.map_version()), (0, before));
    r.set(reg::GC_INDEX, 6, 0x05);
    assert_eq!(r.bus.signals().take_requests(), bus::Request::Remap as u32);
    assert_ne!(r.mem.map_version(), before);
}

#[test]
fn generation_counts_what_shows_and_nothing_else() {
    let mut r = Rig::new();
    let first = r.generation();
    assert_eq!(r.generation(), first);
    r.out(reg::CRTC_INDEX, 0x0E);
    r.mem.write(0, &[1]);
    assert_eq!(r.generation(), first, "an index and other memory don't show");
    r.text(0, "x");
    let second = r.generation();
    assert_ne!(second, first);
    r.out(reg::DAC_WRITE_INDEX, 0);
    r.out(reg::DAC_DATA, 1);
    assert_ne!(r.generation(), second);
    let third = r.generation();
    let Rig { bus, mem, vga } = &mut r;
    let later = 12 * Timing::of(bus.get(*vga).registers()).frame_ns();
    assert_ne!(bus.get_mut(*vga).generation(mem, later), third, "the cursor has gone dark");
}

#[test]
fn without_memory_nothing_is_there() {
    let signals = Signals::new();
    let mut mem = Memory::flat(1 << 20).unwrap();
    let mut vga = Vga::new(&signals);
    let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut mem };
    vga.write(0xA0000, 1, &mut io);
    assert_eq!(vga.read(0xA0000, &mut io), 0xFF);
    assert_eq!(vga.generation(&mut mem, 0), 1);
    assert!(vga.screen(&mem).cells.iter().all(|c| *c == Cell::default()));
    let free = Region {
        name: "x".into(),
        start: PhysAddr(FRAME_BUFFER),
        len: 4096,
        kind: Kind::Ram,
        arena_offset: 0,
    };
    assert!(mem.add(free).is_ok());
}
