//! A hard disk that SYSLINUX boots: Debian's kernel for the 686 as it is, and an initial file
//! system of BusyBox and a script. The kernel shows itself on the screen and on COM1, and ends at a
//! shell.

use super::images::Maker;
use std::path::Path;

/// What [`make`] makes.
pub const NAME: &str = "linux.img";

const CONFIG: &str = "\
DEFAULT linux
PROMPT 0
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd console=ttyS0 console=tty0 cryptomgr.notests
";

/// The first program. It says what anybody can check, `ready` at last, and becomes a shell.
const INIT: &str = "\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t devtmpfs none /dev
uname -srm
echo -n abc | md5sum
echo 2 | awk '{ printf \"%.15f\\n\", $1 / 3 }'
sum=0; for n in $(seq 20); do sum=$(expr $sum + $n); done; echo sum $sum
echo ready
exec setsid cttyhack sh
";

const FOLDERS: [&str; 3] = ["bin", "proc", "dev"];

/// Cylinders, heads and sectors of the disk: 12 MiB.
const GEOMETRY: [&str; 6] = ["-t", "24", "-h", "16", "-s", "63"];

/// Makes the disk in `guests` from the unpacked packages of the 686, with the programs of `maker`.
pub fn make(guests: &Path, unpacked: &Path, maker: &Maker<'_>) -> Result<(), String> {
    let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let put = |name: &str, bytes: &[u8]| {
        let path = guests.join("parts").join(name);
        std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))
    };
    put("vmlinuz", &read(&kernel_in(&unpacked.join("boot"))?)?)?;
    put("initrd", &initrd(&read(&unpacked.join("bin/busybox"))?))?;
    put("linux.cfg", CONFIG.as_bytes())?;
    let disk = format!("../{NAME}.part");
    maker.run("mformat", &[&["-C", "-i", &disk][..], &GEOMETRY, &["::"]].concat())?;
    maker.run("mcopy", &["-o", "-i", &disk, "vmlinuz", "initrd", "::/"])?;
    maker.run("mcopy", &["-o", "-i", &disk, "linux.cfg", "::/syslinux.cfg"])?;
    maker.run("syslinux", &["--install", &disk])?;
    let part = guests.join(format!("{NAME}.part"));
    std::fs::rename(&part, guests.join(NAME)).map_err(|e| format!("{}: {e}", part.display()))
}

/// The kernel in the folder of a package: `vmlinuz-` and its version.
fn kernel_in(folder: &Path) -> Result<std::path::PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let is_kernel =
        |file: &std::fs::DirEntry| file.file_name().to_string_lossy().starts_with("vmlinuz-");
    let found = entries.flatten().find(is_kernel).map(|entry| entry.path());
    found.ok_or_else(|| format!("no kernel in {}", folder.display()))
}

/// The initial file system, as the kernel unpacks it (Documentation/driver-api/early-userspace/
/// buffer-format: cpio, "newc").
fn initrd(busybox: &[u8]) -> Vec<u8> {
    let [directory, program, device] = [0o040_755, 0o100_755, 0o020_600];
    let mut archive = Vec::new();
    let mut number = 0;
    let mut add = |name: &str, mode: usize, [major, minor]: [usize; 2], bytes: &[u8]| {
        number += 1;
        let (size, name_size) = (bytes.len(), name.len() + 1);
        let header = [number, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        archive.extend(b"070701");
        archive.extend(header.iter().flat_map(|n| format!("{n:08X}").into_bytes()));
        archive.extend(name.bytes().chain([0]));
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(4), 0);
    };
    for folder in FOLDERS {
        add(folder, directory, [0, 0], &[]);
    }
    add("dev/console", device, [5, 1], &[]);
    add("bin/busybox", program, [0, 0], busybox);
    add("init", program, [0, 0], INIT.as_bytes());
    add("TRAILER!!!", 0, [0, 0], &[]);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and sizes of an archive's files, by what the format's description says.
    fn entries(mut archive: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        while let Some(header) = archive.get(..110) {
            assert_eq!(&header[..6], b"070701");
            let field = |n: usize| {
                let digits = std::str::from_utf8(&header[6 + 8 * n..][..8]).expect("digits");
                usize::from_str_radix(digits, 16).expect("a number")
            };
            let (size, name_size) = (field(6), field(11));
            let name = String::from_utf8_lossy(&archive[110..110 + name_size - 1]).into_owned();
            found.push((name, size));
            let end = (110 + name_size).next_multiple_of(4) + size;
            archive = &archive[end.next_multiple_of(4).min(archive.len())..];
        }
        found
    }

    #[test]
    fn the_file_system_is_an_archive_of_what_it_holds() {
        let names = ["bin", "proc", "dev", "dev/console", "bin/busybox", "init", "TRAILER!!!"];
        let sizes = [0, 0, 0, 0, 7, INIT.len(), 0];
        let expected: Vec<_> = names.map(str::to_owned).into_iter().zip(sizes).collect();
        assert_eq!(entries(&initrd(b"busybox")), expected);
    }
}
