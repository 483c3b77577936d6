//! The list of mutations in `roms/check/mutations.txt`, and what `MUTATIONS.md` says of them.
//!
//! An entry is a line `mutation NAME`, a line `file PATH`, the lines to find behind `- ` and those
//! to put there behind `+ `. Blank lines and lines that begin with `#` don't count.

use std::collections::BTreeMap;
use std::path::Path;

/// The list, from the root.
pub const LIST: &str = "roms/check/mutations.txt";
/// The table of names and cases, from the root.
pub const TABLE: &str = "roms/check/MUTATIONS.md";

/// One check of the processor, and how to drop it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutation {
    /// Its name in the table.
    pub name: String,
    /// The source file, from the root.
    pub file: String,
    /// Lines that stand there once.
    pub find: String,
    /// What stands there in the mutant.
    pub replace: String,
}

impl Mutation {
    /// The source with the check dropped.
    pub fn apply(&self, source: &str) -> Result<String, String> {
        let Self { name, file, find, replace } = self;
        if find.is_empty() || find == replace {
            return Err(format!("{name}: nothing to change"));
        }
        match source.matches(find.as_str()).count() {
            1 => Ok(source.replacen(find.as_str(), replace, 1)),
            n => Err(format!("{name}: {file} has the lines to find {n} times, not once")),
        }
    }
}

/// Reads the list.
pub fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let mut list: Vec<Mutation> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "mutation" {
            list.push(Mutation { name: rest.to_owned(), ..Mutation::default() });
            continue;
        }
        let last = list.last_mut().ok_or(format!("{LIST}:{number}: no mutation yet"))?;
        match word {
            "file" => last.file = rest.to_owned(),
            "-" => add_line(&mut last.find, rest),
            "+" => add_line(&mut last.replace, rest),
            _ => return Err(format!("{LIST}:{number}: what is `{word}`?")),
        }
    }
    Ok(list)
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// The case that each name of the table turns red.
pub fn cases(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter_map(|cells| {
            let case = cells.get(2)?.strip_prefix('`')?.strip_suffix('`')?;
            Some((cells[0].to_owned(), case.to_owned()))
        })
        .collect()
}

/// Reads a file below the root.
pub fn read(root: &Path, name: &str) -> Result<String, String> {
    let path = root.join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo;
    use std::collections::BTreeSet;

    #[test]
    fn entries_are_read_with_their_indentation() {
        let text = "# why\nmutation a\nfile b.rs\n-     if x {\n-         y\n+     if z {\n";
        let [entry] = &parse(text).expect("a good list")[..] else { panic!("one entry") };
        assert_eq!(entry.find, "    if x {\n        y");
        assert_eq!(entry.apply("{\n    if x {\n        y\n}").expect("once"), "{\n    if z {\n}");
    }

    #[test]
    fn a_text_that_stands_twice_is_refused() {
        let entry = Mutation { find: "x".into(), replace: "y".into(), ..Mutation::default() };
        assert!(entry.apply("x x").expect_err("twice").contains("2 times"));
        assert!(entry.apply("z").expect_err("never").contains("0 times"));
    }

    #[test]
    fn every_mutation_fits_its_source_and_stands_in_the_table() {
        let root = repo::root().expect("a root");
        let list = parse(&read(&root, LIST).expect("the list")).expect("a good list");
        let cases = cases(&read(&root, TABLE).expect("the table"));
        assert!(list.len() >= 60, "the list is read: {} entries", list.len());
        let mut names = BTreeSet::new();
        for entry in &list {
            let source = read(&root, &entry.file).unwrap_or_else(|error| panic!("{error}"));
            entry.apply(&source).unwrap_or_else(|error| panic!("{error}"));
            assert!(cases.contains_key(&entry.name), "{} isn't in {TABLE}", entry.name);
            assert!(names.insert(&entry.name), "{} stands twice", entry.name);
        }
        let untried = cases.keys().find(|name| !names.contains(name));
        assert_eq!(untried, None, "a row of {TABLE} that {LIST} doesn't try");
    }

    #[test]
    fn every_case_of_the_table_stands_in_a_transcript() {
        let root = repo::root().expect("a root");
        for (name, case) in cases(&read(&root, TABLE).expect("the table")) {
            let program = case.split('/').next().unwrap_or_default();
            let kept =
                read(&root, &format!("roms/check/check-{program}.txt")).expect("a transcript");
            let line = format!("ok   {case} = ");
            assert!(kept.lines().any(|l| l.starts_with(&line)), "{name}: no case `{case}`");
        }
    }
}
