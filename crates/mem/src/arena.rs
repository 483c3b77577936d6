//! The host memory behind the guest's: one memfd, mapped shared, so that a translator can map
//! single pages of it elsewhere. All `unsafe` of this crate is here.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;

/// Why guest memory can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// The host refused.
    #[error("the host can't give {size_bytes} bytes of guest memory: {source}")]
    Host {
        /// Bytes asked for.
        size_bytes: u64,
        /// The host's word.
        source: std::io::Error,
    },
}

/// Backing memory, addressed by offset from 0.
#[derive(Debug)]
pub struct Arena {
    map: MmapRaw,
    file: File,
    len: u64,
}

impl Arena {
    /// `len` bytes of zeroes. They cost host memory only when touched.
    pub fn new(len: u64) -> Result<Self, ArenaError> {
        let failed = |source| ArenaError::Host { size_bytes: len, source };
        let file = memfd().map_err(failed)?;
        file.set_len(len).map_err(failed)?;
        let size = usize::try_from(len).map_err(|e| failed(std::io::Error::other(e)))?;
        let map = MmapOptions::new().len(size).map_raw(&file).map_err(failed)?;
        Ok(Self { map, file, len })
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True for an arena without a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memfd, for mapping single pages elsewhere.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The host address of offset 0, for emitted code that holds rights to pages.
    #[must_use]
    pub fn base_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// `N` bytes at an offset; `None` where not all of them lie within the arena.
    #[inline(always)]
    #[must_use]
    pub fn get<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        if offset > self.len - N as u64 {
            return None;
        }
        // SAFETY: the range lies within the mapping (just looked at; `len` >= one page > N), which
        // lives as long as `self`, and byte arrays have no alignment or validity rule.
        Some(unsafe { self.map.as_ptr().add(offset as usize).cast::<[u8; N]>().read() })
    }

    /// Stores `N` bytes at an offset; `None` and nothing stored where not all of them lie within
    /// the arena.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, offset: u64, value: [u8; N]) -> Option<()> {
        if offset > self.len - N as u64 {
            return None;
        }
        // SAFETY: as in `get`; `&mut self` excludes other accesses through this type.
        unsafe { self.map.as_mut_ptr().add(offset as usize).cast::<[u8; N]>().write(value) }
        Some(())
    }

    /// Loads a little-endian `N`-byte value. `offset + N` must lie within the arena: an offset
    /// outside it is a broken invariant of ours and panics.
    #[inline(always)]
    #[must_use]
    pub fn load<const N: usize>(&self, offset: u64) -> [u8; N] {
        self.get(offset).expect("an offset within the arena")
    }

    /// Stores `N` bytes; the same rule for `offset`.
    #[inline(always)]
    pub fn store<const N: usize>(&mut self, offset: u64, value: [u8; N]) {
        self.put(offset, value).expect("an offset within the arena");
    }

    /// Copies bytes out. The range must lie within the arena.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        assert!(self.holds(offset, out.len()));
        // SAFETY: the range lies within the mapping, and `out` is a distinct Rust slice.
        unsafe {
            let from = self.map.as_ptr().add(offset as usize);
            std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len());
        }
    }

    /// Copies bytes in. The range must lie within the arena.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        assert!(self.holds(offset, bytes.len()));
        // SAFETY: the range lies within the mapping, and `bytes` is a distinct Rust slice.
        unsafe {
            let to = self.map.as_mut_ptr().add(offset as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// Copies within the arena as `memmove` does. Both ranges must lie within it.
    pub fn copy_within(&mut self, from: u64, to: u64, len: usize) {
        assert!(self.holds(from, len) && self.holds(to, len));
        // SAFETY: both ranges lie within the mapping; `copy` allows overlap.
        unsafe {
            let base = self.map.as_mut_ptr();
            std::ptr::copy(base.add(from as usize), base.add(to as usize), len);
        }
    }

    /// Fills a range with one byte. The range must lie within the arena.
    pub fn fill(&mut self, offset: u64, len: usize, value: u8) {
        assert!(self.holds(offset, len));
        // SAFETY: the range lies within the mapping.
        unsafe { self.map.as_mut_ptr().add(offset as usize).write_bytes(value, len) }
    }

    fn holds(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(len as u64).is_some_and(|end| end <= self.len)
    }
}

/// An anonymous file in memory; where the kernel has none, an unlinked temporary one.
fn memfd() -> std::io::Result<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: the name is a NUL-terminated literal; the call has no other requirement.
    let fd = unsafe { libc::memfd_create(c"cloister-ram".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: `fd` was just made and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_where_they_were_put() {
        let mut a = Arena::new(8192).unwrap();
        a.store(4094, 0x0403_0201_u32.to_le_bytes());
        let mut out = [0; 6];
        a.read(4093, &mut out);
        assert_eq!(out, [0, 1, 2, 3, 4, 0]);
        assert_eq!(u16::from_le_bytes(a.load(4096)), 0x0403);
        a.copy_within(4094, 4096, 4);
        assert_eq!(u32::from_le_bytes(a.load(4096)), 0x0403_0201);
    }

    #[test]
    #[should_panic = "offset"]
    fn a_range_outside_is_a_broken_invariant() {
        Arena::new(4096).unwrap().store(4095, [0; 2]);
    }
}
