//! `cargo xtask COMMAND`: the repository's chores, one file each.
#![forbid(unsafe_code)]

mod bochs;
mod ci;
mod guests;
mod mutants;
mod pictures;
mod record;
mod reference;
mod repo;
mod roms;
mod screens;
mod soak;
mod tidy;

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
    /// Compare the interpreter with this host's processor on random instructions
    Soak(soak::Args),
    /// Check what CI checks
    Ci,
    /// Check the rules of the house: arrows between crates, files, words
    Tidy,
    /// Rebuild the guest programs in roms/built
    Roms(roms::Args),
    /// Run the self-checking programs on Debian's Bochs and compare the transcripts
    Reference(reference::Args),
    /// Drop one check of the processor at a time: a self-checking program must notice each
    Mutants(mutants::Args),
    /// Take QEMU's pictures of roms/screens and compare them with those kept
    Pictures(pictures::Args),
    /// Fetch the guests that aren't kept here, and boot them
    Guests(guests::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Record(args) => record::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Ci => ci::run(),
        Command::Tidy => tidy::run(),
        Command::Roms(args) => roms::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Pictures(args) => pictures::run(&args),
        Command::Guests(args) => guests::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
