//! The IDE channel's tests.

use super::*;
use crate::storage::Overlay;
use bus::Signals;
use mem::Memory;

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
