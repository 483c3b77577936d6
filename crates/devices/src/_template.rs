//! What a new chip starts from: say here what it is, the datasheet, and the rule it keeps.
//! (This one is a byte register that raises its line while bit 0 is set.)

use crate::wire;
use bus::{Device, Io, IrqLine, StateError};
use serde::{Deserialize, Serialize};

/// A register, by its datasheet's name.
pub(crate) const SCRATCH: u16 = 0x390;

/// Its state: all that `save` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    scratch: u8,
}

/// The chip: its state and what it was handed.
#[derive(Debug)]
pub(crate) struct Template {
    state: State,
    irq: IrqLine,
}

impl Template {
    /// Its ports.
    pub(crate) const PORTS: &'static [u16] = &[SCRATCH];

    /// After power-on.
    pub(crate) fn new(irq: IrqLine) -> Self {
        Self { state: State::default(), irq }
    }

    /// Shows the state on the line: called after every change.
    fn settle(&self) {
        self.irq.set(self.state.scratch & 1 != 0);
    }
}

impl Device for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        wire::read_bytes(at, io.size, |port| match port {
            SCRATCH => self.state.scratch,
            _ => 0xFF,
        })
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        wire::write_bytes(at, io.size, value, |port, byte| {
            if port == SCRATCH {
                self.state.scratch = byte;
            }
        });
        self.settle();
    }

    fn reset(&mut self) {
        self.state = State::default();
        self.settle();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.state = wire::restore(self.name(), bytes)?;
        self.settle();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::{Bus, Signals};
    use mem::Memory;

    #[test]
    fn line_follows_bit_0_and_state_comes_back() {
        let signals = Signals::new();
        let mut mem = Memory::flat(4096).unwrap();
        let mut bus = Bus::new(signals.clone());
        let chip = Template::new(IrqLine::new(&signals, 5));
        bus.add(chip, Template::PORTS).unwrap();
        bus.port_write(SCRATCH, 1, 0x81, 0, &mut mem);
        assert_eq!(signals.lines(), 1 << 5);
        let saved = bus.save();
        bus.reset();
        assert_eq!(signals.lines(), 0);
        bus.restore(&saved).unwrap();
        assert_eq!((signals.lines(), bus.port_read(SCRATCH, 1, 0, &mut mem)), (1 << 5, 0x81));
    }
}
