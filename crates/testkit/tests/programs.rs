//! Random programs on two engines, a bounded number; `cargo xtask soak --programs` runs them for
//! as long as somebody wants.

use machine::Engine;
use testkit::programs::{Kind, Program, Race, Tally};

fn race(engines: [Engine; 2], seeds: std::ops::Range<u64>) -> Tally {
    let mut race = Race::new(engines).unwrap();
    let mut tally = Tally::default();
    for seed in seeds {
        if let Err(finding) = race.run(&Program::generate(seed), &mut tally) {
            panic!("{engines:?} differ on program {seed:#x}: {}", finding.what);
        }
    }
    tally
}

/// RF behind an IRETD to a REP; XABORT; a write by a clean translation whose tables are gone.
#[test]
fn programs_that_once_differed_do_not() {
    for seed in [4_084_513_909_577, 3_440_268_814_394, 425_223_241_435_507_249] {
        race([Engine::Jit, Engine::Interp], seed..seed + 1);
    }
}

#[test]
fn translated_programs_do_what_interpreted_ones_do() {
    let tally = race([Engine::Jit, Engine::Interp], 0..60);
    // The programs are worth running: most fragments run to their end, and much happens.
    assert_eq!(tally.kinds.len(), Kind::ALL.len());
    for vector in [0, 1, 3, 6, 7, 13, 14, 16, 19, 0x20, 0x30, 0x3E, 0x3F] {
        assert!(tally.vectors.contains_key(&vector), "vector {vector:#x} never came: {tally:?}");
    }
}

#[test]
fn a_seed_gives_the_same_program() {
    let [first, second] = [(); 2].map(|()| Program::generate(77));
    assert_eq!((first.code, first.kinds), (second.code, second.kinds));
}
