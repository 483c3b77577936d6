//! A page walk for the eyes: every entry on the way to an address, whatever its rights say.
//! Reads physical memory and sets no bit (SDM 3A 4.3, 4.4).

use crate::scene::Scene;
use x86::paging::{Level, PteFlags};
use x86::{Cr0, Cr4, LinAddr, PhysAddr};

/// An entry of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its table.
    pub level: Level,
    /// Its index there.
    pub index: u64,
    /// Where it lies.
    pub addr: PhysAddr,
    /// Its value.
    pub value: u64,
    /// The address it points to.
    pub points_to: PhysAddr,
}

impl Entry {
    /// `PDE[512]`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}[{}]", self.level.name(), self.index)
    }

    /// True where a flag is set.
    #[must_use]
    pub const fn has(&self, flag: PteFlags) -> bool {
        self.value & flag.bits() != 0
    }

    /// `000000000010B067  P=1 R/W=1 U/S=1`.
    #[must_use]
    pub fn describe(&self) -> String {
        let bit = |flag| u8::from(self.has(flag));
        let large = if self.is_large() { " PS=1" } else { "" };
        format!(
            "{:08X}  P={} R/W={} U/S={}{large}",
            self.value,
            bit(PteFlags::PRESENT),
            bit(PteFlags::WRITE),
            bit(PteFlags::USER)
        )
    }

    fn is_large(&self) -> bool {
        self.level == Level::Pde && self.has(PteFlags::LARGE)
    }
}

/// The entries on the way to an address, down to the first that isn't present. Empty where
/// paging is off.
#[must_use]
pub fn walk(scene: &Scene<'_>, addr: LinAddr) -> Vec<Entry> {
    if !scene.state.cr0().contains(Cr0::PG) {
        return Vec::new();
    }
    let pae = scene.state.cr4().contains(Cr4::PAE);
    let mut entries = Vec::new();
    let mut table = PhysAddr(scene.state.cr3 & 0xFFFF_F000);
    if pae {
        table = PhysAddr(scene.state.cr3 & 0xFFFF_FFE0);
        let entry = read(scene, Level::Pdpte, table, addr.0 >> 30 & 3, true);
        entries.push(entry);
        table = entry.points_to;
    }
    let (pde_shift, bits) = if pae { (21, 0x1FF) } else { (22, 0x3FF) };
    for (level, shift) in [(Level::Pde, pde_shift), (Level::Pte, 12)] {
        if entries.last().is_some_and(|e| !e.has(PteFlags::PRESENT) || ends(scene, e)) {
            break;
        }
        let entry = read(scene, level, table, addr.0 >> shift & bits, pae);
        entries.push(entry);
        table = entry.points_to;
    }
    entries
}

fn ends(scene: &Scene<'_>, e: &Entry) -> bool {
    e.is_large() && scene.state.cr4().intersects(Cr4::PSE | Cr4::PAE)
}

fn read(scene: &Scene<'_>, level: Level, table: PhysAddr, index: u64, pae: bool) -> Entry {
    let mut bytes = [0; 8];
    let size = if pae { 8 } else { 4 };
    let addr = table.plus(index * size as u64);
    scene.memory.physical(addr, &mut bytes[..size]);
    let value = u64::from_le_bytes(bytes);
    let points_to = PhysAddr(value & x86::paging::PHYS_MASK & !0xFFF);
    Entry { level, index, addr, value, points_to }
}
