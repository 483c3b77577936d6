//! The papers beside the self-checking programs agree with each other: transcripts, the list of
//! mutations, the list of disagreements.

use std::collections::BTreeSet;
use std::path::PathBuf;

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("check").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn programs() -> Vec<&'static str> {
    roms::ALL.iter().map(|(name, _)| *name).filter(|name| name.starts_with("check-")).collect()
}

/// `program/case` of every line of every transcript.
fn cases() -> BTreeSet<String> {
    let transcripts: String = programs().iter().map(|name| read(&format!("{name}.txt"))).collect();
    let lines = transcripts.lines().filter_map(|line| line.strip_prefix("ok   "));
    lines.filter_map(|line| line.split_once(" = ")).map(|(case, _)| case.to_owned()).collect()
}

/// The cell `column` of every row of a table whose cells there stand in back quotes.
fn quoted_cells(table: &str, column: usize) -> Vec<String> {
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_matches('|').split('|').nth(column));
    let quoted = cells.filter_map(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`'));
    quoted.map(str::to_owned).collect()
}

#[test]
fn every_program_has_a_transcript_in_which_all_passed() {
    for name in programs() {
        let text = read(&format!("{name}.txt"));
        let passed = text.lines().filter(|line| line.starts_with("ok   ")).count();
        let rom = name.trim_start_matches("check-");
        let last = format!("DONE {rom} {passed} passed, 0 failed");
        assert_eq!(text.lines().last(), Some(last.as_str()), "{name}");
        assert_eq!(text.lines().count(), passed + 1, "{name} has a line that isn't a check");
    }
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let lines: usize =
        programs().iter().map(|name| read(&format!("{name}.txt")).lines().count()).sum();
    assert_eq!(cases().len(), lines - programs().len());
}

#[test]
fn every_mutation_names_a_check() {
    let (known, named) = (cases(), quoted_cells(&read("MUTATIONS.md"), 2));
    assert!(named.len() > 100, "the table is read: {} rows", named.len());
    let lost: Vec<_> = named.iter().filter(|case| !known.contains(*case)).collect();
    assert!(lost.is_empty(), "no check of these names: {lost:#?}");
}

#[test]
fn every_disagreement_names_a_check() {
    let (known, named) = (cases(), quoted_cells(&read("DISAGREEMENTS.md"), 0));
    assert!(!named.is_empty());
    let lost: Vec<_> = named.iter().filter(|case| !known.contains(*case)).collect();
    assert!(lost.is_empty(), "no check of these names: {lost:#?}");
}

#[test]
fn every_image_is_a_boot_sector_and_whole_sectors() {
    for (name, image) in roms::ALL.iter().filter(|(name, _)| name.starts_with("check-")) {
        assert_eq!(image[510..512], [0x55, 0xAA], "{name}");
        assert_eq!(image.len() % 512, 0, "{name}");
    }
}
