//! The two 8259A interrupt controllers of the PC, cascaded at IRQ 2, with the ELCR of PCI
//! chipsets. From the Intel 8259A datasheet (231468-003) and, for the ELCR, that of the 82371.
//!
//! A request is dropped if its line falls before the processor acknowledges it; what the
//! processor then gets is the spurious vector 7 (or 15), which sets no in-service bit.

use crate::wire;
use bus::{Device, InterruptController, Io, StateError};
use serde::{Deserialize, Serialize};

/// Master: ICW1, OCW2, OCW3.
pub const MASTER_COMMAND: u16 = 0x20;
/// Master: ICW2-4, OCW1 (the mask).
pub const MASTER_DATA: u16 = 0x21;
/// Slave: ICW1, OCW2, OCW3.
pub const SLAVE_COMMAND: u16 = 0xA0;
/// Slave: ICW2-4, OCW1 (the mask).
pub const SLAVE_DATA: u16 = 0xA1;
/// Edge or level, IRQ 0-7.
pub const ELCR1: u16 = 0x4D0;
/// Edge or level, IRQ 8-15.
pub const ELCR2: u16 = 0x4D1;

/// ICW1: ICW4 follows.
pub const ICW1_IC4: u8 = 1 << 0;
/// ICW1: single, no ICW3.
pub const ICW1_SNGL: u8 = 1 << 1;
/// ICW1: level-triggered.
pub const ICW1_LTIM: u8 = 1 << 3;
/// Tells ICW1 from OCW2 and OCW3.
pub const ICW1_INIT: u8 = 1 << 4;
/// ICW4: automatic end of interrupt.
pub const ICW4_AEOI: u8 = 1 << 1;
/// ICW4: special fully nested mode.
pub const ICW4_SFNM: u8 = 1 << 4;
/// Tells OCW3 from OCW2.
pub const OCW3: u8 = 1 << 3;
/// OCW3: the special-mask bit is meant.
pub const OCW3_ESMM: u8 = 1 << 6;
/// OCW3: special mask mode.
pub const OCW3_SMM: u8 = 1 << 5;
/// OCW3: poll.
pub const OCW3_P: u8 = 1 << 2;
/// OCW3: the read register is meant.
pub const OCW3_RR: u8 = 1 << 1;
/// OCW3: read ISR, not IRR.
pub const OCW3_RIS: u8 = 1 << 0;

/// Lines that can't be level-triggered: the timer, the keyboard, the cascade.
const ELCR1_MASK: u8 = 0xF8;
/// Nor the clock's and the coprocessor's.
const ELCR2_MASK: u8 = 0xDE;
/// The slave's place at the master.
const CASCADE: u8 = 2;

/// Which ICW the data port expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Expect {
    Mask,
    Icw2,
    Icw3,
    Icw4,
}

/// One 8259A. Its registers, for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chip {
    irr: u8,
    isr: u8,
    imr: u8,
    lines: u8,
    elcr: u8,
    icw1: u8,
    vector_base: u8,
    icw3: u8,
    icw4: u8,
    expect: Expect,
    /// The level with the lowest priority.
    lowest: u8,
    rotate_on_aeoi: bool,
    special_mask: bool,
    read_isr: bool,
    poll: bool,
}

impl Chip {
    fn new() -> Self {
        Self {
            irr: 0,
            isr: 0,
            imr: 0xFF,
            lines: 0,
            elcr: 0,
            icw1: 0,
            vector_base: 0,
            icw3: 0,
            icw4: 0,
            expect: Expect::Mask,
            lowest: 7,
            rotate_on_aeoi: false,
            special_mask: false,
            read_isr: false,
            poll: false,
        }
    }

    /// Interrupt mask register.
    #[must_use]
    pub fn imr(&self) -> u8 {
        self.imr
    }

    /// In-service register.
    #[must_use]
    pub fn isr(&self) -> u8 {
        self.isr
    }

    /// Interrupt request register.
    #[must_use]
    pub fn irr(&self) -> u8 {
        self.irr
    }

    /// The vector of its input 0 (ICW2).
    #[must_use]
    pub fn vector_base(&self) -> u8 {
        self.vector_base
    }

    /// True once a guest has programmed ICW1 to ICW4.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        self.icw1 & ICW1_INIT != 0 && self.expect == Expect::Mask
    }

    fn is_level(&self, bit: u8) -> bool {
        self.icw1 & ICW1_LTIM != 0 || self.elcr & bit != 0
    }

    fn set_lines(&mut self, lines: u8) {
        let rising = lines & !self.lines;
        let level = if self.icw1 & ICW1_LTIM != 0 { 0xFF } else { self.elcr };
        // A latched edge holds only while the line is high.
        self.irr = (self.irr | rising) & lines & !level | lines & level;
        self.lines = lines;
    }

    /// How urgent a level is, 0 the most.
    fn rank(&self, level: u8) -> u8 {
        level.wrapping_sub(self.lowest).wrapping_sub(1) & 7
    }

    fn most_urgent(&self, set: u8) -> Option<u8> {
        let first = u32::from(self.lowest + 1);
        (set != 0).then(|| (first + set.rotate_right(first).trailing_zeros()) as u8 & 7)
    }

    /// The request that would interrupt now.
    fn request(&self, is_master: bool) -> Option<u8> {
        let waiting = self.irr & !self.imr;
        if waiting == 0 || !self.is_initialized() {
            return None;
        }
        let level = self.most_urgent(waiting)?;
        let mut isr = self.isr;
        if self.special_mask {
            isr &= !self.imr;
        }
        if is_master && self.icw4 & ICW4_SFNM != 0 {
            isr &= !(1 << CASCADE);
        }
        let busy = self.most_urgent(isr).map_or(8, |level| self.rank(level));
        (self.rank(level) < busy).then_some(level)
    }

    fn take(&mut self, level: u8) {
        let bit = 1 << level;
        if !self.is_level(bit) {
            self.irr &= !bit;
        }
        if self.icw4 & ICW4_AEOI == 0 {
            self.isr |= bit;
        } else if self.rotate_on_aeoi {
            self.lowest = level;
        }
    }

    fn write_command(&mut self, value: u8) {
        if value & ICW1_INIT != 0 {
            self.begin_init(value);
        } else if value & OCW3 != 0 {
            if value & OCW3_ESMM != 0 {
                self.special_mask = value & OCW3_SMM != 0;
            }
            if value & OCW3_RR != 0 {
                self.read_isr = value & OCW3_RIS != 0;
            }
            self.poll = value & OCW3_P != 0;
        } else {
            self.write_ocw2(value);
        }
    }

    fn begin_init(&mut self, icw1: u8) {
        *self = Self { lines: self.lines, elcr: self.elcr, icw1, ..Self::new() };
        self.imr = 0;
        // The edge sense circuit is reset: a line must rise again. Levels still count.
        self.set_lines(self.lines);
        self.expect = Expect::Icw2;
    }

    fn write_ocw2(&mut self, value: u8) {
        let level = value & 7;
        match value >> 5 {
            0b000 => self.rotate_on_aeoi = false,
            0b100 => self.rotate_on_aeoi = true,
            0b001 => {
                self.end_of_interrupt();
            }
            0b101 => {
                if let Some(level) = self.end_of_interrupt() {
                    self.lowest = level;
                }
            }
            0b011 => self.isr &= !(1 << level),
            0b111 => {
                self.isr &= !(1 << level);
                self.lowest = level;
            }
            0b110 => self.lowest = level,
            _ => {}
        }
    }

    /// Non-specific: the most urgent level in service ends. In special mask mode the masked
    /// ones don't count.
    fn end_of_interrupt(&mut self) -> Option<u8> {
        let seen = if self.special_mask { self.isr & !self.imr } else { self.isr };
        let level = self.most_urgent(seen)?;
        self.isr &= !(1 << level);
        Some(level)
    }

    fn write_data(&mut self, value: u8) {
        let icw4_or_done = if self.icw1 & ICW1_IC4 != 0 { Expect::Icw4 } else { Expect::Mask };
        match self.expect {
            Expect::Mask => self.imr = value,
            Expect::Icw2 => {
                self.vector_base = value & 0xF8;
                self.expect = if self.icw1 & ICW1_SNGL != 0 { icw4_or_done } else { Expect::Icw3 };
            }
            Expect::Icw3 => {
                self.icw3 = value;
                self.expect = icw4_or_done;
            }
            Expect::Icw4 => {
                self.icw4 = value;
                self.expect = Expect::Mask;
            }
        }
    }
}

/// Both controllers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pic {
    master: Chip,
    slave: Chip,
    lines: u32,
}

impl Default for Pic {
    fn default() -> Self {
        Self::new()
    }
}

impl Pic {
    /// Its ports.
    pub const PORTS: &'static [u16] =
        &[MASTER_COMMAND, MASTER_DATA, SLAVE_COMMAND, SLAVE_DATA, ELCR1, ELCR2];

    /// After power-on: all masked, not programmed.
    #[must_use]
    pub fn new() -> Self {
        Self { master: Chip::new(), slave: Chip::new(), lines: 0 }
    }

    /// The chip of IRQ 0-7.
    #[must_use]
    pub fn master(&self) -> &Chip {
        &self.master
    }

    /// The chip of IRQ 8-15.
    #[must_use]
    pub fn slave(&self) -> &Chip {
        &self.slave
    }

    /// The vector that an IRQ comes as.
    #[must_use]
    pub fn vector_of(&self, irq: u8) -> u8 {
        let chip = if irq < 8 { &self.master } else { &self.slave };
        chip.vector_base | irq & 7
    }

    /// The IRQ that comes as a vector, if the controllers deliver it at all.
    #[must_use]
    pub fn irq_of(&self, vector: u8) -> Option<u8> {
        let from = |chip: &Chip, first: u8| {
            (chip.is_initialized() && chip.vector_base == vector & 0xF8)
                .then_some(first + (vector & 7))
        };
        from(&self.master, 0).or_else(|| from(&self.slave, 8))
    }

    /// True where an IRQ is masked, at its own chip or at the cascade.
    #[must_use]
    pub fn is_masked(&self, irq: u8) -> bool {
        if irq < 8 {
            self.master.imr >> irq & 1 != 0
        } else {
            self.slave.imr >> (irq & 7) & 1 != 0 || self.master.imr >> CASCADE & 1 != 0
        }
    }

    /// The IRQs in service, bit n for IRQ n.
    #[must_use]
    pub fn in_service(&self) -> u16 {
        u16::from(self.master.isr) | u16::from(self.slave.isr) << 8
    }

    fn settle(&mut self) {
        self.slave.set_lines((self.lines >> 8) as u8);
        let cascade = u8::from(self.slave.request(false).is_some()) << CASCADE;
        self.master.set_lines(self.lines as u8 & !(1 << CASCADE) | cascade);
    }

    fn acknowledge_slave(&mut self) -> u8 {
        let level = self.slave.request(false);
        if let Some(level) = level {
            self.slave.take(level);
        }
        // INT falls on an acknowledge: the next request is a new edge at the master.
        let cascade = 1 << CASCADE;
        self.master.set_lines(self.master.lines & !cascade);
        self.settle();
        self.slave.vector_base | level.unwrap_or(7)
    }

    fn poll(&mut self, is_master: bool) -> u8 {
        let chip = if is_master { &mut self.master } else { &mut self.slave };
        chip.poll = false;
        let Some(level) = chip.request(is_master) else {
            return 0;
        };
        chip.take(level);
        self.settle();
        0x80 | level
    }

    fn read_port(&mut self, port: u16) -> u8 {
        let (is_master, is_data) = match port {
            MASTER_COMMAND => (true, false),
            MASTER_DATA => (true, true),
            SLAVE_COMMAND => (false, false),
            SLAVE_DATA => (false, true),
            ELCR1 => return self.master.elcr,
            ELCR2 => return self.slave.elcr,
            _ => return 0xFF,
        };
        let chip = if is_master { &self.master } else { &self.slave };
        if chip.poll {
            self.poll(is_master)
        } else if is_data {
            chip.imr
        } else if chip.read_isr {
            chip.isr
        } else {
            chip.irr
        }
    }

    fn write_port(&mut self, port: u16, value: u8) {
        match port {
            MASTER_COMMAND => self.master.write_command(value),
            MASTER_DATA => self.master.write_data(value),
            SLAVE_COMMAND => self.slave.write_command(value),
            SLAVE_DATA => self.slave.write_data(value),
            ELCR1 => self.master.elcr = value & ELCR1_MASK,
            ELCR2 => self.slave.elcr = value & ELCR2_MASK,
            _ => {}
        }
        self.settle();
    }
}

impl Device for Pic {
    fn name(&self) -> &'static str {
        "pic"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        wire::read_bytes(at, io.size, |port| self.read_port(port))
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        wire::write_bytes(at, io.size, value, |port, byte| self.write_port(port, byte));
    }

    fn reset(&mut self) {
        *self = Self::new();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(self)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: Self = wire::restore(self.name(), bytes)?;
        let sane = state.master.lowest < 8 && state.slave.lowest < 8;
        wire::require(self.name(), sane, "a priority above 7")?;
        *self = state;
        Ok(())
    }
}

impl InterruptController for Pic {
    fn update(&mut self, lines: u32) {
        if lines != self.lines {
            self.lines = lines;
            self.settle();
        }
    }

    fn pending(&self) -> bool {
        self.master.request(true).is_some()
    }

    fn acknowledge(&mut self) -> u8 {
        match self.master.request(true) {
            None => self.master.vector_base | 7,
            Some(CASCADE) => {
                self.master.take(CASCADE);
                self.acknowledge_slave()
            }
            Some(level) => {
                self.master.take(level);
                self.master.vector_base | level
            }
        }
    }
}

#[cfg(test)]
mod tests;
