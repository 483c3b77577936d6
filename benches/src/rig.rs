//! A bare board for benchmarks of the processor alone: RAM, a debug console, a mask register,
//! and a processor in flat protected mode at the entry of a workload's image. No BIOS, no
//! interrupt controllers, no timers.

use bus::{Bus, Device, Handle, Io, Request, Signals, StateError, System};
use interp::{Cpu, Dispatch, Exit, Interp};
use mem::Memory;
use roms::bench::{Class, LOAD_ADDRESS, Workload};
use std::sync::Arc;
use x86::event::Wanted;
use x86::segment::{Descriptor, SegReg, Segment, Selector};
use x86::{Cr0, PhysAddr, State};

/// RAM of the board: what the workloads are written for.
const RAM_BYTES: u64 = 16 << 20;
/// Ports: debug console, POST code, the master PIC's mask, power-off.
const PORTS: [u16; 4] = [CONSOLE, 0x80, MASK, POWER];
/// Steps between two looks at what the guest asks for.
const SLICE_STEPS: u64 = 1 << 20;
const CONSOLE: u16 = 0xE9;
const MASK: u16 = 0x21;
const POWER: u16 = 0x604;

/// All the devices that a workload talks to.
pub struct Ports {
    signals: Arc<Signals>,
    printed: Vec<u8>,
    mask: u8,
}

impl Device for Ports {
    fn name(&self) -> &'static str {
        "bench ports"
    }

    fn read(&mut self, at: u64, _: &mut Io<'_>) -> u32 {
        if at == u64::from(MASK) { u32::from(self.mask) } else { u32::MAX }
    }

    fn write(&mut self, at: u64, value: u32, _: &mut Io<'_>) {
        match u16::try_from(at) {
            Ok(CONSOLE) => self.printed.push(value as u8),
            Ok(MASK) => self.mask = value as u8,
            Ok(POWER) => self.signals.request(Request::PowerOff),
            _ => {}
        }
    }

    fn reset(&mut self) {
        self.printed.clear();
        self.mask = 0xFF;
    }

    fn save(&self) -> Vec<u8> {
        vec![self.mask]
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let damaged = || StateError::Damaged { kind: self.name().into(), why: "not a byte".into() };
        let [mask] = bytes else { return Err(damaged()) };
        self.mask = *mask;
        Ok(())
    }
}

/// The board with an image loaded.
pub struct Board {
    /// Memory and ports.
    pub system: System,
    /// The processor.
    pub cpu: Cpu,
    engine: Interp,
    ports: Handle<Ports>,
}

/// The workloads that a bare board can run: all but those that talk to a display.
pub fn workloads() -> impl Iterator<Item = Workload> {
    roms::bench::all().into_iter().filter(|workload| workload.class != Class::Mmio)
}

impl Board {
    /// A board about to run `rounds` rounds of `workload`.
    pub fn new(workload: &Workload, rounds: u32, dispatch: Dispatch) -> Self {
        let mut board = Self::with_code(LOAD_ADDRESS, &workload.image_with(rounds), dispatch);
        board.cpu.state.rip = u64::from(workload.entry());
        board.cpu.sync();
        board
    }

    /// A board about to run `code`, loaded at `address`.
    pub fn with_code(address: u32, code: &[u8], dispatch: Dispatch) -> Self {
        let signals = Signals::new();
        let mut bus = Bus::new(Arc::clone(&signals));
        let ports = Ports { signals, printed: Vec::new(), mask: 0xFF };
        let ports = bus.add(ports, &PORTS).expect("the first device of a bus finds its ports free");
        let mut memory = Memory::flat(RAM_BYTES).expect("the host has 16 MiB");
        memory.write_phys(PhysAddr(u64::from(address)), code);
        let mut cpu = Cpu::new();
        cpu.events.wanted = Wanted::empty();
        cpu.mmu.set_a20(true);
        cpu.state = flat(address);
        cpu.sync();
        Self { system: System::new(memory, bus), cpu, engine: Interp::new(dispatch), ports }
    }

    /// Runs at most `budget` steps.
    pub fn run(&mut self, budget: u64) -> Exit {
        self.engine.run(&mut self.cpu, &mut self.system, budget)
    }

    /// Runs until the guest powers off; false if it did something else instead.
    pub fn run_to_power_off(&mut self) -> bool {
        loop {
            match self.run(SLICE_STEPS) {
                Exit::Budget | Exit::Attention => {}
                Exit::Halted | Exit::Shutdown | Exit::LongMode => return false,
            }
            if self.system.bus.signals().take_requests() & Request::PowerOff as u32 != 0 {
                return true;
            }
        }
    }

    /// What the guest has printed on the debug console.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.system.bus.get(self.ports).printed).into_owned()
    }
}

/// Ring 0 in flat 32-bit segments, paging and interrupts off, at `eip`.
fn flat(eip: u32) -> State {
    let mut state = State::reset();
    let segment =
        |descriptor, selector| Segment::from_descriptor(Selector(selector), Descriptor(descriptor));
    state.seg = [segment(0x00CF_9300_0000_FFFF, 0x10); 6];
    state.seg[SegReg::Cs as usize] = segment(0x00CF_9B00_0000_FFFF, 0x08);
    state.cr0 |= Cr0::PE.bits();
    state.rip = u64::from(eip);
    state
}
