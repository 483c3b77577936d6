//! Faults of emitted code: SIGSEGV from the window and the guard pages, SIGFPE from divisions.
//!
//! The handler does one thing: if RIP lies in the code of the context in r15 and a fault was
//! expected there, it sets RIP to the stub written for that place. All else goes to the handler
//! that was there before. It touches no thread-local, allocates nothing and can't panic.

use crate::abi::Context;
use crate::arena::JitError;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A place where emitted code may fault, and where it then goes on: offsets in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Expected {
    /// The host instruction.
    pub at: u32,
    /// The stub.
    pub stub: u32,
}

/// The most contexts of one process.
const CONTEXTS: usize = 256;
/// Contexts in use, 0 where a place is free: only these are ever taken from r15.
static LIVE: [AtomicUsize; CONTEXTS] = [const { AtomicUsize::new(0) }; CONTEXTS];

/// A context that the handler knows, until this is dropped.
#[derive(Debug)]
pub struct Registration(usize);

impl Registration {
    /// Makes a context known, and installs the handlers if they aren't yet.
    pub fn new(context: *const Context) -> Result<Self, JitError> {
        install()?;
        let free = |place: &&AtomicUsize| {
            place.compare_exchange(0, context as usize, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        let index = LIVE.iter().position(|place| free(&place));
        let full = || JitError::Host {
            what: "another translator in this process",
            source: std::io::ErrorKind::QuotaExceeded.into(),
        };
        index.map(Self).ok_or_else(full)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        LIVE[self.0].store(0, Ordering::SeqCst);
    }
}

/// The handlers that were there before ours.
struct Before {
    segv: libc::sigaction,
    fpe: libc::sigaction,
}

static BEFORE: OnceLock<Before> = OnceLock::new();

fn install() -> Result<(), JitError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = *DONE.get_or_init(|| {
        let (segv, fpe) = (current(libc::SIGSEGV), current(libc::SIGFPE));
        let _ = BEFORE.set(Before { segv, fpe });
        replace(libc::SIGSEGV) && replace(libc::SIGFPE)
    });
    let refused = || JitError::Host {
        what: "a signal handler",
        source: std::io::Error::other("sigaction failed"),
    };
    done.then_some(()).ok_or_else(refused)
}

fn current(signal: i32) -> libc::sigaction {
    // SAFETY: all zeroes are a valid `sigaction`; the call only writes to it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action
    }
}

fn replace(signal: i32) -> bool {
    // SAFETY: all zeroes are a valid `sigaction`, then filled in; `handle` has the signature
    // that SA_SIGINFO asks for and calls only what is safe in a handler.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == 0
    }
}

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, ucontext: *mut libc::c_void) {
    // SAFETY: the kernel passes a `ucontext_t` of the interrupted thread, ours to change.
    let registers = unsafe { &mut (*ucontext.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let rip = registers[libc::REG_RIP as usize] as usize;
    let r15 = registers[libc::REG_R15 as usize] as usize;
    if LIVE.iter().any(|place| place.load(Ordering::Relaxed) == r15) && r15 != 0 {
        // SAFETY: r15 is the address of a live context, and the thread that has it there is in
        // its emitted code or was called from it; nobody else changes these fields meanwhile.
        let target = unsafe { stub_of(r15 as *mut Context, rip) };
        if let Some(target) = target {
            if signal == libc::SIGSEGV {
                // SAFETY: the kernel passes the signal's information; the context is live.
                unsafe {
                    let context = &mut *(r15 as *mut Context);
                    let offset = ((*info).si_addr() as u64).wrapping_sub(context.window);
                    context.refused = if offset >> 32 == 0 { offset + 1 } else { 0 };
                }
            }
            registers[libc::REG_RIP as usize] = target as i64;
            return;
        }
    }
    chain(signal, info, ucontext);
}

/// # Safety
/// `context` is live, and its table isn't being changed.
unsafe fn stub_of(context: *mut Context, rip: usize) -> Option<usize> {
    // SAFETY: the caller's promise; the entries are plain data.
    let (code, len, table) = unsafe {
        let c = &*context;
        let count = c.expected_count as usize;
        (c.code[0] as usize, c.code[1] as usize, std::slice::from_raw_parts(c.expected, count))
    };
    let offset = rip.checked_sub(code).filter(|offset| *offset < len)? as u32;
    let found = table.binary_search_by_key(&offset, |e| e.at).ok()?;
    // SAFETY: as above.
    unsafe { (*context).faults += 1 };
    Some(code + table.get(found)?.stub as usize)
}

/// Hands a signal that isn't ours to whom it would have gone to.
fn chain(signal: i32, info: *mut libc::siginfo_t, ucontext: *mut libc::c_void) {
    let before = BEFORE.get().map(|b| if signal == libc::SIGSEGV { b.segv } else { b.fpe });
    match before {
        Some(action) if action.sa_sigaction > libc::SIG_IGN => {
            // SAFETY: the address was installed as a handler of this kind by somebody else; it
            // gets what the kernel gave us.
            unsafe {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    let f: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(action.sa_sigaction);
                    f(signal, info, ucontext);
                } else {
                    let f: extern "C" fn(i32) = std::mem::transmute(action.sa_sigaction);
                    f(signal);
                }
            }
        }
        _ => {
            // SAFETY: puts the default action back; the instruction then faults again and the
            // process ends as it would have without us.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}
