//! No privileged or sensitive instruction of a guest is ever run by the host: all code that real
//! runs made is searched, again and again while they run. The guests between them use every kind
//! that there is, so what isn't found was left out and not merely absent.

mod rig;

use machine::{Engine, Machine, MachineConfig, StopReason, Sweep, Tuning, Until, WindowUse};
use std::path::Path;
use x86::Intercept;
use x86::event::Wanted;

/// Steps between two searches: less than code lives, mostly.
const LOOK_STEPS: u64 = 100_000;
/// Longer than any of our own guests runs.
const STEPS_AT_MOST: u64 = 5_000_000;

/// What a run made and used.
struct Seen {
    blocks: usize,
    host_insns: usize,
    callouts: [u64; x86::intercept::COUNT],
}

fn boot(image: &[u8], windows: WindowUse) -> Machine {
    let mut config = MachineConfig {
        engine: Engine::Jit,
        translator: Tuning { cold_runs: 0, windows, ..Tuning::default() },
        wanted: Wanted::empty(),
        ..MachineConfig::default()
    };
    config.add_image(image.into()).expect("an image that can be booted");
    Machine::new(config).expect("a machine")
}

/// Runs to the end, or for `most` steps, and searches on the way.
fn search(name: &str, image: &[u8], windows: WindowUse, most: u64) -> Seen {
    let mut machine = boot(image, windows);
    let mut seen = Seen { blocks: 0, host_insns: 0, callouts: [0; x86::intercept::COUNT] };
    loop {
        let next = Until::step(machine.steps() + LOOK_STEPS);
        let stop = rig::advance(&mut machine, next);
        let Sweep { blocks, host_insns, forbidden, in_stubs } = machine.sweep();
        assert_eq!(forbidden, [""; 0], "{name} with windows {windows:?}");
        assert!(in_stubs.iter().all(|text| text == "wrgsbase r8"), "{in_stubs:?}");
        assert!(!in_stubs.is_empty(), "the search finds what is there");
        seen.blocks = seen.blocks.max(blocks);
        seen.host_insns = seen.host_insns.max(host_insns);
        if stop != StopReason::Until || machine.steps() > most {
            seen.callouts = machine.cpu().callouts;
            return seen;
        }
    }
}

/// The tour, the BIOS's own checks, and all that `check_roms.rs` runs.
const OURS: [&str; 19] = [
    "check-debug",
    "check-far",
    "check-faults",
    "check-gates",
    "check-guard",
    "check-io",
    "check-iret",
    "check-paging",
    "check-real",
    "check-segments",
    "check-simd",
    "check-smc",
    "check-stack",
    "check-system",
    "check-tasks",
    "check-vm86",
    "check-x87",
    "tour",
    "bioscheck",
];

fn search_ours(windows: WindowUse) -> [u64; x86::intercept::COUNT] {
    let mut used = [0; x86::intercept::COUNT];
    for name in OURS {
        let image = roms::get(name).expect("a built program");
        let seen = search(name, image, windows, STEPS_AT_MOST);
        assert!(seen.blocks > 100 && seen.host_insns > 2_000, "{name}: {} blocks", seen.blocks);
        used.iter_mut().zip(seen.callouts).for_each(|(all, one)| *all += one);
    }
    used
}

#[test]
fn our_own_guests_leave_no_privileged_host_code_in_windows() {
    let used = search_ours(WindowUse::AtOnce);
    // Test registers are the 386's and 486's; on the usual processor they raise #UD.
    let there_is = |kind: &Intercept| !matches!(kind, Intercept::MovToTr | Intercept::MovFromTr);
    let kinds = Intercept::ALL.iter().zip(used).filter(|(kind, _)| there_is(kind));
    let unused = kinds.filter(|(_, count)| *count == 0);
    let unused: Vec<_> = unused.map(|(kind, _)| kind.name()).collect();
    assert_eq!(unused, [""; 0], "kinds that no guest used");
}

#[test]
fn our_own_guests_leave_no_privileged_host_code_with_the_software_tlb() {
    search_ours(WindowUse::Never);
}

#[test]
fn grub_leaves_no_privileged_host_code() {
    let named = std::env::var_os("CLOISTER_GUESTS").map(std::path::PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let path = named.unwrap_or(usual).join("grub-rescue-floppy.img");
    let Ok(image) = std::fs::read(&path) else {
        return println!("SKIPPED: no {}; `cargo xtask guests` makes it", path.display());
    };
    let seen = search("GRUB", &image, WindowUse::AtRest, 30_000_000);
    assert!(seen.blocks > 1_000, "{}", seen.blocks);
}

#[test]
fn no_page_is_both_writable_and_executable() {
    let mut machine = boot(roms::get("tour").expect("the tour"), WindowUse::AtOnce);
    rig::advance(&mut machine, Until::step(STEPS_AT_MOST));
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a map of this process");
    let both = |line: &&str| line.split(' ').nth(1).is_some_and(|rights| rights.contains("wx"));
    assert_eq!(maps.lines().find(both), None);
    assert!(maps.contains("cloister-code"), "{maps}");
}
