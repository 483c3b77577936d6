//! The state as a whole: FXSAVE and FXRSTOR (SDM 2A table 3-44), MXCSR, EMMS; and what only
//! orders or empties caches, of which there are none.

use super::{Ready, misaligned, mmx_ready, ready, sse_ready};
use crate::cpu::Cpu;
use crate::ops::Handler;
use crate::ops::fpu::{no_device, report_error};
use bus::System;
use decode::{Code, Insn};
use mmu::Access;
use x86::cause::RegisterName;
use x86::paging::AccessKind;
use x86::segment::attr;
use x86::{Cause, Cr0, Cr4, F80, Fault, Features};

/// Bytes of the image.
const IMAGE: usize = 512;
/// Bytes of it that FXSAVE writes: up to XMM7.
const WRITTEN: usize = 288;
const MXCSR_AT: usize = 24;
const MXCSR_MASK_AT: usize = 28;
const STACK_AT: usize = 32;
const XMM_AT: usize = 160;

/// The handler of such a form.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Emms => emms,
        Code::Ldmxcsr_m32 => ldmxcsr,
        Code::Stmxcsr_m32 => stmxcsr,
        Code::Fxsave_m512byte => fxsave,
        Code::Fxrstor_m512byte => fxrstor,
        Code::Clflush_m8 => clflush,
        code if is_fence(code) => fence,
        _ => return None,
    })
}

/// Every ModRM.rm of the three fences.
fn is_fence(code: Code) -> bool {
    let number = code as usize;
    (Code::Lfence as usize..=Code::Lfence_EF as usize).contains(&number)
        || (Code::Mfence as usize..=Code::Mfence_F7 as usize).contains(&number)
        || (Code::Sfence as usize..=Code::Sfence_FF as usize).contains(&number)
}

fn fence(_: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    Ok(())
}

/// CLFLUSH is checked like the load of a byte, but execute-only segments are open to it.
fn clflush(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = cpu.ea(insn);
    let segment = *cpu.state.segment(insn.seg);
    let code = segment.attrs & attr::CODE != 0;
    if code && !segment.is_readable() && cpu.state.uses_descriptors() {
        if at > segment.limit {
            return Err(cpu.beyond_code(at));
        }
    } else {
        cpu.check_segment(insn.seg, at, 1, AccessKind::Read)?;
    }
    let lin = cpu.linear(insn.seg, at);
    let access = Access { kind: AccessKind::Read, user: cpu.user(), implicit: false };
    cpu.translate(sys, lin, access).map(|_| ())
}

fn emms(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    mmx_ready(cpu, insn)?;
    if ready(cpu, sys, insn)? == Ready::Go {
        cpu.state.fpu.set_top(0);
        cpu.state.fpu.full = 0;
    }
    Ok(())
}

/// The bits of MXCSR that exist; DAZ came with SSE2 (SDM 1 10.2.3.4, 11.6.6).
fn mxcsr_mask(cpu: &Cpu) -> u32 {
    if cpu.state.model.has(Features::SSE2) { 0xFFFF } else { 0xFFBF }
}

/// #GP(0) for a reserved bit.
fn check_mxcsr(cpu: &mut Cpu, value: u32) -> Result<(), Fault> {
    let bits = u64::from(value & !mxcsr_mask(cpu));
    if bits == 0 {
        return Ok(());
    }
    let register = RegisterName::Mxcsr;
    Err(cpu.raise(Fault::gp(0), Cause::Value { register, value: u64::from(value), bits }))
}

fn ldmxcsr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let value = cpu.read(sys, insn.seg, cpu.ea(insn))?;
    check_mxcsr(cpu, value)?;
    cpu.state.mxcsr = value;
    Ok(())
}

fn stmxcsr(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.write(sys, insn.seg, cpu.ea(insn), cpu.state.mxcsr)
}

/// #NM, then #GP(0) unless the image is aligned to 16 bytes.
fn check_image(cpu: &mut Cpu, insn: &Insn) -> Result<u32, Fault> {
    if cpu.state.cr0().intersects(Cr0::EM | Cr0::TS) {
        return Err(no_device(cpu));
    }
    let at = cpu.ea(insn);
    let lin = cpu.linear(insn.seg, at);
    if lin & 15 == 0 { Ok(at) } else { Err(misaligned(cpu, lin)) }
}

fn put<const N: usize>(image: &mut [u8], at: usize, bytes: [u8; N]) {
    image[at..at + N].copy_from_slice(&bytes);
}

fn fxsave(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = check_image(cpu, insn)?;
    // Its alignment was looked at: an image is aligned to 16 bytes, not to its size.
    cpu.check_segment(insn.seg, at, IMAGE as u32, AccessKind::Write)?;
    let access = Access { kind: AccessKind::Write, user: cpu.user(), implicit: false };
    cpu.translate_all(sys, cpu.linear(insn.seg, at), IMAGE as u32, access)?;
    let mut image = [0; WRITTEN];
    // What has no field stays as it is.
    cpu.read_bytes(sys, insn.seg, at, &mut image, 1)?;
    let f = &cpu.state.fpu;
    for (at, word) in [(0, f.control), (2, f.status), (4, u16::from(f.full)), (6, f.opcode)] {
        put(&mut image, at, word.to_le_bytes());
    }
    for (at, word) in [(8, f.ip), (12, u32::from(f.cs)), (16, f.dp), (20, u32::from(f.ds))] {
        put(&mut image, at, word.to_le_bytes());
    }
    for i in 0..8 {
        let mut slot = [0; 16];
        slot[..10].copy_from_slice(&f.regs[f.physical(i)].to_bytes());
        put(&mut image, STACK_AT + 16 * i, slot);
    }
    if cpu.state.model.has(Features::SSE) {
        put(&mut image, MXCSR_AT, cpu.state.mxcsr.to_le_bytes());
        let mask = if cpu.state.model.has(Features::SSE2) { mxcsr_mask(cpu) } else { 0 };
        put(&mut image, MXCSR_MASK_AT, mask.to_le_bytes());
    }
    if cpu.state.cr4().contains(Cr4::OSFXSR) {
        for (i, value) in cpu.state.xmm.iter().enumerate() {
            put(&mut image, XMM_AT + 16 * i, value.to_le_bytes());
        }
    }
    cpu.write_bytes(sys, insn.seg, at, &image, 1)
}

fn fxrstor(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    let at = check_image(cpu, insn)?;
    let mut image = [0; IMAGE];
    cpu.read_bytes(sys, insn.seg, at, &mut image, 1)?;
    let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
    let long = |at: usize| u32::from(word(at)) | u32::from(word(at + 2)) << 16;
    let sse = cpu.state.cr4().contains(Cr4::OSFXSR) && cpu.state.model.has(Features::SSE);
    if sse {
        check_mxcsr(cpu, long(MXCSR_AT))?;
        cpu.state.mxcsr = long(MXCSR_AT);
        for (value, bytes) in cpu.state.xmm.iter_mut().zip(image[XMM_AT..].chunks_exact(16)) {
            *value = bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        }
    }
    let f = &mut cpu.state.fpu;
    f.status = word(2);
    f.full = image[4];
    f.opcode = word(6) & 0x7FF;
    (f.ip, f.cs, f.dp, f.ds) = (long(8), word(12), long(16), word(20));
    for i in 0..8 {
        let mut value = [0; 10];
        value.copy_from_slice(&image[STACK_AT + 16 * i..][..10]);
        let n = f.physical(i);
        f.regs[n] = F80::from_bytes(value);
    }
    f.set_control(word(0));
    report_error(cpu, sys);
    Ok(())
}
