//! The committed fixture: large, complete, made by this generator, and repeatable on the kind of
//! processor that recorded it.

use testkit::fixture::{self, Fixture};
use testkit::native::{Native, processor_name};
use testkit::{Engine, Set, compare, replay};

fn recorded(set: Set) -> Fixture {
    named(set, set.name())
}

fn named(set: Set, name: &str) -> Fixture {
    let path = format!("{}/fixtures/{name}.clfx", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).expect("the fixture is part of the repository");
    fixture::read(&file, set).expect("the fixture fits this generator")
}

#[test]
fn it_has_cases_of_every_form_and_names_its_processor() {
    let fixture = recorded(Set::Integer);
    assert!(fixture.entries.len() >= 100_000, "{}", fixture.entries.len());
    assert!(!fixture.plan.processor.is_empty() && fixture.plan.date.starts_with("20"));
    let mut seen = vec![0u32; fixture.forms.len()];
    fixture.entries.iter().for_each(|entry| seen[entry.form] += 1);
    assert_eq!(seen.iter().filter(|count| **count == 0).count(), 0, "every form has cases");
}

#[test]
fn it_holds_completions_and_every_exception_a_program_can_raise() {
    let fixture = recorded(Set::Integer);
    let count = |vector: Option<u8>| {
        let same = |entry: &&fixture::Entry| entry.outcome.fault.map(|f| f.vector) == vector;
        fixture.entries.iter().filter(same).count()
    };
    for vector in [0, 1, 3, 4, 5, 6, 11, 12, 13, 14, 17] {
        assert!(count(Some(vector)) >= 100, "vector {vector}: {}", count(Some(vector)));
    }
    assert!(count(None) > fixture.entries.len() / 2);
}

#[test]
fn the_x87_set_raises_each_exception_masked_and_not_and_math_faults() {
    let fixture = recorded(Set::X87);
    let faults = |vector: u8| {
        let same =
            |entry: &&fixture::Entry| entry.outcome.fault.is_some_and(|f| f.vector == vector);
        fixture.entries.iter().filter(same).count()
    };
    for vector in [6, 13, 14, 16, 17] {
        assert!(faults(vector) >= 100, "vector {vector}: {}", faults(vector));
    }
    // Invalid, denormal, zero divide, overflow, underflow, precision; stack fault.
    for bit in 0..7 {
        for masked in [false, true] {
            let raised = |entry: &&fixture::Entry| {
                let (Some(old), Some(new)) = (&entry.case.fx, &entry.outcome.fx) else {
                    return false;
                };
                let mask = if bit == 6 { 1 } else { 1 << bit };
                (new.control & mask != 0) == masked && new.status & !old.status & 1 << bit != 0
            };
            let count = fixture.entries.iter().filter(raised).count();
            assert!(count >= 20, "bit {bit}, masked {masked}: {count}");
        }
    }
}

#[test]
fn the_simd_set_raises_each_exception_masked_and_not() {
    let fixture = recorded(Set::Simd);
    for vector in [6, 13, 14, 16, 17, 19] {
        let same =
            |entry: &&fixture::Entry| entry.outcome.fault.is_some_and(|f| f.vector == vector);
        let count = fixture.entries.iter().filter(same).count();
        assert!(count >= 80, "vector {vector}: {count}");
    }
    for bit in 0..6 {
        for masked in [false, true] {
            let raised = |entry: &&fixture::Entry| {
                let (Some(old), Some(new)) = (&entry.case.fx, &entry.outcome.fx) else {
                    return false;
                };
                (new.mxcsr >> (7 + bit) & 1 != 0) == masked
                    && new.mxcsr & !old.mxcsr & 1 << bit != 0
            };
            let count = fixture.entries.iter().filter(raised).count();
            assert!(count >= 10, "bit {bit}, masked {masked}: {count}");
        }
    }
}

#[test]
fn the_processor_that_recorded_it_gives_the_same_again() {
    for set in Set::ALL {
        again(&recorded(set));
    }
    for set in [Set::Integer, Set::X87, Set::Simd] {
        again(&named(set, &format!("{}-zen4", set.name())));
    }
}

fn again(fixture: &Fixture) {
    let mut native = match Native::new() {
        Ok(native) if processor_name() == fixture.plan.processor => native,
        Ok(_) => {
            println!("SKIPPED: recorded on another processor, {}", fixture.plan.processor);
            return;
        }
        Err(reason) => {
            println!("SKIPPED: this host can't run 16- and 32-bit segments: {reason}");
            return;
        }
    };
    for entry in &fixture.entries {
        let again = native.run(&entry.case);
        let found = compare::differences(&entry.case, &entry.outcome, &again);
        assert!(found.is_empty(), "{}: {}", replay::line(&entry.case), found.join("; "));
    }
}
