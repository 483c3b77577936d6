//! `ci`: everything that must hold before a change lands, in the order in which it fails soonest.
//! `.ci/run` calls this; so does a person.

use crate::repo;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The variable that says where the 80286 vectors are.
const VECTORS: &str = "CLOISTER_VECTORS";

/// Every step by name, as arguments of cargo.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("tidy", &["xtask", "tidy"]),
    ("guest programs", &["xtask", "roms", "--check"]),
    ("guests", &["xtask", "guests", "--fetch-only"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace"]),
    ("fuzz targets", FUZZ),
    ("real guests", &["xtask", "guests"]),
];

/// Without the fuzzer's runtime, which would need a C++ compiler.
const FUZZ: &[&str] = &[
    "check",
    "--manifest-path",
    "fuzz/Cargo.toml",
    "--target-dir",
    "target/fuzz",
    "--no-default-features",
];

/// The target of the book's kernel in Rust.
const KERNEL_TARGET: &str = "i586-unknown-linux-gnu";

/// Runs all steps; the first that fails ends it.
pub fn run() -> Result<ExitCode, String> {
    let root = repo::root()?;
    let vectors = vectors(&root)?;
    add_kernel_target();
    for (name, arguments) in STEPS {
        println!("ci: {name}: cargo {}", arguments.join(" "));
        let mut cargo = Command::new("cargo");
        repo::run(cargo.args(*arguments).env(VECTORS, &vectors).current_dir(&root))
            .map_err(|error| format!("{name}: {error}"))?;
    }
    println!("ci: all steps passed");
    Ok(ExitCode::SUCCESS)
}

/// Without it the book's kernel in Rust is skipped, which the test says.
fn add_kernel_target() {
    let added = Command::new("rustup").args(["target", "add", KERNEL_TARGET]).status();
    if !added.is_ok_and(|status| status.success()) {
        println!("ci: rustup can't add {KERNEL_TARGET}");
    }
}

/// The 80286 vectors. They aren't committed, but a change that was never run against them
/// doesn't land.
fn vectors(root: &Path) -> Result<PathBuf, String> {
    let named = std::env::var_os(VECTORS).map(PathBuf::from);
    let path = named.unwrap_or_else(|| root.join("../shared/vectors-80286"));
    if path.join("metadata.json").is_file() {
        return Ok(path);
    }
    Err(format!("no 80286 vectors in {}: set {VECTORS} to their folder", path.display()))
}
