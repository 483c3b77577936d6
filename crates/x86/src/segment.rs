//! Selectors, descriptors and the hidden parts of segment registers (SDM 3A 3.4, 3.5, 5.2).

use serde::{Deserialize, Serialize};

/// The segment registers, in their encoding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum SegReg {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
}

impl SegReg {
    /// All six, in encoding order.
    pub const ALL: [SegReg; 6] =
        [SegReg::Es, SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs];

    /// The register with encoding `n`, 0..=5.
    #[must_use]
    pub fn from_encoding(n: u8) -> Option<Self> {
        Self::ALL.get(usize::from(n)).copied()
    }

    /// The name, upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["ES", "CS", "SS", "DS", "FS", "GS"][self as usize]
    }
}

/// A segment selector: index, table indicator, requested privilege level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(pub u16);

impl Selector {
    /// RPL, 0..=3.
    #[must_use]
    #[inline]
    pub const fn rpl(self) -> u8 {
        (self.0 & 3) as u8
    }
    /// True where it names a descriptor of the LDT.
    #[must_use]
    #[inline]
    pub const fn is_local(self) -> bool {
        self.0 & 4 != 0
    }
    /// Byte offset of the descriptor in its table.
    #[must_use]
    #[inline]
    pub const fn offset(self) -> u32 {
        (self.0 & !7) as u32
    }
    /// True for the null selectors 0..=3.
    #[must_use]
    #[inline]
    pub const fn is_null(self) -> bool {
        self.0 & !3 == 0
    }
    /// The selector part of an error code: index and TI.
    #[must_use]
    #[inline]
    pub const fn error(self) -> u16 {
        self.0 & !3
    }
    /// The same with another RPL.
    #[must_use]
    #[inline]
    pub const fn with_rpl(self, rpl: u8) -> Self {
        Self(self.0 & !3 | rpl as u16)
    }
}

/// Bits of the attribute word: descriptor bits 40..56, limit bits masked out
/// (so bits 0..8 are the access byte, bits 12..16 AVL, L, D/B, G).
pub mod attr {
    /// Accessed (code and data).
    pub const ACCESSED: u16 = 1 << 0;
    /// Data: writable. Code: readable.
    pub const RW: u16 = 1 << 1;
    /// Data: expand-down. Code: conforming.
    pub const EC: u16 = 1 << 2;
    /// Code rather than data.
    pub const CODE: u16 = 1 << 3;
    /// Code or data rather than system.
    pub const S: u16 = 1 << 4;
    /// Present.
    pub const P: u16 = 1 << 7;
    /// Available to software.
    pub const AVL: u16 = 1 << 12;
    /// 64-bit code.
    pub const L: u16 = 1 << 13;
    /// D for code, B for data: 32-bit.
    pub const DB: u16 = 1 << 14;
    /// The limit counts pages.
    pub const G: u16 = 1 << 15;
}

/// System-segment and gate types (SDM 3A table 3-2).
pub mod system_type {
    /// Available 16-bit TSS.
    pub const TSS16: u8 = 1;
    /// LDT.
    pub const LDT: u8 = 2;
    /// Busy 16-bit TSS.
    pub const TSS16_BUSY: u8 = 3;
    /// 16-bit call gate.
    pub const CALL_GATE16: u8 = 4;
    /// Task gate.
    pub const TASK_GATE: u8 = 5;
    /// 16-bit interrupt gate.
    pub const INT_GATE16: u8 = 6;
    /// 16-bit trap gate.
    pub const TRAP_GATE16: u8 = 7;
    /// Available 32-bit TSS.
    pub const TSS32: u8 = 9;
    /// Busy 32-bit TSS.
    pub const TSS32_BUSY: u8 = 11;
    /// 32-bit call gate.
    pub const CALL_GATE32: u8 = 12;
    /// 32-bit interrupt gate.
    pub const INT_GATE32: u8 = 14;
    /// 32-bit trap gate.
    pub const TRAP_GATE32: u8 = 15;
}

/// The eight bytes of a descriptor or gate, as they lie in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Descriptor(pub u64);

impl Descriptor {
    /// The attribute word (see [`attr`]).
    #[must_use]
    #[inline]
    pub const fn attrs(self) -> u16 {
        (self.0 >> 40) as u16 & 0xF0FF
    }
    /// True where all bits of `mask` are set in the attribute word.
    #[must_use]
    #[inline]
    pub const fn has(self, mask: u16) -> bool {
        self.attrs() & mask == mask
    }
    /// Segment base.
    #[must_use]
    #[inline]
    pub const fn base(self) -> u32 {
        (self.0 >> 16 & 0xFF_FFFF) as u32 | (self.0 >> 56 << 24) as u32
    }
    /// Segment limit in bytes, granularity applied: the last valid offset.
    #[must_use]
    #[inline]
    pub const fn limit(self) -> u32 {
        let raw = (self.0 & 0xFFFF) as u32 | (self.0 >> 32 & 0xF_0000) as u32;
        if self.has(attr::G) { raw << 12 | 0xFFF } else { raw }
    }
    /// DPL, 0..=3.
    #[must_use]
    #[inline]
    pub const fn dpl(self) -> u8 {
        (self.0 >> 45 & 3) as u8
    }
    /// Present.
    #[must_use]
    #[inline]
    pub const fn present(self) -> bool {
        self.has(attr::P)
    }
    /// Code or data, not a system descriptor.
    #[must_use]
    #[inline]
    pub const fn is_code_or_data(self) -> bool {
        self.has(attr::S)
    }
    /// A code segment.
    #[must_use]
    #[inline]
    pub const fn is_code(self) -> bool {
        self.has(attr::S | attr::CODE)
    }
    /// A data segment.
    #[must_use]
    #[inline]
    pub const fn is_data(self) -> bool {
        self.has(attr::S) && !self.has(attr::CODE)
    }
    /// A conforming code segment.
    #[must_use]
    #[inline]
    pub const fn is_conforming(self) -> bool {
        self.has(attr::S | attr::CODE | attr::EC)
    }
    /// A data segment that may be written.
    #[must_use]
    #[inline]
    pub const fn is_writable(self) -> bool {
        self.is_data() && self.has(attr::RW)
    }
    /// A segment that may be read: all data, readable code.
    #[must_use]
    #[inline]
    pub const fn is_readable(self) -> bool {
        self.is_data() || (self.is_code() && self.has(attr::RW))
    }
    /// The system type, 0..=15, or `None` for code and data (see [`system_type`]).
    #[must_use]
    #[inline]
    pub const fn system(self) -> Option<u8> {
        if self.is_code_or_data() { None } else { Some((self.0 >> 40 & 15) as u8) }
    }
    /// Gate: target selector.
    #[must_use]
    #[inline]
    pub const fn gate_selector(self) -> Selector {
        Selector((self.0 >> 16) as u16)
    }
    /// Gate: target offset, all 32 bits; a 16-bit gate uses the low half.
    #[must_use]
    #[inline]
    pub const fn gate_offset(self) -> u32 {
        (self.0 & 0xFFFF) as u32 | (self.0 >> 32 & 0xFFFF_0000) as u32
    }
    /// Call gate: number of parameters, 0..=31.
    #[must_use]
    pub const fn gate_count(self) -> u8 {
        (self.0 >> 32 & 31) as u8
    }
}

/// What the processor keeps of a loaded segment: selector and hidden part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(C)]
pub struct Segment {
    /// First byte, linear.
    pub base: u64,
    /// The limit as the descriptor says it, granularity applied.
    pub limit: u32,
    /// Attribute word (see [`attr`]). Zero after a null selector was loaded.
    pub attrs: u16,
    /// The visible part.
    pub selector: Selector,
}

impl Segment {
    /// A segment as real mode makes it: base = selector * 16, 64 KiB, writable data.
    #[must_use]
    pub const fn real(selector: u16) -> Self {
        let attrs = attr::P | attr::S | attr::RW | attr::ACCESSED;
        Self { base: (selector as u64) << 4, limit: 0xFFFF, attrs, selector: Selector(selector) }
    }

    /// The hidden part from a descriptor.
    #[must_use]
    #[inline]
    pub const fn from_descriptor(selector: Selector, d: Descriptor) -> Self {
        Self { base: d.base() as u64, limit: d.limit(), attrs: d.attrs(), selector }
    }

    /// A null selector: unusable until loaded again.
    #[must_use]
    #[inline]
    pub const fn null(selector: Selector) -> Self {
        Self { base: 0, limit: 0, attrs: 0, selector }
    }

    /// True where all bits of `mask` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(&self, mask: u16) -> bool {
        self.attrs & mask == mask
    }

    /// Loaded with something that may be used.
    #[must_use]
    #[inline(always)]
    pub const fn is_usable(&self) -> bool {
        self.has(attr::P)
    }

    /// DPL of the descriptor, 0..=3.
    #[must_use]
    #[inline]
    pub const fn dpl(&self) -> u8 {
        (self.attrs >> 5 & 3) as u8
    }

    /// A 32-bit segment (D or B set).
    #[must_use]
    #[inline(always)]
    pub const fn is_32bit(&self) -> bool {
        self.has(attr::DB)
    }

    /// True where reads are allowed: data, or readable code.
    #[must_use]
    #[inline(always)]
    pub const fn is_readable(&self) -> bool {
        self.has(attr::P) && (self.attrs & attr::CODE == 0 || self.has(attr::RW))
    }

    /// True where writes are allowed: writable data.
    #[must_use]
    #[inline(always)]
    pub const fn is_writable(&self) -> bool {
        self.has(attr::P | attr::RW) && self.attrs & attr::CODE == 0
    }

    /// A data segment that expands down.
    #[must_use]
    #[inline]
    pub const fn is_expand_down(&self) -> bool {
        self.has(attr::S | attr::EC) && self.attrs & attr::CODE == 0
    }

    /// The valid offsets, both ends included; `None` where there are none (an expand-down
    /// segment whose limit is its top).
    #[must_use]
    #[inline]
    pub const fn bounds(&self) -> Option<(u32, u32)> {
        if !self.is_expand_down() {
            return Some((0, self.limit));
        }
        let top = if self.is_32bit() { u32::MAX } else { 0xFFFF };
        if self.limit >= top { None } else { Some((self.limit + 1, top)) }
    }

    /// True where offset == linear address and nothing can be out of bounds.
    #[must_use]
    #[inline(always)]
    pub const fn is_flat(&self) -> bool {
        self.base == 0 && self.limit == u32::MAX && !self.is_expand_down()
    }
}

/// GDTR or IDTR: base and limit (the last valid byte's offset).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(C)]
pub struct TableReg {
    /// Linear address of the table.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_code_descriptor_fields() {
        let d = Descriptor(0x00CF_9A00_0000_FFFF);
        assert!(d.is_code() && d.present() && d.is_readable() && !d.is_conforming());
        assert_eq!((d.base(), d.limit(), d.dpl()), (0, 0xFFFF_FFFF, 0));
    }

    #[test]
    fn expand_down_bounds_lie_above_the_limit() {
        let mut s = Segment::real(0);
        s.attrs |= attr::EC;
        s.limit = 0x0FFF;
        assert_eq!(s.bounds(), Some((0x1000, 0xFFFF)));
        s.attrs |= attr::DB;
        assert_eq!(s.bounds(), Some((0x1000, 0xFFFF_FFFF)));
        s.limit = u32::MAX;
        assert_eq!(s.bounds(), None);
    }

    #[test]
    fn interrupt_gate_fields() {
        let d = Descriptor(0x1234_EE00_0008_5678);
        assert_eq!(d.system(), Some(system_type::INT_GATE32));
        assert_eq!((d.gate_selector().0, d.gate_offset(), d.dpl()), (8, 0x1234_5678, 3));
    }
}
