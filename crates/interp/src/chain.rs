//! How the instructions of a block follow each other: each ends by calling the next, so that
//! every kind of instruction has a place of its own from which the host predicts its successor.
//! A block has at most [`MAX_OPS`](crate::cache::MAX_OPS) of them, which bounds the stack even
//! where the compiler makes no jump of the call.
//!
//! Invariant: [`slow`] does any instruction by its handler, with RIP and steps exact. A quick
//! step does a case that can neither fault nor be seen (registers, and memory that the software
//! TLB knows); it leaves RIP and steps alone, changes nothing before it is sure, and hands all
//! else to [`slow`].

use crate::cpu::{Cpu, Handler};
use bus::System;
use decode::Insn;

/// How a run through a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind its last instruction; RIP and steps are still to be brought up to date.
    Next,
    /// At a jump by a displacement, with RIP set; steps are still to be counted.
    Taken,
    /// At any other jump, with RIP set; steps are still to be counted.
    Jumped,
    /// Behind an instruction that [`slow`] did: RIP and steps are exact.
    Exact,
    /// At a fault or for attention: RIP and steps are exact, and the engine must look around.
    Look,
}

/// Carries out an instruction and those behind it.
pub(crate) type Step = fn(&mut Cpu, &mut System, &Op, &[Op]) -> End;

/// An instruction and what carries it out.
#[derive(Clone, Copy)]
pub(crate) struct Op {
    /// Alone or with those behind it.
    pub step: Step,
    /// Alone, in every case.
    pub run: Handler,
    /// Bytes from the start of the block to its end.
    pub end: u16,
    /// Its number in the block.
    pub index: u16,
    pub insn: Insn,
}

/// Goes on with the instructions behind one that is done.
#[inline(always)]
pub(crate) fn go_on(cpu: &mut Cpu, sys: &mut System, rest: &[Op]) -> End {
    match rest {
        [next, rest @ ..] => (next.step)(cpu, sys, next, rest),
        [] => End::Next,
    }
}

/// Any instruction, by its handler.
#[inline(never)]
pub(crate) fn slow(cpu: &mut Cpu, sys: &mut System, op: &Op, rest: &[Op]) -> End {
    let next = cpu.block_ip + u64::from(op.end);
    cpu.state.rip = next;
    cpu.steps = cpu.block_steps + u64::from(op.index);
    let start = next - u64::from(op.insn.len);
    if let Err(fault) = (op.run)(cpu, sys, &op.insn) {
        cpu.events.place(start as u32);
        cpu.fail(sys, fault, start);
        return End::Look;
    }
    if cpu.attention {
        cpu.events.place(start as u32);
        cpu.steps += 1;
        return End::Look;
    }
    match rest {
        [next, rest @ ..] => (next.step)(cpu, sys, next, rest),
        [] => {
            cpu.steps += 1;
            End::Exact
        }
    }
}
