//! Everything outside the processor: memory and bus.

use crate::bus::Bus;
use mem::Memory;

/// Memory and bus: what a CPU runs against.
#[derive(Debug)]
pub struct System {
    /// Guest memory.
    pub mem: Memory,
    /// Devices and time.
    pub bus: Bus,
}

impl System {
    /// Memory and bus together.
    #[must_use]
    pub fn new(mem: Memory, bus: Bus) -> Self {
        Self { mem, bus }
    }

    /// Reads a port at `step`.
    pub fn port_read(&mut self, port: u16, size: u8, step: u64) -> u32 {
        self.bus.port_read(port, size, step, &mut self.mem)
    }

    /// Writes a port at `step`.
    pub fn port_write(&mut self, port: u16, size: u8, value: u32, step: u64) {
        self.bus.port_write(port, size, value, step, &mut self.mem);
    }
}
