//! What CR0 and pending exceptions do to x87 instructions, and the four formats of the
//! environment. Arithmetic is compared with silicon elsewhere.

use crate::Cpu;
use bus::{IrqLine, System};
use mem::Memory;
use x86::fpu::{CONTROL_INIT, F80, Fpu, Status};
use x86::{Cr0, Eflags, Fault, PhysAddr, SegReg, Segment, Selector, Vector};

const FLD1: &[u8] = &[0xD9, 0xE8];
const FLDZ: &[u8] = &[0xD9, 0xEE];
const FDIVP: &[u8] = &[0xDE, 0xF9];
const FADDP: &[u8] = &[0xDE, 0xC1];
const FNCLEX: &[u8] = &[0xDB, 0xE2];
const FNSTSW_AX: &[u8] = &[0xDF, 0xE0];
const WAIT: &[u8] = &[0x9B];
/// On [0200h].
const FNSTENV: &[u8] = &[0xD9, 0x35, 0, 2, 0, 0];
const FLDENV: &[u8] = &[0xD9, 0x25, 0, 2, 0, 0];

/// Flat 32-bit code in ring 0 without paging, FPU after FNINIT.
fn fresh() -> (Cpu, System) {
    let sys = System::new(Memory::flat(1 << 16).unwrap(), bus::Bus::default());
    let mut cpu = Cpu::new();
    for s in SegReg::ALL {
        cpu.state.seg[s as usize] = Segment { limit: 0xFFFF_FFFF, ..Segment::real(0) };
    }
    cpu.state.cr0 |= (Cr0::PE | Cr0::NE).bits();
    cpu.state.rip = 0x100;
    cpu.state.fpu = Fpu::init([F80::ZERO; 8]);
    cpu.sync();
    (cpu, sys)
}

fn run((cpu, sys): &mut (Cpu, System), bytes: &[u8]) -> Result<(), Fault> {
    let insn = decode::decode(bytes, true).expect("an instruction");
    let handler = super::handler(&insn).expect("an x87 instruction");
    let start = cpu.state.rip;
    cpu.state.rip += u64::from(insn.len);
    let result = handler(cpu, sys, &insn);
    if result.is_err() {
        cpu.state.rip = start;
    }
    result
}

/// 1 / 0 with ZE unmasked: pending.
fn divided_by_zero() -> (Cpu, System) {
    let mut m = fresh();
    m.0.state.fpu.set_control(CONTROL_INIT & !Status::ZE.bits());
    for bytes in [FLD1, FLDZ, FDIVP] {
        assert_eq!(run(&mut m, bytes), Ok(()));
    }
    assert!(m.0.state.fpu.is_pending());
    m
}

fn memory(sys: &System, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    sys.mem.arena().read(0x200, &mut bytes);
    bytes
}

#[test]
fn one_and_one_is_two_and_the_pointers_are_the_guests() {
    let mut m = fresh();
    for bytes in [FLD1, FLD1, FADDP] {
        assert_eq!(run(&mut m, bytes), Ok(()));
    }
    let fpu = &m.0.state.fpu;
    assert_eq!(fpu.regs[7], F80 { significand: 1 << 63, sign_exponent: 0x4000 });
    assert_eq!((fpu.full, fpu.top(), fpu.ip, fpu.opcode), (0x80, 7, 0x104, 0x6C1));
}

#[test]
fn em_and_ts_are_nm_for_all_but_wait() {
    for bit in [Cr0::EM, Cr0::TS] {
        for bytes in [FLD1, FNCLEX, FNSTSW_AX, FNSTENV] {
            let mut m = fresh();
            m.0.state.cr0 |= bit.bits();
            assert_eq!(run(&mut m, bytes), Err(Fault::plain(Vector::DeviceNotAvailable)));
        }
        let mut m = fresh();
        m.0.state.cr0 |= bit.bits();
        assert_eq!(run(&mut m, WAIT), Ok(()));
    }
    let mut m = fresh();
    m.0.state.cr0 |= (Cr0::TS | Cr0::MP).bits();
    assert_eq!(run(&mut m, WAIT), Err(Fault::plain(Vector::DeviceNotAvailable)));
}

#[test]
fn an_escape_that_names_nothing_is_ud_but_em_comes_first() {
    for (bit, vector) in [(Cr0::EM, Vector::DeviceNotAvailable), (Cr0::NE, Vector::InvalidOpcode)] {
        let (mut cpu, mut sys) = fresh();
        cpu.state.cr0 |= bit.bits();
        sys.mem.write_phys(PhysAddr(0x100), &[0xD9, 0xD1]);
        cpu.single(&mut sys);
        assert_eq!(cpu.chain[0].fault, Fault::plain(vector));
    }
}

#[test]
fn the_next_waiting_instruction_raises_mf_and_control_instructions_do_not() {
    for bytes in [FLD1, WAIT, FLDENV] {
        let mut m = divided_by_zero();
        assert_eq!(run(&mut m, bytes), Err(Fault::plain(Vector::MathFault)));
    }
    for bytes in [FNSTSW_AX, FNSTENV, FNCLEX] {
        assert_eq!(run(&mut divided_by_zero(), bytes), Ok(()));
    }
    let mut m = divided_by_zero();
    assert_eq!(run(&mut m, FNCLEX), Ok(()));
    assert_eq!(run(&mut m, FLD1), Ok(()));
}

#[test]
fn without_ne_the_line_rises_and_the_processor_freezes_until_it_is_ignored() {
    let mut m = fresh();
    let signals = m.1.bus.signals().clone();
    signals.wire_ferr(&IrqLine::new(&signals, 13));
    m.0.state.cr0 &= !Cr0::NE.bits();
    m.0.state.fpu.set_control(CONTROL_INIT & !Status::ZE.bits());
    for bytes in [FLD1, FLDZ, FDIVP] {
        assert_eq!((run(&mut m, bytes), signals.lines() != 0), (Ok(()), bytes == FDIVP));
    }
    let at = m.0.state.rip;
    assert_eq!((run(&mut m, WAIT), m.0.state.rip), (Ok(()), at));
    assert_eq!((run(&mut m, FLD1), m.0.state.rip), (Ok(()), at));
    signals.set_ignne(true);
    assert_eq!((run(&mut m, FLD1), m.0.state.rip), (Ok(()), at + 2));
    assert_eq!(run(&mut m, FNCLEX), Ok(()));
    assert_eq!((signals.ferr(), signals.ignne()), (false, false));
}

#[test]
fn a_store_that_faults_leaves_the_stack() {
    let mut m = fresh();
    assert_eq!(run(&mut m, FLD1), Ok(()));
    m.0.set_segment(SegReg::Ds, Segment { limit: 0x20A, ..Segment::real(0) });
    // fstp tbyte ptr [202h]: one byte too many.
    let before = m.0.state.fpu.clone();
    assert_eq!(run(&mut m, &[0xDB, 0x3D, 2, 2, 0, 0]), Err(Fault::gp(0)));
    assert_eq!((m.0.state.fpu.clone(), memory(&m.1, 16)), (before, vec![0; 16]));
    assert_eq!(run(&mut m, &[0xDB, 0x3D, 1, 2, 0, 0]), Ok(()));
    assert_eq!(memory(&m.1, 11), [0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0x3F]);
}

/// An environment to tell fields apart.
fn marked() -> (Cpu, System) {
    let mut m = fresh();
    let fpu = &mut m.0.state.fpu;
    (fpu.status, fpu.full, fpu.opcode) = (0x2811, 0, 0x7A5);
    (fpu.ip, fpu.cs, fpu.dp, fpu.ds) = (0x0003_4567, 0xABCD, 0x0004_5678, 0x1234);
    m
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn the_protected_formats_hold_selectors() {
    let mut m = marked();
    assert_eq!(run(&mut m, FNSTENV), Ok(()));
    let wide = words(&memory(&m.1, 28));
    let (f, o) = (0xFFFF, 0x7A5);
    let expected = [0x37F, f, 0x2811, f, f, f, 0x4567, 3, 0xABCD, o, 0x5678, 4, 0x1234, f];
    assert_eq!(wide, expected);
    let narrow = [&[0x66], FNSTENV].concat();
    assert_eq!(run(&mut m, &narrow), Ok(()));
    let expected = [0x37F, 0x2811, f, 0x4567, 0xABCD, 0x5678, 0x1234];
    assert_eq!(words(&memory(&m.1, 14)), expected);
}

#[test]
fn the_real_formats_hold_linear_addresses() {
    let mut m = marked();
    m.0.state.set_flag(Eflags::VM, true);
    m.0.state.seg[SegReg::Ds as usize].selector = Selector(0);
    assert_eq!(run(&mut m, FNSTENV), Ok(()));
    // ABCD0 + 34567 = E0237, 12340 + 45678 = 579B8.
    let (f, o) = (0xFFFF, 0x7A5);
    let wide = words(&memory(&m.1, 28));
    assert_eq!(wide, [0x37F, f, 0x2811, f, f, f, 0x0237, f, 0xE000 | o, 0, 0x79B8, f, 0x5000, 0]);
    let narrow = [&[0x66], FNSTENV].concat();
    assert_eq!(run(&mut m, &narrow), Ok(()));
    let expected = [0x37F, 0x2811, f, 0x0237, 0xE000 | o, 0x79B8, 0x5000];
    assert_eq!(words(&memory(&m.1, 14)), expected);
    assert_eq!(run(&mut m, &[&[0x66], FLDENV].concat()), Ok(()));
    let fpu = &m.0.state.fpu;
    assert_eq!((fpu.ip, fpu.cs, fpu.dp, fpu.ds), (0xE_0237, 0, 0x5_79B8, 0));
    assert_eq!(fpu.opcode, o);
}

#[test]
fn fnsave_and_frstor_carry_all_but_fnsave_initializes() {
    let mut m = fresh();
    for bytes in [FLD1, FLDZ] {
        assert_eq!(run(&mut m, bytes), Ok(()));
    }
    let before = m.0.state.fpu.clone();
    assert_eq!(run(&mut m, &[0xDD, 0x35, 0, 2, 0, 0]), Ok(()));
    assert_eq!(m.0.state.fpu, Fpu::init(before.regs));
    assert_eq!(run(&mut m, &[0xDD, 0x25, 0, 2, 0, 0]), Ok(()));
    assert_eq!(m.0.state.fpu, before);
}
