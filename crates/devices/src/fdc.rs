//! The 82077AA floppy disk controller in AT mode, with its drives. From the Intel 82077AA
//! datasheet (290166).
//!
//! A drive has no mechanics: a command takes a short fixed time, then its data have moved all
//! at once by DMA, or are moved byte by byte without. Motors are not checked.
//! Seeks don't overlap with other commands. SCAN commands are answered as invalid. Images hold no
//! deleted address marks: WRITE DELETED DATA writes a normal one, and READ DELETED DATA finds the
//! control mark. Drives C and D, and B without a diskette, are not there.
//!
//! A diskette has no cache: a write or format that is acknowledged is on the host's disk.

mod command;
mod media;
mod transfer;

pub use media::Geometry;

use crate::dma8237::DmaChannel;
use crate::storage::{SECTOR_BYTES, Storage};
use crate::wire;
use bus::{Device, Io, IrqLine, StateError, Timer};
use command::{Kind, Transfer};
use media::{Drive, DriveState};
use serde::{Deserialize, Serialize};

/// Digital output register.
pub const DOR: u16 = 0x3F2;
/// Tape drive register.
pub const TDR: u16 = 0x3F3;
/// Main status register (read), data rate select (write).
pub const MSR: u16 = 0x3F4;
/// Data.
pub const FIFO: u16 = 0x3F5;
/// Digital input register (read), configuration control (write).
pub const DIR: u16 = 0x3F7;

/// DOR: low holds the controller in reset.
pub const DOR_RESET: u8 = 1 << 2;
/// DOR: interrupts and DMA requests get out.
pub const DOR_DMAGATE: u8 = 1 << 3;
/// MSR: a byte may be moved.
pub const MSR_RQM: u8 = 1 << 7;
/// MSR: towards the processor.
pub const MSR_DIO: u8 = 1 << 6;
/// MSR: execution without DMA.
pub const MSR_NON_DMA: u8 = 1 << 5;
/// MSR: a command is under way.
pub const MSR_BUSY: u8 = 1 << 4;
/// DSR: resets, and clears itself.
pub const DSR_RESET: u8 = 1 << 7;
/// DIR: the diskette was changed.
pub const DIR_CHANGED: u8 = 1 << 7;

/// ST0: ended abnormally.
pub const ST0_ABNORMAL: u8 = 0x40;
/// ST0: invalid command.
pub const ST0_INVALID: u8 = 0x80;
/// ST0: the drive's ready line changed (polling, after a reset).
pub const ST0_POLLED: u8 = 0xC0;
/// ST0: seek end.
pub const ST0_SEEK_END: u8 = 0x20;
/// ST0: not ready.
pub const ST0_NOT_READY: u8 = 0x08;
/// ST0: equipment check: no track 0 after all steps.
pub const ST0_EQUIPMENT: u8 = 0x10;
/// ST1: end of cylinder without terminal count.
pub const ST1_EN: u8 = 0x80;
/// ST1: data error.
pub const ST1_DE: u8 = 0x20;
/// ST1: overrun.
pub const ST1_OR: u8 = 0x10;
/// ST1: no such sector.
pub const ST1_ND: u8 = 0x04;
/// ST1: not writable.
pub const ST1_NW: u8 = 0x02;
/// ST1: no address mark.
pub const ST1_MA: u8 = 0x01;
/// ST2: control mark: the sector has the other address mark.
pub const ST2_CM: u8 = 0x40;
/// CONFIGURE: reads and writes seek by themselves.
pub const CONFIGURE_EIS: u8 = 1 << 6;
/// CONFIGURE: no polling of the drives.
pub const CONFIGURE_POLL: u8 = 1 << 4;
/// Implied seeks off, FIFO off, polling on.
const CONFIGURE_RESET: [u8; 2] = [0x20, 0];
/// ST2: another cylinder's number.
pub const ST2_WC: u8 = 0x10;

const RESET_NS: u64 = 20_000;
const SEEK_NS: u64 = 200_000;
const SECTOR_NS: u64 = 100_000;
/// Without a diskette no index pulse comes; we give up after two turns.
const NO_DISK_NS: u64 = 400_000_000;
const DRIVES: usize = 4;

/// Where a command is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Collecting a command's bytes.
    Command,
    /// At work until the deadline.
    Busy(Work),
    /// Moving bytes by the processor.
    Pio(Transfer),
    /// Giving its results.
    Result,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Reset,
    Seek { drive: u8, cylinder: u8, recalibrates: bool },
    ReadId { drive: u8, head: u8 },
    Transfer(Transfer),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    dor: u8,
    tdr: u8,
    dsr: u8,
    /// The data rate, last set by DSR or CCR.
    rate: u8,
    phase: Phase,
    /// A command's bytes so far.
    command: Vec<u8>,
    results: Vec<u8>,
    /// PIO: the sector's bytes, and how many were moved.
    buffer: Vec<u8>,
    moved: usize,
    /// Drives whose reset must be sensed yet, bit by bit.
    polled: u8,
    /// ST0 of a seek that must be sensed.
    seek_end: Option<u8>,
    specify: [u8; 2],
    configure: [u8; 2],
    lock: bool,
    perpendicular: u8,
    last_eot: u8,
    due_ns: Option<u64>,
    irq: bool,
}

impl State {
    fn new() -> Self {
        Self {
            dor: 0,
            tdr: 0,
            dsr: 0x02,
            rate: 2,
            phase: Phase::Command,
            command: Vec::new(),
            results: Vec::new(),
            buffer: Vec::new(),
            moved: 0,
            polled: 0,
            seek_end: None,
            specify: [0; 2],
            configure: CONFIGURE_RESET,
            lock: false,
            perpendicular: 0,
            last_eot: 0,
            due_ns: None,
            irq: false,
        }
    }

    fn is_non_dma(&self) -> bool {
        self.specify[1] & 1 != 0
    }

    fn msr(&self) -> u8 {
        if self.dor & DOR_RESET == 0 {
            return 0;
        }
        match &self.phase {
            Phase::Command if self.command.is_empty() => MSR_RQM,
            Phase::Command => MSR_RQM | MSR_BUSY,
            Phase::Busy(Work::Reset) => 0,
            Phase::Busy(Work::Seek { drive, .. }) => 1 << (drive & 3),
            Phase::Busy(_) => MSR_BUSY,
            Phase::Pio(t) => {
                let dio = if t.kind == Kind::Read { MSR_DIO } else { 0 };
                MSR_RQM | MSR_NON_DMA | MSR_BUSY | dio
            }
            Phase::Result => MSR_RQM | MSR_DIO | MSR_BUSY,
        }
    }

    fn begin_reset(&mut self, now_ns: u64) {
        self.phase = Phase::Busy(Work::Reset);
        self.command.clear();
        self.results.clear();
        self.buffer.clear();
        self.moved = 0;
        self.seek_end = None;
        self.irq = false;
        self.polled = 0;
        if !self.lock {
            // Implied seeks stay as they are.
            let kept = self.configure[0] & CONFIGURE_EIS;
            self.configure = [CONFIGURE_RESET[0] | kept, CONFIGURE_RESET[1]];
        }
        // Polling is on after any reset (82077AA 7.4).
        self.configure[0] &= !CONFIGURE_POLL;
        self.perpendicular &= 0x3C;
        self.due_ns = Some(now_ns.saturating_add(RESET_NS));
    }

    fn work(&mut self, work: Work, now_ns: u64, takes_ns: u64) {
        self.phase = Phase::Busy(work);
        self.due_ns = Some(now_ns.saturating_add(takes_ns));
    }

    fn give(&mut self, results: &[u8]) {
        self.results = results.to_vec();
        self.phase = Phase::Result;
    }

    /// Ends a transfer: ST0 to ST2 and where it stopped, with an interrupt.
    fn finish(&mut self, t: &Transfer, st0: u8, st1: u8, st2: u8) {
        let st0 = st0 | t.head << 2 | t.drive;
        self.last_eot = t.eot;
        self.give(&[st0, st1, st2, t.c, t.h, t.r, t.n]);
        self.irq = true;
    }

    fn sense_interrupt(&mut self, cylinders: [u8; DRIVES]) {
        self.irq = false;
        if let Some(st0) = self.seek_end.take() {
            self.give(&[st0, cylinders[usize::from(st0 & 3)]]);
        } else if self.polled != 0 {
            let drive = self.polled.trailing_zeros() as u8 & 3;
            self.polled &= self.polled - 1;
            self.give(&[ST0_POLLED | drive, cylinders[usize::from(drive)]]);
        } else {
            self.give(&[ST0_INVALID]);
        }
    }

    fn dump(&self, cylinders: [u8; DRIVES]) -> [u8; 10] {
        let [a, b, c, d] = cylinders;
        let lock = u8::from(self.lock) << 7;
        let [spec, pretrk] = self.configure;
        let [srt, hlt] = self.specify;
        [a, b, c, d, srt, hlt, self.last_eot, lock | self.perpendicular & 0x3F, spec, pretrk]
    }
}

/// The controller and its drives.
pub struct Fdc {
    state: State,
    drives: [Drive; DRIVES],
    dma: DmaChannel,
    irq: IrqLine,
    timer: Timer,
}

impl std::fmt::Debug for Fdc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fdc").field("state", &self.state).finish()
    }
}

impl Fdc {
    /// Its ports (3F6h is the IDE channel's).
    pub const PORTS: &'static [u16] = &[0x3F0, 0x3F1, DOR, TDR, MSR, FIFO, DIR];

    /// A controller with diskettes in drives A and B, that uses `dma` (channel 2) and `irq`
    /// (IRQ 6).
    #[must_use]
    pub fn new(
        media: [Option<Box<dyn Storage>>; 2],
        dma: DmaChannel,
        irq: IrqLine,
        timer: Timer,
    ) -> Self {
        let [a, b] = media;
        let b = if b.is_some() { Drive::new(b) } else { Drive::absent() };
        let drives = [Drive::new(a), b, Drive::absent(), Drive::absent()];
        Self { state: State::new(), drives, dma, irq, timer }
    }

    /// Puts a diskette into a drive, or takes it out.
    pub fn insert(&mut self, drive: usize, medium: Option<Box<dyn Storage>>) {
        if let Some(drive) = self.drives.get_mut(drive) {
            drive.insert(medium);
        }
    }

    /// The format of the diskette in a drive.
    #[must_use]
    pub fn geometry(&self, drive: usize) -> Option<Geometry> {
        self.drives.get(drive)?.geometry()
    }

    fn cylinders(&self) -> [u8; DRIVES] {
        std::array::from_fn(|i| self.drives[i].state.cylinder)
    }

    fn settle(&mut self) {
        let s = &self.state;
        self.irq.set(s.irq && s.dor & DOR_DMAGATE != 0);
        if self.timer.due_ns() != s.due_ns {
            self.timer.set(s.due_ns);
        }
    }

    fn write_dor(&mut self, value: u8, now_ns: u64) {
        let rises = value & !self.state.dor & DOR_RESET != 0;
        self.state.dor = value;
        if value & DOR_RESET == 0 {
            self.state.begin_reset(now_ns);
            self.state.due_ns = None;
        } else if rises {
            self.state.begin_reset(now_ns);
        }
    }

    fn read_fifo(&mut self) -> u8 {
        match self.state.phase.clone() {
            Phase::Result => {
                self.state.irq = false;
                if self.state.results.is_empty() {
                    return 0;
                }
                let byte = self.state.results.remove(0);
                if self.state.results.is_empty() {
                    self.state.phase = Phase::Command;
                }
                byte
            }
            Phase::Pio(t) if t.kind == Kind::Read => {
                let byte = self.state.buffer.get(self.state.moved).copied().unwrap_or(0);
                self.state.moved += 1;
                if self.state.moved >= SECTOR_BYTES {
                    self.next_pio(t);
                }
                byte
            }
            _ => 0,
        }
    }

    fn write_fifo(&mut self, byte: u8, now_ns: u64) {
        match self.state.phase.clone() {
            Phase::Command => {
                self.state.command.push(byte);
                let first = self.state.command.first().copied().unwrap_or(0);
                if self.state.command.len() >= command::length(first) {
                    let bytes = std::mem::take(&mut self.state.command);
                    self.execute(&bytes, now_ns);
                }
            }
            Phase::Pio(t) if t.kind != Kind::Read => {
                self.state.buffer.push(byte);
                let wanted = if t.kind == Kind::Format { 4 } else { SECTOR_BYTES };
                if self.state.buffer.len() >= wanted {
                    self.next_pio(t);
                }
            }
            _ => {}
        }
    }

    fn execute(&mut self, bytes: &[u8], now_ns: u64) {
        let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let drive = byte(1) & 3;
        // The registers that a command sets or gives without the drive's help.
        match byte(0) & 0x1F {
            command::SPECIFY => self.state.specify = [byte(1), byte(2)],
            command::CONFIGURE => self.state.configure = [byte(2) & 0x7F, byte(3)],
            command::PERPENDICULAR => self.state.perpendicular = byte(1) & 0x7F,
            command::SENSE_INTERRUPT => self.state.sense_interrupt(self.cylinders()),
            command::VERSION => self.state.give(&[0x90]),
            command::DUMPREG => {
                let dump = self.state.dump(self.cylinders());
                self.state.give(&dump);
            }
            command::LOCK => {
                self.state.lock = byte(0) & 0x80 != 0;
                self.state.give(&[u8::from(self.state.lock) << 4]);
            }
            command::SENSE_DRIVE => {
                let st3 = self.status_3(byte(1));
                self.state.give(&[st3]);
            }
            command::RECALIBRATE => {
                let work = Work::Seek { drive, cylinder: 0, recalibrates: true };
                self.state.work(work, now_ns, SEEK_NS);
            }
            command::SEEK => {
                let cylinder = self.seek_target(byte(0), drive, byte(2));
                let work = Work::Seek { drive, cylinder, recalibrates: false };
                self.state.work(work, now_ns, SEEK_NS);
            }
            command::READ_ID => {
                let takes_ns = self.time_for(drive);
                let head = byte(1) >> 2 & 1;
                self.state.work(Work::ReadId { drive, head }, now_ns, takes_ns);
            }
            other => self.begin_transfer(other, bytes, now_ns),
        }
    }

    fn begin_transfer(&mut self, command: u8, bytes: &[u8], now_ns: u64) {
        let kind = match command {
            command::READ_DATA | command::READ_DELETED | command::READ_TRACK => Kind::Read,
            command::WRITE_DATA | command::WRITE_DELETED => Kind::Write,
            command::VERIFY => Kind::Verify,
            command::FORMAT_TRACK => Kind::Format,
            _ => {
                self.state.give(&[ST0_INVALID]);
                return;
            }
        };
        let mut t = Transfer::new(kind, bytes);
        if command == command::READ_TRACK {
            t.r = 1;
        }
        if kind == Kind::Format {
            t.c = self.drives[usize::from(t.drive & 3)].state.cylinder;
            t.h = t.head;
        }
        if self.state.configure[0] & CONFIGURE_EIS != 0 && kind != Kind::Format {
            self.drives[usize::from(t.drive & 3)].seek(t.c);
        }
        let takes_ns = self.time_for(t.drive);
        self.state.work(Work::Transfer(t), now_ns, takes_ns);
    }

    fn time_for(&self, drive: u8) -> u64 {
        let has_disk = self.drives[usize::from(drive & 3)].geometry().is_some();
        if has_disk { SECTOR_NS } else { NO_DISK_NS }
    }

    fn status_3(&self, selector: u8) -> u8 {
        let drive = &self.drives[usize::from(selector & 3)];
        let protected = if drive.is_protected() { 0x40 } else { 0 };
        let track_0 = if drive.at_track_0() { 0x10 } else { 0 };
        0x28 | protected | track_0 | selector & 7
    }

    fn seek_target(&self, command: u8, drive: u8, operand: u8) -> u8 {
        let now = self.drives[usize::from(drive)].state.cylinder;
        match command {
            c if c & 0x80 == 0 => operand,
            c if c & 0x40 != 0 => now.saturating_add(operand),
            _ => now.saturating_sub(operand),
        }
    }

    fn complete(&mut self, work: Work, io: &mut Io<'_>) {
        self.state.due_ns = None;
        self.state.phase = Phase::Command;
        match work {
            // The first round of polling finds all drives ready that weren't.
            Work::Reset => {
                self.state.polled = 0x0F;
                self.state.irq = true;
            }
            Work::Seek { drive, cylinder, recalibrates } => {
                let moved = &mut self.drives[usize::from(drive & 3)];
                moved.seek(cylinder);
                let missed = recalibrates && !moved.at_track_0();
                let failed = if missed { ST0_ABNORMAL | ST0_EQUIPMENT } else { 0 };
                self.state.seek_end = Some(failed | ST0_SEEK_END | drive & 3);
                self.state.irq = true;
            }
            Work::ReadId { drive, head } => self.read_id(drive & 3, head, io.now_ns),
            Work::Transfer(t) => self.run(t, io.memory),
        }
    }

    /// The next sector that passes under the head: it turns with virtual time.
    fn read_id(&mut self, drive: u8, head: u8, now_ns: u64) {
        let state = &self.drives[usize::from(drive)].state;
        let c = state.cylinder;
        let geometry = self.drives[usize::from(drive)].geometry();
        let rate = self.state.rate;
        let found = geometry.filter(|g| g.has_rate(rate) && g.lba(c, head, 1).is_some());
        let sectors = found.map_or(1, |g| u64::from(g.sectors.max(1)));
        let r = (now_ns / SECTOR_NS % sectors) as u8 + 1;
        let mut t = Transfer::new(Kind::Verify, &[0, head << 2 | drive, c, head, r, 2, r]);
        t.head = head;
        match (found, geometry) {
            (Some(_), _) => self.state.finish(&t, 0, 0, 0),
            (None, Some(_)) => self.state.finish(&t, ST0_ABNORMAL, ST1_MA, 0),
            (None, None) => self.state.finish(&t, ST0_ABNORMAL | ST0_NOT_READY, ST1_MA, 0),
        }
    }

    fn read_port(&mut self, port: u16) -> u8 {
        match port {
            DOR => self.state.dor,
            TDR => self.state.tdr,
            MSR => self.state.msr(),
            FIFO => self.read_fifo(),
            DIR => {
                let drive = &self.drives[usize::from(self.state.dor & 3)];
                let changed = drive.state.changed || drive.geometry().is_none();
                if changed { DIR_CHANGED } else { 0 }
            }
            _ => 0xFF,
        }
    }

    fn write_port(&mut self, port: u16, value: u8, now_ns: u64) {
        match port {
            DOR => self.write_dor(value, now_ns),
            TDR => self.state.tdr = value & 3,
            MSR => {
                self.state.dsr = value & !DSR_RESET;
                self.state.rate = value & 3;
                if value & DSR_RESET != 0 && self.state.dor & DOR_RESET != 0 {
                    self.state.begin_reset(now_ns);
                }
            }
            FIFO if self.state.dor & DOR_RESET != 0 => self.write_fifo(value, now_ns),
            DIR => self.state.rate = value & 3,
            _ => {}
        }
    }
}

impl Device for Fdc {
    fn name(&self) -> &'static str {
        "fdc"
    }

    fn read(&mut self, at: u64, io: &mut Io<'_>) -> u32 {
        let value = wire::read_bytes(at, io.size, |port| self.read_port(port));
        self.settle();
        value
    }

    fn write(&mut self, at: u64, value: u32, io: &mut Io<'_>) {
        wire::write_bytes(at, io.size, value, |port, byte| self.write_port(port, byte, io.now_ns));
        self.settle();
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        if let Phase::Busy(work) = self.state.phase.clone()
            && self.state.due_ns.is_some_and(|due| due <= io.now_ns)
        {
            self.complete(work, io);
        }
        self.settle();
    }

    fn reset(&mut self) {
        self.state = State::new();
        self.settle();
    }

    fn save(&self) -> Vec<u8> {
        let drives: Vec<(DriveState, Vec<u8>)> = self.drives.iter().map(Drive::save).collect();
        wire::save(&(&self.state, drives))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, drives): (State, Vec<(DriveState, Vec<u8>)>) =
            wire::restore(self.name(), bytes)?;
        wire::require(self.name(), drives.len() == DRIVES, "not its drives")?;
        let is_sane = state.moved <= SECTOR_BYTES && state.buffer.len() <= SECTOR_BYTES;
        wire::require(self.name(), is_sane, "more than a sector")?;
        let before: Vec<Vec<u8>> = self.drives.iter().map(|d| d.save().1).collect();
        for (i, (_, medium)) in drives.iter().enumerate() {
            if !self.drives[i].restore_medium(medium) {
                for (drive, old) in self.drives.iter_mut().zip(&before) {
                    drive.restore_medium(old);
                }
                return wire::require(self.name(), false, "another diskette");
            }
        }
        for (drive, (state, _)) in self.drives.iter_mut().zip(drives) {
            drive.state = state;
        }
        self.state = state;
        self.settle();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
