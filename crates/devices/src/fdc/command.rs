//! The floppy controller's commands: their lengths, and the state of a transfer.

use serde::{Deserialize, Serialize};

/// SPECIFY.
pub const SPECIFY: u8 = 0x03;
/// SENSE DRIVE STATUS.
pub const SENSE_DRIVE: u8 = 0x04;
/// WRITE DATA.
pub const WRITE_DATA: u8 = 0x05;
/// READ DATA.
pub const READ_DATA: u8 = 0x06;
/// RECALIBRATE.
pub const RECALIBRATE: u8 = 0x07;
/// SENSE INTERRUPT STATUS.
pub const SENSE_INTERRUPT: u8 = 0x08;
/// WRITE DELETED DATA.
pub const WRITE_DELETED: u8 = 0x09;
/// READ ID.
pub const READ_ID: u8 = 0x0A;
/// READ DELETED DATA.
pub const READ_DELETED: u8 = 0x0C;
/// FORMAT TRACK.
pub const FORMAT_TRACK: u8 = 0x0D;
/// DUMPREG.
pub const DUMPREG: u8 = 0x0E;
/// SEEK, and RELATIVE SEEK with bit 7.
pub const SEEK: u8 = 0x0F;
/// VERSION.
pub const VERSION: u8 = 0x10;
/// PERPENDICULAR MODE.
pub const PERPENDICULAR: u8 = 0x12;
/// CONFIGURE.
pub const CONFIGURE: u8 = 0x13;
/// LOCK and UNLOCK.
pub const LOCK: u8 = 0x14;
/// VERIFY.
pub const VERIFY: u8 = 0x16;
/// READ TRACK.
pub const READ_TRACK: u8 = 0x02;

/// Command byte: both heads.
pub const MT: u8 = 1 << 7;
/// Command byte: sectors with the other address mark are skipped.
pub const SK: u8 = 1 << 5;

/// Bytes of a command, its first included; 1 for what isn't one.
pub(super) fn length(command: u8) -> usize {
    match command & 0x1F {
        READ_TRACK | WRITE_DATA | READ_DATA | WRITE_DELETED | READ_DELETED | VERIFY => 9,
        FORMAT_TRACK => 6,
        CONFIGURE => 4,
        SPECIFY | SEEK => 3,
        SENSE_DRIVE | RECALIBRATE | READ_ID | PERPENDICULAR => 2,
        _ => 1,
    }
}

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Read,
    Write,
    Verify,
    Format,
}

/// A transfer under way: the command's parameters, counted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub(super) kind: Kind,
    pub(super) drive: u8,
    pub(super) head: u8,
    pub(super) c: u8,
    pub(super) h: u8,
    pub(super) r: u8,
    pub(super) n: u8,
    pub(super) eot: u8,
    pub(super) multi_track: bool,
    /// READ DELETED DATA: no sector here has that address mark.
    pub(super) deleted: bool,
    /// What has another address mark isn't read.
    pub(super) skips: bool,
    /// FORMAT and VERIFY: sectors left.
    pub(super) left: u8,
    /// FORMAT: the filler.
    pub(super) filler: u8,
}

impl Transfer {
    /// From the nine bytes of a read, write or verify, or the six of a format.
    pub(super) fn new(kind: Kind, bytes: &[u8]) -> Self {
        let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let (drive, head) = (byte(1) & 3, byte(1) >> 2 & 1);
        if kind == Kind::Format {
            return Self {
                kind,
                drive,
                head,
                c: 0,
                h: 0,
                r: 0,
                n: byte(2),
                eot: 0,
                multi_track: false,
                deleted: false,
                skips: false,
                left: byte(3),
                filler: byte(5),
            };
        }
        let counts = kind == Kind::Verify && byte(1) & 0x80 != 0;
        let to_eot = byte(6).saturating_sub(byte(4)).saturating_add(1);
        Self {
            kind,
            drive,
            head,
            c: byte(2),
            h: byte(3),
            r: byte(4),
            n: byte(5),
            eot: byte(6),
            multi_track: byte(0) & MT != 0,
            deleted: byte(0) & 0x1F == READ_DELETED,
            skips: byte(0) & SK != 0,
            left: if counts { byte(8) } else { to_eot },
            filler: 0,
        }
    }

    /// On to the next sector. False at the end of the cylinder.
    pub(super) fn advance(&mut self) -> bool {
        if self.r != self.eot {
            self.r = self.r.wrapping_add(1);
            return true;
        }
        self.r = 1;
        if self.multi_track {
            self.h ^= 1;
            self.head ^= 1;
            if self.head == 1 {
                return true;
            }
        }
        self.c = self.c.wrapping_add(1);
        false
    }
}
