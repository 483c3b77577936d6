//! Our engines as contenders: a whole machine boots the image from its diskette drive, on the
//! virtual clock. Nothing is recorded meanwhile, as in a run without a trace.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use machine::{Engine, Links, Machine, MachineConfig, StopReason, Until, WindowUse};
use roms::bench::Workload;
use x86::event::Wanted;

use super::console::{Console, Stage};
use super::contender::{Contender, Failure, Role, Sample};
use super::insight::{self, Insight, Look};

/// Steps between two looks at the console before the region begins: a few milliseconds at most, by
/// which its start may be late.
const LOOK_STEPS: u64 = 200_000;
/// And within it. Its end is never late: the guest switches the machine off.
const REGION_STEPS: u64 = 100_000_000;
/// A workload that takes longer isn't going to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// The engines that are timed. Lockstep isn't: it runs two.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![Box::new(TRANSLATOR), Box::new(INTERPRETER)]
}

/// The engines, and the translator with one means after the other taken away.
pub fn tiers() -> Vec<Box<dyn Contender>> {
    let mut tiers = all();
    tiers.extend(TIERS.map(|tier| Box::new(tier) as Box<dyn Contender>));
    tiers
}

/// An engine, and its name for a column's head.
#[derive(Clone, Copy)]
struct Ours {
    name: &'static str,
    engine: Engine,
    links: Links,
    windows: WindowUse,
}

/// The translator with all it has.
const TRANSLATOR: Ours =
    Ours { name: "jit", engine: Engine::Jit, links: Links::All, windows: WindowUse::AtRest };
/// The interpreter, in blocks.
const INTERPRETER: Ours = Ours { name: "interp", engine: Engine::Interp, ..TRANSLATOR };
/// What the translator is made of, from little to all but when windows open.
const TIERS: [Ours; 4] = [
    Ours { name: "unchained", links: Links::Never, windows: WindowUse::Never, ..TRANSLATOR },
    Ours { name: "chained", links: Links::Direct, windows: WindowUse::Never, ..TRANSLATOR },
    Ours { name: "tlb", windows: WindowUse::Never, ..TRANSLATOR },
    Ours { name: "windows", windows: WindowUse::AtOnce, ..TRANSLATOR },
];

impl Contender for Ours {
    fn name(&self) -> &str {
        self.name
    }

    fn role(&self) -> Role {
        if self.engine == Engine::Interp { Role::Interpreter } else { Role::Translator }
    }

    fn run(&self, workload: &Workload, rounds: u32) -> Result<Sample, Failure> {
        let mut machine = self.boot(workload, rounds, None)?;
        time_region(self.name, workload, &mut machine, |_| ())
    }

    fn examine(
        &self,
        workload: &Workload,
        rounds: u32,
    ) -> Result<(Sample, Option<Insight>), Failure> {
        let mut machine = self.boot(workload, rounds, Some(clock_ns))?;
        let mut start = None;
        let sample = time_region(self.name, workload, &mut machine, |machine| {
            start = Some(Look::at(machine));
        })?;
        let end = Look::at(&mut machine);
        let bytes = insight::bytes_above_ram(&machine).ok();
        Ok((sample, start.map(|start| Insight::between(&start, &end, bytes))))
    }
}

impl Ours {
    /// A machine with the image in its drive, just switched on.
    fn boot(
        self,
        workload: &Workload,
        rounds: u32,
        clock: Option<fn() -> u64>,
    ) -> Result<Machine, Failure> {
        let mut config = MachineConfig { wanted: Wanted::empty(), ..MachineConfig::default() };
        config.engine = self.engine;
        config.translator.links = self.links;
        config.translator.windows = self.windows;
        config.translator.clock = clock;
        config.add_image(Arc::from(workload.image_with(rounds)))?;
        Ok(Machine::new(config)?)
    }
}

/// The host's clock, for what translating costs.
fn clock_ns() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// Times the region of `workload`, of which `begins` hears when it has begun.
fn time_region(
    who: &str,
    workload: &Workload,
    machine: &mut Machine,
    mut begins: impl FnMut(&mut Machine),
) -> Result<Sample, Failure> {
    let mut console = Console::new(workload);
    let deadline = Instant::now() + PATIENCE;
    let mut start = None;
    loop {
        let steps = if start.is_some() { REGION_STEPS } else { LOOK_STEPS };
        let stop = machine.advance(Until::step(machine.steps() + steps));
        let now = (Instant::now(), machine.steps());
        match (console.feed(&machine.board().take_console()), start) {
            (Stage::Before, _) | (Stage::Running, Some(_)) => {}
            (Stage::Running, None) => {
                begins(machine);
                start = Some((Instant::now(), now.1));
            }
            (Stage::Done, start) => {
                let (begun, first_step) = start.unwrap_or(now);
                let seconds = (now.0 - begun).max(super::RESOLUTION).as_secs_f64();
                return Ok(Sample { seconds, steps: Some(now.1 - first_step) });
            }
        }
        if stop != StopReason::Until || now.0 > deadline {
            let words = format!("{} ({stop:?})", console.last_line());
            let who = who.to_owned();
            return Err(Failure::Unfinished { who, workload: workload.name, words });
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

    #[test]
    fn an_examined_translator_says_what_ran_as_emitted_code_and_the_interpreter_does_not() {
        let workload = &roms::bench::all()[0];
        let insight = |engine: Ours| engine.examine(workload, 20).unwrap().1.unwrap();
        let translator = insight(TRANSLATOR).translator.unwrap();
        assert!((0.5..=1.0).contains(&translator.emitted_share), "{translator:?}");
        assert!(translator.ns_per_insn > 0.0 && translator.blocks > 0, "{translator:?}");
        assert!(insight(INTERPRETER).translator.is_none());
    }
}
