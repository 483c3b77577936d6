//! `cloister run`: one guest, from its image to its end.

mod callouts;
mod camera;
mod ending;
mod hearing;
mod pacer;
mod ports;
mod scene;
mod session;
pub mod setup;
pub mod trace;
mod typist;

use crate::args::RunArgs;
use crate::failure::Failure;
use machine::Tuning;
use std::process::ExitCode;

/// Runs a guest as the arguments say, and gives the exit status.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let symbols = setup::symbols(args)?;
    let machine = setup::machine(&args.machine, setup::engine(args)?, Tuning::default())?;
    let mut session = session::Session::new(args, machine, symbols)?;
    let end = session.run();
    let pictures = session.pictures();
    let status = ending::conclude(args, session, end?)?;
    pictures.map(|()| status)
}
