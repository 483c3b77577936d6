//! Our engines as contenders: a whole machine boots the image from its diskette drive, on the
//! virtual clock. Nothing is recorded meanwhile, as in a run without a trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use machine::{Engine, Machine, MachineConfig, MachineError, StopReason, Until};
use roms::bench::Workload;
use x86::event::Wanted;

use super::console::{Console, Stage};
use super::contender::{Contender, Failure, Sample};

/// Steps between two looks at the console: a fraction of a millisecond, by which either end of
/// the region may be late.
const LOOK_STEPS: u64 = 50_000;
/// A workload that takes longer isn't going to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Every engine that is timed. Lockstep isn't: it runs two.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![Box::new(TRANSLATOR), Box::new(INTERPRETER)]
}

/// An engine, and its name for a column's head.
struct Ours {
    name: &'static str,
    engine: Engine,
}

/// The interpreter, in blocks.
const INTERPRETER: Ours = Ours { name: "interp", engine: Engine::Interp };
/// The translator.
const TRANSLATOR: Ours = Ours { name: "jit", engine: Engine::Jit };

impl Contender for Ours {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure> {
        let built = boot(workload, rounds, self.engine);
        let mut machine = built.map_err(|source| Failure::Machine { source })?;
        time_region(self.name(), workload, &mut machine)
    }
}

/// A machine with the image in its drive, just switched on.
fn boot(workload: &Workload, rounds: u32, engine: Engine) -> Result<Machine, MachineError> {
    let mut config = MachineConfig { wanted: Wanted::empty(), engine, ..MachineConfig::default() };
    config.add_image(Arc::from(workload.image_with(rounds)))?;
    Machine::new(config)
}

fn time_region(who: &str, workload: &Workload, machine: &mut Machine) -> Result<Sample, Failure> {
    let mut console = Console::new(workload);
    let deadline = Instant::now() + PATIENCE;
    let mut start = None;
    loop {
        let stop = machine.advance(Until::step(machine.steps() + LOOK_STEPS));
        let now = (Instant::now(), machine.steps());
        match console.feed(&machine.board().take_console()) {
            Stage::Before => {}
            Stage::Running => start = start.or(Some(now)),
            Stage::Done => {
                let (begun, first_step) = start.unwrap_or(now);
                let seconds = (now.0 - begun).max(super::RESOLUTION).as_secs_f64();
                return Ok(Sample { seconds, steps: Some(now.1 - first_step) });
            }
        }
        if stop != StopReason::Until || now.0 > deadline {
            let words = format!("{} ({stop:?})", console.last_line());
            return Err(Failure::Unfinished {
                who: who.to_owned(),
                workload: workload.name,
                words,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_of_a_few_rounds_is_timed_and_its_steps_counted_the_same_each_time() {
        let workload = &roms::bench::all()[0];
        let steps = |engine: Ours| engine.run(workload, 2).unwrap().steps.unwrap();
        let [first, second, third] = [INTERPRETER, INTERPRETER, TRANSLATOR].map(steps);
        assert_eq!((first, first), (second, third));
        assert!(first > 1_000_000, "{first}");
    }
}
