//! What only a run of the engine shows: where events stand, the bytes of an opcode, and what a
//! shutdown leaves. Both ways of running must say the same. Real mode, code at 0:100h.

use super::{Dispatch, Exit, Interp};
use crate::cpu::Cpu;
use bus::{Bus, System};
use mem::Memory;
use x86::cause::OpcodeCheck;
use x86::event::Wanted;
use x86::segment::TableReg;
use x86::state::gpr::{ECX, EDX, ESP};
use x86::{Cause, Eflags, Event, Intercept, PhysAddr, SegReg, Segment, State, Vector};

const START: u64 = 0x100;

/// A processor about to run `code`.
fn loaded(code: &[u8]) -> (Cpu, System) {
    let mut sys = System::new(Memory::flat(1 << 20).expect("1 MiB"), Bus::default());
    sys.mem.write_phys(PhysAddr(START), code);
    let mut cpu = Cpu::new();
    cpu.state.seg[SegReg::Cs as usize] = Segment::real(0);
    cpu.state.rip = START;
    cpu.state.set_reg32(ESP, 0x8000);
    cpu.state.set_reg32(EDX, 0x80);
    cpu.sync();
    (cpu, sys)
}

/// The instruction pointers of the events of the wanted kinds, in both ways of running.
fn places(code: &[u8], wanted: Wanted, steps: u64) -> Vec<(String, u32)> {
    let [blocks, single] = [Dispatch::Blocks, Dispatch::Single].map(|dispatch| {
        let (mut cpu, mut sys) = loaded(code);
        cpu.events.wanted = wanted;
        cpu.state.set_reg32(ECX, 2);
        Interp::new(dispatch).run(&mut cpu, &mut sys, steps);
        let told = cpu.events.take().into_iter().filter_map(|record| match record.event {
            Event::Io { port, write, at, .. } => Some((format!("{port:X} {write}"), at.eip)),
            Event::Callout { kind, at } => Some((kind.name().to_owned(), at.eip)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    });
    assert_eq!(blocks, single);
    blocks
}

#[test]
fn an_io_event_stands_at_its_own_instruction() {
    // nop; out 80h, al; in al, dx
    let told = places(&[0x90, 0xE6, 0x80, 0xEC, 0x90], Wanted::IO, 4);
    assert_eq!(told, [("80 true".into(), 0x101), ("80 false".into(), 0x103)]);
}

#[test]
fn every_iteration_of_a_repeated_outs_stands_at_the_rep() {
    // nop; rep outsb; nop
    let told = places(&[0x90, 0xF3, 0x6E, 0x90], Wanted::IO, 4);
    assert_eq!(told, [("80 true".into(), 0x101), ("80 true".into(), 0x101)]);
}

#[test]
fn a_callout_stands_at_its_own_instruction_even_if_that_jumps() {
    // pushf; smsw ax; far jmp 0:100h
    let code = [0x9C, 0x0F, 0x01, 0xE0, 0xEA, 0x00, 0x01, 0x00, 0x00];
    let told = places(&code, Wanted::CALLOUTS, 3);
    let eips: Vec<u32> = told.iter().map(|(_, eip)| *eip).collect();
    assert_eq!(eips, [0x100, 0x101, 0x104], "{told:?}");
    assert_eq!(told[2].0, Intercept::FarJmp.name());
}

#[test]
fn a_jump_amid_a_block_to_where_no_code_may_be_faults_when_it_is_taken() {
    // again: dec cx; jz again + 10000h (by 66h); inc dx; jmp again
    let code = [0x49, 0x66, 0x0F, 0x84, 0xF8, 0xFF, 0x00, 0x00, 0x42, 0xEB, 0xF5];
    for steps in 1..8 {
        let [blocks, single] = [Dispatch::Blocks, Dispatch::Single].map(|dispatch| {
            let (mut cpu, mut sys) = loaded(&code);
            cpu.state.set_reg32(ECX, 2);
            Interp::new(dispatch).run(&mut cpu, &mut sys, steps);
            assert_eq!(cpu.steps, steps);
            cpu
        });
        assert_eq!(blocks.state, single.state, "after {steps} steps");
        // The sixth is the delivery of its fault.
        let faults = blocks.chain.iter().map(|link| (link.fault.vector, link.at.eip));
        let expected = [(Vector::GeneralProtection, START as u32 + 1)];
        assert_eq!(faults.collect::<Vec<_>>(), if steps > 5 { &expected[..] } else { &[] });
    }
}

/// The state after a shutdown: there is no IDT.
fn shut_down(code: &[u8]) -> (Cpu, State) {
    let (mut cpu, mut sys) = loaded(code);
    cpu.state.idtr = TableReg { base: 0, limit: 0 };
    let before = cpu.state.clone();
    assert_eq!(Interp::new(Dispatch::Blocks).run(&mut cpu, &mut sys, 100), Exit::Shutdown);
    (cpu, before)
}

#[test]
fn a_shutdown_leaves_rf_as_it_was() {
    let (cpu, before) = shut_down(&[0x0F, 0x0B]); // ud2
    assert!(!cpu.state.flag(Eflags::RF), "RF belongs to the image that is pushed");
    assert_eq!(cpu.state.eflags(), before.eflags());
    assert_eq!(cpu.state.rip, START);
}

#[test]
fn an_opcode_refused_by_its_handler_shows_its_bytes() {
    // lldt ax in real mode
    let code = [0x0F, 0x00, 0xD0, 0x90, 1, 2, 3, 4];
    let (cpu, _) = shut_down(&code);
    let why = OpcodeCheck::NeedsProtectedMode;
    assert_eq!(cpu.chain[0].cause, Cause::Opcode { bytes: code, why });
}
