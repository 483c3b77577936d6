//! The board: which chips there are, at which ports and lines, and what lies where in memory.
//!
//! ```text
//! 0000_0000  RAM                      000A_0000  VGA window
//! 000C_0000  nothing (option ROMs)    000E_0000  the last 128 KiB of the BIOS (or 64 at F0000);
//!                                                RAM if it is shadowed
//! 0010_0000  RAM, up to its end       E000_0000  VGA frame buffer (16 MiB)
//!                                     ....       the whole BIOS, up to FFFF_FFFF
//! ```
//! The arena behind it: RAM at its own addresses, display memory, the BIOS.
//!
//! The A20 gate is open at reset, as the 8042's output port is high then; the first fetch, at
//! FFFF_FFF0, needs it.

use crate::boot::handoff;
use crate::config::{BootDevice, MachineConfig};
use crate::error::MachineError;
use crate::media::{Medium, Shared};
use bus::{Bus, Handle, IrqLine, NmiGate, Signals, System, Timer};
use devices::fdc::Geometry;
use devices::ide::default_geometry;
use devices::storage::{Overlay, Storage};
use devices::vga::{self, Scanout, TextScreen};
use devices::{
    Cmos, CmosConfig, Coprocessor, DebugExit, Debugcon, Dma, Fdc, Ide, Key, Lpt, Motion, Pic, Pit,
    Port92, Post, Power, Ps2, SerialSink, Uart, Vga,
};
use mem::{Kind, Memory, Region};
use std::sync::{Arc, Mutex, PoisonError};
use x86::PhysAddr;

const LOW_RAM_END: u64 = 0xA_0000;
const HIGH_RAM: u64 = 0x10_0000;
const ROM_UNIT: u64 = 64 << 10;
const ROM_MOST: u64 = 256 << 10;
/// As much of the BIOS as is seen below 1 MiB.
const ROM_LOW_MOST: u64 = 128 << 10;
const TOP: u64 = 1 << 32;

/// Bytes a device sent, kept until somebody takes them.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Takes what has come.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SerialSink for Output {
    fn send(&mut self, byte: u8) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(byte);
    }
}

/// What the guest says, by where it says it.
#[derive(Clone, Debug, Default)]
struct Outputs {
    com1: Output,
    com2: Output,
    parallel: Output,
    console: Output,
}

impl Outputs {
    fn all(&self) -> [&Output; 4] {
        [&self.com1, &self.com2, &self.parallel, &self.console]
    }
}

/// The chips by name.
#[derive(Debug)]
pub struct Chips {
    /// COM1.
    pub com1: Handle<Uart>,
    /// COM2.
    pub com2: Handle<Uart>,
    /// The clock and its memory.
    pub cmos: Handle<Cmos>,
    /// The timer.
    pub pit: Handle<Pit>,
    /// The display of POST codes.
    pub post: Handle<Post>,
    /// Keyboard, mouse and their controller.
    pub ps2: Handle<Ps2>,
    /// The display.
    pub vga: Handle<Vga>,
    /// The diskette drives.
    pub fdc: Handle<Fdc>,
    /// The disks, channel by channel.
    pub ide: [Handle<Ide>; 2],
}

/// Memory, bus and the chips on it.
#[derive(Debug)]
pub struct Board {
    /// Memory and bus.
    pub sys: System,
    /// The chips.
    pub chips: Chips,
    outputs: Outputs,
    /// What belongs into drive A.
    floppy_a: Option<Shared>,
    ram_bytes: u64,
    rom_hash: [u8; 32],
}

impl Board {
    /// Wires a board.
    pub fn new(config: &MachineConfig) -> Result<Self, MachineError> {
        config.check_memory()?;
        let bios = config.bios_bytes()?;
        let mut memory = wire_memory(config.memory_bytes, bios, config.shadow_bios)?;
        let mut bus = Bus::new(Signals::new());
        bus.clock.set_rate(0, config.ps_per_step);
        let outputs = Outputs::default();
        let media = Media::open(config);
        let floppy_a = media.floppies[0].clone();
        let chips = wire_chips(&mut bus, config, media, &outputs)?;
        bus.get_mut(chips.vga).attach(chips.vga.mmio(), config.memory_bytes, &mut memory)?;
        Ok(Self {
            sys: System::new(memory, bus),
            chips,
            outputs,
            floppy_a,
            ram_bytes: config.memory_bytes,
            rom_hash: *blake3::hash(bios).as_bytes(),
        })
    }

    /// RAM, bytes.
    #[must_use]
    pub fn ram_bytes(&self) -> u64 {
        self.ram_bytes
    }

    /// RAM and display memory, bytes: what lies in the arena before the ROM, and is state.
    #[must_use]
    pub fn writable_bytes(&self) -> u64 {
        self.ram_bytes + vga::VIDEO_BYTES
    }

    /// The BIOS, by its hash.
    #[must_use]
    pub fn rom_hash(&self) -> [u8; 32] {
        self.rom_hash
    }

    /// What COM1 has sent since the last call.
    #[must_use]
    pub fn take_serial(&self) -> Vec<u8> {
        self.outputs.com1.take()
    }

    /// What COM2 has sent since the last call.
    #[must_use]
    pub fn take_serial2(&self) -> Vec<u8> {
        self.outputs.com2.take()
    }

    /// What was printed on the parallel port since the last call.
    #[must_use]
    pub fn take_parallel(&self) -> Vec<u8> {
        self.outputs.parallel.take()
    }

    /// What came out of the debug console at port E9h since the last call.
    #[must_use]
    pub fn take_console(&self) -> Vec<u8> {
        self.outputs.console.take()
    }

    /// Takes all that was sent.
    pub(crate) fn outputs(&self) -> [Vec<u8>; 4] {
        self.outputs.all().map(Output::take)
    }

    /// Forgets what was sent since, and puts back what [`Board::outputs`] took.
    pub(crate) fn put_outputs(&self, sent: [Vec<u8>; 4]) {
        for (output, sent) in self.outputs.all().into_iter().zip(sent) {
            *output.0.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        }
    }

    /// The text screen as it shows now.
    #[must_use]
    pub fn screen(&self) -> TextScreen {
        self.sys.bus.get(self.chips.vga).screen(&self.sys.mem)
    }

    /// The display as it shows now: registers and memory, for crate `screen` to draw.
    #[must_use]
    pub fn scanout(&self, now_ns: u64) -> Scanout {
        self.sys.bus.get(self.chips.vga).scanout(&self.sys.mem, now_ns)
    }

    /// A number that is another whenever the screen may look different than when it was last
    /// asked for; cheap. Asking changes nothing that a guest or the state hash could see.
    pub fn screen_generation(&mut self, now_ns: u64) -> u64 {
        let System { mem, bus } = &mut self.sys;
        bus.get_mut(self.chips.vga).generation(mem, now_ns)
    }

    /// Shows the VGA's window as its registers ask for, after they and memory were restored.
    pub(crate) fn adopt_display(&mut self) {
        let System { mem, bus } = &mut self.sys;
        bus.get_mut(self.chips.vga).adopt_map(mem);
    }

    /// A key goes down or up. False if the keyboard's buffer is full: nothing happened.
    pub fn press(&mut self, key: Key, down: bool) -> bool {
        self.sys.bus.with(self.chips.ps2, |ps2| ps2.key(key, down))
    }

    /// True while the guest wants to hear of the mouse's movements.
    #[must_use]
    pub fn mouse_is_on(&self) -> bool {
        self.sys.bus.get(self.chips.ps2).mouse_is_on()
    }

    /// The mouse is moved, or a button of it.
    pub fn mouse(&mut self, motion: Motion) {
        self.sys.bus.with(self.chips.ps2, |ps2| ps2.mouse(motion));
    }

    /// True while typed keys wait to be read by the guest.
    #[must_use]
    pub fn keyboard_is_busy(&self) -> bool {
        self.sys.bus.get(self.chips.ps2).is_busy()
    }

    /// Bytes arrive at COM1.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.sys.bus.with(self.chips.com1, |com1| com1.push_input(bytes));
    }

    /// All chips as at power-on.
    pub fn power_on(&mut self, kernel_waits: bool) {
        self.sys.bus.reset();
        let System { mem, bus } = &mut self.sys;
        bus.get_mut(self.chips.vga).settle_map(mem);
        self.processor_reset();
        self.put_right_floppy(kernel_waits);
    }

    /// What the board does when the processor is reset: A20 opens, and FERR# falls.
    pub fn processor_reset(&mut self) {
        self.sys.bus.set_ferr(false);
        self.sys.bus.signals().set_a20(true);
    }

    /// The diskette that belongs into drive A: while a kernel waits to be started the one that
    /// stops the BIOS, else the machine's own.
    pub fn put_right_floppy(&mut self, kernel_waits: bool) {
        let medium: Option<Box<dyn Storage>> = if kernel_waits {
            Some(Box::new(Overlay::from_bytes(handoff::halting_diskette())))
        } else {
            self.floppy_a.clone().map(|own| -> Box<dyn Storage> { Box::new(own) })
        };
        self.sys.bus.with(self.chips.fdc, |fdc| fdc.insert(0, medium));
    }
}

fn ram(name: &str, start: u64, end: u64) -> Region {
    region(name, start, end - start, Kind::Ram, start)
}

fn region(name: &str, start: u64, len: u64, kind: Kind, arena_offset: u64) -> Region {
    Region { name: name.into(), start: PhysAddr(start), len, kind, arena_offset }
}

/// The physical map but for the display, which moves. RAM lies in the arena at its own address.
///
/// A shadowed BIOS finds its copy below 1 MiB in RAM.
fn wire_memory(ram_bytes: u64, bios: &[u8], shadowed: bool) -> Result<Memory, MachineError> {
    let rom_bytes = bios.len() as u64;
    if rom_bytes == 0 || !rom_bytes.is_multiple_of(ROM_UNIT) || rom_bytes > ROM_MOST {
        return Err(MachineError::BiosSize { len: rom_bytes });
    }
    let rom_offset = ram_bytes + vga::VIDEO_BYTES;
    let mut memory = Memory::new(rom_offset + rom_bytes)?;
    memory.allocate(rom_offset + rom_bytes);
    memory.add(ram("ram", 0, LOW_RAM_END))?;
    if ram_bytes > HIGH_RAM {
        memory.add(ram("high ram", HIGH_RAM, ram_bytes))?;
    }
    let low_bytes = rom_bytes.min(ROM_LOW_MOST);
    let low = HIGH_RAM - low_bytes;
    if shadowed {
        memory.add(ram("bios", low, HIGH_RAM))?;
        memory.write_phys(PhysAddr(low), &bios[(rom_bytes - low_bytes) as usize..]);
    } else {
        let low_offset = rom_offset + rom_bytes - low_bytes;
        memory.add(region("bios", low, low_bytes, Kind::Rom, low_offset))?;
    }
    memory.add(region("bios at the top", TOP - rom_bytes, rom_bytes, Kind::Rom, rom_offset))?;
    memory.load_rom(PhysAddr(TOP - rom_bytes), bios);
    Ok(memory)
}

/// The media of a machine, opened.
struct Media {
    floppies: [Option<Shared>; 2],
    disks: [Option<Shared>; 4],
}

impl Media {
    fn open(config: &MachineConfig) -> Self {
        let open = |medium: &Option<Medium>| medium.as_ref().map(Medium::open);
        Self {
            floppies: config.floppies.each_ref().map(open),
            disks: config.disks.each_ref().map(open),
        }
    }

    fn boxed(media: [Option<Shared>; 2]) -> [Option<Box<dyn Storage>>; 2] {
        media.map(|m| m.map(|medium| -> Box<dyn Storage> { Box::new(medium) }))
    }
}

fn wire_chips(
    bus: &mut Bus,
    config: &MachineConfig,
    media: Media,
    outputs: &Outputs,
) -> Result<Chips, MachineError> {
    let signals = Arc::clone(bus.signals());
    let irq = |n: u8| IrqLine::new(&signals, n);
    let timer = || Timer::new(&signals);
    bus.set_intc(Box::new(Pic::new()), Pic::PORTS)?;

    let t = timer();
    let pit = bus.add_timed(Pit::new(irq(0), t.clone()), Pit::PORTS, t)?;
    let t = timer();
    let ps2 = Ps2::new(&signals, [irq(1), irq(12)], t.clone());
    let ps2 = bus.add_timed(ps2, Ps2::PORTS, t)?;
    let t = timer();
    let nmi = NmiGate::new(&signals);
    let mut cmos = Cmos::new(&cmos_config(config, &media), irq(8), nmi, t.clone());
    cmos.set_byte(CMOS_BOOT_ORDER, boot_order(config));
    let cmos = bus.add_timed(cmos, Cmos::PORTS, t)?;
    let t = timer();
    let uart = Uart::new(0x3F8, Box::new(outputs.com1.clone()), irq(4), t.clone());
    let com1 = bus.add_timed(uart, Uart::COM1, t)?;
    let t = timer();
    let uart = Uart::new(0x2F8, Box::new(outputs.com2.clone()), irq(3), t.clone());
    let com2 = bus.add_timed(uart, Uart::COM2, t)?;
    let t = timer();
    let lpt = Lpt::new(0x378, Box::new(outputs.parallel.clone()), irq(7), t.clone());
    bus.add_timed(lpt, Lpt::LPT1, t)?;

    let dma = Dma::new();
    let [a, b, c, d] = media.disks;
    let t = timer();
    let primary = Ide::new(0x1F0, Media::boxed([a, b]), irq(14), t.clone());
    let primary = bus.add_timed(primary, Ide::PRIMARY, t)?;
    let t = timer();
    let secondary = Ide::new(0x170, Media::boxed([c, d]), irq(15), t.clone());
    let ide = [primary, bus.add_timed(secondary, Ide::SECONDARY, t)?];
    let t = timer();
    let floppies = Media::boxed(media.floppies);
    let fdc = Fdc::new(floppies, dma.channel(2), irq(6), t.clone());
    let fdc = bus.add_timed(fdc, Fdc::PORTS, t)?;
    bus.add(dma, &Dma::ports())?;
    let vga = bus.add(Vga::new(&signals), Vga::PORTS)?;
    let post = bus.add(Post::new(), Post::PORTS)?;
    bus.add(Port92::new(&signals), Port92::PORTS)?;
    bus.add(Coprocessor::new(&signals, irq(13)), Coprocessor::PORTS)?;
    bus.add(Power::new(&signals), Power::PORTS)?;
    bus.add(DebugExit::new(&signals), DebugExit::PORTS)?;
    bus.add(Debugcon::new(Box::new(outputs.console.clone())), Debugcon::PORTS)?;
    Ok(Chips { com1, com2, cmos, pit, post, ps2, vga, fdc, ide })
}

/// The first two boot devices: in bits 3-0 and 7-4, 1 a diskette, 2 a disk.
const CMOS_BOOT_ORDER: u8 = 0x3D;

fn boot_order(config: &MachineConfig) -> u8 {
    let number = |device: &BootDevice| match device {
        BootDevice::Floppy => 1,
        BootDevice::Disk => 2,
    };
    // A kernel is started by way of a diskette (see `boot::handoff`), whatever was asked for.
    match &config.boot_order[..] {
        [first, second, ..] if config.kernel.is_none() => number(second) << 4 | number(first),
        [only] if config.kernel.is_none() => number(only),
        _ if config.floppies[0].is_some() || config.kernel.is_some() => 0x21,
        _ => 0x12,
    }
}

fn cmos_config(config: &MachineConfig, media: &Media) -> CmosConfig {
    let kind = |medium: &Option<Shared>| {
        medium.as_ref().and_then(|m| Geometry::of(m.len_sectors())).map(Geometry::cmos_type)
    };
    let disk =
        |n: usize| media.disks[n].as_ref().map(|medium| default_geometry(medium.len_sectors()));
    let [a, b] = &media.floppies;
    CmosConfig {
        memory_bytes: config.memory_bytes,
        below_4g_bytes: config.memory_bytes,
        // Drive A is there even without a diskette.
        floppies: [kind(a).unwrap_or(4), kind(b).unwrap_or(0)],
        disks: [disk(0), disk(1)],
        start: config.start,
    }
}
