//! The screens of `roms/suite` on QEMU, with SeaBIOS and its video BIOS: a PC of the ISA days
//! (`-M isapc`), as ours is. The package is `qemu-system-x86`.
//!
//! A program says `SHOT name` on the debug console and waits for a key; then QEMU's monitor is
//! asked for the picture, and for a key.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::shots::{Picture, numbered_disks, numbered_floppy};

const QEMU: &str = "qemu-system-i386";
const FLOPPY_BYTES: usize = 1_474_560;
const STEP: Duration = Duration::from_millis(50);
/// Three minutes.
const STEPS_AT_MOST: u32 = 3600;
/// QEMU draws its own picture thirty times a second.
const SETTLE: Duration = Duration::from_millis(200);

/// The peer's name and version, for the head of a transcript.
pub fn peer() -> Result<String, String> {
    let said = crate::repo::capture(Command::new(QEMU).arg("--version"))?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// Runs a program and returns the transcript of its screens. With `keep`, the pictures go there.
pub fn run(name: &str, image: &[u8], keep: Option<&Path>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let mut floppy = image.to_vec();
    floppy.resize(FLOPPY_BYTES.max(image.len()), 0);
    let put = |file: &str, bytes: Vec<u8>| {
        let path = folder.path().join(file);
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
    };
    put("a.img", floppy)?;
    put("b.img", numbered_floppy())?;
    for (number, disk) in numbered_disks().into_iter().enumerate() {
        put(&format!("{number}.img"), disk)?;
    }
    let mut peer = Peer { child: start(folder.path())?, folder: folder.path().to_path_buf() };
    let pictures = peer.pictures();
    let ended = peer.child.kill().and_then(|()| peer.child.wait());
    ended.map_err(|error| format!("{QEMU}: {error}"))?;
    let mut transcript = String::new();
    for (shot, picture) in pictures.map_err(|why| format!("{name}: {why}"))? {
        let _ = writeln!(transcript, "{}", picture.line(&shot));
        if let Some(keep) = keep {
            let file = keep.join(format!("{name}-{shot}.ppm"));
            let bytes = picture.to_ppm();
            std::fs::write(&file, bytes).map_err(|e| format!("{}: {e}", file.display()))?;
        }
    }
    Ok(transcript)
}

fn start(folder: &Path) -> Result<Child, String> {
    Command::new(QEMU)
        .args(["-M", "isapc", "-m", "32", "-vga", "std", "-display", "none", "-monitor", "stdio"])
        .args(["-debugcon", "file:console"])
        .args(drives())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{QEMU} (package qemu-system-x86): {error}"))
}

/// Two diskette drives and four disks.
fn drives() -> Vec<String> {
    let floppies = ["a", "b"].map(|name| format!("file={name}.img,if=floppy,format=raw"));
    let disks = (0..4).map(|n| format!("file={n}.img,if=ide,index={n},format=raw"));
    floppies.into_iter().chain(disks).flat_map(|drive| ["-drive".to_owned(), drive]).collect()
}

struct Peer {
    child: Child,
    folder: PathBuf,
}

impl Peer {
    fn pictures(&mut self) -> Result<Vec<(String, Picture)>, String> {
        let mut seen = Vec::new();
        for _ in 0..STEPS_AT_MOST {
            let said = std::fs::read_to_string(self.folder.join("console")).unwrap_or_default();
            if said.lines().any(|line| line == "DONE") {
                return Ok(seen);
            }
            let names: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("SHOT ")).collect();
            if let Some(name) = names.get(seen.len()).filter(|_| said.ends_with('\n')) {
                seen.push(((*name).to_owned(), self.picture(seen.len())?));
                self.ask("sendkey spc")?;
            }
            std::thread::sleep(STEP);
        }
        Err(format!("it didn't end within three minutes, after {} screens", seen.len()))
    }

    fn ask(&mut self, command: &str) -> Result<(), String> {
        let input = self.child.stdin.as_mut().ok_or("no way to the monitor")?;
        writeln!(input, "{command}").map_err(|error| format!("the monitor: {error}"))
    }

    fn picture(&mut self, number: usize) -> Result<Picture, String> {
        std::thread::sleep(SETTLE);
        let file = format!("{number}.ppm");
        self.ask(&format!("screendump {file}"))?;
        for _ in 0..STEPS_AT_MOST {
            let bytes = std::fs::read(self.folder.join(&file)).unwrap_or_default();
            if let Some(picture) = Picture::of_ppm(&bytes) {
                return Ok(picture);
            }
            std::thread::sleep(STEP);
        }
        Err("the monitor gave no picture".into())
    }
}
