//! `mutants`: drops one check of the processor at a time, in a copy of the sources, and looks
//! whether the self-checking program that the table names turns red. One that stays green is a
//! hole in the checks.

mod list;

use crate::repo;
use list::Mutation;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Options of `mutants`.
#[derive(clap::Args)]
pub struct Args {
    /// Only these mutations; all of the list without any
    names: Vec<String>,
    /// Run every program of a mutant and show all that turned red
    #[arg(long)]
    all_programs: bool,
}

/// A mutant that takes longer than this hangs. A program needs a second; one that goes astray
/// runs to its last step, and the host may be busy.
const LONGEST: Duration = Duration::from_secs(400);
/// Rebuilding costs more than running: no optimization, no debug information.
const BUILD: [&str; 12] = [
    "test",
    "--quiet",
    "--no-run",
    "--message-format=json",
    "--package",
    "machine",
    "--test",
    "check_roms",
    "--config",
    "profile.dev.opt-level=0",
    "--config",
    "profile.dev.debug=false",
];

/// What the programs said of a mutant.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The case of the table is among those that differ.
    Caught,
    /// Red, but the case of the table isn't; the first that is.
    Elsewhere(String),
    Survived,
    /// The mutant doesn't compile.
    Broken(String),
}

/// The copy of the sources.
struct Copy {
    tree: PathBuf,
    build: PathBuf,
    said: PathBuf,
}

/// Makes, builds and runs the mutants; fails where one survives.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let root = repo::root()?;
    let cases = list::cases(&list::read(&root, list::TABLE)?);
    let list = chosen(list::parse(&list::read(&root, list::LIST)?)?, &args.names)?;
    let copy = Copy::new(&root)?;
    eprintln!("mutants: the programs on the processor as it is");
    if let Some(output) = copy.programs(None)? {
        return Err(format!("the programs fail without any mutation:\n{output}"));
    }
    let (start, mut caught) = (Instant::now(), 0);
    for (done, mutation) in list.iter().enumerate() {
        let (name, seconds) = (&mutation.name, start.elapsed().as_secs());
        eprintln!("mutants: {done} of {}, {seconds} s: {name}", list.len());
        match verdict(&copy, mutation, &cases, args.all_programs)? {
            Verdict::Caught => {
                caught += 1;
                println!("caught    {name}");
            }
            Verdict::Elsewhere(first) => println!("ELSEWHERE {name}: first {first}"),
            Verdict::Survived => println!("SURVIVED  {name}"),
            Verdict::Broken(error) => println!("BROKEN    {name}: {error}"),
        }
    }
    println!("mutants: {caught} of {} caught by the case that the table names", list.len());
    Ok(if caught == list.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The mutations of these names; all without any.
fn chosen(list: Vec<Mutation>, names: &[String]) -> Result<Vec<Mutation>, String> {
    if let Some(lost) = names.iter().find(|name| !list.iter().any(|m| m.name == **name)) {
        return Err(format!("no mutation `{lost}` in {}", list::LIST));
    }
    let wanted = |m: &Mutation| names.is_empty() || names.contains(&m.name);
    Ok(list.into_iter().filter(wanted).collect())
}

fn verdict(
    copy: &Copy,
    mutation: &Mutation,
    cases: &BTreeMap<String, String>,
    all: bool,
) -> Result<Verdict, String> {
    let name = &mutation.name;
    let case = cases.get(name).ok_or(format!("{name} isn't in {}", list::TABLE))?;
    let program = case.split('/').next().unwrap_or_default();
    let source = list::read(&copy.tree, &mutation.file)?;
    copy.write(&mutation.file, &mutation.apply(&source)?)?;
    let output = copy.programs((!all).then_some(program));
    copy.write(&mutation.file, &source)?;
    let output = match output {
        Ok(output) => output,
        Err(error) => return Ok(Verdict::Broken(error)),
    };
    if all {
        println!("{}", output.as_deref().unwrap_or("all green"));
    }
    Ok(output.map_or(Verdict::Survived, |output| judge(&output, case)))
}

/// Which cases differ in what a failing run printed.
fn judge(output: &str, case: &str) -> Verdict {
    let kept = output.lines().filter_map(|line| line.trim().strip_prefix("kept  ok   "));
    let red: Vec<&str> = kept.filter_map(|line| line.split(" = ").next()).collect();
    if red.contains(&case) {
        return Verdict::Caught;
    }
    Verdict::Elsewhere(red.first().unwrap_or(&"no line: a panic, or no end").to_string())
}

impl Copy {
    /// Brings the copy up to date; files that didn't change keep their time, and so what was
    /// built of them.
    fn new(root: &Path) -> Result<Self, String> {
        let base = root.join("target/mutants");
        let copy = Self {
            tree: base.join("tree"),
            build: base.join("build"),
            said: base.join("said.txt"),
        };
        let files: BTreeSet<PathBuf> = repo::files(root)?.into_iter().collect();
        for file in &files {
            let fresh = std::fs::read(root.join(file));
            let fresh = fresh.map_err(|error| format!("{}: {error}", file.display()))?;
            let to = copy.tree.join(file);
            if std::fs::read(&to).is_ok_and(|old| old == fresh) {
                continue;
            }
            to.parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::write(&to, fresh))
                .map_err(|error| format!("{}: {error}", to.display()))?;
        }
        Ok(copy)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.tree.join(file);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Builds, and runs one program or all. What was printed, if any failed; a source that
    /// doesn't compile is an error, not a mutant.
    fn programs(&self, one: Option<&str>) -> Result<Option<String>, String> {
        let said = File::create(&self.said).map_err(|e| format!("{}: {e}", self.said.display()))?;
        let mut command = Command::new(self.build()?);
        if let Some(program) = one {
            command.arg("--exact").arg(format!("check_{program}_prints_its_transcript"));
        }
        command.current_dir(&self.tree).stdout(said).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("check_roms: {error}"))?;
        let passed = ends_well(child)?;
        let output = std::fs::read(&self.said).map_err(|error| error.to_string())?;
        Ok((!passed).then(|| String::from_utf8_lossy(&output).into_owned()))
    }

    /// Builds the test that runs the programs; returns where it is.
    fn build(&self) -> Result<PathBuf, String> {
        let mut cargo = repo::cargo();
        cargo.args(BUILD).env("CARGO_TARGET_DIR", &self.build).env("RUSTFLAGS", "-Awarnings");
        let told = repo::capture(cargo.current_dir(&self.tree))?;
        let messages = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut built = messages.filter_map(|m| m["executable"].as_str().map(PathBuf::from));
        built.next().ok_or_else(|| "cargo built no test".to_owned())
    }
}

/// Waits for a run; one that hangs is ended and counts as failed.
fn ends_well(mut child: Child) -> Result<bool, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status.success());
        }
        if start.elapsed() > LONGEST {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: &str = "check-gates (PoweredOff):\n\
        \x20 kept  ok   gates/one: #GP = #GP(0)  [SDM 1]\n\
        \x20 fresh FAIL gates/one: #GP: expected #GP(0), saw none  [SDM 1]\n";

    #[test]
    fn the_case_of_the_table_must_be_red() {
        assert_eq!(judge(RED, "gates/one: #GP"), Verdict::Caught);
        assert_eq!(judge(RED, "gates/two"), Verdict::Elsewhere("gates/one: #GP".into()));
        assert_eq!(judge("", "x"), Verdict::Elsewhere("no line: a panic, or no end".into()));
    }
}
