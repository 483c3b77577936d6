//! The registers of the VGA and what reading and writing their ports does. IBM VGA technical
//! reference, "Registers"; the DAC: INMOS G171.

use super::reg::*;
use super::timing::Timing;
use super::vbe::Vbe;
use serde::{Deserialize, Serialize};

const CRTC_LEN: usize = 25;
const SEQ_LEN: usize = 5;
const GC_LEN: usize = 9;
const ATC_LEN: usize = 21;
const DAC_LEN: usize = 768;

/// The registers of mode 3, 80x25 text, as a BIOS leaves them.
const MODE_3_CRTC: [u8; CRTC_LEN] = [
    0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00, 0x00,
    0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF,
];
const MODE_3_SEQ: [u8; SEQ_LEN] = [0x03, 0x00, 0x03, 0x00, 0x02];
const MODE_3_GC: [u8; GC_LEN] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x00, 0xFF];
const MODE_3_ATC: [u8; ATC_LEN] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
    0x0C, 0x00, 0x0F, 0x08, 0x00,
];
const MODE_3_MISC: u8 = 0x67;

/// The bits that exist; the others read as 0.
const SEQ_BITS: [u8; SEQ_LEN] = [0x03, 0x3D, 0x0F, 0x3F, 0x0E];
const GC_BITS: [u8; GC_LEN] = [0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF];
/// Of the attribute controller, from 10h on.
const ATC_BITS: [u8; ATC_LEN - 0x10] = [0xEF, 0xFF, 0x3F, 0x0F, 0x0F];

/// All registers. What they show is described by [`super::Scanout`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    misc: u8,
    feature: u8,
    subsystem: u8,
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
    /// Of the component that comes next.
    dac_index: u16,
    dac_reading: bool,
    dac: Vec<u8>,
    pub(super) vbe: Vbe,
}

/// The colours of text, as the DAC has them at the places mode 3's palette names: 6-bit EGA
/// colours, rgbRGB.
fn default_dac() -> Vec<u8> {
    let color = |i: u32| {
        let part = |low: u32, high: u32| (i >> low & 1) as u8 * 0x2A + (i >> high & 1) as u8 * 0x15;
        if i < 64 { [part(2, 5), part(1, 4), part(0, 3)] } else { [0; 3] }
    };
    (0..256).flat_map(color).collect()
}

impl Default for Registers {
    fn default() -> Self {
        Self::new()
    }
}

impl Registers {
    /// Mode 3, as a video BIOS leaves it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            misc: MODE_3_MISC,
            feature: 0,
            subsystem: 1,
            crtc_index: 0,
            crtc: MODE_3_CRTC.to_vec(),
            seq_index: 0,
            seq: MODE_3_SEQ.to_vec(),
            gc_index: 0,
            gc: MODE_3_GC.to_vec(),
            atc_index: ATC_SHOWS,
            atc_wants_data: false,
            atc: MODE_3_ATC.to_vec(),
            dac_mask: 0xFF,
            dac_index: 0,
            dac_reading: false,
            dac: default_dac(),
            vbe: Vbe::new(),
        }
    }

    /// False where no chip could hold these.
    pub(super) fn are_sane(&self) -> bool {
        self.crtc.len() == CRTC_LEN
            && self.seq.len() == SEQ_LEN
            && self.gc.len() == GC_LEN
            && self.atc.len() == ATC_LEN
            && self.dac.len() == DAC_LEN
            && usize::from(self.dac_index) < DAC_LEN
            && self.vbe.is_sane()
    }

    /// A CRT controller register; 0 where there is none.
    #[must_use]
    pub fn crtc(&self, index: usize) -> u8 {
        self.crtc.get(index).copied().unwrap_or(0)
    }

    /// Two CRT controller registers, the high one first.
    #[must_use]
    pub fn crtc_word(&self, index: usize) -> u16 {
        u16::from(self.crtc(index)) << 8 | u16::from(self.crtc(index + 1))
    }

    /// A vertical register of the CRT controller with its bits 8 and 9, which lie in the
    /// overflow register.
    #[must_use]
    pub fn vertical(&self, index: usize, bit_8: u8, bit_9: u8) -> u16 {
        let overflow = u16::from(self.crtc(CRTC_OVERFLOW));
        u16::from(self.crtc(index)) | (overflow >> bit_8 & 1) << 8 | (overflow >> bit_9 & 1) << 9
    }

    /// The line after which the display begins again at address 0.
    #[must_use]
    pub fn line_compare(&self) -> u16 {
        let bit_8 = u16::from(self.crtc(CRTC_OVERFLOW)) >> 4 & 1;
        let bit_9 = u16::from(self.crtc(CRTC_MAX_SCAN)) >> 6 & 1;
        u16::from(self.crtc(CRTC_COMPARE)) | bit_8 << 8 | bit_9 << 9
    }

    /// A sequencer register.
    #[must_use]
    pub fn seq(&self, index: usize) -> u8 {
        self.seq.get(index).copied().unwrap_or(0)
    }

    /// A graphics controller register.
    #[must_use]
    pub fn gc(&self, index: usize) -> u8 {
        self.gc.get(index).copied().unwrap_or(0)
    }

    /// An attribute controller register.
    #[must_use]
    pub fn atc(&self, index: usize) -> u8 {
        self.atc.get(index).copied().unwrap_or(0)
    }

    /// Miscellaneous output.
    #[must_use]
    pub fn misc(&self) -> u8 {
        self.misc
    }

    /// True while the palette drives the screen (attribute controller index, bit 5).
    #[must_use]
    pub fn palette_shows(&self) -> bool {
        self.atc_index & ATC_SHOWS != 0
    }

    /// Bochs's VBE.
    #[must_use]
    pub fn vbe(&self) -> &Vbe {
        &self.vbe
    }

    /// Pixel value to colour by the DAC: red, green, blue of 8 bits each.
    #[must_use]
    pub fn color(&self, pixel: u8) -> [u8; 3] {
        let at = usize::from(pixel & self.dac_mask) * 3;
        let wide = self.vbe.has_8_bit_dac();
        std::array::from_fn(|part| {
            let value = self.dac.get(at + part).copied().unwrap_or(0);
            if wide { value } else { value << 2 | value >> 4 & 3 }
        })
    }

    /// Four bits of the planes to the DAC's eight, by the palette.
    #[must_use]
    pub fn palette(&self, value: u8) -> u8 {
        let select = self.atc(ATC_SELECT);
        let entry = self.atc(usize::from(value & 0x0F));
        let low = if self.atc(ATC_MODE) & ATC_SELECT_45 != 0 {
            entry & 0x0F | (select & 3) << 4
        } else {
            entry & 0x3F
        };
        low | (select & 0x0C) << 4
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
            // The palette is closed while it drives the screen.
            if index >= 0x10 || !self.palette_shows() {
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

    /// The DAC changes between 6 and 8 bits: its colours stay what they were.
    pub(super) fn scale_dac(&mut self, to_8_bits: bool) {
        for part in &mut self.dac {
            *part = if to_8_bits { *part << 2 } else { *part >> 2 };
        }
    }

    pub(super) fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        let Some(port) = self.as_color(port) else {
            return 0xFF;
        };
        match port {
            ATC_INDEX => self.atc_index,
            ATC_READ => self.atc(usize::from(self.atc_index & 0x1F)),
            // Input status 0: the switch sense that a colour display gives.
            MISC_WRITE => 0x10,
            SUBSYSTEM => self.subsystem,
            SEQ_INDEX => self.seq_index,
            SEQ_DATA => self.seq(usize::from(self.seq_index)),
            DAC_MASK => self.dac_mask,
            DAC_READ_INDEX if self.dac_reading => 3,
            DAC_READ_INDEX => 0,
            DAC_WRITE_INDEX => (self.dac_index / 3) as u8,
            DAC_DATA => {
                let index = self.next_dac();
                self.dac.get(index).copied().unwrap_or(0)
            }
            FEATURE_READ => self.feature,
            MISC_READ => self.misc,
            GC_INDEX => self.gc_index,
            GC_DATA => self.gc(usize::from(self.gc_index)),
            CRTC_INDEX => self.crtc_index,
            CRTC_DATA => self.crtc(usize::from(self.crtc_index & 0x1F)),
            STATUS_1 => {
                self.atc_wants_data = false;
                Timing::of(self).status(now_ns)
            }
            _ => 0xFF,
        }
    }

    pub(super) fn write(&mut self, port: u16, value: u8) {
        let Some(port) = self.as_color(port) else {
            return;
        };
        match port {
            ATC_INDEX => self.write_atc(value),
            MISC_WRITE => self.misc = value,
            SUBSYSTEM => self.subsystem = value & 1,
            SEQ_INDEX => self.seq_index = value & 7,
            SEQ_DATA => put_bits(&mut self.seq, &SEQ_BITS, self.seq_index, value),
            DAC_MASK => self.dac_mask = value,
            DAC_READ_INDEX | DAC_WRITE_INDEX => {
                self.dac_index = u16::from(value) * 3;
                self.dac_reading = port == DAC_READ_INDEX;
            }
            DAC_DATA => {
                let index = self.next_dac();
                let bits = if self.vbe.has_8_bit_dac() { 0xFF } else { 0x3F };
                put(&mut self.dac, index, value & bits);
            }
            GC_INDEX => self.gc_index = value & 0x0F,
            GC_DATA => put_bits(&mut self.gc, &GC_BITS, self.gc_index, value),
            CRTC_INDEX => self.crtc_index = value & 0x3F,
            CRTC_DATA => self.write_crtc(value),
            STATUS_1 => self.feature = value & 3,
            _ => {}
        }
    }

    /// The same with everything 0 that doesn't show on the screen.
    pub(super) fn shown(&self) -> Self {
        Self {
            feature: 0,
            subsystem: 0,
            crtc_index: 0,
            seq_index: 0,
            gc_index: 0,
            atc_index: self.atc_index & ATC_SHOWS,
            atc_wants_data: false,
            dac_index: 0,
            dac_reading: false,
            ..self.clone()
        }
    }
}

fn put(registers: &mut [u8], index: usize, value: u8) {
    if let Some(register) = registers.get_mut(index) {
        *register = value;
    }
}

fn put_bits(registers: &mut [u8], bits: &[u8], index: u8, value: u8) {
    let index = usize::from(index);
    put(registers, index, value & bits.get(index).copied().unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(r: &mut Registers, port: u16, index: u8, value: u8) {
        r.write(port, index);
        r.write(port + 1, value);
    }

    #[test]
    fn attribute_flip_flop_is_reset_by_status_1() {
        let mut r = Registers::new();
        r.write(ATC_INDEX, 0x10);
        r.read(STATUS_1, 0);
        r.write(ATC_INDEX, 0x11);
        r.write(ATC_INDEX, 0x05);
        r.write(ATC_INDEX, 0x31);
        assert_eq!((r.read(ATC_INDEX, 0), r.read(ATC_READ, 0)), (0x31, 0x05));
    }

    #[test]
    fn palette_is_closed_while_it_shows() {
        let mut r = Registers::new();
        for value in [0x21, 0x3F, 0x01, 0x3E, 0x20] {
            r.write(ATC_INDEX, value);
            if value == 0x3F {
                assert_eq!(r.atc(1), 1);
            }
        }
        assert_eq!(r.atc(1), 0x3E);
    }

    #[test]
    fn bits_that_do_not_exist_read_as_0() {
        let mut r = Registers::new();
        indexed(&mut r, SEQ_INDEX, 4, 0xFF);
        indexed(&mut r, GC_INDEX, 6, 0xFF);
        assert_eq!((r.read(SEQ_DATA, 0), r.read(GC_DATA, 0)), (0x0E, 0x0F));
    }

    #[test]
    fn dac_counts_through_its_colours() {
        let mut r = Registers::new();
        r.write(DAC_WRITE_INDEX, 9);
        for value in [1, 2, 0xFF, 4] {
            r.write(DAC_DATA, value);
        }
        r.write(DAC_READ_INDEX, 9);
        let seen = [0; 4].map(|_| r.read(DAC_DATA, 0));
        assert_eq!(seen, [1, 2, 0x3F, 4]);
        assert_eq!(r.read(DAC_READ_INDEX, 0), 3);
    }

    #[test]
    fn monochrome_moves_the_crtc() {
        let mut r = Registers::new();
        assert_eq!(r.read(CRTC_INDEX_MONO, 0), 0xFF);
        r.write(MISC_WRITE, 0x66);
        indexed(&mut r, CRTC_INDEX_MONO, 0x0E, 0x55);
        assert_eq!((r.read(0x3B5, 0), r.read(CRTC_DATA, 0)), (0x55, 0xFF));
    }

    #[test]
    fn protected_registers_stay_but_for_line_compare() {
        let mut r = Registers::new();
        indexed(&mut r, CRTC_INDEX, 0, 0x12);
        assert_eq!(r.crtc(0), 0x5F);
        indexed(&mut r, CRTC_INDEX, 7, 0x00);
        assert_eq!(r.crtc(7), 0x0F);
        indexed(&mut r, CRTC_INDEX, 0x11, 0);
        indexed(&mut r, CRTC_INDEX, 0, 0x12);
        assert_eq!(r.crtc(0), 0x12);
    }

    #[test]
    fn color_select_replaces_the_palettes_upper_bits() {
        let mut r = Registers::new();
        assert_eq!((r.palette(6), r.palette(8)), (0x14, 0x38));
        for value in [0x34, 0x0E, 0x30, 0x8C] {
            r.write(ATC_INDEX, value);
        }
        assert_eq!(r.palette(6), 0xE4);
    }
}
