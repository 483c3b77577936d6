//! The floppy controller's tests.

use super::*;
use crate::dma8237::Dma;
use crate::storage::{Overlay, Sector, StorageError};
use bus::Signals;
use mem::Memory;
use x86::PhysAddr;

struct Rig {
    fdc: Fdc,
    dma: Dma,
    mem: Memory,
    now_ns: u64,
}

/// A 1.44M diskette whose sectors begin with their number.
fn diskette() -> Box<dyn Storage> {
    let mut bytes = vec![0; 2880 * SECTOR_BYTES];
    for (i, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
        sector[..2].copy_from_slice(&(i as u16).to_le_bytes());
    }
    Box::new(Overlay::from_bytes(bytes))
}

impl Rig {
    fn new(a: Option<Box<dyn Storage>>) -> Self {
        let signals = Signals::new();
        let dma = Dma::new();
        let irq = IrqLine::new(&signals, 6);
        let fdc = Fdc::new([a, None], dma.channel(2), irq, Timer::new(&signals));
        let mut r = Self { fdc, dma, mem: Memory::flat(1 << 20).expect("a megabyte"), now_ns: 0 };
        r.write(DOR, 0x00);
        r.write(DOR, 0x1C);
        r.write(DIR, 0);
        r.finish();
        for _ in 0..4 {
            r.command(&[0x08]);
        }
        r
    }

    fn write(&mut self, port: u16, value: u8) {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.fdc.write(u64::from(port), u32::from(value), &mut io);
    }

    fn read(&mut self, port: u16) -> u8 {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.fdc.read(u64::from(port), &mut io) as u8
    }

    /// Waits for the interrupt.
    fn finish(&mut self) {
        self.now_ns = self.fdc.timer.due_ns().expect("a command at work");
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 0, memory: &mut self.mem };
        self.fdc.tick(&mut io);
        assert!(self.fdc.irq.is_high());
    }

    fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(self.read(MSR) & (MSR_RQM | MSR_DIO), MSR_RQM);
            self.write(FIFO, byte);
        }
    }

    fn results(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.read(MSR) & (MSR_RQM | MSR_DIO | MSR_BUSY) == MSR_RQM | MSR_DIO | MSR_BUSY {
            out.push(self.read(FIFO));
        }
        out
    }

    fn command(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        self.results()
    }

    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        self.finish();
        self.results()
    }

    fn set_dma(&mut self, mode: u8, address: u16, bytes: u16) {
        let count = bytes - 1;
        let writes = [
            (0x0C, 0),
            (0x04, address as u8),
            (0x04, (address >> 8) as u8),
            (0x05, count as u8),
            (0x05, (count >> 8) as u8),
            (0x81, 0),
            (0x0B, mode),
            (0x0A, 2),
            (0xD6, 0xC0),
            (0xD4, 0),
        ];
        for (port, value) in writes {
            let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut self.mem };
            self.dma.write(port, u32::from(value), &mut io);
        }
    }

    fn memory(&self, at: u64) -> u16 {
        let mut out = [0; 2];
        self.mem.read_phys(PhysAddr(at), &mut out);
        u16::from_le_bytes(out)
    }
}

#[test]
fn reset_is_sensed_for_four_drives() {
    let mut r = Rig::new(None);
    r.write(DOR, 0x00);
    assert_eq!(r.read(MSR), 0);
    r.write(DOR, 0x0C);
    r.finish();
    for drive in 0..4 {
        assert_eq!(r.command(&[0x08]), [0xC0 | drive, 0]);
    }
    assert_eq!(r.command(&[0x08]), [0x80]);
}

/// 82077AA 7.4: polling is enabled upon a reset. Linux turns it off, resets by the DSR, and waits for
/// the interrupt.
#[test]
fn a_reset_is_sensed_even_if_polling_was_off() {
    for lock in [0x14, 0x94] {
        let mut r = Rig::new(None);
        r.command(&[0x13, 0, 0x1A, 0]);
        r.command(&[lock]);
        r.write(MSR, DSR_RESET);
        r.finish();
        for drive in 0..4 {
            assert_eq!(r.command(&[0x08]), [0xC0 | drive, 0], "after {lock:02x}");
        }
    }
}

#[test]
fn power_on_holds_the_controller_in_reset() {
    let mut r = Rig::new(None);
    r.fdc.reset();
    assert_eq!((r.read(DOR), r.read(MSR)), (0, 0));
}

#[test]
fn write_protected_diskette_refuses_writes() {
    struct Protected;
    impl Storage for Protected {
        fn len_sectors(&self) -> u64 {
            2880
        }
        fn read_only(&self) -> bool {
            true
        }
        fn read(&mut self, _: u64, out: &mut Sector) -> Result<(), StorageError> {
            out.fill(0x11);
            Ok(())
        }
        fn write(&mut self, _: u64, _: &Sector) -> Result<(), StorageError> {
            Err(StorageError::ReadOnly)
        }
    }
    let mut r = Rig::new(Some(Box::new(Protected)));
    r.set_dma(0x4A, 0x2000, 512);
    assert_eq!(r.run(&[0xC5, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[..3], [0x40, ST1_NW, 0]);
    assert_eq!(r.command(&[0x04, 0]), [0x78]);
}

#[test]
fn wrong_data_rate_finds_no_address_mark() {
    let mut r = Rig::new(Some(diskette()));
    r.write(DIR, 2);
    assert_eq!(r.run(&[0x4A, 0])[..2], [0x40, ST1_MA]);
    r.set_dma(0x46, 0x1000, 512);
    assert_eq!(r.run(&[0xE6, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[..3], [0x40, ST1_MA, 0]);
}

#[test]
fn masked_channel_overruns() {
    let mut r = Rig::new(Some(diskette()));
    assert_eq!(r.run(&[0xE6, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[..3], [0x40, ST1_OR, 0]);
}

#[test]
fn version_is_an_82077() {
    assert_eq!(Rig::new(None).command(&[0x10]), [0x90]);
}

#[test]
fn read_by_dma_crosses_heads_with_multi_track() {
    let mut r = Rig::new(Some(diskette()));
    r.set_dma(0x46, 0x1000, 1024);
    let result = r.run(&[0xE6, 0x00, 0, 0, 18, 2, 18, 0x1B, 0xFF]);
    assert_eq!(result, [0x04, 0, 0, 0, 1, 2, 2]);
    assert_eq!((r.memory(0x1000), r.memory(0x1200)), (17, 18));
}

#[test]
fn seek_moves_the_head_and_clears_the_change_line() {
    let mut r = Rig::new(Some(diskette()));
    r.run(&[0x07, 0]);
    assert_eq!(r.command(&[0x08]), [0x20, 0]);
    assert_eq!(r.read(DIR) & DIR_CHANGED, DIR_CHANGED);
    r.send(&[0x0F, 0, 5]);
    assert_eq!(r.read(MSR), 1);
    r.finish();
    assert_eq!(r.command(&[0x08]), [0x20, 5]);
    assert_eq!(r.read(DIR) & DIR_CHANGED, 0);
    assert_eq!(r.command(&[0x04, 0]), [0x28]);
}

#[test]
fn wrong_cylinder_and_missing_sector_are_told_apart() {
    let mut r = Rig::new(Some(diskette()));
    r.set_dma(0x46, 0x1000, 512);
    let wrong = r.run(&[0xE6, 0, 3, 0, 1, 2, 18, 0x1B, 0xFF]);
    assert_eq!(wrong[..3], [0x40, ST1_ND, ST2_WC]);
    let missing = r.run(&[0xE6, 0, 0, 0, 19, 2, 19, 0x1B, 0xFF]);
    assert_eq!(missing[..3], [0x40, ST1_ND, 0]);
}

#[test]
fn write_by_dma_is_read_back() {
    let mut r = Rig::new(Some(diskette()));
    r.mem.write_phys(PhysAddr(0x2000), &[0xEF, 0xBE]);
    r.set_dma(0x4A, 0x2000, 512);
    assert_eq!(r.run(&[0xC5, 4, 0, 1, 7, 2, 18, 0x1B, 0xFF])[..3], [4, 0, 0]);
    r.set_dma(0x46, 0x3000, 512);
    r.run(&[0xE6, 4, 0, 1, 7, 2, 18, 0x1B, 0xFF]);
    assert_eq!(r.memory(0x3000), 0xBEEF);
}

#[test]
fn pio_read_ends_at_eot_with_end_of_cylinder() {
    let mut r = Rig::new(Some(diskette()));
    r.command(&[0x03, 0xDF, 0x03]);
    r.send(&[0x46, 0, 0, 0, 2, 2, 3, 0x1B, 0xFF]);
    r.finish();
    let bytes: Vec<u8> = (0..1024).map(|_| r.read(FIFO)).collect();
    assert_eq!((bytes[0], bytes[512]), (1, 2));
    assert_eq!(r.results()[..6], [0x40, ST1_EN, 0, 1, 0, 1]);
}

#[test]
fn format_fills_the_track() {
    let mut r = Rig::new(Some(diskette()));
    let ids: Vec<u8> = (1..=18).flat_map(|sector| [0, 0, sector, 2]).collect();
    r.mem.write_phys(PhysAddr(0x4000), &ids);
    r.set_dma(0x4A, 0x4000, 72);
    assert_eq!(r.run(&[0x4D, 0, 2, 18, 0x6C, 0xF6])[..3], [0, 0, 0]);
    r.set_dma(0x46, 0x1000, 512);
    r.run(&[0xE6, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF]);
    assert_eq!(r.memory(0x1000), 0xF6F6);
}

#[test]
fn empty_drive_is_not_ready() {
    let mut r = Rig::new(None);
    assert_eq!(r.run(&[0x4A, 0])[..2], [0x48, ST1_MA]);
}

#[test]
fn read_id_names_a_sector_of_the_track() {
    let mut r = Rig::new(Some(diskette()));
    let id = r.run(&[0x4A, 4]);
    assert_eq!((id[0], id[3], id[4], id[6]), (4, 0, 1, 2));
    assert!((1..=18).contains(&id[5]));
}

#[test]
fn lock_keeps_the_configuration_over_a_reset() {
    let mut r = Rig::new(None);
    r.command(&[0x13, 0, 0x57, 0]);
    assert_eq!(r.command(&[0x94]), [0x10]);
    r.write(DOR, 0x00);
    r.write(DOR, 0x0C);
    let mut io = Io { cpu: 0, now_ns: u64::MAX / 2, size: 0, memory: &mut r.mem };
    r.fdc.tick(&mut io);
    // But for the polling, which was off.
    assert_eq!(r.command(&[0x0E])[8], 0x47);
    assert_eq!(r.command(&[0x14]), [0x00]);
}

#[test]
fn unknown_command_is_invalid() {
    assert_eq!(Rig::new(None).command(&[0x1F]), [0x80]);
}

/// A diskette whose host accepts what is written, and then fails to keep it.
struct Unkept;

impl Storage for Unkept {
    fn len_sectors(&self) -> u64 {
        2880
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read(&mut self, _: u64, _: &mut Sector) -> Result<(), StorageError> {
        Err(StorageError::Host("no".into()))
    }
    fn write(&mut self, _: u64, _: &Sector) -> Result<(), StorageError> {
        Ok(())
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        Err(StorageError::Host("full".into()))
    }
}

#[test]
fn a_host_that_fails_is_a_data_error() {
    let mut r = Rig::new(Some(Box::new(Unkept)));
    r.set_dma(0x4A, 0x2000, 512);
    assert_eq!(r.run(&[0xC5, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[..3], [0x40, ST1_DE, 0]);
    r.set_dma(0x46, 0x2000, 512);
    assert_eq!(r.run(&[0xE6, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[..3], [0x40, ST1_DE, 0]);
}

#[test]
fn implied_seek_moves_the_head_before_a_read() {
    let mut r = Rig::new(Some(diskette()));
    r.command(&[0x13, 0, 0x57, 0]);
    r.set_dma(0x46, 0x1000, 512);
    assert_eq!(r.run(&[0xE6, 0, 7, 0, 3, 2, 18, 0x1B, 0xFF])[..3], [0, 0, 0]);
    assert_eq!(r.memory(0x1000), 7 * 36 + 2);
    // DUMPREG begins with the cylinder of drive A.
    assert_eq!(r.command(&[0x0E])[0], 7);
}

#[test]
fn recalibrate_of_a_missing_drive_is_an_equipment_check() {
    let mut r = Rig::new(Some(diskette()));
    r.run(&[0x07, 1]);
    assert_eq!(r.command(&[0x08]), [0x71, 0]);
    assert_eq!(r.command(&[0x04, 1]), [0x29]);
    r.run(&[0x07, 0]);
    assert_eq!(r.command(&[0x08]), [0x20, 0]);
}

#[test]
fn read_deleted_gives_one_sector_with_the_control_mark() {
    let mut r = Rig::new(Some(diskette()));
    r.set_dma(0x46, 0x1000, 1024);
    assert_eq!(r.run(&[0xCC, 0, 0, 0, 5, 2, 18, 0x1B, 0xFF]), [0, 0, ST2_CM, 0, 0, 6, 2]);
    assert_eq!((r.memory(0x1000), r.memory(0x1200)), (4, 0));
}

#[test]
fn relative_seek_counts_from_where_the_head_is() {
    let mut r = Rig::new(Some(diskette()));
    for (bytes, cylinder) in [([0x0F, 0, 10], 10), ([0xCF, 0, 5], 15), ([0x8F, 0, 3], 12)] {
        r.run(&bytes);
        assert_eq!(r.command(&[0x08]), [0x20, cylinder]);
    }
}

#[test]
fn each_size_of_diskette_is_read_at_its_rate_up_to_its_last_sector() {
    // Sectors in all, last cylinder, sectors a track, data rate.
    let sizes = [
        (720, 39, 9, 2),
        (1440, 79, 9, 2),
        (2400, 79, 15, 0),
        (2880, 79, 18, 0),
        (5760, 79, 36, 3),
    ];
    for (sectors, cylinder, last, rate) in sizes {
        let mut bytes = vec![0; sectors * SECTOR_BYTES];
        bytes[(sectors - 1) * SECTOR_BYTES] = 0xEE;
        let mut r = Rig::new(Some(Box::new(Overlay::from_bytes(bytes))));
        r.write(DIR, rate);
        r.send(&[0x0F, 0, cylinder]);
        r.finish();
        r.command(&[0x08]);
        r.set_dma(0x46, 0x1000, 512);
        let read = r.run(&[0x46, 4, cylinder, 1, last, 2, last, 0x1B, 0xFF]);
        assert_eq!((&read[..3], r.memory(0x1000)), (&[4, 0, 0][..], 0xEE), "{sectors} sectors");
    }
}
