//! What the BIOS boots from, `--boot`, and what it says when there is nothing.

mod common;

use common::{Scratch, complains, run, say, stdout, text};
use std::path::PathBuf;

/// A diskette that says `A` and a disk that says `C`; both end in a hang.
fn two_drives(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let sector = |word: &str| common::boot_sector(&[say(word), common::HANG.to_vec()].concat());
    let disk = [sector("C"), vec![0; 1 << 20]].concat();
    (scratch.file("a.img", &sector("A")), scratch.file("c.img", &disk))
}

/// What is said by what is booted.
fn booted(boot: &[&str]) -> String {
    let scratch = Scratch::new();
    let (floppy, disk) = two_drives(&scratch);
    let drives = ["run", "--floppy", text(&floppy), "--disk", text(&disk)];
    stdout(&run(drives.iter().chain(boot))).trim().to_owned()
}

#[test]
fn the_diskette_is_booted_first_unless_the_disk_is_asked_for() {
    assert_eq!(booted(&[]), "A");
    assert_eq!(booted(&["--boot", "disk,floppy"]), "C");
    assert_eq!(booted(&["--boot", "floppy,disk"]), "A");
    assert_eq!(booted(&["--boot", "disk"]), "C");
}

#[test]
fn a_disk_without_boot_program_leads_to_the_diskette() {
    let scratch = Scratch::new();
    let (floppy, _) = two_drives(&scratch);
    let blank = scratch.file("blank.img", &[0; 1 << 20]);
    let drives = ["run", "--floppy", text(&floppy), "--disk", text(&blank)];
    let said = stdout(&run(drives.iter().chain(&["--boot", "disk,floppy"])));
    assert_eq!(said.trim(), "A");
}

#[test]
fn a_boot_program_that_gives_up_by_int_18h_leads_to_the_next_drive() {
    let scratch = Scratch::new();
    let (floppy, _) = two_drives(&scratch);
    let gives_up =
        [common::boot_sector(&[say("gave up,"), vec![0xCD, 0x18]].concat()), vec![0; 1 << 20]];
    let disk = scratch.file("gives-up.img", &gives_up.concat());
    let drives = ["run", "--floppy", text(&floppy), "--disk", text(&disk)];
    let said = stdout(&run(drives.iter().chain(&["--boot", "disk,floppy"])));
    assert_eq!(said.trim(), "gave up,A");
    let screen = finds_nothing(&["--disk", text(&disk)]);
    assert!(screen.contains("Fixed disk C: its boot program gave up."), "{screen}");
}

#[test]
fn a_drive_named_twice_is_refused() {
    let scratch = Scratch::new();
    let (floppy, _) = two_drives(&scratch);
    let order = ["run", "--boot", "floppy,floppy", "--floppy", text(&floppy)];
    complains(&run(order), 2, &["--boot names a drive twice", "floppy and disk"]);
    let unknown = run(["run", "--boot", "cdrom", text(&floppy)]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// The screen of a machine that finds nothing.
fn finds_nothing(arguments: &[&str]) -> String {
    let output = run(["run", "--screen", "--max-time", "60s"].iter().chain(arguments));
    assert_eq!(output.status.code(), Some(12), "a machine that stops is told to hang");
    let screen = stdout(&output);
    assert!(screen.contains("Nothing to boot from."), "{screen}");
    screen
}

#[test]
fn sectors_without_signature_are_named() {
    let scratch = Scratch::new();
    let blank = scratch.file("blank.img", &[0; 1 << 20]);
    let other = scratch.file("other.img", &[0; 1 << 20]);
    let screen = finds_nothing(&["--floppy", text(&blank), "--disk", text(&other)]);
    assert!(screen.contains("Diskette A:   the first sector doesn't end in 55 AA"), "{screen}");
    assert!(screen.contains("Fixed disk C: the first sector doesn't end in 55 AA"), "{screen}");
}

#[test]
fn an_empty_drive_and_a_missing_one_are_told_apart() {
    let scratch = Scratch::new();
    let blank = scratch.file("blank.img", &[0; 1 << 20]);
    let screen = finds_nothing(&["--disk", text(&blank)]);
    assert!(screen.contains("A:   can't be read: the drive doesn't answer; is there"), "{screen}");
    let screen = finds_nothing(&["--floppy", text(&blank)]);
    assert!(screen.contains("Fixed disk C: there is no such drive."), "{screen}");
}

#[test]
fn a_drive_left_out_of_the_order_is_said_to_be() {
    let scratch = Scratch::new();
    let blank = scratch.file("blank.img", &[0; 1 << 20]);
    let screen = finds_nothing(&["--floppy", text(&blank), "--boot", "disk"]);
    assert!(screen.contains("Diskette A:   not in the boot order."), "{screen}");
}
