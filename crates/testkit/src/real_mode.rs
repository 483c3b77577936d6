//! The interpreter as the machine of the 80286 vectors: real mode, 16 MiB of RAM, no devices.
#![forbid(unsafe_code)]

use crate::vectors::{FLAGS, IP, RealMachine, Registers};
use bus::{Bus, System};
use interp::{Cpu, Dispatch, Interp};
use mem::Memory;
use x86::segment::{SegReg, Segment, TableReg};
use x86::state::{Activity, gpr};
use x86::{PhysAddr, State};

const RAM_BYTES: u64 = 16 << 20;
/// More than any vector needs: REP repeats at most FFFF times.
const MAX_STEPS: u64 = 0x2_0000;

/// Where the vectors' general registers go: (index in the vector, register).
const GENERAL: [(usize, usize); 8] = [
    (0, gpr::EAX),
    (1, gpr::EBX),
    (2, gpr::ECX),
    (3, gpr::EDX),
    (8, gpr::ESP),
    (9, gpr::EBP),
    (10, gpr::ESI),
    (11, gpr::EDI),
];
/// The same for segment registers.
const SEGMENTS: [(usize, SegReg); 4] =
    [(4, SegReg::Cs), (5, SegReg::Ss), (6, SegReg::Ds), (7, SegReg::Es)];

/// The machine.
pub struct RealMode {
    interp: Interp,
    cpu: Cpu,
    system: System,
}

impl Default for RealMode {
    fn default() -> Self {
        Self::new()
    }
}

impl RealMode {
    /// All RAM is zero.
    pub fn new() -> RealMode {
        let memory = Memory::flat(RAM_BYTES).expect("16 MiB can be had");
        let interp = Interp::new(Dispatch::Single);
        RealMode { interp, cpu: Cpu::new(), system: System::new(memory, Bus::default()) }
    }

    fn write(&mut self, address: u32, value: u8) {
        self.system.mem.write_phys(PhysAddr(u64::from(address)), &[value]);
    }

    /// Puts zero into all RAM.
    pub fn clear_all(&mut self) {
        while let Some(address) = self.stray() {
            self.clear(address);
        }
    }
}

impl RealMachine for RealMode {
    fn run(&mut self, registers: &Registers, ram: &[(u32, u8)]) -> Result<Registers, String> {
        for (address, value) in ram {
            self.write(*address, *value);
        }
        let state = &mut self.cpu.state;
        *state = State::reset();
        for (index, register) in GENERAL {
            state.set_reg32(register, u32::from(registers[index]));
        }
        for (index, register) in SEGMENTS {
            state.seg[register as usize] = Segment::real(registers[index]);
        }
        state.idtr = TableReg { base: 0, limit: 0x3FF };
        state.rip = u64::from(registers[IP]);
        state.set_eflags(u32::from(registers[FLAGS]));
        self.cpu.events.take();
        self.cpu.mmu.flush_all();
        self.cpu.sync();
        self.interp.run(&mut self.cpu, &mut self.system, MAX_STEPS);
        let state = &self.cpu.state;
        if state.activity != Activity::Halted {
            return Err(format!("{:?} instead of halted at {:x?}", state.activity, state.place()));
        }
        let mut after = [0; 14];
        for (index, register) in GENERAL {
            after[index] = state.reg32(register) as u16;
        }
        for (index, register) in SEGMENTS {
            after[index] = state.segment(register).selector.0;
        }
        after[IP] = state.eip() as u16;
        after[FLAGS] = state.eflags() as u16;
        Ok(after)
    }

    fn read(&self, address: u32) -> u8 {
        let mut byte = [0];
        self.system.mem.read_phys(PhysAddr(u64::from(address)), &mut byte);
        byte[0]
    }

    fn clear(&mut self, address: u32) {
        self.write(address, 0);
    }

    fn stray(&self) -> Option<u32> {
        let mut page = vec![0; 0x1_0000];
        let clean = page.clone();
        for start in (0..RAM_BYTES).step_by(page.len()) {
            self.system.mem.read_phys(PhysAddr(start), &mut page);
            if page == clean {
                continue;
            }
            if let Some(at) = page.iter().position(|byte| *byte != 0) {
                return Some(start as u32 + at as u32);
            }
        }
        None
    }
}
