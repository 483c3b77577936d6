//! The fuzz targets as plain functions: they take bytes and must neither panic nor break what
//! they assert. The test command runs each on bounded seeds; `fuzz/` loops them for as long as
//! somebody wants. Only here does a disagreement of ours panic: that is what a fuzzer looks for.

use crate::boot::{Handoff, Module, detect};
use crate::{Engine, Machine, MachineConfig, StopReason, Until};
use std::sync::OnceLock;
use x86::control::Cr0;
use x86::segment::{SegReg, Segment, Selector};
use x86::{Eflags, PhysAddr};

/// RAM of the machines here, bytes.
const RAM: u64 = 1 << 20;
/// Where code under test lies: F000:0000 in a ROM of 64 KiB.
const ROM: usize = 64 << 10;
/// Steps an input may run.
const STEPS: u64 = 3000;
/// Steps after which the BIOS has started the boot sector.
const BOOT_STEPS: u64 = 2_000_000;
const BOOT_SECTOR: u64 = 0x7C00;

/// Takes bytes one field after another; zeroes after the last.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn word(&mut self) -> u32 {
        u32::from(self.half()) | u32::from(self.half()) << 16
    }
}

/// An image of any bytes: told apart, and loaded if it is a kernel.
pub fn loaders(data: &[u8]) {
    let module =
        Module { bytes: data.to_vec(), command_line: String::from_utf8_lossy(data).into() };
    if detect(data).is_ok() {
        let _ = Handoff::new(data, "command line", &[module], 16 << 20);
    }
}

/// Any bytes as code, from the reset vector on: all ways of running must do the same.
pub fn code(data: &[u8]) {
    let mut rom = vec![0xF4; ROM];
    let len = data.len().min(ROM - 16);
    rom[..len].copy_from_slice(&data[..len]);
    // jmp F000:0000
    rom[0xFFF0..0xFFF5].copy_from_slice(&[0xEA, 0x00, 0x00, 0x00, 0xF0]);
    for engine in [Engine::Lockstep, Engine::LockstepInterp] {
        let mut machine = build(rom.clone(), engine);
        let stop = machine.advance(Until::step(STEPS).and_ns(1_000_000_000));
        if let StopReason::Diverged(difference) = stop {
            panic!("two ways of running differ: {difference}");
        }
    }
}

/// Any bytes as a boot sector, and what a loader would have put behind it: the BIOS is up.
pub fn image(data: &[u8]) {
    static BOOTED: OnceLock<Vec<u8>> = OnceLock::new();
    let booted = BOOTED.get_or_init(|| {
        let mut machine = with_diskette();
        let stop = machine.advance(Until::step(BOOT_STEPS));
        assert_eq!(machine.cpu().state.rip, BOOT_SECTOR, "the diskette isn't booted: {stop:?}");
        machine.save()
    });
    let mut machine = with_diskette();
    machine.restore(booted).expect("a snapshot of an equal machine");
    machine.system_mut().mem.write_phys(PhysAddr(BOOT_SECTOR), data);
    machine.changed();
    let until = Until::step(BOOT_STEPS + 10 * STEPS).and_ns(10_000_000_000);
    for _ in 0..64 {
        if machine.advance(until) != StopReason::EventsFull {
            break;
        }
        drop(machine.take_events());
    }
}

/// Our BIOS, and a diskette whose boot sector waits for ever.
fn with_diskette() -> Machine {
    let mut sector = vec![0; 512];
    sector[..2].copy_from_slice(&[0xEB, 0xFE]);
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    let mut config = MachineConfig { memory_bytes: RAM, ..MachineConfig::default() };
    config.add_image(sector.into()).expect("a boot sector");
    Machine::new(config).expect("a machine of this shape can be built")
}

/// A processor in any consistent state, with tables and code made of any bytes.
pub fn state(data: &[u8]) {
    let mut machine = build(vec![0xF4; ROM], Engine::Interp);
    let mut bytes = Bytes(data);
    arrange(&mut machine, &mut bytes);
    let filler: Vec<u8> = bytes.0.iter().copied().cycle().take(0x1_0000).collect();
    machine.system_mut().mem.write_phys(PhysAddr(0), &filler);
    machine.changed();
    let mut left = 8;
    let until = Until::step(STEPS).and_ns(1_000_000_000);
    while machine.advance(until) == StopReason::EventsFull && left > 0 {
        drop(machine.take_events());
        left -= 1;
    }
    saved_and_restored(&machine);
}

/// Any traffic on the ports, with time passing.
pub fn devices(data: &[u8]) {
    let mut machine = build(vec![0xF4; ROM], Engine::Interp);
    let mut bytes = Bytes(data);
    let mut step = 1;
    while !bytes.0.is_empty() {
        let (what, port) = (bytes.byte(), bytes.byte());
        let port = PORTS[usize::from(port) % PORTS.len()] + u16::from(what >> 5);
        let size = [1, 1, 2, 4][usize::from(what & 3)];
        step += 1 << ((what >> 2 & 7) * 3);
        let system = machine.system_mut();
        if what & 0x10 != 0 {
            system.port_write(port, size, bytes.word(), step);
        } else {
            let value = system.port_read(port, size, step);
            assert!(size == 4 || value >> (8 * size) == 0, "port {port:#x} gave {value:#x}");
        }
        let bus::System { mem, bus } = system;
        bus.run_timers(step, mem);
        if bus.interrupt_pending() {
            bus.acknowledge();
        }
    }
    saved_and_restored(&machine);
}

/// Where the board's devices are, each with the ports behind it.
const PORTS: [u16; 26] = [
    0x00, 0x08, 0x20, 0x40, 0x60, 0x64, 0x70, 0x80, 0x92, 0xA0, 0xC0, 0xD0, 0xE9, 0x170, 0x1C8,
    0x1F0, 0x2F8, 0x376, 0x378, 0x3B8, 0x3C0, 0x3C8, 0x3D4, 0x3F0, 0x3F8, 0x4D0,
];

fn build(rom: Vec<u8>, engine: Engine) -> Machine {
    let config = MachineConfig {
        bios: Some(rom.into()),
        memory_bytes: RAM,
        engine,
        ..MachineConfig::default()
    };
    Machine::new(config).expect("a machine of this shape can be built")
}

/// A snapshot says all: what is restored from it has the same hash.
fn saved_and_restored(machine: &Machine) {
    let mut other = build(vec![0xF4; ROM], Engine::Interp);
    other.restore(&machine.save()).expect("a snapshot of an equal machine");
    assert_eq!(other.state_hash(), machine.state_hash(), "a restored machine differs");
}

/// Registers from bytes, made consistent where the processor could never be otherwise.
fn arrange(machine: &mut Machine, bytes: &mut Bytes<'_>) {
    let state = &mut machine.cpu_mut().state;
    for index in 0..8 {
        state.set_reg32(index, bytes.word());
    }
    let mode = bytes.byte();
    let (protected, paging, vm86) = (mode & 1 != 0, mode & 3 == 3, mode & 5 == 5);
    let mut cr0 = Cr0::from_bits_truncate(u64::from(bytes.word())) - Cr0::PE - Cr0::PG;
    cr0.set(Cr0::PE, protected);
    cr0.set(Cr0::PG, paging);
    state.cr0 = cr0.bits() & !(Cr0::CD.bits() | Cr0::NW.bits());
    state.cr3 = u64::from(bytes.word() & 0xF000);
    state.set_eflags(bytes.word());
    state.set_flag(Eflags::VM, vm86);
    state.cpl = match (protected, vm86) {
        (false, _) => 0,
        (true, true) => 3,
        (true, false) => mode >> 6,
    };
    for segment in &mut state.seg {
        let selector = bytes.half();
        *segment = Segment::real(selector);
        if protected && !vm86 {
            segment.base = u64::from(bytes.word() & 0xF_FFFF);
            segment.limit = bytes.word();
        }
    }
    let cs = &mut state.seg[SegReg::Cs as usize];
    cs.selector = Selector(cs.selector.0 & !3 | u16::from(state.cpl));
    state.gdtr.base = u64::from(bytes.word() & 0xFFFF);
    state.idtr.base = u64::from(bytes.word() & 0xFFFF);
    state.rip = u64::from(bytes.half());
}
