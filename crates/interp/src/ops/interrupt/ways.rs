//! The short ways of crossings ([`crate::ops::far::plain`], and [`crate::ops::far::notes`] once they
//! were seen) beside the long one, which the self-checking programs prove: they seldom meet the
//! conditions of the short ones.

use super::{GATE, GDT, IDT, KERNEL_CODE, KERNEL_DATA, Machine, TSS, USER_CODE, USER_DATA};
use crate::ops::far::notes::{self, Frame};
use crate::ops::far::plain::{self, Vectored};
use x86::event::Source;
use x86::segment::system_type;
use x86::state::gpr;
use x86::{Cr0, Descriptor, Eflags, Fault, LinAddr, PhysAddr, SegReg};

/// INT 30h, IRETD, CALL 28h:0, RETF 8.
const INT: &[u8] = &[0xCD, 0x30];
const IRET: &[u8] = &[0xCF];
const CALL: &[u8] = &[0x9A, 0, 0, 0, 0, 0x2B, 0];
const RETF: &[u8] = &[0xCA, 8, 0];
/// A 32-bit call gate, DPL 3, two parameters, to 0008:00005000.
const CALL_GATE: Descriptor = Descriptor(0x0000_EC02_0008_5000);

/// Two levels of tables, and a page that shows nowhere.
const DIRECTORY: u64 = 0xA000;
const TABLE: u64 = 0xB000;
const HIDDEN: u64 = 0x1_2000;

/// A machine in ring 3, paged, whose software TLB knows all that a crossing touches, and which has
/// seen each often enough to follow its note.
fn warm(careful: bool) -> Machine {
    let mut m = Machine::user();
    m.poke(GDT + 0x28, &CALL_GATE.0.to_le_bytes());
    m.cpu.state.gdtr.limit = 8 * 6 - 1;
    m.poke(DIRECTORY, &(TABLE as u32 | 7).to_le_bytes());
    for page in 0..256 {
        m.poke(TABLE + 4 * page, &((page << 12) as u32 | 7).to_le_bytes());
    }
    m.cpu.state.cr3 = DIRECTORY;
    m.cpu.state.cr0 |= (Cr0::PG | Cr0::WP).bits();
    m.cpu.sync();
    m.cpu.is_careful = careful;
    for way in [INT, IRET, CALL, RETF].repeat(3) {
        m.run(way, true).expect("all is in order");
    }
    drop(m.cpu.events.take());
    m
}

impl Machine {
    fn copy(&mut self, from: u64, to: u64, bytes: usize) {
        let mut all = vec![0; bytes];
        self.sys.mem.read_phys(PhysAddr(from), &mut all);
        self.poke(to, &all);
    }

    /// Maps the page of a table to [`HIDDEN`], where it says the same but for the change.
    fn remap(&mut self, at: u64, change: impl Fn(&mut Self, u64)) {
        self.copy(at & !0xFFF, HIDDEN, 0x1000);
        change(self, HIDDEN | at & 0xFFF);
        self.poke(TABLE + 4 * (at >> 12), &(HIDDEN as u32 | 7).to_le_bytes());
        self.cpu.mmu.invalidate(LinAddr(at));
    }
}

/// What a crossing does after `before`, the short way and the long one: the same. Gives the fault.
fn both(before: impl Fn(&mut Machine), bytes: &[u8]) -> Option<Fault> {
    let [short, long] = [false, true].map(|careful| {
        let mut m = warm(careful);
        before(&mut m);
        let done = m.run(bytes, true);
        let frame: [u8; 64] = m.sys.mem.arena().load(0x9000 - 64);
        let events = format!("{:?}", m.cpu.events.take());
        let derived = SegReg::ALL.map(|s| m.cpu.segment_ends(s));
        let derived = (derived, m.cpu.segment_shapes());
        let entries: [[u8; 32]; 2] = [TABLE, DIRECTORY].map(|at| m.sys.mem.arena().load(at));
        let cached = m.cpu.mmu.set().list();
        let tables = format!("{entries:?} {cached:?} {:?}", m.sys.mem.arena().load::<64>(GDT));
        let told = format!("{frame:?} {events} {derived:?} {tables}");
        (done.err(), format!("{:?} {:?} {told}", m.cpu.state, m.cpu.cause))
    });
    assert_eq!(short, long);
    short.0
}

fn in_ring_0(m: &mut Machine) {
    m.run(INT, true).expect("delivered");
}

const SOFTWARE: Vectored =
    Vectored { vector: 0x30, is_software: true, error_code: None, source: Source::Software };

#[test]
fn the_short_way_is_taken_where_all_is_in_order() {
    let mut m = warm(false);
    let from = m.cpu.state.place();
    assert!(plain::handler(&mut m.cpu, &mut m.sys, SOFTWARE).is_some());
    assert!(plain::iret(&mut m.cpu, &mut m.sys, from).is_some());
}

#[test]
fn a_crossing_that_was_seen_follows_its_note() {
    let mut m = warm(false);
    assert!(notes::handler(&mut m.cpu, &mut m.sys, SOFTWARE).is_some());
    assert!(Frame::<3>::of(&m.cpu, &m.sys, 0).is_some());
    let mut m = warm(false);
    m.run(CALL, true).expect("inwards");
    assert!(m.cpu.followed() != 0 && Frame::<2>::of(&m.cpu, &m.sys, 8).is_some());
    let mut careful = warm(true);
    assert!(notes::handler(&mut careful.cpu, &mut careful.sys, SOFTWARE).is_none());
}

#[test]
fn crossings_in_order_do_the_same_both_ways() {
    assert_eq!(both(|_| (), INT), None);
    assert_eq!(both(in_ring_0, IRET), None);
    assert_eq!(both(|_| (), CALL), None);
    assert_eq!(both(|m| m.run(CALL, true).expect("inwards"), RETF), None);
}

/// What was made from a descriptor is remembered: it must not outlive it.
#[test]
fn descriptors_that_change_under_their_selectors_do_the_same_both_ways() {
    let (limit, base) = (1 << 55 | 0xF << 48, 0x10 << 16);
    let change = |m: &mut Machine, n: u64, d: Descriptor, bits: u64| {
        m.poke(GDT + 8 * n, &(d.0 ^ bits).to_le_bytes());
    };
    let inwards = |m: &mut Machine| {
        change(m, 1, KERNEL_CODE, base);
        change(m, 2, KERNEL_DATA, limit);
    };
    let outwards = |m: &mut Machine| {
        change(m, 3, USER_CODE, base);
        change(m, 4, USER_DATA, limit);
    };
    assert_eq!(both(inwards, INT), None);
    assert_eq!(both(inwards, CALL), None);
    assert_eq!(both(|m| (in_ring_0(m), outwards(m)).1, IRET), None);
    assert_eq!(both(|m| (m.run(CALL, true).expect("inwards"), outwards(m)).1, RETF), None);
}

#[test]
fn a_gate_below_the_callers_ring_is_refused_both_ways() {
    let gate = GATE.0 & !(3 << 45);
    let fault = both(|m| m.poke(IDT + 8 * 0x30, &gate.to_le_bytes()), INT);
    assert_eq!(fault, Some(Fault::gp(0x182)));
    let gate = CALL_GATE.0 & !(3 << 45);
    let fault = both(|m| m.poke(GDT + 0x28, &gate.to_le_bytes()), CALL);
    assert_eq!(fault, Some(Fault::gp(0x28)));
}

#[test]
fn a_handler_beyond_its_segment_is_refused_both_ways() {
    let code = KERNEL_CODE.0 & !(1 << 55) & !(0xF << 48) & !0xFFFF | 0x4FFF;
    let small = |m: &mut Machine| m.poke(GDT + 8, &code.to_le_bytes());
    assert_eq!(both(small, INT), Some(Fault::gp(0)));
    assert_eq!(both(small, CALL), Some(Fault::gp(0)));
}

#[test]
fn an_inner_stack_of_another_ring_is_refused_both_ways() {
    let fault = both(|m| m.poke(TSS + 8, &[0x13]), INT);
    assert_eq!(fault, Some(Fault::ts(0x10)));
    let data = KERNEL_DATA.0 | 3 << 45;
    let fault = both(|m| m.poke(GDT + 0x10, &data.to_le_bytes()), CALL);
    assert_eq!(fault, Some(Fault::ts(0x10)));
}

#[test]
fn a_return_whose_rpl_isnt_the_segments_ring_is_refused_both_ways() {
    let code = USER_CODE.0 & !(3 << 45) | 2 << 45;
    let other = |m: &mut Machine| m.poke(GDT + 0x18, &code.to_le_bytes());
    let iret = both(|m| (in_ring_0(m), other(m)).1, IRET);
    assert_eq!(iret, Some(Fault::gp(0x18)));
    let retf = both(|m| (m.run(CALL, true).expect("inwards"), other(m)).1, RETF);
    assert_eq!(retf, Some(Fault::gp(0x18)));
    // A frame that asks for ring 3 in a segment of ring 0.
    let kernel = both(|m| (in_ring_0(m), m.poke(0x9000 - 16, &[0x0B])).1, IRET);
    assert_eq!(kernel, Some(Fault::gp(8)));
}

#[test]
fn an_outer_stack_of_another_ring_is_refused_both_ways() {
    let data = USER_DATA.0 & !(3 << 45);
    let fault = both(|m| (in_ring_0(m), m.poke(GDT + 0x20, &data.to_le_bytes())).1, IRET);
    assert_eq!(fault, Some(Fault::gp(0x20)));
}

/// Where the tables are, and how long.
#[test]
fn tables_that_move_do_the_same_both_ways() {
    let other_handler = |m: &mut Machine| {
        m.copy(IDT, 0x1_0000, 0x800);
        m.poke(0x1_0000 + 8 * 0x30, &(GATE.0 ^ 0x40).to_le_bytes());
        m.cpu.state.idtr.base = 0x1_0000;
    };
    assert_eq!(both(other_handler, INT), None);
    let short_idt = |m: &mut Machine| m.cpu.state.idtr.limit = 8 * 0x30 + 6;
    assert_eq!(both(short_idt, INT), Some(Fault::gp(0x182)));
    let other_gdt = |m: &mut Machine| {
        m.copy(GDT, 0x1_0000, 48);
        for n in [1, 2, 3, 4] {
            m.poke(0x1_0000 + 8 * n + 2, &[0x20]);
        }
        m.cpu.state.gdtr.base = 0x1_0000;
    };
    assert_eq!(both(other_gdt, INT), None);
    assert_eq!(both(other_gdt, CALL), None);
    assert_eq!(both(|m| (in_ring_0(m), other_gdt(m)).1, IRET), None);
    let short_gdt = |m: &mut Machine| m.cpu.state.gdtr.limit = 0x2E;
    assert_eq!(both(short_gdt, CALL), Some(Fault::gp(0x28)));
    let shorter = |m: &mut Machine| m.cpu.state.gdtr.limit = 0x1E;
    assert_eq!(both(|m| (in_ring_0(m), shorter(m)).1, IRET), Some(Fault::gp(0x18)));
}

#[test]
fn a_tss_that_moves_or_changes_does_the_same_both_ways() {
    for way in [INT, CALL] {
        let moved = |m: &mut Machine| {
            m.poke(0x1_0000 + 4, &0x8F00_u64.to_le_bytes());
            m.poke(0x1_0000 + 8, &[0x10]);
            m.cpu.state.tr.base = 0x1_0000;
        };
        assert_eq!(both(moved, way), None);
        let short = |m: &mut Machine| m.cpu.state.tr.limit = 8;
        assert_eq!(both(short, way), Some(Fault::ts(0x28)));
        let kind = u16::from(system_type::TSS32_BUSY ^ system_type::TSS16_BUSY);
        both(|m| m.cpu.state.tr.attrs ^= kind, way);
        assert_eq!(both(|m| m.poke(TSS + 4, &0x8FF0_u32.to_le_bytes()), way), None);
        assert_eq!(both(|m| m.poke(TSS + 4, &2_u32.to_le_bytes()), way), Some(Fault::ss(0x10)));
        assert_eq!(both(|m| m.poke(TSS + 8, &[0x20]), way), Some(Fault::ts(0x20)));
    }
}

/// The bit is set again.
#[test]
fn descriptors_that_lost_their_accessed_bit_do_the_same_both_ways() {
    for n in 1..5 {
        let lost = |m: &mut Machine| {
            let mut rights = [0];
            m.sys.mem.read_phys(PhysAddr(GDT + 8 * n + 5), &mut rights);
            m.poke(GDT + 8 * n + 5, &[rights[0] & !1]);
        };
        assert_eq!(both(lost, INT), None);
        assert_eq!(both(lost, CALL), None);
        assert_eq!(both(|m| (in_ring_0(m), lost(m)).1, IRET), None);
        assert_eq!(both(|m| (m.run(CALL, true).expect("inwards"), lost(m)).1, RETF), None);
    }
}

#[test]
fn tables_whose_pages_are_mapped_elsewhere_do_the_same_both_ways() {
    let gate = |m: &mut Machine, at: u64| m.poke(at, &(GATE.0 ^ 0x40).to_le_bytes());
    assert_eq!(both(|m| m.remap(IDT + 8 * 0x30, gate), INT), None);
    let base = |m: &mut Machine, at: u64| m.poke(at + 2, &[0x20]);
    assert_eq!(both(|m| m.remap(GDT + 8, base), INT), None);
    assert_eq!(both(|m| m.remap(GDT + 0x10, base), CALL), None);
    assert_eq!(both(|m| (in_ring_0(m), m.remap(GDT + 0x18, base)).1, IRET), None);
    let esp = |m: &mut Machine, at: u64| m.poke(at, &0x8F00_u32.to_le_bytes());
    assert_eq!(both(|m| m.remap(TSS + 4, esp), INT), None);
    assert_eq!(both(|m| m.remap(TSS + 4, esp), CALL), None);
}

/// A table's page, and those of the stacks: rights that go, and marks that must come again.
#[test]
fn pages_that_change_do_the_same_both_ways() {
    let entry = |m: &mut Machine, page: u64, entry: u32| {
        m.poke(TABLE + 4 * page, &entry.to_le_bytes());
        m.cpu.mmu.invalidate(LinAddr(page << 12));
    };
    for page in [1, 2, 3, 8] {
        for bits in [7, 6, 5] {
            let change = |m: &mut Machine| entry(m, page, (page << 12) as u32 | bits);
            let faults = [INT, CALL].map(|way| both(change, way).is_some());
            assert!(bits == 6 || page == 8 || faults == [false; 2], "{page:x} {bits}");
            both(|m| (in_ring_0(m), change(m)).1, IRET);
            both(|m| (m.run(CALL, true).expect("inwards"), change(m)).1, RETF);
        }
    }
}

#[test]
fn modes_and_flags_that_arent_plain_do_the_same_both_ways() {
    let real = |m: &mut Machine| {
        m.cpu.state.cr0 &= !(Cr0::PE | Cr0::PG).bits();
        m.cpu.state.cpl = 0;
        m.cpu.sync();
    };
    both(real, INT);
    for flag in [Eflags::TF, Eflags::NT, Eflags::AC, Eflags::RF, Eflags::VIP | Eflags::VIF] {
        both(|m| m.cpu.state.set_flag(flag, true), INT);
        both(|m| m.cpu.state.set_flag(flag, true), CALL);
        both(|m| (in_ring_0(m), m.cpu.state.set_flag(flag, true)).1, IRET);
        let popped = |m: &mut Machine| m.poke(0x9000 - 12, &flag.bits().to_le_bytes());
        both(|m| (in_ring_0(m), popped(m)).1, IRET);
    }
    // Virtual-8086 mode.
    let popped = |m: &mut Machine| m.poke(0x9000 - 12, &Eflags::VM.bits().to_le_bytes());
    both(|m| (in_ring_0(m), popped(m)).1, IRET);
    let ring_0_data = |m: &mut Machine| {
        let kernel = *m.cpu.state.segment(SegReg::Ss);
        m.cpu.set_segment(SegReg::Fs, kernel);
    };
    assert_eq!(both(|m| (in_ring_0(m), ring_0_data(m)).1, IRET), None);
}

/// Without paging nothing but CR0.PE tells.
#[test]
fn an_interrupt_in_real_mode_does_the_same_both_ways() {
    let real = |m: &mut Machine| {
        m.cpu.state.cr0 &= !Cr0::PG.bits();
        m.cpu.sync();
        for _ in 0..5 {
            m.run(INT, true).expect("all is in order");
        }
        m.poke(IDT + 4 * 0x30, &[0x34, 0x12, 0, 0x50]);
        m.cpu.state.cr0 &= !Cr0::PE.bits();
        m.cpu.sync();
    };
    assert_eq!(both(real, INT), None);
}

#[test]
fn a_vector_from_another_ring_does_the_same_both_ways() {
    let within = |m: &mut Machine| {
        for way in [INT; 5].into_iter().chain([IRET; 5]) {
            m.run(way, true).expect("all is in order");
        }
        assert_eq!(m.cpu.state.cpl, 3);
    };
    assert_eq!(both(within, INT), None);
}

#[test]
fn a_return_beyond_its_segment_is_refused_both_ways() {
    let small = |m: &mut Machine| {
        let code = USER_CODE.0 & !(1 << 55) & !(0xF << 48) & !0xFFFF | 0x4FFF;
        m.poke(GDT + 0x18, &code.to_le_bytes());
        for _ in 0..4 {
            m.run(INT, true).expect("all is in order");
            m.run(IRET, true).expect("all is in order");
        }
        m.run(INT, true).expect("all is in order");
        m.poke(0x9000 - 20, &0x5000_u32.to_le_bytes());
    };
    assert_eq!(both(small, IRET), Some(Fault::gp(0)));
}

/// Stacks that run over their ends, or over a page's.
#[test]
fn stacks_at_an_edge_do_the_same_both_ways() {
    for esp in [0x9000_u32, 0x8004, 0x8010, 0x8014, 0x13, 0x14, 0] {
        both(|m| m.poke(TSS + 4, &esp.to_le_bytes()), INT);
        both(|m| m.poke(TSS + 4, &esp.to_le_bytes()), CALL);
        both(|m| m.cpu.state.set_reg32(gpr::ESP, esp), CALL);
        both(|m| (in_ring_0(m), m.cpu.state.set_reg32(gpr::ESP, esp)).1, IRET);
    }
}
