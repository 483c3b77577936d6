//! Moves: between registers and memory, aligned or not, whole or in halves (SDM 2 MOVAPS and so
//! on). Non-temporal stores are stores: there is no cache that they could spare.

use super::{
    Ready, enter_mmx, load, load_aligned, mm, mmx_ready, prepare, set_mm, sse_ready, store,
    store_aligned,
};
use crate::cpu::Cpu;
use crate::ops::Handler;
use bus::System;
use decode::{Code, Insn};
use x86::Fault;

/// The handler of a move.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    sixteen_bytes(insn.code).or_else(|| parts(insn.code)).or_else(|| mmx(insn.code))
}

fn sixteen_bytes(code: Code) -> Option<Handler> {
    Some(match code {
        Code::Movaps_xmm_xmmm128
        | Code::Movapd_xmm_xmmm128
        | Code::Movdqa_xmm_xmmm128
        | Code::Movntdqa_xmm_m128 => load_whole::<true>,
        Code::Movups_xmm_xmmm128
        | Code::Movupd_xmm_xmmm128
        | Code::Movdqu_xmm_xmmm128
        | Code::Lddqu_xmm_m128 => load_whole::<false>,
        Code::Movaps_xmmm128_xmm
        | Code::Movapd_xmmm128_xmm
        | Code::Movdqa_xmmm128_xmm
        | Code::Movntps_m128_xmm
        | Code::Movntpd_m128_xmm
        | Code::Movntdq_m128_xmm => store_whole::<true>,
        Code::Movups_xmmm128_xmm | Code::Movupd_xmmm128_xmm | Code::Movdqu_xmmm128_xmm => {
            store_whole::<false>
        }
        _ => return None,
    })
}

fn parts(code: Code) -> Option<Handler> {
    Some(match code {
        Code::Movss_xmm_xmmm32 => load_scalar::<4>,
        Code::Movsd_xmm_xmmm64 => load_scalar::<8>,
        Code::Movss_xmmm32_xmm => store_scalar::<4>,
        Code::Movsd_xmmm64_xmm => store_scalar::<8>,
        Code::Movq_xmm_xmmm64 => movq_load,
        Code::Movq_xmmm64_xmm => movq_store,
        Code::Movlps_xmm_m64 | Code::Movlpd_xmm_m64 => load_half::<0>,
        Code::Movhps_xmm_m64 | Code::Movhpd_xmm_m64 => load_half::<64>,
        Code::Movlps_m64_xmm | Code::Movlpd_m64_xmm => store_half::<0>,
        Code::Movhps_m64_xmm | Code::Movhpd_m64_xmm => store_half::<64>,
        Code::Movhlps_xmm_xmm => movhlps,
        Code::Movlhps_xmm_xmm => movlhps,
        Code::Movd_xmm_rm32 => movd_load,
        Code::Movd_rm32_xmm => movd_store,
        Code::Movnti_m32_r32 => movnti,
        _ => return None,
    })
}

fn mmx(code: Code) -> Option<Handler> {
    Some(match code {
        Code::Movd_mm_rm32 => movd_mm,
        Code::Movd_rm32_mm => movd_from_mm,
        Code::Movq_mm_mmm64 => movq_mm,
        Code::Movq_mmm64_mm | Code::Movntq_m64_mm => movq_from_mm,
        Code::Movq2dq_xmm_mm => movq2dq,
        Code::Movdq2q_mm_xmm => movdq2q,
        _ => return None,
    })
}

const LOW: u128 = u64::MAX as u128;

fn reg(insn: &Insn) -> usize {
    usize::from(insn.reg & 7)
}

fn rm(insn: &Insn) -> usize {
    usize::from(insn.rm & 7)
}

fn load_whole<const ALIGNED: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] = match (insn.is_mem(), ALIGNED) {
        (false, _) => cpu.state.xmm[rm(insn)],
        (true, true) => load_aligned(cpu, sys, insn)?,
        (true, false) => load::<16>(cpu, sys, insn)?,
    };
    Ok(())
}

fn store_whole<const ALIGNED: bool>(
    cpu: &mut Cpu,
    sys: &mut System,
    insn: &Insn,
) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let value = cpu.state.xmm[reg(insn)];
    match (insn.is_mem(), ALIGNED) {
        (false, _) => cpu.state.xmm[rm(insn)] = value,
        (true, true) => store_aligned(cpu, sys, insn, value)?,
        (true, false) => store::<16>(cpu, sys, insn, value)?,
    }
    Ok(())
}

/// MOVSS and MOVSD: from memory the rest becomes zero, from a register it stays.
fn load_scalar<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] = if insn.is_mem() {
        load::<N>(cpu, sys, insn)?
    } else {
        let mask = (1 << (8 * N)) - 1;
        cpu.state.xmm[reg(insn)] & !mask | cpu.state.xmm[rm(insn)] & mask
    };
    Ok(())
}

fn store_scalar<const N: usize>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let value = cpu.state.xmm[reg(insn)];
    if insn.is_mem() {
        return store::<N>(cpu, sys, insn, value);
    }
    let (mask, to) = ((1 << (8 * N)) - 1, &mut cpu.state.xmm[rm(insn)]);
    *to = *to & !mask | value & mask;
    Ok(())
}

fn movq_load(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] =
        if insn.is_mem() { load::<8>(cpu, sys, insn)? } else { cpu.state.xmm[rm(insn)] & LOW };
    Ok(())
}

fn movq_store(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let value = cpu.state.xmm[reg(insn)];
    if insn.is_mem() {
        return store::<8>(cpu, sys, insn, value);
    }
    cpu.state.xmm[rm(insn)] = value & LOW;
    Ok(())
}

fn load_half<const AT: u32>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    let half = load::<8>(cpu, sys, insn)?;
    let to = &mut cpu.state.xmm[reg(insn)];
    *to = *to & !(LOW << AT) | half << AT;
    Ok(())
}

fn store_half<const AT: u32>(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    store::<8>(cpu, sys, insn, cpu.state.xmm[reg(insn)] >> AT)
}

fn movhlps(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] = cpu.state.xmm[reg(insn)] & !LOW | cpu.state.xmm[rm(insn)] >> 64;
    Ok(())
}

fn movlhps(cpu: &mut Cpu, _: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] = cpu.state.xmm[reg(insn)] & LOW | cpu.state.xmm[rm(insn)] << 64;
    Ok(())
}

fn movd_load(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.state.xmm[reg(insn)] = u128::from(cpu.read_rm::<u32>(sys, insn)?);
    Ok(())
}

fn movd_store(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    sse_ready(cpu, insn)?;
    cpu.write_rm::<u32>(sys, insn, cpu.state.xmm[reg(insn)] as u32)
}

/// MOVNTI asks for nothing: it is an integer store.
fn movnti(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    cpu.write_rm::<u32>(sys, insn, cpu.state.reg32(reg(insn)))
}

/// Waits for the FPU where MMX may be used at all.
fn mmx_goes(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<bool, Fault> {
    mmx_ready(cpu, insn)?;
    Ok(super::ready(cpu, sys, insn)? == Ready::Go)
}

fn movd_mm(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if mmx_goes(cpu, sys, insn)? {
        let value = cpu.read_rm::<u32>(sys, insn)?;
        set_mm(cpu, insn.reg, u64::from(value));
        enter_mmx(cpu);
    }
    Ok(())
}

fn movd_from_mm(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if mmx_goes(cpu, sys, insn)? {
        cpu.write_rm::<u32>(sys, insn, mm(cpu, insn.reg) as u32)?;
        enter_mmx(cpu);
    }
    Ok(())
}

fn movq_mm(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if mmx_goes(cpu, sys, insn)? {
        let value =
            if insn.is_mem() { load::<8>(cpu, sys, insn)? as u64 } else { mm(cpu, insn.rm) };
        set_mm(cpu, insn.reg, value);
        enter_mmx(cpu);
    }
    Ok(())
}

fn movq_from_mm(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if mmx_goes(cpu, sys, insn)? {
        let value = mm(cpu, insn.reg);
        if insn.is_mem() {
            store::<8>(cpu, sys, insn, u128::from(value))?;
        } else {
            set_mm(cpu, insn.rm, value);
        }
        enter_mmx(cpu);
    }
    Ok(())
}

fn movq2dq(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if prepare(cpu, sys, insn, true, true)? == Ready::Go {
        cpu.state.xmm[reg(insn)] = u128::from(mm(cpu, insn.rm));
        enter_mmx(cpu);
    }
    Ok(())
}

fn movdq2q(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    if prepare(cpu, sys, insn, true, true)? == Ready::Go {
        set_mm(cpu, insn.reg, cpu.state.xmm[rm(insn)] as u64);
        enter_mmx(cpu);
    }
    Ok(())
}
