//! The engine of a machine, whichever it is.

use crate::error::MachineError;
use bus::System;
use interp::{Cpu, Dispatch, Exit, Interp};
use jit::{Jit, Statistics, Tuning};

/// A way of running instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Interpreted, in blocks.
    Blocks,
    /// Interpreted, one at a time.
    Single,
    /// Translated.
    Translated,
}

impl Way {
    /// For the head of a column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocks => "interpreted",
            Self::Single => "one at a time",
            Self::Translated => "translated",
        }
    }
}

/// An engine. It holds host caches only.
#[derive(Debug)]
pub(crate) enum Runner {
    Interp(Box<Interp>),
    Jit(Box<Jit>),
}

impl Runner {
    pub fn new(way: Way, translator: Tuning) -> Result<Self, MachineError> {
        Ok(match way {
            Way::Blocks => Self::Interp(Box::new(Interp::new(Dispatch::Blocks))),
            Way::Single => Self::Interp(Box::new(Interp::new(Dispatch::Single))),
            Way::Translated => Self::Jit(Box::new(Jit::tuned(translator)?)),
        })
    }

    /// Runs until `budget` steps are done or something else ends it.
    pub fn run(&mut self, cpu: &mut Cpu, sys: &mut System, budget: u64) -> Exit {
        match self {
            Self::Interp(engine) => engine.run(cpu, sys, budget),
            Self::Jit(engine) => engine.run(cpu, sys, budget),
        }
    }

    /// The blocks that the translator holds; none where there is no translator.
    pub fn survey(&self, cpu: &Cpu, sys: &System) -> Vec<jit::survey::Translated> {
        match self {
            Self::Interp(_) => Vec::new(),
            Self::Jit(engine) => engine.survey(cpu, sys),
        }
    }

    /// What the translator has done so far, where there is one.
    pub fn statistics(&mut self) -> Option<Statistics> {
        match self {
            Self::Interp(_) => None,
            Self::Jit(engine) => Some(engine.statistics()),
        }
    }

    /// Drops what was made from guest code.
    pub fn flush(&mut self) {
        match self {
            Self::Interp(engine) => engine.flush(),
            Self::Jit(engine) => engine.flush(),
        }
    }
}
