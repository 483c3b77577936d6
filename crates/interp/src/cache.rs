//! Predecoded blocks, found by where their bytes lie in guest memory, linked to the blocks
//! that followed them. A host's cache: never part of the state.

use crate::cpu::{Cpu, Handler};
use crate::ops;
use bus::System;
use decode::{Insn, Undecodable};
use std::cell::Cell;
use std::collections::HashMap;

/// An instruction and what carries it out.
pub(crate) struct Op {
    pub run: Handler,
    pub insn: Insn,
}

/// A successor: valid while `stamp` is the cache's, for the same linear address and mode.
#[derive(Clone, Copy)]
pub(crate) struct Successor {
    pub key: u64,
    pub stamp: u64,
    pub block: u32,
}

const NOWHERE: Successor = Successor { key: u64::MAX, stamp: 0, block: 0 };

/// Instructions that lie one behind the other within a page; only the last may jump.
pub(crate) struct Block {
    pub ops: Box<[Op]>,
    /// Bytes.
    pub len: u32,
    pub next: [Cell<Successor>; 2],
}

/// The most instructions a block holds.
const MAX_OPS: usize = 32;
/// Blocks kept before all are dropped.
const MAX_BLOCKS: usize = 1 << 16;
const JUMPS: usize = 4096;

/// All blocks.
pub(crate) struct Cache {
    blocks: Vec<Block>,
    by_place: HashMap<u64, u32>,
    by_page: HashMap<u32, Vec<u64>>,
    jumps: Vec<Successor>,
    epoch: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            by_place: HashMap::new(),
            by_page: HashMap::new(),
            jumps: vec![NOWHERE; JUMPS],
            epoch: 1,
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

    /// The block with this number, if it is still there.
    pub fn try_block(&self, id: u32) -> Option<&Block> {
        self.blocks.get(id as usize)
    }

    /// The block at CS:EIP; `None` where that instruction must be taken alone.
    #[inline]
    pub fn find(&mut self, cpu: &mut Cpu, sys: &mut System) -> Option<u32> {
        let key = place_key(cpu);
        let slot = (key ^ key >> 12) as usize % JUMPS;
        let jump = self.jumps[slot];
        if jump.key == key && jump.stamp == self.stamp(cpu) {
            return Some(jump.block);
        }
        let block = self.find_slow(cpu, sys, key)?;
        self.jumps[slot] = Successor { key, stamp: self.stamp(cpu), block };
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
        self.build(cpu, sys, offset, bits32, place)
    }

    fn build(
        &mut self,
        cpu: &mut Cpu,
        sys: &mut System,
        offset: u64,
        bits32: bool,
        place: u64,
    ) -> Option<u32> {
        let mut bytes = [0; 0x1000];
        let room = 0x1000 - (offset & 0xFFF) as usize;
        let bytes = &mut bytes[..room.min(MAX_OPS * decode::MAX_LEN)];
        sys.mem.arena().read(offset, bytes);
        let mut found: Vec<Op> = Vec::new();
        let mut len = 0;
        while found.len() < MAX_OPS {
            let insn = match decode::decode(&bytes[len..], bits32) {
                Ok(insn) => insn,
                Err(Undecodable::NeedMore | Undecodable::Undefined) => break,
            };
            len += usize::from(insn.len);
            found.push(Op { run: ops::lookup(&insn), insn });
            if insn.has(Insn::ENDS_BLOCK) {
                break;
            }
        }
        if found.is_empty() {
            return None;
        }
        if self.blocks.len() >= MAX_BLOCKS {
            self.clear(sys);
        }
        sys.mem.mark_code(offset, len as u64);
        cpu.mmu.sync(&sys.mem);
        let id = self.blocks.len() as u32;
        let next = [Cell::new(NOWHERE), Cell::new(NOWHERE)];
        self.blocks.push(Block { ops: found.into_boxed_slice(), len: len as u32, next });
        self.by_place.insert(place, id);
        self.by_page.entry((offset >> 12) as u32).or_default().push(place);
        Some(id)
    }

    /// Drops the blocks of pages whose code was overwritten.
    pub fn drop_written(&mut self, sys: &mut System) {
        if !sys.mem.has_code_writes() {
            return;
        }
        for page in sys.mem.take_code_writes() {
            sys.mem.forget_code(page);
            for place in self.by_page.remove(&page).unwrap_or_default() {
                if let Some(id) = self.by_place.remove(&place) {
                    // The number stays taken until all blocks are dropped; the memory doesn't.
                    self.blocks[id as usize].ops = Box::new([]);
                }
            }
        }
        self.epoch += 1;
    }

    /// Drops all blocks.
    pub fn clear(&mut self, sys: &mut System) {
        for page in self.by_page.keys() {
            sys.mem.forget_code(*page);
        }
        self.forget();
    }

    /// Drops all blocks without telling memory, which then only sees a few writes too many.
    pub fn forget(&mut self) {
        self.blocks.clear();
        self.by_place.clear();
        self.by_page.clear();
        self.epoch += 1;
    }
}
