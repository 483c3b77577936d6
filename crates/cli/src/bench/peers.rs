//! Other emulators as contenders: the very same image boots in them, and its region is timed by
//! when the two lines arrive from their debug console.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use roms::bench::Workload;

use super::child;
use super::contender::{Contender, Failure, Role, Sample};

/// Size of the floppy that an image becomes, since emulators tell a floppy's form by its size.
const FLOPPY_BYTES: usize = 2880 * 512;

/// The peers that are installed.
pub fn installed() -> Vec<Box<dyn Contender>> {
    let mut peers: Vec<Box<dyn Contender>> = Vec::new();
    peers.extend(Bochs::find().map(|p| Box::new(p) as Box<dyn Contender>));
    peers.extend(Qemu::find().map(|p| Box::new(p) as Box<dyn Contender>));
    peers
}

/// The Bochs emulator, headless.
struct Bochs {
    name: String,
    /// A build with the debugger stops at the first instruction and must be told to go on.
    debugger: bool,
}

impl Bochs {
    fn find() -> Option<Self> {
        let help = output_of(Command::new("bochs").arg("--help"))?;
        Some(Self {
            name: named("bochs", &help, "Emulator "),
            debugger: help.contains("debugger commands"),
        })
    }

    fn command(&self, dir: &Path) -> io::Result<Command> {
        let config = dir.join("bochsrc");
        std::fs::write(&config, BOCHSRC)?;
        let mut command = Command::new("bochs");
        command.current_dir(dir).arg("-q").arg("-f").arg(config);
        if self.debugger {
            let go_on = dir.join("go-on");
            std::fs::write(&go_on, "c\n")?;
            command.arg("-rc").arg(go_on);
        }
        Ok(command)
    }
}

/// Text display and no sound, so that nothing but the processor is measured.
const BOCHSRC: &str = "\
config_interface: textconfig
display_library: term
megs: 32
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
floppya: 1_44=floppy.img, status=inserted
boot: floppy
port_e9_hack: enabled=1
clock: sync=none
log: bochs.log
panic: action=fatal
";

impl Contender for Bochs {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure> {
        run_in_folder(&self.name, workload, rounds, |dir| self.command(dir))
    }
}

/// QEMU's own translator (never a hardware accelerator).
struct Qemu {
    name: String,
}

/// The program's name.
const QEMU: &str = "qemu-system-i386";

impl Qemu {
    fn find() -> Option<Self> {
        let version = output_of(Command::new(QEMU).arg("--version"))?;
        Some(Self { name: named("qemu", &version, "version ") })
    }
}

impl Contender for Qemu {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure> {
        run_in_folder(&self.name, workload, rounds, |dir| {
            let mut command = Command::new(QEMU);
            command.current_dir(dir).args(["-accel", "tcg", "-m", "32", "-display", "none"]);
            command.args(["-nodefaults", "-no-reboot", "-vga", "std", "-debugcon", "stdio"]);
            command.args(["-drive", "file=floppy.img,format=raw,if=floppy,index=0"]);
            Ok(command)
        })
    }
}

/// What a program prints, or `None` where there is no such program.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let both = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&both).into_owned())
}

/// `name` and the version that follows `mark` in `text`.
fn named(name: &str, text: &str, mark: &str) -> String {
    let version = text.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

/// Puts the image into a folder of its own, starts what `command` makes there, and times it.
fn run_in_folder(
    who: &str,
    workload: &Workload,
    rounds: u32,
    command: impl FnOnce(&Path) -> io::Result<Command>,
) -> Result<Sample, Failure> {
    let host = |source| Failure::Host { who: who.to_owned(), source };
    let dir = tempfile::tempdir().map_err(host)?;
    let mut image = workload.image_with(rounds);
    image.resize(FLOPPY_BYTES, 0);
    std::fs::write(dir.path().join("floppy.img"), image).map_err(host)?;
    let mut command = command(dir.path()).map_err(host)?;
    child::time_region(who, workload, &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_word_after_its_mark() {
        assert_eq!(
            named("qemu", "QEMU emulator version 7.2.22 (Debian)", "version "),
            "qemu 7.2.22"
        );
        assert_eq!(named("bochs", "unknown", "Emulator "), "bochs");
    }
}
