//! The host as a contender, the yardstick: the workload's own code as a 32-bit process. It prints
//! the same two lines as a guest, and is timed by them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use roms::bench::Workload;

use super::child;
use super::contender::{Contender, Failure, Role, Sample};

const NAME: &str = "native";

/// The host without an emulator.
pub struct Native;

impl Native {
    /// The host, if its kernel runs 32-bit processes; or why it doesn't.
    pub fn find() -> Result<Self, Failure> {
        let all = roms::bench::all();
        let workload = all.iter().find(|workload| Self.can_run(workload));
        workload.map_or(Ok(Self), |workload| Self.run(workload, 1).map(|_| Self))
    }
}

impl Contender for Native {
    fn name(&self) -> &str {
        NAME
    }

    fn role(&self) -> Role {
        Role::Native
    }

    fn can_run(&self, workload: &Workload) -> bool {
        workload.native_with(1).is_some()
    }

    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure> {
        let host = |source| Failure::Host { who: NAME.to_owned(), source };
        let none = || host(io::ErrorKind::Unsupported.into());
        let image = workload.native_with(rounds).ok_or_else(none)?;
        let dir = tempfile::tempdir().map_err(host)?;
        let program = dir.path().join(workload.name);
        std::fs::write(&program, image).map_err(host)?;
        let runnable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, runnable).map_err(host)?;
        child::time_region(NAME, workload, &mut Command::new(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_that_a_process_can_do_gives_its_checksum_there() {
        let native = match Native::find() {
            Ok(native) => native,
            Err(why) => return println!("SKIPPED: no 32-bit processes here: {why}"),
        };
        for workload in roms::bench::all().iter().filter(|w| native.can_run(w)) {
            assert!(native.run(workload, 2).unwrap().seconds > 0.0);
        }
    }
}
