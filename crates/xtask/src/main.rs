//! `cargo xtask COMMAND`: the repository's chores, one file each.
#![forbid(unsafe_code)]

mod record;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the Cloister repository")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record the instruction fixtures on this host's processor
    Record(record::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Record(args) => record::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
