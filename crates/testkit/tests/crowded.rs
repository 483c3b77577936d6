//! A process that has used up the mappings which the kernel allows it: the translator's windows do
//! without new ones, and close what they can't unmap. In a child process, which is this program
//! again with a word in its environment.

mod guest;

use machine::StopReason;
use std::process::Command;

/// Says that this process is the child.
const CHILD: &str = "CLOISTER_CROWDED";
/// Mappings left for what the guest's run may need besides windows.
const SLACK: usize = 8;

#[test]
fn a_guest_runs_to_its_end_where_no_mapping_is_left() {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--nocapture"]).env(CHILD, "1");
    let output = command.output().expect("this program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ran to its end"), "{said}");
}

#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut machine = guest::machine();
    // The window is there, and pages in it.
    guest::advance(&mut machine, 500_000);
    let crowd = use_up_mappings();
    let stop = guest::advance(&mut machine, guest::END);
    drop(crowd);
    assert_eq!(stop, StopReason::PoweredOff);
    println!("ran to its end");
}

/// Pages of two rights by turns, each a mapping of its own.
struct Crowd(Vec<*mut libc::c_void>);

impl Drop for Crowd {
    fn drop(&mut self) {
        // SAFETY: each page is a mapping made below, which nobody uses.
        self.0.iter().for_each(|page| unsafe {
            libc::munmap(*page, 4096);
        });
    }
}

fn use_up_mappings() -> Crowd {
    let mut crowd = Crowd(Vec::with_capacity(1 << 20));
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    for rights in [libc::PROT_NONE, libc::PROT_READ].into_iter().cycle().take(1 << 20) {
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, rights, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            break;
        }
        crowd.0.push(page);
    }
    for page in crowd.0.split_off(crowd.0.len() - SLACK) {
        // SAFETY: the page was mapped above, and nobody uses it.
        unsafe { libc::munmap(page, 4096) };
    }
    crowd
}
