//! `cloister bench`: how fast our engines run the benchmark workloads, beside other emulators if
//! asked. Runs are interleaved (every contender once, then all of them again), so that a host
//! that slows down for a while disturbs all alike.

mod console;
mod contender;
mod engine;
mod peers;
mod report;
mod stats;
mod table;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use roms::bench::Workload;

use contender::{Contender, Failure, Sample};
use report::{Report, Row};
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
    /// Also time bochs and qemu-system-i386 on the same images, where they are installed
    #[arg(long)]
    peers: bool,
    /// Write all samples to FILE as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

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
    /// A workload failed.
    #[error(transparent)]
    Run(#[from] Failure),
    /// The JSON file can't be written.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
}

/// Measures what `args` ask for and prints the table.
pub fn run(args: &Args) -> Result<(), Error> {
    if !(args.scale.is_finite() && args.scale > 0.0) {
        return Err(Error::BadScale(args.scale));
    }
    let workloads = select(&args.filter)?;
    let mut contenders = engine::all();
    if args.peers {
        contenders.extend(peers::installed());
    }
    // Opened first, so that a minute's measuring isn't lost to a misspelt path.
    let json = args.json.as_deref().map(JsonFile::create).transpose()?;
    let report = measure(args, &workloads, &contenders)?;
    print!("{}", Table(&report));
    json.map_or(Ok(()), |file| file.write(&report))
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

fn measure(
    args: &Args,
    workloads: &[Workload],
    contenders: &[Box<dyn Contender>],
) -> Result<Report, Error> {
    let total = u64::from(args.runs) * (workloads.len() * contenders.len()) as u64;
    let progress = progress_bar(total);
    let mut samples: Vec<Vec<Vec<Sample>>> =
        workloads.iter().map(|_| contenders.iter().map(|_| Vec::new()).collect()).collect();
    for _ in 0..args.runs {
        for (workload, row) in workloads.iter().zip(&mut samples) {
            for (contender, cell) in contenders.iter().zip(row) {
                progress.set_message(format!("{} on {}", workload.name, contender.name()));
                cell.push(contender.run(workload, rounds(workload, args.scale))?);
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    let names = contenders.iter().map(|c| c.name().to_owned()).collect();
    let rows = workloads.iter().zip(&samples).map(|(w, row)| summarize(w, args.scale, row));
    Ok(Report::new(args.runs, names, rows.collect()))
}

fn summarize(workload: &Workload, scale: f64, row: &[Vec<Sample>]) -> Row {
    let steps = row.iter().flatten().find_map(|sample| sample.steps);
    let seconds = |cell: &Vec<Sample>| Summary::of(cell.iter().map(|s| s.seconds).collect());
    let times = row.iter().filter_map(seconds).collect();
    Row::new(workload.name, rounds(workload, scale), steps, workload.model(), times)
}

/// A bar on stderr, and nothing at all where that is no terminal.
fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Where the samples go.
struct JsonFile<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> JsonFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Error> {
        let fail = |source| Error::Json { path: path.to_owned(), source };
        Ok(Self { path, file: File::create(path).map_err(fail)? })
    }

    fn write(mut self, report: &Report) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(report).map_err(io::Error::from);
        text.and_then(|text| writeln!(self.file, "{text}"))
            .map_err(|source| Error::Json { path: self.path.to_owned(), source })
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
}
