//! How the guest programs are built. Shared by the build script and `cargo xtask roms`.
//!
//! One rule: every `roms/DIR/NAME.s` becomes a flat binary `NAME.bin` (assembled with
//! `as --32`, linked with `ld -m elf_i386 -T roms/DIR/link.ld --oformat binary`). Files that
//! end in `.inc` are pieces to `.include`. The results are committed in `roms/built`, so that
//! a host without an assembler still builds Cloister.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A guest program: its source and the name of the binary made from it.
pub struct Rom {
    /// The assembly source, `roms/DIR/NAME.s`.
    pub source: PathBuf,
    /// `NAME.bin`.
    pub output: String,
}

/// Lists all guest programs below `roms`, in name order.
pub fn list(roms: &Path) -> io::Result<Vec<Rom>> {
    let mut found = Vec::new();
    for dir in std::fs::read_dir(roms)? {
        let dir = dir?.path();
        if !dir.join("link.ld").is_file() {
            continue;
        }
        for file in std::fs::read_dir(&dir)? {
            let source = file?.path();
            if source.extension() != Some(OsStr::new("s")) {
                continue;
            }
            if let Some(stem) = source.file_stem().and_then(OsStr::to_str) {
                let output = format!("{stem}.bin");
                found.push(Rom { source, output });
            }
        }
    }
    found.sort_by(|a, b| a.output.cmp(&b.output));
    Ok(found)
}

/// True where GNU `as` and `ld` can be started.
pub fn have_binutils() -> bool {
    let starts =
        |tool| Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    starts("as") && starts("ld")
}

/// Assembles and links one guest program into `out_dir`, and returns the binary's path.
/// The error is the tool's own message.
pub fn build(rom: &Rom, out_dir: &Path) -> Result<PathBuf, String> {
    let dir = rom.source.parent().ok_or("a source without a folder")?;
    let object = out_dir.join(&rom.output).with_extension("o");
    let binary = out_dir.join(&rom.output);
    run(Command::new("as").args(["--32", "-I"]).arg(dir).arg("-o").arg(&object).arg(&rom.source))?;
    run(Command::new("ld")
        .args(["-m", "elf_i386", "--oformat", "binary", "--no-warn-rwx-segments", "-T"])
        .arg(dir.join("link.ld"))
        .arg("-o")
        .arg(&binary)
        .arg(&object))?;
    Ok(binary)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
