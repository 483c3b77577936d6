//! What can run a workload: an engine of ours, the host itself, or another emulator.

use super::insight::Insight;
use roms::bench::Workload;
use serde::Serialize;

/// One run of one workload.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Host seconds that the measured region took.
    pub seconds: f64,
    /// Steps in the measured region, where they can be counted.
    pub steps: Option<u64>,
}

impl Sample {
    /// What one of `n` equal parts of it took.
    pub fn part(self, n: u32) -> Self {
        let steps = self.steps.map(|steps| steps / u64::from(n));
        Self { seconds: self.seconds / f64::from(n), steps }
    }
}

/// What a contender is, and so with whom it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A translator of ours.
    Translator,
    /// Our interpreter.
    Interpreter,
    /// The host without an emulator.
    Native,
    /// Another emulator.
    Peer,
}

impl Role {
    /// One of our engines.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Translator | Self::Interpreter)
    }
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
    #[error("the machine can't be built: {0}")]
    Machine(#[from] machine::MachineError),
    /// The host refused something that a run needs.
    #[error("{who} cannot run: {source}")]
    Host {
        /// The contender.
        who: String,
        /// What the host said.
        source: std::io::Error,
    },
}

/// An engine, an emulator, or the host.
pub trait Contender {
    /// Its name, for a column's head.
    fn name(&self) -> &str;

    /// What it is.
    fn role(&self) -> Role;

    /// False where it can't run `workload` at all.
    fn can_run(&self, _workload: &Workload) -> bool {
        true
    }

    /// A run that warms up, and that may look into the machine: its time isn't for the table.
    fn examine(
        &self,
        workload: &Workload,
        rounds: u32,
    ) -> Result<(Sample, Option<Insight>), Failure> {
        self.run(workload, rounds).map(|sample| (sample, None))
    }

    /// Runs `workload` for `rounds` rounds and times the measured region.
    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure>;
}
