//! Floating-point exceptions of SSE (SDM 1 4.9, 11.5). The host runs with all of them masked;
//! from what it flagged follows what a guest that unmasks some would see.
//!
//! Invariant: where an unmasked exception is raised only MXCSR's flags change.

use super::lanes;
use crate::cpu::Cpu;
use crate::host_simd::Unit;
use decode::Insn;
use x86::cause::OpcodeCheck;
use x86::{Cause, Cr4, Fault, Vector};

/// Invalid operation, denormal operand, division by zero: found before computing.
pub(super) const BEFORE: u32 = 0x07;
/// Overflow and underflow.
const RANGE: u32 = 0x18;
const UNDERFLOW: u32 = 0x10;
/// Flush to zero.
const FZ: u32 = 1 << 15;
/// Where the masks begin.
const MASKS_AT: u32 = 7;

/// MXCSR for the host: FZ counts only while underflow is masked (SDM 1 10.2.3.3).
pub(super) fn mode(mxcsr: u32) -> u32 {
    if mxcsr >> MASKS_AT & UNDERFLOW == 0 { mxcsr & !FZ } else { mxcsr }
}

/// Takes over the exceptions that an instruction raised; #XM if one isn't masked, or #UD where
/// the system didn't say that it handles #XM.
pub(super) fn settle(cpu: &mut Cpu, insn: &Insn, before: &Unit, after: &Unit) -> Result<(), Fault> {
    let open = !(cpu.state.mxcsr >> MASKS_AT) & 0x3F;
    let mut raised = after.mxcsr;
    if open != 0 && lanes::is_dot_product(insn) {
        raised = lanes::dot_product(insn, before, open);
        // What is found before computing keeps the rest from being found (SDM 1 11.5.2).
    } else if raised & open & BEFORE != 0 {
        raised &= BEFORE;
    } else if open & RANGE != 0 {
        raised = lanes::raised(insn, before, open).unwrap_or(raised);
    }
    cpu.state.mxcsr |= raised;
    if raised & open == 0 {
        return Ok(());
    }
    if !cpu.state.cr4().contains(Cr4::OSXMMEXCPT) {
        return Err(cpu.undefined(insn, OpcodeCheck::NotEnabled));
    }
    let cause = Cause::Simd { mxcsr: cpu.state.mxcsr };
    Err(cpu.raise(Fault::plain(Vector::SimdException), cause))
}
