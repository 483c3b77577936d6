//! A machine whose BIOS is a few bytes of test code, at F000:0000 after the reset vector.
#![allow(dead_code)] // each test file uses its own part

pub mod programs;

use machine::{Engine, Machine, MachineConfig, StopReason, Until};
use x86::PhysAddr;

/// The engine that a module is for which is compiled once for each.
pub fn engine_of(module: &str) -> Engine {
    if module.contains("translated") { Engine::Jit } else { Engine::Interp }
}

/// A ROM with code at F000:0000, the rest HLT.
pub fn rom(code: &[u8]) -> Vec<u8> {
    let mut rom = vec![0xF4; 0x1_0000];
    rom[..code.len()].copy_from_slice(code);
    rom[0xFFF0..0xFFF5].copy_from_slice(&[0xEA, 0x00, 0x00, 0x00, 0xF0]); // jmp F000:0000
    rom
}

pub fn config(code: &[u8]) -> MachineConfig {
    MachineConfig {
        bios: Some(rom(code).into()),
        memory_bytes: 2 << 20,
        ..MachineConfig::default()
    }
}

pub fn machine(code: &[u8]) -> Machine {
    Machine::new(config(code)).expect("a test machine can be built")
}

pub fn machine_on(code: &[u8], engine: Engine) -> Machine {
    let config = MachineConfig { engine, ..config(code) };
    Machine::new(config).expect("a test machine can be built")
}

/// Advances, dropping events whenever their buffer is full.
pub fn advance(machine: &mut Machine, until: Until) -> StopReason {
    loop {
        let stop = machine.advance(until);
        if stop != StopReason::EventsFull {
            return stop;
        }
        assert!(!machine.take_events().is_empty());
    }
}

/// Runs to exactly this step.
pub fn run_to(machine: &mut Machine, step: u64) {
    assert_eq!(advance(machine, Until::step(step)), StopReason::Until);
    assert_eq!(machine.steps(), step);
}

pub fn read(machine: &Machine, at: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    machine.system().mem.read_phys(PhysAddr(at), &mut out);
    out
}

pub fn read32(machine: &Machine, at: u64) -> u32 {
    u32::from_le_bytes(read(machine, at, 4).try_into().expect("four bytes"))
}
