//! The short way to enter a page beside the long one, entry by entry: where it answers, set and
//! view are those that translating and filling give, and so are the tables.

use mem::Memory;
use mmu::{Access, Control, Mmu, Paging, Refill};
use x86::paging::{AccessKind, PageFaultCode, PteFlags};
use x86::{LinAddr, PhysAddr};

const DIRECTORY: u64 = 0x1000;
const TABLE: u64 = 0x2000;
const PAGE: u64 = 0x3000;
const LIN: LinAddr = LinAddr(0x0040_5678);

/// The subsets of some flags.
fn subsets(flags: &[PteFlags]) -> impl Iterator<Item = u32> {
    (0..1u32 << flags.len()).map(|n| {
        let chosen = flags.iter().enumerate().filter(|(i, _)| n >> i & 1 != 0);
        chosen.fold(0, |bits, (_, flag)| bits | flag.bits() as u32)
    })
}

fn map(mem: &mut Memory, pde: u32, pte: u32) {
    let at = |table, n: u64| PhysAddr(table + 4 * n);
    mem.write_phys(at(DIRECTORY, LIN.0 >> 22), &(TABLE as u32 | pde).to_le_bytes());
    mem.write_phys(at(TABLE, LIN.0 >> 12 & 0x3FF), &(PAGE as u32 | pte).to_le_bytes());
}

fn control(n: u32) -> Control {
    let bit = |i: u32| n >> i & 1 != 0;
    let (wp, pge, smap) = (bit(0), bit(1), bit(2));
    let paging = Paging::TwoLevel;
    Control { paging, cr3: DIRECTORY, wp, pge, smap, pse: true, ..Control::default() }
}

/// What of an access can be seen afterwards.
fn outcome(mmu: &Mmu, mem: &Memory, user: bool) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut tables = [0; 0x2000];
    mem.read_phys(PhysAddr(DIRECTORY), &mut tables);
    let view = mmu.view();
    let rights = [
        view.read(LIN.0, 4, user),
        view.write(LIN.0, 4, user),
        view.write_seen(LIN.0, 4, user),
        view.read(LIN.0, 4, !user),
    ];
    (mmu.set().list(), mmu.set().len(), rights, tables.to_vec())
}

#[test]
fn where_the_short_way_answers_it_does_what_the_long_one_does() {
    use PteFlags as F;
    let (mut short, mut long) = (Mmu::default(), Mmu::default());
    let mut mem = Memory::flat(0x8000).unwrap();
    let (mut answers, mut absent) = (0, 0);
    for n in 0..8 {
        for m in [&mut short, &mut long] {
            m.set_control(control(n));
        }
        for pde in subsets(&[F::PRESENT, F::WRITE, F::USER, F::ACCESSED, F::LARGE]) {
            for pte in subsets(&[F::PRESENT, F::WRITE, F::USER, F::ACCESSED, F::DIRTY, F::GLOBAL]) {
                for (user, kind) in [
                    (false, AccessKind::Read),
                    (false, AccessKind::Write),
                    (true, AccessKind::Read),
                    (true, AccessKind::Write),
                ] {
                    map(&mut mem, pde, pte);
                    short.flush_all();
                    long.flush_all();
                    let access = Access { kind, user, implicit: false };
                    let before = outcome(&short, &mem, user);
                    let found = short.refill(&mut mem, LIN, access);
                    let got = outcome(&short, &mem, user);
                    let Refill::At(place) = found else {
                        assert_eq!(got, before);
                        let is_absent = long
                            .translate(&mut mem, LIN, access)
                            .is_err_and(|f| !f.code.contains(PageFaultCode::PRESENT));
                        assert!(is_absent || found == Refill::Ask);
                        absent += u32::from(found == Refill::Absent);
                        continue;
                    };
                    map(&mut mem, pde, pte);
                    let phys = long.translate(&mut mem, LIN, access).unwrap();
                    long.fill(&mem, LIN, access);
                    assert_eq!(phys, PhysAddr(place), "{pde:#x} {pte:#x} {access:?} {n}");
                    assert_eq!(got, outcome(&long, &mem, user), "{pde:#x} {pte:#x} {access:?} {n}");
                    answers += 1;
                }
            }
        }
    }
    assert_eq!((answers, absent), (1152, 40_960));
}

#[test]
fn a_page_that_is_cached_watched_or_behind_the_gate_is_left_to_the_long_way() {
    let mut mem = Memory::flat(0x8000).unwrap();
    map(&mut mem, 0x67, 0x67);
    let access = Access { kind: AccessKind::Read, user: false, implicit: false };
    let mut mmu = Mmu::default();
    assert_eq!(mmu.refill(&mut mem, LIN, access), Refill::Ask, "no paging");
    mmu.set_control(control(1));
    mmu.set_a20(false);
    assert_eq!(mmu.refill(&mut mem, LIN, access), Refill::Ask, "A20 is closed");
    mmu.set_a20(true);
    let watched = Some(LIN.0 >> 12);
    mmu.watch([watched, None, None, None, None, None, None, None]);
    assert_eq!(mmu.refill(&mut mem, LIN, access), Refill::Ask, "watched");
    mmu.watch([None; 8]);
    let place = Refill::At(PAGE | LIN.offset());
    assert_eq!(mmu.refill(&mut mem, LIN, access), place, "plain");
    assert_eq!(mmu.refill(&mut mem, LIN, access), Refill::Ask, "cached");
}

#[test]
fn a_page_of_code_may_be_read_and_is_written_the_long_way() {
    let mut mem = Memory::flat(0x8000).unwrap();
    map(&mut mem, 0x67, 0x67);
    mem.mark_code(PAGE, 16);
    let mut mmu = Mmu::default();
    mmu.set_control(control(1));
    let access = |kind| Access { kind, user: true, implicit: false };
    assert_eq!(mmu.refill(&mut mem, LIN, access(AccessKind::Write)), Refill::Ask);
    assert_ne!(mmu.refill(&mut mem, LIN, access(AccessKind::Read)), Refill::Ask);
    assert_eq!(
        (mmu.view().write(LIN.0, 4, true), mmu.view().write_seen(LIN.0, 4, true)),
        (None, Some(PAGE | LIN.offset()))
    );
}
