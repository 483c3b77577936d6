//! The little world in which a case runs: a window of 64 KiB at a fixed linear address with some
//! pages mapped, and a fixed local descriptor table. Every engine builds the same.
//!
//! ```text
//!  offset  0000   1000   2000  3000  4000   5000  6000  7000  8000  9000 ..  F000   10000
//!          data   data   none  read  data   none  code  code  data  none     code   none
//!                               only                                              (end of window)
//! ```
//! Code pages are writable as well and executable; data pages aren't executable. Selectors name
//! descriptors that Linux lets a program install (SDM 3A 3.4.5: DPL 3, code or data, accessed), and
//! the two flat ones that it gives to every 32-bit program.
#![forbid(unsafe_code)]

use crate::rng::mix;

/// Linear address of the window.
pub const WINDOW: u32 = 0x1000_0000;
/// Length of the window in bytes.
pub const WINDOW_BYTES: u32 = 0x1_0000;
/// Bytes in a page.
pub const PAGE: u32 = 0x1000;

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read only, not executable.
    Read,
    /// Read and write, not executable.
    Data,
    /// Read, write and execute.
    Code,
}

/// The mapped pages: number in the window, rights.
pub const PAGES: [(u32, Rights); 8] = [
    (0x0, Rights::Data),
    (0x1, Rights::Data),
    (0x3, Rights::Read),
    (0x4, Rights::Data),
    (0x6, Rights::Code),
    (0x7, Rights::Code),
    (0x8, Rights::Data),
    (0xF, Rights::Code),
];

/// The kinds of descriptor in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data, writable.
    Data,
    /// Data, not writable.
    ReadOnly,
    /// Expand-down data, writable.
    ExpandDown,
    /// Non-conforming code, readable.
    Code,
    /// Non-conforming code, not readable.
    ExecuteOnly,
}

/// A descriptor, as `modify_ldt` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Linear base.
    pub base: u32,
    /// The 20-bit limit field.
    pub limit_field: u32,
    /// G: the limit counts pages.
    pub pages: bool,
    /// D/B: 32-bit code, stack pointer or upper bound.
    pub big: bool,
    /// P.
    pub present: bool,
    /// Type.
    pub kind: Kind,
}

const fn segment(base: u32, limit_field: u32, big: bool, kind: Kind) -> Segment {
    Segment { base, limit_field, pages: false, big, present: true, kind }
}
const fn paged(base: u32, limit_field: u32, big: bool, kind: Kind) -> Segment {
    Segment { base, limit_field, pages: true, big, present: true, kind }
}
const fn absent(base: u32, limit_field: u32, big: bool, kind: Kind) -> Segment {
    Segment { base, limit_field, pages: false, big, present: false, kind }
}

/// The local descriptor table: entry `i` has selector `i * 8 + 7`.
pub const LDT: [Segment; 24] = [
    // Code.
    segment(WINDOW, 0xFFFF, false, Kind::Code),
    segment(WINDOW, 0xFFFF, true, Kind::Code),
    segment(WINDOW + 0x5F37, 0x1FC8, false, Kind::Code),
    segment(WINDOW + 0x5F37, 0x1F00, true, Kind::ExecuteOnly),
    paged(WINDOW, 0x1F, false, Kind::Code),
    segment(WINDOW, 0x6FFF, false, Kind::ExecuteOnly),
    segment(WINDOW, 0x67FF, true, Kind::Code),
    absent(WINDOW, 0xFFFF, true, Kind::Code),
    // Data that grows upwards.
    segment(WINDOW, 0xFFFF, false, Kind::Data),
    segment(WINDOW, 0xFFFF, true, Kind::Data),
    segment(WINDOW, 0x14FF, false, Kind::Data),
    segment(WINDOW + 0x0123, 0x0EDC, true, Kind::Data),
    segment(WINDOW, 0xFFFF, true, Kind::ReadOnly),
    paged(WINDOW, 0x4, true, Kind::Data),
    // Offsets from 2000_0000 on wrap round the end of linear space into the window.
    paged(0xF000_0000, 0xF_FFFF, true, Kind::Data),
    absent(WINDOW, 0xFFFF, true, Kind::Data),
    // Expand-down: valid from limit + 1 to FFFF or FFFF_FFFF.
    segment(WINDOW, 0x0FFF, false, Kind::ExpandDown),
    segment(WINDOW, 0x0FFF, true, Kind::ExpandDown),
    segment(WINDOW + 0x0800, 0x0080, false, Kind::ExpandDown),
    paged(WINDOW, 0x3, true, Kind::ExpandDown),
    // Stacks.
    segment(WINDOW, 0x1FFF, true, Kind::Data),
    segment(WINDOW, 0x1FFF, false, Kind::Data),
    paged(WINDOW, 0xF, false, Kind::Data),
    segment(WINDOW + 0x4000, 0x0FFF, false, Kind::Data),
];

/// Selector of the flat 32-bit code segment that Linux gives to 32-bit programs.
pub const FLAT_CODE: u16 = 0x23;
/// Selector of its flat data segment.
pub const FLAT_DATA: u16 = 0x2B;

/// The flat code segment.
pub const FLAT_CODE_SEGMENT: Segment = paged(0, 0xF_FFFF, true, Kind::Code);
/// The flat data segment.
pub const FLAT_DATA_SEGMENT: Segment = paged(0, 0xF_FFFF, true, Kind::Data);

/// Selector of an entry of [`LDT`], with RPL 3.
pub const fn ldt_selector(entry: usize) -> u16 {
    entry as u16 * 8 + 7
}

/// The descriptor that `selector` names, if it is one that cases may use.
pub fn segment_of(selector: u16) -> Option<&'static Segment> {
    match selector {
        FLAT_CODE => Some(&FLAT_CODE_SEGMENT),
        FLAT_DATA => Some(&FLAT_DATA_SEGMENT),
        _ if selector & 4 != 0 => LDT.get(usize::from(selector >> 3)),
        _ => None,
    }
}

impl Segment {
    /// The limit in bytes: the highest offset, or the highest *invalid* one if it expands down.
    pub fn limit(&self) -> u32 {
        if self.pages { self.limit_field << 12 | 0xFFF } else { self.limit_field }
    }

    /// Whether it is code.
    pub fn is_code(&self) -> bool {
        matches!(self.kind, Kind::Code | Kind::ExecuteOnly)
    }

    /// Whether SS may hold it.
    pub fn is_stack(&self) -> bool {
        self.present && matches!(self.kind, Kind::Data | Kind::ExpandDown)
    }

    /// The lowest and the highest valid offset.
    pub fn bounds(&self) -> (u32, u32) {
        let top = if self.big { u32::MAX } else { 0xFFFF };
        match self.kind {
            Kind::ExpandDown => (self.limit().wrapping_add(1), top),
            _ => (0, self.limit()),
        }
    }

    /// Whether `size` bytes (at least one) at `offset` are within bounds.
    pub fn holds(&self, offset: u32, size: u32) -> bool {
        let (low, high) = self.bounds();
        offset >= low && offset.checked_add(size - 1).is_some_and(|last| last <= high)
    }

    /// The 8 bytes of the descriptor (SDM 3A 3.4.5), accessed, DPL 3.
    pub fn descriptor(&self) -> u64 {
        let kind: u64 = match self.kind {
            Kind::ReadOnly => 0x1,
            Kind::Data => 0x3,
            Kind::ExpandDown => 0x7,
            Kind::ExecuteOnly => 0x9,
            Kind::Code => 0xB,
        };
        let access = kind | 0x70 | u64::from(self.present) << 7;
        let (base, limit) = (u64::from(self.base), u64::from(self.limit_field));
        (limit & 0xFFFF)
            | (base & 0xFF_FFFF) << 16
            | access << 40
            | (limit >> 16) << 48
            | u64::from(self.big) << 54
            | u64::from(self.pages) << 55
            | (base >> 24) << 56
    }
}

/// The rights of the page at `address`, if it is mapped.
pub fn rights_at(address: u32) -> Option<Rights> {
    let page = address.wrapping_sub(WINDOW) / PAGE;
    PAGES.iter().find(|(number, _)| *number == page).map(|(_, rights)| *rights)
}

/// The byte at `address` before any patch.
pub fn background(address: u32) -> u8 {
    (mix(u64::from(address / 8) ^ 0x5EED) >> (address % 8 * 8)) as u8
}

/// One mapped page's bytes before any patch.
pub fn background_page(number: u32) -> Vec<u8> {
    let start = WINDOW + number * PAGE;
    (start..start + PAGE).map(background).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_code_descriptor_is_the_wellknown_one() {
        assert_eq!(FLAT_CODE_SEGMENT.descriptor(), 0x00CF_FB00_0000_FFFF);
        assert_eq!(FLAT_DATA_SEGMENT.descriptor(), 0x00CF_F300_0000_FFFF);
    }

    #[test]
    fn expand_down_bounds_start_above_the_limit() {
        let segment = LDT[16];
        assert_eq!(segment.bounds(), (0x1000, 0xFFFF));
        assert!(!segment.holds(0xFFF, 1));
        assert!(segment.holds(0xFFFE, 2));
        assert!(!segment.holds(0xFFFF, 2));
    }

    #[test]
    fn the_page_between_data_and_read_only_is_unmapped() {
        assert_eq!(rights_at(WINDOW + 0x1FFF), Some(Rights::Data));
        assert_eq!(rights_at(WINDOW + 0x2000), None);
        assert_eq!(rights_at(WINDOW + 0x3000), Some(Rights::Read));
        assert_eq!(rights_at(WINDOW - 1), None);
    }
}
