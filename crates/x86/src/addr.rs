//! Address types that can't be mixed up: a linear address is translated by paging into a
//! physical one (SDM 3A 3.1). Both are 64 bits wide, so that long mode needs no other type.

use serde::{Deserialize, Serialize};

/// Size of a small page, bytes.
pub const PAGE_SIZE: u64 = 4096;
/// The offset bits of a small page.
pub const PAGE_MASK: u64 = PAGE_SIZE - 1;

/// A linear address: the output of segmentation, the input of paging.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LinAddr(pub u64);

/// A physical address: what goes out to the memory map.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PhysAddr(pub u64);

macro_rules! address {
    ($type:ident) => {
        impl $type {
            /// The address of the page that holds this one.
            #[must_use]
            pub const fn page(self) -> Self {
                Self(self.0 & !PAGE_MASK)
            }

            /// The number of that page.
            #[must_use]
            pub const fn page_number(self) -> u64 {
                self.0 / PAGE_SIZE
            }

            /// The offset within the page, 0..4096.
            #[must_use]
            pub const fn offset(self) -> u64 {
                self.0 & PAGE_MASK
            }
        }

        impl std::fmt::LowerHex for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl std::fmt::UpperHex for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::UpperHex::fmt(&self.0, f)
            }
        }
    };
}

address!(LinAddr);
address!(PhysAddr);

impl LinAddr {
    /// The address `n` bytes on, wrapping at 4 GiB as 32-bit linear addresses do.
    #[must_use]
    pub const fn add32(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n) & 0xFFFF_FFFF)
    }
}

impl PhysAddr {
    /// The address `n` bytes on.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n))
    }
}
