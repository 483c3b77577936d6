//! The VBE extension of Bochs's display, interface 0xB0C5: an index at port 1CEh, a word of data
//! at 1CFh. From Bochs's "VBE DISPI" description. Where two versions differ, the lenient one is
//! here: resolution and depth may be changed while it is on.
//!
//! There is no PCI behind it: the linear frame buffer lies at [`FRAME_BUFFER`], always.

use serde::{Deserialize, Serialize};

/// Where the linear frame buffer lies.
pub const FRAME_BUFFER: u64 = 0xE000_0000;
/// Display memory, bytes.
pub const VRAM_BYTES: u64 = 16 << 20;

/// Widest mode.
pub const XRES_MOST: u16 = 2560;
/// Highest mode.
pub const YRES_MOST: u16 = 1600;

const ID: u16 = 0;
const XRES: u16 = 1;
const YRES: u16 = 2;
const BPP: u16 = 3;
const ENABLE: u16 = 4;
const BANK: u16 = 5;
const VIRT_WIDTH: u16 = 6;
const VIRT_HEIGHT: u16 = 7;
const X_OFFSET: u16 = 8;
const Y_OFFSET: u16 = 9;
const MEMORY_64K: u16 = 0x0A;

const ID_FIRST: u16 = 0xB0C0;
const ID_LAST: u16 = 0xB0C5;

const ENABLED: u16 = 1 << 0;
const GET_CAPS: u16 = 1 << 1;
const DAC_8_BIT: u16 = 1 << 5;
const LFB: u16 = 1 << 6;
const NO_CLEAR: u16 = 1 << 7;

/// A mode that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VbeMode {
    /// Dots of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a dot: 4 (in planes), 8, 15, 16, 24 or 32.
    pub bpp: u32,
    /// From one line to the next, bytes.
    pub pitch: u32,
    /// Where the upper left dot lies in display memory, bytes; a multiple of four with 4 bits.
    pub start: u32,
}

/// Its registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vbe {
    index: u16,
    id: u16,
    xres: u16,
    yres: u16,
    bpp: u16,
    enable: u16,
    bank: u16,
    virt_width: u16,
    x_offset: u16,
    y_offset: u16,
}

impl Vbe {
    pub(super) fn new() -> Self {
        Self {
            index: 0,
            id: ID_LAST,
            xres: 640,
            yres: 480,
            bpp: 8,
            enable: 0,
            bank: 0,
            virt_width: 640,
            x_offset: 0,
            y_offset: 0,
        }
    }

    pub(super) fn is_sane(&self) -> bool {
        let mut fitted = self.clone();
        fitted.fit();
        fitted == *self && self.bank < self.banks() && (ID_FIRST..=ID_LAST).contains(&self.id)
    }

    /// On: the VGA's own modes don't show.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enable & ENABLED != 0
    }

    /// Colours have eight bits a component.
    #[must_use]
    pub fn has_8_bit_dac(&self) -> bool {
        self.enable & DAC_8_BIT != 0
    }

    /// What shows, if it is on.
    #[must_use]
    pub fn mode(&self) -> Option<VbeMode> {
        let (x, y) = (u32::from(self.x_offset), u32::from(self.y_offset));
        let start = y * self.pitch() + if self.bpp == 4 { x / 8 * 4 } else { x * self.dot_bytes() };
        self.is_enabled().then_some(VbeMode {
            width: self.xres.into(),
            height: self.yres.into(),
            bpp: self.bpp.into(),
            pitch: self.pitch(),
            start,
        })
    }

    /// Where the window at A0000h begins in display memory, bytes; in planes with 4 bits.
    pub(super) fn bank_start(&self) -> u64 {
        let unit = if self.bpp == 4 { 256 << 10 } else { 64 << 10 };
        u64::from(self.bank) * unit
    }

    pub(super) fn is_planar(&self) -> bool {
        self.bpp == 4
    }

    fn banks(&self) -> u16 {
        if self.bpp == 4 { (VRAM_BYTES >> 18) as u16 } else { (VRAM_BYTES >> 16) as u16 }
    }

    fn dot_bytes(&self) -> u32 {
        u32::from(self.bpp).div_ceil(8)
    }

    fn pitch(&self) -> u32 {
        let width = u32::from(self.virt_width);
        if self.bpp == 4 { width / 2 } else { width * self.dot_bytes() }
    }

    /// Lines that display memory has room for.
    fn virt_height(&self) -> u16 {
        u16::try_from(VRAM_BYTES / u64::from(self.pitch().max(1))).unwrap_or(u16::MAX)
    }

    /// Brings all values into what display memory can show.
    fn fit(&mut self) {
        if ![4, 8, 15, 16, 24, 32].contains(&self.bpp) {
            self.bpp = 8;
        }
        self.xres = (self.xres & !7).clamp(8, XRES_MOST);
        self.yres = self.yres.clamp(1, YRES_MOST);
        let most = VRAM_BYTES / u64::from(self.yres) / u64::from(self.dot_bytes());
        let most = u16::try_from(most).unwrap_or(u16::MAX) & !7;
        self.virt_width = (self.virt_width & !7).clamp(self.xres, most.max(self.xres));
        self.x_offset = self.x_offset.min(self.virt_width - self.xres);
        self.y_offset = self.y_offset.min(self.virt_height().saturating_sub(self.yres));
        self.bank %= self.banks();
    }

    pub(super) fn write_index(&mut self, value: u16) {
        self.index = value;
    }

    pub(super) fn read_index(&self) -> u16 {
        self.index
    }

    pub(super) fn read(&self) -> u16 {
        let caps = self.enable & GET_CAPS != 0;
        match self.index {
            ID => self.id,
            XRES if caps => XRES_MOST,
            XRES => self.xres,
            YRES if caps => YRES_MOST,
            YRES => self.yres,
            BPP if caps => 32,
            BPP => self.bpp,
            ENABLE => self.enable,
            BANK => self.bank,
            VIRT_WIDTH => self.virt_width,
            VIRT_HEIGHT => self.virt_height(),
            X_OFFSET => self.x_offset,
            Y_OFFSET => self.y_offset,
            MEMORY_64K => (VRAM_BYTES >> 16) as u16,
            _ => 0,
        }
    }

    /// True where a mode was turned on and display memory shall be cleared.
    pub(super) fn write(&mut self, value: u16) -> bool {
        let mut clears = false;
        match self.index {
            ID if (ID_FIRST..=ID_LAST).contains(&value) => self.id = value,
            XRES => {
                self.xres = value;
                self.virt_width = 0;
            }
            YRES => self.yres = value,
            BPP => self.bpp = value,
            ENABLE => clears = self.write_enable(value),
            BANK => self.bank = value,
            VIRT_WIDTH => self.virt_width = value,
            X_OFFSET => self.x_offset = value,
            Y_OFFSET => self.y_offset = value,
            _ => {}
        }
        self.fit();
        clears
    }

    fn write_enable(&mut self, value: u16) -> bool {
        let is_turned_on = value & !self.enable & ENABLED != 0;
        self.enable = value & (ENABLED | GET_CAPS | DAC_8_BIT | LFB | NO_CLEAR);
        if is_turned_on {
            (self.virt_width, self.x_offset, self.y_offset, self.bank) = (0, 0, 0, 0);
        }
        is_turned_on && value & NO_CLEAR == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(vbe: &mut Vbe, index: u16, value: u16) -> bool {
        vbe.write_index(index);
        vbe.write(value)
    }

    fn get(vbe: &mut Vbe, index: u16) -> u16 {
        vbe.write_index(index);
        vbe.read()
    }

    fn with_mode(xres: u16, yres: u16, bpp: u16) -> Vbe {
        let mut vbe = Vbe::new();
        set(&mut vbe, XRES, xres);
        set(&mut vbe, YRES, yres);
        set(&mut vbe, BPP, bpp);
        set(&mut vbe, ENABLE, ENABLED | LFB);
        vbe
    }

    #[test]
    fn ids_of_all_versions_are_kept_and_others_refused() {
        let mut vbe = Vbe::new();
        assert_eq!(get(&mut vbe, ID), 0xB0C5);
        set(&mut vbe, ID, 0xB0C2);
        set(&mut vbe, ID, 0x1234);
        assert_eq!(get(&mut vbe, ID), 0xB0C2);
        assert_eq!(get(&mut vbe, MEMORY_64K), 256);
    }

    #[test]
    fn a_mode_has_its_pitch_and_start() {
        let mut vbe = with_mode(800, 600, 24);
        set(&mut vbe, VIRT_WIDTH, 1024);
        set(&mut vbe, X_OFFSET, 8);
        set(&mut vbe, Y_OFFSET, 2);
        let mode = vbe.mode().unwrap();
        assert_eq!((mode.width, mode.height, mode.bpp), (800, 600, 24));
        assert_eq!((mode.pitch, mode.start), (3072, 2 * 3072 + 24));
        assert_eq!(get(&mut vbe, VIRT_HEIGHT), (VRAM_BYTES / 3072) as u16);
    }

    #[test]
    fn fifteen_bits_take_two_bytes() {
        assert_eq!(with_mode(640, 480, 15).mode().unwrap().pitch, 1280);
    }

    #[test]
    fn nothing_reaches_beyond_display_memory() {
        let mut vbe = with_mode(0xFFFF, 0xFFFF, 32);
        for index in [VIRT_WIDTH, X_OFFSET, Y_OFFSET, BANK, BPP] {
            set(&mut vbe, index, 0xFFFF);
            let mode = vbe.mode().unwrap();
            let last = u64::from(mode.start) + u64::from(mode.height - 1) * u64::from(mode.pitch);
            assert!(last + u64::from(mode.width * mode.bpp.div_ceil(8)) <= VRAM_BYTES);
            assert!(vbe.bank_start() < VRAM_BYTES && vbe.is_sane());
        }
    }

    #[test]
    fn capabilities_are_read_on_request() {
        let mut vbe = Vbe::new();
        set(&mut vbe, ENABLE, GET_CAPS);
        let caps = [XRES, YRES, BPP].map(|index| get(&mut vbe, index));
        assert_eq!(caps, [XRES_MOST, YRES_MOST, 32]);
        assert_eq!(vbe.mode(), None);
    }

    #[test]
    fn turning_on_clears_unless_told_not_to() {
        let mut vbe = Vbe::new();
        assert!(set(&mut vbe, ENABLE, ENABLED));
        assert!(!set(&mut vbe, ENABLE, ENABLED));
        set(&mut vbe, ENABLE, 0);
        assert!(!set(&mut vbe, ENABLE, ENABLED | NO_CLEAR));
    }
}
