//! Port 92h, system control port A of the PS/2: the fast A20 gate and the fast reset.

use crate::wire;
use bus::{Device, Io, Request, Signals, StateError};
use std::sync::Arc;

/// The port.
pub const PORT_A: u16 = 0x92;
/// A 0 to 1 change pulses the processor's reset.
pub const FAST_RESET: u8 = 1 << 0;
/// The A20 gate.
pub const FAST_A20: u8 = 1 << 1;

/// System control port A.
#[derive(Debug)]
pub struct Port92 {
    signals: Arc<Signals>,
    value: u8,
}

impl Port92 {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[PORT_A];

    /// The port of the machine of `signals`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals), value: 0 }
    }
}

impl Device for Port92 {
    fn name(&self) -> &'static str {
        "port92"
    }

    fn read(&mut self, _at: u64, _io: &mut Io<'_>) -> u32 {
        // The gate has two masters, this and the 8042: show what it is, not what we wrote.
        let a20 = if self.signals.a20() { FAST_A20 } else { 0 };
        u32::from(self.value & !FAST_A20 | a20)
    }

    fn write(&mut self, _at: u64, value: u32, _io: &mut Io<'_>) {
        let rises = value as u8 & !self.value & FAST_RESET != 0;
        self.value = value as u8;
        self.signals.set_a20(self.value & FAST_A20 != 0);
        if rises {
            self.signals.request(Request::Reset);
        }
    }

    fn reset(&mut self) {
        self.value = 0;
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&(self.value, self.signals.a20()))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (value, a20) = wire::restore(self.name(), bytes)?;
        self.value = value;
        self.signals.set_a20(a20);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mem::Memory;

    #[test]
    fn bit_1_opens_a20_and_bit_0_resets_once() {
        let signals = Signals::new();
        let mut port = Port92::new(&signals);
        let mut mem = Memory::flat(4096).unwrap();
        let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut mem };
        port.write(0x92, 2, &mut io);
        assert!(signals.a20());
        assert_eq!(signals.take_requests(), Request::A20 as u32);
        port.write(0x92, 3, &mut io);
        assert_eq!(signals.take_requests(), Request::Reset as u32);
        port.write(0x92, 3, &mut io);
        assert_eq!(signals.take_requests(), 0);
        signals.set_a20(false);
        assert_eq!(port.read(0x92, &mut io), 1);
    }
}
