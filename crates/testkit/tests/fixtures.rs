//! The interpreter agrees with silicon on every recorded case, in both ways of running.
//!
//! The fixture was recorded by `cargo xtask record`; it names the processor and the day. A
//! difference is printed as a line for `cargo xtask soak --replay`.

use std::collections::BTreeMap;
use testkit::compare::differences;
use testkit::emulated::{Emulated, Way};
use testkit::fixture::{self, Fixture};
use testkit::undefined::open;
use testkit::{Engine, replay};

fn recorded() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/integer.clfx");
    let file = std::fs::read(path).expect("the fixture is part of the repository");
    fixture::read(&file).expect("the fixture fits this generator")
}

fn agree_on_all(way: Way) {
    let fixture = recorded();
    let mut engine = Emulated::new(way);
    let mut failed: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let mut left_open: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &fixture.entries {
        if let Some(reason) = open(&entry.case) {
            *left_open.entry(reason).or_default() += 1;
            continue;
        }
        let outcome = engine.run(&entry.case);
        let found = differences(&entry.case, &entry.outcome, &outcome);
        if !found.is_empty() {
            let name = fixture.forms[entry.form].name();
            let words = format!("{} | {}", replay::line(&entry.case), found.join("; "));
            failed.entry(name).or_insert((0, words)).0 += 1;
        }
    }
    let (cases, processor) = (fixture.entries.len(), &fixture.plan.processor);
    println!("{way:?}: {cases} cases recorded on {processor} on {}", fixture.plan.date);
    for (reason, count) in &left_open {
        println!("  {count} not compared: {reason}");
    }
    for (form, (count, example)) in &failed {
        println!("{form}: {count} differ, for example {example}");
    }
    assert_eq!(left_open.len(), 3, "every reason for not comparing is needed");
    assert!(failed.is_empty(), "{} forms differ from {processor}", failed.len());
}

#[test]
fn one_instruction_at_a_time_agrees_with_silicon() {
    agree_on_all(Way::Steps);
}

#[test]
fn blocks_agree_with_silicon() {
    agree_on_all(Way::Blocks);
}

#[test]
fn the_fixture_is_large_and_names_its_processor() {
    let fixture = recorded();
    assert!(fixture.entries.len() >= 100_000, "{}", fixture.entries.len());
    assert!(!fixture.plan.processor.is_empty() && fixture.plan.date.starts_with("20"));
    let mut seen = vec![0u32; fixture.forms.len()];
    fixture.entries.iter().for_each(|entry| seen[entry.form] += 1);
    assert_eq!(seen.iter().filter(|count| **count == 0).count(), 0, "every form has cases");
}
