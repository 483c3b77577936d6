//! The table of `--stats`: what our engines did inside.

use std::fmt::{self, Display, Formatter};

use super::insight::{Count, Insight, Translator};
use super::report::{Cell, Report};

/// Shows what is known of each run of our engines, one line each.
pub struct Inside<'a>(pub &'a Report);

/// Kinds of callouts named in a line.
const NAMED: usize = 4;

impl Display for Inside<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<10} {:<9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>9} {:>12} {:>8} {:>6}  callouts",
            "workload",
            "engine",
            "emitted",
            "ns/insn",
            "pays at",
            "blocks",
            "KiB",
            "drops",
            "TLB fills",
            "windows",
            "faults",
            "MiB",
        )?;
        for row in &self.0.rows {
            for (cell, name) in row.results.iter().zip(&self.0.contenders) {
                if let Some(cell) = cell
                    && let Some(insight) = &cell.insight
                {
                    write!(f, "{:<10} {name:<9} ", row.workload)?;
                    line(f, cell, insight)?;
                }
            }
        }
        f.write_str(LEGEND)
    }
}

const LEGEND: &str = "
emitted: share of the measured region's steps that emitted code took by itself; callouts: the
instructions most often left to the interpreter there. ns/insn: what translating an instruction
takes; pays at: executions after which that has paid against the interpreter. blocks, KiB, drops:
made, their host code, how often all was dropped, since power-on. TLB fills: misses of the software
TLB; windows: opened/pages mapped; faults: of emitted code. MiB: the process less the guest's RAM.
";

fn line(f: &mut Formatter<'_>, cell: &Cell, insight: &Insight) -> fmt::Result {
    let none = String::new;
    let mib = insight.bytes_above_ram.map_or_else(none, |b| format!("{:.1}", mib(b)));
    let fills = insight.tlb_fills;
    let Some(t) = &insight.translator else {
        let kinds = named(&insight.intercepts);
        return writeln!(f, "{:>58} {fills:>9} {:>12} {:>8} {mib:>6}  {kinds}", "", "", "");
    };
    let Translator { emitted_share, ns_per_insn, blocks, flushes, faults, .. } = t;
    let emitted = emitted(*emitted_share);
    let pays = cell.pays_after.map_or_else(|| "never".to_owned(), |n| format!("{n:.0}"));
    let windows = format!("{}/{}", t.windows_opened, t.window_pages);
    write!(f, "{emitted:>8} {ns_per_insn:>8.0} {pays:>8} {blocks:>7} {:>7} ", t.host_bytes >> 10)?;
    let callouts = named(&t.callouts);
    writeln!(f, "{flushes:>6} {fills:>9} {windows:>12} {faults:>8} {mib:>6}  {callouts}")
}

/// A share in percent, never rounded up to all.
fn emitted(share: f64) -> String {
    format!("{:.2}%", (share * 1e4).floor() / 1e2)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn named(counts: &[Count]) -> String {
    let word = |Count { name, count }: &Count| format!("{} {count}", name.to_lowercase());
    counts.iter().take(NAMED).map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(
            [emitted(0.999_999), emitted(1.0), emitted(0.5)],
            ["99.99%", "100.00%", "50.00%"]
        );
    }

    #[test]
    fn only_the_most_frequent_callouts_are_named() {
        let counts: Vec<Count> =
            (1..=9).rev().map(|count| Count { name: format!("I{count}"), count }).collect();
        assert_eq!(named(&counts), "i9 9, i8 8, i7 7, i6 6");
    }
}
