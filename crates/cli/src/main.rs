//! The `cloister` command: arguments in, exit status out. What a verb does is in its module.

#![forbid(unsafe_code)]

mod bench;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// An x86 computer that shows how it works inside.
#[derive(Parser, Debug)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Measure how fast guests run
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let Verb::Bench(args) = Cli::parse().verb;
    match bench::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloister: {error}");
            ExitCode::from(2)
        }
    }
}
