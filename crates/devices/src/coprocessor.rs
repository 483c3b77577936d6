//! The x87 error latch of the AT: FERR# raises IRQ 13, and a write to port F0h lowers it and
//! lets the handler use the FPU by IGNNE#, until FERR# falls (Intel 82371AB PIIX4, coprocessor
//! error register; SDM 1 appendix D.2.1.2).

use crate::wire;
use bus::{Device, Io, IrqLine, Signals, StateError};
use std::sync::Arc;

/// Lowers IRQ 13.
pub const CLEAR_ERROR: u16 = 0xF0;
/// Reset the 80287, once; newer processors have no use for it.
pub const RESET_287: u16 = 0xF1;

/// The latch.
#[derive(Debug)]
pub struct Coprocessor {
    signals: Arc<Signals>,
    irq: IrqLine,
}

impl Coprocessor {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[CLEAR_ERROR, RESET_287];

    /// The latch of the machine of `signals`, wired to `irq`.
    #[must_use]
    pub fn new(signals: &Arc<Signals>, irq: IrqLine) -> Self {
        signals.wire_ferr(&irq);
        Self { signals: Arc::clone(signals), irq }
    }
}

impl Device for Coprocessor {
    fn name(&self) -> &'static str {
        "coprocessor"
    }

    fn read(&mut self, _at: u64, _io: &mut Io<'_>) -> u32 {
        u32::MAX
    }

    fn write(&mut self, at: u64, _value: u32, _io: &mut Io<'_>) {
        if at == u64::from(CLEAR_ERROR) {
            self.signals.set_ignne(self.signals.ferr());
            self.irq.set(false);
        }
    }

    fn reset(&mut self) {
        self.signals.set_ferr(false);
        self.irq.set(false);
    }

    fn save(&self) -> Vec<u8> {
        wire::save(&(self.signals.ferr(), self.signals.ignne()))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (ferr, ignne): (bool, bool) = wire::restore(self.name(), bytes)?;
        // The line is restored with all the others.
        let line = self.irq.is_high();
        self.signals.set_ferr(ferr);
        self.signals.set_ignne(ignne);
        self.irq.set(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mem::Memory;

    fn latch() -> (Coprocessor, Arc<Signals>) {
        let signals = Signals::new();
        let irq = IrqLine::new(&signals, 13);
        (Coprocessor::new(&signals, irq), signals)
    }

    fn clear(device: &mut Coprocessor) {
        let mut memory = Memory::flat(4096).unwrap();
        device.write(0xF0, 0, &mut Io { cpu: 0, now_ns: 0, size: 1, memory: &mut memory });
    }

    #[test]
    fn an_error_raises_irq_13_until_port_f0_and_is_then_ignored() {
        let (mut device, signals) = latch();
        signals.set_ferr(true);
        assert_eq!((signals.lines(), signals.ignne()), (1 << 13, false));
        clear(&mut device);
        assert_eq!((signals.lines(), signals.ignne()), (0, true));
        signals.set_ferr(false);
        assert!(!signals.ignne());
    }

    #[test]
    fn an_error_that_is_gone_before_port_f0_isn_t_ignored_later() {
        let (mut device, signals) = latch();
        signals.set_ferr(true);
        signals.set_ferr(false);
        assert_eq!(signals.lines(), 1 << 13);
        clear(&mut device);
        assert_eq!((signals.lines(), signals.ignne()), (0, false));
    }

    #[test]
    fn saved_signals_come_back_and_the_line_stays() {
        let (mut device, signals) = latch();
        signals.set_ferr(true);
        clear(&mut device);
        let saved = device.save();
        let (mut other, signals) = latch();
        other.restore(&saved).unwrap();
        assert_eq!((signals.ferr(), signals.ignne(), signals.lines()), (true, true, 0));
        assert!(other.restore(&[7]).is_err());
    }
}
