//! Evidence from silicon (development only): one-instruction tests are generated from a seed, run
//! on the host's own processor in 16- and 32-bit segments, and compared with the interpreter.
//!
//! The way of a test: [`forms`] lists every integer form, [`generate`] makes a [`Case`] of one,
//! an [`Engine`] turns it into an [`Outcome`]; [`native::Native`] is the engine that is a real
//! processor. [`compare`] knows what the manual leaves undefined, [`fixture`] stores outcomes,
//! [`replay`] writes a case as one line and [`shrink`] makes the line short.
//! [`moo`] reads the hardware vectors of a real 80286.
//!
//! Architecture invariant: all `unsafe` of this crate is in `sys.rs`.
#![deny(unsafe_code)]

pub mod case;
pub mod compare;
pub mod emulated;
pub mod encode;
pub mod fixture;
pub mod forms;
pub mod fx;
pub mod generate;
pub mod layout;
pub mod moo;
pub mod native;
pub mod programs;
pub mod real_mode;
pub mod replay;
pub mod rng;
pub mod shots;
pub mod shrink;
#[allow(unsafe_code)]
mod sys;
pub mod undefined;
pub mod vectors;

pub use case::{Case, Engine, Fault, Outcome, Stop};
pub use forms::Set;
pub use fx::Fx;
