//! What the self-checking programs don't show: the events and the evidence, and NMI masking.
//! 1 MiB; GDT at 1000h, IDT at 2000h, TSS at 3000h; stacks at 8000h and below 9000h.

#[path = "ways.rs"]
mod ways;

use crate::cpu::Cpu;
use bus::{Bus, System};
use mem::Memory;
use x86::cause::{Check, Origin};
use x86::event::{Mode, Source, StackFrom, TaskVia, Transfer, Via};
use x86::segment::{TableReg, system_type};
use x86::state::gpr::ESP;
use x86::{
    Cause, Cr0, Descriptor, Eflags, Event, Fault, LinAddr, PhysAddr, SegReg, Segment, Selector,
};

const GDT: u64 = 0x1000;
const IDT: u64 = 0x2000;
const TSS: u64 = 0x3000;
const KERNEL_CODE: Descriptor = Descriptor(0x00CF_9B00_0000_FFFF);
const KERNEL_DATA: Descriptor = Descriptor(0x00CF_9300_0000_FFFF);
const USER_CODE: Descriptor = Descriptor(0x00CF_FB00_0000_FFFF);
const USER_DATA: Descriptor = Descriptor(0x00CF_F300_0000_FFFF);
/// A 32-bit interrupt gate, DPL 3, to 0008:00005000.
const GATE: Descriptor = Descriptor(0x0000_EE00_0008_5000);

struct Machine {
    cpu: Cpu,
    sys: System,
}

impl Machine {
    fn real() -> Self {
        let memory = Memory::flat(1 << 20).expect("1 MiB");
        let mut cpu = Cpu::new();
        cpu.budget_end = u64::MAX;
        cpu.state.seg[SegReg::Cs as usize] = Segment::real(0);
        cpu.state.set_reg32(ESP, 0x8000);
        cpu.sync();
        Self { cpu, sys: System::new(memory, Bus::default()) }
    }

    /// Ring 3 in flat segments; INT 30h leads to ring 0.
    fn user() -> Self {
        let mut m = Self::real();
        let table = [Descriptor(0), KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA];
        for (n, d) in (0..).zip(table) {
            m.poke(GDT + 8 * n, &d.0.to_le_bytes());
        }
        m.poke(IDT + 8 * 0x30, &GATE.0.to_le_bytes());
        m.poke(TSS + 4, &0x9000_u32.to_le_bytes());
        m.poke(TSS + 8, &0x10_u32.to_le_bytes());
        let state = &mut m.cpu.state;
        state.gdtr = TableReg { base: GDT, limit: 8 * 5 - 1 };
        state.idtr = TableReg { base: IDT, limit: 0x7FF };
        state.tr = Segment {
            base: TSS,
            limit: 0x67,
            attrs: 0x80 | u16::from(system_type::TSS32_BUSY),
            selector: Selector(0x28),
        };
        state.cr0 |= Cr0::PE.bits();
        state.cpl = 3;
        for reg in SegReg::ALL {
            let user = Segment::from_descriptor(Selector(0x23), USER_DATA);
            m.cpu.set_segment(reg, user);
        }
        m.cpu.set_segment(SegReg::Cs, Segment::from_descriptor(Selector(0x1B), USER_CODE));
        m.cpu.sync();
        m
    }

    fn poke(&mut self, at: u64, bytes: &[u8]) {
        self.sys.mem.write_phys(PhysAddr(at), bytes);
    }

    /// Carries out one instruction that stands at 100h.
    fn run(&mut self, bytes: &[u8], bits32: bool) -> Result<(), Fault> {
        let insn = decode::decode(bytes, bits32).expect("an instruction");
        self.cpu.state.rip = 0x100 + u64::from(insn.len);
        crate::ops::lookup(&insn, self.cpu.state.model.features)(
            &mut self.cpu,
            &mut self.sys,
            &insn,
        )
    }

    /// The last transfer told of.
    fn transfer(&mut self) -> Transfer {
        let records = self.cpu.events.take();
        let last = records.iter().rev().find_map(|r| match r.event {
            Event::Transfer(t) => Some(t),
            _ => None,
        });
        last.expect("a transfer")
    }
}

#[test]
fn an_interrupt_into_ring_0_tells_gate_code_stack_and_frame() {
    let mut m = Machine::user();
    m.run(&[0xCD, 0x30], true).expect("delivered");
    let t = m.transfer();
    assert_eq!(t.via, Via::Interrupt { vector: 0x30, source: Source::Software, error_code: None });
    assert_eq!((t.from.ring, t.from.cs.0, t.to.ring, t.to.cs.0, t.to.eip), (3, 0x1B, 0, 8, 0x5000));
    assert_eq!((t.gate, t.code), (Some(GATE), Some(KERNEL_CODE)));
    let stack = StackFrom::Tss { selector: Selector(0x28), base: LinAddr(TSS), offset: 4 };
    assert_eq!(t.stack, stack);
    assert_eq!(t.frame.words(), [0x23, 0x8000, 2, 0x1B, 0x102]);
    assert_eq!((t.to.ss.0, t.to.esp), (0x10, 0x9000 - 20));
}

#[test]
fn an_iret_to_ring_3_tells_that_its_stack_was_popped() {
    let mut m = Machine::user();
    m.run(&[0xCD, 0x30], true).expect("delivered");
    m.run(&[0xCF], true).expect("returned");
    let t = m.transfer();
    assert_eq!((t.via, t.stack), (Via::Iret, StackFrom::Popped));
    // In the order in which an interrupt pushes them.
    assert_eq!(t.frame.words(), [0x23, 0x8000, 2, 0x1B, 0x102]);
    assert_eq!((t.from.ring, t.to.ring, t.to.eip, t.to.esp), (0, 3, 0x102, 0x8000));
}

#[test]
fn a_real_mode_interrupt_tells_its_three_words() {
    let mut m = Machine::real();
    m.poke(4 * 0x21, &[0x34, 0x12, 0x00, 0x50]);
    m.run(&[0xCD, 0x21], false).expect("delivered");
    let t = m.transfer();
    assert_eq!((t.to.mode, t.to.cs.0, t.to.eip, t.to.esp), (Mode::Real, 0x5000, 0x1234, 0x7FFA));
    assert_eq!((t.frame.words(), t.frame.size), (&[2, 0, 0x102][..], 2));
}

#[test]
fn a_real_mode_interrupt_clears_if_tf_and_ac() {
    let mut m = Machine::real();
    m.cpu.state.set_flag(Eflags::IF | Eflags::TF | Eflags::AC, true);
    m.run(&[0xCD, 0x21], false).expect("delivered");
    assert_eq!(m.cpu.state.eflags(), Eflags::FIXED);
    assert_eq!(m.transfer().frame.words()[0], 0x302);
}

#[test]
fn a_task_switch_into_an_eip_beyond_its_code_is_the_new_tasks_fault() {
    let mut m = Machine::user();
    m.cpu.state.gdtr.limit = 8 * 8 - 1;
    // The TSS of the new task, and a code segment of one byte.
    m.poke(GDT + 8 * 6, &0x0000_8900_4000_0067_u64.to_le_bytes());
    m.poke(GDT + 8 * 7, &0x0040_9B00_0000_0000_u64.to_le_bytes());
    m.poke(0x4000 + 0x20, &0x1234_u32.to_le_bytes());
    m.poke(0x4000 + 0x4C, &0x38_u32.to_le_bytes());
    m.poke(0x4000 + 0x50, &0x10_u32.to_le_bytes());
    let switched =
        crate::ops::task::switch(&mut m.cpu, &mut m.sys, Selector(0x30), TaskVia::Jump, None);
    assert_eq!(switched, Err(Fault::gp(0)));
    assert_eq!((m.cpu.state.tr.selector.0, m.cpu.state.eip()), (0x30, 0x1234));
    assert!(m.cpu.keep_rip);
}

#[test]
fn kernel_data_in_ring_3_is_refused_with_its_evidence() {
    let mut m = Machine::user();
    m.cpu.state.set_reg32(0, 0x10);
    // mov ds, ax
    assert_eq!(m.run(&[0x8E, 0xD8], true), Err(Fault::gp(0x10)));
    assert_eq!(
        m.cpu.cause,
        Cause::Selector {
            selector: Selector(0x10),
            descriptor: KERNEL_DATA,
            table_limit: 0x27,
            check: Check::Privilege,
            origin: Origin::Load(SegReg::Ds),
            cpl: 3,
        }
    );
}

#[test]
fn iret_lets_nmis_in_again() {
    let mut m = Machine::real();
    m.cpu.state.nmi_masked = true;
    m.run(&[0xCF], false).expect("returned");
    assert!(!m.cpu.state.nmi_masked);
}

#[test]
fn iret_lets_nmis_in_again_even_if_it_faults() {
    let mut m = Machine::user();
    m.cpu.state.nmi_masked = true;
    // The frame's CS is null.
    assert_eq!(m.run(&[0xCF], true), Err(Fault::gp(0)));
    assert!(!m.cpu.state.nmi_masked);
}

#[test]
fn a_delivered_nmi_holds_others_off() {
    let mut m = Machine::real();
    super::interrupt(&mut m.cpu, &mut m.sys, 2, Source::Nmi, None).expect("delivered");
    assert!(m.cpu.state.nmi_masked);
}

#[test]
fn bound_at_its_limits_passes_and_one_beyond_does_not() {
    let mut m = Machine::user();
    m.poke(0x4000, &[0xFE, 0xFF, 0xFF, 0xFF, 5, 0, 0, 0]);
    // bound eax, [4000h], with the bounds -2 and 5
    let bound = [0x62, 0x05, 0x00, 0x40, 0x00, 0x00];
    for inside in [-2_i32, 5] {
        m.cpu.state.set_reg32(0, inside as u32);
        assert_eq!(m.run(&bound, true), Ok(()), "{inside}");
    }
    m.cpu.state.set_reg32(0, 6);
    assert!(m.run(&bound, true).is_err());
    assert_eq!(m.cpu.cause, Cause::Bound { index: 6, bounds: (-2, 5) });
}
