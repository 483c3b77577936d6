//! The task file of a channel and the state of a transfer: sectors between guest and disk.

use super::disk::{Disk, MULTIPLE_MAX};
use super::{
    DEVICE_DEV, DEVICE_LBA, ERROR_ABRT, ERROR_IDNF, ERROR_UNC, READY, STATUS_BSY, STATUS_DF,
    STATUS_DRQ, STATUS_ERR,
};
use crate::storage::{SECTOR_BYTES, StorageError};
use serde::{Deserialize, Serialize};

/// The count and address registers hold two bytes each: the last written and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pair {
    pub(super) now: u8,
    pub(super) before: u8,
}

impl Pair {
    pub(super) fn write(&mut self, value: u8) {
        self.before = std::mem::replace(&mut self.now, value);
    }
}

/// A transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub(super) is_write: bool,
    pub(super) is_ext: bool,
    pub(super) lba: u64,
    /// Sectors left, the block under way included.
    pub(super) left: u32,
    /// Sectors of a block.
    pub(super) block: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    Reset,
    Command(u8),
    /// The next block of a read is to be had.
    Read(Transfer),
    /// The block in the buffer is to be written.
    Write(Transfer),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) features: Pair,
    pub(super) count: Pair,
    pub(super) low: Pair,
    pub(super) mid: Pair,
    pub(super) high: Pair,
    pub(super) device: u8,
    pub(super) status: u8,
    pub(super) error: u8,
    pub(super) control: u8,
    pub(super) work: Option<Work>,
    /// A block between guest and disk.
    pub(super) buffer: Vec<u8>,
    pub(super) moved: usize,
    /// What follows when the buffer has been moved.
    pub(super) transfer: Option<Transfer>,
    pub(super) due_ns: Option<u64>,
    pub(super) irq: bool,
}

impl State {
    pub(super) fn new() -> Self {
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
    pub(super) fn set_signature(&mut self) {
        let pair = |now| Pair { now, before: 0 };
        self.count = pair(1);
        self.low = pair(1);
        self.mid = pair(0);
        self.high = pair(0);
        self.device &= DEVICE_DEV;
    }

    /// What a channel can hold.
    pub(super) fn is_sane(&self) -> bool {
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

    pub(super) fn stop(&mut self) {
        self.work = None;
        self.due_ns = None;
        self.transfer = None;
        self.buffer.clear();
        self.moved = 0;
    }

    pub(super) fn begin(&mut self, work: Work, now_ns: u64, takes_ns: u64) {
        self.work = Some(work);
        self.status = STATUS_BSY;
        self.due_ns = Some(now_ns.saturating_add(takes_ns));
    }

    pub(super) fn done(&mut self) {
        self.stop();
        self.status = READY;
        self.irq = true;
    }

    /// A device fault: the host's file failed, not the medium.
    pub(super) fn fault(&mut self) {
        self.fail(ERROR_ABRT);
        self.status |= STATUS_DF;
    }

    pub(super) fn fail(&mut self, error: u8) {
        self.stop();
        self.status = READY | STATUS_ERR;
        self.error = error;
        self.irq = true;
    }

    /// The sectors that a command wants.
    pub(super) fn sectors(&self, is_ext: bool) -> u32 {
        let (count, zero) = if is_ext {
            (u32::from(self.count.before) << 8 | u32::from(self.count.now), 0x1_0000)
        } else {
            (u32::from(self.count.now), 0x100)
        };
        if count == 0 { zero } else { count }
    }

    pub(super) fn address(&self, is_ext: bool, disk: &Disk) -> Option<u64> {
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

    pub(super) fn set_address(&mut self, lba: u64, is_ext: bool, disk: &Disk) {
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

    /// What a failed read says.
    fn read_failed(&mut self, error: &StorageError) {
        match error {
            StorageError::OutOfRange(_) => self.fail(ERROR_IDNF),
            StorageError::ReadOnly => self.fail(ERROR_ABRT),
            StorageError::Host(_) => self.fail(ERROR_UNC),
        }
    }

    /// What a failed write says.
    fn write_failed(&mut self, error: &StorageError) {
        match error {
            StorageError::OutOfRange(_) => self.fail(ERROR_IDNF),
            StorageError::ReadOnly => self.fail(ERROR_ABRT),
            StorageError::Host(_) => self.fault(),
        }
    }

    fn set_count(&mut self, left: u32, is_ext: bool) {
        self.count.now = left as u8;
        if is_ext {
            self.count.before = (left >> 8) as u8;
        }
    }

    /// Begins to give `buffer` to the guest.
    pub(super) fn offer(&mut self, buffer: Vec<u8>, then: Option<Transfer>) {
        self.buffer = buffer;
        self.moved = 0;
        self.transfer = then;
        self.status = READY | STATUS_DRQ;
        self.irq = true;
    }

    /// Waits for a block from the guest.
    pub(super) fn ask(&mut self, t: Transfer) {
        let len = t.block.min(t.left) as usize * SECTOR_BYTES;
        self.buffer = vec![0; len];
        self.moved = 0;
        self.transfer = Some(t);
        self.status = READY | STATUS_DRQ;
    }

    pub(super) fn read_block(&mut self, mut t: Transfer, disk: &mut Disk) {
        let sectors = t.block.min(t.left);
        let mut buffer = Vec::with_capacity(sectors as usize * SECTOR_BYTES);
        let mut sector = [0; SECTOR_BYTES];
        for _ in 0..sectors {
            self.set_address(t.lba, t.is_ext, disk);
            if let Err(error) = disk.read(t.lba, &mut sector) {
                return self.read_failed(&error);
            }
            buffer.extend(sector);
            t.lba += 1;
        }
        t.left -= sectors;
        self.set_count(t.left, t.is_ext);
        self.offer(buffer, Some(t));
    }

    pub(super) fn write_block(&mut self, mut t: Transfer, disk: &mut Disk) {
        let buffer = std::mem::take(&mut self.buffer);
        for sector in buffer.as_chunks::<SECTOR_BYTES>().0 {
            self.set_address(t.lba, t.is_ext, disk);
            if let Err(error) = disk.write(t.lba, sector) {
                return self.write_failed(&error);
            }
            t.lba += 1;
            t.left = t.left.saturating_sub(1);
        }
        self.set_count(t.left, t.is_ext);
        if t.left > 0 {
            self.ask(t);
            self.irq = true;
        } else if let Err(error) = disk.end_write() {
            self.write_failed(&error);
        } else {
            self.done();
        }
    }

    pub(super) fn transfer(&mut self, is_write: bool, is_ext: bool, block: u8, disk: &mut Disk) {
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
}
