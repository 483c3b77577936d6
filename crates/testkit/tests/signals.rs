//! Signal handlers that were there before the first translator get what isn't its own: each case
//! runs in a child process, which is this program again with a word in its environment.

mod guest;

use machine::StopReason;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Says which case a child plays.
const CASE: &str = "CLOISTER_SIGNAL_CASE";
/// The status with which a handler ends its process.
const CAUGHT: i32 = 44;

/// Runs `child` below in another process.
fn in_a_child(case: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--test-threads", "1"]).env(CASE, case);
    command.output().expect("this program starts").status
}

#[test]
fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("segv") => segv(),
        Ok("plain") => plain(),
        Ok("default") => by_default(),
        Ok("mended") => mended(),
        Ok("fpe") => fpe(),
        _ => {}
    }
}

#[test]
fn a_handler_from_before_gets_a_fault_of_the_process_and_none_of_the_guests() {
    assert_eq!(in_a_child("segv").code(), Some(CAUGHT));
}

#[test]
fn a_handler_without_siginfo_gets_it_too() {
    assert_eq!(in_a_child("plain").code(), Some(CAUGHT));
}

#[test]
fn without_a_handler_the_process_dies_of_its_fault() {
    assert_eq!(in_a_child("default").signal(), Some(libc::SIGSEGV));
}

#[test]
fn a_handler_that_mends_the_fault_is_called_each_time_and_the_guest_runs_on() {
    assert_eq!(in_a_child("mended").code(), Some(0));
}

#[test]
fn a_division_of_the_processs_own_goes_to_the_handler_from_before() {
    assert_eq!(in_a_child("fpe").code(), Some(CAUGHT));
}

/// How often a handler of ours was called, and what it is to mend.
static CALLS: AtomicU32 = AtomicU32::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn ends(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's, or the translator's, information about the signal; `_exit` may be
    // called in a handler.
    unsafe { libc::_exit(if (*info).si_signo > 0 { CAUGHT } else { 1 }) };
}

extern "C" fn ends_plainly(signal: i32) {
    // SAFETY: `_exit` may be called in a handler.
    unsafe { libc::_exit(if signal == libc::SIGSEGV { CAUGHT } else { 1 }) };
}

extern "C" fn mends(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    let page = PAGE.load(Ordering::SeqCst) as *mut libc::c_void;
    // SAFETY: the page is a mapping of this test.
    unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_WRITE) };
}

fn install(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all zeroes are a valid `sigaction`, then filled in with a handler of that kind.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(done, 0);
}

/// A guest that faults in emitted code, on the translator, to its end.
fn run_a_guest() {
    let mut machine = guest::machine();
    let stop = guest::advance(&mut machine, guest::END);
    assert_eq!(stop, StopReason::PoweredOff);
    let faults = machine.translator_statistics().expect("a translator").faults;
    assert!(faults > 10, "{faults} faults of emitted code");
}

/// A page that can't be touched.
fn closed_page() -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping at an address of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    PAGE.store(page as usize, Ordering::SeqCst);
    page.cast()
}

fn touch(page: *mut u8) {
    // SAFETY: not safe at all: the page is closed, and the fault is what is tested.
    unsafe { page.write_volatile(1) };
}

fn segv() {
    install(libc::SIGSEGV, ends as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    run_a_guest();
    touch(closed_page());
}

fn plain() {
    install(libc::SIGSEGV, ends_plainly as *const () as usize, libc::SA_ONSTACK);
    run_a_guest();
    touch(closed_page());
}

fn by_default() {
    install(libc::SIGSEGV, libc::SIG_DFL, 0);
    run_a_guest();
    touch(closed_page());
}

fn mended() {
    install(libc::SIGSEGV, mends as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    for round in 1..=3 {
        run_a_guest();
        touch(closed_page());
        assert_eq!(CALLS.load(Ordering::SeqCst), round);
    }
}

fn fpe() {
    install(libc::SIGFPE, ends as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    run_a_guest();
    // SAFETY: divides by zero, which is what is tested; no memory is touched.
    unsafe {
        std::arch::asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _);
    }
}
