//! String instructions: MOVS STOS LODS CMPS SCAS INS OUTS, alone and repeated.
//!
//! An iteration is a step. After each, SI, DI and the counter are as the manual has them, so a
//! fault or an interrupt between two iterations resumes at the next one. The destination is
//! always in ES. Where nothing can tell, `bulk` does many iterations at once. (SDM 1 7.3.9;
//! SDM 2, each instruction and REP/REPE/REPZ/REPNE/REPNZ.)

mod bulk;

use crate::cpu::{Cpu, Handler, Word};
use bus::System;
use decode::{Code, Insn};
use x86::arith::Width;
use x86::fault::Fault;
use x86::state::gpr;
use x86::{Eflags, Intercept, SegReg, alu};

const ECX: u8 = gpr::ECX as u8;
const EDX: u8 = gpr::EDX as u8;
const ESI: u8 = gpr::ESI as u8;
const EDI: u8 = gpr::EDI as u8;

/// One iteration, with addresses of 32 bits (`A32`) or 16.
trait Iteration {
    /// REPE and REPNE look at ZF after each iteration.
    const COMPARES: bool = false;
    /// Asked even where the counter is 0 from the start.
    fn allowed<W: Word>(_: &mut Cpu, _: &mut System) -> Result<(), Fault> {
        Ok(())
    }
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
    ) -> Result<(), Fault>;
    /// Up to `most` iterations upwards at once; returns how many, 0 where it can't.
    #[inline(always)]
    fn bulk<W: Word, const A32: bool>(_: &mut Cpu, _: &mut System, _: &Insn, _most: u32) -> u32 {
        0
    }
}

struct Movs;
struct Stos;
struct Lods;
struct Cmps;
struct Scas;
struct Ins;
struct Outs;

/// The handler of an instruction of this family.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Movsb_m8_m8 => pick::<Movs, u8>(insn),
        Code::Movsw_m16_m16 => pick::<Movs, u16>(insn),
        Code::Movsd_m32_m32 => pick::<Movs, u32>(insn),
        Code::Stosb_m8_AL => pick::<Stos, u8>(insn),
        Code::Stosw_m16_AX => pick::<Stos, u16>(insn),
        Code::Stosd_m32_EAX => pick::<Stos, u32>(insn),
        Code::Lodsb_AL_m8 => pick::<Lods, u8>(insn),
        Code::Lodsw_AX_m16 => pick::<Lods, u16>(insn),
        Code::Lodsd_EAX_m32 => pick::<Lods, u32>(insn),
        Code::Cmpsb_m8_m8 => pick::<Cmps, u8>(insn),
        Code::Cmpsw_m16_m16 => pick::<Cmps, u16>(insn),
        Code::Cmpsd_m32_m32 => pick::<Cmps, u32>(insn),
        Code::Scasb_AL_m8 => pick::<Scas, u8>(insn),
        Code::Scasw_AX_m16 => pick::<Scas, u16>(insn),
        Code::Scasd_EAX_m32 => pick::<Scas, u32>(insn),
        Code::Insb_m8_DX => pick::<Ins, u8>(insn),
        Code::Insw_m16_DX => pick::<Ins, u16>(insn),
        Code::Insd_m32_DX => pick::<Ins, u32>(insn),
        Code::Outsb_DX_m8 => pick::<Outs, u8>(insn),
        Code::Outsw_DX_m16 => pick::<Outs, u16>(insn),
        Code::Outsd_DX_m32 => pick::<Outs, u32>(insn),
        _ => return None,
    })
}

fn pick<I: Iteration, W: Word>(insn: &Insn) -> Handler {
    match (insn.has(Insn::REP | Insn::REPNE), insn.has(Insn::ADDR32)) {
        (false, false) => I::run::<W, false>,
        (false, true) => I::run::<W, true>,
        (true, false) => repeat::<I, W, false>,
        (true, true) => repeat::<I, W, true>,
    }
}

/// Iterates until the counter is 0, a comparison ends it, the budget is used up or the
/// processor is wanted elsewhere. In the last two cases the instruction is run again.
///
/// The caller counts the last iteration as a step; all before it are counted here, at once,
/// since ports see the time of each.
fn repeat<I: Iteration, W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    if address::<A32>(cpu, ECX) == 0 {
        return I::allowed::<W>(cpu, sys);
    }
    let before = cpu.state.repeat_flags.take().unwrap_or(cpu.state.arith);
    loop {
        let done = match iterate::<I, W, A32>(cpu, sys, insn) {
            Ok(done) => done,
            Err(fault) => {
                cpu.state.arith = before;
                return Err(fault);
            }
        };
        let left = address::<A32>(cpu, ECX).wrapping_sub(done);
        set_address::<A32>(cpu, ECX, left);
        cpu.steps += u64::from(done) - 1;
        let settled = I::COMPARES && cpu.state.arith.zf() != insn.has(Insn::REP);
        if left == 0 || settled {
            break;
        }
        if cpu.steps + 1 >= cpu.budget_end || cpu.attention(sys) {
            cpu.state.rip = u64::from(cpu.start_ip(insn));
            cpu.state.repeat_flags = I::COMPARES.then_some(before);
            break;
        }
        cpu.steps += 1;
    }
    Ok(())
}

/// One iteration, or as many at once as the counter and the budget allow; returns how many.
#[inline(always)]
fn iterate<I: Iteration, W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<u32, Fault> {
    if !cpu.attention && !cpu.state.flag(Eflags::DF) {
        let room = u32::try_from(cpu.budget_end.saturating_sub(cpu.steps)).unwrap_or(u32::MAX);
        let most = address::<A32>(cpu, ECX).min(room);
        let done = if most > 1 { I::bulk::<W, A32>(cpu, sys, insn, most) } else { 0 };
        if done > 0 {
            return Ok(done);
        }
    }
    I::run::<W, A32>(cpu, sys, insn)?;
    Ok(1)
}

/// A register as an address or counter of the address size.
#[inline(always)]
fn address<const A32: bool>(cpu: &Cpu, register: u8) -> u32 {
    if A32 { cpu.reg32(register) } else { u32::from(cpu.reg16(register)) }
}

#[inline(always)]
fn set_address<const A32: bool>(cpu: &mut Cpu, register: u8, value: u32) {
    if A32 {
        cpu.set_reg32(register, value);
    } else {
        cpu.set_reg16(register, value as u16);
    }
}

/// Moves an index register by one element, in the direction that DF says.
#[inline(always)]
fn advance<W: Width, const A32: bool>(cpu: &mut Cpu, register: u8) {
    let at = address::<A32>(cpu, register);
    let down = cpu.state.flag(Eflags::DF);
    let next = if down { at.wrapping_sub(W::BYTES) } else { at.wrapping_add(W::BYTES) };
    set_address::<A32>(cpu, register, next);
}

#[inline(always)]
fn load<W: Word, const A32: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<W, Fault> {
    let at = address::<A32>(cpu, ESI);
    cpu.read::<W>(sys, insn.seg, at)
}

#[inline(always)]
fn store<W: Word, const A32: bool>(cpu: &mut Cpu, sys: &mut System, v: W) -> Result<(), Fault> {
    let at = address::<A32>(cpu, EDI);
    cpu.write::<W>(sys, SegReg::Es, at, v)
}

impl Iteration for Movs {
    #[inline(always)]
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
    ) -> Result<(), Fault> {
        let value = load::<W, A32>(cpu, sys, insn)?;
        store::<W, A32>(cpu, sys, value)?;
        advance::<W, A32>(cpu, ESI);
        advance::<W, A32>(cpu, EDI);
        Ok(())
    }

    fn bulk<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
        most: u32,
    ) -> u32 {
        bulk::copy::<W, A32>(cpu, sys, insn, most)
    }
}

impl Iteration for Stos {
    #[inline(always)]
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        _: &Insn,
    ) -> Result<(), Fault> {
        store::<W, A32>(cpu, sys, cpu.reg::<W>(0))?;
        advance::<W, A32>(cpu, EDI);
        Ok(())
    }

    fn bulk<W: Word, const A32: bool>(cpu: &mut Cpu, sys: &mut System, _: &Insn, most: u32) -> u32 {
        bulk::fill::<W, A32>(cpu, sys, most)
    }
}

impl Iteration for Lods {
    #[inline(always)]
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
    ) -> Result<(), Fault> {
        let value = load::<W, A32>(cpu, sys, insn)?;
        cpu.set_reg::<W>(0, value);
        advance::<W, A32>(cpu, ESI);
        Ok(())
    }
}

impl Iteration for Cmps {
    const COMPARES: bool = true;
    #[inline(always)]
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
    ) -> Result<(), Fault> {
        let a = load::<W, A32>(cpu, sys, insn)?;
        let at = address::<A32>(cpu, EDI);
        let b = cpu.read::<W>(sys, SegReg::Es, at)?;
        cpu.state.arith = alu::sub(a, b, false).1;
        advance::<W, A32>(cpu, ESI);
        advance::<W, A32>(cpu, EDI);
        Ok(())
    }

    fn bulk<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
        most: u32,
    ) -> u32 {
        bulk::compare::<W, A32>(cpu, sys, insn, most)
    }
}

impl Iteration for Scas {
    const COMPARES: bool = true;
    #[inline(always)]
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        _: &Insn,
    ) -> Result<(), Fault> {
        let at = address::<A32>(cpu, EDI);
        let b = cpu.read::<W>(sys, SegReg::Es, at)?;
        cpu.state.arith = alu::sub(cpu.reg::<W>(0), b, false).1;
        advance::<W, A32>(cpu, EDI);
        Ok(())
    }

    fn bulk<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
        most: u32,
    ) -> u32 {
        bulk::scan::<W, A32>(cpu, sys, insn, most)
    }
}

impl Iteration for Ins {
    fn allowed<W: Word>(cpu: &mut Cpu, sys: &mut System) -> Result<(), Fault> {
        cpu.check_io(sys, cpu.reg16(EDX), W::BYTES as u8)
    }

    /// The port is read only when its value is sure to find a place: reading may change it.
    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        _: &Insn,
    ) -> Result<(), Fault> {
        cpu.intercept(Intercept::In);
        let (port, size) = (cpu.reg16(EDX), W::BYTES as u8);
        cpu.check_io(sys, port, size)?;
        let at = address::<A32>(cpu, EDI);
        cpu.probe_write(sys, SegReg::Es, at, W::BYTES)?;
        let value = W::trunc(cpu.port_in(sys, port, size));
        store::<W, A32>(cpu, sys, value)?;
        advance::<W, A32>(cpu, EDI);
        Ok(())
    }
}

impl Iteration for Outs {
    fn allowed<W: Word>(cpu: &mut Cpu, sys: &mut System) -> Result<(), Fault> {
        cpu.check_io(sys, cpu.reg16(EDX), W::BYTES as u8)
    }

    fn run<W: Word, const A32: bool>(
        cpu: &mut Cpu,
        sys: &mut System,
        insn: &Insn,
    ) -> Result<(), Fault> {
        cpu.intercept(Intercept::Out);
        let (port, size) = (cpu.reg16(EDX), W::BYTES as u8);
        cpu.check_io(sys, port, size)?;
        let value = load::<W, A32>(cpu, sys, insn)?;
        cpu.port_out(sys, port, size, value.zx());
        advance::<W, A32>(cpu, ESI);
        Ok(())
    }
}
