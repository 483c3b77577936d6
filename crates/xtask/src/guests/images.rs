//! Images that are made here: a FAT diskette with a few files, and one that SYSLINUX boots.

use crate::repo;
use std::path::Path;
use std::process::Command;

/// What [`make`] makes.
pub const NAMES: [&str; 2] = ["fat.img", "syslinux.img"];

const GREETING: &str = "A file on a FAT diskette.\r\n";
const CONFIG: &str = "\
PROMPT 1
TIMEOUT 0
DISPLAY hello.txt
F1 help.txt
F2 more.txt
LABEL other
  KERNEL other.bs
";

/// Files of the SYSLINUX diskette; a form feed clears the screen and 0Fh begins a colour.
const TEXTS: [(&str, &[u8]); 4] = [
    ("syslinux.cfg", CONFIG.as_bytes()),
    ("hello.txt", b"The Cloister diskette. F1 has help.\r\n"),
    ("help.txt", b"\x0C\x0F1eHelp, page one.\x0F07 F2 has more.\r\n"),
    ("more.txt", b"\x0CHelp, page two.\r\n"),
];

/// A boot sector's code: prints `CHAINED` by INT 10h and powers off.
const CHAINED: &str = "CHAINED";
/// `mov dx, 604h; mov ax, 2000h; out dx, ax; cli; hlt`
const POWER_OFF: [u8; 9] = [0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xFA, 0xF4];

/// Makes the images in `guests` with the programs of `maker`.
pub fn make(guests: &Path, maker: &Maker<'_>) -> Result<(), String> {
    let parts = guests.join("parts");
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(parts.join(name), bytes).map_err(|e| format!("{name}: {e}"))
    };
    put("greeting.txt", GREETING.as_bytes())?;
    put("other.bs", &chained_sector())?;
    for (name, bytes) in TEXTS {
        put(name, bytes)?;
    }
    maker.run("mformat", &["-C", "-f", "1440", "-v", "FATDISK", "-i", "../fat.img", "::"])?;
    maker.run("mmd", &["-i", "../fat.img", "::/docs"])?;
    maker.run("mcopy", &["-o", "-i", "../fat.img", "greeting.txt", "::/"])?;
    maker.run("mcopy", &["-o", "-i", "../fat.img", "more.txt", "::/docs/more.txt"])?;

    let disk = "../syslinux.img";
    maker.run("mformat", &["-C", "-f", "1440", "-v", "CLOISTER", "-i", disk, "::"])?;
    let names = TEXTS.map(|(name, _)| name);
    maker.run("mcopy", &[&["-o", "-i", disk][..], &names, &["other.bs", "::/"]].concat())?;
    maker.run("syslinux", &["--install", disk])
}

fn chained_sector() -> Vec<u8> {
    let prints = CHAINED.bytes().flat_map(|c| [0xB8, c, 0x0E, 0xCD, 0x10]);
    let mut sector: Vec<u8> = prints.chain(POWER_OFF).collect();
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    sector
}

/// Runs programs of unpacked packages. `syslinux` itself calls mtools by name.
pub struct Maker<'a> {
    /// The folder in which they run.
    pub folder: &'a Path,
    /// The programs.
    pub bin: &'a Path,
}

impl Maker<'_> {
    /// Runs one; failing is an error.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.to_path_buf()).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).map_err(|e| format!("PATH: {e}"))?;
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).current_dir(self.folder).env("PATH", path);
        repo::capture(command.env("MTOOLSRC", "/dev/null")).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chained_sector_is_bootable() {
        let sector = chained_sector();
        assert_eq!((sector.len(), &sector[510..]), (512, &[0x55, 0xAA][..]));
        assert_eq!(sector[..5], [0xB8, b'C', 0x0E, 0xCD, 0x10]);
    }
}
