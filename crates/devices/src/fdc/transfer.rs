//! The floppy controller's data: sectors between the diskettes and the guest, by DMA or byte
//! by byte.

use super::command::{Kind, Transfer};
use super::{Fdc, Phase};
use super::{
    ST0_ABNORMAL, ST0_NOT_READY, ST1_DE, ST1_EN, ST1_MA, ST1_ND, ST1_NW, ST1_OR, ST2_CM, ST2_WC,
};
use crate::dma8237::Moved;
use crate::storage::{SECTOR_BYTES, Sector, StorageError};
use mem::Memory;

/// Why a transfer stops: ST0, ST1, ST2.
type Stop = (u8, u8, u8);

impl Fdc {
    /// The medium's sector that a transfer is at, or why there is none.
    fn find(&self, t: &Transfer) -> Result<u64, Stop> {
        let drive = &self.drives[usize::from(t.drive & 3)];
        let Some(geometry) = drive.geometry() else {
            return Err((ST0_ABNORMAL | ST0_NOT_READY, ST1_MA, 0));
        };
        if matches!(t.kind, Kind::Write | Kind::Format) && drive.is_protected() {
            return Err((ST0_ABNORMAL, ST1_NW, 0));
        }
        if !geometry.has_rate(self.state.rate) {
            return Err((ST0_ABNORMAL, ST1_MA, 0));
        }
        if t.c != drive.state.cylinder {
            return Err((ST0_ABNORMAL, ST1_ND, ST2_WC));
        }
        // All sectors have the normal mark; those are skipped when the other is asked for.
        let skipped = t.deleted && t.skips;
        let lba = geometry.lba(t.c, t.head, t.r);
        let lba = lba.filter(|_| t.n == 2 && t.h == t.head && !skipped);
        lba.ok_or((ST0_ABNORMAL, ST1_ND, 0))
    }

    fn host_failed(_: StorageError) -> Stop {
        (ST0_ABNORMAL, ST1_DE, 0)
    }

    fn read_sector(&mut self, t: &Transfer, out: &mut Sector) -> Result<(), Stop> {
        let lba = self.find(t)?;
        self.drives[usize::from(t.drive & 3)].read(lba, out).map_err(Self::host_failed)
    }

    fn write_sector(&mut self, t: &Transfer, data: &Sector) -> Result<(), Stop> {
        let lba = self.find(t)?;
        self.drives[usize::from(t.drive & 3)].write(lba, data).map_err(Self::host_failed)
    }

    /// Runs a transfer, or begins it where the processor moves the bytes.
    pub(super) fn run(&mut self, mut t: Transfer, memory: &mut Memory) {
        let outcome = if t.kind == Kind::Verify {
            self.verify(&mut t)
        } else if self.state.is_non_dma() {
            match self.begin_pio(&t) {
                Ok(()) => {
                    self.state.phase = Phase::Pio(t);
                    return;
                }
                Err(stop) => Err(stop),
            }
        } else if t.kind == Kind::Format {
            self.format_by_dma(&mut t, memory)
        } else {
            self.move_by_dma(&mut t, memory)
        };
        self.end(&t, outcome);
    }

    /// Ends a transfer. A diskette has no cache: what is acknowledged is on the host's disk.
    fn end(&mut self, t: &Transfer, outcome: Result<(), Stop>) {
        let flushed = match t.kind {
            Kind::Write | Kind::Format => {
                self.drives[usize::from(t.drive & 3)].flush().map_err(Self::host_failed)
            }
            _ => Ok(()),
        };
        let (st0, st1, st2) = outcome.and(flushed).err().unwrap_or((0, 0, 0));
        self.state.finish(t, st0, st1, st2);
    }

    fn verify(&mut self, t: &mut Transfer) -> Result<(), Stop> {
        let mut sector = [0; SECTOR_BYTES];
        for _ in 0..t.left {
            self.read_sector(t, &mut sector)?;
            t.advance();
        }
        Ok(())
    }

    fn move_by_dma(&mut self, t: &mut Transfer, memory: &mut Memory) -> Result<(), Stop> {
        loop {
            let mut sector = [0; SECTOR_BYTES];
            let is_last = if t.kind == Kind::Read {
                self.read_sector(t, &mut sector)?;
                let is_last = self.sector_to_memory(&sector, memory)?;
                if t.deleted {
                    t.advance();
                    return Err((0, 0, ST2_CM));
                }
                is_last
            } else {
                self.find(t)?;
                let is_last = self.sector_from_memory(&mut sector, memory)?;
                self.write_sector(t, &sector)?;
                is_last
            };
            let goes_on = t.advance();
            if is_last {
                return Ok(());
            }
            if !goes_on {
                return Err((ST0_ABNORMAL, ST1_EN, 0));
            }
        }
    }

    /// True at terminal count; the rest of the sector is then read and dropped.
    fn sector_to_memory(&self, sector: &Sector, memory: &mut Memory) -> Result<bool, Stop> {
        for byte in sector {
            match self.dma.to_memory(*byte, memory) {
                Moved::More => {}
                Moved::Last => return Ok(true),
                Moved::Refused => return Err((ST0_ABNORMAL, ST1_OR, 0)),
            }
        }
        Ok(false)
    }

    /// True at terminal count; the rest of the sector is then zeroes.
    fn sector_from_memory(&self, sector: &mut Sector, memory: &Memory) -> Result<bool, Stop> {
        for byte in sector {
            let (moved, value) = self.dma.from_memory(memory);
            *byte = value;
            match moved {
                Moved::More => {}
                Moved::Last => return Ok(true),
                Moved::Refused => return Err((ST0_ABNORMAL, ST1_OR, 0)),
            }
        }
        Ok(false)
    }

    fn format_by_dma(&mut self, t: &mut Transfer, memory: &Memory) -> Result<(), Stop> {
        while t.left > 0 {
            let mut id = [0; 4];
            for byte in &mut id {
                let (moved, value) = self.dma.from_memory(memory);
                if moved == Moved::Refused {
                    return Err((ST0_ABNORMAL, ST1_OR, 0));
                }
                *byte = value;
            }
            self.format_sector(t, id)?;
        }
        Ok(())
    }

    fn format_sector(&mut self, t: &mut Transfer, id: [u8; 4]) -> Result<(), Stop> {
        [t.c, t.h, t.r, t.n] = id;
        t.left = t.left.saturating_sub(1);
        self.write_sector(t, &[t.filler; SECTOR_BYTES])
    }

    fn begin_pio(&mut self, t: &Transfer) -> Result<(), Stop> {
        let mut sector = [0; SECTOR_BYTES];
        self.state.moved = 0;
        self.state.buffer.clear();
        match t.kind {
            Kind::Read => {
                self.read_sector(t, &mut sector)?;
                self.state.buffer.extend(sector);
            }
            // Of a format the sectors' numbers come later.
            Kind::Format if self.drives[usize::from(t.drive & 3)].is_protected() => {
                return Err((ST0_ABNORMAL, ST1_NW, 0));
            }
            Kind::Format => {}
            _ => {
                self.find(t)?;
            }
        }
        self.state.irq = true;
        Ok(())
    }

    /// A sector's bytes (or a format's four) have been moved: on to the next.
    pub(super) fn next_pio(&mut self, mut t: Transfer) {
        let buffer = std::mem::take(&mut self.state.buffer);
        let outcome = self.finish_pio_sector(&mut t, &buffer);
        self.state.moved = 0;
        match outcome {
            Ok(true) => match self.begin_pio(&t) {
                Ok(()) => self.state.phase = Phase::Pio(t),
                Err(stop) => self.end(&t, Err(stop)),
            },
            Ok(false) => self.end(&t, Ok(())),
            Err(stop) => self.end(&t, Err(stop)),
        }
    }

    /// True if more is to come. Nobody gives a terminal count: a read or write ends with EOT.
    fn finish_pio_sector(&mut self, t: &mut Transfer, buffer: &[u8]) -> Result<bool, Stop> {
        if t.kind == Kind::Format {
            let id = <[u8; 4]>::try_from(buffer).unwrap_or([0; 4]);
            self.format_sector(t, id)?;
            return Ok(t.left > 0);
        }
        if t.kind == Kind::Write {
            let sector = Sector::try_from(buffer).unwrap_or([0; SECTOR_BYTES]);
            self.write_sector(t, &sector)?;
        }
        let goes_on = t.advance();
        if t.deleted {
            return Err((0, 0, ST2_CM));
        }
        if goes_on { Ok(true) } else { Err((ST0_ABNORMAL, ST1_EN, 0)) }
    }
}
