//! An IDE channel with up to two ATA disks, programmed I/O only. From ATA/ATAPI-6
//! (T13/1410D).
//!
//! A command keeps BSY for a short fixed time. A disk that isn't there answers with status 0.

mod disk;

pub use disk::default_geometry;

use crate::storage::{SECTOR_BYTES, Storage, StorageError};
use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use disk::{Disk, MULTIPLE_MAX, Settings};
use serde::{Deserialize, Serialize};

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

/// The count and address registers hold two bytes each: the last written and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    now: u8,
    before: u8,
}

impl Pair {
    fn write(&mut self, value: u8) {
        self.before = std::mem::replace(&mut self.now, value);
    }
}

/// A transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    is_write: bool,
    is_ext: bool,
    lba: u64,
    /// Sectors left, the block under way included.
    left: u32,
    /// Sectors of a block.
    block: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Reset,
    Command(u8),
    /// The next block of a read is to be had.
    Read(Transfer),
    /// The block in the buffer is to be written.
    Write(Transfer),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    features: Pair,
    count: Pair,
    low: Pair,
    mid: Pair,
    high: Pair,
    device: u8,
    status: u8,
    error: u8,
    control: u8,
    work: Option<Work>,
    /// A block between guest and disk.
    buffer: Vec<u8>,
    moved: usize,
    /// What follows when the buffer has been moved.
    transfer: Option<Transfer>,
    due_ns: Option<u64>,
    irq: bool,
}

impl State {
    fn new() -> Self {
        let mut state = Self {
            features: Pair::default(),
            count: Pair::default(),
            low: Pair::default(),
            mid: Pair::default(),
            high: Pair::default(),
            device: 0,
            status: READY,
            error: 0,
            control: 0,
            work: None,
            buffer: Vec::new(),
            moved: 0,
            transfer: None,
            due_ns: None,
            irq: false,
        };
        state.set_signature();
        state
    }

    /// What a disk shows after a reset, a diagnostic, or an IDENTIFY PACKET DEVICE.
    fn set_signature(&mut self) {
        let pair = |now| Pair { now, before: 0 };
        self.count = pair(1);
        self.low = pair(1);
        self.mid = pair(0);
        self.high = pair(0);
        self.device &= DEVICE_DEV;
    }

    /// What a channel can hold.
    fn is_sane(&self) -> bool {
        let most = u32::from(MULTIPLE_MAX);
        let is_sane = |t: &Transfer| t.block <= most && t.left <= 0x1_0000 && t.lba < 1 << 49;
        let working = match &self.work {
            Some(Work::Read(t) | Work::Write(t)) => is_sane(t),
            _ => true,
        };
        let len = most as usize * SECTOR_BYTES;
        working
            && self.transfer.as_ref().is_none_or(is_sane)
            && self.buffer.len() <= len
            && self.moved <= len
    }

    fn stop(&mut self) {
        self.work = None;
        self.due_ns = None;
        self.transfer = None;
        self.buffer.clear();
        self.moved = 0;
    }

    fn begin(&mut self, work: Work, now_ns: u64, takes_ns: u64) {
        self.work = Some(work);
        self.status = STATUS_BSY;
        self.due_ns = Some(now_ns.saturating_add(takes_ns));
    }

    fn done(&mut self) {
        self.stop();
        self.status = READY;
        self.irq = true;
    }

    fn fail(&mut self, error: u8) {
        self.stop();
        self.status = READY | STATUS_ERR;
        self.error = error;
        self.irq = true;
    }

    /// The sectors that a command wants.
    fn sectors(&self, is_ext: bool) -> u32 {
        let (count, zero) = if is_ext {
            (u32::from(self.count.before) << 8 | u32::from(self.count.now), 0x1_0000)
        } else {
            (u32::from(self.count.now), 0x100)
        };
        if count == 0 { zero } else { count }
    }

    fn address(&self, is_ext: bool, disk: &Disk) -> Option<u64> {
        let byte = |p: u8, shift: u32| u64::from(p) << shift;
        let low24 = byte(self.low.now, 0) | byte(self.mid.now, 8) | byte(self.high.now, 16);
        if is_ext {
            let [l, m, h] = [self.low.before, self.mid.before, self.high.before];
            return Some(low24 | byte(l, 24) | byte(m, 32) | byte(h, 40));
        }
        if self.device & DEVICE_LBA != 0 {
            return Some(low24 | byte(self.device & 0xF, 24));
        }
        let cylinder = u16::from_le_bytes([self.mid.now, self.high.now]);
        disk.lba(cylinder, self.device & 0xF, self.low.now)
    }

    fn set_address(&mut self, lba: u64, is_ext: bool, disk: &Disk) {
        let pair =
            |low: u32, high: u32| Pair { now: (lba >> low) as u8, before: (lba >> high) as u8 };
        if is_ext {
            (self.low, self.mid, self.high) = (pair(0, 24), pair(8, 32), pair(16, 40));
        } else if self.device & DEVICE_LBA != 0 {
            self.low.now = lba as u8;
            self.mid.now = (lba >> 8) as u8;
            self.high.now = (lba >> 16) as u8;
            self.device = self.device & 0xF0 | (lba >> 24) as u8 & 0xF;
        } else {
            let (cylinder, head, sector) = disk.chs(lba);
            [self.mid.now, self.high.now] = cylinder.to_le_bytes();
            self.device = self.device & 0xF0 | head & 0xF;
            self.low.now = sector;
        }
    }

    fn error_of(error: &StorageError) -> u8 {
        match error {
            StorageError::OutOfRange(_) => ERROR_IDNF,
            StorageError::ReadOnly => ERROR_ABRT,
            StorageError::Host(_) => ERROR_UNC,
        }
    }

    /// Begins to give `buffer` to the guest.
    fn offer(&mut self, buffer: Vec<u8>, then: Option<Transfer>) {
        self.buffer = buffer;
        self.moved = 0;
        self.transfer = then;
        self.status = READY | STATUS_DRQ;
        self.irq = true;
    }

    /// Waits for a block from the guest.
    fn ask(&mut self, t: Transfer) {
        let len = t.block.min(t.left) as usize * SECTOR_BYTES;
        self.buffer = vec![0; len];
        self.moved = 0;
        self.transfer = Some(t);
        self.status = READY | STATUS_DRQ;
    }

    fn read_block(&mut self, mut t: Transfer, disk: &mut Disk) {
        let sectors = t.block.min(t.left);
        let mut buffer = Vec::with_capacity(sectors as usize * SECTOR_BYTES);
        let mut sector = [0; SECTOR_BYTES];
        for _ in 0..sectors {
            self.set_address(t.lba, t.is_ext, disk);
            if let Err(error) = disk.read(t.lba, &mut sector) {
                self.fail(Self::error_of(&error));
                return;
            }
            buffer.extend(sector);
            t.lba += 1;
        }
        t.left -= sectors;
        self.count.now = t.left as u8;
        self.offer(buffer, Some(t));
    }

    fn write_block(&mut self, mut t: Transfer, disk: &mut Disk) {
        let buffer = std::mem::take(&mut self.buffer);
        for sector in buffer.as_chunks::<SECTOR_BYTES>().0 {
            self.set_address(t.lba, t.is_ext, disk);
            if let Err(error) = disk.write(t.lba, sector) {
                self.fail(Self::error_of(&error));
                return;
            }
            t.lba += 1;
            t.left = t.left.saturating_sub(1);
        }
        self.count.now = t.left as u8;
        if t.left == 0 {
            self.done();
        } else {
            self.ask(t);
            self.irq = true;
        }
    }

    fn transfer(&mut self, is_write: bool, is_ext: bool, block: u8, disk: &mut Disk) {
        let Some(lba) = self.address(is_ext, disk) else {
            self.fail(ERROR_IDNF);
            return;
        };
        let left = self.sectors(is_ext);
        let t = Transfer { is_write, is_ext, lba, left, block: u32::from(block) };
        if block == 0 {
            self.fail(ERROR_ABRT);
        } else if !is_write {
            self.read_block(t, disk);
        } else if lba >= disk.storage.len_sectors() {
            self.fail(ERROR_IDNF);
        } else if disk.storage.read_only() {
            self.fail(ERROR_ABRT);
        } else {
            // The first block is asked for without an interrupt.
            self.ask(t);
        }
    }

    fn verify(&mut self, is_ext: bool, disk: &mut Disk) {
        let Some(lba) = self.address(is_ext, disk) else {
            self.fail(ERROR_IDNF);
            return;
        };
        let end = lba + u64::from(self.sectors(is_ext));
        let len = disk.storage.len_sectors();
        self.set_address(end.min(len).max(lba + 1) - 1, is_ext, disk);
        if end > len { self.fail(ERROR_IDNF) } else { self.done() }
    }

    fn execute(&mut self, command: u8, disk: &mut Disk) {
        let multiple = disk.settings.multiple;
        match command {
            0x20 | 0x21 => self.transfer(false, false, 1, disk),
            0x24 => self.transfer(false, true, 1, disk),
            0x29 => self.transfer(false, true, multiple, disk),
            0xC4 => self.transfer(false, false, multiple, disk),
            0x30 | 0x31 => self.transfer(true, false, 1, disk),
            0x34 => self.transfer(true, true, 1, disk),
            0x39 => self.transfer(true, true, multiple, disk),
            0xC5 => self.transfer(true, false, multiple, disk),
            0x40 | 0x41 => self.verify(false, disk),
            0x42 => self.verify(true, disk),
            0xE7 | 0xEA => match disk.storage.flush() {
                Ok(()) => self.done(),
                Err(_) => self.fail(ERROR_ABRT),
            },
            0xEC => {
                let identify = disk.identify().to_vec();
                self.offer(identify, None);
            }
            _ => self.set_up(command, disk),
        }
    }

    /// The commands that move no data.
    fn set_up(&mut self, command: u8, disk: &mut Disk) {
        match (command, self.features.now) {
            // Recalibrate, seek, the power modes, and features that change nothing here.
            (0x10..=0x1F | 0x70..=0x7F | 0xE0..=0xE3 | 0xE6, _)
            | (0xEF, 0x02 | 0x82 | 0x55 | 0xAA | 0x66 | 0xCC) => self.done(),
            (0xEF, 0x03) if self.count.now >> 3 <= 1 => self.done(),
            (0x91, _) => {
                disk.settings.heads = (self.device & 0xF) + 1;
                disk.settings.sectors = self.count.now.max(1);
                self.done();
            }
            (0xC6, _) if self.count.now <= MULTIPLE_MAX && !self.count.now.is_power_of_two() => {
                if self.count.now == 0 {
                    disk.settings.multiple = 0;
                    self.done();
                } else {
                    self.fail(ERROR_ABRT);
                }
            }
            (0xC6, _) if self.count.now <= MULTIPLE_MAX => {
                disk.settings.multiple = self.count.now;
                self.done();
            }
            (0xE5, _) => {
                self.count.now = 0xFF;
                self.done();
            }
            _ => self.fail(ERROR_ABRT),
        }
    }
}

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
        let disks = disks.map(|d| d.map(Disk::new));
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
        let pick = |p: Pair| if s.control & CONTROL_HOB != 0 { p.before } else { p.now };
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
        if !is_taken {
            return;
        }
        self.state.error = 0;
        self.state.irq = false;
        self.state.begin(Work::Command(command), now_ns, COMMAND_NS);
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
        for disk in self.disks.iter_mut().flatten() {
            disk.settings = Settings::default();
        }
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
