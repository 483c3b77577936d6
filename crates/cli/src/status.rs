//! Exit statuses. Ours are even and below 64, so that isa-debug-exit, which gives odd ones, can
//! never be mistaken for them.

use std::process::ExitCode;

/// Why `cloister` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The guest powered off, the expectation was met, or a person left.
    Success = 0,
    /// The command line is wrong.
    Usage = 2,
    /// The image can't be booted.
    BadImage = 4,
    /// A limit was reached: `--timeout`, `--max-time`, `--max-insns`.
    Limit = 6,
    /// The guest or a limit ended the run before `--expect` was met.
    NotMet = 8,
    /// A triple fault shut the processor down.
    Shutdown = 10,
    /// The guest hangs for ever.
    Hang = 12,
    /// A 64-bit guest.
    LongMode = 14,
    /// The host failed: a full disk, too little memory.
    Host = 16,
    /// Ctrl-C.
    Interrupted = 18,
    /// The two engines of `--engine lockstep` disagree: a bug of ours.
    Disagreement = 20,
}

impl Status {
    /// What the shell sees.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// The table of `--help`.
pub const HELP: &str = "\
Exit status:
   0  the guest powered off, --expect was met, or you left with Ctrl-] q
   2  the command line is wrong
   4  the image can't be booted
   6  a limit was reached (--timeout, --max-time, --max-insns)
   8  the guest or a limit ended the run before --expect was met
  10  shutdown: a triple fault
  12  the guest hangs for ever
  14  a 64-bit guest, which Cloister doesn't run yet
  16  the host failed: a full disk, too little memory
  18  interrupted by Ctrl-C, SIGTERM or SIGHUP
  20  the engines of --engine lockstep disagree
 odd  the guest wrote V to isa-debug-exit (port F4h): (V << 1) | 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_even_below_64_and_in_the_help() {
        use Status::*;
        let all = [
            Success,
            Usage,
            BadImage,
            Limit,
            NotMet,
            Shutdown,
            Hang,
            LongMode,
            Host,
            Interrupted,
            Disagreement,
        ];
        for status in all {
            let number = status as u8;
            assert!(number.is_multiple_of(2) && number < 64, "{status:?}");
            assert!(HELP.contains(&format!("\n{number:>4}  ")), "{status:?}");
        }
    }
}
