//! `cloister disk create`: empty images of diskettes and disks, and formatted ones.

mod fat;
mod window;

use crate::failure::Failure;
use crate::output::{Console, Style};
use crate::quantity::{show_bytes, size_bytes};
use clap::{Args, Subcommand};
use devices::fdc::Geometry;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// The most that a partition table can describe.
const MOST: u64 = 2 << 40;

const EXAMPLES: &str = "\
Examples:
  cloister disk create 1440K a.img --fat     a diskette for files
  cloister disk create 64M hd.img --fat      a disk with one FAT16 partition
  cloister disk create 10G big.img           an empty disk; the host's disk fills as it is written

Sizes of diskettes are 160K, 180K, 320K, 360K, 720K, 1200K, 1440K, 1680K and 2880K (1.2M, 1.44M
and 2.88M are the same); anything else is a disk.

Put files into an image with mtools, and give it to a guest:
  mcopy -i a.img hello.txt ::
  mcopy -i hd.img@@1M hello.txt ::
  cloister run --floppy a.img --disk hd.img";

/// What `cloister disk` is asked for.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Make an image of a diskette or a disk
    #[command(after_help = EXAMPLES)]
    Create(Create),
}

/// A new image.
#[derive(Args, Debug)]
pub struct Create {
    /// Its size: 1440K, 64M, 2G
    #[arg(value_parser = size)]
    size: u64,
    /// The file, which must not be there yet
    file: PathBuf,
    /// Format it for files: FAT12, FAT16 or FAT32 by size; a disk gets a partition table with one
    /// active partition
    #[arg(long)]
    fat: bool,
}

/// Bytes: whole sectors; diskettes by the names people give them too.
fn size(text: &str) -> Result<u64, String> {
    let bytes = match text.to_ascii_lowercase().as_str() {
        "1.2m" => 1200 << 10,
        "1.44m" => 1440 << 10,
        "2.88m" => 2880 << 10,
        _ => size_bytes(text)?,
    };
    if bytes == 0 || bytes % SECTOR != 0 {
        return Err(format!("{bytes} bytes aren't whole sectors of {SECTOR}; write it like 64M"));
    }
    if bytes > MOST {
        return Err(format!("a disk has at most {}", show_bytes(MOST)));
    }
    Ok(bytes)
}

/// What an image of a size is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Floppy(Geometry),
    Disk,
}

impl Shape {
    fn of(bytes: u64) -> Self {
        let fits = |g: &Geometry| g.len_sectors() * SECTOR == bytes;
        Geometry::of(bytes / SECTOR).filter(fits).map_or(Self::Disk, Self::Floppy)
    }
}

/// What was made.
struct Made {
    what: String,
    /// Where its file system begins, if it has one.
    files_at: Option<u64>,
}

/// Carries out what is asked for.
pub fn run(verb: &Verb) -> Result<(), Failure> {
    let Verb::Create(create) = verb;
    let shape = Shape::of(create.size);
    let Made { what, files_at } = make(create, shape)?;
    let option = if shape == Shape::Disk { "--disk" } else { "--floppy" };
    let file = create.file.display();
    let mut console = Console::stdout();
    let size = match shape {
        Shape::Floppy(_) => format!("{} KiB", create.size >> 10),
        Shape::Disk => show_bytes(create.size),
    };
    console.line(&format!("{file}: {what}, {size}"), Style::Plain)?;
    if let Some(at) = files_at {
        let at = if at == 0 { String::new() } else { format!("@@{at}") };
        console.line(&format!("put files in: mcopy -i {file}{at} FILE ::"), Style::Plain)?;
    }
    console.line(&format!("use it: cloister run {option} {file}"), Style::Plain)
}

/// Makes the file, whole or not at all.
fn make(create: &Create, shape: Shape) -> Result<Made, Failure> {
    let path = &create.file;
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let failed = |error: &io::Error| Failure::writing(path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let new = tempfile::Builder::new()
        .permissions(mode)
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    let made = fill(new.as_file(), create, shape).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidInput {
            Failure::usage(format!("{} can't be formatted: {error}", path.display()))
        } else {
            failed(&error)
        }
    })?;
    new.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => failed(&error.error),
    })?;
    Ok(made)
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} is there already and is left as it is; remove it or choose another name",
        path.display()
    ))
}

fn fill(file: &File, create: &Create, shape: Shape) -> io::Result<Made> {
    file.set_len(create.size)?;
    let empty = |what: &str| Made { what: what.to_owned(), files_at: None };
    let made = match (shape, create.fat) {
        (Shape::Floppy(_), false) => empty("an empty diskette"),
        (Shape::Disk, false) => empty("an empty disk"),
        (Shape::Floppy(geometry), true) => {
            fat::floppy(file, geometry)?;
            let what = "a diskette with an empty FAT12 file system".to_owned();
            Made { what, files_at: Some(0) }
        }
        (Shape::Disk, true) => {
            let (kind, first) = fat::disk(file, create.size / SECTOR)?;
            let what = format!("a disk with one {kind} partition from sector {first} on");
            Made { what, files_at: Some(first * SECTOR) }
        }
    };
    file.sync_all()?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diskettes_are_known_by_their_sizes() {
        let sectors = |text| match Shape::of(size(text).unwrap()) {
            Shape::Floppy(g) => g.sectors,
            Shape::Disk => 0,
        };
        assert_eq!(
            ["360K", "720k", "1.2M", "1440K", "1.44m", "2880K"].map(sectors),
            [9, 9, 15, 18, 18, 36]
        );
        assert_eq!(["1M", "64M", "1500K"].map(sectors), [0; 3]);
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        assert!(size("0").unwrap_err().contains("whole sectors"));
        assert!(size("1000").unwrap_err().contains("whole sectors"));
        assert!(size("3T").unwrap_err().contains("at most"));
        assert!(size("big").is_err());
    }
}
