//! Hosts with little address space: what the translator can do without it does without, and where
//! there is too little for it the interpreter runs, which one line says.

mod common;

use common::{POWER_OFF, Scratch, complains, say, stderr, stdout, text};
use std::process::{Command, Output};

/// Runs `cloister` in a process of at most `mib` of address space.
fn within(mib: u32, arguments: &[&str]) -> Output {
    let limited = format!("ulimit -v {} && exec \"$0\" \"$@\"", mib << 10);
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited, env!("CARGO_BIN_EXE_cloister")]).args(arguments);
    shell.output().expect("a shell starts")
}

/// Counts long enough that a host window opens where there can be one, then says so.
/// `xor ecx, ecx; 1: inc dword [0x500]; dec ecx; jnz 1b`, with 2^20 rounds.
fn counts() -> Vec<u8> {
    let count = [0x66, 0xB9, 0, 0, 0x10, 0];
    let again = [0x66, 0xFF, 0x06, 0x00, 0x05, 0x66, 0x49, 0x75, 0xF7];
    [&count[..], &again, &say("counted"), POWER_OFF].concat()
}

#[test]
fn without_room_for_a_host_window_the_translator_does_without() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("a.img", &counts());
    let output = within(1024, &["run", "--engine", "jit", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("counted"));
}

#[test]
fn without_room_for_translated_code_the_interpreter_runs_and_a_line_says_so() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("a.img", &counts());
    let output = within(TOO_LITTLE, &["run", "--memory", "1M", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("counted"));
    let said = stderr(&output);
    let ours: Vec<&str> = said.lines().filter(|line| line.starts_with("cloister: ")).collect();
    assert_eq!(ours.len(), 1, "{said}");
    assert!(ours[0].contains("refused memory for translated code"), "{said}");
    assert!(ours[0].ends_with("the interpreter runs instead"), "{said}");
}

#[test]
fn a_translator_asked_for_by_name_is_refused() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("a.img", &counts());
    let output = within(TOO_LITTLE, &["run", "--engine", "jit", "--memory", "1M", text(&image)]);
    complains(&output, 16, &["translated code", "--engine interp"]);
}

/// MiB in which the command and a machine of 1 MiB have room, and the translator hasn't.
const TOO_LITTLE: u32 = 64;
