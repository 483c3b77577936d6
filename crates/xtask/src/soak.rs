//! `soak`: random instructions, the interpreter against this host's processor, until the time is up
//! or something differs. A difference is shrunk to one line, which `--replay` runs again.

mod programs;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testkit::emulated::{Emulated, Way};
use testkit::forms::Form;
use testkit::native::Native;
use testkit::rng::mix;
use testkit::shrink::shrink;
use testkit::{Case, Engine, Set, compare, generate, replay};

/// Options of `soak`.
#[derive(clap::Args)]
pub struct Args {
    /// How long to run
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Which instructions: integer, x87, simd or fxsave; all without it
    #[arg(long, value_parser = crate::record::parse_set)]
    set: Option<Set>,
    /// Show how many cases each form had
    #[arg(long)]
    count: bool,
    /// Where the sequence of cases starts: the same seed gives the same cases
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after this many forms have shown a difference
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Run this one case (a line that soak printed) and show both outcomes
    #[arg(long, value_name = "LINE")]
    replay: Option<String>,
    /// Whole random programs instead, the translator against the interpreter
    #[arg(long)]
    programs: bool,
    /// With --programs: run the program of this seed alone, in lockstep
    #[arg(long, value_name = "SEED", requires = "programs")]
    program: Option<u64>,
}

/// The processor and both engines, in all ways of running.
struct Engines {
    native: Native,
    emulated: Vec<(Way, Emulated)>,
}

impl Engines {
    fn new() -> Result<Engines, String> {
        let native = Native::new()
            .map_err(|reason| format!("this host can't run 16- and 32-bit segments: {reason}"))?;
        let emulated = Way::ALL.map(|way| (way, Emulated::new(way))).into();
        Ok(Engines { native, emulated })
    }

    /// What differs, by way of running; empty if nothing does.
    fn differences(&mut self, case: &Case) -> Vec<String> {
        let expected = self.native.run(case);
        let mut found = Vec::new();
        for (way, engine) in &mut self.emulated {
            let actual = engine.run(case);
            let differences = compare::differences(case, &expected, &actual);
            found.extend(differences.into_iter().map(|text| format!("{way:?}: {text}")));
        }
        found
    }
}

/// Runs until the time is up, a failure or the end of the line's case.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    if args.programs {
        return programs::run(args.minutes, args.seed, args.program);
    }
    let mut engines = Engines::new()?;
    match &args.replay {
        Some(line) => one(&mut engines, line),
        None => Ok(many(&mut engines, args)),
    }
}

fn one(engines: &mut Engines, line: &str) -> Result<ExitCode, String> {
    let case = replay::parse(line).map_err(|error| error.to_string())?;
    if generate::enters_kernel(&case.code) {
        return Err("that instruction is a system call of the host".into());
    }
    println!("processor: {:x?}", engines.native.run(&case));
    for (way, engine) in &mut engines.emulated {
        println!("{way:?}: {:x?}", engine.run(&case));
    }
    let found = engines.differences(&case);
    for text in &found {
        println!("  {text}");
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn many(engines: &mut Engines, args: &Args) -> ExitCode {
    let sets = Set::ALL.into_iter().filter(|set| args.set.is_none_or(|only| only == *set));
    let forms: Vec<Form> = sets.flat_map(Set::forms).collect();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let start = Instant::now();
    let length = Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
    let mut failed: BTreeMap<String, u32> = BTreeMap::new();
    let (mut tests, mut round, mut shown) = (0u64, 0u64, start);
    println!("soak: {} forms, 16 and 32 bits, seed {}", forms.len(), args.seed);
    let wanted = args.failures.max(1);
    while start.elapsed() < length && failed.len() < wanted {
        for (index, form) in forms.iter().enumerate() {
            if failed.len() >= wanted {
                break;
            }
            for wide in [false, true] {
                let seed = mix(args.seed << 32 ^ round) ^ (index as u64 * 2 + u64::from(wide));
                let Some(case) = generate::generate(form, wide, seed) else { continue };
                tests += 1;
                *counts.entry(form.name()).or_default() += 1;
                let found = engines.differences(&case);
                if !found.is_empty() {
                    report(engines, &form.name(), &case, &found, &mut failed);
                }
            }
        }
        round += 1;
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            progress(tests, start);
        }
    }
    progress(tests, start);
    println!("soak: {round} rounds over every form, {} forms with differences", failed.len());
    if args.count {
        counts.iter().for_each(|(form, count)| println!("  {count:>8} {form}"));
    }
    for (form, count) in &failed {
        println!("  {form}: {count}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn progress(tests: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("soak: {tests} tests in {seconds:.0} s, {:.0} a second", tests as f64 / seconds);
}

/// Shows the first difference of a form, shrunk.
fn report(
    engines: &mut Engines,
    form: &str,
    case: &Case,
    found: &[String],
    failed: &mut BTreeMap<String, u32>,
) {
    if engines.differences(case).is_empty() {
        println!("{form} differed once and not again: {}", replay::line(case));
        found.iter().for_each(|text| println!("  {text}"));
        return;
    }
    let count = failed.entry(form.to_string()).or_default();
    *count += 1;
    if *count > 1 {
        return;
    }
    let small = shrink(case, |case| !engines.differences(case).is_empty());
    println!("{form} differs: cargo xtask soak --replay '{}'", replay::line(&small));
    for text in engines.differences(&small) {
        println!("  {text}");
    }
}
