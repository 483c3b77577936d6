//! The device trait. Small on purpose: what else a device needs (lines, a timer, DMA, a host
//! file) it is handed when it is made.

use mem::Memory;
use std::any::Any;

/// The circumstances of an access.
#[derive(Debug)]
pub struct Io<'a> {
    /// Which CPU.
    pub cpu: u8,
    /// Virtual nanoseconds, exact.
    pub now_ns: u64,
    /// Bytes: 1, 2 or 4.
    pub size: u8,
    /// Guest memory, for devices that are bus masters or have DMA.
    pub memory: &'a mut Memory,
}

/// Saved state that isn't ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// Another kind of device.
    #[error("saved state of {found} can't be restored into {expected}")]
    Kind {
        /// This device.
        expected: String,
        /// What the state says.
        found: String,
    },
    /// Another version.
    #[error("{kind}: saved state has version {found}, this Cloister reads {expected}")]
    Version {
        /// The device.
        kind: String,
        /// What we read.
        expected: u32,
        /// What it is.
        found: u32,
    },
    /// Not what it should be.
    #[error("{kind}: damaged saved state: {why}")]
    Damaged {
        /// The device.
        kind: String,
        /// What is wrong.
        why: String,
    },
}

/// A chip. Whatever a guest does to it, it answers with a defined value and never panics.
pub trait Device: Any + Send {
    /// Its name in messages and snapshots.
    fn name(&self) -> &'static str;

    /// Reads a register: `io.size` bytes at port or offset `at`, low bytes first.
    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32;

    /// Writes a register.
    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>);

    /// Called when the device's timer is due.
    fn tick(&mut self, io: &mut Io<'_>) {
        let _ = io;
    }

    /// The state after power-on or a hard reset.
    fn reset(&mut self);

    /// The version of what `save` gives.
    fn version(&self) -> u32 {
        1
    }

    /// The whole state, as bytes.
    fn save(&self) -> Vec<u8>;

    /// Takes back what `save` gave at the same version; anything else is an error and leaves
    /// the device as it was.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError>;
}

/// What the processor sees of the interrupt controllers.
pub trait InterruptController: Device {
    /// Takes the levels of all lines, bit n for IRQ n.
    fn update(&mut self, lines: u32);

    /// INTR: an interrupt waits.
    fn pending(&self) -> bool;

    /// INTA: the vector of the interrupt that is now in service.
    fn acknowledge(&mut self) -> u8;
}
