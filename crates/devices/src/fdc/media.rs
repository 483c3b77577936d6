//! Diskettes: their formats by size, and the drives that hold them.

use crate::storage::{Sector, Storage, StorageError};
use serde::{Deserialize, Serialize};

/// How a diskette is laid out: 512-byte sectors numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Cylinders.
    pub cylinders: u8,
    /// Heads.
    pub heads: u8,
    /// Sectors a track.
    pub sectors: u8,
}

/// The formats a PC knows, smallest first, with the type CMOS gives their drive.
const FORMATS: [(Geometry, u8); 9] = [
    (Geometry { cylinders: 40, heads: 1, sectors: 8 }, 1),
    (Geometry { cylinders: 40, heads: 1, sectors: 9 }, 1),
    (Geometry { cylinders: 40, heads: 2, sectors: 8 }, 1),
    (Geometry { cylinders: 40, heads: 2, sectors: 9 }, 1),
    (Geometry { cylinders: 80, heads: 2, sectors: 9 }, 3),
    (Geometry { cylinders: 80, heads: 2, sectors: 15 }, 2),
    (Geometry { cylinders: 80, heads: 2, sectors: 18 }, 4),
    (Geometry { cylinders: 80, heads: 2, sectors: 21 }, 4),
    (Geometry { cylinders: 80, heads: 2, sectors: 36 }, 5),
];

impl Geometry {
    /// 1.44M.
    pub const HD: Self = Self { cylinders: 80, heads: 2, sectors: 18 };

    /// Sectors in all.
    #[must_use]
    pub fn len_sectors(self) -> u64 {
        u64::from(self.cylinders) * u64::from(self.heads) * u64::from(self.sectors)
    }

    /// The format of a medium: the one of exactly that size, else 1.44M if that holds it, else
    /// 2.88M; `None` for anything larger.
    #[must_use]
    pub fn of(len_sectors: u64) -> Option<Self> {
        let exact = FORMATS.iter().map(|(g, _)| *g).find(|g| g.len_sectors() == len_sectors);
        let larger = [Self::HD, Self { sectors: 36, ..Self::HD }];
        exact.or_else(|| larger.into_iter().find(|g| g.len_sectors() >= len_sectors))
    }

    /// The type that CMOS register 10h gives a drive for this format.
    #[must_use]
    pub fn cmos_type(self) -> u8 {
        FORMATS.iter().find(|(g, _)| *g == self).map_or(4, |(_, kind)| *kind)
    }

    /// True where the bits come at a data rate, as bits 1-0 of DSR and CCR name it: 500 kbit/s
    /// (0) for high density, 250 (2) for double, or 300 (1) in a drive that turns faster, and
    /// 1 Mbit/s (3) for extra density.
    #[must_use]
    pub fn has_rate(self, rate: u8) -> bool {
        match self.sectors {
            ..=9 => matches!(rate, 1 | 2),
            10..=21 => rate == 0,
            _ => rate == 3,
        }
    }

    /// The sector's number on the medium; `None` where there is no such sector.
    #[must_use]
    pub fn lba(self, cylinder: u8, head: u8, sector: u8) -> Option<u64> {
        let exists =
            cylinder < self.cylinders && head < self.heads && (1..=self.sectors).contains(&sector);
        let track = u64::from(cylinder) * u64::from(self.heads) + u64::from(head);
        exists.then(|| track * u64::from(self.sectors) + u64::from(sector) - 1)
    }
}

/// As far as a head goes.
const LAST_CYLINDER: u8 = 85;

/// A drive and the diskette in it.
pub(super) struct Drive {
    medium: Option<(Box<dyn Storage>, Geometry)>,
    /// The drive is there; else nothing answers its select line.
    present: bool,
    pub(super) state: DriveState,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DriveState {
    /// Where its head is.
    pub(super) cylinder: u8,
    /// The diskette was changed and the head has not moved since.
    pub(super) changed: bool,
}

impl Drive {
    pub(super) fn new(medium: Option<Box<dyn Storage>>) -> Self {
        let mut drive = Self { medium: None, present: true, state: DriveState::default() };
        drive.insert(medium);
        drive
    }

    /// No drive.
    pub(super) fn absent() -> Self {
        Self { medium: None, present: false, state: DriveState::default() }
    }

    /// The head is over track 0, as the drive says; nobody says so where there is none.
    pub(super) fn at_track_0(&self) -> bool {
        self.present && self.state.cylinder == 0
    }

    pub(super) fn insert(&mut self, medium: Option<Box<dyn Storage>>) {
        self.medium = medium.and_then(|m| {
            let geometry = Geometry::of(m.len_sectors())?;
            Some((m, geometry))
        });
        self.present = true;
        self.state.changed = true;
    }

    pub(super) fn geometry(&self) -> Option<Geometry> {
        self.medium.as_ref().map(|(_, geometry)| *geometry)
    }

    pub(super) fn is_protected(&self) -> bool {
        self.medium.as_ref().is_some_and(|(m, _)| m.read_only())
    }

    /// Moves the head. A step with a diskette in clears the change line; where the head is
    /// already there, no step is made.
    pub(super) fn seek(&mut self, cylinder: u8) {
        let cylinder = cylinder.min(LAST_CYLINDER);
        if self.medium.is_some() && self.state.cylinder != cylinder {
            self.state.changed = false;
        }
        self.state.cylinder = cylinder;
    }

    /// Reads a sector; past the end of a short image there are zeroes.
    pub(super) fn read(&mut self, lba: u64, out: &mut Sector) -> Result<(), StorageError> {
        match &mut self.medium {
            Some((m, _)) if lba < m.len_sectors() => m.read(lba, out),
            _ => {
                out.fill(0);
                Ok(())
            }
        }
    }

    pub(super) fn write(&mut self, lba: u64, data: &Sector) -> Result<(), StorageError> {
        match &mut self.medium {
            Some((m, _)) => m.write(lba, data),
            None => Err(StorageError::OutOfRange(lba)),
        }
    }

    /// What was written reaches the host's disk.
    pub(super) fn flush(&mut self) -> Result<(), StorageError> {
        self.medium.as_mut().map_or(Ok(()), |(m, _)| m.flush())
    }

    pub(super) fn save(&self) -> (DriveState, Vec<u8>) {
        let medium = self.medium.as_ref().map_or_else(Vec::new, |(m, _)| m.save());
        (self.state.clone(), medium)
    }

    /// Restores the medium's part; false, and nothing changed, if it can't.
    pub(super) fn restore_medium(&mut self, saved: &[u8]) -> bool {
        match &mut self.medium {
            Some((m, _)) => m.restore(saved),
            None => saved.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_from_size() {
        let sectors = |kib: u64| Geometry::of(kib * 2).map(|g| (g.cylinders, g.sectors));
        assert_eq!(sectors(360), Some((40, 9)));
        assert_eq!(sectors(720), Some((80, 9)));
        assert_eq!(sectors(1200), Some((80, 15)));
        assert_eq!(sectors(1440), Some((80, 18)));
        assert_eq!(sectors(2880), Some((80, 36)));
        assert_eq!(Geometry::of(1), Some(Geometry::HD));
        assert_eq!(Geometry::of(5761), None);
    }

    #[test]
    fn sectors_count_from_one() {
        assert_eq!(Geometry::HD.lba(0, 0, 1), Some(0));
        assert_eq!(Geometry::HD.lba(1, 1, 18), Some(71));
        assert_eq!(Geometry::HD.lba(0, 0, 0), None);
        assert_eq!(Geometry::HD.lba(0, 0, 19), None);
    }
}
