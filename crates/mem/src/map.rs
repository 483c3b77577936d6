//! The physical map: which addresses are RAM, ROM, device memory, registers of a device, or
//! nothing. Regions move (BARs, PAM, option ROMs) but never overlap.

use serde::{Deserialize, Serialize};
use x86::PhysAddr;
use x86::addr::PAGE_MASK;

/// A device's register block, by the number the bus gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MmioId(pub u16);

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// RAM; reads and writes go to the arena.
    Ram,
    /// ROM; writes are ignored.
    Rom,
    /// Device memory (VRAM): like RAM, but the device looks at it.
    DeviceRam,
    /// Registers: every access is a call.
    Mmio(MmioId),
}

/// A region of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// What it's called in messages.
    pub name: String,
    /// First address, page-aligned.
    pub start: PhysAddr,
    /// Bytes, whole pages.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
    /// Where its first byte lies in the arena; for MMIO, the offset under which the device sees
    /// it, so that a device with ports too can tell its registers apart.
    pub arena_offset: u64,
}

/// Where a physical address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Backed by the arena at this offset.
    Memory {
        /// Offset in the arena.
        offset: u64,
        /// False for ROM.
        writable: bool,
    },
    /// Registers of a device.
    Mmio {
        /// Whose.
        id: MmioId,
        /// Offset from the start of its block, on top of the region's own.
        offset: u64,
    },
    /// Nobody: reads give all ones, writes vanish.
    Unmapped,
}

/// Why a region can't be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MapError {
    /// Two regions at one address.
    #[error("{new} at {start:#x} (+{len:#x}) overlaps {old}")]
    Overlap {
        /// The new region.
        new: String,
        /// The one already there.
        old: String,
        /// Where the new one starts.
        start: u64,
        /// Its length.
        len: u64,
    },
    /// Not whole pages.
    #[error("{0} isn't made of whole 4 KiB pages")]
    Unaligned(String),
}

/// All regions, in order of address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysMap {
    regions: Vec<Region>,
}

impl PhysMap {
    /// Adds a region.
    pub fn add(&mut self, region: Region) -> Result<(), MapError> {
        if (region.start.0 | region.len | region.arena_offset) & PAGE_MASK != 0 || region.len == 0 {
            return Err(MapError::Unaligned(region.name));
        }
        let end = region.start.0.saturating_add(region.len);
        let clash = self
            .regions
            .iter()
            .find(|r| r.start.0 < end && region.start.0 < r.start.0.saturating_add(r.len));
        if let Some(old) = clash {
            return Err(MapError::Overlap {
                old: old.name.clone(),
                start: region.start.0,
                len: region.len,
                new: region.name,
            });
        }
        let at = self.regions.partition_point(|r| r.start < region.start);
        self.regions.insert(at, region);
        Ok(())
    }

    /// Removes the region called `name`; false if there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.regions.len();
        self.regions.retain(|r| r.name != name);
        self.regions.len() != before
    }

    /// All regions, in order of address.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Where an address leads.
    #[must_use]
    pub fn resolve(&self, addr: PhysAddr) -> Target {
        let after = self.regions.partition_point(|r| r.start <= addr);
        let Some(region) = after.checked_sub(1).and_then(|i| self.regions.get(i)) else {
            return Target::Unmapped;
        };
        let offset = addr.0 - region.start.0;
        if offset >= region.len {
            return Target::Unmapped;
        }
        match region.kind {
            Kind::Mmio(id) => Target::Mmio { id, offset: region.arena_offset + offset },
            Kind::Rom => Target::Memory { offset: region.arena_offset + offset, writable: false },
            Kind::Ram | Kind::DeviceRam => {
                Target::Memory { offset: region.arena_offset + offset, writable: true }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str, start: u64, len: u64) -> Region {
        Region { name: name.into(), start: PhysAddr(start), len, kind: Kind::Ram, arena_offset: 0 }
    }

    #[test]
    fn overlap_names_both() {
        let mut map = PhysMap::default();
        map.add(region("ram", 0, 0x3000)).unwrap();
        let error = map.add(region("vga", 0x2000, 0x1000)).unwrap_err();
        assert_eq!(error.to_string(), "vga at 0x2000 (+0x1000) overlaps ram");
    }

    #[test]
    fn registers_are_seen_under_the_offset_of_their_region() {
        let mut map = PhysMap::default();
        let id = MmioId(7);
        map.add(Region {
            kind: Kind::Mmio(id),
            arena_offset: 0xA0000,
            ..region("r", 0x1000, 0x1000)
        })
        .unwrap();
        assert_eq!(map.resolve(PhysAddr(0x1004)), Target::Mmio { id, offset: 0xA0004 });
    }

    #[test]
    fn resolve_finds_the_region_or_nothing() {
        let mut map = PhysMap::default();
        map.add(region("high", 0x5000, 0x1000)).unwrap();
        map.add(region("low", 0, 0x1000)).unwrap();
        let at = |a| map.resolve(PhysAddr(a));
        assert_eq!(at(0x5010), Target::Memory { offset: 0x10, writable: true });
        assert_eq!(
            (at(0x1000), at(0x4FFF), at(0x6000)),
            (Target::Unmapped, Target::Unmapped, Target::Unmapped)
        );
    }
}
