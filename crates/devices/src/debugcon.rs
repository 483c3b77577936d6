//! Port E9h, the debug console of Bochs and QEMU: a written byte is text for the developer,
//! and a read gives E9h, by which a guest knows that it's there.

use crate::uart::SerialSink;
use crate::wire;
use bus::{Device, Io, StateError};

/// The port.
pub const DEBUGCON: u16 = 0xE9;

/// The console.
pub struct Debugcon {
    sink: Box<dyn SerialSink>,
}

impl std::fmt::Debug for Debugcon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Debugcon")
    }
}

impl Debugcon {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[DEBUGCON];

    /// A console that sends to `sink`.
    #[must_use]
    pub fn new(sink: Box<dyn SerialSink>) -> Self {
        Self { sink }
    }
}

impl Device for Debugcon {
    fn name(&self) -> &'static str {
        "debugcon"
    }

    fn read(&mut self, _at: u64, _io: &mut Io<'_>) -> u32 {
        u32::from(DEBUGCON)
    }

    fn write(&mut self, _at: u64, value: u32, _io: &mut Io<'_>) {
        self.sink.send(value as u8);
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
    use mem::Memory;
    use std::sync::{Arc, Mutex};

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl SerialSink for Kept {
        fn send(&mut self, byte: u8) {
            self.0.lock().unwrap().push(byte);
        }
    }

    #[test]
    fn written_bytes_are_sent_and_reads_give_e9() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let mut d = Debugcon::new(Box::new(Kept(Arc::clone(&sent))));
        let mut mem = Memory::flat(4096).unwrap();
        let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut mem };
        d.write(0xE9, u32::from(b'A'), &mut io);
        assert_eq!(d.read(0xE9, &mut io), 0xE9);
        assert_eq!(*sent.lock().unwrap(), b"A");
    }
}
