//! The commands of a disk. From ATA/ATAPI-6 (T13/1410D), chapter 8, and the power commands' older
//! codes from ATA-3.

use super::disk::{Disk, MULTIPLE_MAX, Power};
use super::task::State;
use super::{DEVICE_LBA, ERROR_ABRT, ERROR_IDNF};

impl State {
    pub(super) fn execute(&mut self, command: u8, disk: &mut Disk) {
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
            0x70..=0x7F => self.seek(disk),
            0xE7 | 0xEA => self.flush(disk),
            0xEC => {
                let identify = disk.identify().to_vec();
                self.offer(identify, None);
            }
            0xEF => self.set_features(disk),
            _ => self.set_up(command, disk),
        }
    }

    /// Looks at sectors without giving them.
    fn verify(&mut self, is_ext: bool, disk: &mut Disk) {
        let Some(lba) = self.address(is_ext, disk) else {
            return self.fail(ERROR_IDNF);
        };
        let end = lba + u64::from(self.sectors(is_ext));
        let len = disk.storage.len_sectors();
        disk.settings.power = Power::Active;
        self.set_address(end.min(len).max(lba + 1) - 1, is_ext, disk);
        if end > len { self.fail(ERROR_IDNF) } else { self.done() }
    }

    fn seek(&mut self, disk: &Disk) {
        match self.address(false, disk) {
            Some(lba) if lba < disk.storage.len_sectors() => self.done(),
            _ => self.fail(ERROR_IDNF),
        }
    }

    /// All that was written reaches the host's disk before this ends.
    fn flush(&mut self, disk: &mut Disk) {
        match disk.storage.flush() {
            Ok(()) => self.done(),
            Err(_) => self.fault(),
        }
    }

    fn set_features(&mut self, disk: &mut Disk) {
        let settings = &mut disk.settings;
        match self.features.now {
            0x02 => settings.write_cache = true,
            0x82 => {
                settings.write_cache = false;
                return self.flush(disk);
            }
            // Transfer mode: PIO by default, with or without IORDY, or PIO 0 to 4.
            0x03 if matches!(self.count.now, 0 | 1 | 0x08..=0x0C) => {}
            0x55 => settings.look_ahead = false,
            0xAA => settings.look_ahead = true,
            0x66 => settings.keeps = true,
            0xCC => settings.keeps = false,
            _ => return self.fail(ERROR_ABRT),
        }
        self.done();
    }

    /// The commands that move no data.
    fn set_up(&mut self, command: u8, disk: &mut Disk) {
        match command {
            // Recalibrate.
            0x10..=0x1F => {
                if self.device & DEVICE_LBA == 0 {
                    (self.mid.now, self.high.now) = (0, 0);
                }
                self.done();
            }
            0x91 if self.count.now > 0 => {
                disk.settings.heads = (self.device & 0xF) + 1;
                disk.settings.sectors = self.count.now;
                self.done();
            }
            0xC6 => self.set_multiple(disk),
            0xE0 | 0x94 | 0xE2 | 0x96 => self.rest(Power::Standby, disk),
            0xE1 | 0x95 | 0xE3 | 0x97 => self.rest(Power::Idle, disk),
            0xE6 | 0x99 => self.rest(Power::Sleep, disk),
            0xE5 | 0x98 => {
                self.count.now = disk.settings.power.code();
                self.done();
            }
            // NOP among them, which is there to abort.
            _ => self.fail(ERROR_ABRT),
        }
    }

    /// Saves power; what was written is on the medium first. The standby timer of the older
    /// drives is taken and never runs out.
    fn rest(&mut self, power: Power, disk: &mut Disk) {
        disk.settings.power = power;
        if power == Power::Idle { self.done() } else { self.flush(disk) }
    }

    fn set_multiple(&mut self, disk: &mut Disk) {
        let count = self.count.now;
        if count <= MULTIPLE_MAX && (count == 0 || count.is_power_of_two()) {
            disk.settings.multiple = count;
            self.done();
        } else {
            self.fail(ERROR_ABRT);
        }
    }
}
