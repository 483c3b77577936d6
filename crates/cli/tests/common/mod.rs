//! Runs the built `cloister` and makes small guests by hand. A guest here is a boot sector of a
//! few bytes, so that no assembler is needed.
#![allow(dead_code)]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `mov dx, 604h; mov ax, 2000h; out dx, ax; cli; hlt`: the power switch.
pub const POWER_OFF: &[u8] = &[0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xFA, 0xF4];
/// `cli; hlt`
pub const HANG: &[u8] = &[0xFA, 0xF4];
/// `jmp $`, interrupts on.
pub const SPIN: &[u8] = &[0xFB, 0xEB, 0xFE];
/// `lidt [0x7C10]` (limit 0, for the sector is zero there); `ud2`.
pub const TRIPLE_FAULT: &[u8] = &[0x0F, 0x01, 0x1E, 0x10, 0x7C, 0x0F, 0x0B];

/// The command.
pub fn cloister() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloister"));
    command.env_remove("NO_COLOR");
    command
}

/// Runs it with these arguments. A guest runs on both engines, first interpreted and then by
/// default; what is said must be the same.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let all: Vec<OsString> = arguments.into_iter().map(|word| word.as_ref().into()).collect();
    let has_engine = all.first().is_some_and(|verb| verb == "run");
    if !has_engine || all.iter().any(|word| word == "--engine") {
        return run_once(all);
    }
    let interpreted = run_once(all.iter().cloned().chain(["--engine".into(), "interp".into()]));
    let output = run_once(all);
    assert_eq!(interpreted.status, output.status, "interpreted and translated");
    assert_eq!(stdout(&interpreted), stdout(&output), "interpreted and translated");
    assert_eq!(stderr(&interpreted), stderr(&output), "interpreted and translated");
    output
}

/// Runs it once with these arguments: for runs that change files that they read, or that the
/// host's clock ends.
pub fn run_once<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    cloister().args(arguments).output().expect("the built command starts")
}

/// What it said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it said on stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder that is gone at the end of the test.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a scratch file");
        path
    }

    /// A boot sector that begins with `code`.
    pub fn boot_sector(&self, name: &str, code: &[u8]) -> PathBuf {
        self.file(name, &boot_sector(code))
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the scratch folder");
        let mut names: Vec<String> =
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// 512 bytes that end in 55 AA.
pub fn boot_sector(code: &[u8]) -> Vec<u8> {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    sector
}

/// Code that sends `text` to the debug console: `mov al, c; out 0xE9, al` for each.
pub fn say(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|c| [0xB0, c, 0xE6, 0xE9]).collect()
}

/// Code that prints `text` on the screen by INT 10h: `mov ax, 0E00h+c; int 10h` for each.
pub fn show(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|c| [0xB8, c, 0x0E, 0xCD, 0x10]).collect()
}

/// Asserts that a run ended with `status` and one line on stderr that holds all of `parts`.
pub fn complains(output: &Output, status: i32, parts: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "stderr: {said}");
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("cloister: ")).collect();
    assert_eq!(errors.len(), 1, "one line that begins with cloister:, but: {said}");
    for part in parts {
        assert!(errors[0].contains(part), "{part:?} isn't in {:?}", errors[0]);
    }
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are UTF-8")
}
