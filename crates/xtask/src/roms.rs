//! `roms`: builds the guest programs from their sources and puts them into `roms/built`, or, with
//! `--check`, says which committed ones differ from what their sources give.

use crate::repo;
use roms::recipe;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

/// Options of `roms`.
#[derive(clap::Args)]
pub struct Args {
    /// Change nothing: fail where a committed program isn't what its source gives
    #[arg(long)]
    check: bool,
}

/// Builds all guest programs and compares or replaces the committed ones.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    if !recipe::have_binutils() {
        return Err("no `as` and `ld` here: install binutils".into());
    }
    let root = repo::root()?;
    let (sources, built) = (root.join("roms"), root.join("roms/built"));
    let scratch = root.join("target/roms");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let found = recipe::list(&sources).map_err(|e| format!("{}: {e}", sources.display()))?;
    let mut stale = strangers(&built, &found)?;
    for rom in &found {
        let fresh = read(&recipe::build(rom, &scratch)?)?;
        let kept = built.join(&rom.output);
        if std::fs::read(&kept).is_ok_and(|bytes| bytes == fresh) {
            continue;
        }
        stale.push(format!("{} isn't what {} gives", rom.output, rom.source.display()));
        if !args.check {
            std::fs::write(&kept, &fresh).map_err(|e| format!("{}: {e}", kept.display()))?;
        }
    }
    for line in &stale {
        println!("roms: {line}");
    }
    println!("roms: {} programs, {} differ", found.len(), stale.len());
    let failed = args.check && !stale.is_empty();
    if failed {
        println!("roms: `cargo xtask roms` rebuilds them");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Committed programs without a source.
fn strangers(built: &Path, found: &[recipe::Rom]) -> Result<Vec<String>, String> {
    let known: BTreeSet<&str> = found.iter().map(|rom| rom.output.as_str()).collect();
    let entries = std::fs::read_dir(built).map_err(|e| format!("{}: {e}", built.display()))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let lost = names.filter(|name| !known.contains(name.as_str()));
    Ok(lost.map(|name| format!("{name} has no source: delete it")).collect())
}
