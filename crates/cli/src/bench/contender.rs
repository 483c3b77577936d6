//! What can run a workload: an engine of ours, or another emulator.

use roms::bench::Workload;

/// One run of one workload.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Host seconds that the measured region took.
    pub seconds: f64,
    /// Steps in the measured region, where they can be counted.
    pub steps: Option<u64>,
}

/// Why a run gave no sample.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The guest stopped, or time ran out, before the right last line.
    #[error("{who} did not finish {workload}: its last words were \"{words}\"")]
    Unfinished {
        /// The contender.
        who: String,
        /// The workload.
        workload: &'static str,
        /// The guest's last line.
        words: String,
    },
    /// The machine can't be built.
    #[error("the machine can't be built: {source}")]
    Machine {
        /// Why not.
        source: machine::MachineError,
    },
    /// The host refused something that a run needs.
    #[error("{who} cannot run: {source}")]
    Host {
        /// The contender.
        who: String,
        /// What the host said.
        source: std::io::Error,
    },
}

/// An engine or an emulator.
pub trait Contender {
    /// Its name, for a column's head.
    fn name(&self) -> &str;

    /// Runs `workload` for `rounds` rounds and times the measured region.
    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure>;
}
