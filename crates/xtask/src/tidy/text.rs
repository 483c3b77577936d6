//! What a source file must and must not hold.

use std::path::Path;

/// A file past this is two files.
const MAX_LINES: usize = 700;

/// Marks of unfinished work, put together so that this file doesn't hold them.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("db", "g!("),
    concat!("#[ig", "nore"),
];

/// What the crates that must run the same every time may not name, and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("Instant::now", "reads the host's clock"),
    ("SystemTime", "reads the host's clock"),
    ("thread::sleep", "waits for the host"),
    ("std::env::", "reads the environment"),
    ("std::net", "reaches the network"),
];

/// The crates that must run the same every time.
const CORE: &[&str] =
    &["x86", "decode", "mem", "bus", "mmu", "interp", "jit", "devices", "machine"];

/// The files that may hold `unsafe`.
const UNSAFE: &[&str] = &[
    "crates/mem/src/arena.rs",
    "crates/jit/src/arena.rs",
    "crates/jit/src/callout.rs",
    "crates/jit/src/miss.rs",
    "crates/jit/src/engine.rs",
    "crates/jit/src/fault.rs",
    "crates/jit/src/fpu.rs",
    "crates/jit/src/jumps.rs",
    "crates/jit/src/window.rs",
    "crates/testkit/src/native.rs",
    "crates/testkit/src/sys.rs",
    "crates/testkit/tests/crowded.rs",
    "crates/testkit/tests/signals.rs",
    "crates/interp/src/host_fpu.rs",
    "crates/interp/src/host_simd.rs",
];

/// What is wrong with a file; its path is relative to the root.
pub fn check(file: &Path, content: &str) -> Vec<String> {
    let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let mut wrong = Vec::new();
    if matches!(ending, "rs" | "s" | "inc") {
        length(content, &mut wrong);
    }
    if ending == "rs" {
        head(content, &mut wrong);
        for (number, line) in content.lines().enumerate() {
            words(line).for_each(|what| wrong.push(format!("line {}: {what}", number + 1)));
        }
        code(file, content, &mut wrong);
    }
    wrong.into_iter().map(|what| format!("{}: {what}", file.display())).collect()
}

fn length(content: &str, wrong: &mut Vec<String>) {
    let lines = content.lines().count();
    if lines > MAX_LINES {
        wrong.push(format!("{lines} lines; past {MAX_LINES} it is two files"));
    }
}

fn head(content: &str, wrong: &mut Vec<String>) {
    if !content.starts_with("//!") {
        wrong.push("doesn't open with `//!`: what it is, and what it keeps true".into());
    }
}

fn words(line: &str) -> impl Iterator<Item = String> {
    UNFINISHED.iter().filter(|mark| line.contains(**mark)).map(|mark| format!("`{mark}` stays"))
}

/// Rules for the product's code, not for its tests.
fn code(file: &Path, content: &str, wrong: &mut Vec<String>) {
    let path = file.to_string_lossy();
    let Some((owner, _)) = path.strip_prefix("crates/").and_then(|p| p.split_once("/src/")) else {
        return;
    };
    if is_for_tests(file) {
        return;
    }
    let product = content.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    for (number, line) in product.enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let mut complain = |what: &str| wrong.push(format!("line {}: {what}", number + 1));
        if code.contains(concat!(".unw", "rap()")) {
            complain("`unwrap` outside tests: say with `expect` what holds");
        }
        if code.contains(concat!("unsafe", " {")) && !UNSAFE.contains(&path.as_ref()) {
            complain("`unsafe` outside the files that tidy/text.rs names");
        }
        if CORE.contains(&owner) {
            for (name, why) in OUTSIDE.iter().filter(|(name, _)| code.contains(name)) {
                complain(&format!("`{name}` {why}; this crate must run the same every time"));
            }
        }
    }
}

/// Modules that only tests use are called so: `tests.rs`, `tests_support.rs`, `tests/*.rs`.
fn is_for_tests(file: &Path) -> bool {
    file.iter().any(|part| part.to_string_lossy().starts_with("tests"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(file: &str, content: &str) -> Vec<String> {
        check(Path::new(file), content)
    }

    #[test]
    fn a_good_file_passes() {
        assert!(complaints("crates/mem/src/map.rs", "//! A map.\nfn f() {}\n").is_empty());
    }

    #[test]
    fn a_file_without_a_head_is_named() {
        let wrong = complaints("crates/mem/src/map.rs", "fn f() {}\n");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with("crates/mem/src/map.rs: doesn't open"), "{wrong:?}");
    }

    #[test]
    fn a_long_file_is_named_with_its_length() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        assert!(complaints("roms/tour/tour.s", &long)[0].contains("701 lines"));
        assert!(complaints("docs/ARCHITECTURE.md", &long).is_empty());
    }

    #[test]
    fn unfinished_work_is_named_with_its_line() {
        let content = format!("//! Head.\n{}\n", UNFINISHED[0]);
        assert!(complaints("crates/cli/src/run.rs", &content)[0].contains("line 2"));
    }

    #[test]
    fn unwrap_is_for_tests() {
        let content = "//! Head.\nfn f() { g().unwrap() }\n";
        assert_eq!(complaints("crates/cli/src/run.rs", content).len(), 1);
        let tests = "//! Head.\n#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\n";
        assert!(complaints("crates/cli/src/run.rs", tests).is_empty());
        assert!(complaints("crates/cli/tests/run.rs", content).is_empty());
        assert!(complaints("crates/debugger/src/explain/tests.rs", content).is_empty());
    }

    #[test]
    fn the_host_clock_is_for_the_outside() {
        let content = "//! Head.\nfn f() { Instant::now() }\n";
        assert_eq!(complaints("crates/machine/src/run.rs", content).len(), 1);
        assert!(complaints("crates/cli/src/run.rs", content).is_empty());
    }

    #[test]
    fn unsafe_lives_in_named_files() {
        let content = "//! Head.\nfn f() { unsafe { g() } }\n";
        assert_eq!(complaints("crates/bus/src/bus.rs", content).len(), 1);
        assert!(complaints("crates/mem/src/arena.rs", content).is_empty());
    }
}
