//! The book's kernels in C and in Rust, built with the book's own commands from its own listings,
//! print what the book says. Where a tool or a target is missing the test prints SKIPPED.

mod common;

use common::{Scratch, run, stderr, stdout, text};
use std::process::{Command, Output};

const IN_C: &str = include_str!("../../../docs/book/src/kernel-in-c.md");
const IN_RUST: &str = include_str!("../../../docs/book/src/kernel-in-rust.md");

/// The text of the first block of this language.
fn block<'a>(chapter: &'a str, language: &str) -> &'a str {
    let fence = format!("\n```{language}\n");
    let (_, rest) = chapter.split_once(&fence).expect("the chapter has such a block");
    rest.split_once("```").expect("a block ends").0
}

/// Writes the listings that the chapter names, each as `` `NAME`: `` before its block.
fn write_listings(scratch: &Scratch, chapter: &str) {
    for (before, rest) in chapter.match_indices("`:\n\n```").map(|(at, _)| chapter.split_at(at)) {
        let (_, name) = before.rsplit_once('`').expect("a name in backticks");
        let listing = rest.splitn(3, '\n').last().and_then(|rest| rest.split_once('\n'));
        let (listing, _) = listing.and_then(|(_, text)| text.split_once("```")).expect("a block");
        scratch.file(name, listing.as_bytes());
    }
}

/// Runs the chapter's commands up to `cloister`; `None` where a tool isn't here.
fn build(scratch: &Scratch, chapter: &str) -> Option<()> {
    let commands = block(chapter, "sh").lines().filter(|line| !line.starts_with("cloister"));
    for line in commands {
        let tool = line.split(' ').next().unwrap_or(line);
        if Command::new(tool).arg("--version").output().is_err() {
            println!("SKIPPED: no `{tool}` here");
            return None;
        }
        let output = shell(scratch, line);
        assert!(output.status.success(), "{line}\n{}", stderr(&output));
    }
    Some(())
}

/// Without the settings that cargo gives to tests.
fn shell(scratch: &Scratch, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(scratch.path(""));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    command.output().expect("a shell")
}

fn prints_what_the_book_says(scratch: &Scratch, chapter: &str) {
    let output = run(["run", text(&scratch.path("kernel.elf"))]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), block(chapter, "output"));
}

#[test]
fn the_kernel_in_c() {
    let scratch = Scratch::new();
    write_listings(&scratch, IN_C);
    if build(&scratch, IN_C).is_some() {
        prints_what_the_book_says(&scratch, IN_C);
    }
}

#[test]
fn the_kernel_in_c_broken_as_the_book_breaks_it() {
    let scratch = Scratch::new();
    write_listings(&scratch, IN_C);
    let source = std::fs::read_to_string(scratch.path("kernel.c")).unwrap();
    let (_, broken) = IN_C.split_once("## Break it").unwrap();
    let spoilt =
        source.replace("    out16(0x604", &format!("{}    out16(0x604", block(broken, "c")));
    assert_ne!(spoilt, source);
    scratch.file("kernel.c", spoilt.as_bytes());
    if build(&scratch, IN_C).is_none() {
        return;
    }
    let kernel = scratch.path("kernel.elf");
    let output = run(["run", "--symbols", text(&kernel), text(&kernel)]);
    assert_eq!(output.status.code(), Some(10));
    let told = stderr(&output);
    assert!(told.contains(block(broken, "explained")) && told.contains("<kernel+"), "{told}");
}

#[test]
fn the_kernel_in_rust() {
    let target = block(IN_RUST, "install").split_whitespace().last().expect("a target");
    let installed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let folder = installed.map(|output| stdout(&output)).unwrap_or_default();
    if !std::path::Path::new(folder.trim()).is_dir() {
        println!("SKIPPED: the target {target} isn't installed: rustup target add {target}");
        return;
    }
    let scratch = Scratch::new();
    write_listings(&scratch, IN_RUST);
    if build(&scratch, IN_RUST).is_some() {
        prints_what_the_book_says(&scratch, IN_RUST);
    }
}
