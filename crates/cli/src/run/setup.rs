//! From the command line to a machine that is ready to run: reads every file that is named,
//! before anything is written.

use crate::args::{Boot, ClockKind, Drive, DriveMode, Engine, MachineArgs, OnShutdown, RunArgs};
use crate::drive;
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::status::Status;
use debugger::Symbols;
use machine::boot::{self, Format};
use machine::{
    BootDevice, ImageError, KernelSource, Machine, MachineConfig, MachineError, Medium, Tuning,
};
use std::path::Path;
use std::sync::Arc;

/// Names for addresses, if a file with names was given.
pub fn symbols(args: &RunArgs) -> Result<Symbols, Failure> {
    let load = |path: &Path| {
        Symbols::load(path).map_err(|error| Failure::usage(format!("--symbols {error}")))
    };
    args.symbols.as_deref().map_or(Ok(Symbols::default()), load)
}

/// The engine, if what else was asked for agrees.
pub fn engine(args: &RunArgs) -> Result<machine::Engine, Failure> {
    if args.trace_out.is_some() && args.trace_out == args.report {
        return Err(Failure::usage("--trace-out and --report name the same file"));
    }
    if compares(args) && args.clock == Some(ClockKind::Host) {
        return Err(Failure::usage("--engine lockstep compares exact runs: use --clock virtual"));
    }
    Ok(match args.engine {
        None => machine::Engine::Best,
        Some(Engine::Interp) => machine::Engine::Interp,
        Some(Engine::Jit) => machine::Engine::Jit,
        Some(Engine::Lockstep) => machine::Engine::Lockstep,
        Some(Engine::LockstepInterp) => machine::Engine::LockstepInterp,
    })
}

/// Two machines are compared all the way.
pub fn compares(args: &RunArgs) -> bool {
    matches!(args.engine, Some(Engine::Lockstep | Engine::LockstepInterp))
}

/// Says so where the host can't have the translator that nobody asked for by name.
pub fn say_what_runs(machine: &Machine) {
    if let Some(why) = machine.untranslated() {
        output::say(&format!("cloister: {why}: the interpreter runs instead"));
    }
}

/// Builds the machine.
pub fn machine(
    args: &MachineArgs,
    engine: machine::Engine,
    translator: Tuning,
) -> Result<Machine, Failure> {
    check(args)?;
    let mut config = MachineConfig {
        memory_bytes: args.memory,
        host_memory_bytes: host_memory(),
        cpu: args.cpu,
        engine,
        translator,
        on_shutdown: match args.on_shutdown {
            OnShutdown::Stop => machine::OnShutdown::Stop,
            OnShutdown::Reset => machine::OnShutdown::Reset,
        },
        boot_order: boot_order(args)?,
        ..MachineConfig::default()
    };
    if let Some(path) = &args.bios {
        config.bios = Some(input::read(path, "BIOS")?.into());
        config.shadow_bios = true;
    }
    for (place, drive) in config.floppies.iter_mut().zip(&args.floppy) {
        *place = Some(floppy(drive)?);
    }
    for (place, disk) in config.disks.iter_mut().zip(&args.disk) {
        *place = Some(drive::open(disk, "disk", 0)?);
    }
    if let Some(path) = &args.kernel {
        let image = input::read(path, "kernel")?;
        boot::detect(&image).map_err(|error| bad_image("kernel", path, error))?;
        config.kernel = Some(kernel(args, image)?);
    }
    if let Some(path) = &args.image {
        insert(args, path, &mut config)?;
    }
    if config.kernel.is_none() && (args.append.is_some() || !args.module.is_empty()) {
        return Err(Failure::usage(
            "--append and --module are for kernels; give one with --kernel",
        ));
    }
    if config.kernel.is_some() && !args.boot.is_empty() {
        return Err(Failure::usage("--boot is for drives, and a kernel is started without them"));
    }
    let named = args.kernel.as_deref().or(args.image.as_deref());
    let machine = Machine::new(config).map_err(|error| refused(error, named))?;
    say_what_runs(&machine);
    Ok(machine)
}

fn boot_order(args: &MachineArgs) -> Result<Vec<BootDevice>, Failure> {
    if let [first, rest @ ..] = &args.boot[..]
        && (rest.contains(first) || rest.len() > 1)
    {
        return Err(Failure::usage("--boot names a drive twice; there are floppy and disk"));
    }
    let device = |boot: &Boot| match boot {
        Boot::Floppy => BootDevice::Floppy,
        Boot::Disk => BootDevice::Disk,
    };
    Ok(args.boot.iter().map(device).collect())
}

fn check(args: &MachineArgs) -> Result<(), Failure> {
    for (drives, most, what) in [(&args.floppy, 2, "--floppy"), (&args.disk, 4, "--disk")] {
        if drives.len() > most {
            return Err(Failure::usage(format!("{what} is given more than {most} times")));
        }
    }
    let drives = !args.floppy.is_empty() || !args.disk.is_empty();
    if args.image.is_none() && args.kernel.is_none() && !drives && args.bios.is_none() {
        return Err(Failure::usage("nothing to boot; give an IMAGE, --floppy, --disk or --kernel"));
    }
    Ok(())
}

/// A bare image goes where its content says, and is never written to.
fn insert(args: &MachineArgs, path: &Path, config: &mut MachineConfig) -> Result<(), Failure> {
    let image = input::head(path, "image")?;
    let format = boot::detect(&image).map_err(|error| bad_image("image", path, error))?;
    match format {
        Format::Multiboot(_) | Format::Elf => {
            if config.kernel.is_some() {
                return Err(Failure::usage("both IMAGE and --kernel are kernels; give one"));
            }
            config.kernel = Some(kernel(args, input::read(path, "image")?)?);
            return Ok(());
        }
        Format::Floppy => {
            taken(config.floppies[0].is_some(), "a diskette", "--floppy")?;
            config.floppies[0] =
                Some(Medium::floppy(image.into()).map_err(|e| refused(e, Some(path)))?);
        }
        Format::Disk => {
            taken(config.disks[0].is_some(), "a disk", "--disk")?;
            let drive = Drive { path: path.into(), mode: DriveMode::Temporary };
            config.disks[0] = Some(drive::open(&drive, "image", 0)?);
        }
    }
    let option = if format == Format::Floppy { "--floppy" } else { "--disk" };
    output::say(&format!(
        "note: {} is a {} image and is never written to: the guest's changes live in memory \
         ({option} {} would keep them)",
        path.display(),
        format.name(),
        path.display()
    ));
    Ok(())
}

fn taken(is_taken: bool, what: &str, option: &str) -> Result<(), Failure> {
    if is_taken {
        return Err(Failure::usage(format!(
            "IMAGE is {what}, and so is what {option} gives; give one"
        )));
    }
    Ok(())
}

fn floppy(drive: &Drive) -> Result<Medium, Failure> {
    let path = &drive.path;
    let meta = std::fs::metadata(path).map_err(|_| ());
    let len = meta.map_or(0, |meta| meta.len());
    let size = boot::detect::floppy_size(len);
    if size < len {
        return Err(refused(MachineError::FloppySize { len, most: size }, Some(path)));
    }
    drive::open(drive, "diskette", size / devices::SECTOR_BYTES as u64)
}

fn kernel(args: &MachineArgs, image: Vec<u8>) -> Result<KernelSource, Failure> {
    let mut modules = Vec::new();
    for module in &args.module {
        let bytes = input::read(&module.path, "module")?;
        modules.push(boot::Module { bytes, command_line: module.arguments.clone() });
    }
    let command_line = args.append.clone().unwrap_or_default();
    Ok(KernelSource { image: Arc::from(image), command_line, modules })
}

fn bad_image(what: &str, path: &Path, error: ImageError) -> Failure {
    let status = if error.needs_64bit() { Status::LongMode } else { Status::BadImage };
    Failure { status, message: format!("{what} {}: {error}", path.display()) }
}

fn refused(error: MachineError, named: Option<&Path>) -> Failure {
    let name = named.map(|path| path.display().to_string()).unwrap_or_default();
    match error {
        MachineError::Image(error) => bad_image("image", Path::new(&name), error),
        MachineError::FloppySize { .. } => Failure::image(format!("{name}: {error}")),
        MachineError::BiosSize { .. } => Failure::image(error.to_string()),
        MachineError::HostMemory { .. } | MachineError::Arena(_) | MachineError::Jit(_) => {
            Failure::host(error.to_string())
        }
        _ => Failure::usage(error.to_string()),
    }
}

/// What the host can give, bytes; `None` where it doesn't say.
fn host_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}
