//! Paging: a hit in the software TLB, a hit in the set of translations behind it, and a walk.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mem::Memory;
use mmu::{Access, Control, Mmu, Paging};
use std::hint::black_box;
use x86::paging::AccessKind;
use x86::{LinAddr, PhysAddr};

/// Where the tables lie: a directory, and the table of the first 4 MiB.
const DIRECTORY: u64 = 0x1000;
const TABLE: u64 = 0x2000;
/// Present, writable, accessed, dirty.
const ENTRY: u32 = 0x63;
/// Pages touched in turn.
const PAGES: u64 = 256;

const READ: Access = Access { kind: AccessKind::Read, user: false, implicit: false };

/// 16 MiB of which the first 4 are mapped to themselves, all in the set and in the view.
fn mapped() -> (Memory, Mmu) {
    let mut memory = Memory::flat(16 << 20).expect("the host has 16 MiB");
    memory.write_phys(PhysAddr(DIRECTORY), &(TABLE as u32 | ENTRY).to_le_bytes());
    for page in 0..1024_u32 {
        let at = PhysAddr(TABLE + 4 * u64::from(page));
        memory.write_phys(at, &(page << 12 | ENTRY).to_le_bytes());
    }
    let mut mmu = Mmu::default();
    mmu.set_a20(true);
    let paging = Paging::TwoLevel;
    mmu.set_control(Control { paging, cr3: DIRECTORY, wp: true, ..Control::default() });
    for page in 0..PAGES {
        let lin = LinAddr(page << 12);
        mmu.translate(&mut memory, lin, READ).expect("the page is mapped");
        mmu.fill(&memory, lin, READ);
    }
    (memory, mmu)
}

fn translations(c: &mut Criterion) {
    let (mut memory, mut mmu) = mapped();
    let mut group = c.benchmark_group("paging");
    group.throughput(Throughput::Elements(PAGES));
    group.bench_function("software TLB", |b| {
        b.iter(|| {
            let hit = |page: u64| mmu.view().read(black_box(page << 12), 4, false);
            (0..PAGES).filter_map(hit).fold(0, u64::wrapping_add)
        });
    });
    group.bench_function("set of translations", |b| {
        b.iter(|| {
            let mut translate = |page| mmu.translate(&mut memory, LinAddr(page << 12), READ);
            (0..PAGES).filter_map(|page| translate(black_box(page)).ok()).count()
        });
    });
    group.bench_function("walk of two levels", |b| {
        b.iter(|| {
            for page in 0..PAGES {
                let lin = LinAddr(black_box(page) << 12);
                mmu.invalidate(lin);
                black_box(mmu.translate(&mut memory, lin, READ).is_ok());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, translations);
criterion_main!(benches);
