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

/// A page that was read is written, by then perhaps with other entries: the long way walks, since D
/// isn't known to be set.
#[test]
fn a_page_that_was_read_is_marked_as_the_long_way_marks_it() {
    use PteFlags as F;
    let mut mem = Memory::flat(0x8000).unwrap();
    let (mut answers, mut others) = (0, 0);
    for (n, user) in (0..8).flat_map(|n| [(n, false), (n, true)]) {
        let [mut short, mut long] = [(); 2].map(|()| Mmu::default());
        short.set_control(control(n));
        long.set_control(control(n));
        let access = |kind| Access { kind, user, implicit: false };
        for old in subsets(&[F::WRITE, F::USER, F::DIRTY, F::GLOBAL]) {
            for new in subsets(&[F::PRESENT, F::WRITE, F::USER, F::ACCESSED, F::DIRTY, F::GLOBAL]) {
                for (pde, frame) in
                    [(0x27, 0), (0x25, 0), (0x07, 0), (0xA7, 0), (0, 0), (0x27, 0x1000)]
                {
                    let mut run = |mmu: &mut Mmu, is_short: bool| {
                        mmu.flush_all();
                        map(&mut mem, 0x27, old | 1);
                        if mmu.translate(&mut mem, LIN, access(AccessKind::Read)).is_ok() {
                            mmu.fill(&mem, LIN, access(AccessKind::Read));
                        }
                        map(&mut mem, pde, new + frame);
                        let write = access(AccessKind::Write);
                        let found = match is_short.then(|| mmu.refill(&mut mem, LIN, write)) {
                            Some(Refill::At(place)) => Some(Ok(PhysAddr(place))),
                            Some(Refill::Absent) => Some(Err(mmu
                                .absent(&mut mem, LIN, write)
                                .expect("an absent entry"))),
                            Some(Refill::Ask) | None => None,
                        };
                        let is_it = found.is_some();
                        let found = found.unwrap_or_else(|| {
                            let found = mmu.translate(&mut mem, LIN, write);
                            if found.is_ok() {
                                mmu.fill(&mem, LIN, write);
                            }
                            found
                        });
                        (is_it, (found, outcome(mmu, &mem, user)))
                    };
                    let (is_it, left) = run(&mut short, true);
                    let (_, right) = run(&mut long, false);
                    assert_eq!(left, right, "{old:#x} {new:#x} {pde:#x} {frame:#x} {user} {n}");
                    *(if is_it { &mut answers } else { &mut others }) += 1;
                }
            }
        }
    }
    assert_eq!((answers, others), (20_272, 78_032));
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

/// A guest clears A and D without INVLPG and loads CR3: both are set again by the next accesses.
#[test]
fn marks_that_the_guest_cleared_are_set_again_and_code_beside_them_is_told() {
    let mut mem = Memory::flat(0x8000).unwrap();
    let mut mmu = Mmu::default();
    mmu.set_control(control(1));
    let access = |kind| Access { kind, user: false, implicit: false };
    let place = Refill::At(PAGE | LIN.offset());
    map(&mut mem, 0x67, 0x67);
    assert_eq!(mmu.refill(&mut mem, LIN, access(AccessKind::Read)), place);
    map(&mut mem, 0x67, 0x07);
    mmu.flush_non_global();
    mem.mark_code(TABLE + 4 * (LIN.0 >> 12 & 0x3FF), 4);
    let pte = |mem: &Memory| mem.entry(TABLE as u32 >> 12, (LIN.0 >> 12 & 0x3FF) as u32);
    assert_eq!(mmu.refill(&mut mem, LIN, access(AccessKind::Read)), place);
    assert_eq!((pte(&mem), mem.has_code_writes()), (PAGE as u32 | 0x27, true));
    assert_eq!(mmu.view().write(LIN.0, 4, false), None, "D is still to be set");
    mmu.flush_non_global();
    assert_eq!(mmu.refill(&mut mem, LIN, access(AccessKind::Write)), place);
    assert_eq!(pte(&mem), PAGE as u32 | 0x67);
}

/// Tables that two directories share, and one that is changed while the other is loaded.
#[test]
fn what_another_directorys_guest_wrote_counts_once_cr3_is_loaded() {
    let mut mem = Memory::flat(0x8000).unwrap();
    let mut mmu = Mmu::default();
    let other = 0x5000;
    let access = Access { kind: AccessKind::Read, user: false, implicit: false };
    let offset = LIN.offset();
    map(&mut mem, 0x67, 0x67);
    mem.write_phys(PhysAddr(other + 4 * (LIN.0 >> 22)), &(TABLE as u32 | 0x67).to_le_bytes());
    let load = |mmu: &mut Mmu, mem: &mut Memory, cr3| {
        mmu.flush_non_global();
        mmu.set_control(Control { cr3, ..control(1) });
        mmu.refill(mem, LIN, access)
    };
    assert_eq!(load(&mut mmu, &mut mem, DIRECTORY), Refill::At(PAGE | offset));
    assert_eq!(load(&mut mmu, &mut mem, other), Refill::At(PAGE | offset));
    let at = PhysAddr(TABLE + 4 * (LIN.0 >> 12 & 0x3FF));
    mem.write_phys(at, &0x6067u32.to_le_bytes());
    assert_eq!(load(&mut mmu, &mut mem, DIRECTORY), Refill::At(0x6000 | offset));
    mem.write_phys(PhysAddr(DIRECTORY + 4 * (LIN.0 >> 22)), &[0; 4]);
    assert_eq!(load(&mut mmu, &mut mem, other), Refill::At(0x6000 | offset));
    assert_eq!(load(&mut mmu, &mut mem, DIRECTORY), Refill::Absent);
}
