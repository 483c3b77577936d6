//! Memory for emitted code: one memfd mapped twice, once to be written and once to be executed,
//! so that no page is ever both. Filled from the front; when full, all of it is dropped.
//! The [`Context`] with its guard pages lives here too.

use crate::abi::Context;
use std::io;
use std::ptr::NonNull;

/// Why there can be no translator on this host.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    /// The processor lacks something that emitted code is made of.
    #[error("this host's processor has no {0}")]
    Processor(&'static str),
    /// The kernel refused memory, or a signal handler.
    #[error("the host refused {what}: {source}")]
    Host {
        /// What was asked for.
        what: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
}

/// Bytes of emitted code kept before all are dropped.
pub const CODE_BYTES: usize = 32 << 20;
/// Where pieces of code begin: at a line of the host's caches. The host's predictor goes by where
/// jumps lie in a line: pieces that shared lines took up to twice as long, by how they fell.
const LINE: usize = 64;

const PAGE: usize = 4096;

pub(crate) fn refused(what: &'static str) -> impl Fn() -> JitError {
    move || JitError::Host { what, source: io::Error::last_os_error() }
}

/// A mapping that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Its first byte.
    pub at: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// `len` bytes at an address of the kernel's choice.
    pub fn new(len: usize, protection: i32, flags: i32, fd: i32) -> Option<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(at.cast()).map(|at| Self { at, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and nobody keeps its address past this.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// The arena.
#[derive(Debug)]
pub struct Arena {
    write: Mapping,
    run: Mapping,
    used: usize,
    kept: usize,
}

impl Arena {
    /// An empty arena.
    pub fn new() -> Result<Self, JitError> {
        let failed = refused("memory for translated code");
        // SAFETY: the name is a NUL-terminated literal; the call has no other requirement.
        let fd = unsafe { libc::memfd_create(c"cloister-code".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(failed());
        }
        // SAFETY: `fd` is open and ours.
        let sized = unsafe { libc::ftruncate(fd, CODE_BYTES as libc::off_t) } == 0;
        let map = |protection| Mapping::new(CODE_BYTES, protection, libc::MAP_SHARED, fd);
        let both =
            (map(libc::PROT_READ | libc::PROT_WRITE), map(libc::PROT_READ | libc::PROT_EXEC));
        let error = failed();
        // SAFETY: `fd` is open and ours; the mappings keep the memory.
        unsafe { libc::close(fd) };
        match both {
            (Some(write), Some(run)) if sized => Ok(Self { write, run, used: 0, kept: 0 }),
            _ => Err(error),
        }
    }

    /// Where the first byte is executed.
    #[must_use]
    pub fn start(&self) -> usize {
        self.run.at.as_ptr() as usize
    }

    /// Where the next byte will be executed.
    #[must_use]
    pub fn next(&self) -> usize {
        self.start() + self.used
    }

    /// Bytes taken by what isn't kept for good.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used - self.kept
    }

    /// Bytes still free.
    #[must_use]
    pub fn room(&self) -> usize {
        CODE_BYTES - self.used
    }

    /// Adds code; returns where it is executed. The caller has seen that there is room.
    pub fn add(&mut self, code: &[u8]) -> usize {
        let at = self.next();
        self.put(self.used, code);
        self.used = (self.used + Self::taken(code.len())).min(CODE_BYTES);
        at
    }

    /// Bytes that so many bytes of code take.
    #[must_use]
    pub const fn taken(len: usize) -> usize {
        len.next_multiple_of(LINE)
    }

    /// Overwrites code that was added: the target of a jump.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.put(at - self.start(), bytes);
    }

    /// What was added lives as long as the arena.
    pub fn keep(&mut self) {
        self.kept = self.used;
    }

    /// Drops all code but what is kept.
    pub fn clear(&mut self) {
        self.used = self.kept;
    }

    /// The code from `from` on, as it is executed.
    #[must_use]
    pub fn code(&self, from: usize, len: usize) -> Vec<u8> {
        let offset = from - self.start();
        assert!(offset <= CODE_BYTES && len <= CODE_BYTES - offset);
        // SAFETY: the range lies within the mapping (asserted), which holds plain bytes.
        unsafe { std::slice::from_raw_parts(self.write.at.as_ptr().add(offset), len) }.to_vec()
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset <= CODE_BYTES && bytes.len() <= CODE_BYTES - offset);
        // SAFETY: the range lies within the mapping (asserted), and `bytes` is Rust's own memory.
        unsafe {
            let to = self.write.at.as_ptr().add(offset);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }
}

/// The context, and what emitted code finds at fixed distances from it:
/// ```text
///   guard page
///   the meter: MOST_STEPS and a few bytes, zero, read only      at METER
///   the context                                                 at 0
///   the jump cache's table: TABLE_BYTES                         at TABLE
/// ```
/// Pages of the meter are all the kernel's page of zeroes: they take no memory.
#[derive(Debug)]
pub struct ContextPage {
    pages: Mapping,
}

/// Steps of one entry at most.
pub const MOST_STEPS: usize = 4 << 20;
/// Bytes of the jump cache's table.
pub const TABLE_BYTES: usize = 1 << 20;
const METER_BYTES: usize = MOST_STEPS + PAGE;
/// The meter, from the context on: reading byte n of it faults exactly where n is negative.
pub const METER: i32 = -(METER_BYTES as i32);
/// The jump cache's table, from the context on.
pub const TABLE: i32 = PAGE as i32;

impl ContextPage {
    /// A zeroed context.
    pub fn new() -> Result<Self, JitError> {
        let failed = refused("memory for the translator's context");
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let len = PAGE + METER_BYTES + PAGE + TABLE_BYTES;
        let pages = Mapping::new(len, libc::PROT_NONE, flags, -1).ok_or_else(&failed)?;
        let open = |from: usize, len: usize, rights| {
            // SAFETY: the callers' ranges lie within the mapping, which is ours.
            unsafe { libc::mprotect(pages.at.as_ptr().add(from).cast(), len, rights) == 0 }
        };
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let is_open = open(PAGE, METER_BYTES, libc::PROT_READ)
            && open(PAGE + METER_BYTES, PAGE + TABLE_BYTES, both);
        if is_open { Ok(Self { pages }) } else { Err(failed()) }
    }

    /// Its address, as emitted code has it in r15.
    #[must_use]
    pub fn as_ptr(&self) -> *mut Context {
        // SAFETY: the page lies within the mapping.
        unsafe { self.pages.at.as_ptr().add(PAGE + METER_BYTES).cast() }
    }

    /// The jump cache's table: [`TABLE_BYTES`], page-aligned, zero at first.
    #[must_use]
    pub fn table(&self) -> NonNull<u8> {
        // SAFETY: as above.
        unsafe { self.pages.at.add(PAGE + METER_BYTES + TABLE as usize) }
    }

    /// The context. All zeroes are a valid one: numbers and raw pointers.
    #[must_use]
    pub fn get(&mut self) -> &mut Context {
        // SAFETY: the page is mapped for reading and writing, page-aligned as the type asks, and
        // borrowed through `self`; emitted code and callouts run only inside calls that hold it.
        unsafe { &mut *self.as_ptr() }
    }
}
