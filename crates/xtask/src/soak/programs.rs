//! `soak --programs`: whole random programs, translated and interpreted, until the time is up or
//! the engines disagree.

use machine::Engine;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testkit::programs::{Finding, Program, Race, Tally};

const ENGINES: [Engine; 2] = [Engine::Jit, Engine::Interp];

/// Runs for so long, or one program.
pub fn run(minutes: f64, seed: u64, only: Option<u64>) -> Result<ExitCode, String> {
    if let Some(seed) = only {
        return one(seed);
    }
    let mut race = Race::new(ENGINES).map_err(|error| error.to_string())?;
    let mut tally = Tally::default();
    let (start, mut shown) = (Instant::now(), Instant::now());
    let length = Duration::from_secs_f64(minutes.max(0.0) * 60.0);
    println!("soak: programs from seed {seed} on, translated and interpreted");
    for seed in seed << 32.. {
        if let Err(finding) = race.run(&Program::generate(seed), &mut tally) {
            println!(
                "soak: the engines differ on program {seed} at step {}: {}",
                finding.step, finding.what
            );
            println!("soak: cargo xtask soak --programs --program {seed} shows where");
            summary(&tally, start);
            return Ok(ExitCode::FAILURE);
        }
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            println!("soak: {} programs, {} steps", tally.programs, tally.steps);
        }
        if start.elapsed() >= length {
            break;
        }
    }
    summary(&tally, start);
    Ok(ExitCode::SUCCESS)
}

fn summary(tally: &Tally, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let (programs, steps) = (tally.programs, tally.steps);
    println!("soak: {programs} programs, {steps} steps on each engine in {seconds:.0} s");
    counts("fragments", &tally.kinds);
    counts("events", &tally.events);
    let vectors = tally.vectors.iter().map(|(vector, n)| (format!("{vector:02X}h"), *n)).collect();
    counts("deliveries by vector", &vectors);
    counts("ends", &tally.ends);
}

fn counts<K: Display>(what: &str, counts: &BTreeMap<K, u64>) {
    println!("soak: {what}");
    for (name, count) in counts {
        println!("  {count:>10}  {name}");
    }
}

/// One program, from its start to the first step at which the engines differ.
fn one(seed: u64) -> Result<ExitCode, String> {
    let program = Program::generate(seed);
    let kinds: Vec<String> = program.kinds.iter().map(ToString::to_string).collect();
    println!("soak: program {seed}: {}", kinds.join("; "));
    let mut race = Race::new(ENGINES).map_err(|error| error.to_string())?;
    let Some((finding, code)) = race.locate(&program) else {
        println!("soak: no difference");
        return Ok(ExitCode::SUCCESS);
    };
    let Finding { equal_at, step, what, .. } = finding;
    println!("soak: translated and interpreted differ at step {step}, equal at {equal_at}: {what}");
    code.iter().for_each(|line| println!("  {line}"));
    Ok(ExitCode::FAILURE)
}
