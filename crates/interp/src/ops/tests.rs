//! What random operands don't show: the order of accesses, wraps, faults that must leave all as
//! it was, and the steps of repeated string instructions. Real mode, 1 MiB, code at 0:100h.

use crate::cpu::Cpu;
use bus::{Bus, System};
use decode::Insn;
use mem::Memory;
use x86::event::Wanted;
use x86::segment::attr;
use x86::state::gpr::{EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP};
use x86::{Arith, Cause, Cr0, Eflags, Fault, PhysAddr, SegReg, Vector};

const START: u64 = 0x100;

struct Machine {
    cpu: Cpu,
    sys: System,
}

impl Machine {
    fn new(registers: &[(usize, u32)]) -> Self {
        let memory = Memory::flat(1 << 20).expect("1 MiB");
        let mut cpu = Cpu::new();
        for (register, value) in registers {
            cpu.state.set_reg32(*register, *value);
        }
        cpu.budget_end = u64::MAX;
        Self { cpu, sys: System::new(memory, Bus::default()) }
    }

    /// Carries out one instruction, as the engine does.
    fn run(&mut self, bytes: &[u8], bits32: bool) -> Result<(), Fault> {
        let insn: Insn = decode::decode(bytes, bits32).expect("an instruction");
        self.cpu.attention = false;
        self.cpu.state.rip = START + u64::from(insn.len);
        super::lookup(&insn, self.cpu.state.model.features)(&mut self.cpu, &mut self.sys, &insn)
    }

    fn run16(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.run(bytes, false)
    }

    fn run32(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.run(bytes, true)
    }

    fn poke(&mut self, at: u64, bytes: &[u8]) {
        self.sys.mem.write_phys(PhysAddr(at), bytes);
    }

    fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut out = [0; N];
        self.sys.mem.read_phys(PhysAddr(at), &mut out);
        out
    }

    fn dword(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn reg(&self, register: usize) -> u32 {
        self.cpu.state.reg32(register)
    }

    /// Protected mode, with a data segment that can't be written.
    fn read_only(mut self) -> Self {
        self.cpu.state.cr0 |= Cr0::PE.bits();
        self.cpu.state.seg[SegReg::Ds as usize].attrs &= !attr::RW;
        self.cpu.sync();
        self
    }
}

#[test]
fn pop_to_memory_addresses_with_the_esp_already_moved() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    m.poke(0x1000, &[0x78, 0x56, 0x34, 0x12]);
    m.run32(&[0x8F, 0x04, 0x24]).unwrap(); // pop dword ptr [esp]
    assert_eq!((m.dword(0x1004), m.reg(ESP)), (0x1234_5678, 0x1004));
}

#[test]
fn pop_that_cannot_write_leaves_esp() {
    let mut m = Machine::new(&[(ESP, 0x1000), (EBX, 0xFFFE)]);
    assert_eq!(m.run32(&[0x8F, 0x03]), Err(Fault::gp(0))); // pop dword ptr [ebx]
    assert_eq!(m.reg(ESP), 0x1000);
}

#[test]
fn push_esp_stores_the_value_from_before() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    m.run32(&[0x54]).unwrap();
    assert_eq!((m.dword(0xFFC), m.reg(ESP)), (0x1000, 0xFFC));
}

#[test]
fn pusha_that_faults_leaves_esp_but_not_the_stack() {
    // The third slot would lie at 0FFFEh and reach past the segment's end.
    let mut m = Machine::new(&[(ESP, 0xABCD_000A), (EAX, 0x1111_1111)]);
    assert_eq!(m.run32(&[0x60]), Err(Fault::ss(0)));
    assert_eq!((m.dword(6), m.reg(ESP)), (0x1111_1111, 0xABCD_000A));
}

#[test]
fn popa_skips_the_slot_of_esp() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    m.poke(0x1000, &[7, 0, 6, 0, 5, 0, 4, 0, 3, 0, 2, 0, 1, 0, 9, 0]);
    m.run16(&[0x61]).unwrap();
    let all = [EDI, ESI, EBP, EBX, EDX, ECX, EAX].map(|r| m.reg(r) & 0xFFFF);
    assert_eq!(all, [7, 6, 5, 3, 2, 1, 9]);
    assert_eq!(m.reg(ESP), 0x1010);
}

#[test]
fn enter_copies_the_outer_frame_pointers() {
    let mut m = Machine::new(&[(ESP, 0x1000), (EBP, 0x2000)]);
    m.poke(0x1FF8, &[0xBB, 0, 0, 0, 0xAA, 0, 0, 0]);
    m.run32(&[0xC8, 0x10, 0x00, 0x03]).unwrap(); // enter 16, 3
    let frame: Vec<u32> = [0xFFC, 0xFF8, 0xFF4, 0xFF0].map(|at| m.dword(at)).to_vec();
    assert_eq!(frame, [0x2000, 0xAA, 0xBB, 0xFFC]);
    assert_eq!((m.reg(EBP), m.reg(ESP)), (0xFFC, 0xFE0));
}

#[test]
fn enter_to_an_esp_outside_the_stack_leaves_the_registers() {
    let mut m = Machine::new(&[(ESP, 0x10), (EBP, 0x1234)]);
    m.cpu.state.seg[SegReg::Ss as usize].limit = 0x0FFF;
    m.cpu.sync();
    assert_eq!(m.run16(&[0xC8, 0x20, 0x00, 0x00]), Err(Fault::ss(0)));
    assert_eq!((m.reg(EBP), m.reg(ESP)), (0x1234, 0x10));
}

#[test]
fn leave_takes_the_frame_from_bp() {
    let mut m = Machine::new(&[(ESP, 0x10), (EBP, 0x1000)]);
    m.poke(0x1000, &[0x34, 0x12]);
    m.run16(&[0xC9]).unwrap();
    assert_eq!((m.reg(EBP), m.reg(ESP)), (0x1234, 0x1002));
}

#[test]
fn a_call_beyond_the_limit_pushes_nothing() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    assert_eq!(m.run32(&[0xE8, 0x00, 0x00, 0x10, 0x00]), Err(Fault::gp(0)));
    assert_eq!((m.dword(0xFFC), m.reg(ESP)), (0, 0x1000));
}

#[test]
fn a_near_return_beyond_the_limit_pops_nothing() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    m.poke(0x1000, &[0, 0, 1, 0]);
    assert_eq!(m.run32(&[0xC3]), Err(Fault::gp(0)));
    assert_eq!(m.reg(ESP), 0x1000);
}

#[test]
fn a_near_return_releases_its_immediate() {
    let mut m = Machine::new(&[(ESP, 0x1000)]);
    m.poke(0x1000, &[0x00, 0x20]);
    m.run16(&[0xC2, 0x04, 0x80]).unwrap(); // ret 8004h
    assert_eq!((m.cpu.state.rip, m.reg(ESP)), (0x2000, 0x9006));
}

#[test]
fn a_16_bit_jump_wraps_at_64k() {
    let mut m = Machine::new(&[]);
    m.run16(&[0xE9, 0x00, 0xFF]).unwrap(); // from 103h by -100h
    assert_eq!(m.cpu.state.rip, 3);
    m.run16(&[0xEB, 0x80]).unwrap(); // from 102h by -80h
    assert_eq!(m.cpu.state.rip, 0x82);
}

#[test]
fn a_loop_beyond_the_limit_leaves_the_counter() {
    let mut m = Machine::new(&[(ECX, 5)]);
    m.cpu.state.seg[SegReg::Cs as usize].limit = 0x17F;
    assert_eq!(m.run32(&[0xE2, 0x7E]), Err(Fault::gp(0))); // to 180h
    assert_eq!(m.reg(ECX), 5);
}

#[test]
fn loop_counts_in_cx_or_ecx_by_the_address_size() {
    let mut m = Machine::new(&[(ECX, 0x1_0001)]);
    m.run16(&[0xE2, 0x10]).unwrap();
    assert_eq!((m.reg(ECX), m.cpu.state.rip), (0x1_0000, 0x102));
    m.run16(&[0x67, 0xE2, 0x10]).unwrap();
    assert_eq!((m.reg(ECX), m.cpu.state.rip), (0xFFFF, 0x113));
}

#[test]
fn every_conditional_jump_follows_its_condition() {
    for cc in 0..16 {
        for flags in (0..0x1000).filter(|f| f & !Eflags::STATUS.bits() == 0) {
            let mut m = Machine::new(&[]);
            m.cpu.state.arith = Arith::from_flags(flags);
            m.run32(&[0x70 | cc, 0x10]).unwrap();
            let taken = m.cpu.state.rip == 0x112;
            assert_eq!(taken, m.cpu.state.arith.condition(cc), "{cc:x} {flags:x}");
        }
    }
}

#[test]
fn a_bit_index_in_a_register_reaches_below_the_operand() {
    let mut m = Machine::new(&[(EBX, 0x1000), (ECX, -33i32 as u32)]);
    m.run32(&[0x0F, 0xAB, 0x0B]).unwrap(); // bts [ebx], ecx
    assert_eq!((m.dword(0xFF8), m.dword(0xFFC)), (0x8000_0000, 0));
}

#[test]
fn a_shift_by_zero_still_needs_writable_memory() {
    let mut m = Machine::new(&[(EBX, 0x1000)]).read_only();
    assert_eq!(m.run32(&[0xD3, 0x23]), Err(Fault::gp(0))); // shl dword ptr [ebx], cl
    assert_eq!(m.run32(&[0x8B, 0x03]), Ok(())); // mov eax, [ebx]
}

#[test]
fn a_compare_needs_no_writable_memory() {
    let mut m = Machine::new(&[(EBX, 0x1000)]).read_only();
    assert_eq!(m.run32(&[0x83, 0x3B, 0x00]), Ok(())); // cmp dword ptr [ebx], 0
    assert!(m.cpu.state.arith.zf());
    assert_eq!(m.run32(&[0x83, 0x03, 0x00]), Err(Fault::gp(0))); // add
}

#[test]
fn a_quotient_that_does_not_fit_is_de_with_the_divisor_as_evidence() {
    let mut m = Machine::new(&[(EAX, 0), (EDX, 3), (ECX, 3)]);
    let fault = m.run32(&[0xF7, 0xF1]).unwrap_err(); // div ecx
    assert_eq!(fault, Fault::plain(Vector::DivideError));
    assert_eq!(m.cpu.cause, Cause::Divide { divisor: 3 });
    assert_eq!((m.reg(EAX), m.reg(EDX)), (0, 3));
}

#[test]
fn xadd_of_a_register_to_itself_doubles_it() {
    let mut m = Machine::new(&[(EAX, 21)]);
    m.run32(&[0x0F, 0xC1, 0xC0]).unwrap();
    assert_eq!(m.reg(EAX), 42);
}

#[test]
fn decimal_adjustments() {
    let mut m = Machine::new(&[(EAX, 0x79 + 0x35)]);
    m.run32(&[0x27]).unwrap(); // daa: 79 + 35 = 114
    assert_eq!((m.reg(EAX), m.cpu.state.arith.cf()), (0x14, true));
    m.cpu.set_reg16(0, 0x0507);
    m.run32(&[0xD5, 0x0A]).unwrap(); // aad
    assert_eq!(m.reg(EAX), 57);
    m.run32(&[0xD4, 0x0A]).unwrap(); // aam
    assert_eq!(m.reg(EAX), 0x0507);
    assert_eq!(m.run32(&[0xD4, 0x00]), Err(Fault::plain(Vector::DivideError)));
}

#[test]
fn xlat_wraps_with_16_bit_addresses() {
    let mut m = Machine::new(&[(EBX, 0xFFFF), (EAX, 3)]);
    m.poke(2, &[0x77]);
    m.run16(&[0xD7]).unwrap();
    assert_eq!(m.reg(EAX), 0x77);
}

#[test]
fn a_prefetch_touches_nothing() {
    let mut m = Machine::new(&[(EBX, 0xFFFF_0000)]);
    assert_eq!(m.run32(&[0x0F, 0x18, 0x0B]), Ok(())); // prefetcht0 [ebx]
}

#[test]
fn a_repetition_stops_where_the_budget_ends() {
    let mut m = Machine::new(&[(ECX, 9), (EDI, 0x1000), (EAX, 0x55)]);
    m.cpu.steps = 100;
    m.cpu.budget_end = 104;
    m.run16(&[0xF3, 0xAA]).unwrap(); // rep stosb
    assert_eq!((m.reg(ECX), m.reg(EDI)), (5, 0x1004));
    // The engine counts the last iteration.
    assert_eq!((m.cpu.state.rip, m.cpu.steps), (START, 103));
}

#[test]
fn a_fault_in_a_repetition_keeps_the_iterations_before() {
    let mut m = Machine::new(&[(ECX, 9), (EDI, 0xFFFA), (EAX, 0x5555_5555)]);
    assert_eq!(m.run32(&[0xF3, 0xAB]), Err(Fault::gp(0))); // rep stosd
    assert_eq!((m.reg(ECX), m.reg(EDI), m.cpu.steps), (8, 0xFFFE, 1));
    assert_eq!(m.bytes(0xFFFA), [0x55, 0x55, 0x55, 0x55, 0, 0]);
}

#[test]
fn a_count_of_zero_does_nothing() {
    let mut m = Machine::new(&[(ECX, 0xABCD_0000), (ESI, 0x1000), (EDI, 0x2000)]);
    m.run16(&[0xF3, 0xA4]).unwrap(); // rep movsb
    let all = [m.reg(ECX), m.reg(ESI), m.reg(EDI)];
    assert_eq!(all, [0xABCD_0000, 0x1000, 0x2000]);
    assert_eq!((m.cpu.state.rip, m.cpu.steps), (START + 2, 0));
}

#[test]
fn sixteen_bit_indexes_wrap_and_keep_their_upper_halves() {
    let mut m = Machine::new(&[(ECX, 0x7_0002), (ESI, 0x8_FFFF), (EDI, 0x9_1000)]);
    m.poke(0xFFFF, &[0x11]);
    m.poke(0, &[0x22]);
    m.run16(&[0xF3, 0xA4]).unwrap();
    assert_eq!(m.bytes(0x1000), [0x11, 0x22]);
    let all = [m.reg(ECX), m.reg(ESI), m.reg(EDI)];
    assert_eq!(all, [0x7_0000, 0x8_0001, 0x9_1002]);
}

#[test]
fn an_overlapping_move_repeats_its_pattern() {
    let mut m = Machine::new(&[(ECX, 6), (ESI, 0x1000), (EDI, 0x1002)]);
    m.poke(0x1000, &[1, 2]);
    m.run16(&[0xF3, 0xA4]).unwrap();
    assert_eq!(m.bytes(0x1000), [1, 2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn a_move_downwards_ends_below() {
    let mut m = Machine::new(&[(ECX, 3), (ESI, 0x1004), (EDI, 0x1006)]);
    m.cpu.state.set_flag(Eflags::DF, true);
    m.poke(0x1000, &[1, 0, 2, 0, 3, 0, 0, 0]);
    m.run16(&[0xF3, 0xA5]).unwrap(); // rep movsw
    assert_eq!(m.bytes(0x1000), [1, 0, 1, 0, 2, 0, 3, 0]);
    assert_eq!((m.reg(ESI), m.reg(EDI)), (0xFFE, 0x1000));
}

#[test]
fn repe_cmps_ends_behind_the_first_difference() {
    let mut m = Machine::new(&[(ECX, 8), (ESI, 0x1000), (EDI, 0x2000)]);
    m.poke(0x1000, b"ring zero");
    m.poke(0x2000, b"ring one!");
    m.run16(&[0xF3, 0xA6]).unwrap();
    assert_eq!((m.reg(ECX), m.reg(ESI), m.cpu.steps), (2, 0x1006, 5));
    assert!(!m.cpu.state.arith.zf() && !m.cpu.state.arith.cf());
}

/// Runs a repeated string instruction to its end, at most `at_once` iterations a time.
fn repeat_to_the_end(bytes: &[u8], registers: &[(usize, u32)], at_once: u64) -> Machine {
    let mut m = Machine::new(registers);
    let pattern: Vec<u8> = (0..0x8000u32).map(|n| (n * 7 + n / 256) as u8).collect();
    m.poke(0, &pattern);
    loop {
        m.cpu.budget_end = m.cpu.steps + at_once;
        m.run16(bytes).unwrap();
        m.cpu.steps += 1;
        if m.cpu.state.rip != START {
            return m;
        }
    }
}

fn same_at_once_and_one_by_one(bytes: &[u8], registers: &[(usize, u32)]) {
    let [a, b, c] = [u64::from(u32::MAX), 1, 1000].map(|n| repeat_to_the_end(bytes, registers, n));
    for other in [b, c] {
        assert_eq!(a.cpu.state, other.cpu.state);
        assert_eq!(a.cpu.steps, other.cpu.steps);
        assert!(a.bytes::<0x10000>(0) == other.bytes::<0x10000>(0));
    }
}

#[test]
fn a_move_across_pages_is_the_same_at_once_and_one_by_one() {
    let registers = [(ECX, 5000), (ESI, 0x1003), (EDI, 0x9401)];
    same_at_once_and_one_by_one(&[0xF3, 0xA4], &registers);
    same_at_once_and_one_by_one(&[0xF3, 0xA5], &registers);
}

#[test]
fn an_overlapping_move_is_the_same_at_once_and_one_by_one() {
    let upwards = [(ECX, 3000), (ESI, 0x1000), (EDI, 0x1003)];
    same_at_once_and_one_by_one(&[0xF3, 0xA4], &upwards);
    let downwards = [(ECX, 3000), (ESI, 0x1001), (EDI, 0x1000)];
    same_at_once_and_one_by_one(&[0xF3, 0xA5], &downwards);
}

#[test]
fn a_fill_is_the_same_at_once_and_one_by_one() {
    let registers = [(ECX, 2500), (EDI, 0x4000), (EAX, 0x1234_5678)];
    same_at_once_and_one_by_one(&[0xF3, 0xAB], &registers);
    same_at_once_and_one_by_one(&[0xF3, 0xAA], &registers);
    same_at_once_and_one_by_one(&[0xF3, 0x66, 0xAB], &registers);
}

#[test]
fn ins_reads_no_port_unless_it_can_write() {
    let mut m = Machine::new(&[(EDI, 0xFFFF), (EDX, 0x60)]);
    m.cpu.events.wanted |= Wanted::IO;
    assert_eq!(m.run16(&[0x6D]), Err(Fault::gp(0))); // insw
    assert_eq!(m.cpu.events.take().len(), 0);
    m.cpu.set_reg16(7, 0x1000);
    m.run16(&[0x6D]).unwrap();
    assert_eq!(m.cpu.events.take().len(), 1);
    assert_eq!((m.bytes(0x1000), m.reg(EDI)), ([0xFF, 0xFF], 0x1002));
}
