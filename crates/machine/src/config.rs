//! What a machine is to be built from.

use crate::boot::{Format, Handoff, Module, detect};
use crate::error::MachineError;
use crate::media::Medium;
use crate::runner::Way;
use devices::Civil;
use jit::Tuning;
use std::sync::Arc;
use x86::Model;
use x86::event::Wanted;
use x86::model::Name;

/// Memory comes in this unit, bytes: CMOS counts it so.
pub const MEMORY_STEP: u64 = 64 << 10;
/// The least memory, bytes.
pub const MEMORY_LEAST: u64 = 1 << 20;
/// The most memory, bytes: what lies below the devices' addresses.
pub const MEMORY_MOST: u64 = 3 << 30;
/// The memory of a machine for which none is given, bytes.
pub const MEMORY_DEFAULT: u64 = 32 << 20;

/// How instructions are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The translator; the interpreter on a host that can't have one.
    #[default]
    Best,
    /// The interpreter, in blocks.
    Interp,
    /// The translator.
    Jit,
    /// Two machines, one translated and one interpreted, compared all the way.
    Lockstep,
    /// Two machines, one interpreted in blocks and one an instruction at a time.
    LockstepInterp,
}

impl Engine {
    /// How the machine runs, and in lockstep its twin.
    pub(crate) fn runners(self) -> (Way, Option<Way>) {
        match self {
            Self::Best => (Way::Best, None),
            Self::Interp => (Way::Blocks, None),
            Self::Jit => (Way::Translated, None),
            Self::Lockstep => (Way::Translated, Some(Way::Blocks)),
            Self::LockstepInterp => (Way::Blocks, Some(Way::Single)),
        }
    }
}

/// What a triple fault does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShutdown {
    /// Stops the machine.
    #[default]
    Stop,
    /// Resets the processor, as a PC does.
    Reset,
}

/// A kind of drive that the BIOS can boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// Diskette drive A.
    Floppy,
    /// The first disk.
    Disk,
}

/// A kernel to be started without a boot loader.
#[derive(Clone, Debug)]
pub struct KernelSource {
    /// The file: multiboot or ELF.
    pub image: Arc<[u8]>,
    /// Its command line.
    pub command_line: String,
    /// Files handed to it (multiboot only).
    pub modules: Vec<Module>,
}

/// The choices a person has about a machine. [`MachineConfig::default`] is a PC with an empty
/// diskette drive.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// RAM, bytes: a multiple of [`MEMORY_STEP`].
    pub memory_bytes: u64,
    /// Memory the host can give, bytes, if known: more is refused.
    pub host_memory_bytes: Option<u64>,
    /// The BIOS, or `None` for ours.
    pub bios: Option<Arc<[u8]>>,
    /// The BIOS's copy below 1 MiB is RAM, as on boards that shadow it: there are BIOSes that keep
    /// their variables there.
    pub shadow_bios: bool,
    /// The diskettes in drives A and B.
    pub floppies: [Option<Medium>; 2],
    /// The disks: master and slave of the first IDE channel, then of the second.
    pub disks: [Option<Medium>; 4],
    /// What the BIOS boots from, in this order; at most two. Empty: a diskette if one is there,
    /// then a disk.
    pub boot_order: Vec<BootDevice>,
    /// A kernel to start after the BIOS.
    pub kernel: Option<KernelSource>,
    /// Which processor it has.
    pub cpu: Name,
    /// How instructions are run.
    pub engine: Engine,
    /// How the translator works, where it does.
    pub translator: Tuning,
    /// What a triple fault does.
    pub on_shutdown: OnShutdown,
    /// Virtual time a step takes, picoseconds.
    pub ps_per_step: u64,
    /// The real-time clock at virtual time 0.
    pub start: Civil,
    /// Which events are kept.
    pub wanted: Wanted,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_DEFAULT,
            host_memory_bytes: None,
            bios: None,
            shadow_bios: false,
            floppies: [None, None],
            disks: [None, None, None, None],
            boot_order: Vec::new(),
            kernel: None,
            cpu: Name::default(),
            engine: Engine::default(),
            translator: Tuning::default(),
            on_shutdown: OnShutdown::default(),
            ps_per_step: bus::clock::DEFAULT_PS_PER_STEP,
            start: Civil::DEFAULT,
            wanted: Wanted::CROSSINGS | Wanted::FAULTS,
        }
    }
}

impl MachineConfig {
    /// Puts an image where its content says it belongs: a diskette into drive A, a disk in the
    /// first place, a kernel to be started. It is never written. Returns what it was.
    pub fn add_image(&mut self, image: Arc<[u8]>) -> Result<Format, MachineError> {
        let format = detect(&image)?;
        match format {
            Format::Floppy => self.floppies[0] = Some(Medium::floppy(image)?),
            Format::Disk => self.disks[0] = Some(Medium::disk(image)),
            Format::Multiboot(_) | Format::Elf => self.add_kernel(image),
        }
        Ok(format)
    }

    fn add_kernel(&mut self, image: Arc<[u8]>) {
        self.kernel =
            Some(KernelSource { image, command_line: String::new(), modules: Vec::new() });
    }

    /// The processor, with what `max` takes from the host.
    #[must_use]
    pub fn model(&self) -> Model {
        Model::new(self.cpu, interp::host_simd::features())
    }

    /// Checks the size of memory.
    pub(crate) fn check_memory(&self) -> Result<(), MachineError> {
        let asked = self.memory_bytes;
        let possible = (MEMORY_LEAST..=MEMORY_MOST).contains(&asked);
        if !possible || !asked.is_multiple_of(MEMORY_STEP) {
            return Err(MachineError::MemorySize {
                asked,
                least: MEMORY_LEAST,
                most: MEMORY_MOST,
                step: MEMORY_STEP,
            });
        }
        match self.host_memory_bytes {
            Some(host) if host < asked => Err(MachineError::HostMemory { asked, host }),
            _ => Ok(()),
        }
    }

    /// Makes all media temporary: in lockstep no host file is written, since two machines
    /// would write it.
    pub(crate) fn keep_writes_in_memory(&mut self) {
        for medium in self.floppies.iter_mut().chain(&mut self.disks).flatten() {
            medium.temporary = true;
        }
    }

    /// The BIOS's bytes.
    pub(crate) fn bios_bytes(&self) -> Result<&[u8], MachineError> {
        let built_in = || roms::get("bios").ok_or(MachineError::NoBios);
        self.bios.as_deref().map_or_else(built_in, Ok)
    }

    /// The kernel, checked and laid out.
    pub(crate) fn handoff(&self) -> Result<Option<Handoff>, MachineError> {
        let Some(kernel) = &self.kernel else {
            return Ok(None);
        };
        let (line, modules) = (&kernel.command_line, &kernel.modules);
        Ok(Some(Handoff::new(&kernel.image, line, modules, self.memory_bytes)?))
    }
}
