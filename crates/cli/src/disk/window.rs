//! A part of a file, as a file: a partition.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// Bytes `start` to `start + len` of a file.
pub struct Window<'a> {
    file: &'a File,
    start: u64,
    len: u64,
    at: u64,
}

impl<'a> Window<'a> {
    /// A window on a file.
    pub fn new(file: &'a File, start: u64, len: u64) -> Self {
        Self { file, start, len, at: 0 }
    }

    fn room(&self, wanted: usize) -> usize {
        let left = self.len.saturating_sub(self.at);
        usize::try_from(left).map_or(wanted, |left| wanted.min(left))
    }
}

impl Read for Window<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = self.room(out.len());
        let count = self.file.read_at(&mut out[..room], self.start + self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len());
        let count = self.file.write_at(&bytes[..room], self.start + self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
