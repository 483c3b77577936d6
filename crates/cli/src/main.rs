//! The `cloister` command: arguments in, exit status out. What a verb does is in its module.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod cpus;
mod disk;
mod drive;
mod failure;
mod input;
mod keys;
mod live;
mod output;
mod quantity;
mod run;
mod status;
mod tour;
mod translate;

use args::{Cli, Verb};
use clap::Parser;
use clap::error::ErrorKind;
use failure::Failure;
use status::Status;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&error),
    };
    let done = match cli.verb {
        None | Some(Verb::Tour) => tour::run(),
        Some(Verb::Run(args)) => run::run(&args),
        Some(Verb::Translate(args)) => translate::run(&args).map(|()| Status::Success.code()),
        Some(Verb::Cpus) => cpus::run(),
        Some(Verb::Disk { verb }) => disk::run(&verb).map(|()| Status::Success.code()),
        Some(Verb::Bench(args)) => {
            bench::run(&args).map(|()| Status::Success.code()).map_err(|error| not_measured(&error))
        }
    };
    done.unwrap_or_else(|failure| {
        output::say(&format!("cloister: {failure}"));
        failure.status.code()
    })
}

fn not_measured(error: &bench::Error) -> Failure {
    match error {
        bench::Error::NoSuchWorkload { .. }
        | bench::Error::BadScale(_)
        | bench::Error::BadLeast(_) => Failure::usage(error.to_string()),
        _ => Failure::host(error.to_string()),
    }
}

/// Help and version as they are; an error in one line.
fn explain_usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed pipe is no error here either.
        let _ = error.print();
        return Status::Success.code();
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A verb without what it is to do: its own help says what there is.
        let _ = error.print();
        return Status::Usage.code();
    }
    output::say(&format!("cloister: {}; see --help", one_line(&error.to_string())));
    Status::Usage.code()
}

/// What an error says before it comes to the usage, in one line.
fn one_line(message: &str) -> String {
    let told = message.lines().map(str::trim).take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let words: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let text = words.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_several_lines_becomes_one() {
        let message = "error: invalid value 'x' for '--engine <ENGINE>'\n  \
                       [possible values: a, b]\n\nFor more information, try '--help'.\n";
        let expected = "invalid value 'x' for '--engine <ENGINE>' [possible values: a, b]";
        assert_eq!(one_line(message), expected);
    }
}
