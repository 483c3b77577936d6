//! A host file as a medium of sectors. Only what the guest reads is read, so a disk may be
//! larger than the host's memory.
//!
//! The file is locked as long as it is open: one run may write it, or several read it, so that
//! two guests never write one disk. A write has reached the host's kernel when it returns, and
//! outlives this process; a flush returns when the host's disk has it.

use crate::args::{Drive, DriveMode};
use crate::failure::{Failure, plain};
use devices::storage::{SECTOR_BYTES, Sector, Storage, StorageError};
use machine::Medium;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file behind a drive.
#[derive(Debug)]
pub struct HostFile {
    file: File,
    len_bytes: u64,
    /// Sectors the guest sees: a short image of a diskette is one with empty sectors behind.
    sectors: u64,
    read_only: bool,
}

impl HostFile {
    /// Opens a file; `sectors` at least are seen, those past its end empty.
    fn open(path: &Path, read_only: bool, sectors: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(!read_only).open(path)?;
        lock(&file, read_only)?;
        let len_bytes = file.metadata()?.len();
        let sectors = len_bytes.div_ceil(SECTOR_BYTES as u64).max(sectors);
        Ok(Self { file, len_bytes, sectors, read_only })
    }

    fn check(&self, lba: u64) -> Result<u64, StorageError> {
        if lba < self.sectors {
            Ok(lba * SECTOR_BYTES as u64)
        } else {
            Err(StorageError::OutOfRange(lba))
        }
    }
}

/// Locks a file against other runs. Where the file system can't lock, nothing is locked.
fn lock(file: &File, read_only: bool) -> io::Result<()> {
    match if read_only { file.try_lock_shared() } else { file.try_lock() } {
        Err(TryLockError::WouldBlock) => Err(ErrorKind::ResourceBusy.into()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn host(error: &io::Error) -> StorageError {
    StorageError::Host(plain(error))
}

impl Storage for HostFile {
    fn len_sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        let at = self.check(lba)?;
        let backed = self.len_bytes.saturating_sub(at).min(SECTOR_BYTES as u64) as usize;
        self.file.read_exact_at(&mut out[..backed], at).map_err(|error| host(&error))?;
        out[backed..].fill(0);
        Ok(())
    }

    fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        let at = self.check(lba)?;
        if self.read_only {
            return Err(StorageError::ReadOnly);
        }
        self.file.write_all_at(data, at).map_err(|error| host(&error))?;
        self.len_bytes = self.len_bytes.max(at + SECTOR_BYTES as u64);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if self.read_only { Ok(()) } else { self.file.sync_data().map_err(|error| host(&error)) }
    }
}

/// Opens a drive's file as its mode asks; at least `sectors` are seen.
pub fn open(drive: &Drive, what: &str, sectors: u64) -> Result<Medium, Failure> {
    let file = host_file(drive, what, sectors)?;
    Ok(match drive.mode {
        DriveMode::Temporary => Medium::temporary(Box::new(file)),
        DriveMode::Write | DriveMode::ReadOnly => Medium::new(Box::new(file)),
    })
}

fn host_file(drive: &Drive, what: &str, sectors: u64) -> Result<HostFile, Failure> {
    let read_only = drive.mode != DriveMode::Write;
    HostFile::open(&drive.path, read_only, sectors)
        .map_err(|error| cant_open(&drive.path, what, drive.mode, &error))
}

fn cant_open(path: &Path, what: &str, mode: DriveMode, error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::ResourceBusy {
        let does = if mode == DriveMode::Write { "has it open" } else { "writes to it" };
        return Failure::image(format!(
            "{what} {}: in use: another drive or another run {does}; end that run, or give a copy",
            path.display()
        ));
    }
    let cure = match error.kind() {
        ErrorKind::NotFound => "; check the path",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if mode == DriveMode::Write => {
            "; add ,temp to keep the guest's changes in memory"
        }
        ErrorKind::IsADirectory => "; name a file in it",
        _ => "",
    };
    Failure::image(format!("{what} {}: {}{cure}", path.display(), plain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(bytes: &[u8], mode: DriveMode) -> (tempfile::NamedTempFile, HostFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let opened = host_file(&Drive { path: file.path().into(), mode }, "disk", 4).unwrap();
        (file, opened)
    }

    #[test]
    fn sectors_past_the_end_of_the_file_are_empty() {
        let (_file, mut drive) = drive(&[7; 600], DriveMode::ReadOnly);
        let mut sector = [1; SECTOR_BYTES];
        drive.read(1, &mut sector).unwrap();
        assert_eq!(sector[..88], [7; 88]);
        assert_eq!(sector[88..], [0; 424]);
        drive.read(3, &mut sector).unwrap();
        assert_eq!(sector, [0; 512]);
        assert_eq!(drive.read(4, &mut sector), Err(StorageError::OutOfRange(4)));
    }

    #[test]
    fn a_write_reaches_the_file() {
        let (file, mut drive) = drive(&[0; 1024], DriveMode::Write);
        drive.write(1, &[9; 512]).unwrap();
        drive.flush().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap()[512..], [9; 512]);
    }

    #[test]
    fn a_file_has_one_writer_or_several_readers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = |mode| host_file(&Drive { path: file.path().into(), mode }, "disk", 4);
        let writer = open(DriveMode::Write).unwrap();
        for mode in [DriveMode::Write, DriveMode::ReadOnly, DriveMode::Temporary] {
            let message = open(mode).unwrap_err().message;
            assert!(message.contains("in use") && message.contains("disk /"), "{message}");
        }
        drop(writer);
        let _readers = [DriveMode::ReadOnly, DriveMode::Temporary].map(|m| open(m).unwrap());
        assert!(open(DriveMode::Write).is_err());
    }

    #[test]
    fn a_protected_drive_refuses() {
        let (_file, mut drive) = drive(&[0; 1024], DriveMode::ReadOnly);
        assert_eq!(drive.write(0, &[9; 512]), Err(StorageError::ReadOnly));
        assert!(drive.read_only());
    }
}
