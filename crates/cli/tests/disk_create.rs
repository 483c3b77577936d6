//! `cloister disk create`: images that BIOS, DOS and mtools understand.

mod common;

use common::{Scratch, complains, run, stderr, stdout, text};

#[test]
fn an_empty_disk_is_as_large_as_asked_and_takes_no_room() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    let disk = scratch.path("big.img");
    let output = run(["disk", "create", "10G", text(&disk)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("an empty disk, 10 GiB") && said.contains("--disk"), "{said}");
    let meta = disk.metadata().unwrap();
    assert_eq!(meta.len(), 10 << 30);
    assert!(meta.blocks() * 512 < 1 << 20);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let scratch = Scratch::new();
    let mine = scratch.file("mine.img", b"precious");
    complains(
        &run(["disk", "create", "1M", text(&mine)]),
        2,
        &["mine.img", "already", "remove it"],
    );
    assert_eq!(std::fs::read(&mine).unwrap(), b"precious");
    assert_eq!(scratch.names(), ["mine.img"]);
}

#[test]
fn a_size_or_place_that_cant_be_is_one_line() {
    let scratch = Scratch::new();
    let file = scratch.path("new.img");
    complains(&run(["disk", "create", "lots", text(&file)]), 2, &["\"lots\" is no size"]);
    complains(&run(["disk", "create", "32K", text(&file), "--fat"]), 2, &["64K is the least"]);
    let nowhere = scratch.path("no/such/new.img");
    complains(&run(["disk", "create", "1M", text(&nowhere)]), 16, &["its folder doesn't exist"]);
    assert!(scratch.names().is_empty());
}

/// Boots what was made: the BIOS, our first sector and the volume's boot sector must work
/// together to say that there is no system.
fn boots_to_its_message(size: &str, option: &str) {
    let scratch = Scratch::new();
    let image = scratch.path("made.img");
    let made = run(["disk", "create", size, text(&image), "--fat"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let run = run([
        "run",
        option,
        text(&image),
        "--expect",
        "not a bootable disk",
        "--max-time",
        "30s",
        "--screen",
    ]);
    assert_eq!(run.status.code(), Some(0), "{}\n{}", stderr(&run), stdout(&run));
}

#[test]
fn a_formatted_disk_starts_the_boot_sector_of_its_partition() {
    boots_to_its_message("1M", "--disk");
    boots_to_its_message("64M", "--disk");
    boots_to_its_message("600M", "--disk");
}

#[test]
fn a_formatted_diskette_is_booted() {
    boots_to_its_message("1440K", "--floppy");
    boots_to_its_message("360K", "--floppy");
}

#[test]
fn how_files_get_in_is_said_with_the_place_of_the_partition() {
    let scratch = Scratch::new();
    for (size, told) in
        [("1M", "@@32256 FILE ::"), ("64M", "@@1048576 FILE ::"), ("720K", ".img FILE ::")]
    {
        let image = scratch.path(&format!("{size}.img"));
        let said = stdout(&run(["disk", "create", size, text(&image), "--fat"]));
        assert!(said.contains("mcopy -i ") && said.contains(told), "{said}");
    }
}

#[test]
fn disk_alone_shows_what_there_is() {
    let output = run(["disk"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("create"), "{}", stderr(&output));
}
