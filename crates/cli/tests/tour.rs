//! The tour: every word of the kernel, and beside it what the processor did, in the order in which
//! it happened.

mod common;

use common::{run, stderr, stdout};
use std::io::Read;
use std::process::Stdio;
use std::sync::OnceLock;

fn tour() -> &'static str {
    static TOLD: OnceLock<String> = OnceLock::new();
    TOLD.get_or_init(|| {
        let output = run::<&str>([]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    })
}

/// The account's lines carry a margin; the kernel's don't.
fn is_ours(line: &str) -> bool {
    line.starts_with("        +") || line.starts_with("        |")
}

#[test]
fn every_word_of_the_kernel_is_told_in_order() {
    let expected = include_str!("../../../roms/tour/transcript.txt");
    let told: Vec<&str> = tour().lines().filter(|line| !is_ours(line)).collect();
    let words: Vec<&str> = expected.lines().collect();
    assert_eq!(&told[..words.len()], &words[..]);
}

/// A line without its step number, which changes with every change of the BIOS.
fn without_step(line: &str) -> String {
    match line.split_once("+- step ") {
        None => line.to_owned(),
        Some((margin, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{margin}+- step N{}+", rest.trim_end_matches(['-', '+']))
        }
    }
}

/// Where the README has `...`, it leaves lines out.
#[test]
fn the_readme_quotes_the_tour() {
    let readme = include_str!("../../../README.md");
    let start = readme.find("```text\n").expect("the README quotes the tour") + "```text\n".len();
    let quoted = &readme[start..];
    let quoted = &quoted[..quoted.find("```").expect("the quotation ends")];
    let mut told = tour().lines().map(without_step);
    let (mut boxes, mut lines_left_out) = (0, true);
    for line in quoted.lines() {
        boxes += usize::from(line.contains("+- step "));
        let wanted = without_step(line);
        match (line, lines_left_out) {
            ("...", _) => {}
            (_, true) => assert!(told.any(|other| other == wanted), "{line:?} isn't told here"),
            (_, false) => assert_eq!(told.next().as_ref(), Some(&wanted)),
        }
        lines_left_out = line == "...";
    }
    assert!(boxes > 0, "the README shows no crossing");
}

#[test]
fn the_verb_tour_is_the_same_as_none() {
    assert_eq!(stdout(&run(["tour"])), tour());
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child =
        common::cloister().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 9];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"Cloister:");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

/// The account between two lines of the kernel.
fn between(from: &str, to: &str) -> String {
    let start = tour().find(from).unwrap_or_else(|| panic!("{from:?} isn't told"));
    let rest = &tour()[start..];
    let end = rest.find(to).unwrap_or_else(|| panic!("{to:?} isn't told after {from:?}"));
    rest[..end].lines().filter(|line| is_ours(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_interrupt_gate_is_told_with_gate_stack_and_frame() {
    let account = between("Door 1", "ring 0: on my own stack");
    for part in ["ring 3 -> ring 0", "INT 0x30", "IDT[48]", "TSS 0028", "EFLAGS", "001B"] {
        assert!(account.contains(part), "{part:?} isn't in\n{account}");
    }
}

#[test]
fn the_call_gate_is_told_with_its_parameters() {
    let account = between("Door 2", "ring 0: the gate copied");
    for part in ["ring 3 -> ring 0", "call gate 003B", "3 parameters", "00000011", "00000033"] {
        assert!(account.contains(part), "{part:?} isn't in\n{account}");
    }
}

#[test]
fn sysenter_and_the_task_gate_are_told() {
    assert!(between("Door 3", "ring 0: no table was read").contains("SYSENTER"));
    let account = between("Door 4", "ring 0: I am another task");
    assert!(account.contains("task 0028"), "{account}");
}

#[test]
fn a_caught_fault_is_told() {
    let account = between("I try HLT", "caught #GP");
    assert!(account.contains("ring 3 -> ring 0") && account.contains("#GP"), "{account}");
}

#[test]
fn virtual_8086_mode_is_entered_and_left() {
    assert!(between("I set VM", "8086:   es:[0]").contains("IRET"));
    assert!(between("8086:   CLI", "ring 0: #GP at a CLI").contains("#GP"));
}

#[test]
fn the_bios_is_left_out() {
    let first = tour().lines().next().unwrap_or_default();
    assert!(first.starts_with("Cloister:"), "{first}");
    assert!(!tour().contains("F000:"), "the BIOS's own crossings are told");
}

/// The kernel of the tour as any guest, with all that is traced: `cloister` has the translator.
#[test]
fn both_engines_tell_the_same_of_the_tours_kernel() {
    let scratch = common::Scratch::new();
    let image = scratch.file("tour.img", roms::get("tour").expect("the tour's kernel"));
    let output = run(["run", "--trace", "rings,faults", common::text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("Good night.") && stderr(&output).lines().count() > 50);
}

/// The privileged and sensitive instructions of the tour's kernel, by kind.
#[test]
fn both_engines_count_the_same_callouts() {
    let scratch = common::Scratch::new();
    let image = scratch.file("tour.img", roms::get("tour").expect("the tour's kernel"));
    let counted = |engine| {
        let image = common::text(&image);
        let output = common::run_once(["run", "--trace", "callouts", "--engine", engine, image]);
        let said = stderr(&output);
        let start = said.find("privileged and sensitive instructions: ");
        said[start.unwrap_or_else(|| panic!("no count in:\n{said}"))..].to_owned()
    };
    let (interpreted, translated) = (counted("interp"), counted("jit"));
    for name in ["CLI", "SGDT", "MOV CR,r", "OUT", "IRET", "INT n"] {
        assert!(interpreted.contains(name), "{name} isn't in\n{interpreted}");
    }
    let (kinds, left) = translated.split_once("left to the interpreter").expect("two tables");
    assert_eq!(kinds, interpreted);
    assert!(left.lines().any(|line| line.ends_with("  out")), "{left}");
}
