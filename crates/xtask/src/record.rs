//! `record`: runs the plans' cases on the host's processor and writes the fixtures that the test
//! command replays, one for each set of forms. A file names the processor and the day.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use testkit::Set;
use testkit::fixture::{self, Plan};
use testkit::native::{Native, processor_name};

/// Options of `record`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this set: integer, x87, simd or fxsave
    #[arg(long, value_parser = parse_set)]
    set: Option<Set>,
    /// Cases for each form and code size, instead of the set's own number
    #[arg(long)]
    per_form: Option<u32>,
    /// Seed of the whole set
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Told apart from the set's own file by this, e.g. the processor's generation
    #[arg(long)]
    suffix: Option<String>,
    /// Where the fixtures go
    #[arg(long, default_value = "crates/testkit/fixtures")]
    out: PathBuf,
}

/// A set by its name.
pub fn parse_set(name: &str) -> Result<Set, String> {
    Set::named(name)
        .ok_or_else(|| format!("no set is called `{name}`; try integer, x87, simd or fxsave"))
}

/// So many that a file stays well below a megabyte and a half.
fn per_form(set: Set) -> u32 {
    match set {
        Set::Integer => 160,
        Set::X87 => 100,
        Set::Simd => 70,
        Set::Fxsave => 1000,
    }
}

/// Records and writes.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let mut native =
        Native::new().map_err(|reason| format!("this host can't record fixtures: {reason}"))?;
    for set in Set::ALL.into_iter().filter(|set| args.set.is_none_or(|only| only == *set)) {
        record(args, set, &mut native)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn record(args: &Args, set: Set, native: &mut Native) -> Result<(), String> {
    let plan = Plan {
        set,
        seed: args.seed,
        per_form: args.per_form.unwrap_or(per_form(set)),
        processor: processor_name(),
        date: today()?,
    };
    let file = fixture::record(native, &plan).map_err(|error| error.to_string())?;
    let suffix = args.suffix.as_ref().map(|suffix| format!("-{suffix}")).unwrap_or_default();
    let path = args.out.join(format!("{}{suffix}.clfx", set.name()));
    let shown = path.display();
    std::fs::write(&path, &file).map_err(|error| format!("can't write {shown}: {error}"))?;
    let read = fixture::read(&file, set).map_err(|error| error.to_string())?;
    println!(
        "{shown}: {} cases of {} forms in {} bytes, recorded on {} on {}",
        read.entries.len(),
        read.forms.len(),
        file.len(),
        plan.processor,
        plan.date
    );
    Ok(())
}

/// The day, from the host's own clock program.
fn today() -> Result<String, String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let output = output.map_err(|error| format!("can't run `date`: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}
