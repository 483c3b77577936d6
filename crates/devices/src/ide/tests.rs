//! The IDE channel's tests.

use super::*;
use crate::storage::{Overlay, SECTOR_BYTES, Sector, StorageError};
use bus::Signals;
use mem::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Rig {
    ide: Ide,
    mem: Memory,
    now_ns: u64,
}

const BASE: u16 = 0x1F0;
const CONTROL: u16 = 0x3F6 - BASE;

/// A disk whose sectors begin with their number.
fn disk(sectors: usize) -> Box<dyn Storage> {
    let mut bytes = vec![0; sectors * SECTOR_BYTES];
    for (i, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
        sector[..2].copy_from_slice(&(i as u16).to_le_bytes());
    }
    Box::new(Overlay::from_bytes(bytes))
}

impl Rig {
    fn new() -> Self {
        Self::with([Some(disk(20_000)), None])
    }

    fn with(disks: [Option<Box<dyn Storage>>; 2]) -> Self {
        let signals = Signals::new();
        let ide = Ide::new(BASE, disks, IrqLine::new(&signals, 14), Timer::new(&signals));
        Self { ide, mem: Memory::flat(4096).expect("a page"), now_ns: 0 }
    }

    fn access(&mut self, size: u8, f: impl FnOnce(&mut Ide, &mut Io<'_>) -> u32) -> u32 {
        f(&mut self.ide, &mut Io { cpu: 0, now_ns: self.now_ns, size, memory: &mut self.mem })
    }

    fn write(&mut self, register: u16, value: u8) {
        let at = u64::from(BASE + register);
        self.access(1, |ide, io| {
            ide.write(at, u32::from(value), io);
            0
        });
    }

    fn read(&mut self, register: u16) -> u8 {
        let at = u64::from(BASE + register);
        self.access(1, |ide, io| ide.read(at, io)) as u8
    }

    fn wait(&mut self) -> u8 {
        while let Some(due) = self.ide.timer.due_ns() {
            self.now_ns = due;
            self.access(0, |ide, io| {
                ide.tick(io);
                0
            });
        }
        self.read(CONTROL)
    }

    /// Sets count and address, gives the command, waits for what it says.
    fn command(&mut self, command: u8, count: u8, address: [u8; 3], device: u8) -> u8 {
        for (register, value) in [(DEVICE, device), (COUNT, count)] {
            self.write(register, value);
        }
        for (register, value) in [LBA_LOW, LBA_MID, LBA_HIGH].into_iter().zip(address) {
            self.write(register, value);
        }
        self.write(STATUS, command);
        assert_eq!(self.read(CONTROL), STATUS_BSY);
        self.wait()
    }

    fn words(&mut self, n: usize) -> Vec<u16> {
        let at = u64::from(BASE);
        (0..n).map(|_| self.access(2, |ide, io| ide.read(at, io)) as u16).collect()
    }

    fn put(&mut self, word: u16, n: usize) {
        for _ in 0..n {
            self.access(2, |ide, io| {
                ide.write(u64::from(BASE), u32::from(word), io);
                0
            });
        }
    }
}

const DRQ: u8 = READY | STATUS_DRQ;

#[test]
fn identify_tells_size_and_geometry() {
    let mut r = Rig::new();
    assert_eq!(r.command(0xEC, 0, [0; 3], 0xA0), DRQ);
    let id = r.words(256);
    assert_eq!((id[1], id[3], id[6]), (19, 16, 63));
    assert_eq!((id[60], id[61], id[100]), (20_000, 0, 20_000));
    assert_eq!(id[27], u16::from_be_bytes(*b"Cl"));
    assert_eq!(r.read(STATUS), READY);
}

#[test]
fn read_by_lba_interrupts_for_each_sector() {
    let mut r = Rig::new();
    assert_eq!(r.command(0x20, 2, [0x34, 0x12, 0], 0xE0), DRQ);
    assert!(r.ide.irq.is_high());
    r.read(STATUS);
    assert!(!r.ide.irq.is_high());
    assert_eq!(r.words(256)[0], 0x1234);
    assert_eq!(r.wait(), DRQ);
    assert!(r.ide.irq.is_high());
    assert_eq!(r.words(256)[0], 0x1235);
    assert_eq!((r.wait(), r.read(COUNT)), (READY, 0));
}

#[test]
fn read_by_chs_uses_the_set_geometry() {
    let mut r = Rig::new();
    assert_eq!(r.command(0x91, 17, [0; 3], 0xA3), READY);
    assert_eq!(r.command(0x20, 1, [5, 2, 0], 0xA1), DRQ);
    assert_eq!(r.words(256)[0], (2 * 4 + 1) * 17 + 4);
    assert_eq!(r.command(0x20, 1, [18, 0, 0], 0xA0), READY | STATUS_ERR);
    assert_eq!(r.read(ERROR), ERROR_IDNF);
}

#[test]
fn written_sectors_are_read_back_with_48_bits() {
    let mut r = Rig::new();
    for register in [COUNT, LBA_LOW, LBA_MID, LBA_HIGH] {
        r.write(register, 0);
    }
    assert_eq!(r.command(0x34, 2, [9, 0, 0], 0x40), DRQ);
    assert!(!r.ide.irq.is_high());
    r.put(0xABCD, 256);
    assert_eq!(r.wait(), DRQ);
    r.put(0x1111, 256);
    assert_eq!(r.wait(), READY);
    assert!(r.ide.irq.is_high());
    assert_eq!(r.command(0x20, 1, [9, 0, 0], 0xE0), DRQ);
    assert_eq!(r.words(256), [0xABCD; 256]);
}

#[test]
fn multiple_moves_blocks() {
    let mut r = Rig::new();
    assert_eq!(r.command(0xC4, 1, [0; 3], 0xE0), READY | STATUS_ERR);
    assert_eq!(r.command(0xC6, 4, [0; 3], 0xE0), READY);
    assert_eq!(r.command(0xC4, 6, [0; 3], 0xE0), DRQ);
    assert_eq!(r.words(4 * 256)[3 * 256], 3);
    assert_eq!(r.wait(), DRQ);
    assert_eq!(r.words(2 * 256)[256], 5);
    assert_eq!(r.wait(), READY);
}

#[test]
fn past_the_end_is_id_not_found_at_that_sector() {
    let mut r = Rig::new();
    assert_eq!(r.command(0x20, 2, [0x1F, 0x4E, 0], 0xE0), DRQ);
    r.words(256);
    assert_eq!(r.wait(), READY | STATUS_ERR);
    assert_eq!((r.read(ERROR), r.read(LBA_LOW)), (ERROR_IDNF, 0x20));
}

#[test]
fn unknown_command_aborts() {
    let mut r = Rig::new();
    assert_eq!(r.command(0xA1, 0, [0; 3], 0xA0), READY | STATUS_ERR);
    assert_eq!(r.read(ERROR), ERROR_ABRT);
}

#[test]
fn absent_slave_shows_status_0_and_takes_no_command() {
    let mut r = Rig::new();
    r.write(DEVICE, 0xB0);
    assert_eq!(r.read(STATUS), 0);
    r.write(STATUS, 0xEC);
    assert_eq!((r.read(STATUS), r.ide.timer.due_ns()), (0, None));
}

#[test]
fn soft_reset_shows_the_signature() {
    let mut r = Rig::new();
    r.command(0x20, 1, [1, 2, 0], 0xE0);
    r.write(CONTROL, CONTROL_SRST);
    assert_eq!(r.read(CONTROL), STATUS_BSY);
    r.write(CONTROL, 0);
    assert_eq!(r.wait(), READY);
    let seen = [ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH].map(|register| r.read(register));
    assert_eq!(seen, [1, 1, 1, 0, 0]);
}

#[test]
fn no_interrupt_with_nien() {
    let mut r = Rig::new();
    r.write(CONTROL, CONTROL_NIEN);
    assert_eq!(r.command(0xEC, 0, [0; 3], 0xA0), DRQ);
    assert!(!r.ide.irq.is_high());
}

/// A medium whose host fails, and which counts its flushes.
struct Troubled {
    flushes: Arc<AtomicUsize>,
    read_only: bool,
    fails: bool,
}

impl Storage for Troubled {
    fn len_sectors(&self) -> u64 {
        100
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read(&mut self, _: u64, _: &mut Sector) -> Result<(), StorageError> {
        if self.fails { Err(StorageError::Host("no".into())) } else { Ok(()) }
    }

    fn write(&mut self, _: u64, _: &Sector) -> Result<(), StorageError> {
        if self.fails { Err(StorageError::Host("full".into())) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(StorageError::Host("full".into())) } else { Ok(()) }
    }
}

fn troubled(read_only: bool, fails: bool) -> (Rig, Arc<AtomicUsize>) {
    let flushes = Arc::new(AtomicUsize::new(0));
    let disk = Troubled { flushes: Arc::clone(&flushes), read_only, fails };
    (Rig::with([Some(Box::new(disk)), None]), flushes)
}

#[test]
fn write_protected_disk_aborts_before_any_data() {
    let (mut r, _) = troubled(true, false);
    assert_eq!(r.command(0x30, 1, [0; 3], 0xE0), READY | STATUS_ERR);
    assert_eq!(r.read(ERROR), ERROR_ABRT);
}

#[test]
fn host_errors_are_a_device_fault_or_uncorrectable() {
    let (mut r, _) = troubled(false, true);
    assert_eq!(r.command(0x30, 1, [5, 0, 0], 0xE0), DRQ);
    r.put(0, 256);
    assert_eq!(r.wait(), READY | STATUS_DF | STATUS_ERR);
    assert_eq!((r.read(ERROR), r.read(LBA_LOW)), (ERROR_ABRT, 5));
    assert_eq!(r.command(0x20, 1, [5, 0, 0], 0xE0), READY | STATUS_ERR);
    assert_eq!(r.read(ERROR), ERROR_UNC);
    assert_eq!(r.command(0xE7, 0, [0; 3], 0xE0), READY | STATUS_DF | STATUS_ERR);
}

#[test]
fn flush_and_standby_reach_the_host_and_writes_do_with_the_cache_off() {
    let (mut r, flushes) = troubled(false, false);
    let flushed = || flushes.swap(0, Ordering::Relaxed);
    let write = |r: &mut Rig| {
        r.command(0x30, 1, [0; 3], 0xE0);
        r.put(0, 256);
        assert_eq!(r.wait(), READY);
    };
    write(&mut r);
    assert_eq!(flushed(), 0);
    for command in [0xE7, 0xEA, 0xE0, 0xE2] {
        assert_eq!(r.command(command, 0, [0; 3], 0xE0), READY);
        assert_eq!(flushed(), 1, "{command:#x}");
    }
    r.write(ERROR, 0x82);
    assert_eq!(r.command(0xEF, 0, [0; 3], 0xE0), READY);
    assert_eq!(flushed(), 1);
    write(&mut r);
    assert_eq!(flushed(), 1);
    r.write(ERROR, 0x02);
    r.command(0xEF, 0, [0; 3], 0xE0);
    write(&mut r);
    assert_eq!(flushed(), 0);
}

#[test]
fn identify_follows_set_features() {
    let mut r = Rig::new();
    let words = |r: &mut Rig| {
        r.command(0xEC, 0, [0; 3], 0xA0);
        r.words(256)
    };
    let id = words(&mut r);
    // NOP, look-ahead, write cache and power modes; all on.
    assert_eq!((id[82], id[85], id[2]), (0x4068, 0x4068, 0xC837));
    let sum = id.iter().flat_map(|w| w.to_le_bytes()).fold(0u8, u8::wrapping_add);
    assert_eq!((sum, id[255] as u8), (0, 0xA5));
    for feature in [0x82, 0x55] {
        r.write(ERROR, feature);
        r.command(0xEF, 0, [0; 3], 0xA0);
    }
    r.command(0xC6, 8, [0; 3], 0xA0);
    let id = words(&mut r);
    assert_eq!((id[85], id[59]), (0x4008, 0x0108));
}

#[test]
fn a_soft_reset_reverts_settings_unless_told_not_to() {
    let mut r = Rig::new();
    let reset = |r: &mut Rig| {
        r.write(CONTROL, CONTROL_SRST);
        r.write(CONTROL, 0);
        r.wait();
        r.command(0xEC, 0, [0; 3], 0xA0);
        r.words(256)[59]
    };
    r.command(0xC6, 8, [0; 3], 0xA0);
    assert_eq!(reset(&mut r), 0);
    r.write(ERROR, 0x66);
    r.command(0xEF, 0, [0; 3], 0xA0);
    r.command(0xC6, 8, [0; 3], 0xA0);
    assert_eq!(reset(&mut r), 0x0108);
}

#[test]
fn transfer_modes_that_need_dma_abort() {
    let mut r = Rig::new();
    for (mode, status) in [(0x00, READY), (0x0C, READY), (0x22, READY | STATUS_ERR)] {
        r.write(ERROR, 0x03);
        assert_eq!(r.command(0xEF, mode, [0; 3], 0xA0), status, "{mode:#x}");
    }
}

#[test]
fn power_modes_are_told_and_end_with_an_access() {
    let mut r = Rig::new();
    let mode = |r: &mut Rig| {
        r.command(0xE5, 0, [0; 3], 0xA0);
        r.read(COUNT)
    };
    assert_eq!(mode(&mut r), 0xFF);
    r.command(0xE1, 0, [0; 3], 0xA0);
    assert_eq!(mode(&mut r), 0x80);
    r.command(0xE0, 0, [0; 3], 0xA0);
    assert_eq!(mode(&mut r), 0x00);
    r.command(0x20, 1, [0; 3], 0xE0);
    r.words(256);
    assert_eq!(mode(&mut r), 0xFF);
}

#[test]
fn a_sleeping_disk_hears_only_a_reset() {
    let mut r = Rig::new();
    assert_eq!(r.command(0xE6, 0, [0; 3], 0xA0), READY);
    r.write(STATUS, 0xEC);
    assert_eq!((r.read(STATUS), r.ide.timer.due_ns()), (READY, None));
    r.write(CONTROL, CONTROL_SRST);
    r.write(CONTROL, 0);
    r.wait();
    assert_eq!(r.command(0xEC, 0, [0; 3], 0xA0), DRQ);
}

#[test]
fn nop_and_device_reset_abort_on_a_disk_without_packets() {
    let mut r = Rig::new();
    for command in [0x00, 0x08] {
        assert_eq!(r.command(command, 0, [0; 3], 0xA0), READY | STATUS_ERR);
        assert_eq!(r.read(ERROR), ERROR_ABRT);
    }
}

#[test]
fn diagnostic_is_for_both_disks_and_passes() {
    let mut r = Rig::with([Some(disk(100)), Some(disk(100))]);
    assert_eq!(r.command(0x90, 0, [0; 3], 0xB0), READY);
    assert_eq!((r.read(ERROR), r.read(DEVICE) & DEVICE_DEV), (1, 0));
    assert!(r.ide.irq.is_high());
}

#[test]
fn seek_and_verify_find_what_is_there() {
    let mut r = Rig::new();
    assert_eq!(r.command(0x70, 0, [0x1F, 0x4E, 0], 0xE0), READY);
    assert_eq!(r.command(0x70, 0, [0x20, 0x4E, 0], 0xE0), READY | STATUS_ERR);
    assert_eq!(r.read(ERROR), ERROR_IDNF);
    assert_eq!(r.command(0x40, 2, [0x1E, 0x4E, 0], 0xE0), READY);
    assert_eq!(r.command(0x40, 3, [0x1E, 0x4E, 0], 0xE0), READY | STATUS_ERR);
}

#[test]
fn previous_bytes_are_read_with_hob() {
    let mut r = Rig::new();
    for value in [0x12, 0x34] {
        r.write(LBA_MID, value);
    }
    assert_eq!(r.read(LBA_MID), 0x34);
    r.write(CONTROL, CONTROL_HOB);
    assert_eq!(r.read(LBA_MID), 0x12);
}

#[test]
fn two_disks_have_their_own_sectors_and_serial_numbers() {
    let mut r = Rig::with([Some(disk(100)), Some(disk(200))]);
    let serial_and_size = |r: &mut Rig, device| {
        r.command(0xEC, 0, [0; 3], device);
        let id = r.words(256);
        (id[13], id[60])
    };
    // The text's bytes 6 and 7: "01" and "02".
    assert_eq!(serial_and_size(&mut r, 0xA0), (u16::from_be_bytes(*b"01"), 100));
    assert_eq!(serial_and_size(&mut r, 0xB0), (u16::from_be_bytes(*b"02"), 200));
}
