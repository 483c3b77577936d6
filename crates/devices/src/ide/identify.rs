//! What a disk says about itself: the 256 words of IDENTIFY DEVICE. From ATA/ATAPI-6, 8.15.

use super::disk::{Disk, MULTIPLE_MAX, Settings, default_geometry};
use crate::storage::{SECTOR_BYTES, Sector};

impl Disk {
    /// The 256 words of IDENTIFY DEVICE (ATA/ATAPI-6, 8.15).
    pub(super) fn identify(&self) -> Sector {
        let len = self.storage.len_sectors();
        let geometry = default_geometry(len);
        let Settings { heads, sectors, multiple, write_cache, look_ahead, .. } = self.settings;
        let per_cylinder = u64::from(heads.max(1)) * u64::from(sectors.max(1));
        let cylinders = (len / per_cylinder).min(65_535);
        let current = cylinders * per_cylinder;
        let short = len.min(0x0FFF_FFFF);
        let mut id = Words([0; 256]);
        id.set(0, 0x0040);
        // Awake at once, and this answer is whole.
        id.set(2, 0xC837);
        id.set(1, geometry.cylinders);
        id.set(3, geometry.heads.into());
        id.set(6, geometry.sectors.into());
        id.text(10, 10, &format!("CL{:06}", self.number));
        id.text(23, 4, "1.0");
        id.text(27, 20, "Cloister disk");
        id.set(47, 0x8000 | u16::from(MULTIPLE_MAX));
        id.set(48, 1);
        // LBA, IORDY, no DMA.
        id.set(49, 1 << 9 | 1 << 11);
        id.set(50, 1 << 14);
        id.set(51, 0x0200);
        id.set(53, 0x0003);
        id.set(54, cylinders as u16);
        id.set(55, heads.into());
        id.set(56, sectors.into());
        id.number(57, 2, current);
        id.set(59, if multiple != 0 { 0x0100 | u16::from(multiple) } else { 0 });
        id.number(60, 2, short);
        // PIO modes 3 and 4, 120 ns a cycle.
        id.set(64, 3);
        id.set(67, 120);
        id.set(68, 120);
        // ATA-4 to ATA-6; NOP, power modes, look-ahead, write cache; FLUSH CACHE and its EXT
        // form, 48-bit addresses.
        id.set(80, 0x0070);
        let always = 1 << 14 | 1 << 3;
        id.set(82, always | 1 << 6 | 1 << 5);
        id.set(83, 0x7400);
        id.set(84, 1 << 14);
        id.set(85, always | u16::from(look_ahead) << 6 | u16::from(write_cache) << 5);
        id.set(86, 0x3400);
        id.set(87, 1 << 14);
        // The hardware reset went well; jumpered.
        id.set(93, if self.number % 2 == 1 { 0x400B } else { 0x4B00 });
        id.number(100, 4, len);
        id.bytes()
    }
}

struct Words([u16; 256]);

impl Words {
    fn set(&mut self, at: usize, value: u16) {
        self.0[at] = value;
    }

    fn number(&mut self, at: usize, words: usize, value: u64) {
        for i in 0..words {
            self.0[at + i] = (value >> (16 * i)) as u16;
        }
    }

    /// Text goes first character high, padded with blanks.
    fn text(&mut self, at: usize, words: usize, text: &str) {
        let mut bytes = text.bytes().chain(std::iter::repeat(b' '));
        for word in &mut self.0[at..at + words] {
            let high = bytes.next().unwrap_or(b' ');
            let low = bytes.next().unwrap_or(b' ');
            *word = u16::from_be_bytes([high, low]);
        }
    }

    fn bytes(&self) -> Sector {
        let mut out = [0; SECTOR_BYTES];
        for (pair, word) in out.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&word.to_le_bytes());
        }
        // The sum of all bytes is 0.
        out[510] = 0xA5;
        let sum = out[..511].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        out[511] = sum.wrapping_neg();
        out
    }
}
