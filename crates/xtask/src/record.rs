//! `record`: runs the plan's cases on the host's processor and writes the fixture that the test
//! command replays. The file names the processor and the day.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use testkit::fixture::{self, Plan};
use testkit::native::{Native, processor_name};

/// Options of `record`.
#[derive(clap::Args)]
pub struct Args {
    /// Cases for each form and code size
    #[arg(long, default_value_t = 160)]
    per_form: u32,
    /// Seed of the whole set
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The fixture to write
    #[arg(long, default_value = "crates/testkit/fixtures/integer.clfx")]
    out: PathBuf,
}

/// Records and writes.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let mut native =
        Native::new().map_err(|reason| format!("this host can't record fixtures: {reason}"))?;
    let plan = Plan {
        seed: args.seed,
        per_form: args.per_form,
        processor: processor_name(),
        date: today()?,
    };
    let file = fixture::record(&mut native, &plan).map_err(|error| error.to_string())?;
    let shown = args.out.display();
    std::fs::write(&args.out, &file).map_err(|error| format!("can't write {shown}: {error}"))?;
    let read = fixture::read(&file).map_err(|error| error.to_string())?;
    println!(
        "{shown}: {} cases of {} forms in {} bytes, recorded on {} on {}",
        read.entries.len(),
        read.forms.len(),
        file.len(),
        plan.processor,
        plan.date
    );
    Ok(ExitCode::SUCCESS)
}

/// The day, from the host's own clock program.
fn today() -> Result<String, String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let output = output.map_err(|error| format!("can't run `date`: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}
