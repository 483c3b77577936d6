//! Blocks by what they were made from, and the links between them. A host's cache: never part of
//! the state.
//!
//! Invariant: a dropped block can't be reached: it isn't found, and every edge that led to it
//! leads to its stub again.

use crate::arena::Arena;
use crate::block::{Block, Edge, Key, Site};
use crate::emit::Draft;
use crate::fault::Expected;
use crate::jumps::Jumps;
use bus::System;
use decode::Code;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// A hash of few words: nobody outside chooses the keys to collide for more than a slow guest.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// All blocks.
pub struct Cache {
    blocks: Vec<Block>,
    edges: Vec<Edge>,
    by_key: HashMap<Key, u32, BuildHasherDefault<Fold>>,
    /// The blocks whose bytes lie in each piece of 64 bytes of guest memory's arena.
    by_piece: HashMap<u32, Vec<u32>, BuildHasherDefault<Fold>>,
    /// Memory for the blocks that a write drops.
    gone: Vec<u32>,
    /// Bytes of host code that can't be reached any more.
    dead: usize,
    /// Counts how often everything was dropped.
    pub generation: u64,
    /// Sites of callouts, by number.
    pub sites: Vec<Site>,
    /// Callouts by form, at sites that are no more.
    past_calls: BTreeMap<Code, u64>,
    /// Where emitted code may fault, in the order of addresses.
    pub expected: Vec<Expected>,
    /// Those of them that are the stubs'.
    kept: usize,
    /// How often code was run before it was translated, by its place; places that share a count
    /// are translated sooner.
    runs: Box<[Runs; RUNS]>,
}

/// Runs of a piece of code since it was written.
#[derive(Clone, Copy, Default)]
struct Runs {
    count: u16,
    /// The last translation was worth it: the next is made at once.
    paid: bool,
    /// Translations that soon were overwritten, in a row: each doubles the runs before the next.
    wasted: u8,
}

/// Counts of runs.
const RUNS: usize = 1 << 13;
/// Doublings at most: what somebody overwrites after a hundred runs is to be translated.
const WASTED_MOST: u8 = 4;
/// Steps that a translation must live for to be worth making again as soon, by those of the block:
/// making an instruction costs as much as interpreting it some five times.
const WORTHY_RUNS: u64 = 4;

/// Bytes of host code that are written before it is looked how much of it can still be reached:
/// what a core's own cache holds.
const NURSERY: usize = 1 << 20;

/// Bytes of guest memory whose blocks are kept in one list.
const PIECE: u64 = 64;

/// The pieces that `len` bytes at `place` lie in.
fn pieces(place: u64, len: u64) -> impl Iterator<Item = u32> {
    let last = place + len.max(1) - 1;
    (place / PIECE..=last / PIECE).map(|piece| piece as u32)
}

/// Where the runs of the code at `place` are counted.
fn run_index(place: u64) -> usize {
    (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 51) as usize % RUNS
}

impl Cache {
    /// An empty cache; the stubs may fault at `kept`.
    #[must_use]
    pub fn new(kept: Vec<Expected>) -> Self {
        Self {
            blocks: Vec::new(),
            edges: Vec::new(),
            by_key: HashMap::default(),
            by_piece: HashMap::default(),
            gone: Vec::new(),
            dead: 0,
            generation: 0,
            sites: Vec::new(),
            kept: kept.len(),
            expected: kept,
            past_calls: Default::default(),
            runs: Box::new([Runs::default(); RUNS]),
        }
    }

    /// The block made from `key`.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Counts a run of code that isn't translated; true while there were at most `most`.
    pub fn warm(&mut self, place: u64, most: u8) -> bool {
        let runs = &mut self.runs[run_index(place)];
        runs.count = runs.count.saturating_add(1);
        !runs.paid && runs.count <= u16::from(most) << runs.wasted
    }

    /// A block by its number.
    #[must_use]
    pub fn block(&self, id: u32) -> &Block {
        &self.blocks[id as usize]
    }

    /// Blocks made so far, dropped ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The number that the next edge gets.
    #[must_use]
    pub fn next_edge(&self) -> u32 {
        self.edges.len() as u32
    }

    /// Gives a draft its place.
    pub fn add(&mut self, arena: &mut Arena, key: Key, draft: &Draft, made: u64) -> u32 {
        let id = self.blocks.len() as u32;
        let start = arena.add(&draft.code);
        let offset = (start - arena.start()) as u32;
        let place = |&(at, stub): &(u32, u32)| Expected { at: offset + at, stub: offset + stub };
        self.expected.extend(draft.expected.iter().map(place));
        self.edges.extend(draft.edges.iter().map(|e| Edge {
            patch: start + e.patch,
            stub: start + e.stub,
            eip: e.eip,
            near: e.near,
            live: e.live,
            from: id,
            rounds: 0,
        }));
        let &Draft { len, steps, repeats, loop_len, needs, inner, .. } = draft;
        let (host_len, linked) = (draft.code.len(), Vec::new());
        let block = Block {
            key,
            len,
            steps,
            repeats,
            loop_len,
            made,
            start,
            host_len,
            needs,
            inner,
            linked,
        };
        self.blocks.push(block);
        self.by_key.insert(key, id);
        for piece in pieces(key.place, u64::from(len)) {
            self.by_piece.entry(piece).or_default().push(id);
        }
        id
    }

    /// Callouts by form.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<Code, u64> {
        let mut calls = self.past_calls.clone();
        for site in self.sites.iter().filter(|site| site.calls != 0) {
            *calls.entry(site.insn.code).or_default() += site.calls;
        }
        calls
    }

    /// An edge by its number.
    #[must_use]
    pub fn edge(&self, number: u32) -> Edge {
        self.edges[number as usize]
    }

    /// All blocks that can be executed, by their numbers.
    pub fn live(&self) -> impl Iterator<Item = (u32, &Block)> {
        (0..).zip(&self.blocks).filter(|(_, block)| block.start != 0)
    }

    /// All edges, by their numbers.
    pub fn edges(&self) -> impl Iterator<Item = (u32, &Edge)> {
        (0..).zip(&self.edges)
    }

    /// Lets an edge jump straight to a block.
    pub fn link(&mut self, arena: &mut Arena, number: u32, to: u32) {
        let edge = self.edges[number as usize];
        let block = &mut self.blocks[to as usize];
        let is_ready = block.needs & !edge.live == 0;
        let target = block.start + if is_ready { block.inner as usize } else { 0 };
        set_target(arena, edge.patch, target);
        block.linked.push(number);
    }

    /// Counts a way back along an edge; how often there was one.
    pub fn count_round(&mut self, number: u32) -> u8 {
        let rounds = &mut self.edges[number as usize].rounds;
        *rounds = rounds.saturating_add(1);
        *rounds
    }

    /// True where nearly all of `used` bytes of host code are of blocks that were dropped: making
    /// the few others again costs less than code that is new to the host's caches, again and again.
    #[must_use]
    pub fn is_mostly_dead(&self, used: usize) -> bool {
        used >= NURSERY && used - self.dead.min(used) < used / 8
    }

    /// Drops the blocks whose bytes were overwritten.
    pub fn drop_written(
        &mut self,
        arena: &mut Arena,
        jumps: &mut Jumps,
        sys: &mut System,
        now: u64,
    ) {
        while let Some(write) = sys.mem.next_code_write() {
            let mut gone = std::mem::take(&mut self.gone);
            let hit = |id: &u32| {
                let (offset, len) = self.place(*id);
                write.overlaps(offset, len)
            };
            gone.extend(self.in_pieces(write.offset, write.len).filter(hit));
            gone.sort_unstable();
            gone.dedup();
            let (mut from, mut to) = (write.offset, write.offset + write.len);
            for id in gone.drain(..) {
                let (offset, len) = self.place(id);
                (from, to) = (from.min(offset), to.max(offset + len));
                self.note_overwritten(id, now);
                self.drop_one(arena, jumps, id);
            }
            self.gone = gone;
            let kept = self.in_pieces(from, to - from).map(|id| self.place(id));
            sys.mem.drop_code(from, to - from, kept);
        }
    }

    /// The blocks in the pieces of `len` bytes at `place`, some of them more than once.
    fn in_pieces(&self, place: u64, len: u64) -> impl Iterator<Item = u32> {
        let of = |piece| self.by_piece.get(&piece).into_iter().flatten().copied();
        pieces(place, len).flat_map(of)
    }

    /// Where a block's bytes lie, and how many they are.
    fn place(&self, id: u32) -> (u64, u64) {
        let block = &self.blocks[id as usize];
        (block.key.place, u64::from(block.len))
    }

    /// Was it worth translating?
    fn note_overwritten(&mut self, id: u32, now: u64) {
        let block = &self.blocks[id as usize];
        let runs = &mut self.runs[run_index(block.key.place)];
        let lived = now.saturating_sub(block.made);
        let is_wasted = lived < WORTHY_RUNS * u64::from(block.steps);
        let wasted = if is_wasted { (runs.wasted + 1).min(WASTED_MOST) } else { 0 };
        *runs = Runs { count: 0, paid: !is_wasted, wasted };
    }

    /// Drops the blocks that hold the byte at `place`.
    pub fn drop_at(&mut self, arena: &mut Arena, jumps: &mut Jumps, place: u64) {
        let holds = |id: &u32| {
            let (offset, len) = self.place(*id);
            (offset..offset + len).contains(&place)
        };
        let gone: Vec<u32> = self.in_pieces(place, 1).filter(holds).collect();
        gone.into_iter().for_each(|id| self.drop_one(arena, jumps, id));
    }

    /// Drops one block.
    pub fn drop_one(&mut self, arena: &mut Arena, jumps: &mut Jumps, id: u32) {
        let (place, len) = self.place(id);
        for piece in pieces(place, len) {
            if let Some(ids) = self.by_piece.get_mut(&piece)
                && let Some(at) = ids.iter().position(|other| *other == id)
            {
                ids.swap_remove(at);
            }
        }
        let block = &mut self.blocks[id as usize];
        jumps.forget(block.key.eip, block.start);
        block.start = 0;
        self.dead += Arena::taken(block.host_len);
        let linked = std::mem::take(&mut block.linked);
        if self.by_key.get(&block.key) == Some(&id) {
            self.by_key.remove(&block.key);
        }
        for number in linked {
            let edge = self.edges[number as usize];
            set_target(arena, edge.patch, edge.stub);
        }
    }

    /// Drops everything, and says so to memory where it is at hand.
    pub fn clear(&mut self, arena: &mut Arena, jumps: &mut Jumps, sys: Option<&mut System>) {
        jumps.clear();
        if let Some(sys) = sys {
            for piece in self.by_piece.keys() {
                sys.mem.forget_code(piece / (4096 / PIECE as u32));
            }
        }
        self.generation += 1;
        self.dead = 0;
        self.blocks.clear();
        self.edges.clear();
        self.by_key.clear();
        self.by_piece.clear();
        self.past_calls = self.calls();
        self.sites.clear();
        self.expected.truncate(self.kept);
        arena.clear();
    }
}

fn set_target(arena: &mut Arena, patch: usize, target: usize) {
    let displacement = (target as i64 - patch as i64 - 4) as i32;
    arena.patch(patch, &displacement.to_le_bytes());
}
