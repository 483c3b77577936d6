//! A disk on an IDE channel: its addressing and what it says about itself.

use crate::cmos::DiskGeometry;
use crate::storage::{SECTOR_BYTES, Sector, Storage, StorageError};
use serde::{Deserialize, Serialize};

/// Most sectors a block of READ MULTIPLE can have.
pub(super) const MULTIPLE_MAX: u8 = 16;

/// The geometry by which a disk of a size is addressed unless the guest sets another.
#[must_use]
pub fn default_geometry(len_sectors: u64) -> DiskGeometry {
    let cylinders = (len_sectors / (16 * 63)).clamp(1, 16_383);
    DiskGeometry { cylinders: cylinders as u16, heads: 16, sectors: 63 }
}

/// What a guest set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Heads of the logical geometry, 1 to 16.
    pub(super) heads: u8,
    /// Sectors a track, 1 to 255.
    pub(super) sectors: u8,
    /// Sectors of a block of READ MULTIPLE; 0 when it's off.
    pub(super) multiple: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { heads: 16, sectors: 63, multiple: 0 }
    }
}

/// A disk.
pub(super) struct Disk {
    pub(super) storage: Box<dyn Storage>,
    pub(super) settings: Settings,
}

impl Disk {
    pub(super) fn new(storage: Box<dyn Storage>) -> Self {
        Self { storage, settings: Settings::default() }
    }

    /// A sector's number from cylinder, head and sector of the logical geometry.
    pub(super) fn lba(&self, cylinder: u16, head: u8, sector: u8) -> Option<u64> {
        let Settings { heads, sectors, .. } = self.settings;
        let exists = head < heads && (1..=sectors).contains(&sector);
        let track = u64::from(cylinder) * u64::from(heads) + u64::from(head);
        exists.then(|| track * u64::from(sectors) + u64::from(sector) - 1)
    }

    /// Cylinder, head and sector of a number, as far as they can be told.
    pub(super) fn chs(&self, lba: u64) -> (u16, u8, u8) {
        let sectors = u64::from(self.settings.sectors.max(1));
        let heads = u64::from(self.settings.heads.max(1));
        let track = lba / sectors;
        ((track / heads) as u16, (track % heads) as u8, (lba % sectors) as u8 + 1)
    }

    pub(super) fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        if lba >= self.storage.len_sectors() {
            return Err(StorageError::OutOfRange(lba));
        }
        self.storage.read(lba, out)
    }

    pub(super) fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        if lba >= self.storage.len_sectors() {
            return Err(StorageError::OutOfRange(lba));
        }
        self.storage.write(lba, data)
    }

    /// The 256 words of IDENTIFY DEVICE (ATA/ATAPI-6, 8.15).
    pub(super) fn identify(&self) -> Sector {
        let len = self.storage.len_sectors();
        let geometry = default_geometry(len);
        let Settings { heads, sectors, multiple } = self.settings;
        let per_cylinder = u64::from(heads.max(1)) * u64::from(sectors.max(1));
        let cylinders = (len / per_cylinder).min(65_535);
        let current = cylinders * per_cylinder;
        let short = len.min(0x0FFF_FFFF);
        let mut id = Words([0; 256]);
        id.set(0, 0x0040);
        id.set(1, geometry.cylinders);
        id.set(3, geometry.heads.into());
        id.set(6, geometry.sectors.into());
        id.text(10, 10, "CL000001");
        id.text(23, 4, "1.0");
        id.text(27, 20, "Cloister disk");
        id.set(47, 0x8000 | u16::from(MULTIPLE_MAX));
        id.set(48, 1);
        // LBA, no DMA.
        id.set(49, 1 << 9);
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
        // ATA-4 to ATA-6; FLUSH CACHE and its EXT form, 48-bit addresses.
        id.set(80, 0x0070);
        id.set(82, 1 << 14);
        id.set(83, 0x7400);
        id.set(84, 1 << 14);
        id.set(85, 1 << 14);
        id.set(86, 0x3400);
        id.set(87, 1 << 14);
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
        out
    }
}
