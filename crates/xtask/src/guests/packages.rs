//! Debian packages, by Debian's own client in a state folder of its own: nothing is installed, no
//! rights are needed, and nothing outside the folder changes.

use crate::repo;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that hold the guests, and those whose programs make images. A program is run from
/// where its package is unpacked; all of these need the C library alone.
const PACKAGES: [&str; 5] = ["grub-rescue-pc", "ipxe", "seabios", "mtools", "syslinux"];

/// The architecture of Linux's packages, and what they are: the kernel's follows from this one's
/// dependence, which is on the newest.
const LINUX: (&str, &str, &str) = ("i386", "linux-image-686", "busybox-static");

/// Downloads and unpacks all of them; returns the folder they are unpacked in.
pub fn fetch(guests: &Path) -> Result<PathBuf, String> {
    let apt = Apt::new(guests.join("apt"), None)?;
    let unpacked = guests.join("unpacked");
    apt.unpack(&PACKAGES, &unpacked)?;
    Ok(unpacked)
}

/// As [`fetch`], Linux and BusyBox.
pub fn fetch_linux(guests: &Path) -> Result<PathBuf, String> {
    let (architecture, newest, busybox) = LINUX;
    let apt = Apt::new(guests.join("apt-linux"), Some(architecture))?;
    let said = repo::capture(apt.command("apt-cache").args(["depends", newest]))?;
    let depends = said.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = depends.ok_or_else(|| format!("{newest} depends on no kernel: {said}"))?;
    let unpacked = guests.join("unpacked-linux");
    apt.unpack(&[kernel.trim(), busybox], &unpacked)?;
    Ok(unpacked)
}

/// Debian's client with the host's sources but none of its state.
struct Apt {
    folder: PathBuf,
    architecture: Option<&'static str>,
}

impl Apt {
    /// Fetches the lists of packages, as far as they can be had: a download says what is missing.
    fn new(folder: PathBuf, architecture: Option<&'static str>) -> Result<Self, String> {
        for part in ["state/lists/partial", "cache/archives/partial", "deb"] {
            make(&folder.join(part))?;
        }
        let status = folder.join("status");
        std::fs::write(&status, "").map_err(|e| format!("{}: {e}", status.display()))?;
        let apt = Self { folder, architecture };
        if let Err(error) = repo::capture(apt.command("apt-get").arg("update")) {
            println!("guests: {error}");
        }
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut set = |name: &str, value: &str| {
            command.args(["-o", &format!("{name}={value}")]);
        };
        set("quiet", "2");
        set("APT::Sandbox::User", "root");
        for (name, part) in
            [("Dir::State", "state"), ("Dir::State::status", "status"), ("Dir::Cache", "cache")]
        {
            set(name, &self.folder.join(part).display().to_string());
        }
        for name in ["APT::Architecture", "APT::Architectures"] {
            self.architecture.into_iter().for_each(|value| set(name, value));
        }
        command
    }

    /// Downloads packages and unpacks them into a folder.
    fn unpack(&self, names: &[&str], unpacked: &Path) -> Result<(), String> {
        let debs = self.folder.join("deb");
        let mut download = self.command("apt-get");
        repo::capture(download.arg("download").args(names).current_dir(&debs))?;
        for name in names {
            let package = package_in(&debs, name)?;
            repo::capture(Command::new("dpkg-deb").arg("--extract").arg(package).arg(unpacked))?;
        }
        Ok(())
    }
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
