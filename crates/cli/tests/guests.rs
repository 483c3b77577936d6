//! Guests that aren't kept here: `cargo xtask guests` fetches them and runs these tests. Where they
//! are absent the tests print SKIPPED, with a count; `CLOISTER_GUESTS` makes absence a failure.

mod common;

use common::{run, stderr, stdout, text};
use std::path::{Path, PathBuf};

/// GRUB's rescue floppy, or `None` after saying that the test is skipped.
fn floppy() -> Option<PathBuf> {
    let named = std::env::var_os("CLOISTER_GUESTS").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let path = named.clone().unwrap_or(usual).join("grub-rescue-floppy.img");
    if path.is_file() {
        return Some(path);
    }
    assert!(named.is_none(), "CLOISTER_GUESTS is set, but {} isn't there", path.display());
    println!("SKIPPED: 1 guest is absent (GRUB); `cargo xtask guests` fetches it");
    None
}

/// Boots GRUB to its prompt, types a command, and waits for an answer on the screen.
fn grub_answers(command: &str, answer: &str) {
    let Some(image) = floppy() else { return };
    let keys = format!("<wait \"highlighted\">c<wait \"grub>\">{command}\\n");
    let arguments = [
        "run",
        "--keys",
        &keys,
        "--expect",
        answer,
        "--max-time",
        "120s",
        "--screen",
        text(&image),
    ];
    let output = run(arguments);
    let (screen, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{said}\n{screen}");
}

#[test]
fn grub_shows_its_menu() {
    let Some(image) = floppy() else { return };
    let output = run(["run", "--expect", "highlighted", "--max-time", "120s", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn grub_lists_its_devices() {
    grub_answers("ls", "(fd0)");
}

#[test]
fn grub_echoes_quotes_typed_with_shift() {
    grub_answers("echo a\"b\"c", "\nabc\n");
}

#[test]
fn grub_lists_the_memory_map() {
    grub_answers("lsmmap", "available RAM");
}
