//! Why a machine can't be built. A host or user error, one line each, with the cure.

use crate::boot::ImageError;
use bus::BusError;
use mem::{ArenaError, MapError};

/// A machine that can't be built.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The boot image is wrong.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A size of memory that the board can't have.
    #[error(
        "{asked} bytes of memory: the board takes {least} to {most}, in steps of {step}; \
         give e.g. --memory 32M"
    )]
    MemorySize {
        /// What was asked for.
        asked: u64,
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
        /// The unit.
        step: u64,
    },
    /// More memory than the host has.
    #[error("{asked} bytes of memory are more than the host can give ({host}); give less --memory")]
    HostMemory {
        /// What was asked for.
        asked: u64,
        /// What the host has.
        host: u64,
    },
    /// The host can't have the translator.
    #[error("{0}; use the interpreter (--engine interp)")]
    Jit(#[from] jit::JitError),
    /// The host refused the memory.
    #[error(transparent)]
    Arena(#[from] ArenaError),
    /// A BIOS image of a wrong size.
    #[error(
        "the BIOS image has {len} bytes; a ROM is a multiple of 64 KiB, 256 KiB at most: pad it \
         at the front, its last 16 bytes are where the processor starts"
    )]
    BiosSize {
        /// Its length in bytes.
        len: u64,
    },
    /// The BIOS wasn't built.
    #[error("the built-in BIOS is missing from this build; give one with --bios")]
    NoBios,
    /// A diskette of a size that no drive reads.
    #[error(
        "the diskette image has {len} bytes; a diskette holds at most {most}: use it as a disk"
    )]
    FloppySize {
        /// Its length in bytes.
        len: u64,
        /// The largest.
        most: u64,
    },
    /// Too many of something.
    #[error("{asked} {what} given; the board takes {most}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many were given.
        asked: usize,
        /// How many fit.
        most: usize,
    },
    /// Two devices at one place: the board is wired wrongly.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Two regions at one place: the board is wired wrongly.
    #[error(transparent)]
    Map(#[from] MapError),
}
