//! What a disk or diskette is to the chips: numbered sectors. The host's files lie behind the
//! trait; here is the layer that keeps a guest's writes in memory.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a sector.
pub const SECTOR_BYTES: usize = 512;

/// One sector.
pub type Sector = [u8; SECTOR_BYTES];

/// Why a sector couldn't be read or written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StorageError {
    /// Past the end.
    #[error("sector {0} is past the end of the medium")]
    OutOfRange(u64),
    /// The medium can't be written.
    #[error("the medium is write-protected")]
    ReadOnly,
    /// The host's file failed.
    #[error("the host failed: {0}")]
    Host(String),
}

/// A medium of 512-byte sectors.
pub trait Storage: Send {
    /// Sectors in all.
    fn len_sectors(&self) -> u64;

    /// True where it can't be written.
    fn read_only(&self) -> bool;

    /// Reads one sector.
    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError>;

    /// Writes one sector.
    fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError>;

    /// Sees that what was written has reached the host's file.
    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    /// What of the medium belongs to a snapshot: the writes that live in memory.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes back what `save` gave; false, and nothing changed, if it can't.
    fn restore(&mut self, saved: &[u8]) -> bool {
        saved.is_empty()
    }
}

/// A medium whose writes live in memory: what lies below is only read.
pub struct Overlay {
    below: Box<dyn Storage>,
    written: BTreeMap<u64, Box<Sector>>,
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("written_sectors", &self.written.len()).finish()
    }
}

#[derive(Serialize, Deserialize)]
struct SavedSector {
    lba: u64,
    bytes: Vec<u8>,
}

impl Overlay {
    /// Writes over `below`.
    #[must_use]
    pub fn new(below: Box<dyn Storage>) -> Self {
        Self { below, written: BTreeMap::new() }
    }

    /// A medium of bytes in memory, rounded up to whole sectors with zeroes.
    #[must_use]
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        bytes.resize(bytes.len().next_multiple_of(SECTOR_BYTES), 0);
        Self::new(Box::new(Bytes(bytes)))
    }

    /// How many sectors were written.
    #[must_use]
    pub fn written_sectors(&self) -> usize {
        self.written.len()
    }
}

impl Storage for Overlay {
    fn len_sectors(&self) -> u64 {
        self.below.len_sectors()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        match self.written.get(&lba) {
            Some(sector) => {
                out.copy_from_slice(&sector[..]);
                Ok(())
            }
            None => self.below.read(lba, out),
        }
    }

    fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        if lba >= self.len_sectors() {
            return Err(StorageError::OutOfRange(lba));
        }
        self.written.insert(lba, Box::new(*data));
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        let all = self.written.iter();
        let sectors: Vec<SavedSector> =
            all.map(|(lba, s)| SavedSector { lba: *lba, bytes: s.to_vec() }).collect();
        crate::wire::save(&sectors)
    }

    fn restore(&mut self, saved: &[u8]) -> bool {
        let Ok(sectors) = crate::wire::restore::<Vec<SavedSector>>("overlay", saved) else {
            return false;
        };
        let mut written = BTreeMap::new();
        for SavedSector { lba, bytes } in sectors {
            let Ok(sector) = Sector::try_from(&bytes[..]) else {
                return false;
            };
            if lba >= self.len_sectors() {
                return false;
            }
            written.insert(lba, Box::new(sector));
        }
        self.written = written;
        true
    }
}

/// Bytes in memory, read-only.
struct Bytes(Vec<u8>);

impl Storage for Bytes {
    fn len_sectors(&self) -> u64 {
        (self.0.len() / SECTOR_BYTES) as u64
    }

    fn read_only(&self) -> bool {
        true
    }

    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        let from = usize::try_from(lba).ok().and_then(|l| l.checked_mul(SECTOR_BYTES));
        let sector = from.and_then(|from| self.0.get(from..from.checked_add(SECTOR_BYTES)?));
        out.copy_from_slice(sector.ok_or(StorageError::OutOfRange(lba))?);
        Ok(())
    }

    fn write(&mut self, _lba: u64, _data: &Sector) -> Result<(), StorageError> {
        Err(StorageError::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_stay_in_the_overlay_and_come_back_from_its_state() {
        let mut disk = Overlay::from_bytes(vec![7; 1000]);
        assert_eq!(disk.len_sectors(), 2);
        disk.write(1, &[9; SECTOR_BYTES]).unwrap();
        let saved = disk.save();
        let mut other = Overlay::from_bytes(vec![7; 1000]);
        assert!(other.restore(&saved));
        let mut sector = [0; SECTOR_BYTES];
        other.read(1, &mut sector).unwrap();
        assert_eq!(sector, [9; SECTOR_BYTES]);
        other.read(0, &mut sector).unwrap();
        assert_eq!(sector, [7; SECTOR_BYTES]);
    }

    #[test]
    fn sectors_past_the_end_are_errors() {
        let mut disk = Overlay::from_bytes(vec![0; 512]);
        assert_eq!(disk.write(1, &[0; SECTOR_BYTES]), Err(StorageError::OutOfRange(1)));
        assert_eq!(disk.read(u64::MAX, &mut [0; 512]), Err(StorageError::OutOfRange(u64::MAX)));
    }

    #[test]
    fn damaged_state_changes_nothing() {
        let mut disk = Overlay::from_bytes(vec![0; 512]);
        disk.write(0, &[5; SECTOR_BYTES]).unwrap();
        assert!(!disk.restore(&[200, 1, 2]));
        assert_eq!(disk.written_sectors(), 1);
    }
}
