//! Debian packages, by Debian's own client in a state folder of its own: nothing is installed, no
//! rights are needed, and nothing outside the folder changes.

use crate::repo;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that hold the guests, and those whose programs make images. A program is run from
/// where its package is unpacked; all of these need the C library alone.
const PACKAGES: [&str; 5] = ["grub-rescue-pc", "ipxe", "seabios", "mtools", "syslinux"];

/// Downloads and unpacks all of them; returns the folder they are unpacked in.
pub fn fetch(guests: &Path) -> Result<PathBuf, String> {
    let apt = guests.join("apt");
    for part in ["state/lists/partial", "cache/archives/partial", "deb"] {
        make(&apt.join(part))?;
    }
    let status = apt.join("status");
    std::fs::write(&status, "").map_err(|e| format!("{}: {e}", status.display()))?;
    repo::capture(apt_get(&apt).arg("update"))?;
    let debs = apt.join("deb");
    repo::capture(apt_get(&apt).arg("download").args(PACKAGES).current_dir(&debs))?;
    let unpacked = guests.join("unpacked");
    for name in PACKAGES {
        let package = package_in(&debs, name)?;
        repo::capture(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    }
    Ok(unpacked)
}

/// apt-get with the host's sources but none of its state.
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

/// The file of a package: its name, an underscore, its version.
fn package_in(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let begins = format!("{name}_");
    let of_the_name =
        |file: &std::fs::DirEntry| file.file_name().to_string_lossy().starts_with(&begins);
    let found = entries.flatten().find(of_the_name).map(|entry| entry.path());
    found.ok_or_else(|| format!("apt-get left no package {name} in {}", folder.display()))
}
