//! Predecoded blocks, found by where their bytes lie in guest memory, linked to the blocks
//! that followed them. A host's cache: never part of the state.
//!
//! A block depends on its bytes and on CS.D alone: handlers look at the mode themselves. So
//! blocks outlive changes of mode, and a write drops only those whose bytes it changed.

use crate::chain::{End, Op, Step, end};
use crate::cpu::Cpu;
use crate::ops::Claim;
use crate::quick;
use bus::System;
use decode::{Insn, Memo};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use x86::Features;

/// A successor: valid while `stamp` is the cache's, for the same linear address and mode, if
/// its block still lives.
#[derive(Clone, Copy)]
pub(crate) struct Successor {
    pub key: u64,
    pub stamp: u64,
    pub block: u32,
}

const NOWHERE: Successor = Successor { key: u64::MAX, stamp: 0, block: 0 };

/// No block.
pub(crate) const NONE: u32 = u32::MAX;

/// Instructions that lie one behind the other within a page: it is entered at the first alone,
/// and left behind the last or where a jump on a condition is taken.
pub(crate) struct Block {
    /// The step of its first instruction.
    pub entry: Step,
    /// Where its instructions lie among all; a dead block has none.
    first: u32,
    count: u16,
    /// Bytes.
    pub len: u16,
    /// Arena offset and mode: its place in the map.
    place: u64,
    next_in_page: u32,
    /// The block behind it, where that begins in the same page. See [`Op::link`].
    pub behind: Cell<u32>,
}

/// The most instructions a block holds.
pub(crate) const MAX_OPS: usize = 32;
/// Instructions kept, those of dead blocks included, before all are dropped.
const MAX_ALL_OPS: usize = 1 << 18;
const JUMPS: usize = 4096;

/// All blocks.
pub(crate) struct Cache {
    blocks: Vec<Block>,
    /// By block, those that followed it otherwise than by its links.
    followers: Vec<[Cell<Successor>; 2]>,
    ops: Vec<Op>,
    by_place: HashMap<u64, u32, BuildHasherDefault<PlaceHasher>>,
    /// The first block of each page of the arena, as far as there was one.
    by_page: Vec<u32>,
    jumps: Vec<Successor>,
    epoch: u64,
    /// Forms of instructions in blocks.
    memo: Memo<Claim>,
}

/// Places are well spread by a multiplication; nobody chooses them to collide.
#[derive(Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, place: u64) {
        self.0 = (self.0 ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            followers: Vec::new(),
            ops: Vec::new(),
            by_place: HashMap::default(),
            by_page: Vec::new(),
            jumps: vec![NOWHERE; JUMPS],
            epoch: 1,
            memo: Memo::default(),
        }
    }
}

/// Linear address and mode of the code at CS:EIP, as one number.
#[inline(always)]
pub(crate) fn place_key(cpu: &Cpu) -> u64 {
    let cs = &cpu.state.seg[1];
    let lin = (cs.base as u32).wrapping_add(cpu.state.rip as u32);
    u64::from(lin) | u64::from(cs.is_32bit()) << 32 | u64::from(cpu.state.cpl == 3) << 33
}

/// True where EIP is in the linear page in which the last block began.
fn is_near(cpu: &Cpu) -> bool {
    let base = cpu.state.seg[1].base;
    let page = |ip: u64| base.wrapping_add(ip) as u32 >> 12;
    page(cpu.block_ip) == page(cpu.state.rip)
}

impl Cache {
    /// Changes whenever a successor may have become void.
    #[inline(always)]
    pub fn stamp(&self, cpu: &Cpu) -> u64 {
        self.epoch + cpu.mmu.view().version()
    }

    #[inline(always)]
    pub fn block(&self, id: u32) -> &Block {
        &self.blocks[id as usize]
    }

    /// `None` for [`NONE`], and for a block whose bytes were overwritten.
    #[inline(always)]
    pub fn living(&self, id: u32) -> Option<&Block> {
        self.blocks.get(id as usize).filter(|block| block.count > 0)
    }

    /// Those that followed a block otherwise than by its links, the last first.
    #[inline(always)]
    pub fn followers(&self, id: u32) -> &[Cell<Successor>; 2] {
        &self.followers[id as usize]
    }

    /// A block's instructions.
    #[inline(always)]
    pub fn ops(&self, block: &Block) -> &[Op] {
        &self.ops[block.first as usize..][..block.count as usize]
    }

    /// The block at CS:EIP; `None` where that instruction must be taken alone.
    #[inline]
    pub fn find(&mut self, cpu: &mut Cpu, sys: &mut System) -> Option<u32> {
        let key = place_key(cpu);
        let slot = (key ^ key >> 12) as usize % JUMPS;
        let jump = self.jumps[slot];
        if jump.key == key && jump.stamp == self.stamp(cpu) && self.living(jump.block).is_some() {
            return Some(jump.block);
        }
        let block = self.find_slow(cpu, sys, key)?;
        self.jumps[slot] = Successor { key, stamp: self.stamp(cpu), block };
        Some(block)
    }

    /// As [`Cache::find`], and remembers what was found as a successor of the block `from`,
    /// which just ended with `end`.
    pub fn follow(&mut self, cpu: &mut Cpu, sys: &mut System, from: u32, end: End) -> Option<u32> {
        let epoch = self.epoch;
        let block = self.find(cpu, sys)?;
        // Building a block may have dropped all others, this one too.
        if epoch != self.epoch {
            return Some(block);
        }
        let before = self.block(from);
        match end {
            End::Next if is_near(cpu) => before.behind.set(block),
            End::Taken if is_near(cpu) => {
                let jump = (cpu.steps - cpu.block_steps) as usize - 1;
                self.ops(before)[jump].link.set(block);
            }
            _ => {
                let [first, second] = self.followers(from);
                second.set(first.get());
                first.set(Successor { key: place_key(cpu), stamp: self.stamp(cpu), block });
            }
        }
        Some(block)
    }

    fn find_slow(&mut self, cpu: &mut Cpu, sys: &mut System, key: u64) -> Option<u32> {
        let lin = key & 0xFFFF_FFFF;
        let user = key >> 33 & 1 != 0;
        let offset = match cpu.mmu.view().fetch(lin, user) {
            Some(offset) => offset,
            // A fault here is raised by taking the instruction alone.
            None => cpu.fetch_offset(sys, lin)?,
        };
        let bits32 = key >> 32 & 1 != 0;
        let place = offset << 1 | u64::from(bits32);
        if let Some(&block) = self.by_place.get(&place) {
            return Some(block);
        }
        self.build(cpu, sys, place)
    }

    #[inline(never)]
    fn build(&mut self, cpu: &mut Cpu, sys: &mut System, place: u64) -> Option<u32> {
        if self.ops.len() + MAX_OPS > MAX_ALL_OPS {
            self.clear(sys);
        }
        let (offset, first) = (place >> 1, self.ops.len());
        let (entry, len) = self.decode(sys, offset, place & 1 != 0, cpu.state.model.features);
        let count = self.ops.len() - first;
        if count == 0 {
            return None;
        }
        sys.mem.mark_code(offset, len);
        cpu.mmu.sync(&sys.mem);
        let id = self.blocks.len() as u32;
        let page = (offset >> 12) as usize;
        if page >= self.by_page.len() {
            self.by_page.resize(page + 1, NONE);
        }
        let next_in_page = std::mem::replace(&mut self.by_page[page], id);
        let next = [Cell::new(NOWHERE), Cell::new(NOWHERE)];
        let (first, count, len) = (first as u32, count as u16, len as u16);
        let behind = Cell::new(NONE);
        self.blocks.push(Block { entry, first, count, len, place, next_in_page, behind });
        self.followers.push(next);
        self.by_place.insert(place, id);
        Some(id)
    }

    /// Decodes what lies at an arena offset, to the end of the block or page; returns its first
    /// step and its bytes.
    fn decode(
        &mut self,
        sys: &System,
        offset: u64,
        bits32: bool,
        features: Features,
    ) -> (Step, u64) {
        let mut bytes = [0; MAX_OPS * decode::MAX_LEN];
        let room = 0x1000 - (offset & 0xFFF) as usize;
        let count = bytes.len().min(room);
        let bytes = &mut bytes[..count];
        sys.mem.arena().read(offset, bytes);
        let (start, mut entry, mut len) = (self.ops.len(), end as Step, 0);
        for n in 0..MAX_OPS {
            let Ok(found) = self.memo.decode(&bytes[len..], bits32, Claim::of) else { break };
            let (insn, claim) = (found.insn(), *found.value);
            len += usize::from(insn.len);
            let mut enter = |ops: &mut [Op], step| match ops {
                [.., before] => before.next = step,
                [] => entry = step,
            };
            let before = &mut self.ops[start..];
            if let [others @ .., last] = &mut *before
                && let Some(joined) = quick::join(&last.insn, &insn)
            {
                enter(others, joined);
            }
            enter(before, quick::step(&insn, features));
            let (run, index) = (claim.on(features), n as u16);
            let (link, distance) = (Cell::new(NONE), (len as u32).wrapping_add(insn.imm));
            self.ops.push(Op { next: end, run, link, distance, end: len as u16, index, insn });
            if insn.has(Insn::ENDS_BLOCK) && !insn.code.is_jcc_short_or_near() {
                break;
            }
        }
        (entry, len as u64)
    }

    /// Drops the blocks whose bytes were overwritten.
    pub fn drop_written(&mut self, sys: &mut System) {
        while let Some(write) = sys.mem.next_code_write() {
            let page = write.page();
            let mut at = self.by_page.get(page as usize).copied().unwrap_or(NONE);
            let (mut first, mut last) = (NONE, NONE);
            let (mut from, mut to) = (write.offset, write.offset + write.len);
            while at != NONE {
                let block = &mut self.blocks[at as usize];
                let (offset, len) = (block.place >> 1, u64::from(block.len));
                let next = block.next_in_page;
                if write.overlaps(offset, len) {
                    // The number stays taken until all blocks are dropped.
                    block.count = 0;
                    self.by_place.remove(&block.place);
                    (from, to) = (from.min(offset), to.max(offset + len));
                } else {
                    match last {
                        NONE => first = at,
                        last => self.blocks[last as usize].next_in_page = at,
                    }
                    last = at;
                }
                at = next;
            }
            if last != NONE {
                self.blocks[last as usize].next_in_page = NONE;
            }
            if let Some(head) = self.by_page.get_mut(page as usize) {
                *head = first;
            }
            let block = |at: u32| (at != NONE).then(|| &self.blocks[at as usize]);
            let kept = std::iter::successors(block(first), |b| block(b.next_in_page));
            let kept = kept.map(|b| (b.place >> 1, u64::from(b.len)));
            sys.mem.drop_code(from, to - from, kept);
        }
    }

    /// Drops all blocks.
    fn clear(&mut self, sys: &mut System) {
        for (page, first) in (0..).zip(&self.by_page) {
            if *first != NONE {
                sys.mem.forget_code(page);
            }
        }
        self.forget();
    }

    /// Drops all blocks without telling memory, which then only sees a few writes too many.
    pub fn forget(&mut self) {
        self.blocks.clear();
        self.followers.clear();
        self.ops.clear();
        self.by_place.clear();
        self.by_page.clear();
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::Bus;
    use mem::Memory;
    use x86::PhysAddr;

    /// Real mode at 0:100h; NOPs to a RET at 10Fh and at 11Fh.
    fn rig() -> (Cache, Cpu, System) {
        let mut sys = System::new(Memory::flat(1 << 20).expect("1 MiB"), Bus::default());
        sys.mem.write_phys(PhysAddr(0x100), &[0x90; 0x20]);
        sys.mem.write_phys(PhysAddr(0x10F), &[0xC3]);
        sys.mem.write_phys(PhysAddr(0x11F), &[0xC3]);
        let mut cpu = Cpu::new();
        cpu.set_segment(x86::SegReg::Cs, x86::Segment::real(0));
        (Cache::default(), cpu, sys)
    }

    fn at(cache: &mut Cache, cpu: &mut Cpu, sys: &mut System, ip: u64) -> u32 {
        cpu.state.rip = ip;
        cache.find(cpu, sys).expect("code")
    }

    #[test]
    fn a_write_drops_the_blocks_that_it_changed_and_no_other() {
        let (mut cache, mut cpu, mut sys) = rig();
        let first = at(&mut cache, &mut cpu, &mut sys, 0x100);
        let second = at(&mut cache, &mut cpu, &mut sys, 0x110);
        // In the same 64 bytes as both, in neither.
        sys.mem.write_phys(PhysAddr(0x120), &[1]);
        cache.drop_written(&mut sys);
        assert_eq!(at(&mut cache, &mut cpu, &mut sys, 0x100), first);
        sys.mem.write_phys(PhysAddr(0x105), &[0x40]);
        cache.drop_written(&mut sys);
        assert!(cache.living(first).is_none() && cache.living(second).is_some());
        assert_ne!(at(&mut cache, &mut cpu, &mut sys, 0x100), first);
        assert_eq!(at(&mut cache, &mut cpu, &mut sys, 0x110), second);
    }

    #[test]
    fn a_page_without_code_is_written_unseen_again() {
        let (mut cache, mut cpu, mut sys) = rig();
        at(&mut cache, &mut cpu, &mut sys, 0x100);
        assert!(sys.mem.states().get(0).contains(mem::PageState::CODE));
        sys.mem.write_phys(PhysAddr(0x100), &[0xC3]);
        cache.drop_written(&mut sys);
        assert!(sys.mem.states().get(0).is_empty());
    }

    #[test]
    fn blocks_outlive_a_change_of_mode() {
        let (mut cache, mut cpu, mut sys) = rig();
        let block = at(&mut cache, &mut cpu, &mut sys, 0x100);
        let stamp = cache.stamp(&cpu);
        cpu.state.cr0 |= x86::Cr0::PE.bits();
        cpu.mmu.flush_all();
        cpu.sync();
        assert_eq!(cache.stamp(&cpu), stamp);
        assert_eq!(at(&mut cache, &mut cpu, &mut sys, 0x100), block);
    }
}
