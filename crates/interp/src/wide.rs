//! Operands wider than four bytes: the reals, environments and packed registers of the x87, MMX
//! and SSE units. The same checks in the same order as [`Cpu::read`] and [`Cpu::write`]: segment,
//! alignment, then every page, before a byte is touched.

use crate::cpu::Cpu;
use bus::System;
use mmu::Access;
use x86::paging::AccessKind;
use x86::{Fault, SegReg};

impl Cpu {
    /// Reads `out.len()` bytes, at most a page, at `seg:off`. `alignment`, a power of two, is
    /// what an alignment check asks for.
    pub fn read_bytes(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        out: &mut [u8],
        alignment: u32,
    ) -> Result<(), Fault> {
        let size = out.len() as u32;
        let lin = self.linear(seg, off);
        if u64::from(off) + u64::from(size) <= self.read_end[seg as usize]
            && lin & u64::from(alignment - 1) == 0
            && let Some(at) = self.mmu.view().read(lin, size, self.user())
        {
            sys.mem.arena().read(at, out);
            return Ok(());
        }
        self.check_segment(seg, off, size, AccessKind::Read)?;
        self.check_alignment(lin, alignment)?;
        let access = Access { kind: AccessKind::Read, user: self.user(), implicit: false };
        self.translate_all(sys, lin, size, access)?;
        for (n, chunk) in chunks(lin, out) {
            let value = self.load_linear(sys, lin + n, chunk.len() as u32, access)?;
            chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    /// Faults as a write of `size` bytes would, without writing.
    pub fn probe_bytes(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        size: u32,
        alignment: u32,
    ) -> Result<(), Fault> {
        let lin = self.linear(seg, off);
        self.check_segment(seg, off, size, AccessKind::Write)?;
        self.check_alignment(lin, alignment)?;
        let access = Access { kind: AccessKind::Write, user: self.user(), implicit: false };
        self.translate_all(sys, lin, size, access).map(|_| ())
    }

    /// Writes `bytes`, at most a page, at `seg:off`: all of them or none.
    pub fn write_bytes(
        &mut self,
        sys: &mut System,
        seg: SegReg,
        off: u32,
        bytes: &[u8],
        alignment: u32,
    ) -> Result<(), Fault> {
        let size = bytes.len() as u32;
        let lin = self.linear(seg, off);
        if u64::from(off) + u64::from(size) <= self.write_end[seg as usize]
            && lin & u64::from(alignment - 1) == 0
            && let Some(at) = self.mmu.view().write(lin, size, self.user())
        {
            sys.mem.arena_mut().write(at, bytes);
            return Ok(());
        }
        self.check_segment(seg, off, size, AccessKind::Write)?;
        self.check_alignment(lin, alignment)?;
        let access = Access { kind: AccessKind::Write, user: self.user(), implicit: false };
        self.translate_all(sys, lin, size, access)?;
        let mut copy = bytes.to_vec();
        for (n, chunk) in chunks(lin, &mut copy) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            let value = u32::from_le_bytes(word);
            self.store_linear(sys, lin + n, chunk.len() as u32, value, access)?;
        }
        Ok(())
    }
}

/// Pieces of at most four bytes that cross no page, each with its distance from the start.
fn chunks(lin: u64, bytes: &mut [u8]) -> impl Iterator<Item = (u64, &mut [u8])> {
    let head = (0x1000 - (lin & 0xFFF) as usize).min(bytes.len());
    let (first, second) = bytes.split_at_mut(head);
    let first = first.chunks_mut(4).enumerate().map(|(i, c)| (4 * i as u64, c));
    let second = second.chunks_mut(4).enumerate().map(move |(i, c)| ((head + 4 * i) as u64, c));
    first.chain(second)
}
