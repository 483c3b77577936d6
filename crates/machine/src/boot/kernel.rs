//! A kernel as the loaders hand it over: what goes where, and where to begin. Nothing here is
//! larger than the image, so that a header full of large numbers costs nothing.

use super::error::ImageError;
use mem::Memory;
use x86::PhysAddr;
use x86::addr::PAGE_SIZE;

/// Below this address lies RAM.
pub const LOW_END: u64 = 0xA_0000;
/// From here on RAM goes on.
pub const HIGH_START: u64 = 0x10_0000;

/// Bytes for one place in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The physical address.
    pub start: u64,
    /// What the file has for it.
    pub bytes: Vec<u8>,
    /// Bytes in memory; those the file doesn't have are zero.
    pub memory_bytes: u64,
}

impl Load {
    /// One past its last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.memory_bytes
    }

    fn write(&self, memory: &mut Memory) {
        memory.write_phys(PhysAddr(self.start), &self.bytes);
        let zeroes = [0; PAGE_SIZE as usize];
        let mut at = self.start + self.bytes.len() as u64;
        while at < self.end() {
            let len = PAGE_SIZE.min(self.end() - at);
            memory.write_phys(PhysAddr(at), &zeroes[..len as usize]);
            at += len;
        }
    }
}

/// A kernel to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its parts.
    pub loads: Vec<Load>,
    /// Where it begins, physical.
    pub entry: u32,
}

impl Kernel {
    /// Checks that the entry point lies in what is loaded.
    pub fn new(loads: Vec<Load>, entry: u32) -> Result<Self, ImageError> {
        let inside = |l: &Load| (l.start..l.end()).contains(&u64::from(entry));
        if !loads.iter().any(inside) {
            return Err(ImageError::Entry { entry });
        }
        Ok(Self { loads, entry })
    }

    /// Checks that all of it lies in RAM, which ends at `ram_end`.
    pub fn check_fits(&self, ram_end: u64) -> Result<(), ImageError> {
        for load in &self.loads {
            let in_low = load.end() <= LOW_END.min(ram_end);
            let in_high = load.start >= HIGH_START && load.end() <= ram_end;
            if !in_low && !in_high {
                return Err(ImageError::OutsideRam {
                    what: "a segment of the kernel".into(),
                    start: load.start,
                    end: load.end(),
                    ram_end,
                });
            }
        }
        let bytes = self.loads.iter().map(|l| l.memory_bytes).sum();
        if bytes > ram_end {
            return Err(ImageError::TooMuch { bytes, ram_bytes: ram_end });
        }
        Ok(())
    }

    /// Writes all of it into memory.
    pub fn write(&self, memory: &mut Memory) {
        for load in &self.loads {
            load.write(memory);
        }
    }

    /// The ranges it takes, for whoever looks for a gap.
    #[must_use]
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.loads.iter().map(|l| (l.start, l.end())).collect()
    }
}

/// The lowest gap of `len` bytes at a multiple of `align` (a power of two) between `from` and
/// `to` that touches none of `taken`.
#[must_use]
pub fn find_gap(taken: &[(u64, u64)], from: u64, to: u64, len: u64, align: u64) -> Option<u64> {
    let mut at = from.next_multiple_of(align);
    loop {
        let end = at.checked_add(len).filter(|end| *end <= to)?;
        match taken.iter().filter(|(s, e)| *s < end && at < *e).map(|(_, e)| *e).max() {
            None => return Some(at),
            Some(past) => at = past.next_multiple_of(align),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(start: u64, len: u64) -> Kernel {
        let load = Load { start, bytes: vec![1], memory_bytes: len };
        Kernel::new(vec![load], start as u32).unwrap()
    }

    #[test]
    fn a_kernel_over_the_bios_or_beyond_ram_is_refused() {
        let fits = |start, len| kernel(start, len).check_fits(0x200_0000).is_ok();
        assert!(fits(0x1000, 0x9_F000) && fits(0x10_0000, 0x1F0_0000));
        assert!(!fits(0x1000, 0x9_F001) && !fits(0xF_0000, 0x10) && !fits(0xF_FFFF, 2));
        assert!(!fits(0x10_0000, 0x1F0_0001) && !fits(0xFFFF_0000, 0xFFFF_FFFF));
    }

    #[test]
    fn segments_that_sum_to_more_than_ram_are_refused() {
        let mut k = kernel(0x10_0000, 0x80_0000);
        let again = k.loads[0].clone();
        k.loads.extend([again.clone(), again]);
        let error = k.check_fits(0x100_0000).unwrap_err();
        assert_eq!(error, ImageError::TooMuch { bytes: 0x180_0000, ram_bytes: 0x100_0000 });
    }

    #[test]
    fn what_the_file_lacks_is_zeroed() {
        let mut memory = Memory::flat(0x4000).unwrap();
        memory.write_phys(PhysAddr(0), &[0xEE; 0x4000]);
        kernel(0x1000, 0x1801).write(&mut memory);
        let mut out = [0; 4];
        memory.read_phys(PhysAddr(0x27FF), &mut out);
        assert_eq!(out, [0, 0, 0xEE, 0xEE]);
        memory.read_phys(PhysAddr(0x0FFF), &mut out);
        assert_eq!(out, [0xEE, 1, 0, 0]);
    }

    #[test]
    fn a_gap_is_found_past_what_is_taken() {
        let taken = [(0x1000, 0x2001), (0x3000, 0x4000)];
        assert_eq!(find_gap(&taken, 0, 0x10000, 0x800, 0x800), Some(0));
        assert_eq!(find_gap(&taken, 0x800, 0x10000, 0x900, 0x100), Some(0x2100));
        assert_eq!(find_gap(&taken, 0x800, 0x10000, 0x1000, 0x1000), Some(0x4000));
        assert_eq!(find_gap(&taken, 0x800, 0x4800, 0x1000, 0x1000), None);
    }
}
