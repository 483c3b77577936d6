//! Page-table entries and page-fault error codes (SDM 3A 4.3, 4.4, 4.7).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// Bits of a PDPTE, PDE or PTE. PAT and reserved bits depend on the level.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct PteFlags: u64 {
        /// P: the entry is valid.
        const PRESENT = 1 << 0;
        /// R/W: writes are allowed.
        const WRITE = 1 << 1;
        /// U/S: CPL 3 is allowed.
        const USER = 1 << 2;
        /// PWT.
        const WRITE_THROUGH = 1 << 3;
        /// PCD.
        const CACHE_DISABLE = 1 << 4;
        /// A: used for a translation.
        const ACCESSED = 1 << 5;
        /// D: the page was written.
        const DIRTY = 1 << 6;
        /// PS: this entry maps a large page.
        const LARGE = 1 << 7;
        /// G: kept when CR3 is loaded, under CR4.PGE.
        const GLOBAL = 1 << 8;
        /// XD: no execution, under EFER.NXE.
        const NO_EXECUTE = 1 << 63;
    }
}

bitflags! {
    /// The error code of #PF (SDM 3A 4.7, figure 4-12).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct PageFaultCode: u16 {
        /// The page was present: a rights violation.
        const PRESENT = 1 << 0;
        /// The access was a write.
        const WRITE = 1 << 1;
        /// The access was made in user mode.
        const USER = 1 << 2;
        /// A reserved bit was set in an entry.
        const RESERVED = 1 << 3;
        /// The access was an instruction fetch.
        const FETCH = 1 << 4;
    }
}

/// Physical address bits: MAXPHYADDR of the processors we model.
pub const PHYS_BITS: u32 = 36;
/// All physical address bits.
pub const PHYS_MASK: u64 = (1 << PHYS_BITS) - 1;

/// What an access wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum AccessKind {
    Read,
    Write,
    Fetch,
}

/// A table of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Page-directory-pointer table (PAE).
    Pdpte,
    /// Page directory.
    Pde,
    /// Page table.
    Pte,
}

impl Level {
    /// `PDPTE`, `PDE` or `PTE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Pdpte => "PDPTE",
            Level::Pde => "PDE",
            Level::Pte => "PTE",
        }
    }
}
