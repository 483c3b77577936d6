//! The engine of a machine, whichever it is.

use crate::error::MachineError;
use bus::System;
use interp::{Cpu, Dispatch, Exit, Interp};
use jit::{Jit, JitError, Statistics, Tuning};

/// A way of running instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Interpreted, in blocks.
    Blocks,
    /// Interpreted, one at a time.
    Single,
    /// Translated.
    Translated,
    /// Translated where the host can, else interpreted in blocks.
    Best,
}

impl Way {
    /// For the head of a column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocks => "interpreted",
            Self::Single => "one at a time",
            Self::Translated | Self::Best => "translated",
        }
    }
}

/// An engine. It holds host caches only.
#[derive(Debug)]
pub(crate) enum Runner {
    Interp(Box<Interp>),
    /// The interpreter in the translator's place, and what the host lacks.
    Instead(Box<Interp>, JitError),
    Jit(Box<Jit>),
}

impl Runner {
    pub fn new(way: Way, translator: Tuning) -> Result<Self, MachineError> {
        let interp = |dispatch| Box::new(Interp::new(dispatch));
        Ok(match way {
            Way::Blocks => Self::Interp(interp(Dispatch::Blocks)),
            Way::Single => Self::Interp(interp(Dispatch::Single)),
            Way::Translated => Self::Jit(Box::new(Jit::tuned(translator)?)),
            Way::Best => Jit::tuned(translator).map_or_else(
                |why| Self::Instead(interp(Dispatch::Blocks), why),
                |jit| Self::Jit(Box::new(jit)),
            ),
        })
    }

    /// Why the interpreter runs in the translator's place, if it does.
    pub fn untranslated(&self) -> Option<&JitError> {
        match self {
            Self::Instead(_, why) => Some(why),
            Self::Interp(_) | Self::Jit(_) => None,
        }
    }

    /// Runs until `budget` steps are done or something else ends it.
    pub fn run(&mut self, cpu: &mut Cpu, sys: &mut System, budget: u64) -> Exit {
        match self {
            Self::Interp(engine) | Self::Instead(engine, _) => engine.run(cpu, sys, budget),
            Self::Jit(engine) => engine.run(cpu, sys, budget),
        }
    }

    /// The blocks that the translator holds; none where there is no translator.
    pub fn survey(&self, cpu: &Cpu, sys: &System) -> Vec<jit::survey::Translated> {
        match self {
            Self::Interp(_) | Self::Instead(..) => Vec::new(),
            Self::Jit(engine) => engine.survey(cpu, sys),
        }
    }

    /// What a search of all emitted code finds.
    pub fn sweep(&self) -> jit::survey::Sweep {
        match self {
            Self::Interp(_) | Self::Instead(..) => jit::survey::Sweep::default(),
            Self::Jit(engine) => engine.sweep(),
        }
    }

    /// What the translator has done so far, where there is one.
    pub fn statistics(&mut self) -> Option<Statistics> {
        match self {
            Self::Interp(_) | Self::Instead(..) => None,
            Self::Jit(engine) => Some(engine.statistics()),
        }
    }

    /// Makes blocks of at most so many instructions from now on; returns how many it were.
    pub fn set_block_insns(&mut self, most: usize) -> usize {
        match self {
            Self::Interp(_) | Self::Instead(..) => most,
            Self::Jit(engine) => engine.set_block_insns(most),
        }
    }

    /// Drops what was made from guest code.
    pub fn flush(&mut self) {
        match self {
            Self::Interp(engine) | Self::Instead(engine, _) => engine.flush(),
            Self::Jit(engine) => engine.flush(),
        }
    }
}
