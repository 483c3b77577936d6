//! What was measured, as data: for the tables, the chart and `--json`.

use roms::bench::Workload;
use serde::Serialize;

use super::contender::Role;
use super::insight::Insight;
use super::stats::{Summary, geometric_mean};

/// A whole benchmark run. The first contender is the one the others are compared with.
#[derive(Serialize)]
pub struct Report {
    /// Version of Cloister.
    pub version: &'static str,
    /// How often everything was measured.
    pub runs: u32,
    /// The contenders' names, in the order of each row's results.
    pub contenders: Vec<String>,
    /// What each of them is.
    pub roles: Vec<Role>,
    /// One row a workload.
    pub rows: Vec<Row>,
    /// For each contender the geometric mean of its time divided by the first's, over the rows
    /// that it has.
    pub mean_ratios: Vec<Option<f64>>,
    /// For each class of workloads, our engines against all others.
    pub classes: Vec<ClassMeans>,
    /// From the start of the process to the guest's first instruction, for each engine.
    pub starts: Vec<Start>,
}

/// Who took part.
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// The results of one workload.
#[derive(Serialize)]
pub struct Row {
    /// The workload.
    pub workload: &'static str,
    /// Its class.
    pub class: &'static str,
    /// Rounds of work in the measured region.
    pub rounds: u32,
    /// Steps in the measured region, where a contender counted them.
    pub steps: Option<u64>,
    /// The checksum that every run printed.
    pub checksum: String,
    /// One result a contender; none where it can't run this.
    pub results: Vec<Option<Cell>>,
}

/// What one contender did with one workload.
#[derive(Serialize)]
pub struct Cell {
    /// Host seconds of the measured region.
    pub seconds: Summary,
    /// Half the range as a share of the median.
    pub spread: f64,
    /// How often the region was done in one run, to last long enough: seconds are of one.
    pub repeats: u32,
    /// Guest steps a second: the row's steps by the median time.
    pub steps_per_second: Option<f64>,
    /// Time divided by the first contender's: above 1 is slower than it.
    pub ratio: f64,
    /// What happened inside, where it can be seen.
    pub insight: Option<Insight>,
    /// After how many executions of an instruction translating it has paid, against the
    /// interpreter; `None` where it never does.
    pub pays_after: Option<f64>,
}

/// One contender's samples of one workload.
pub struct Timing {
    /// Host seconds of the region.
    pub seconds: Summary,
    /// How often the region was done in each.
    pub repeats: u32,
    /// Steps in the region, where they were counted.
    pub steps: Option<u64>,
    /// What happened inside.
    pub insight: Option<Insight>,
}

/// The geometric means of one class of workloads.
#[derive(Serialize)]
pub struct ClassMeans {
    /// The class.
    pub class: &'static str,
    /// Its workloads.
    pub workloads: Vec<&'static str>,
    /// One of ours against one of the others each.
    pub ratios: Vec<ClassRatio>,
}

/// How many times the time of `over` an engine takes.
#[derive(Serialize)]
pub struct ClassRatio {
    /// The engine.
    pub of: String,
    /// With whom it is compared.
    pub over: String,
    /// Time divided by time.
    pub ratio: f64,
}

/// How long an engine takes to start.
#[derive(Serialize)]
pub struct Start {
    /// The engine.
    pub engine: &'static str,
    /// Seconds from the start of the process to the guest's first instruction.
    pub seconds: Summary,
}

impl Row {
    /// Derives rates and ratios from each contender's times.
    pub fn new(
        workload: &Workload,
        rounds: u32,
        field: &[Field],
        timings: Vec<Option<Timing>>,
    ) -> Self {
        let steps = timings.iter().flatten().find_map(|timing| timing.steps);
        let first = timings.iter().flatten().next().map_or(f64::NAN, |t| t.seconds.median);
        let mut both = field.iter().zip(&timings);
        let interpreted = both.find(|(f, _)| f.role == Role::Interpreter).and_then(|(_, t)| {
            let timing = t.as_ref()?;
            Some(timing.seconds.median)
        });
        let cell = |timing: Timing| Cell {
            spread: timing.seconds.spread(),
            repeats: timing.repeats,
            steps_per_second: steps.map(|n| n as f64 / timing.seconds.median),
            ratio: timing.seconds.median / first,
            pays_after: pays_after(&timing, interpreted, steps),
            seconds: timing.seconds,
            insight: timing.insight,
        };
        let results = timings.into_iter().map(|timing| timing.map(cell)).collect();
        let checksum = format!("{:08X}", workload.model());
        let class = workload.class.name();
        Self { workload: workload.name, class, rounds, steps, checksum, results }
    }

    /// Time of one contender divided by another's.
    fn ratio(&self, of: usize, over: usize) -> Option<f64> {
        let median = |n: usize| Some(self.results[n].as_ref()?.seconds.median);
        Some(median(of)? / median(over)?)
    }
}

/// Executions after which translating has paid: what it cost by what an execution saves.
fn pays_after(timing: &Timing, interpreted: Option<f64>, steps: Option<u64>) -> Option<f64> {
    let cost_ns = timing.insight.as_ref()?.translator.as_ref()?.ns_per_insn;
    let saved_ns = (interpreted? - timing.seconds.median) * 1e9 / steps? as f64;
    (saved_ns > 0.0).then(|| cost_ns / saved_ns)
}

impl Report {
    /// Puts the rows together.
    pub fn new(runs: u32, field: Vec<Field>, rows: Vec<Row>) -> Self {
        let mean = |n: usize| geometric_mean(rows.iter().filter_map(|row| row.ratio(n, 0)));
        let mean_ratios = (0..field.len()).map(mean).collect();
        let classes = classes(&field, &rows);
        let (contenders, roles) = field.into_iter().map(|f| (f.name, f.role)).unzip();
        let version = env!("CARGO_PKG_VERSION");
        Self { version, runs, contenders, roles, rows, mean_ratios, classes, starts: Vec::new() }
    }

    /// The geometric mean of one contender's rates, where all rows have one.
    pub fn mean_rate(&self, contender: usize) -> Option<f64> {
        let rate = |row: &Row| row.results[contender].as_ref()?.steps_per_second;
        geometric_mean(self.rows.iter().map(rate).collect::<Option<Vec<f64>>>()?)
    }
}

fn classes(field: &[Field], rows: &[Row]) -> Vec<ClassMeans> {
    let mut names: Vec<&'static str> = rows.iter().map(|row| row.class).collect();
    names.dedup();
    let class = |name: &'static str| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.class == name).collect();
        let workloads = rows.iter().map(|row| row.workload).collect();
        ClassMeans { class: name, workloads, ratios: class_ratios(field, &rows) }
    };
    names.into_iter().map(class).collect()
}

fn class_ratios(field: &[Field], rows: &[&Row]) -> Vec<ClassRatio> {
    let numbered = || field.iter().enumerate();
    let ours = numbered().filter(|(_, f)| f.role.is_ours());
    let pairs = ours.flat_map(|of| {
        let others = numbered().filter(|(_, f)| !f.role.is_ours());
        others.map(move |over| (of, over))
    });
    pairs
        .filter_map(|((n, of), (m, over))| {
            let all: Option<Vec<f64>> = rows.iter().map(|row| row.ratio(n, m)).collect();
            let ratio = geometric_mean(all?)?;
            Some(ClassRatio { of: of.name.clone(), over: over.name.clone(), ratio })
        })
        .collect()
}

/// Rows for tests: of the sieve and others, each contender's seconds.
#[cfg(test)]
pub fn sample(names: &[(&str, Role)], rows: &[(&str, &[Option<f64>])]) -> Report {
    let field = || {
        let one = |&(name, role): &(&str, Role)| Field { name: name.to_owned(), role };
        names.iter().map(one).collect::<Vec<_>>()
    };
    let row = |&(name, times): &(&str, &[Option<f64>])| {
        let workload = roms::bench::all().into_iter().find(|w| w.name == name).unwrap();
        let timing = |seconds: &Option<f64>| {
            let seconds = Summary::of(vec![(*seconds)?])?;
            Some(Timing { seconds, repeats: 1, steps: Some(100_000_000), insight: None })
        };
        Row::new(&workload, 1, &field(), times.iter().map(timing).collect())
    };
    Report::new(1, field(), rows.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::super::insight::Translator;
    use super::*;

    const NAMES: [(&str, Role); 3] =
        [("jit", Role::Translator), ("interp", Role::Interpreter), ("native", Role::Native)];

    #[test]
    fn ratios_and_rates_are_against_the_first_contender_and_the_rows_steps() {
        let report = sample(&NAMES, &[("sieve", &[Some(0.5), Some(2.0), None])]);
        let row = &report.rows[0];
        assert_eq!(row.checksum, "F13566DA");
        let cells: Vec<_> = row.results.iter().flatten().collect();
        assert_eq!((cells[0].ratio, cells[1].ratio, cells.len()), (1.0, 4.0, 2));
        assert_eq!(cells[1].steps_per_second, Some(50e6));
    }

    #[test]
    fn means_are_geometric_over_the_rows_that_a_contender_has() {
        let rows: [(&str, &[_]); 3] = [
            ("sieve", &[Some(1.0), Some(2.0), Some(0.5)]),
            ("crc", &[Some(1.0), Some(8.0), Some(0.5)]),
            ("port", &[Some(1.0), Some(4.0), None]),
        ];
        let report = sample(&NAMES, &rows);
        let near =
            |a: Option<f64>, b: f64| assert!((a.unwrap() / b - 1.0).abs() < 1e-9, "{a:?} {b}");
        assert_eq!(report.mean_ratios[0], Some(1.0));
        near(report.mean_ratios[1], 4.0);
        near(report.mean_ratios[2], 0.5);
        near(report.mean_rate(0), 1e8);
        let [first, second] = &report.classes[..] else { panic!("two classes") };
        assert_eq!(first.workloads, ["sieve", "crc"]);
        let names = |r: &ClassRatio| (r.of.clone(), r.over.clone());
        let pairs: Vec<_> = first.ratios.iter().map(names).collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(pairs, [pair("jit", "native"), pair("interp", "native")]);
        near(Some(first.ratios[1].ratio), 8.0);
        assert!(second.ratios.is_empty(), "a process can't do port I/O");
    }

    #[test]
    fn translating_pays_after_its_cost_by_what_each_execution_saves() {
        let translator = Translator {
            emitted_share: 1.0,
            callouts: Vec::new(),
            guest_insns: 1,
            ns_per_insn: 300.0,
            blocks: 1,
            live_blocks: 1,
            host_bytes: 1,
            flushes: 0,
            windows_opened: 0,
            window_pages: 0,
            faults: 0,
        };
        let insight = Insight {
            intercepts: Vec::new(),
            tlb_fills: 0,
            bytes_above_ram: None,
            translator: Some(translator),
        };
        let seconds = Summary::of(vec![0.2]).unwrap();
        let timing = Timing { seconds, repeats: 1, steps: None, insight: Some(insight) };
        let after = |interpreted| pays_after(&timing, Some(interpreted), Some(100_000_000));
        assert!((after(0.5).unwrap() - 100.0).abs() < 1e-9, "3 ns saved each time");
        assert_eq!(after(0.1), None);
    }
}
