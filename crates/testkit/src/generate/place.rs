//! Where things lie: segments, the code, the stack, and targets for memory operands.
#![forbid(unsafe_code)]

use super::Builder;
use crate::case::{Patch, Stop, reg, sreg};
use crate::layout::{
    FLAT_CODE, FLAT_DATA, LDT, PAGE, PAGES, Rights, Segment, WINDOW, ldt_selector, rights_at,
    segment_of,
};
use iced_x86::Mnemonic;

/// Entries of the table by use.
const NARROW_CODE: [usize; 4] = [0, 2, 4, 5];
const WIDE_CODE: [usize; 3] = [1, 3, 6];
const PAGES_OF_DATA: [u32; 5] = [0x0, 0x1, 0x4, 0x8, 0xF];

impl Builder<'_> {
    pub(super) fn choose_segments(&mut self) {
        self.sel[sreg::CS] = if !self.wide {
            ldt_selector(self.rng.pick(&NARROW_CODE))
        } else if self.rng.chance(55) {
            FLAT_CODE
        } else {
            ldt_selector(self.rng.pick(&WIDE_CODE))
        };
        for segment in [sreg::ES, sreg::DS, sreg::FS, sreg::GS] {
            self.sel[segment] = self.data_selector();
        }
        self.sel[sreg::SS] = self.stack_selector();
    }

    /// A selector that DS, ES, FS or GS can hold.
    fn data_selector(&mut self) -> u16 {
        if self.wide && self.rng.chance(55) {
            return FLAT_DATA;
        }
        if self.rng.chance(2) {
            return 0;
        }
        loop {
            let entry = self.rng.below(LDT.len() as u32) as usize;
            let segment = LDT[entry];
            let readable = segment.kind != crate::layout::Kind::ExecuteOnly;
            let wanted = !segment.is_code() || self.rng.chance(20);
            if segment.present && readable && wanted {
                return ldt_selector(entry);
            }
        }
    }

    fn stack_selector(&mut self) -> u16 {
        if self.wide && self.rng.chance(55) {
            return FLAT_DATA;
        }
        loop {
            let entry = 8 + self.rng.below(LDT.len() as u32 - 8) as usize;
            if LDT[entry].is_stack() && (entry >= 16 || self.rng.chance(40)) {
                return ldt_selector(entry);
            }
        }
    }

    /// The descriptor in a segment register.
    pub(super) fn segment(&self, register: usize) -> Option<&'static Segment> {
        segment_of(self.sel[register])
    }

    /// An offset in `segment` for an operand of `size` bytes: mostly in a data page, sometimes
    /// where something goes wrong.
    pub(super) fn target(&mut self, segment: &Segment, size: u32, wide: bool) -> u32 {
        let mask = if wide { u32::MAX } else { 0xFFFF };
        let offset = match self.rng.below(100) {
            0..=79 => return self.good_target(segment, size, mask),
            80..=87 => self.page_end(size).wrapping_sub(segment.base),
            88..=94 => {
                let (low, high) = segment.bounds();
                let edge = if self.rng.chance(25) { low } else { high };
                edge.wrapping_add(2).wrapping_sub(self.rng.below(size + 3))
            }
            95..=96 => (WINDOW + 0x3000 + self.rng.below(PAGE)).wrapping_sub(segment.base),
            97 => (WINDOW + 0x2000 + self.rng.below(PAGE)).wrapping_sub(segment.base),
            98 => (WINDOW + 0x6000 + self.rng.below(PAGE)).wrapping_sub(segment.base),
            _ => self.rng.value(),
        };
        offset & mask
    }

    fn good_target(&mut self, segment: &Segment, size: u32, mask: u32) -> u32 {
        let mut offset = 0;
        for _ in 0..16 {
            let page = self.rng.pick(&PAGES_OF_DATA);
            let within = self.rng.below(PAGE - size + 1);
            let aligned = if self.form.vector.is_some() { 88 } else { 60 };
            let align = if self.rng.chance(aligned) { !(size.next_power_of_two() - 1) } else { !0 };
            let linear = WINDOW + page * PAGE + (within & align);
            offset = linear.wrapping_sub(segment.base);
            if segment.holds(offset, size) && offset & mask == offset {
                break;
            }
        }
        offset & mask
    }

    /// A linear address at or across the end of a mapped page.
    fn page_end(&mut self, size: u32) -> u32 {
        let (page, _) = self.rng.pick(&PAGES);
        let end = if self.rng.chance(80) { page + 1 } else { page };
        let back = self.rng.below(size + 1);
        (WINDOW + end * PAGE).wrapping_sub(back)
    }

    /// Sets ESP unless something did: mostly well inside of the stack segment.
    pub(super) fn choose_stack(&mut self) {
        let Some(segment) = self.segment(sreg::SS) else { return };
        let uses_esp = self.address.is_some_and(|address| address.uses(reg::ESP));
        if uses_esp || self.stack_set {
            return;
        }
        let pointer = self.stack_target(segment);
        self.gpr[reg::ESP] = self.merge_stack(segment, pointer);
    }

    /// A new value for a stack or frame pointer.
    pub(super) fn stack_target(&mut self, segment: &Segment) -> u32 {
        if self.rng.chance(12) {
            let size = self.rng.pick(&[2, 4, 8, 32]);
            self.target(segment, size, segment.big)
        } else {
            let mask = if segment.big { u32::MAX } else { 0xFFFF };
            let room = 0x100;
            let offset = self.good_target(segment, room, mask).wrapping_add(room / 2);
            if self.rng.chance(85) { offset & !3 } else { offset }
        }
    }

    /// A stack pointer of the segment's width over random upper bits.
    pub(super) fn merge_stack(&mut self, segment: &Segment, pointer: u32) -> u32 {
        if segment.big { pointer } else { self.rng.next_u32() << 16 | pointer & 0xFFFF }
    }

    /// Finds a place for the code; None if it can't lie where chance put it.
    pub(super) fn place_code(&mut self, length: usize) -> Option<()> {
        let segment = self.segment(sreg::CS)?;
        let length = length as u32;
        let plain = matches!(self.stop, Stop::Planted | Stop::Shadow);
        let choice = if plain { 0 } else { self.rng.below(100) };
        let middle = WINDOW + 0x6100 + self.rng.below(0x600);
        let linear = match choice {
            0..=87 => middle,
            88..=91 => WINDOW + 0x7000 - self.rng.below(length) - 1,
            92..=94 => WINDOW + 0x8000 - self.rng.below(length + 1) - 1,
            95 => WINDOW + 0x1_0000 - self.rng.below(length + 1) - 1,
            _ => {
                segment.base.wrapping_add(segment.limit().wrapping_sub(self.rng.below(length + 1)))
            }
        };
        let offset = linear.wrapping_sub(segment.base);
        let last = offset.wrapping_add(length - 1);
        let unstable = self.is_conditional_branch() && last == segment.limit();
        let code_page = rights_at(linear) == Some(Rights::Code);
        let good = segment.holds(offset, 1) && code_page && !unstable;
        self.eip = if good { offset } else { middle.wrapping_sub(segment.base) };
        segment.holds(self.eip, 1).then_some(())
    }

    /// A taken conditional branch whose last byte is the segment's last raises #GP on the processor
    /// of the fixtures *sometimes* (Zen 5: when it was predicted not taken), so none is generated.
    fn is_conditional_branch(&self) -> bool {
        let rest = matches!(self.form.opcode, 0xE0..=0xE3 | 0x70..=0x7F) && !self.form.two_bytes;
        rest || (self.form.two_bytes && matches!(self.form.opcode, 0x80..=0x8F))
    }

    /// Puts bytes at an offset of a segment, where it is mapped for writing.
    pub(super) fn poke(&mut self, segment: &Segment, offset: u32, bytes: &[u8]) {
        let address = segment.base.wrapping_add(offset);
        let writable = |at: u32| matches!(rights_at(at), Some(Rights::Data | Rights::Code));
        let last = address.wrapping_add(bytes.len() as u32 - 1);
        if writable(address) && writable(last) && segment.holds(offset, bytes.len() as u32) {
            self.patches.push(Patch { address, bytes: bytes.to_vec() });
        }
    }

    /// An offset for EIP: mostly inside of the code segment.
    pub(super) fn branch_target(&mut self) -> u32 {
        let limit = self.segment(sreg::CS).map_or(u32::MAX, Segment::limit);
        match self.rng.below(10) {
            0..=6 if limit == u32::MAX => self.rng.next_u32(),
            0..=6 => self.rng.below(limit),
            7 => limit.wrapping_add(2).wrapping_sub(self.rng.below(4)),
            _ => self.rng.value(),
        }
    }

    /// A selector for an instruction that loads or inspects one: good ones, bad ones, none of them
    /// naming what differs from kernel to kernel.
    pub(super) fn selector(&mut self, code: bool) -> u16 {
        let entry = if code && self.rng.chance(70) {
            self.rng.below(8)
        } else {
            self.rng.below(LDT.len() as u32)
        };
        match self.rng.below(20) {
            0..=12 => ldt_selector(entry as usize),
            13 => ldt_selector(entry as usize) & !3 | self.rng.below(4) as u16,
            14 => FLAT_CODE & !3 | self.rng.below(4) as u16,
            15 => FLAT_DATA & !3 | self.rng.below(4) as u16,
            16 => self.rng.below(4) as u16,
            17 => ldt_selector(LDT.len() + self.rng.below(4000) as usize),
            // The kernel's own code and data, DPL 0.
            18 => self.rng.pick(&[0x08, 0x0B, 0x10, 0x13, 0x18, 0x1B]),
            _ => 0x1000 + self.rng.below(0xE00) as u16 * 8 + 3,
        }
    }

    /// Whether the instruction pops or pushes a frame that `special` fills.
    pub(super) fn is_far_return(&self) -> bool {
        matches!(self.mnemonic(), Mnemonic::Retf | Mnemonic::Iret | Mnemonic::Iretd)
    }
}
