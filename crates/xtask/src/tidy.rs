//! `tidy`: the rules of the house that neither the compiler nor clippy knows: which crate may
//! use which, how long a file may be, how it begins, and words that must not stay.

mod arrows;
mod text;

use crate::repo;
use std::process::ExitCode;

/// Checks every file of the repository and every arrow between its crates.
pub fn run() -> Result<ExitCode, String> {
    let root = repo::root()?;
    let files = repo::files(&root)?;
    let mut wrong = arrows::check(&arrows::read(&root)?);
    for file in &files {
        let Ok(content) = std::fs::read_to_string(root.join(file)) else { continue };
        wrong.extend(text::check(file, &content));
    }
    for line in &wrong {
        println!("tidy: {line}");
    }
    println!("tidy: {} files, {} complaints", files.len(), wrong.len());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
