//! What was measured, as data: for the table and for `--json`.

use serde::Serialize;

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
    /// One row a workload.
    pub rows: Vec<Row>,
    /// For each contender the geometric mean over all rows of its time divided by the first's.
    pub mean_ratios: Vec<Option<f64>>,
}

/// The results of one workload.
#[derive(Serialize)]
pub struct Row {
    /// The workload.
    pub workload: &'static str,
    /// Rounds of work in the measured region.
    pub rounds: u32,
    /// Steps in the measured region, where a contender counted them.
    pub steps: Option<u64>,
    /// The checksum that every run printed.
    pub checksum: String,
    /// One result a contender.
    pub results: Vec<Cell>,
}

/// What one contender did with one workload.
#[derive(Serialize)]
pub struct Cell {
    /// Host seconds of the measured region.
    pub seconds: Summary,
    /// Guest steps a second: the row's steps by the median time.
    pub steps_per_second: Option<f64>,
    /// Time divided by the first contender's: above 1 is slower than it.
    pub ratio: f64,
}

impl Row {
    /// Derives rates and ratios from each contender's times.
    pub fn new(
        workload: &'static str,
        rounds: u32,
        steps: Option<u64>,
        checksum: u32,
        times: Vec<Summary>,
    ) -> Self {
        let first = times.first().map_or(f64::NAN, |s| s.median);
        let cell = |seconds: Summary| Cell {
            steps_per_second: steps.map(|n| n as f64 / seconds.median),
            ratio: seconds.median / first,
            seconds,
        };
        let results = times.into_iter().map(cell).collect();
        Self { workload, rounds, steps, checksum: format!("{checksum:08X}"), results }
    }
}

impl Report {
    /// Puts the rows together.
    pub fn new(runs: u32, contenders: Vec<String>, rows: Vec<Row>) -> Self {
        let mean = |i: usize| geometric_mean(rows.iter().map(|row| row.results[i].ratio));
        let mean_ratios = (0..contenders.len()).map(mean).collect();
        Self { version: env!("CARGO_PKG_VERSION"), runs, contenders, rows, mean_ratios }
    }

    /// The geometric mean of one contender's rates, where all rows have one.
    pub fn mean_rate(&self, contender: usize) -> Option<f64> {
        let rates = self.rows.iter().map(|row| row.results[contender].steps_per_second);
        geometric_mean(rates.collect::<Option<Vec<f64>>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(seconds: f64) -> Summary {
        Summary::of(vec![seconds]).unwrap()
    }

    #[test]
    fn ratios_and_rates_are_against_the_first_contender_and_the_rows_steps() {
        let row = Row::new("sieve", 3, Some(1000), 0xAB, vec![summary(0.5), summary(2.0)]);
        assert_eq!(row.checksum, "000000AB");
        assert_eq!((row.results[0].ratio, row.results[1].ratio), (1.0, 4.0));
        assert_eq!(row.results[0].steps_per_second, Some(2000.0));
        assert_eq!(row.results[1].steps_per_second, Some(500.0));
    }

    #[test]
    fn means_are_geometric_over_the_rows() {
        let row = |slow| Row::new("sieve", 1, Some(100), 0, vec![summary(1.0), summary(slow)]);
        let report = Report::new(1, vec!["a".into(), "b".into()], vec![row(2.0), row(8.0)]);
        assert_eq!(report.mean_ratios[0], Some(1.0));
        assert!((report.mean_ratios[1].unwrap() - 4.0).abs() < 1e-12);
        assert!((report.mean_rate(0).unwrap() - 100.0).abs() < 1e-9);
    }
}
