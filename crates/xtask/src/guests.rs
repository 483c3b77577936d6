//! `guests`: fetches the guests we boot but don't keep here (GRUB, iPXE, SYSLINUX, SeaBIOS), makes
//! the images that have to be made, all below `target/guests`, and runs the tests that boot them.

mod images;
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
    let wanted = TAKEN.iter().map(|(name, _)| *name).chain(images::NAMES);
    if wanted.clone().any(|name| !guests.join(name).is_file()) {
        let unpacked = packages::fetch(&guests)?;
        for (name, place) in TAKEN {
            copy(&unpacked.join(place), &guests.join(name))?;
        }
        images::make(&guests, &unpacked)?;
    }
    for name in wanted {
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
