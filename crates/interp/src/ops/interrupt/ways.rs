//! The short way of crossings ([`crate::ops::far::plain`]) beside the long one, which the
//! self-checking programs prove: they seldom meet the short one's conditions.

use super::{GATE, GDT, IDT, KERNEL_CODE, KERNEL_DATA, Machine, TSS, USER_CODE, USER_DATA};
use crate::ops::far::plain::{self, Vectored};
use x86::event::{Source, Via};
use x86::{Descriptor, Fault, SegReg};

/// INT 30h, IRETD, CALL 28h:0, RETF 8.
const INT: &[u8] = &[0xCD, 0x30];
const IRET: &[u8] = &[0xCF];
const CALL: &[u8] = &[0x9A, 0, 0, 0, 0, 0x2B, 0];
const RETF: &[u8] = &[0xCA, 8, 0];
/// A 32-bit call gate, DPL 3, two parameters, to 0008:00005000.
const CALL_GATE: Descriptor = Descriptor(0x0000_EC02_0008_5000);

/// A machine in ring 3 whose software TLB knows all that a crossing touches.
fn warm(careful: bool) -> Machine {
    let mut m = Machine::user();
    m.poke(GDT + 0x28, &CALL_GATE.0.to_le_bytes());
    m.cpu.state.gdtr.limit = 8 * 6 - 1;
    m.cpu.is_careful = careful;
    for way in [INT, IRET, CALL, RETF] {
        m.run(way, true).expect("all is in order");
    }
    drop(m.cpu.events.take());
    m
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
        (done.err(), format!("{:?} {:?} {frame:?} {events} {derived:?}", m.cpu.state, m.cpu.cause))
    });
    assert_eq!(short, long);
    short.0
}

fn in_ring_0(m: &mut Machine) {
    m.run(INT, true).expect("delivered");
}

#[test]
fn the_short_way_is_taken_where_all_is_in_order() {
    let mut m = warm(false);
    let from = m.cpu.state.place();
    let source = Source::Software;
    let v = Vectored { vector: 0x30, is_software: true, error_code: None, source };
    assert!(plain::handler(&mut m.cpu, &mut m.sys, v).is_some());
    assert!(plain::iret(&mut m.cpu, &mut m.sys, from).is_some());
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
