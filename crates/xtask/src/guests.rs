//! `guests`: fetches the guests we boot but don't keep here (GRUB's rescue floppy) with Debian's
//! own client, in a state directory of its own below `target/guests`, and boots them.

use crate::repo;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Options of `guests`.
#[derive(clap::Args)]
pub struct Args {
    /// Fetch them, and leave booting them to `cargo test`
    #[arg(long)]
    fetch_only: bool,
}

/// The Debian package, and the file in it that the test boots.
const PACKAGE: &str = "grub-rescue-pc";
const FLOPPY: &str = "usr/lib/grub-rescue/grub-rescue-floppy.img";

/// Fetches what is missing, then runs the tests that boot it.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let root = repo::root()?;
    let guests = root.join("target/guests");
    let floppy = guests.join("grub-rescue-floppy.img");
    if !floppy.is_file() {
        fetch(&guests, &floppy)?;
    }
    println!("guests: {}", floppy.display());
    if !args.fetch_only {
        let test = ["test", "--package", "cli", "--test", "guests", "--", "--nocapture"];
        repo::run(repo::cargo().args(test).env("CLOISTER_GUESTS", &guests).current_dir(&root))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Downloads the package and takes the floppy out of it.
fn fetch(guests: &Path, floppy: &Path) -> Result<(), String> {
    let apt = guests.join("apt");
    for part in ["state/lists/partial", "cache/archives/partial", "deb"] {
        make(&apt.join(part))?;
    }
    let status = apt.join("status");
    std::fs::write(&status, "").map_err(|e| format!("{}: {e}", status.display()))?;
    repo::capture(apt_get(&apt).arg("update"))?;
    repo::capture(apt_get(&apt).args(["download", PACKAGE]).current_dir(apt.join("deb")))?;
    let package = package_in(&apt.join("deb"))?;
    let unpacked = guests.join("unpacked");
    repo::capture(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    std::fs::copy(unpacked.join(FLOPPY), floppy)
        .map_err(|e| format!("{PACKAGE} has no {FLOPPY}: {e}"))?;
    Ok(())
}

/// apt-get with the host's sources but none of its state, so that it needs no rights and
/// changes nothing outside.
fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let option = |name: &str, value: PathBuf| format!("{name}={}", value.display());
    command.arg("--quiet=2").args(["-o", "APT::Sandbox::User=root", "-o"]);
    command.arg(option("Dir::State", apt.join("state"))).arg("-o");
    command.arg(option("Dir::State::status", apt.join("status"))).arg("-o");
    command.arg(option("Dir::Cache", apt.join("cache")));
    command
}

fn make(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))
}

fn package_in(folder: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut packages = entries.flatten().map(|entry| entry.path());
    packages
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .ok_or_else(|| format!("apt-get left no package in {}", folder.display()))
}
