//! System instructions one by one, on a bare processor with 2 MiB of memory.

use crate::cpu::Cpu;
use crate::ops::{debug, flags, io, misc, system};
use bus::{Bus, System};
use mem::Memory;
use x86::cause::RegisterName;
use x86::model::Name;
use x86::segment::{attr, system_type};
use x86::state::{Activity, gpr};
use x86::{
    Cause, Cr0, Cr4, Efer, Eflags, Fault, Features, Model, PhysAddr, SegReg, Segment, Selector,
    Vector,
};

fn bare() -> (Cpu, System) {
    let mut memory = Memory::flat(2 << 20).expect("2 MiB");
    memory.write_phys(PhysAddr(0x1000), &[0; 32]);
    (Cpu::new(), System::new(memory, Bus::default()))
}

/// In protected mode, ring `cpl`, IOPL 0.
fn protected(cpl: u8) -> (Cpu, System) {
    let (mut cpu, sys) = bare();
    cpu.state.cr0 |= Cr0::PE.bits();
    cpu.state.cpl = cpl;
    cpu.sync();
    (cpu, sys)
}

/// Carries out one 32-bit instruction.
fn run((cpu, sys): &mut (Cpu, System), bytes: &[u8]) -> Result<(), Fault> {
    let insn = decode::decode(bytes, true).expect("an instruction");
    let handler = system::handler(&insn)
        .or_else(|| debug::handler(&insn))
        .or_else(|| io::handler(&insn))
        .or_else(|| misc::handler(&insn))
        .unwrap_or(misc::not_here);
    handler(cpu, sys, &insn)
}

const MOV_CR0_EAX: &[u8] = &[0x0F, 0x22, 0xC0];
const MOV_CR3_EAX: &[u8] = &[0x0F, 0x22, 0xD8];
const MOV_CR4_EAX: &[u8] = &[0x0F, 0x22, 0xE0];
const LMSW_AX: &[u8] = &[0x0F, 0x01, 0xF0];
const WRMSR: &[u8] = &[0x0F, 0x30];
const RDMSR: &[u8] = &[0x0F, 0x32];
const RDTSC: &[u8] = &[0x0F, 0x31];
const MOV_DR7_EAX: &[u8] = &[0x0F, 0x23, 0xF8];
const MOV_EAX_DR6: &[u8] = &[0x0F, 0x21, 0xF0];
const IN_AX_87: &[u8] = &[0x66, 0xE5, 0x87];

#[test]
fn cr0_with_pg_but_not_pe_is_gp_and_changes_nothing() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::EAX, 0x8000_0010);
    assert_eq!(run(&mut m, MOV_CR0_EAX), Err(Fault::gp(0)));
    assert_eq!(m.0.state.cr0(), Cr0::RESET);
    let bits = Cr0::PG.bits();
    let register = RegisterName::Cr0;
    assert_eq!(m.0.cause, Cause::Value { register, value: 0x8000_0010, bits });
}

#[test]
fn cr0_keeps_et_and_drops_bits_that_do_not_exist() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::EAX, 0x0000_FFC1);
    assert_eq!(run(&mut m, MOV_CR0_EAX), Ok(()));
    assert_eq!(m.0.state.cr0(), Cr0::PE | Cr0::ET);
}

#[test]
fn lmsw_cannot_clear_pe() {
    let mut m = protected(0);
    m.0.state.set_reg32(gpr::EAX, 0x000A);
    assert_eq!(run(&mut m, LMSW_AX), Ok(()));
    assert!(m.0.state.cr0().contains(Cr0::PE | Cr0::MP | Cr0::TS));
}

#[test]
fn cr4_bit_of_sse_is_gp_on_a_pentium() {
    let mut m = bare_of(Name::Pentium);
    m.0.state.set_reg32(gpr::EAX, Cr4::OSFXSR.bits() as u32);
    assert_eq!(run(&mut m, MOV_CR4_EAX), Err(Fault::gp(0)));
    assert_eq!(m.0.state.cr4, 0);
}

#[test]
fn cr3_under_pae_loads_the_pdptes_or_none() {
    let mut m = protected(0);
    m.0.state.cr4 = Cr4::PAE.bits();
    m.0.state.cr0 |= Cr0::PG.bits();
    m.1.mem.write_phys(PhysAddr(0x1018), &0x5001u64.to_le_bytes());
    m.0.state.set_reg32(gpr::EAX, 0x1000);
    assert_eq!(run(&mut m, MOV_CR3_EAX), Ok(()));
    assert_eq!((m.0.state.cr3, m.0.state.pdpte), (0x1000, [0, 0, 0, 0x5001]));

    m.1.mem.write_phys(PhysAddr(0x1008), &0x6003u64.to_le_bytes());
    m.0.state.set_reg32(gpr::EAX, 0x1008);
    m.0.state.cr3 = 0;
    assert_eq!(run(&mut m, MOV_CR3_EAX), Err(Fault::gp(0)));
    assert_eq!((m.0.state.cr3, m.0.state.pdpte[3]), (0, 0x5001));
}

#[test]
fn hlt_in_ring_3_is_gp_and_does_not_halt() {
    let mut m = protected(3);
    assert_eq!(run(&mut m, &[0xF4]), Err(Fault::gp(0)));
    assert_eq!(m.0.state.activity, Activity::Running);
    m.0.state.cpl = 0;
    assert_eq!(run(&mut m, &[0xF4]), Ok(()));
    assert_eq!(m.0.state.activity, Activity::Halted);
}

#[test]
fn wrmsr_to_the_time_stamp_sets_what_rdtsc_reads() {
    let mut m = bare();
    m.0.steps = 700;
    m.0.state.set_reg32(gpr::ECX, 0x10);
    m.0.state.set_reg32(gpr::EDX, 3);
    m.0.state.set_reg32(gpr::EAX, 5);
    assert_eq!(run(&mut m, WRMSR), Ok(()));
    m.0.steps += 1;
    assert_eq!(run(&mut m, RDTSC), Ok(()));
    assert_eq!((m.0.state.reg32(gpr::EDX), m.0.state.reg32(gpr::EAX)), (3, 15));
}

#[test]
fn rdtsc_outside_ring_0_obeys_tsd() {
    let mut m = protected(3);
    assert_eq!(run(&mut m, RDTSC), Ok(()));
    m.0.state.cr4 = Cr4::TSD.bits();
    assert_eq!(run(&mut m, RDTSC), Err(Fault::gp(0)));
}

#[test]
fn efer_takes_nxe_but_no_reserved_bit() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::ECX, 0xC000_0080);
    m.0.state.set_reg32(gpr::EDX, 0);
    m.0.state.set_reg32(gpr::EAX, 0x802);
    assert_eq!(run(&mut m, WRMSR), Err(Fault::gp(0)));
    m.0.state.set_reg32(gpr::EAX, 0x800);
    assert_eq!(run(&mut m, WRMSR), Ok(()));
    assert_eq!(m.0.state.efer(), Efer::NXE);
}

#[test]
fn an_msr_that_does_not_exist_is_gp() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::ECX, 0x1234);
    assert_eq!(run(&mut m, RDMSR), Err(Fault::gp(0)));
    assert_eq!(run(&mut m, WRMSR), Err(Fault::gp(0)));
}

#[test]
fn dr7_shows_its_fixed_bits_and_gd_makes_the_next_access_a_fault() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::EAX, 0xF800);
    assert_eq!(run(&mut m, MOV_DR7_EAX), Ok(()));
    assert_eq!(m.0.state.dr[7], 0x2400);
    assert_eq!(run(&mut m, MOV_EAX_DR6), Err(Fault::plain(Vector::Debug)));
    assert_eq!((m.0.state.dr[6], m.0.state.dr[7]), (0xFFFF_2FF0, 0x400));
    assert_eq!(m.0.state.reg32(gpr::EAX), 0xF800);
}

#[test]
fn dr5_is_dr7_until_de_is_set() {
    const MOV_EAX_DR5: &[u8] = &[0x0F, 0x21, 0xE8];
    let mut m = bare();
    assert_eq!(run(&mut m, MOV_EAX_DR5), Ok(()));
    assert_eq!(m.0.state.reg32(gpr::EAX), 0x400);
    m.0.state.cr4 = Cr4::DE.bits();
    assert_eq!(run(&mut m, MOV_EAX_DR5), Err(Fault::ud()));
}

/// Ring 3, with a TSS at 0 whose bitmap is at 68h; `limit` is its limit.
fn with_bitmap(limit: u32) -> (Cpu, System) {
    let mut m = protected(3);
    let attrs = attr::P | u16::from(system_type::TSS32_BUSY);
    m.0.state.tr = Segment { base: 0, limit, attrs, selector: Selector(0x28) };
    m.1.mem.write_phys(PhysAddr(0), &[0; 0x100]);
    m.1.mem.write_phys(PhysAddr(0x66), &[0x68]);
    m
}

#[test]
fn a_word_across_two_bytes_of_the_bitmap_needs_both_bits_clear() {
    let mut m = with_bitmap(0xFF);
    assert_eq!(run(&mut m, IN_AX_87), Ok(()));
    assert_eq!(m.0.state.reg32(gpr::EAX), 0xFFFF);
    m.1.mem.write_phys(PhysAddr(0x68 + 0x11), &[1]);
    assert_eq!(run(&mut m, IN_AX_87), Err(Fault::gp(0)));
    assert_eq!(m.0.cause, Cause::Io { port: 0x87, size: 2, map: 0x68, limit: 0xFF });
}

#[test]
fn the_bitmap_needs_a_byte_past_that_of_the_port() {
    assert_eq!(run(&mut with_bitmap(0x68 + 0x11), IN_AX_87), Ok(()));
    assert_eq!(run(&mut with_bitmap(0x68 + 0x10), IN_AX_87), Err(Fault::gp(0)));
}

#[test]
fn vm86_asks_the_bitmap_whatever_iopl_is() {
    let mut m = with_bitmap(0xFF);
    m.0.state.system_flags |= (Eflags::IOPL | Eflags::VM).bits();
    m.1.mem.write_phys(PhysAddr(0x68 + 0x10), &[0x80]);
    assert_eq!(run(&mut m, IN_AX_87), Err(Fault::gp(0)));
}

#[test]
fn lme_may_be_set_with_any_paging_so_that_the_engine_can_tell() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::ECX, 0xC000_0080);
    m.0.state.set_reg32(gpr::EDX, 0);
    m.0.state.set_reg32(gpr::EAX, 0x100);
    assert_eq!(run(&mut m, WRMSR), Ok(()));
    assert_eq!(m.0.state.efer(), x86::Efer::LME);
}

/// A bare processor of a model.
fn bare_of(name: Name) -> (Cpu, System) {
    (Cpu::of(Model::new(name, Features::empty())), bare().1)
}

#[test]
fn ac_cannot_be_set_on_a_386_nor_id_on_a_486() {
    let popped = |name| {
        let mut m = bare_of(name);
        m.0.state.set_reg32(gpr::ESP, 0x100);
        m.1.mem.write_phys(PhysAddr(0x100), &[0, 0, 0x24, 0]);
        let popfd = decode::decode(&[0x9D], true).expect("POPFD");
        flags::handler(&popfd).expect("its handler")(&mut m.0, &mut m.1, &popfd).expect("no fault");
        m.0.state.eflags() >> 18
    };
    assert_eq!(popped(Name::I386), 0);
    assert_eq!(popped(Name::I486), 1);
    assert_eq!(popped(Name::Pentium), 9);
}

#[test]
fn cr4_is_undefined_before_the_pentium_and_small_on_it() {
    let mut m = bare_of(Name::I486);
    assert_eq!(run(&mut m, MOV_CR4_EAX), Err(Fault::ud()));
    let mut m = bare_of(Name::Pentium);
    m.0.state.set_reg32(gpr::EAX, 0x5F);
    assert_eq!(run(&mut m, MOV_CR4_EAX), Ok(()));
    m.0.state.set_reg32(gpr::EAX, 0x20);
    assert_eq!(run(&mut m, MOV_CR4_EAX), Err(Fault::gp(0)));
}

#[test]
fn wp_is_not_kept_on_a_386() {
    let mut m = bare_of(Name::I386);
    m.0.state.set_reg32(gpr::EAX, 0x0001_0031);
    assert_eq!(run(&mut m, MOV_CR0_EAX), Ok(()));
    assert_eq!(m.0.state.cr0(), Cr0::PE | Cr0::ET);
}

#[test]
fn an_msr_of_a_later_model_is_gp() {
    let mut m = bare_of(Name::Pentium);
    m.0.state.set_reg32(gpr::ECX, 0x174);
    assert_eq!(run(&mut m, RDMSR), Err(Fault::gp(0)));
    let mut m = bare_of(Name::P2);
    m.0.state.set_reg32(gpr::ECX, 0x174);
    assert_eq!(run(&mut m, RDMSR), Ok(()));
}

#[test]
fn debugctl_refuses_reserved_bits_and_branch_records_are_read_only() {
    let mut m = bare();
    m.0.state.set_reg32(gpr::ECX, 0x1D9);
    m.0.state.set_reg32(gpr::EDX, 0);
    m.0.state.set_reg32(gpr::EAX, 0x80);
    assert_eq!(run(&mut m, WRMSR), Err(Fault::gp(0)));
    m.0.state.set_reg32(gpr::EAX, 2);
    assert_eq!((run(&mut m, WRMSR), m.0.state.msr.debug_control), (Ok(()), 2));
    m.0.state.set_reg32(gpr::ECX, 0x1DB);
    assert_eq!((run(&mut m, RDMSR), run(&mut m, WRMSR)), (Ok(()), Err(Fault::gp(0))));
    let mut old = (Cpu::of(Model::new(Name::Pentium, Features::empty())), m.1);
    old.0.state.set_reg32(gpr::ECX, 0x1D9);
    assert_eq!(run(&mut old, RDMSR), Err(Fault::gp(0)));
}

#[test]
fn under_btf_only_a_taken_branch_traps() {
    let (mut cpu, mut sys) = bare();
    // nop; jmp over a nop
    sys.mem.write_phys(PhysAddr(0), &[0x90, 0xEB, 1, 0x90]);
    cpu.set_segment(SegReg::Cs, Segment::real(0));
    cpu.state.rip = 0;
    cpu.state.set_flag(Eflags::TF, true);
    cpu.state.msr.debug_control = 2;
    cpu.budget_end = 10;
    cpu.sync();
    cpu.single(&mut sys);
    assert_eq!((cpu.state.rip, cpu.state.pending_debug), (1, 0));
    cpu.single(&mut sys);
    assert_eq!((cpu.state.rip, cpu.state.pending_debug), (4, 1 << 14));
    cpu.deliver_debug_trap(&mut sys);
    assert_eq!(cpu.state.msr.debug_control, 0);
}
