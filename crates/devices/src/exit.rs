//! isa-debug-exit, as in QEMU: a write to port F4h ends the run with a value of the guest's.

use crate::wire;
use bus::{Device, Io, Signals, StateError};
use std::sync::Arc;

/// The first of its four ports.
pub const DEBUG_EXIT: u16 = 0xF4;

/// The device.
#[derive(Debug)]
pub struct DebugExit {
    signals: Arc<Signals>,
}

impl DebugExit {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[DEBUG_EXIT, 0xF5, 0xF6, 0xF7];

    /// A device that ends the machine of `signals`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals) }
    }
}

impl Device for DebugExit {
    fn name(&self) -> &'static str {
        "isa-debug-exit"
    }

    fn read(&mut self, _at: u64, _io: &mut Io<'_>) -> u32 {
        0
    }

    fn write(&mut self, at: u64, value: u32, _io: &mut Io<'_>) {
        if at == u64::from(DEBUG_EXIT) {
            self.signals.set_debug_exit(value);
        }
    }

    fn reset(&mut self) {}

    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        wire::require(self.name(), bytes.is_empty(), "it has no state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::Request;
    use mem::Memory;

    #[test]
    fn a_write_asks_for_the_exit_with_its_value() {
        let signals = Signals::new();
        let mut exit = DebugExit::new(&signals);
        let mut mem = Memory::flat(4096).unwrap();
        let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut mem };
        exit.write(0xF4, 0x21, &mut io);
        assert_eq!(signals.take_requests(), Request::DebugExit as u32);
        assert_eq!(signals.debug_exit(), 0x21);
    }
}
