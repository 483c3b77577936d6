//! Where the second serial port and the printer lead: files, or nowhere.

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::output::Stream;
use machine::Machine;

/// The files behind the ports that no terminal shows.
pub struct Ports {
    serial2: Option<Stream>,
    parallel: Option<Stream>,
}

impl Ports {
    /// Creates the files that were asked for.
    pub fn open(args: &RunArgs) -> Result<Self, Failure> {
        let create =
            |path: &Option<std::path::PathBuf>| path.as_deref().map(Stream::create).transpose();
        Ok(Self { serial2: create(&args.serial2)?, parallel: create(&args.parallel)? })
    }

    /// Writes out what came since the last call.
    pub fn drain(&mut self, machine: &Machine) -> Result<(), Failure> {
        let board = machine.board();
        keep(&mut self.serial2, &board.take_serial2())?;
        keep(&mut self.parallel, &board.take_parallel())
    }
}

fn keep(file: &mut Option<Stream>, bytes: &[u8]) -> Result<(), Failure> {
    match file {
        Some(file) if !bytes.is_empty() => {
            file.write(bytes)?;
            file.flush()
        }
        _ => Ok(()),
    }
}
