//! `reference`: runs the self-checking programs (`roms/check`) on Debian's Bochs and compares
//! what they print with the transcripts kept beside them, or, with `--update`, replaces those; and
//! the same for the screens of the BIOS programs (`roms/suite`), on QEMU.
//!
//! Bochs is a peer, not a judge: where it disagrees with the Intel SDM, the case stands in
//! `roms/check/DISAGREEMENTS.md` with both values, and exactly that disagreement is expected.

use crate::{bochs, repo, screens};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `reference`.
#[derive(clap::Args)]
pub struct Args {
    /// Programs to run (default: every check-* and suite-*)
    names: Vec<String>,
    /// Replace the transcripts in roms/check and roms/suite
    #[arg(long)]
    update: bool,
    /// Show every line that a program prints
    #[arg(long)]
    verbose: bool,
    /// Put the peer's pictures of the suite's screens into a folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// Runs the programs on the peer; fails where a transcript or the list of disagreements is off.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let folder = repo::root()?.join("roms/check");
    let mut rows = parse_rows(&read(&folder.join("DISAGREEMENTS.md"))?)?;
    let all = args.names.is_empty();
    let (mut ran, mut wrong) = suite(args)?;
    for (name, image) in ::roms::ALL.iter().filter(|(name, _)| wanted(name, "check-", args)) {
        let printed = bochs::run(name, image)?;
        if args.verbose {
            print!("{printed}");
        }
        wrong += usize::from(!agrees(&folder, name, &settle(&printed, &mut rows), args.update)?);
        ran += 1;
    }
    if ran == 0 {
        return Err(format!("no program of the name {}", args.names.join(" ")));
    }
    for (case, row) in rows.iter().filter(|(_, row)| all && !row.seen) {
        println!("reference: the peer no longer prints `{}` for {case}: drop the row", row.peer);
        wrong += 1;
    }
    println!("reference: {ran} programs, {wrong} problems");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(name: &str, kind: &str, args: &Args) -> bool {
    name.starts_with(kind) && (args.names.is_empty() || args.names.iter().any(|n| n == name))
}

/// The screens of the suite: how many programs ran, and how many transcripts were off.
fn suite(args: &Args) -> Result<(usize, usize), String> {
    let folder = repo::root()?.join("roms/suite");
    let (mut ran, mut wrong) = (0, 0);
    for (name, image) in ::roms::ALL.iter().filter(|(name, _)| wanted(name, "suite-", args)) {
        let screens = screens::run(name, image, args.keep.as_deref())?;
        let fresh = format!("# {}: SeaBIOS, -M isapc -vga std\n{screens}", screens::peer()?);
        if args.verbose {
            print!("{fresh}");
        }
        let path = folder.join(format!("{name}.txt"));
        if args.update {
            std::fs::write(&path, fresh).map_err(|e| format!("{}: {e}", path.display()))?;
        } else {
            wrong += usize::from(!same_screens(name, &read(&path)?, &fresh));
        }
        ran += 1;
    }
    Ok((ran, wrong))
}

/// Compares two transcripts but for their heads, and says where they part.
fn same_screens(name: &str, kept: &str, fresh: &str) -> bool {
    let (kept, fresh) = (kept.lines().skip(1), fresh.lines().skip(1));
    for (old, new) in kept.clone().zip(fresh.clone()).filter(|(old, new)| old != new) {
        println!("reference: {name}: kept  {old}\nreference: {name}: fresh {new}");
    }
    kept.eq(fresh)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Compares (or replaces) one kept transcript, and says where they part.
fn agrees(folder: &Path, name: &str, fresh: &str, update: bool) -> Result<bool, String> {
    let path = folder.join(format!("{name}.txt"));
    let unsettled = fresh.lines().filter(|line| line.starts_with("FAIL")).collect::<Vec<_>>();
    for line in &unsettled {
        println!("reference: {line}");
    }
    if !fresh.lines().any(|line| line.starts_with("DONE")) {
        println!("reference: {name} didn't reach its end; last line: {:?}", fresh.lines().last());
        return Ok(false);
    }
    if update {
        std::fs::write(&path, fresh).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(unsettled.is_empty());
    }
    let kept = read(&path)?;
    let parted = kept.lines().zip(fresh.lines()).find(|(old, new)| old != new);
    if let Some((old, new)) = parted {
        println!("reference: {name}: kept  {old}\nreference: {name}: fresh {new}");
    } else if kept != fresh {
        println!("reference: {name}: the transcripts differ in length");
    }
    Ok(kept == fresh && unsettled.is_empty())
}

/// One known disagreement.
#[derive(Debug, PartialEq)]
struct Row {
    manual: String,
    peer: String,
    seen: bool,
}

/// The rows of the table in DISAGREEMENTS.md, by `program/case`.
fn parse_rows(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [case, manual, peer, reason] = cells[..] else {
            return Err(format!("a disagreement without its four cells: {line}"));
        };
        if reason.is_empty() {
            return Err(format!("a disagreement without a reason: {line}"));
        }
        let text = |cell: &str| cell.trim_matches('`').to_owned();
        let row = Row { manual: text(manual), peer: text(peer), seen: false };
        rows.insert(text(case), row);
    }
    Ok(rows)
}

/// The transcript with every known disagreement replaced by the manual's value, and the last
/// line counted anew.
fn settle(printed: &str, rows: &mut BTreeMap<String, Row>) -> String {
    let (mut passed, mut failed) = (0, 0);
    let mut settled = String::new();
    for line in printed.lines() {
        let known = line.strip_prefix("FAIL ").and_then(|rest| known_line(rest, rows));
        if line.starts_with("ok ") || known.is_some() {
            passed += 1;
        } else if line.starts_with("FAIL") {
            failed += 1;
        }
        let line = match (known, line.strip_prefix("DONE ").and_then(|l| l.split(' ').next())) {
            (Some(known), _) => known,
            (None, Some(rom)) => format!("DONE {rom} {passed} passed, {failed} failed"),
            (None, None) => line.to_owned(),
        };
        let _ = writeln!(settled, "{line}");
    }
    settled
}

/// What the line of a failed check would be by the manual, if its disagreement is known.
fn known_line(rest: &str, rows: &mut BTreeMap<String, Row>) -> Option<String> {
    let (case, row) = rows.iter_mut().find(|(case, _)| {
        rest.strip_prefix(case.as_str()).is_some_and(|tail| tail.starts_with(": expected "))
    })?;
    let tail = rest[case.len()..].strip_prefix(": expected ")?;
    let values = format!("{}, saw {}  [", row.manual, row.peer);
    let reference = tail.strip_prefix(values.as_str())?;
    row.seen = true;
    Some(format!("ok   {case} = {}  [{reference}", row.manual))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "| check | sdm |\n|---|---|\n| `r/a: b` | `#SS(0080)` | `#GP(0000)` | 2A |\n";

    #[test]
    fn a_known_disagreement_becomes_the_manuals_line() {
        let mut rows = parse_rows(TABLE).expect("a good table");
        let printed = "ok   r/x = ok  [SDM 1]\n\
                       FAIL r/a: b: expected #SS(0080), saw #GP(0000)  [SDM 2A]\n\
                       DONE r 1 passed, 1 failed\n";
        let settled = settle(printed, &mut rows);
        assert_eq!(
            settled,
            "ok   r/x = ok  [SDM 1]\nok   r/a: b = #SS(0080)  [SDM 2A]\nDONE r 2 passed, 0 failed\n"
        );
        assert!(rows["r/a: b"].seen);
    }

    #[test]
    fn another_value_than_the_known_one_stays_a_failure() {
        let mut rows = parse_rows(TABLE).expect("a good table");
        let printed = "FAIL r/a: b: expected #SS(0080), saw #NP(0000)  [SDM 2A]\n\
                       DONE r 0 passed, 1 failed\n";
        assert_eq!(settle(printed, &mut rows), printed);
        assert!(!rows["r/a: b"].seen);
    }

    #[test]
    fn a_row_without_a_reason_is_refused() {
        let error = parse_rows("| `r/a` | `x` | `y` |  |").expect_err("no reason given");
        assert!(error.contains("without a reason"), "{error}");
    }
}
