//! The table that `cloister bench` prints.

use std::fmt::{self, Display, Formatter};

use super::report::{Cell, Report};

/// Shows a report as text, one row a workload, one column a contender.
pub struct Table<'a>(pub &'a Report);

/// Width of a contender's column.
const COLUMN: usize = 30;

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(f, "{:<10} {:>9}", "workload", "M steps")?;
        for name in &report.contenders {
            write!(f, " {name:>COLUMN$}")?;
        }
        writeln!(f)?;
        for row in &report.rows {
            let steps =
                row.steps.map_or_else(|| "-".to_owned(), |n| format!("{:.1}", n as f64 / 1e6));
            write!(f, "{:<10} {steps:>9}", row.workload)?;
            for (i, cell) in row.results.iter().enumerate() {
                write!(f, " {:>COLUMN$}", Entry { cell, first: i == 0 }.to_string())?;
            }
            writeln!(f)?;
        }
        self.means(f)?;
        legend(f, report)
    }
}

impl Table<'_> {
    fn means(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}", "geometric mean")?;
        for (i, ratio) in self.0.mean_ratios.iter().enumerate() {
            let rate = self.0.mean_rate(i).map_or_else(String::new, rate);
            let ratio = ratio.filter(|_| i > 0).map_or_else(String::new, |r| format!(" {r:6.2}x"));
            write!(f, " {:>COLUMN$}", rate + &ratio)?;
        }
        writeln!(f)
    }
}

/// One cell: time, spread, rate; and against the first contender, how many times its time.
struct Entry<'a> {
    cell: &'a Cell,
    first: bool,
}

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = &self.cell.seconds;
        write!(f, "{:.3}s ±{:2.0}%", seconds.median, seconds.spread() * 100.0)?;
        if let Some(value) = self.cell.steps_per_second {
            write!(f, " {}", rate(value))?;
        }
        if self.first { Ok(()) } else { write!(f, " {:6.2}x", self.cell.ratio) }
    }
}

/// Steps a second, in millions.
fn rate(per_second: f64) -> String {
    format!("{:6.1} M/s", per_second / 1e6)
}

fn legend(f: &mut Formatter<'_>, report: &Report) -> fmt::Result {
    let runs = report.runs;
    writeln!(
        f,
        "\nMedians over {runs} interleaved runs, ± half their range; M/s: million steps a second."
    )?;
    if let [first, _, ..] = &report.contenders[..] {
        writeln!(f, "x: time divided by that of {first} (above 1: slower than it).")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::Row;
    use super::super::stats::Summary;
    use super::*;

    #[test]
    fn a_row_shows_steps_times_rates_and_the_ratio_of_the_second_contender() {
        let times = [0.5, 1.0].map(|s| Summary::of(vec![s]).unwrap()).to_vec();
        let rows = vec![Row::new("sieve", 1, Some(100_000_000), 0, times)];
        let report = Report::new(1, vec!["interp".into(), "bochs 2.7".into()], rows);
        let text = Table(&report).to_string();
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "sieve", "100.0", "0.500s", "±", "0%", "200.0", "M/s", "1.000s", "±", "0%",
                "100.0", "M/s", "2.00x"
            ]
        );
    }
}
