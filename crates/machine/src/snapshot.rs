//! Snapshots and the state hash. Both hold exactly this list: the architectural state, the
//! steps and the virtual clock that derives from them, the cached translations, the interrupt
//! lines and the A20 gate, all devices, RAM and device memory. Host caches aren't in it.
//!
//! A snapshot is `CLOISNAP`, a version, the BLAKE3 hash of the rest, and the rest. Restoring
//! checks everything first: on an error the machine is as it was.

use crate::machine::Machine;
use bus::bus::Saved;
use bus::{Clock, StateError};
use mmu::{CAPACITY, Entry};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::FileExt;
use x86::addr::PAGE_SIZE;
use x86::{Model, State};

const MAGIC: &[u8; 8] = b"CLOISNAP";
const VERSION: u32 = 3;
const HASH_AT: usize = 12;
const BODY_AT: usize = HASH_AT + 32;

/// A snapshot that can't be restored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// Something else.
    #[error("not a snapshot of Cloister: it doesn't begin with CLOISNAP")]
    Foreign,
    /// Another version.
    #[error("a snapshot of version {found}; this Cloister reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Its bytes have changed.
    #[error("a damaged snapshot: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// Of another machine.
    #[error("a snapshot of another machine: {what} is {found} there and {here} here")]
    Other {
        /// What differs.
        what: &'static str,
        /// There.
        found: String,
        /// Here.
        here: String,
    },
    /// A device refuses its state.
    #[error(transparent)]
    Device(#[from] StateError),
}

/// Everything but memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Core {
    state: State,
    steps: u64,
    clock: Clock,
    translations: Vec<(u32, Entry)>,
    lines: u32,
    a20: bool,
    booting_kernel: bool,
    devices: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    memory_bytes: u64,
    rom: [u8; 32],
    core: Core,
    pages: Vec<(u32, Vec<u8>)>,
}

impl Core {
    fn of(machine: &Machine) -> Self {
        let bus = &machine.board.sys.bus;
        Self {
            state: machine.cpu.state.clone(),
            steps: machine.cpu.steps,
            clock: bus.clock.clone(),
            translations: machine.cpu.mmu.set().list(),
            lines: bus.signals().lines(),
            a20: bus.signals().a20(),
            booting_kernel: machine.booting_kernel,
            devices: bus.save(),
        }
    }

    fn check(&self) -> Result<(), SnapshotError> {
        let wrong = |why: &str| Err(SnapshotError::Damaged { why: why.into() });
        if self.state.cpl > 3 {
            return wrong("a CPL above 3");
        }
        if self.state.gpr[x86::state::gpr::ZERO] != 0 {
            return wrong("a zero register that isn't");
        }
        let in_use = |(page, entry): &(u32, Entry)| *page >> 20 == 0 && entry.has(Entry::VALID);
        if self.translations.len() > CAPACITY
            || !self.translations.iter().all(in_use)
            || !self.translations.is_sorted_by(|a, b| a.0 < b.0)
        {
            return wrong("translations that no processor caches");
        }
        if self.clock.rate() == 0 {
            return wrong("a clock that stands");
        }
        Ok(())
    }
}

/// The pages of guest memory that aren't all zero, in order: number in the arena and content.
pub(crate) struct Pages<'a> {
    arena: &'a mem::Arena,
    chunk: Vec<u8>,
    /// Bytes of the chunk already given.
    given: usize,
    /// Where the chunk ends.
    read: u64,
    end: u64,
}

const CHUNK: usize = 1 << 20;
static ZEROES: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];

impl<'a> Pages<'a> {
    /// RAM and device memory; ROM lies behind them and isn't in it.
    pub(crate) fn of(machine: &'a Machine) -> Self {
        let end = machine.board.writable_bytes();
        Self { arena: machine.board.sys.mem.arena(), chunk: Vec::new(), given: 0, read: 0, end }
    }

    /// Reads through the file, not the mapping: a hole that is read there stays a hole.
    fn fill(&mut self) {
        let len = (CHUNK as u64).min(self.end - self.read) as usize;
        self.chunk.resize(len, 0);
        if self.arena.file().read_exact_at(&mut self.chunk, self.read).is_err() {
            self.arena.read(self.read, &mut self.chunk);
        }
        self.read += len as u64;
        self.given = 0;
    }
}

impl Iterator for Pages<'_> {
    type Item = (u32, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        const PAGE: usize = PAGE_SIZE as usize;
        loop {
            if self.given == self.chunk.len() {
                if self.read == self.end {
                    return None;
                }
                self.fill();
            }
            let first = self.read - self.chunk.len() as u64;
            let number = (first + self.given as u64) / PAGE_SIZE;
            let page = &self.chunk[self.given..self.given + PAGE];
            self.given += PAGE;
            // As a whole: byte by byte takes ten times as long.
            if page != ZEROES {
                return Some((number as u32, page.to_vec()));
            }
        }
    }
}

fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("our own state has a serialized form")
}

impl Machine {
    /// The hash of the whole state, 32 bytes.
    #[must_use]
    pub fn state_hash(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(&pack(&Core::of(self)));
        for (number, page) in Pages::of(self) {
            hash.update(&number.to_le_bytes());
            hash.update(&page);
        }
        *hash.finalize().as_bytes()
    }

    /// The same in hexadecimal.
    #[must_use]
    pub fn state_hash_hex(&self) -> String {
        self.state_hash().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The whole state as bytes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let body = pack(&Body {
            memory_bytes: self.board.ram_bytes(),
            rom: self.board.rom_hash(),
            core: Core::of(self),
            pages: Pages::of(self).collect(),
        });
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(blake3::hash(&body).as_bytes());
        out.extend(body);
        out
    }

    /// Takes back what [`Machine::save`] gave on a machine of the same configuration. On an
    /// error nothing has changed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let body = open(snapshot)?;
        self.check_same(&body)?;
        body.core.check()?;
        let before = self.board.sys.bus.save();
        self.board.put_right_floppy(body.core.booting_kernel);
        if let Err(error) = self.board.sys.bus.restore(&body.core.devices) {
            self.board.put_right_floppy(self.booting_kernel);
            self.board.sys.bus.restore(&before).expect("devices take back their own state");
            return Err(error.into());
        }
        self.put(body);
        Ok(())
    }

    fn check_same(&self, body: &Body) -> Result<(), SnapshotError> {
        let here = self.board.ram_bytes();
        if body.memory_bytes != here {
            let found = body.memory_bytes.to_string();
            let here = here.to_string();
            return Err(SnapshotError::Other { what: "the size of RAM", found, here });
        }
        let (theirs, ours) = (&body.core.state.model, &self.cpu.state.model);
        if theirs != ours {
            let name = |model: &Model| format!("{} ({:x})", model.name, model.features.bits());
            let (found, here) = (name(theirs), name(ours));
            return Err(SnapshotError::Other { what: "the processor", found, here });
        }
        if body.rom != self.board.rom_hash() {
            let (found, here) = ("one".to_owned(), "another".to_owned());
            return Err(SnapshotError::Other { what: "the BIOS", found, here });
        }
        let limit = (self.board.writable_bytes() / PAGE_SIZE) as u32;
        let sound = |(n, page): &(u32, Vec<u8>)| *n < limit && page.len() as u64 == PAGE_SIZE;
        if !body.pages.iter().all(sound) || !body.pages.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(SnapshotError::Damaged { why: "pages that RAM doesn't have".into() });
        }
        Ok(())
    }

    /// Nothing can fail any more.
    fn put(&mut self, body: Body) {
        let core = body.core;
        self.cpu.state = core.state;
        self.cpu.steps = core.steps;
        self.cpu.mmu.restore(&core.translations);
        self.booting_kernel = core.booting_kernel;
        let bus = &mut self.board.sys.bus;
        bus.clock = core.clock;
        bus.signals().restore_lines(core.lines);
        bus.signals().set_a20(core.a20);
        bus.signals().take_requests();
        self.cpu.mmu.set_a20(core.a20);
        self.put_memory(body.pages);
        self.board.adopt_display();
        self.changed();
    }

    fn put_memory(&mut self, pages: Vec<(u32, Vec<u8>)>) {
        let old: Vec<u32> = Pages::of(self).map(|(number, _)| number).collect();
        let memory = &mut self.board.sys.mem;
        for number in old {
            memory.write(u64::from(number) * PAGE_SIZE, &[0; PAGE_SIZE as usize]);
        }
        for (number, bytes) in pages {
            memory.write(u64::from(number) * PAGE_SIZE, &bytes);
        }
    }
}

/// Checks the wrapping and unpacks.
fn open(snapshot: &[u8]) -> Result<Body, SnapshotError> {
    let damaged = |why: &str| SnapshotError::Damaged { why: why.into() };
    if !snapshot.starts_with(MAGIC) {
        return Err(SnapshotError::Foreign);
    }
    let (Some(version), Some(hash), Some(body)) =
        (snapshot.get(8..HASH_AT), snapshot.get(HASH_AT..BODY_AT), snapshot.get(BODY_AT..))
    else {
        return Err(damaged("it ends within its header"));
    };
    let found = version.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    if blake3::hash(body).as_bytes() != hash {
        return Err(damaged("its bytes don't match their hash"));
    }
    match postcard::take_from_bytes(body) {
        Ok((body, [])) => Ok(body),
        Ok(_) => Err(damaged("bytes too many")),
        Err(error) => Err(damaged(&error.to_string())),
    }
}
