//! `guests`: fetches the guests we boot but don't keep here (GRUB, iPXE, SYSLINUX, SeaBIOS, Linux), makes
//! the images that have to be made, all below `target/guests`, and runs the tests that boot them.

mod images;
mod linux;
mod packages;

use crate::repo;
use std::path::Path;
use std::process::ExitCode;

/// Options of `guests`.
#[derive(clap::Args)]
pub struct Args {
    /// Fetch and make them, and leave booting them to `cargo test`
    #[arg(long)]
    fetch_only: bool,
}

/// Files taken out of packages as they are: their name here, and their place there.
const TAKEN: [(&str, &str); 4] = [
    ("grub-rescue-floppy.img", "usr/lib/grub-rescue/grub-rescue-floppy.img"),
    ("grub-rescue-cdrom.iso", "usr/lib/grub-rescue/grub-rescue-cdrom.iso"),
    ("ipxe.iso", "usr/lib/ipxe/ipxe.iso"),
    ("seabios.bin", "usr/share/seabios/bios.bin"),
];

/// Fetches and makes what is missing, then runs the tests that boot it.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let root = repo::root()?;
    let guests = root.join("target/guests");
    let wanted = TAKEN.iter().map(|(name, _)| *name).chain(images::NAMES).chain([linux::NAME]);
    let is_there = |name: &str| guests.join(name).is_file();
    if !wanted.clone().all(is_there) {
        let unpacked = packages::fetch(&guests)?;
        for (name, place) in TAKEN {
            copy(&unpacked.join(place), &guests.join(name))?;
        }
        let parts = guests.join("parts");
        std::fs::create_dir_all(&parts).map_err(|e| format!("{}: {e}", parts.display()))?;
        let maker = images::Maker { folder: &parts, bin: &unpacked.join("usr/bin") };
        images::make(&guests, &maker)?;
        // Another architecture's packages aren't everywhere where this one's are.
        let linux = packages::fetch_linux(&guests);
        if let Err(error) = linux.and_then(|linux| linux::make(&guests, &linux, &maker)) {
            println!("guests: there is no {}: {error}", linux::NAME);
        }
    }
    for name in wanted.filter(|name| is_there(name)) {
        println!("guests: {}", guests.join(name).display());
    }
    if !args.fetch_only {
        let test = ["test", "--package", "cli", "--test", "guests", "--", "--nocapture"];
        repo::run(repo::cargo().args(test).env("CLOISTER_GUESTS", &guests).current_dir(&root))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::copy(from, to).map(drop).map_err(|e| format!("{}: {e}", from.display()))
}
