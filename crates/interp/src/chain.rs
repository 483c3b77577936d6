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
use std::cell::Cell;

/// How a run through a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind its last instruction; RIP and steps are still to be brought up to date.
    Next,
    /// At a jump by a displacement, as [`Cpu::taken`] says; RIP and steps are still to be
    /// brought up to date.
    Taken,
    /// At any other jump.
    Jumped,
    /// Behind an instruction that [`slow`] did.
    Exact,
    /// At a fault or for attention: the engine must look around.
    Look,
}

/// A jump that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// The block at its target, as far as the engine knows.
    pub link: u32,
    /// From the start of the block to its target.
    pub distance: u32,
    /// Instructions of the block up to it.
    pub count: u32,
}

/// Carries out the first of these instructions and those behind it.
pub(crate) type Step = fn(&mut Cpu, &mut System, &[Op]) -> End;

/// An instruction and what carries it out.
#[derive(Clone)]
pub(crate) struct Op {
    /// The step of the instruction behind it; [`end`] for the last.
    pub next: Step,
    /// It alone, in every case.
    pub run: Handler,
    /// The block that begins where it jumps to by its displacement, within the same page: found
    /// there whatever the mode and wherever the page is mapped.
    pub link: Cell<u32>,
    /// Of a jump by a displacement: from the start of the block to its target.
    pub distance: u32,
    /// Bytes from the start of the block to its end.
    pub end: u16,
    /// Instructions of the block before it.
    pub index: u16,
    pub insn: Insn,
}

/// Behind the last instruction.
pub(crate) fn end(_: &mut Cpu, _: &mut System, _: &[Op]) -> End {
    End::Next
}

/// Goes on with the instructions behind one that is done.
#[inline(always)]
pub(crate) fn go_on(cpu: &mut Cpu, sys: &mut System, op: &Op, rest: &[Op]) -> End {
    (op.next)(cpu, sys, rest)
}

/// Ends the run at a jump.
#[inline(always)]
pub(crate) fn leave(cpu: &mut Cpu, op: &Op, target: u32) {
    cpu.state.rip = u64::from(target);
    cpu.steps = cpu.block_steps + u64::from(op.index) + 1;
}

/// Any instruction, by its handler.
#[inline(never)]
pub(crate) fn slow(cpu: &mut Cpu, sys: &mut System, ops: &[Op]) -> End {
    let [op, rest @ ..] = ops else { return End::Next };
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
    if rest.is_empty() {
        cpu.steps += 1;
        return End::Exact;
    }
    go_on(cpu, sys, op, rest)
}
