//! Diskettes and disks as a configuration holds them: shared, so that the twin of a lockstep
//! run reads the same sectors. What may be written is decided here, once.

use crate::boot::detect;
use crate::error::MachineError;
use devices::storage::{Overlay, SECTOR_BYTES, Sector, Storage, StorageError};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A medium to be put into a drive.
#[derive(Clone)]
pub struct Medium {
    below: Arc<Mutex<Box<dyn Storage>>>,
    /// Writes stay in memory and end with the machine.
    pub temporary: bool,
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium").field("temporary", &self.temporary).finish_non_exhaustive()
    }
}

impl Medium {
    /// A medium that the host provides, and that is written unless it says it's read-only.
    #[must_use]
    pub fn new(storage: Box<dyn Storage>) -> Self {
        Self { below: Arc::new(Mutex::new(storage)), temporary: false }
    }

    /// The same, but writes stay in memory.
    #[must_use]
    pub fn temporary(storage: Box<dyn Storage>) -> Self {
        Self { temporary: true, ..Self::new(storage) }
    }

    /// A diskette from an image, padded with zeroes to the next size that a drive knows.
    pub fn floppy(image: Arc<[u8]>) -> Result<Self, MachineError> {
        let len = image.len() as u64;
        let size = detect::floppy_size(len);
        if size < len {
            return Err(MachineError::FloppySize { len, most: size });
        }
        Ok(Self::temporary(Box::new(Image { bytes: image, sectors: size / SECTOR_BYTES as u64 })))
    }

    /// A disk from an image, padded with zeroes to whole sectors.
    #[must_use]
    pub fn disk(image: Arc<[u8]>) -> Self {
        let sectors = image.len().div_ceil(SECTOR_BYTES) as u64;
        Self::temporary(Box::new(Image { bytes: image, sectors }))
    }

    /// Sectors in all.
    #[must_use]
    pub fn len_sectors(&self) -> u64 {
        lock(&self.below).len_sectors()
    }

    /// The medium as a machine's drives see it: what one of them writes, the others read.
    pub(crate) fn open(&self) -> Shared {
        let shared = Shared(Arc::clone(&self.below));
        if !self.temporary {
            return shared;
        }
        Shared(Arc::new(Mutex::new(Box::new(Overlay::new(Box::new(shared))))))
    }
}

fn lock(below: &Mutex<Box<dyn Storage>>) -> MutexGuard<'_, Box<dyn Storage>> {
    below.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A medium behind a handle.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<dyn Storage>>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&lock(&self.0).len_sectors()).finish()
    }
}

impl Storage for Shared {
    fn len_sectors(&self) -> u64 {
        lock(&self.0).len_sectors()
    }

    fn read_only(&self) -> bool {
        lock(&self.0).read_only()
    }

    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        lock(&self.0).read(lba, out)
    }

    fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        lock(&self.0).write(lba, data)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        lock(&self.0).flush()
    }

    fn save(&self) -> Vec<u8> {
        lock(&self.0).save()
    }

    fn restore(&mut self, saved: &[u8]) -> bool {
        lock(&self.0).restore(saved)
    }
}

/// An image in memory, never written; zeroes follow it up to its last sector.
struct Image {
    bytes: Arc<[u8]>,
    sectors: u64,
}

impl Storage for Image {
    fn len_sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        true
    }

    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        if lba >= self.sectors {
            return Err(StorageError::OutOfRange(lba));
        }
        let from = (lba as usize).saturating_mul(SECTOR_BYTES).min(self.bytes.len());
        let bytes = &self.bytes[from..(from + SECTOR_BYTES).min(self.bytes.len())];
        out.fill(0);
        out[..bytes.len()].copy_from_slice(bytes);
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
    fn a_boot_sector_becomes_a_whole_diskette() {
        let medium = Medium::floppy(vec![9; 700].into()).unwrap();
        let mut drive = medium.open();
        let mut sector = [1; SECTOR_BYTES];
        drive.read(1, &mut sector).unwrap();
        assert_eq!((sector[187], sector[188], drive.len_sectors()), (9, 0, 2880));
        drive.read(2879, &mut sector).unwrap();
        assert_eq!(drive.read(2880, &mut sector), Err(StorageError::OutOfRange(2880)));
    }

    #[test]
    fn a_written_image_is_written_in_one_machine_only() {
        let medium = Medium::disk(vec![0; 512].into());
        let (mut one, mut other) = (medium.open(), medium.open());
        one.write(0, &[5; SECTOR_BYTES]).unwrap();
        let mut sector = [1; SECTOR_BYTES];
        other.read(0, &mut sector).unwrap();
        assert_eq!(sector, [0; SECTOR_BYTES]);
    }

    #[test]
    fn an_image_too_large_for_a_diskette_is_refused() {
        let error = Medium::floppy(vec![0; 3 << 20].into()).unwrap_err();
        assert!(error.to_string().contains("use it as a disk"), "{error}");
    }
}
