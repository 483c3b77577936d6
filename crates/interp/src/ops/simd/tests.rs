//! The switches and faults of MMX and SSE, which only a kernel sees. Results are compared with
//! silicon elsewhere.

use crate::cpu::Cpu;
use crate::ops::lookup;
use bus::{Bus, System};
use mem::Memory;
use x86::model::Name;
use x86::state::gpr;
use x86::{Cause, Cr0, Cr4, Eflags, Fault, Features, Model, PhysAddr, Vector};

/// A processor that has everything, in flat real mode with SSE enabled.
fn enabled() -> (Cpu, System) {
    let mut cpu = Cpu::of(Model::new(Name::Max, Features::all()));
    cpu.state.cr4 = (Cr4::OSFXSR | Cr4::OSXMMEXCPT).bits();
    cpu.sync();
    (cpu, System::new(Memory::flat(1 << 20).expect("a megabyte"), Bus::default()))
}

/// Carries out one 32-bit instruction.
fn run((cpu, sys): &mut (Cpu, System), bytes: &[u8]) -> Result<(), Fault> {
    let insn = decode::decode(bytes, true).expect("an instruction");
    lookup(&insn, cpu.state.model.features)(cpu, sys, &insn)
}

const UD: Result<(), Fault> = Err(Fault::ud());
const NM: Result<(), Fault> = Err(Fault::plain(Vector::DeviceNotAvailable));

const ADDPS: &[u8] = &[0x0F, 0x58, 0xC1];
const DIVSS: &[u8] = &[0xF3, 0x0F, 0x5E, 0xC1];
const MOVAPS_EBX: &[u8] = &[0x0F, 0x28, 0x03];
const MOVUPS_EBX: &[u8] = &[0x0F, 0x10, 0x03];
const PADDB_MM: &[u8] = &[0x0F, 0xFC, 0xC1];
const PAVGB_MM: &[u8] = &[0x0F, 0xE0, 0xC1];
const CVTPI2PS: &[u8] = &[0x0F, 0x2A, 0xC1];
const EMMS: &[u8] = &[0x0F, 0x77];
const SFENCE: &[u8] = &[0x0F, 0xAE, 0xF8];
const MOVNTI: &[u8] = &[0x0F, 0xC3, 0x03];
const FXSAVE: &[u8] = &[0x0F, 0xAE, 0x03];
const FXRSTOR: &[u8] = &[0x0F, 0xAE, 0x0B];
const LDMXCSR: &[u8] = &[0x0F, 0xAE, 0x13];

#[test]
fn without_osfxsr_sse_is_undefined_but_mmx_is_there() {
    let mut m = enabled();
    m.0.state.cr4 = 0;
    for code in [ADDPS, MOVAPS_EBX, CVTPI2PS, LDMXCSR] {
        assert_eq!(run(&mut m, code), UD, "{code:x?}");
    }
    for code in [PADDB_MM, PAVGB_MM, EMMS, SFENCE, MOVNTI, FXSAVE] {
        assert_eq!(run(&mut m, code), Ok(()), "{code:x?}");
    }
}

#[test]
fn em_makes_them_undefined_and_ts_unavailable() {
    let mut m = enabled();
    m.0.state.cr0 |= Cr0::TS.bits();
    for code in [ADDPS, PADDB_MM, EMMS, CVTPI2PS, FXSAVE] {
        assert_eq!(run(&mut m, code), NM, "{code:x?}");
    }
    m.0.state.cr0 |= Cr0::EM.bits();
    for code in [ADDPS, PADDB_MM, EMMS, CVTPI2PS] {
        assert_eq!(run(&mut m, code), UD, "{code:x?}");
    }
    assert_eq!(run(&mut m, FXSAVE), NM);
    assert_eq!((run(&mut m, SFENCE), run(&mut m, MOVNTI)), (Ok(()), Ok(())));
}

#[test]
fn a_misaligned_operand_is_gp_and_movups_asks_for_nothing() {
    let mut m = enabled();
    m.0.state.set_reg32(gpr::EBX, 0x108);
    assert_eq!(run(&mut m, MOVAPS_EBX), Err(Fault::gp(0)));
    assert!(matches!(m.0.cause, Cause::Aligned16 { addr } if addr.0 == 0x108));
    assert_eq!(run(&mut m, FXSAVE), Err(Fault::gp(0)));
    assert_eq!(run(&mut m, MOVUPS_EBX), Ok(()));
    m.0.state.set_reg32(gpr::EBX, 0x110);
    assert_eq!(run(&mut m, MOVAPS_EBX), Ok(()));
}

#[test]
fn an_unmasked_division_by_zero_is_xm_and_writes_only_its_flag() {
    let mut m = enabled();
    m.0.state.mxcsr = 0x1F80 & !(1 << 9);
    m.0.state.xmm[0] = 0x3F80_0000;
    assert_eq!(run(&mut m, DIVSS), Err(Fault::plain(Vector::SimdException)));
    assert_eq!((m.0.state.xmm[0], m.0.state.mxcsr), (0x3F80_0000, 0x1D84));
    m.0.state.cr4 = Cr4::OSFXSR.bits();
    assert_eq!(run(&mut m, DIVSS), UD);
    m.0.state.mxcsr |= 1 << 9;
    assert_eq!(run(&mut m, DIVSS), Ok(()));
    assert_eq!(m.0.state.xmm[0], 0x7F80_0000);
}

#[test]
fn mxcsr_refuses_reserved_bits_and_a_p3_daz() {
    let mut m = enabled();
    m.1.mem.write_phys(PhysAddr(0), &[0x40, 0, 0, 0]);
    assert_eq!(run(&mut m, LDMXCSR), Ok(()));
    m.0.state.model = Model::new(Name::P3, Features::empty());
    assert_eq!(run(&mut m, LDMXCSR), Err(Fault::gp(0)));
    m.1.mem.write_phys(PhysAddr(0), &[0, 0, 1, 0]);
    m.0.state.model = Model::default();
    assert_eq!(run(&mut m, LDMXCSR), Err(Fault::gp(0)));
    assert_eq!(m.0.state.mxcsr, 0x40);
}

#[test]
fn a_pending_x87_exception_comes_before_mmx_but_not_before_fxsave() {
    let mut m = enabled();
    m.0.state.cr0 |= Cr0::NE.bits();
    m.0.state.fpu.status = 0x8081;
    m.0.state.fpu.control = 0x37E;
    let pending = Err(Fault::plain(Vector::MathFault));
    assert_eq!((run(&mut m, PADDB_MM), run(&mut m, EMMS)), (pending, pending));
    assert_eq!(run(&mut m, CVTPI2PS), pending);
    assert_eq!((run(&mut m, ADDPS), run(&mut m, FXSAVE)), (Ok(()), Ok(())));
}

#[test]
fn a_masked_store_at_fff8_goes_on_at_0_and_faults_one_byte_further() {
    let mut m = enabled();
    (m.0.state.xmm[0], m.0.state.xmm[1]) = (u128::MAX, 1 << 7 | 1 << 127);
    m.0.state.set_reg32(gpr::EDI, 0xFFF8);
    let code = &[0x67, 0x66, 0x0F, 0xF7, 0xC1];
    assert_eq!(run(&mut m, code), Ok(()));
    let byte = |m: &(Cpu, System), at| {
        let mut byte = [0];
        m.1.mem.read_phys(PhysAddr(at), &mut byte);
        byte[0]
    };
    assert_eq!([0xFFF8, 0xFFF9, 6, 7].map(|at| byte(&m, at)), [0xFF, 0, 0, 0xFF]);
    m.0.state.set_reg32(gpr::EDI, 0xFFF9);
    assert_eq!(run(&mut m, code), Err(Fault::gp(0)));
}

#[test]
fn an_image_is_aligned_to_sixteen_bytes_under_ac_too() {
    let mut m = enabled();
    m.0.state.cr0 |= (Cr0::PE | Cr0::AM).bits();
    m.0.state.cpl = 3;
    m.0.state.set_flag(Eflags::AC, true);
    m.0.sync();
    m.0.state.set_reg32(gpr::EBX, 0x410);
    assert_eq!((run(&mut m, FXSAVE), run(&mut m, FXRSTOR)), (Ok(()), Ok(())));
    m.0.state.set_reg32(gpr::EBX, 0x408);
    assert_eq!((run(&mut m, FXSAVE), run(&mut m, FXRSTOR)), (Err(Fault::gp(0)), Err(Fault::gp(0))));
}

#[test]
fn what_fxsave_stores_fxrstor_loads() {
    let mut m = enabled();
    for n in 0..8 {
        m.0.state.xmm[n] = u128::MAX / (n as u128 + 3);
    }
    m.0.state.mxcsr = 0x1FA1;
    m.0.state.fpu.full = 0x5A;
    m.0.state.fpu.set_top(3);
    m.0.state.set_reg32(gpr::EBX, 0x400);
    run(&mut m, PADDB_MM).expect("no fault");
    run(&mut m, FXSAVE).expect("no fault");
    let saved = m.0.state.clone();
    let mut other = enabled();
    std::mem::swap(&mut m.1, &mut other.1);
    other.0.state.set_reg32(gpr::EBX, 0x400);
    run(&mut other, FXRSTOR).expect("no fault");
    assert_eq!(other.0.state.fpu, saved.fpu);
    assert_eq!((other.0.state.xmm, other.0.state.mxcsr), (saved.xmm, saved.mxcsr));
    // A reserved bit of MXCSR: nothing is loaded.
    other.1.mem.write_phys(PhysAddr(0x41A), &[1]);
    other.0.state.mxcsr = 0;
    assert_eq!(run(&mut other, FXRSTOR), Err(Fault::gp(0)));
    assert_eq!(other.0.state.mxcsr, 0);
}
