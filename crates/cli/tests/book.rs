//! The book's first boot sector is built and run as the book says; where there is no assembler the
//! test prints SKIPPED.

mod common;

use common::{Scratch, run, stderr, stdout, text};
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = include_str!("../../../docs/book/src/first-boot-sector.md");

/// The chapter's block of this language.
fn block(language: &str, number: usize) -> &'static str {
    let fence = format!("```{language}\n");
    let start = CHAPTER.match_indices(&fence).nth(number).map(|(at, _)| at + fence.len());
    let rest = &CHAPTER[start.expect("the chapter has such a block")..];
    &rest[..rest.find("```").expect("a block ends")]
}

/// Runs the chapter's own commands, with the program's place put in for its name.
fn build(scratch: &Scratch, source: &str) -> bool {
    scratch.file("hello.s", source.as_bytes());
    let folder = scratch.path("");
    for line in block("sh", 0).lines().filter(|line| !line.starts_with("cloister")) {
        let mut words = line.split_whitespace();
        let tool = words.next().expect("a command");
        let Ok(output) = Command::new(tool).args(words).current_dir(&folder).output() else {
            println!("SKIPPED: no `{tool}` here");
            return false;
        };
        assert!(output.status.success(), "{line}: {}", stderr(&output));
    }
    assert!(Path::new(&scratch.path("hello.img")).is_file());
    true
}

#[test]
fn the_first_boot_sector_prints_what_the_book_says() {
    let scratch = Scratch::new();
    if !build(&scratch, block("asm", 0)) {
        return;
    }
    let output = run(["run", "--screen", text(&scratch.path("hello.img"))]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let expected = block("text", 0).trim();
    let told = stdout(&output);
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(told.matches(expected).count(), 2, "on the console and on the screen: {told}");
}

#[test]
fn the_broken_boot_sector_shuts_down_as_the_book_says() {
    let scratch = Scratch::new();
    let source =
        block("asm", 0).replace("off:    mov", &format!("off:\n{}\n        mov", block("asm", 1)));
    if !build(&scratch, &source) {
        return;
    }
    let output = run(["run", text(&scratch.path("hello.img"))]);
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
}

#[test]
fn the_sector_without_its_signature_is_refused_as_the_book_says() {
    let scratch = Scratch::new();
    if !build(&scratch, &block("asm", 0).replace("0xAA55", "0xAA54")) {
        return;
    }
    let output = run(["run", text(&scratch.path("hello.img"))]);
    common::complains(&output, 4, &["54 AA", "55 AA"]);
}
