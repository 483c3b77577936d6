//! The contracts of the machine, each with a test that fails if it is broken: exact budgets,
//! virtual time, attention, translations as machine state, page state, save and restore,
//! determinism.

use super::rig;
use machine::{Engine, HangKind, Input, Machine, MachineConfig, StopReason, Until};
use rig::programs::{A20, CAP, DEBUG_EXIT, FAULTS_FOR_EVER, MIXED, REP_STOSB, STALE, TICKS};
use rig::{advance, config, read, run_to};
use x86::state::gpr;
use x86::{Eflags, PhysAddr};

const NS_PER_STEP: u64 = 10;

/// The engine that this module is for: the file is compiled once for each.
fn engine() -> Engine {
    rig::engine_of(module_path!())
}

/// The pair of ways that are compared.
fn pair() -> Engine {
    if engine() == Engine::Jit { Engine::Lockstep } else { Engine::LockstepInterp }
}

fn machine(code: &[u8]) -> Machine {
    rig::machine_on(code, engine())
}

#[test]
fn a_budget_ends_at_exactly_its_step() {
    let mut m = machine(MIXED);
    for step in [1, 2, 3, 5, 30, 31, 64, 65, 500, 1001, 77_777, 77_778] {
        run_to(&mut m, step);
    }
}

#[test]
fn a_budget_ends_within_rep() {
    let mut m = machine(REP_STOSB);
    // The far jump and five instructions come before it.
    run_to(&mut m, 6 + 1000);
    let state = &m.cpu().state;
    assert_eq!((state.eip(), state.reg32(gpr::ECX)), (0x0C, 0xFFFF - 1000));
    assert_eq!(state.reg32(gpr::EDI), 1000);
    assert_eq!(read(&m, 0x1_0000 + 999, 2), [0x5A, 0]);
    run_to(&mut m, 6 + 0xFFFF);
    assert_eq!(m.cpu().state.reg32(gpr::ECX), 0);
    run_to(&mut m, 6 + 0xFFFF + 1);
    assert_eq!(m.cpu().state.eip(), 0x0F);
}

#[test]
fn a_machine_that_faults_for_ever_uses_up_its_budget() {
    let mut m = machine(FAULTS_FOR_EVER);
    run_to(&mut m, 100);
    // From step 8 on each step is one delivery of 6 bytes on the stack.
    let sp = m.cpu().state.reg32(gpr::ESP);
    run_to(&mut m, 1100);
    assert_eq!(m.cpu().state.reg32(gpr::ESP), sp.wrapping_sub(6 * 1000) & 0xFFFF);
    assert_eq!(m.cpu().state.eip(), 0x20);
}

#[test]
fn virtual_time_is_steps_times_rate_while_nothing_is_idle() {
    let mut m = machine(MIXED);
    run_to(&mut m, 12_345);
    assert_eq!(m.now_ns(), 12_345 * NS_PER_STEP);
    assert!(m.input(Input::Rate(3_000)));
    run_to(&mut m, 22_345);
    assert_eq!(m.now_ns(), 12_345 * NS_PER_STEP + 10_000 * 3);
}

#[test]
fn hlt_skips_time_to_the_next_deadline_and_costs_no_step() {
    let mut m = machine(TICKS);
    assert_eq!(advance(&mut m, Until::ns(50_000_000)), StopReason::Until);
    // 4096 clocks of 1.193182 MHz are 3,432,837 ns: fourteen ticks in 50 ms.
    assert_eq!(m.cpu().state.reg32(gpr::EBX), 14);
    assert_eq!(m.now_ns(), 50_000_000);
    assert!(m.steps() < 200, "{} steps", m.steps());
}

#[test]
fn attention_stops_after_the_instruction_that_asked_for_it() {
    let mut m = machine(DEBUG_EXIT);
    assert_eq!(advance(&mut m, Until::step(1000)), StopReason::DebugExit(7));
    let state = &m.cpu().state;
    assert_eq!((state.eip(), state.reg32(gpr::EBX) & 0xFFFF), (6, 0));
    let next = m.steps() + 1;
    run_to(&mut m, next);
    assert_eq!(m.cpu().state.reg32(gpr::EBX) & 0xFFFF, 1);
}

#[test]
fn two_runs_are_the_same_bit_for_bit() {
    let run = |slices: &[u64]| {
        let mut m = machine(MIXED);
        for step in slices {
            run_to(&mut m, *step);
        }
        m.state_hash_hex()
    };
    let one = run(&[50_000]);
    assert_eq!(one, run(&[50_000]));
    assert_eq!(one, run(&[1, 17, 18, 400, 12_003, 49_999, 50_000]));
    assert_ne!(one, run(&[50_001]));
}

#[test]
fn a_restored_machine_runs_on_to_the_same_hash() {
    for program in [MIXED, TICKS, REP_STOSB, STALE] {
        let mut one = machine(program);
        advance(&mut one, Until::ns(5_000_000).and_step(400));
        let snapshot = one.save();
        let mut other = machine(program);
        other.restore(&snapshot).unwrap();
        assert_eq!(one.state_hash_hex(), other.state_hash_hex());
        advance(&mut one, Until::ns(9_000_000).and_step(900));
        advance(&mut other, Until::ns(9_000_000).and_step(900));
        assert_eq!(one.state_hash_hex(), other.state_hash_hex());
    }
}

#[test]
fn a_stale_translation_is_saved_and_hashed_until_it_is_flushed() {
    let mut m = machine(STALE);
    assert_eq!(advance(&mut m, Until::step(100_000)), StopReason::DebugExit(1));
    let seen = |m: &Machine, r| m.cpu().state.reg32(r);
    assert_eq!((seen(&m, gpr::EBX), seen(&m, gpr::ESI)), (0x5555_5555, 0x5555_5555));

    let mut other = machine(STALE);
    other.restore(&m.save()).unwrap();
    assert_eq!(advance(&mut other, Until::step(100_000)), StopReason::DebugExit(2));
    assert_eq!((seen(&other, gpr::EDX), seen(&other, gpr::EBP)), (0x5555_5555, 0x6666_6666));

    let before = m.state_hash_hex();
    m.cpu_mut().mmu.flush_all();
    assert_ne!(m.state_hash_hex(), before);
    m.changed();
    assert_eq!(advance(&mut m, Until::step(100_000)), StopReason::DebugExit(2));
    assert_eq!(seen(&m, gpr::EDX), 0x6666_6666);
}

#[test]
fn at_the_cap_the_whole_set_of_translations_is_dropped() {
    let mut m = machine(CAP);
    assert_eq!(advance(&mut m, Until::step(1_000_000)), StopReason::DebugExit(1));
    // And the page of the code.
    assert_eq!(m.cpu().mmu.set().len(), 65_530 + 1);
    assert_eq!(advance(&mut m, Until::step(1_000_000)), StopReason::DebugExit(2));
    assert!((15..=21).contains(&m.cpu().mmu.set().len()), "{}", m.cpu().mmu.set().len());
}

#[test]
fn code_changed_by_dma_or_a_debugger_is_run_as_changed() {
    // At 0000:0500: inc bx; jmp 0500. Then DMA makes it dec bx.
    let mut m = machine(&[0xEA, 0x00, 0x05, 0x00, 0x00]);
    m.system_mut().mem.write_phys(PhysAddr(0x500), &[0x43, 0xEB, 0xFD]);
    run_to(&mut m, 2 + 2000);
    assert_eq!(m.cpu().state.reg32(gpr::EBX), 1000);
    m.system_mut().mem.write_phys(PhysAddr(0x500), &[0x4B]);
    run_to(&mut m, 2 + 4000);
    assert_eq!(m.cpu().state.reg32(gpr::EBX), 0);
}

#[test]
fn lockstep_finds_no_difference() {
    for program in [MIXED, TICKS, REP_STOSB, FAULTS_FOR_EVER] {
        let mut m = rig::machine_on(program, pair());
        let stop = advance(&mut m, Until::step(30_000).and_ns(20_000_000));
        assert_eq!(stop, StopReason::Until);
    }
    assert_eq!(
        advance(&mut rig::machine_on(STALE, pair()), Until::step(100_000)),
        StopReason::DebugExit(1)
    );
}

#[test]
fn lockstep_stops_at_a_difference_and_says_what_differs() {
    let mut m = rig::machine_on(MIXED, pair());
    run_to(&mut m, 1000);
    m.cpu_mut().state.set_reg32(gpr::EBP, 0x1234_5678);
    let StopReason::Diverged(found) = advance(&mut m, Until::step(100_000)) else {
        panic!("the difference went unseen");
    };
    assert!((1000..1600).contains(&found.step) && !found.is_exact);
    assert!(found.differences.iter().any(|(name, ..)| name == "EBP"), "{found}");
    assert!(found.to_string().lines().count() < 40);
}

#[test]
fn lockstep_finds_the_very_instruction() {
    // In one of the two machines `imul dx,bx,77` multiplies by 78; DX goes into the next round.
    let mut m = rig::machine_on(MIXED, pair());
    assert_eq!(MIXED[0x36..0x39], [0x6B, 0xD3, 77]);
    m.system_mut().mem.load_rom(PhysAddr(0xF_0038), &[78]);
    let StopReason::Diverged(found) = advance(&mut m, Until::step(100_000)) else {
        panic!("the difference went unseen");
    };
    assert!(found.is_exact && found.step == found.equal_at + 1, "{found}");
    let names: Vec<_> = found.differences.iter().map(|(name, ..)| name.as_str()).collect();
    assert!(names.starts_with(&["EDX"]), "{found}");
    // The far jump, thirteen instructions, REP MOVSB of 37 bytes, ADD, ADC; then IMUL.
    assert_eq!(found.step, 1 + 13 + 37 + 2 + 1);
    let report = found.to_string();
    assert!(report.lines().count() < 40, "{report}");
    assert!(report.contains("EDX") && report.contains("EFLAGS"), "{report}");
    if engine() == Engine::Jit {
        // The block, from REP MOVSB's end on, with the instruction marked and its host code.
        let block = found.block.as_ref().expect("a translated block");
        assert_eq!(block.listing.entries.len(), 4, "{report}");
        let marked = report.lines().find(|line| line.starts_with('>')).expect("a mark");
        assert!(marked.contains("imul dx, bx") && marked.contains("expanded"), "{report}");
        assert!(report.contains("seto r8b"), "{report}");
    } else {
        assert!(found.block.is_none() && report.contains("imul dx, bx"), "{report}");
    }
}

#[test]
fn a_recorded_run_is_replayed_to_the_same_hash() {
    let key = |down| Input::Key { key: devices::Key::A, down };
    let mut one = machine(TICKS);
    advance(&mut one, Until::ns(7_000_001));
    assert!(one.input(key(true)));
    advance(&mut one, Until::ns(7_900_000));
    assert!(one.input(key(false)) && one.input(Input::Rate(20_000)));
    advance(&mut one, Until::ns(30_000_000));

    let mut other = machine(TICKS);
    one.input_log().iter().cloned().for_each(|input| other.schedule(input));
    advance(&mut other, Until::ns(30_000_000));
    assert_eq!(one.state_hash_hex(), other.state_hash_hex());
    assert_eq!(one.input_log(), other.input_log());
}

#[test]
fn the_a20_gate_is_open_at_reset_and_works_at_the_next_instruction() {
    let mut m = rig::machine_on(A20, pair());
    run_to(&mut m, 5000);
    let seen = m.cpu().state.reg32(gpr::EBX) & 0xFFFF;
    assert_eq!((seen, read(&m, 0x10_0500, 1)), (0x1122, vec![0x22]));
}

#[test]
fn events_are_stamped_with_their_step_and_stop_when_the_buffer_is_full() {
    let mut m = machine(FAULTS_FOR_EVER);
    let mut faults = 0;
    let stop = loop {
        let stop = m.advance(Until::step(50_000));
        let events = m.take_events();
        assert!(events.is_sorted_by_key(|r| r.step));
        faults += events.iter().filter(|r| matches!(r.event, x86::Event::Fault { .. })).count();
        if stop != StopReason::EventsFull {
            break stop;
        }
        assert!(!events.is_empty());
    };
    // The far jump and six instructions come before the first UD2.
    assert_eq!((stop, faults), (StopReason::Until, 50_000 - 7));
}

fn stop_of(code: &[u8]) -> StopReason {
    advance(&mut machine(code), Until::step(3_000_000).and_ns(2_000_000_000))
}

#[test]
fn a_halt_without_interrupts_is_a_hang() {
    let hang = StopReason::Hang(HangKind::HaltWithoutInterrupts);
    assert_eq!(stop_of(&[0xFA, 0xF4]), hang);
    // cli; 1: hlt; jmp 1b
    assert_eq!(stop_of(&[0xFA, 0xF4, 0xEB, 0xFD]), hang);
}

#[test]
fn a_loop_of_jumps_without_interrupts_is_a_hang() {
    let instructions_of = |code: &[u8]| match stop_of(code) {
        StopReason::Hang(HangKind::LoopWithoutInterrupts { instructions, .. }) => instructions,
        other => panic!("{other:?}"),
    };
    assert_eq!(instructions_of(&[0xEB, 0xFE]), 1);
    // 1: pause; cli; jz 1b (ZF is clear); jmp 1b
    assert_eq!(instructions_of(&[0xF3, 0x90, 0xFA, 0x74, 0xFB, 0xEB, 0xF9]), 4);
}

#[test]
fn an_x87_error_that_nobody_can_be_told_of_is_a_hang() {
    // cli; fninit; push 37Bh: #Z unmasked; mov bp,sp; fldcw [bp]; fld1; fldz; fdivp: 1 / 0; then
    // an instruction that waits, or one that doesn't and a loop.
    let divide = |then: &[u8]| {
        let head = [0xFA, 0xDB, 0xE3, 0x68, 0x7B, 0x03, 0x89, 0xE5, 0xD9, 0x6E, 0x00];
        [&head[..], &[0xD9, 0xE8, 0xD9, 0xEE, 0xDE, 0xF9], then].concat()
    };
    let hang = StopReason::Hang(HangKind::CoprocessorError);
    // fwait; fadd st,st
    assert_eq!(stop_of(&divide(&[0x9B])), hang);
    assert_eq!(stop_of(&divide(&[0xD8, 0xC0])), hang);
    // fnstsw ax; 1: jmp 1b
    let looping = stop_of(&divide(&[0xDF, 0xE0, 0xEB, 0xFE]));
    assert!(matches!(looping, StopReason::Hang(HangKind::LoopWithoutInterrupts { .. })));
    // sti; nop; 1: fwait: an interrupt may come.
    assert_eq!(stop_of(&divide(&[0xFB, 0x90, 0x9B])), StopReason::Until);
}

#[test]
fn loops_that_may_end_are_no_hang() {
    // sti; 1: jmp 1b: an interrupt may come.
    assert_eq!(stop_of(&[0xFB, 0xEB, 0xFE]), StopReason::Until);
    // 1: in al,64h; test al,1; jz 1b: a key may come.
    assert_eq!(stop_of(&[0xE4, 0x64, 0xA8, 0x01, 0x74, 0xFA]), StopReason::Until);
    // 1: cmp [0],al; jz 1b: DMA may write there.
    assert_eq!(stop_of(&[0x38, 0x06, 0x00, 0x00, 0x74, 0xFA]), StopReason::Until);
}

#[test]
fn a_halt_with_interrupts_waits_for_a_key() {
    let mut m = machine(&[0xFB, 0xF4]);
    assert_eq!(advance(&mut m, Until::STOPPED), StopReason::Idle);
    assert!(m.cpu().state.flag(Eflags::IF));
}

#[test]
fn a_triple_fault_stops_or_resets_as_asked() {
    // lidt [cs:0x100] (a limit of 0); ud2
    let code = [0x2E, 0x0F, 0x01, 0x1E, 0x00, 0x01, 0x0F, 0x0B];
    let mut rom = rig::rom(&code);
    rom[0x100..0x106].fill(0);
    let config = |on_shutdown| MachineConfig {
        bios: Some(rom.clone().into()),
        on_shutdown,
        ..rig::config(&[])
    };
    let mut stops = Machine::new(config(machine::OnShutdown::Stop)).unwrap();
    assert_eq!(advance(&mut stops, Until::step(1000)), StopReason::Shutdown);
    let mut resets = Machine::new(config(machine::OnShutdown::Reset)).unwrap();
    assert_eq!(advance(&mut resets, Until::step(1000)), StopReason::Until);
}

#[test]
fn the_twin_of_lockstep_leaves_host_files_alone() {
    struct Panics;
    impl devices::Storage for Panics {
        fn len_sectors(&self) -> u64 {
            2880
        }
        fn read_only(&self) -> bool {
            false
        }
        fn read(&mut self, _: u64, out: &mut devices::Sector) -> Result<(), devices::StorageError> {
            out.fill(0);
            Ok(())
        }
        fn write(&mut self, _: u64, _: &devices::Sector) -> Result<(), devices::StorageError> {
            panic!("written in lockstep");
        }
    }
    let floppy = machine::Medium::new(Box::new(Panics));
    let config = MachineConfig { engine: pair(), floppies: [Some(floppy), None], ..config(MIXED) };
    let mut m = Machine::new(config).unwrap();
    run_to(&mut m, 1000);
}
