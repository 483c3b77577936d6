//! An IDE channel with up to two ATA disks, programmed I/O only. From ATA/ATAPI-6
//! (T13/1410D).
//!
//! A command keeps BSY for a short fixed time. A disk that isn't there answers with status 0.
//!
//! An acknowledged write is one whose command has ended without an error: its sectors are then in
//! the host's file. With the write cache on, as it is after a reset, the host may still hold them
//! in its memory: they outlive this process, however it ends, but not the host. FLUSH CACHE, the
//! standby commands and turning the cache off end only when the host's disk has all of them, and
//! with the cache off so does each write.

mod command;
mod disk;
mod identify;
mod task;

pub use disk::default_geometry;

use crate::storage::Storage;
use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use disk::{Disk, Power, Settings};
use task::{State, Work};

/// Data.
pub const DATA: u16 = 0;
/// Error (read), features (write).
pub const ERROR: u16 = 1;
/// Sector count.
pub const COUNT: u16 = 2;
/// LBA 7:0, or the sector.
pub const LBA_LOW: u16 = 3;
/// LBA 15:8, or the cylinder's low byte.
pub const LBA_MID: u16 = 4;
/// LBA 23:16, or the cylinder's high byte.
pub const LBA_HIGH: u16 = 5;
/// Device, and LBA 27:24 or the head.
pub const DEVICE: u16 = 6;
/// Status (read), command (write).
pub const STATUS: u16 = 7;

/// Status: busy.
pub const STATUS_BSY: u8 = 1 << 7;
/// Status: ready.
pub const STATUS_DRDY: u8 = 1 << 6;
/// Status: device fault.
pub const STATUS_DF: u8 = 1 << 5;
/// Status: seek complete.
pub const STATUS_DSC: u8 = 1 << 4;
/// Status: data request.
pub const STATUS_DRQ: u8 = 1 << 3;
/// Status: error.
pub const STATUS_ERR: u8 = 1 << 0;
/// Error: uncorrectable.
pub const ERROR_UNC: u8 = 1 << 6;
/// Error: no such sector.
pub const ERROR_IDNF: u8 = 1 << 4;
/// Error: aborted.
pub const ERROR_ABRT: u8 = 1 << 2;
/// Device: the second disk.
pub const DEVICE_DEV: u8 = 1 << 4;
/// Device: LBA.
pub const DEVICE_LBA: u8 = 1 << 6;
/// Device control: no interrupts.
pub const CONTROL_NIEN: u8 = 1 << 1;
/// Device control: reset.
pub const CONTROL_SRST: u8 = 1 << 2;
/// Device control: read the previous bytes.
pub const CONTROL_HOB: u8 = 1 << 7;

const COMMAND_NS: u64 = 10_000;
const NEXT_NS: u64 = 2_000;
const RESET_NS: u64 = 100_000;
const READY: u8 = STATUS_DRDY | STATUS_DSC;

/// Each disk's settings and what its medium saves.
type SavedDisks = Vec<Option<(Settings, Vec<u8>)>>;

/// A channel and its disks.
pub struct Ide {
    base: u16,
    state: State,
    disks: [Option<Disk>; 2],
    irq: IrqLine,
    timer: Timer,
}

impl std::fmt::Debug for Ide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ide").field("base", &self.base).field("state", &self.state).finish()
    }
}

impl Ide {
    /// Ports of the primary channel (IRQ 14).
    pub const PRIMARY: &'static [u16] =
        &[0x1F0, 0x1F1, 0x1F2, 0x1F3, 0x1F4, 0x1F5, 0x1F6, 0x1F7, 0x3F6];
    /// Ports of the secondary channel (IRQ 15).
    pub const SECONDARY: &'static [u16] =
        &[0x170, 0x171, 0x172, 0x173, 0x174, 0x175, 0x176, 0x177, 0x376];

    /// A channel at `base` (1F0h or 170h) with a master and a slave.
    #[must_use]
    pub fn new(
        base: u16,
        disks: [Option<Box<dyn Storage>>; 2],
        irq: IrqLine,
        timer: Timer,
    ) -> Self {
        let first = if base == 0x1F0 { 1 } else { 3 };
        let [master, slave] = disks;
        let disks = [
            master.map(|medium| Disk::new(medium, first)),
            slave.map(|medium| Disk::new(medium, first + 1)),
        ];
        Self { base, state: State::new(), disks, irq, timer }
    }

    fn selected(&self) -> usize {
        usize::from(self.state.device & DEVICE_DEV != 0)
    }

    fn is_present(&self) -> bool {
        self.disks[self.selected()].is_some()
    }

    fn settle(&mut self) {
        let s = &self.state;
        let enabled = s.control & CONTROL_NIEN == 0 && self.is_present();
        self.irq.set(s.irq && enabled);
        if self.timer.due_ns() != s.due_ns {
            self.timer.set(s.due_ns);
        }
    }

    fn status(&self) -> u8 {
        if self.is_present() { self.state.status } else { 0 }
    }

    fn read_register(&mut self, register: u16) -> u8 {
        let s = &self.state;
        if self.disks.iter().all(Option::is_none) {
            return 0;
        }
        let pick = |p: task::Pair| if s.control & CONTROL_HOB != 0 { p.before } else { p.now };
        match register {
            ERROR => s.error,
            COUNT => pick(s.count),
            LBA_LOW => pick(s.low),
            LBA_MID => pick(s.mid),
            LBA_HIGH => pick(s.high),
            DEVICE => s.device | 0xA0,
            STATUS => {
                let status = self.status();
                self.state.irq = false;
                status
            }
            _ => 0xFF,
        }
    }

    fn write_register(&mut self, register: u16, value: u8, now_ns: u64) {
        let s = &mut self.state;
        s.control &= !CONTROL_HOB;
        if s.status & (STATUS_BSY | STATUS_DRQ) != 0 {
            // A disk at work takes no registers and no commands.
            return;
        }
        match register {
            ERROR => s.features.write(value),
            COUNT => s.count.write(value),
            LBA_LOW => s.low.write(value),
            LBA_MID => s.mid.write(value),
            LBA_HIGH => s.high.write(value),
            DEVICE => s.device = value,
            STATUS => self.begin_command(value, now_ns),
            _ => {}
        }
    }

    fn begin_command(&mut self, command: u8, now_ns: u64) {
        // The diagnostic is for both disks, whichever is selected.
        let has_disk = self.disks.iter().any(Option::is_some);
        let is_taken = self.is_present() || command == 0x90 && has_disk;
        if !is_taken || self.sleeps() {
            return;
        }
        self.state.error = 0;
        self.state.irq = false;
        self.state.begin(Work::Command(command), now_ns, COMMAND_NS);
    }

    /// Asleep, only a reset is heard.
    fn sleeps(&self) -> bool {
        let disk = &self.disks[self.selected()];
        disk.as_ref().is_some_and(|disk| disk.settings.power == Power::Sleep)
    }

    fn write_control(&mut self, value: u8, now_ns: u64) {
        let s = &mut self.state;
        let rises = value & !s.control & CONTROL_SRST != 0;
        let falls = !value & s.control & CONTROL_SRST != 0;
        s.control = value & (CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN);
        if rises {
            s.stop();
            s.status = STATUS_BSY;
            s.irq = false;
        } else if falls {
            s.begin(Work::Reset, now_ns, RESET_NS);
        }
    }

    fn finish_reset(&mut self) {
        self.state.stop();
        self.state.device = 0;
        self.state.set_signature();
        self.state.error = 1;
        self.state.status = READY;
        self.disks.iter_mut().flatten().for_each(Disk::reset);
    }

    fn complete(&mut self, work: Work) {
        self.state.work = None;
        self.state.due_ns = None;
        if matches!(work, Work::Reset | Work::Command(0x90)) {
            self.finish_reset();
            self.state.irq = work != Work::Reset;
            return;
        }
        let Some(disk) = &mut self.disks[usize::from(self.state.device & DEVICE_DEV != 0)] else {
            self.state.done();
            return;
        };
        match work {
            Work::Read(t) => self.state.read_block(t, disk),
            Work::Write(t) => self.state.write_block(t, disk),
            Work::Command(command) => self.state.execute(command, disk),
            Work::Reset => {}
        }
    }

    /// The buffer has been moved: what next?
    fn after_block(&mut self, now_ns: u64) {
        let s = &mut self.state;
        match s.transfer.take() {
            Some(t) if t.is_write => s.begin(Work::Write(t), now_ns, NEXT_NS),
            Some(t) if t.left > 0 => s.begin(Work::Read(t), now_ns, NEXT_NS),
            _ => {
                s.stop();
                s.status = READY;
            }
        }
    }

    /// True while the guest reads from the buffer.
    fn gives_data(&self) -> bool {
        let is_read = self.state.transfer.is_none_or(|t| !t.is_write);
        self.state.status & STATUS_DRQ != 0 && is_read
    }

    fn read_data(&mut self, io: &Io<'_>) -> u32 {
        if !self.gives_data() {
            return 0;
        }
        let mut value = 0;
        for i in 0..io.size.clamp(2, 4) {
            let byte = self.state.buffer.get(self.state.moved).copied().unwrap_or(0);
            value |= u32::from(byte) << (8 * u32::from(i));
            self.state.moved += 1;
        }
        if self.state.moved >= self.state.buffer.len() {
            self.after_block(io.now_ns);
        }
        value
    }

    fn write_data(&mut self, value: u32, io: &Io<'_>) {
        if self.state.status & STATUS_DRQ == 0 || self.gives_data() {
            return;
        }
        for i in 0..io.size.clamp(2, 4) {
            if let Some(byte) = self.state.buffer.get_mut(self.state.moved) {
                *byte = (value >> (8 * u32::from(i))) as u8;
            }
            self.state.moved += 1;
        }
        if self.state.moved >= self.state.buffer.len() {
            self.after_block(io.now_ns);
        }
    }
}

impl Device for Ide {
    fn name(&self) -> &'static str {
        "ide"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let register = (at as u16).wrapping_sub(self.base);
        let value = if register == DATA {
            self.read_data(io)
        } else {
            wire::read_bytes(at, io.size, |port| match port.wrapping_sub(self.base) {
                register @ ERROR..=STATUS => self.read_register(register),
                _ => self.status(),
            })
        };
        self.settle();
        value
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        if (at as u16).wrapping_sub(self.base) == DATA {
            self.write_data(value, io);
        } else {
            wire::write_bytes(at, io.size, value, |port, byte| {
                match port.wrapping_sub(self.base) {
                    register @ ERROR..=STATUS => self.write_register(register, byte, io.now_ns),
                    _ => self.write_control(byte, io.now_ns),
                }
            });
        }
        self.settle();
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        if let Some(work) = self.state.work
            && self.state.due_ns.is_some_and(|due| due <= io.now_ns)
        {
            self.complete(work);
        }
        self.settle();
    }

    fn reset(&mut self) {
        self.state = State::new();
        for disk in self.disks.iter_mut().flatten() {
            disk.settings = Settings::default();
        }
        self.settle();
    }

    fn save(&self) -> Vec<u8> {
        let disks: SavedDisks = self
            .disks
            .iter()
            .map(|d| d.as_ref().map(|d| (d.settings.clone(), d.storage.save())))
            .collect();
        wire::save(&(&self.state, disks))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, disks): (State, SavedDisks) = wire::restore(self.name(), bytes)?;
        let is_same = disks.len() == 2
            && disks.iter().zip(&self.disks).all(|(a, b)| a.is_some() == b.is_some());
        wire::require(self.name(), is_same, "not its disks")?;
        wire::require(self.name(), state.is_sane(), "a transfer out of range")?;
        let before: Vec<Vec<u8>> = self.disks.iter().flatten().map(|d| d.storage.save()).collect();
        let present = || disks.iter().flatten();
        for (disk, (_, saved)) in self.disks.iter_mut().flatten().zip(present()) {
            if !disk.storage.restore(saved) {
                for (disk, old) in self.disks.iter_mut().flatten().zip(&before) {
                    disk.storage.restore(old);
                }
                return wire::require(self.name(), false, "another disk");
            }
        }
        for (disk, (settings, _)) in self.disks.iter_mut().flatten().zip(present()) {
            disk.settings = settings.clone();
        }
        self.state = state;
        self.settle();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
