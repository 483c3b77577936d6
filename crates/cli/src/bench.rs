//! `cloister bench`: how fast our engines run the benchmark workloads, beside the host itself and
//! other emulators. Runs are interleaved (every contender once, then all of them again), so that a
//! host that slows down for a while disturbs all alike.

mod chart;
mod child;
mod console;
mod contender;
mod engine;
mod inside;
mod insight;
mod native;
mod peers;
mod report;
mod start;
mod stats;
mod table;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use machine::{Engine, Machine, MachineConfig, MachineError};
use roms::bench::Workload;

use contender::{Contender, Failure, Role, Sample};
use inside::Inside;
use insight::Insight;
use native::Native;
use report::{Field, Report, Row, Start, Timing};
use stats::Summary;
use table::Table;

/// The least time a region is said to take: its two lines may be seen at once.
const RESOLUTION: Duration = Duration::from_micros(1);

/// Options of `cloister bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only workloads whose name contains TEXT
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// How often to measure everything; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Multiply each workload's rounds by FACTOR
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    scale: f64,
    /// Repeat a workload that ends sooner within a run; times are of one
    #[arg(long, value_name = "SECONDS", default_value_t = 0.15)]
    least: f64,
    /// Also time bochs and qemu-system-i386 on the same images, where they are installed
    #[arg(long)]
    peers: bool,
    /// Also time the translator with parts of it left out
    #[arg(long)]
    tiers: bool,
    /// Leave out the host itself, which runs the same code as a 32-bit process
    #[arg(long)]
    no_native: bool,
    /// Show what the engines did inside: emitted code, callouts, caches, memory
    #[arg(long)]
    stats: bool,
    /// Write all samples and statistics to FILE as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw a chart into FILE, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Long help's end.
pub const LONG_HELP: &str = "\
Examples:
  cloister bench                                our engines and the host, medians of five runs
  cloister bench --peers --svg bench.svg        other emulators too, and a chart of all
  cloister bench --filter fib --tiers --stats   what each part of the translator gives

Contenders:
  jit        the translator with all it has; other times are compared with its
  interp     the interpreter
  native     the workload's own code as a 32-bit process of the host, where it needs no ring 0
  bochs, qemu   with --peers, on the very same images
  unchained  with --tiers: after each block the engine looks for the next; memory by software TLB
  chained    direct jumps lead from block to block
  tlb        returns and indirect jumps find their blocks too
  windows    memory by host windows from the first instruction on (jit: once the guest rests)

Every run's checksum must be the one that is computed independently: a wrong one is an error,
never a figure. Each contender runs each workload once to warm up, untimed, and is looked into
then; --json has all of that. A workload is done several times in one run if it ends sooner than
--least. Nothing else should run meanwhile: a spread above ten percent says that something did.";

/// Why a benchmark run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No workload has such a name.
    #[error("no workload is called like \"{filter}\"; there are: {names}")]
    NoSuchWorkload {
        /// What was asked for.
        filter: String,
        /// What there is.
        names: String,
    },
    /// `--scale` makes no sense.
    #[error("--scale {0} is not a positive number")]
    BadScale(f64),
    /// `--least` makes no sense.
    #[error("--least {0} is no number of seconds")]
    BadLeast(f64),
    /// A workload failed.
    #[error(transparent)]
    Run(#[from] Failure),
    /// The chart can't be drawn.
    #[error("the chart can't be drawn: {0}")]
    Chart(String),
    /// A file can't be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
}

/// Measures what `args` ask for and prints the tables.
pub fn run(args: &Args) -> Result<(), Error> {
    if !(args.scale.is_finite() && args.scale > 0.0) {
        return Err(Error::BadScale(args.scale));
    }
    if !(args.least.is_finite() && args.least >= 0.0) {
        return Err(Error::BadLeast(args.least));
    }
    let workloads = select(&args.filter)?;
    // Opened first, so that a minute's measuring isn't lost to a misspelt path.
    let open = |path: &Option<PathBuf>| path.clone().map(OutFile::create).transpose();
    let (json, svg) = (open(&args.json)?, open(&args.svg)?);
    let translates = translates(MachineConfig::default());
    let mut report = measure(args, &workloads, &contenders(args, translates))?;
    report.starts = starts(args.runs, translates);
    print!("{}", Table(&report));
    if args.stats {
        print!("{}", Inside(&report));
    }
    if let Some(file) = svg {
        file.write(&chart::draw(&report).map_err(Error::Chart)?)?;
    }
    json.map_or(Ok(()), |file| file.write_json(&report))
}

/// Whether this host can have the translator; where it can't, a line says why.
fn translates(config: MachineConfig) -> bool {
    match Machine::new(MachineConfig { engine: Engine::Jit, ..config }) {
        Err(MachineError::Jit(why)) => {
            eprintln!("cloister: without the translator: {why}");
            false
        }
        // What else may be wrong shows when the first workload is run.
        _ => true,
    }
}

/// Who takes part: our engines first, the others in the order of their distance.
fn contenders(args: &Args, translates: bool) -> Vec<Box<dyn Contender>> {
    let mut all = if args.tiers { engine::tiers() } else { engine::all() };
    all.retain(|ours| translates || ours.role() != Role::Translator);
    if !args.no_native {
        match Native::find() {
            Ok(native) => all.push(Box::new(native)),
            Err(why) => eprintln!(
                "cloister: without the host itself, which can't run 32-bit processes: {why}"
            ),
        }
    }
    if args.peers {
        all.extend(peers::installed());
    }
    all
}

/// How long our engines take to start; a host on which that can't be seen is told so.
fn starts(runs: u32, translates: bool) -> Vec<Start> {
    let mut starts = Vec::new();
    let engines = if translates { &["jit", "interp"][..] } else { &["interp"] };
    for engine in engines {
        match start::measure(engine, runs) {
            Ok(seconds) => starts.extend(seconds.map(|seconds| Start { engine, seconds })),
            Err(why) => {
                eprintln!("cloister: how long {engine} takes to start can't be seen: {why}")
            }
        }
    }
    starts
}

fn select(filter: &str) -> Result<Vec<Workload>, Error> {
    let (chosen, others): (Vec<_>, Vec<_>) =
        roms::bench::all().into_iter().partition(|w| w.name.contains(filter));
    if chosen.is_empty() {
        let names = others.iter().map(|w| w.name).collect::<Vec<_>>().join(" ");
        return Err(Error::NoSuchWorkload { filter: filter.to_owned(), names });
    }
    Ok(chosen)
}

/// Rounds to run when scaled: at least one.
fn rounds(workload: &Workload, scale: f64) -> u32 {
    ((f64::from(workload.rounds()) * scale).round() as u32).max(1)
}

/// One contender and one workload, as far as they have come.
struct Match {
    rounds: u32,
    repeats: u32,
    insight: Option<Insight>,
    samples: Vec<Sample>,
}

impl Match {
    /// The run that warms up; it also says how often the workload is to be repeated.
    fn begin(
        contender: &dyn Contender,
        workload: &Workload,
        rounds: u32,
        least: f64,
    ) -> Result<Self, Failure> {
        let (sample, insight) = contender.examine(workload, rounds)?;
        let repeats = repeats(sample.seconds, least, rounds);
        Ok(Self { rounds, repeats, insight, samples: Vec::new() })
    }

    fn run(&mut self, contender: &dyn Contender, workload: &Workload) -> Result<(), Failure> {
        let sample = contender.run(workload, self.rounds * self.repeats)?;
        self.samples.push(sample.part(self.repeats));
        Ok(())
    }

    fn timing(self) -> Option<Timing> {
        let steps = self.samples.iter().find_map(|sample| sample.steps);
        let seconds = Summary::of(self.samples.iter().map(|sample| sample.seconds).collect())?;
        Some(Timing { seconds, repeats: self.repeats, steps, insight: self.insight })
    }
}

/// The most often that a workload is repeated within a run.
const REPEATS_MOST: u32 = 100;

/// How often a region of `seconds` is to be repeated to last at least `least`.
fn repeats(seconds: f64, least: f64, rounds: u32) -> u32 {
    let wanted = (least / seconds).ceil().clamp(1.0, f64::from(REPEATS_MOST)) as u32;
    wanted.min(u32::MAX / rounds)
}

fn measure(
    args: &Args,
    workloads: &[Workload],
    contenders: &[Box<dyn Contender>],
) -> Result<Report, Error> {
    let can_run = |workload: &Workload| contenders.iter().filter(|c| c.can_run(workload)).count();
    let matches: usize = workloads.iter().map(can_run).sum();
    let progress = progress_bar((u64::from(args.runs) + 1) * matches as u64);
    let show = |workload: &Workload, contender: &dyn Contender| {
        progress.set_message(format!("{} on {}", workload.name, contender.name()));
    };
    let mut rows = Vec::new();
    for workload in workloads {
        let mut row = Vec::new();
        for contender in contenders {
            row.push(if contender.can_run(workload) {
                show(workload, &**contender);
                let rounds = rounds(workload, args.scale);
                let begun = Match::begin(&**contender, workload, rounds, args.least)?;
                progress.inc(1);
                Some(begun)
            } else {
                None
            });
        }
        rows.push(row);
    }
    for _ in 0..args.runs {
        for (workload, row) in workloads.iter().zip(&mut rows) {
            for (contender, cell) in contenders.iter().zip(row) {
                if let Some(cell) = cell {
                    show(workload, &**contender);
                    cell.run(&**contender, workload)?;
                    progress.inc(1);
                }
            }
        }
    }
    progress.finish_and_clear();
    Ok(summarize(args, workloads, contenders, rows))
}

fn summarize(
    args: &Args,
    workloads: &[Workload],
    contenders: &[Box<dyn Contender>],
    rows: Vec<Vec<Option<Match>>>,
) -> Report {
    let field: Vec<Field> =
        contenders.iter().map(|c| Field { name: c.name().to_owned(), role: c.role() }).collect();
    let row = |(workload, row): (&Workload, Vec<Option<Match>>)| {
        let timings = row.into_iter().map(|cell| cell.and_then(Match::timing)).collect();
        Row::new(workload, rounds(workload, args.scale), &field, timings)
    };
    let rows = workloads.iter().zip(rows).map(row).collect();
    Report::new(args.runs, field, rows)
}

/// A bar on stderr, and nothing at all where that is no terminal.
fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A file that was asked for.
struct OutFile {
    path: PathBuf,
    file: File,
}

impl OutFile {
    fn create(path: PathBuf) -> Result<Self, Error> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    fn write(mut self, text: &str) -> Result<(), Error> {
        let done = self.file.write_all(text.as_bytes());
        done.map_err(|source| Error::File { path: self.path, source })
    }

    fn write_json(self, report: &Report) -> Result<(), Error> {
        match serde_json::to_string_pretty(report) {
            Ok(text) => self.write(&(text + "\n")),
            Err(error) => Err(Error::File { path: self.path, source: error.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_fits_nothing_names_all_workloads() {
        let error = select("quake").err().unwrap().to_string();
        assert!(
            error.contains("quake") && error.contains("sieve") && error.contains("port"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_filter_takes_all_and_a_name_takes_one() {
        assert_eq!(select("").unwrap().len(), roms::bench::all().len());
        assert_eq!(select("sieve").unwrap().len(), 1);
    }

    #[test]
    fn rounds_are_scaled_and_never_none() {
        let sieve = &select("sieve").unwrap()[0];
        assert_eq!(rounds(sieve, 2.0), sieve.rounds() * 2);
        assert_eq!(rounds(sieve, 1e-9), 1);
    }

    #[test]
    fn what_ends_soon_is_repeated_but_not_for_ever() {
        assert_eq!(repeats(0.06, 0.15, 100), 3);
        assert_eq!(repeats(1.5, 0.15, 100), 1);
        assert_eq!(repeats(1e-6, 0.15, 100), REPEATS_MOST);
        assert_eq!(repeats(0.01, 0.0, 100), 1);
        assert_eq!(repeats(1e-6, 0.15, u32::MAX), 1);
    }

    fn arguments(command: &[&str]) -> Args {
        let args = <Args as clap::Args>::augment_args(clap::Command::new("bench"));
        let args = args.try_get_matches_from(command).unwrap();
        <Args as clap::FromArgMatches>::from_arg_matches(&args).unwrap()
    }

    #[test]
    fn on_a_host_without_what_the_translator_needs_the_interpreter_is_timed_alone() {
        let mut config = MachineConfig::default();
        config.translator.host = || Err(machine::JitError::Processor("BMI2"));
        assert!(!translates(config));
        let args = arguments(&["bench", "--tiers", "--no-native"]);
        let left = contenders(&args, false);
        assert_eq!(left.iter().map(|c| c.name()).collect::<Vec<_>>(), ["interp"]);
    }

    #[test]
    fn all_that_was_measured_is_in_the_report_and_a_process_has_no_ports() {
        let names = ["crc", "port"].map(|name| select(name).unwrap().remove(0));
        let mut contenders = engine::all();
        contenders.extend(Native::find().map(|native| Box::new(native) as Box<dyn Contender>));
        let args = arguments(&["bench", "--runs", "2", "--scale", "0.02", "--least", "0"]);
        let report = measure(&args, &names, &contenders).unwrap();
        assert_eq!(report.contenders[..2], ["jit", "interp"]);
        for row in &report.rows {
            let cells: Vec<_> = row.results.iter().flatten().collect();
            assert!(cells.iter().all(|cell| cell.seconds.samples.len() == 2));
            assert!(
                cells[0].insight.is_some() && cells[1].insight.is_some(),
                "ours are looked into"
            );
        }
        assert!(report.rows[1].results.iter().skip(2).all(Option::is_none));
        let json = serde_json::to_value(&report).unwrap();
        let share = &json["rows"][0]["results"][0]["insight"]["translator"]["emitted_share"];
        assert!(share.is_f64(), "{json}");
    }
}
