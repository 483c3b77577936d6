//! Host windows: 4 GiB of host address space in which the guest's pages lie at their linear
//! addresses, mapped from guest memory with the guest's protection. An access is then the
//! guest's own instruction behind a GS prefix, and the host's paging checks it.
//!
//! Invariants: a window holds no page, and no right to one, that the view may not hold
//! ([`mmu::Mmu::data_right`]); it is of one version of the view, and empty after that. A page
//! whose write rights are withdrawn loses them before emitted code runs on.
//!
//! Mapping a page costs microseconds, so windows are for guests whose translations rest: they
//! open when no translation was withdrawn for some thousands of steps, more after each window
//! that didn't pay.

use crate::arena::{JitError, Mapping, refused};
use crate::engine::WindowUse;
use bus::System;
use interp::Cpu;
use mmu::WriteRight;
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use x86::LinAddr;

/// Bytes of a window: all addresses that 32 bits form, and a page for accesses that run over.
const BYTES: usize = (1 << 32) + PAGE;
const PAGE: usize = 4096;
/// Pages mapped at once at most, where they follow each other in the guest's memory too.
const RUN: u32 = 64;
/// Pages that the windows of one process may have mapped: the kernel allows it 65,530 mappings,
/// a page takes two where its neighbours aren't mapped, and at the limit even an allocation fails.
const MOST_PAGES: usize = 28_000;
/// Pages mapped now, in all windows of the process.
static MAPPED: AtomicUsize = AtomicUsize::new(0);
/// Translators that share them.
static SHARERS: AtomicUsize = AtomicUsize::new(0);
/// Steps without a withdrawal after which windows open; more after one that didn't pay.
const REST_LEAST: u64 = 50_000;
const REST_MOST: u64 = 1 << 32;
/// Visits to ring 0 that are shorter than this on average go without its window: changing windows
/// costs about as much as the software TLB for so many steps.
const SHORT_VISIT: u64 = 200;
/// Steps after which a visit that goes on is given it all the same.
const LONG_VISIT: u64 = 2_000;
/// Steps that a mapped page must serve for.
const STEPS_A_PAGE: u64 = 4_000;

/// The window of one privilege.
struct Window {
    area: Mapping,
    /// Page of the arena and right to write, by linear page.
    pages: HashMap<u32, (u32, bool)>,
}

impl Window {
    fn new() -> Result<Self, JitError> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let area = Mapping::new(BYTES, libc::PROT_NONE, flags, -1)
            .ok_or_else(refused("4 GiB of address space for a window"))?;
        Ok(Self { area, pages: HashMap::new() })
    }

    /// Maps `count` pages from page `from` of the arena at linear page `page`.
    fn map(&mut self, sys: &System, page: u32, from: u32, count: u32, write: bool) -> bool {
        let rights = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
        let len = count as usize * PAGE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE;
        let (fd, offset) = (sys.mem.arena().file().as_raw_fd(), i64::from(from) << 12);
        // SAFETY: the range lies within our own reservation (32-bit page numbers, and a run
        // never passes the last), which holds no Rust object.
        let done = unsafe {
            let at = self.area.at.as_ptr().add((page as usize) << 12);
            libc::mmap(at.cast(), len, rights, flags, fd, offset)
        };
        if done == libc::MAP_FAILED {
            return false;
        }
        let before = self.pages.len();
        self.pages.extend((0..count).map(|n| (page + n, (from + n, write))));
        MAPPED.fetch_add(self.pages.len() - before, Ordering::Relaxed);
        true
    }

    fn clear(&mut self) {
        if self.pages.is_empty() {
            return;
        }
        MAPPED.fetch_sub(self.pages.len(), Ordering::Relaxed);
        self.pages.clear();
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let at = self.area.at.as_ptr().cast();
        // SAFETY: replaces our own reservation by a fresh one; no Rust object lies in it.
        let done = unsafe { libc::mmap(at, BYTES, libc::PROT_NONE, flags, -1, 0) };
        if done == libc::MAP_FAILED {
            // Others used up the process's mappings: what is mapped stays, and is closed.
            // SAFETY: the range is our own reservation; no mapping is split.
            let closed = unsafe { libc::mprotect(at, BYTES, libc::PROT_NONE) };
            assert_eq!(closed, 0, "rights can be taken from a whole mapping");
        }
    }

    /// Takes write rights from the mappings of a page of the arena.
    fn withdraw(&mut self, arena_page: u32) {
        for (page, (from, write)) in &mut self.pages {
            if *from == arena_page && *write {
                *write = false;
                // SAFETY: the page lies within our own reservation.
                unsafe {
                    let at = self.area.at.as_ptr().add((*page as usize) << 12);
                    libc::mprotect(at.cast(), PAGE, libc::PROT_READ);
                }
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The area goes with all its pages.
        MAPPED.fetch_sub(self.pages.len(), Ordering::Relaxed);
    }
}

/// How long the guest stays in ring 0 when it comes from ring 3.
#[derive(Clone, Copy, Debug, Default)]
struct Visits {
    /// The last look was in ring 3.
    was_user: bool,
    /// The visit under way began in ring 3, at this step.
    since: Option<u64>,
    /// Mean length in steps, recent ones weighing more.
    mean: u64,
}

impl Visits {
    /// Notes the ring at a step. True where this is a visit that will be short.
    #[inline]
    fn look(&mut self, user: bool, now: u64) -> bool {
        if user != self.was_user {
            self.was_user = user;
            if !user {
                self.since = Some(now);
            } else if let Some(since) = self.since.take() {
                self.took(now.wrapping_sub(since));
            }
        }
        let is_young = self.since.is_some_and(|since| now.wrapping_sub(since) < LONG_VISIT);
        !user && is_young && self.mean < SHORT_VISIT
    }
}

impl Visits {
    /// Counts a visit's steps into the mean.
    fn took(&mut self, steps: u64) {
        self.mean = (7 * self.mean + steps.min(8 * LONG_VISIT)) / 8;
    }
}

/// The windows of one processor, and when they are open.
pub struct Windows {
    by_privilege: [Option<Window>; 2],
    /// The view's version that the windows are of.
    version: u64,
    /// Withdrawals seen.
    seen: u64,
    /// The step from which on no translation was withdrawn.
    since: u64,
    /// Steps of rest that open them.
    rest: u64,
    off: bool,
    visits: Visits,
    open: bool,
    /// What was done so far.
    pub counts: WindowCounts,
}

/// What windows cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounts {
    /// How often they opened.
    pub opened: u64,
    /// Pages mapped.
    pub pages: u64,
}

impl Drop for Windows {
    fn drop(&mut self) {
        SHARERS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Windows {
    /// Closed windows.
    #[must_use]
    pub fn new(when: WindowUse) -> Self {
        SHARERS.fetch_add(1, Ordering::Relaxed);
        Self {
            by_privilege: [None, None],
            version: 0,
            seen: 0,
            since: 0,
            rest: if when == WindowUse::AtOnce { 0 } else { REST_LEAST },
            off: when == WindowUse::Never,
            visits: Visits::default(),
            open: false,
            counts: WindowCounts::default(),
        }
    }

    /// Drops all pages.
    pub fn clear(&mut self) {
        self.by_privilege.iter_mut().flatten().for_each(Window::clear);
    }

    fn count(&self) -> usize {
        self.by_privilege.iter().flatten().map(|w| w.pages.len()).sum()
    }

    /// Makes room for a run of pages by dropping all of ours. False where others take all there is:
    /// they drop theirs when they next map one.
    fn make_room(&mut self) -> bool {
        let share = MOST_PAGES / SHARERS.load(Ordering::Relaxed).max(1);
        let is_full = || MAPPED.load(Ordering::Relaxed) + RUN as usize > MOST_PAGES;
        if self.count() + RUN as usize > share || is_full() {
            self.clear();
        }
        !is_full()
    }

    /// Brings the windows up to date with the view; the base of the one to be used now, if any
    /// is open.
    #[inline]
    pub fn base(&mut self, cpu: &Cpu, sys: &System) -> Option<u64> {
        let stands = (cpu.mmu.view().version(), sys.mem.states().seen());
        if stands != (self.version, self.seen) {
            self.follow(cpu, sys);
        }
        let user = cpu.state.cpl == 3;
        let is_short = self.visits.look(user, cpu.steps) && self.rest != 0;
        if self.off || is_short || cpu.steps.wrapping_sub(self.since) < self.rest {
            return None;
        }
        match &self.by_privilege[usize::from(user)] {
            Some(window) if self.open => Some(window.area.at.as_ptr() as u64),
            _ => self.open(user),
        }
    }

    #[cold]
    fn open(&mut self, user: bool) -> Option<u64> {
        let window = &mut self.by_privilege[usize::from(user)];
        if window.is_none() {
            *window = Window::new().ok();
            self.off = window.is_none();
        }
        self.counts.opened += u64::from(window.is_some() && !self.open);
        self.open |= window.is_some();
        window.as_ref().map(|w| w.area.at.as_ptr() as u64)
    }

    /// Counts a visit to ring 0 through a door that emitted code passed by itself; 0 if there was
    /// none.
    pub fn visited(&mut self, steps: i64) {
        if let Ok(steps @ 1..) = u64::try_from(steps) {
            self.visits.took(steps);
        }
    }

    /// True where visits to ring 0 go without its window.
    #[must_use]
    pub fn are_visits_short(&self) -> bool {
        self.visits.mean < SHORT_VISIT
    }

    #[cold]
    fn follow(&mut self, cpu: &Cpu, sys: &System) {
        let version = cpu.mmu.view().version();
        let seen = sys.mem.states().seen();
        if version != self.version {
            self.judge(cpu.steps.wrapping_sub(self.since));
            self.clear();
            (self.version, self.since) = (version, cpu.steps);
            self.open = false;
        } else if seen != self.seen {
            match sys.mem.states().since(self.seen) {
                Some(pages) => {
                    for window in self.by_privilege.iter_mut().flatten() {
                        pages.iter().for_each(|page| window.withdraw(*page));
                    }
                }
                None => self.clear(),
            }
        }
        self.seen = seen;
    }

    /// Was it worth it? Sets how long the next rest must be.
    fn judge(&mut self, lived: u64) {
        let mapped = self.count() as u64;
        if mapped == 0 || self.rest == 0 {
            return;
        }
        self.rest = if lived < self.rest + mapped * STEPS_A_PAGE {
            (self.rest * 2).min(REST_MOST)
        } else {
            (self.rest / 2).max(REST_LEAST)
        };
    }

    /// After the interpreter carried out an access at `lin` that the window refused: maps what
    /// may be mapped now. False where that is no more than before.
    pub fn fill(&mut self, cpu: &Cpu, sys: &System, lin: u32) -> bool {
        if !self.make_room() {
            return false;
        }
        let user = cpu.state.cpl == 3;
        let Some(window) = &mut self.by_privilege[usize::from(user)] else { return false };
        let right = |page: u32| {
            let (offset, right) =
                cpu.mmu.data_right(&sys.mem, LinAddr(u64::from(page) << 12), user)?;
            Some(((offset >> 12) as u32, right == WriteRight::Free))
        };
        let page = lin >> 12;
        let Some((from, write)) = right(page) else { return false };
        if window.pages.get(&page) == Some(&(from, write)) {
            return false;
        }
        let follows = |n: &u32| {
            page + n < 1 << 20
                && !window.pages.contains_key(&(page + n))
                && right(page + n) == Some((from + n, write))
        };
        let count = 1 + (1..RUN).take_while(follows).count() as u32;
        self.counts.pages += u64::from(count);
        window.map(sys, page, from, count, write)
    }
}
