//! The command line. `--help` is the first page of the manual: it teaches by examples.

use crate::keys::Script;
use crate::{bench, disk, quantity, status, translate};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use x86::event::Wanted;
use x86::model::Name;

const EXAMPLES: &str = "\
Examples:
  cloister                         a guided walk through the rings of the processor
  cloister run floppy.img          boot a sector, a floppy, a disk or a kernel
  cloister run --trace rings,faults mykernel.elf
                                   the same, and say what the processor does at each gate
  cloister translate boot.bin      guest code beside the host code made of it
  cloister disk create 64M hd.img --fat
                                   make a disk with a file system
  cloister run --help              all about running a guest";

/// An x86 computer that shows how it works inside.
///
/// Without a verb, a small teaching kernel walks through the rings of the processor and Cloister
/// tells what happens at each gate.
#[derive(Parser, Debug)]
#[command(name = "cloister", version, after_help = EXAMPLES, after_long_help = long_help())]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", status::HELP)
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// A guided walk through the rings (also: no verb at all)
    Tour,
    /// Run a guest: a boot sector, a floppy or disk image, a kernel
    #[command(after_help = RUN_EXAMPLES, after_long_help = run_long_help())]
    Run(Box<RunArgs>),
    /// Show guest code and the host code that the translator made of it
    #[command(after_help = translate::EXAMPLES, after_long_help = translate::long_help())]
    Translate(Box<translate::Args>),
    /// List the processor models, and what each has
    Cpus,
    /// Make images of diskettes and disks
    Disk {
        /// What to do
        #[command(subcommand)]
        verb: disk::Verb,
    },
    /// Measure how fast guests run
    #[command(after_long_help = bench::LONG_HELP)]
    Bench(bench::Args),
}

const RUN_EXAMPLES: &str = "\
Examples:
  cloister run boot.bin
  cloister run --screen --max-time 10s floppy.img
  cloister run --kernel kernel.elf --append 'verbose' --module initrd.img=initrd
  cloister run --disk hd.img,temp --expect 'login:' --timeout 60
  cloister run --keys '<wait \"highlighted\">c<wait \"grub>\">ls\\n' --expect '(fd0)' grub.img
  cloister run --trace rings,faults --symbols kernel.elf --report why.json kernel.elf";

fn run_long_help() -> String {
    format!(
        "{RUN_EXAMPLES}\n\n\
         Keys: a character is typed on a US keyboard; \\n is Enter, \\t Tab, \\e Esc, \\\\ and \\< the\n\
         characters themselves; <F1>, <Up>, <Esc>, <Ctrl-C>, <Ctrl-Alt-Del> are keys by name;\n\
         <wait \"TEXT\"> waits until screen or serial shows TEXT, <wait 2s> for virtual time.\n\n{}",
        status::HELP
    )
}

/// A host file behind a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    pub path: PathBuf,
    pub mode: DriveMode,
}

/// What happens to what the guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveMode {
    /// It goes to the file.
    Write,
    /// It lives in memory and is gone at the end.
    Temporary,
    /// The drive says that it is write-protected.
    ReadOnly,
}

impl std::str::FromStr for Drive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, mode) = match text.rsplit_once(',') {
            Some((path, "temp")) => (path, DriveMode::Temporary),
            Some((path, "ro")) => (path, DriveMode::ReadOnly),
            _ => (text, DriveMode::Write),
        };
        if path.is_empty() {
            return Err("a file is missing; write FILE, FILE,temp or FILE,ro".into());
        }
        Ok(Self { path: path.into(), mode })
    }
}

/// A multiboot module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: PathBuf,
    pub arguments: String,
}

impl std::str::FromStr for Module {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, arguments) = text.split_once('=').unwrap_or((text, text));
        if path.is_empty() {
            return Err("a file is missing; write FILE or FILE=ARGUMENTS".into());
        }
        Ok(Self { path: path.into(), arguments: arguments.into() })
    }
}

/// A piece of guest memory to write out at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    pub address: u64,
    pub length: u64,
    pub path: PathBuf,
}

impl std::str::FromStr for Dump {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write ADDRESS,LENGTH,FILE, e.g. 0x7C00,512,sector.bin";
        let mut parts = text.splitn(3, ',');
        let (Some(address), Some(length), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("two commas are needed; {FORM}"));
        };
        let address = quantity::count(address).map_err(|why| format!("address: {why}"))?;
        let length = quantity::size_bytes(length).map_err(|why| format!("length: {why}"))?;
        if length == 0 || path.is_empty() {
            return Err(format!("there is nothing to write or nowhere to; {FORM}"));
        }
        if address.checked_add(length).is_none_or(|end| end > 1 << 36) {
            return Err("it ends beyond the 64 GiB that 36 address bits reach".into());
        }
        Ok(Self { address, length, path: path.into() })
    }
}

/// A kind of drive to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Boot {
    /// The diskette
    Floppy,
    /// The hard disk
    Disk,
}

/// Which way of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The interpreter
    Interp,
    /// The translator
    Jit,
    /// Translator and interpreter, compared all the way; slow, and exact about any difference
    Lockstep,
    /// The interpreter's blocks and single instructions, compared all the way
    LockstepInterp,
}

/// What drives virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClockKind {
    /// Steps alone: the same inputs give the same run
    Virtual,
    /// The host's clock: a second is a second
    Host,
}

/// What a triple fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnShutdown {
    /// Stop, and say why it died
    Stop,
    /// Reset, as a PC does
    Reset,
}

/// Where COM1 leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serial {
    Stdio,
    None,
    File(PathBuf),
}

impl std::str::FromStr for Serial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("stdio, none or a file is missing".into()),
            "stdio" => Ok(Serial::Stdio),
            "none" => Ok(Serial::None),
            path => Ok(Serial::File(path.into())),
        }
    }
}

/// Where the screen is shown while the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Display {
    /// In this terminal, where it is one
    Terminal,
    /// Nowhere
    None,
}

/// A film's format, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilmFormat {
    Gif,
    /// Animated PNG.
    Apng,
}

/// A film of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub path: PathBuf,
    pub format: FilmFormat,
}

/// The ending of a file's name, in small letters.
fn ending(text: &str) -> String {
    let ending = std::path::Path::new(text).extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}

impl std::str::FromStr for Recording {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let format = match ending(text).as_str() {
            "gif" => FilmFormat::Gif,
            "png" | "apng" => FilmFormat::Apng,
            _ => return Err("the name must end in .gif or .png".into()),
        };
        Ok(Self { path: text.into(), format })
    }
}

fn screenshot_path(text: &str) -> Result<PathBuf, String> {
    match ending(text).as_str() {
        "png" => Ok(text.into()),
        _ => Err("a screenshot is a PNG: the name must end in .png".into()),
    }
}

/// The kinds of events that `--trace` names.
fn trace_kinds(list: &str) -> Result<Wanted, String> {
    debugger::trace::parse_kinds(list).map_err(|word| {
        let names: Vec<&str> = debugger::trace::KINDS.iter().map(|(name, _)| *name).collect();
        format!("\"{word}\" isn't traced; there are {}", names.join(", "))
    })
}

/// What a machine is made of, and what it boots.
#[derive(Args, Debug)]
pub struct MachineArgs {
    /// Boot sector, floppy or disk image, multiboot or ELF kernel, told apart by content.
    /// Never written to: what the guest writes lives in memory
    pub image: Option<PathBuf>,

    /// Put FILE into floppy drive A, and the next into B; written to unless ,temp or ,ro
    #[arg(long, value_name = "FILE[,temp|,ro]", help_heading = "The machine")]
    pub floppy: Vec<Drive>,
    /// Attach FILE as the hard disk (up to four); written to unless ,temp or ,ro
    #[arg(long, value_name = "FILE[,temp|,ro]", help_heading = "The machine")]
    pub disk: Vec<Drive>,
    /// What to boot from, in this order, e.g. disk,floppy [default: the diskette if there is one]
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        value_delimiter = ',',
        num_args = 1,
        help_heading = "The machine"
    )]
    pub boot: Vec<Boot>,
    /// Start a multiboot or ELF kernel without the BIOS
    #[arg(long, value_name = "FILE", help_heading = "The machine")]
    pub kernel: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", help_heading = "The machine")]
    pub append: Option<String>,
    /// Load a module for a multiboot kernel (repeatable)
    #[arg(long, value_name = "FILE[=ARGS]", help_heading = "The machine")]
    pub module: Vec<Module>,
    /// Run this BIOS instead of ours
    #[arg(long, value_name = "FILE", help_heading = "The machine")]
    pub bios: Option<PathBuf>,
    /// Guest RAM
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = quantity::size_bytes, help_heading = "The machine")]
    pub memory: u64,
    /// The processor: 386, 486, pentium, p2, p3, p4, cloister or max (see `cloister cpus`)
    #[arg(long, value_name = "MODEL", default_value_t, help_heading = "The machine")]
    pub cpu: Name,
    /// What a triple fault does
    #[arg(long, value_enum, default_value = "stop", help_heading = "The machine")]
    pub on_shutdown: OnShutdown,
}

/// What `cloister run` is asked for.
#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The engine [default: jit, and interp on a host that can't have it]
    #[arg(long, value_enum, help_heading = "The machine")]
    pub engine: Option<Engine>,
    /// What drives virtual time [default: host where a person watches the screen, else virtual]
    #[arg(long, value_enum, help_heading = "The machine")]
    pub clock: Option<ClockKind>,

    /// Where COM1 leads: stdio, none or a file. Without this option its output is shown
    #[arg(long, value_name = "WHERE", help_heading = "Talking to the guest")]
    pub serial: Option<Serial>,
    /// Write what COM2 sends to FILE
    #[arg(long, value_name = "FILE", help_heading = "Talking to the guest")]
    pub serial2: Option<PathBuf>,
    /// Write what is printed on the parallel port to FILE
    #[arg(long, value_name = "FILE", help_heading = "Talking to the guest")]
    pub parallel: Option<PathBuf>,
    /// Type at the guest, e.g. '<wait "grub>">ls\n' (see --help)
    #[arg(long, value_name = "TEXT", help_heading = "Talking to the guest")]
    pub keys: Option<Script>,
    /// Where the guest's screen is shown while it runs
    #[arg(long, value_enum, default_value = "terminal", help_heading = "Talking to the guest")]
    pub display: Display,
    /// Write the last screen to FILE.png, whatever ended the run
    #[arg(long, value_name = "FILE", value_parser = screenshot_path, help_heading = "Talking to the guest")]
    pub screenshot: Option<PathBuf>,
    /// Record the screen to FILE.gif, or FILE.png (animated)
    #[arg(long, value_name = "FILE", help_heading = "Talking to the guest")]
    pub record_screen: Option<Recording>,
    /// Print the text screen at the end
    #[arg(long, help_heading = "Talking to the guest")]
    pub screen: bool,

    /// Succeed as soon as screen or serial shows TEXT
    #[arg(long, value_name = "TEXT", help_heading = "When to stop")]
    pub expect: Option<String>,
    /// Stop after this long on the host's clock: 30, 1.5s, 2min
    #[arg(long, value_name = "SECONDS", value_parser = quantity::seconds_ns, help_heading = "When to stop")]
    pub timeout: Option<u64>,
    /// Stop after this much virtual time
    #[arg(long, value_name = "TIME", value_parser = quantity::seconds_ns, help_heading = "When to stop")]
    pub max_time: Option<u64>,
    /// Stop after exactly this many steps
    #[arg(long, value_name = "STEPS", value_parser = quantity::count, help_heading = "When to stop")]
    pub max_insns: Option<u64>,

    /// Say on stderr what the processor does: rings,faults,interrupts,io,cr,insns,callouts.
    /// Callouts, the privileged and sensitive instructions, are also counted by kind at the end
    #[arg(long, value_name = "LIST", value_parser = trace_kinds, help_heading = "Seeing inside")]
    pub trace: Option<Wanted>,
    /// Write the traced events to FILE, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Seeing inside")]
    pub trace_out: Option<PathBuf>,
    /// Names for addresses: an ELF file or a plain map
    #[arg(long, value_name = "FILE", help_heading = "Seeing inside")]
    pub symbols: Option<PathBuf>,
    /// Write the end of the run and the whole architectural state to FILE as JSON
    #[arg(long, value_name = "FILE", help_heading = "Seeing inside")]
    pub report: Option<PathBuf>,
    /// Write guest memory to FILE at the end (repeatable)
    #[arg(long, value_name = "ADDR,LENGTH,FILE", help_heading = "Seeing inside")]
    pub dump: Vec<Dump>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_drive_is_written_to_unless_it_says_otherwise() {
        let drive = |text: &str| text.parse::<Drive>().unwrap();
        assert_eq!(drive("a.img").mode, DriveMode::Write);
        assert_eq!(drive("a.img,temp"), Drive { path: "a.img".into(), mode: DriveMode::Temporary });
        assert_eq!(drive("a.img,ro").mode, DriveMode::ReadOnly);
        assert_eq!(drive("a,b.img"), Drive { path: "a,b.img".into(), mode: DriveMode::Write });
        assert!(",ro".parse::<Drive>().is_err());
    }

    #[test]
    fn a_dump_says_what_is_wrong_with_it() {
        let error = |text: &str| text.parse::<Dump>().unwrap_err();
        assert!(error("0x7C00").contains("two commas"));
        assert!(error("here,1,f").starts_with("address: \"here\""));
        assert!(error("0,much,f").starts_with("length: \"much\""));
        assert!(error("0,0,f").contains("nothing to write"));
        assert!(error("0x1000000000,1,f").contains("64 GiB"));
        let dump = "0x7C00,1K,a,b".parse::<Dump>().unwrap();
        assert_eq!(dump, Dump { address: 0x7C00, length: 1024, path: "a,b".into() });
    }

    #[test]
    fn a_module_is_called_like_its_file_unless_told_otherwise() {
        let module = |text: &str| text.parse::<Module>().unwrap();
        assert_eq!(module("initrd.img").arguments, "initrd.img");
        assert_eq!(module("initrd.img=root=ram").arguments, "root=ram");
    }

    #[test]
    fn a_trace_list_names_kinds() {
        assert_eq!(trace_kinds("rings,io"), Ok(Wanted::CROSSINGS | Wanted::IO));
        let error = trace_kinds("rings,magic").unwrap_err();
        assert!(error.contains("\"magic\"") && error.contains("interrupts"), "{error}");
    }

    #[test]
    fn pictures_are_told_apart_by_the_ends_of_their_names() {
        let format = |text: &str| text.parse::<Recording>().map(|r| r.format);
        assert_eq!(format("a/b.gif"), Ok(FilmFormat::Gif));
        assert_eq!(format("b.PNG"), Ok(FilmFormat::Apng));
        assert!(format("b.avi").is_err() && format("gif").is_err());
        assert!(screenshot_path("x.png").is_ok() && screenshot_path("x.bmp").is_err());
    }

    #[test]
    fn no_verb_is_the_tour() {
        assert!(Cli::parse_from(["cloister"]).verb.is_none());
    }
}
