//! Power-off as QEMU (604h) and Bochs (B004h) have it, the ACPI PM1a control register (ACPI
//! 4.8.3.2.1: SLP_EN with sleep type 0 is soft off), and the reset control register of the
//! 82371 at CF9h.

use crate::wire;
use bus::{Device, Io, Request, Signals, StateError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// PM1a control where QEMU has it.
pub const PM1A_CNT: u16 = 0x604;
/// PM1a control where old QEMU and Bochs have it.
pub const PM1A_CNT_OLD: u16 = 0xB004;
/// Reset control.
pub const RST_CNT: u16 = 0xCF9;

/// PM1a: go to sleep.
pub const SLP_EN: u32 = 1 << 13;
/// PM1a: the sleep type; 0 is off.
pub const SLP_TYP: u32 = 7 << 10;
/// CF9h: hard, not soft, reset.
pub const SYS_RST: u8 = 1 << 1;
/// CF9h: reset when it goes from 0 to 1.
pub const RST_CPU: u8 = 1 << 2;

/// The registers.
#[derive(Debug)]
pub struct Power {
    signals: Arc<Signals>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct State {
    control: u16,
    reset_control: u8,
}

impl Power {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[PM1A_CNT, 0x605, PM1A_CNT_OLD, 0xB005, RST_CNT];

    /// A device that stops or resets the machine of `signals`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals), state: State::default() }
    }

    fn write_control(&mut self, value: u32) {
        self.state.control = (value & !SLP_EN) as u16;
        if value & SLP_EN != 0 && value & SLP_TYP == 0 {
            self.signals.request(Request::PowerOff);
        }
    }

    fn write_reset_control(&mut self, value: u8) {
        let rises = value & !self.state.reset_control & RST_CPU != 0;
        self.state.reset_control = value & (SYS_RST | RST_CPU);
        if rises {
            self.state.reset_control &= !RST_CPU;
            self.signals.request(Request::Reset);
        }
    }
}

impl Device for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn read(&mut self, at: u64, _io: &mut Io<'_>) -> u32 {
        match at as u16 {
            RST_CNT => u32::from(self.state.reset_control),
            PM1A_CNT | PM1A_CNT_OLD => u32::from(self.state.control),
            _ => u32::from(self.state.control >> 8),
        }
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        let control = u32::from(self.state.control);
        match (at as u16, io.size) {
            (RST_CNT, _) => self.write_reset_control(value as u8),
            (PM1A_CNT | PM1A_CNT_OLD, 1) => self.write_control(control & 0xFF00 | value & 0xFF),
            (PM1A_CNT | PM1A_CNT_OLD, _) => self.write_control(value),
            _ => self.write_control(control & 0xFF | (value & 0xFF) << 8),
        }
    }

    fn reset(&mut self) {
        self.state = State::default();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.state = wire::restore(self.name(), bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mem::Memory;

    fn requests(writes: &[(u64, u8, u32)]) -> u32 {
        let signals = Signals::new();
        let mut power = Power::new(&signals);
        let mut mem = Memory::flat(4096).unwrap();
        for &(at, size, value) in writes {
            power.write(at, value, &mut Io { cpu: 0, now_ns: 0, size, memory: &mut mem });
        }
        signals.take_requests()
    }

    #[test]
    fn sleep_type_0_with_enable_is_power_off() {
        assert_eq!(requests(&[(0x604, 2, 0x2000)]), Request::PowerOff as u32);
        assert_eq!(requests(&[(0xB004, 2, 0x2000)]), Request::PowerOff as u32);
    }

    #[test]
    fn other_sleep_types_do_nothing() {
        assert_eq!(requests(&[(0x604, 2, 0x3400)]), 0);
    }

    #[test]
    fn reset_control_resets_on_the_rise() {
        assert_eq!(requests(&[(0xCF9, 1, 2)]), 0);
        assert_eq!(requests(&[(0xCF9, 1, 2), (0xCF9, 1, 6)]), Request::Reset as u32);
    }
}
