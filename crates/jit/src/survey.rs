//! What the translator holds right now: every block that can be executed, its host code as it lies
//! in the arena, and where its edges lead. It looks and changes nothing.

use crate::abi::Mode;
use crate::block::Block;
use crate::emit::{Source, Tools, translate};
use crate::engine::Jit;
use crate::listing::{Listing, lay_out};
use bus::System;
use interp::Cpu;
use std::collections::HashMap;
use x86::PhysAddr;

/// A way out of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The target's EIP.
    pub eip: u32,
    /// Where the block there lies in the arena, if the jump leads straight to it.
    pub to: Option<u64>,
    /// The target lies in the same page; another page's blocks are looked up, never linked.
    pub is_near: bool,
}

/// A block, as it is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// EIP of its first instruction.
    pub eip: u32,
    /// Physical addresses of its first byte: more than one where memory shows twice.
    pub physical: Vec<PhysAddr>,
    /// CS.D.
    pub is_32bit: bool,
    /// It was made for ring 3.
    pub is_user: bool,
    /// It was made to use a host window.
    pub has_window: bool,
    /// Bytes of guest code.
    pub len: u32,
    /// Bytes of host code.
    pub host_len: usize,
    /// Where its host code lies, from the start of the arena.
    pub host: u64,
    /// Guest code and host code; addresses in host code count from the start of the arena.
    pub listing: Listing,
    /// Direct jumps out of it.
    pub links: Vec<Link>,
    /// How often it was executed since it was made, where that is counted.
    pub executions: Option<u64>,
}

impl Translated {
    /// True where the byte at `addr` is part of it.
    #[must_use]
    pub fn covers(&self, addr: PhysAddr) -> bool {
        let ends = |start: &PhysAddr| start.0 + u64::from(self.len);
        self.physical.iter().any(|start| (start.0..ends(start)).contains(&addr.0))
    }
}

/// What a search of all emitted code found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Blocks that can be executed.
    pub blocks: usize,
    /// Host instructions in them.
    pub host_insns: usize,
    /// Those that a user program must not run, with where they lie: there are none.
    pub forbidden: Vec<String>,
    /// Those in the stubs: WRGSBASE, which sets the window.
    pub in_stubs: Vec<String>,
}

impl Jit {
    /// Searches all code that can be executed, as it lies in the arena, for host instructions that
    /// a user program must not run.
    #[must_use]
    pub fn sweep(&self) -> Sweep {
        let mut sweep = Sweep::default();
        let stubs = self.arena.code(self.arena.start(), self.stubs.len);
        let lines = decode::disassemble_host(&stubs, 0).into_iter();
        sweep.in_stubs = lines.filter(|l| l.is_forbidden).map(|l| l.text).collect();
        for (_, block) in self.cache.live() {
            let ip = (block.start - self.arena.start()) as u64;
            let lines = decode::disassemble_host(&self.arena.code(block.start, block.host_len), ip);
            sweep.blocks += 1;
            sweep.host_insns += lines.len();
            let bad = lines.into_iter().filter(|l| l.is_forbidden);
            sweep.forbidden.extend(bad.map(|l| {
                format!(
                    "{} at host +{:X}h, EIP {:08X}",
                    l.text,
                    ip as usize + l.offset,
                    block.key.eip
                )
            }));
        }
        sweep
    }

    /// All blocks that can be executed, by the physical address of their guest code.
    ///
    /// Nothing but the host code is kept of a translation: it is made again here, to know which
    /// host code is whose. A block whose bytes were written since is left out.
    #[must_use]
    pub fn survey(&self, cpu: &Cpu, sys: &System) -> Vec<Translated> {
        let mut links = self.links();
        let (blocks, mut tools) = (self.cache.live(), Tools::default());
        let mut all: Vec<Translated> = blocks
            .filter_map(|(id, block)| {
                self.look_at(
                    &mut tools,
                    cpu,
                    sys,
                    (id, block),
                    links.remove(&id).unwrap_or_default(),
                )
            })
            .collect();
        all.sort_by_key(|b| (b.physical.first().copied(), b.eip, b.host));
        all
    }

    fn links(&self) -> HashMap<u32, Vec<Link>> {
        let mut targets = HashMap::new();
        for (_, block) in self.cache.live() {
            let to = (block.start - self.arena.start()) as u64;
            targets.extend(block.linked.iter().map(|edge| (*edge, to)));
        }
        let mut links: HashMap<u32, Vec<Link>> = HashMap::new();
        for (number, edge) in self.cache.edges() {
            let to = targets.get(&number).copied();
            let link = Link { eip: edge.eip, to, is_near: edge.near };
            links.entry(edge.from).or_default().push(link);
        }
        links
    }

    fn look_at(
        &self,
        tools: &mut Tools,
        cpu: &Cpu,
        sys: &System,
        (id, block): (u32, &Block),
        links: Vec<Link>,
    ) -> Option<Translated> {
        let key = block.key;
        let page_offset = (key.place & 0xFFF) as u32;
        let mut bytes = vec![0; 0x1000 - page_offset as usize];
        sys.mem.arena().read(key.place, &mut bytes);
        let source = Source {
            bytes: &bytes,
            eip: key.eip,
            page_offset,
            limit: key.limit,
            mode: key.mode,
            features: cpu.state.model.features,
            place: key.place,
            soft: &self.soft,
            most: self.tuning.block_insns,
            counter: self.counts.counter(id),
            loop_len: block.loop_len,
        };
        let draft = translate(tools, &source, block.start, &mut Vec::new(), 0)?;
        if (draft.len, draft.code.len()) != (block.len, block.host_len) {
            return None;
        }
        let host = (block.start - self.arena.start()) as u64;
        let code = self.arena.code(block.start, block.host_len);
        Some(Translated {
            eip: key.eip,
            physical: physical(sys, key.place),
            is_32bit: key.mode.has(Mode::CODE32),
            is_user: key.mode.has(Mode::USER),
            has_window: key.mode.has(Mode::WINDOW),
            len: block.len,
            host_len: block.host_len,
            host,
            listing: lay_out(&source, &draft, &code, host),
            links,
            executions: self.counts.of(id),
        })
    }
}

/// Where an offset in guest memory's arena shows.
fn physical(sys: &System, place: u64) -> Vec<PhysAddr> {
    let regions = sys.mem.map().regions().iter();
    let memory = regions.filter(|r| !matches!(r.kind, mem::map::Kind::Mmio(_)));
    let holds = memory.filter(|r| (r.arena_offset..r.arena_offset + r.len).contains(&place));
    holds.map(|r| PhysAddr(r.start.0 + (place - r.arena_offset))).collect()
}
