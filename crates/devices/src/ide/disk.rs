//! A disk on an IDE channel: its addressing and its settings.

use crate::cmos::DiskGeometry;
use crate::storage::{Sector, Storage, StorageError};
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
    /// A write is acknowledged before it is on the medium.
    pub(super) write_cache: bool,
    /// Told by IDENTIFY, and nothing else.
    pub(super) look_ahead: bool,
    /// A software reset changes nothing of all this.
    pub(super) keeps: bool,
    pub(super) power: Power,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heads: 16,
            sectors: 63,
            multiple: 0,
            write_cache: true,
            look_ahead: true,
            keeps: false,
            power: Power::Active,
        }
    }
}

/// How awake a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Power {
    Active,
    Idle,
    Standby,
    /// Only a reset wakes it.
    Sleep,
}

impl Power {
    /// What CHECK POWER MODE says.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Active => 0xFF,
            Self::Idle => 0x80,
            Self::Standby | Self::Sleep => 0x00,
        }
    }
}

/// A disk.
pub(super) struct Disk {
    pub(super) storage: Box<dyn Storage>,
    pub(super) settings: Settings,
    /// Its serial number: 1 for the first disk of the board.
    pub(super) number: u8,
}

impl Disk {
    pub(super) fn new(storage: Box<dyn Storage>, number: u8) -> Self {
        Self { storage, settings: Settings::default(), number }
    }

    /// A software reset.
    pub(super) fn reset(&mut self) {
        if !self.settings.keeps {
            self.settings = Settings::default();
        }
        self.settings.power = Power::Active;
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
        self.settings.power = Power::Active;
        self.storage.read(lba, out)
    }

    pub(super) fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        if lba >= self.storage.len_sectors() {
            return Err(StorageError::OutOfRange(lba));
        }
        self.settings.power = Power::Active;
        self.storage.write(lba, data)
    }

    /// All sectors of a command have been written: with the write cache off they are on the
    /// host's disk before the command ends.
    pub(super) fn end_write(&mut self) -> Result<(), StorageError> {
        if self.settings.write_cache { Ok(()) } else { self.storage.flush() }
    }
}
