//! Guests that aren't kept here: `cargo xtask guests` fetches and makes them and runs these tests.
//! Where they are absent a test prints SKIPPED; `CLOISTER_GUESTS` makes absence a failure.

mod common;

use common::{Scratch, run, say, stderr, stdout, text};
use std::path::{Path, PathBuf};

/// Plenty: each run takes a few seconds of this host's time, on each engine.
const MOST: [&str; 4] = ["--timeout", "300", "--max-time", "120s"];

/// The images of these names, or `None` after saying that the test is skipped.
fn guests<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let named = std::env::var_os("CLOISTER_GUESTS").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let folder = named.clone().unwrap_or(usual);
    let absent: Vec<&str> = names.into_iter().filter(|n| !folder.join(n).is_file()).collect();
    if absent.is_empty() {
        return Some(names.map(|name| folder.join(name)));
    }
    let absent_names = absent.join(", ");
    assert!(named.is_none(), "CLOISTER_GUESTS is set, but lacks {absent_names}");
    println!(
        "SKIPPED: {} guest images are absent ({absent_names}); `cargo xtask guests` fetches them",
        absent.len()
    );
    None
}

/// Runs to the end that `arguments` ask for, and returns the screen.
fn succeeds(arguments: &[&str]) -> String {
    let output = run(["run", "--screen"].iter().chain(&MOST).chain(arguments));
    let (screen, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{said}\n{screen}");
    screen
}

/// What GRUB is typed at its prompt.
fn at_grubs_prompt(command: &str) -> String {
    format!("<wait \"highlighted\">c<wait \"grub>\">{command}\\n")
}

/// Boots GRUB's rescue floppy to its prompt, types a command, and waits for an answer.
fn grub_answers(command: &str, answer: &str) {
    let Some([image]) = guests(["grub-rescue-floppy.img"]) else { return };
    succeeds(&["--keys", &at_grubs_prompt(command), "--expect", answer, text(&image)]);
}

#[test]
fn grub_shows_its_menu() {
    let Some([image]) = guests(["grub-rescue-floppy.img"]) else { return };
    succeeds(&["--expect", "highlighted", text(&image)]);
}

#[test]
fn grub_lists_its_devices() {
    grub_answers("ls", "(hd0)");
}

#[test]
fn grub_echoes_quotes_typed_with_shift() {
    grub_answers("echo a\"b\"c", "\nabc\n");
}

/// The ranges that `lsmmap` prints, in bytes: base, length, and whether they are RAM.
fn memory_map(screen: &str) -> Vec<(u64, u64, bool)> {
    let field = |line: &str, name: &str| {
        let digits = line.split(name).nth(1).and_then(|rest| rest.split([',', ' ']).next());
        digits.and_then(|d| u64::from_str_radix(d.trim_start_matches("0x"), 16).ok())
    };
    let row = |line: &str| {
        let base = field(line, "base_addr = ")?;
        Some((base, field(line, "length = ")?, line.contains("available RAM")))
    };
    screen.lines().filter_map(row).collect()
}

#[test]
fn grub_on_a_disk_sees_the_memory_map_of_the_bios() {
    let Some([image]) = guests(["grub-rescue-cdrom.iso"]) else { return };
    let keys = at_grubs_prompt("lsmmap");
    let last = "base_addr = 0xffff0000, length = 0x10000, reserved RAM";
    let arguments = ["--memory", "64M", "--keys", &keys, "--expect", last];
    let screen = succeeds(&[&arguments[..], &["--disk", &format!("{},ro", text(&image))]].concat());
    let ram = |base, end| (base, end - base, true);
    let reserved = |base, end| (base, end - base, false);
    let map = memory_map(&screen);
    for range in [
        ram(0, 0x9_FC00),
        reserved(0x9_FC00, 0xA_0000),
        reserved(0xF_0000, 0x10_0000),
        ram(0x10_0000, 64 << 20),
        reserved(0xFFFF_0000, 0x1_0000_0000),
    ] {
        assert!(map.contains(&range), "{range:X?} isn't in {map:X?}\n{screen}");
    }
}

#[test]
fn grub_lists_and_shows_the_files_of_a_fat_diskette() {
    let Some([disk, fat]) = guests(["grub-rescue-cdrom.iso", "fat.img"]) else { return };
    let keys = format!(
        "{}<wait \"greeting.txt\">ls (fd0)/docs\\n<wait \"more.txt\">cat (fd0)/greeting.txt\\n",
        at_grubs_prompt("ls (fd0)/")
    );
    let disk = format!("{},ro", text(&disk));
    let drives = ["--boot", "disk", "--disk", &disk, "--floppy", text(&fat)];
    succeeds(
        &[&["--keys", &keys, "--expect", "\nA file on a FAT diskette."][..], &drives].concat(),
    );
}

#[test]
fn syslinux_prompts_helps_and_chains_another_boot_sector() {
    let Some([image]) = guests(["syslinux.img"]) else { return };
    let keys = "<wait \"boot:\"><F1><wait \"page one\"><F2><wait \"page two\">other\\n";
    let screen = succeeds(&["--keys", keys, text(&image)]);
    assert!(screen.contains("boot: other") && screen.contains("CHAINED"), "{screen}");
}

#[test]
fn isolinux_loads_ipxe_which_prints_its_banner_and_features() {
    let Some([image]) = guests(["ipxe.iso"]) else { return };
    let disk = format!("{},ro", text(&image));
    let screen = succeeds(&["--expect", "No more network devices", "--disk", &disk]);
    for part in ["ISOLINUX", "Loading ipxe.krn", "iPXE 1.", "Features: DNS HTTP"] {
        assert!(screen.contains(part), "{part} isn't in {screen}");
    }
}

/// Debian's kernel from power-on to a shell that answers. What the first program says is known: RFC
/// 1321's digest of "abc", two thirds by the x87 unit, 1 + ... + 20 by twenty processes. A host that
/// can't have its packages lacks the image.
#[test]
fn linux_boots_to_a_shell_that_answers() {
    let folder = std::env::var_os("CLOISTER_GUESTS").map(PathBuf::from);
    if folder.is_some_and(|folder| !folder.join("linux.img").is_file()) {
        return println!("SKIPPED: `cargo xtask guests` could not have linux.img");
    }
    let Some([image]) = guests(["linux.img"]) else { return };
    let disk = format!("{},temp", text(&image));
    let keys = "<wait \"/ #\">expr 40 + 2\\n<wait \"42\">echo it is $?\\n";
    let machine = ["--memory", "128M", "--disk", &disk];
    let said = succeeds(&[&["--keys", keys, "--expect", "\nit is 0"][..], &machine].concat());
    for part in [
        "Run /init as init process",
        "900150983cd24fb0d6963f7d28e17f72",
        "0.666666666666667",
        "sum 210",
    ] {
        assert!(said.contains(part), "{part} isn't in {said}");
    }
}

/// SeaBIOS shows nothing, for its display's BIOS would be an option ROM; but it boots.
#[test]
fn seabios_as_the_bios_boots_a_diskette() {
    let Some([bios]) = guests(["seabios.bin"]) else { return };
    let scratch = Scratch::new();
    let code = [say("under SeaBIOS\n"), common::POWER_OFF.to_vec()].concat();
    let image = scratch.boot_sector("sea.img", &code);
    let said = succeeds(&["--bios", text(&bios), text(&image)]);
    assert!(said.contains("under SeaBIOS"), "{said}");
}
