//! The tables that `cloister bench` prints: times, and means by class of workload.

use std::fmt::{self, Display, Formatter};

use super::contender::Role;
use super::report::{Cell, Report};

/// Shows a report as text: one row a workload, one column a contender; then one row a class.
pub struct Table<'a>(pub &'a Report);

/// Width of a contender's column, with rates and without.
const COLUMN: usize = 31;
const NARROW: usize = 21;
/// Contenders up to whom there is room for rates.
const WITH_RATES: usize = 3;

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (report, width) = (self.0, self.width());
        write!(f, "{:<10} {:>9}", "workload", "M steps")?;
        for name in &report.contenders {
            write!(f, " {name:>width$}")?;
        }
        writeln!(f)?;
        for row in &report.rows {
            let steps =
                row.steps.map_or_else(|| "-".to_owned(), |n| format!("{:.1}", n as f64 / 1e6));
            write!(f, "{:<10} {steps:>9}", row.workload)?;
            for (i, cell) in row.results.iter().enumerate() {
                let entry = |cell| Entry { cell, first: i == 0, rate: self.has_rates() };
                let text = cell.as_ref().map_or_else(|| "-".to_owned(), |c| entry(c).to_string());
                write!(f, " {text:>width$}")?;
            }
            writeln!(f)?;
        }
        self.means(f)?;
        legend(f, report)?;
        self.classes(f)?;
        starts(f, report)
    }
}

impl Table<'_> {
    fn has_rates(&self) -> bool {
        self.0.contenders.len() <= WITH_RATES
    }

    fn width(&self) -> usize {
        if self.has_rates() { COLUMN } else { NARROW }
    }

    fn means(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self.width();
        write!(f, "{:<20}", "geometric mean")?;
        for (i, ratio) in self.0.mean_ratios.iter().enumerate() {
            let mean = self.0.mean_rate(i).filter(|_| self.has_rates());
            let rate = mean.map_or_else(String::new, rate);
            let ratio = ratio.filter(|_| i > 0).map_or_else(String::new, times);
            write!(f, " {:>width$}", rate + &ratio)?;
        }
        writeln!(f)
    }

    /// A table for each contender that isn't ours: our engines' times divided by its.
    fn classes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let named = || self.0.contenders.iter().zip(&self.0.roles);
        let ours: Vec<&String> = named().filter(|(_, r)| r.is_ours()).map(|(n, _)| n).collect();
        for (over, role) in named().filter(|(_, role)| !role.is_ours()) {
            let title = format!("time ÷ {over}");
            write!(f, "\n{title:<24}")?;
            ours.iter().try_for_each(|name| write!(f, " {name:>9}"))?;
            writeln!(f)?;
            for class in &self.0.classes {
                let ratio = |of: &&String| {
                    let mut ratios = class.ratios.iter();
                    Some(ratios.find(|r| r.of == **of && r.over == *over)?.ratio)
                };
                if ours.iter().any(|of| ratio(of).is_some()) {
                    write!(f, "{:<24}", class.class)?;
                    for of in &ours {
                        let text = ratio(of).map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
                        write!(f, " {text:>9}")?;
                    }
                    writeln!(f)?;
                }
            }
            if *role == Role::Native {
                writeln!(f, "native: the workload's own code as a 32-bit process of this host")?;
            }
        }
        Ok(())
    }
}

/// One cell: time, spread, rate; and against the first contender, how many times its time.
struct Entry<'a> {
    cell: &'a Cell,
    first: bool,
    rate: bool,
}

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let cell = self.cell;
        write!(f, "{:.3}s ±{:2.0}%", cell.seconds.median, cell.spread * 100.0)?;
        if let Some(value) = cell.steps_per_second.filter(|_| self.rate) {
            write!(f, " {}", rate(value))?;
        }
        if self.first { Ok(()) } else { write!(f, "{}", times(cell.ratio)) }
    }
}

/// Steps a second, in millions.
fn rate(per_second: f64) -> String {
    format!("{:6.1} M/s", per_second / 1e6)
}

/// A ratio.
fn times(ratio: f64) -> String {
    format!(" {ratio:6.2}x")
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

fn starts(f: &mut Formatter<'_>, report: &Report) -> fmt::Result {
    for start in &report.starts {
        let (engine, ms) = (start.engine, start.seconds.median * 1e3);
        writeln!(
            f,
            "{engine}: {ms:.1} ms from the start of the process to the guest's first step"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::sample;
    use super::*;

    const OURS: [(&str, Role); 2] = [("jit", Role::Translator), ("interp", Role::Interpreter)];

    fn words(line: Option<&str>) -> Vec<&str> {
        line.unwrap().split_whitespace().collect()
    }

    #[test]
    fn a_row_shows_steps_times_rates_and_the_ratio_of_the_second_contender() {
        let report = sample(&OURS, &[("sieve", &[Some(0.5), Some(1.0)])]);
        let text = Table(&report).to_string();
        assert_eq!(
            words(text.lines().nth(1)),
            [
                "sieve", "100.0", "0.500s", "±", "0%", "200.0", "M/s", "1.000s", "±", "0%",
                "100.0", "M/s", "2.00x"
            ]
        );
    }

    #[test]
    fn four_contenders_have_no_room_for_rates_and_a_process_has_no_ports() {
        let names = [OURS[0], OURS[1], ("native", Role::Native), ("qemu 7.2", Role::Peer)];
        let rows: [(&str, &[_]); 2] = [
            ("sieve", &[Some(0.5), Some(1.0), Some(0.25), Some(2.0)]),
            ("port", &[Some(0.5), Some(1.0), None, Some(2.0)]),
        ];
        let text = Table(&sample(&names, &rows)).to_string();
        assert_eq!(
            words(text.lines().nth(2)),
            [
                "port", "100.0", "0.500s", "±", "0%", "1.000s", "±", "0%", "2.00x", "-", "2.000s",
                "±", "0%", "4.00x"
            ]
        );
        let class = |over: &str| {
            let at = text.find(over).unwrap();
            text[at..].lines().skip(1).take_while(|line| !line.is_empty()).map(str::to_owned)
        };
        let native: Vec<String> = class("time ÷ native").collect();
        assert_eq!(words(Some(&native[0])), ["integer,", "memory", "2.000", "4.000"]);
        assert!(!native.iter().any(|line| line.starts_with("port")), "{native:?}");
        assert!(class("time ÷ qemu 7.2").any(|line| line.starts_with("port I/O")));
    }
}
