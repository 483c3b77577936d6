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
    by_page: HashMap<u32, Vec<u32>, BuildHasherDefault<Fold>>,
    /// Memory for the blocks of a page that a write drops.
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
            by_page: HashMap::default(),
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
        self.by_page.entry((key.place >> 12) as u32).or_default().push(id);
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

    /// Drops one block.
    pub fn drop_one(&mut self, arena: &mut Arena, jumps: &mut Jumps, id: u32) {
        let place = self.blocks[id as usize].key.place;
        if let Some(ids) = self.by_page.get_mut(&((place >> 12) as u32)) {
            ids.retain(|other| *other != id);
        }
        self.drop_block(arena, jumps, id);
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
            let page = write.page();
            let place = |id: &u32| {
                let block = &self.blocks[*id as usize];
                (block.key.place, u64::from(block.len))
            };
            let mut gone = std::mem::take(&mut self.gone);
            let ids = self.by_page.entry(page).or_default();
            ids.retain(|id| {
                let (offset, len) = place(id);
                let is_hit = write.overlaps(offset, len);
                if is_hit {
                    gone.push(*id);
                }
                !is_hit
            });
            let (mut from, mut to) = (write.offset, write.offset + write.len);
            for (offset, len) in gone.iter().map(place) {
                (from, to) = (from.min(offset), to.max(offset + len));
            }
            sys.mem.drop_code(from, to - from, ids.iter().map(place));
            for id in gone.drain(..) {
                self.note_overwritten(id, now);
                self.drop_block(arena, jumps, id);
            }
            self.gone = gone;
        }
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
        let page = (place >> 12) as u32;
        let ids = self.by_page.get(&page).cloned().unwrap_or_default();
        let holds = |b: &Block| (b.key.place..b.key.place + u64::from(b.len)).contains(&place);
        let (gone, kept): (Vec<u32>, Vec<u32>) =
            ids.into_iter().partition(|id| holds(&self.blocks[*id as usize]));
        self.by_page.insert(page, kept);
        gone.into_iter().for_each(|id| self.drop_block(arena, jumps, id));
    }

    fn drop_block(&mut self, arena: &mut Arena, jumps: &mut Jumps, id: u32) {
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
            for page in self.by_page.keys() {
                sys.mem.forget_code(*page);
            }
        }
        self.generation += 1;
        self.dead = 0;
        self.blocks.clear();
        self.edges.clear();
        self.by_key.clear();
        self.by_page.clear();
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
