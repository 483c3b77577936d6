//! What connects a processor to devices: the device trait, the port map, interrupt lines,
//! requests to the machine, and virtual time. No chip and no CPU is known here.
//!
//! Invariants: I/O is synchronous, with the time exact; a device that raises a line, moves a
//! deadline or asks something of the machine sets `attention`, and the engine stops after the
//! instruction. Two devices at one port are an error that names both.

#![forbid(unsafe_code)]

pub mod bus;
pub mod clock;
pub mod device;
pub mod line;
pub mod system;

pub use bus::{Bus, BusError, Handle};
pub use clock::Clock;
pub use device::{Device, InterruptController, Io, StateError};
pub use line::{IrqLine, NmiGate, Request, Signals, Timer};
pub use system::System;
