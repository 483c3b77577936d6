//! Both engines agree with silicon on every recorded case, in all ways of running.
//!
//! The fixture was recorded by `cargo xtask record`; it names the processor and the day. A
//! difference is printed as a line for `cargo xtask soak --replay`.

use std::collections::BTreeMap;
use testkit::compare::{differences, differences_elsewhere};
use testkit::emulated::{Emulated, Way};
use testkit::fixture::{self, Fixture};
use testkit::forms::Form;
use testkit::native::{processor_name, same_maker};
use testkit::undefined::{by_maker, open};
use testkit::{Engine, Set, replay};
use x86::Model;
use x86::model::Name;

fn recorded(set: Set) -> Fixture {
    let path = format!("{}/fixtures/{}.clfx", env!("CARGO_MANIFEST_DIR"), set.name());
    let file = std::fs::read(path).expect("the fixture is part of the repository");
    fixture::read(&file, set).expect("the fixture fits this generator")
}

/// `reasons`: for how many reasons cases aren't compared.
fn agree_on_all(set: Set, way: Way, reasons: usize) {
    let fixture = recorded(set);
    // The host's own unit runs x87 instructions.
    let same = set == Set::Integer || same_maker(&fixture.plan.processor, &processor_name());
    let mut engine = Emulated::new(way);
    let mut failed: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let mut left_open: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &fixture.entries {
        let reason = open(&entry.case).or_else(|| lacking(&fixture.forms[entry.form]));
        if let Some(reason) = reason.or_else(|| by_maker(&entry.case).filter(|_| !same)) {
            *left_open.entry(reason).or_default() += 1;
            continue;
        }
        let outcome = engine.run(&entry.case);
        let differences = if same { differences } else { differences_elsewhere };
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
    assert_eq!(left_open.len(), reasons, "every reason for not comparing is needed");
    assert!(failed.is_empty(), "{} forms differ from {processor}", failed.len());
}

#[test]
fn one_instruction_at_a_time_agrees_with_silicon() {
    agree_on_all(Set::Integer, Way::Steps, 3);
}

#[test]
fn blocks_agree_with_silicon() {
    agree_on_all(Set::Integer, Way::Blocks, 3);
}

#[test]
fn translated_code_agrees_with_silicon() {
    agree_on_all(Set::Integer, Way::Translated, 3);
}

#[test]
fn translated_code_in_a_window_agrees_with_silicon() {
    agree_on_all(Set::Integer, Way::Windowed, 3);
}

#[test]
fn x87_one_instruction_at_a_time_agrees_with_silicon() {
    agree_on_all(Set::X87, Way::Steps, x87_reasons());
}

#[test]
fn x87_in_blocks_agrees_with_silicon() {
    agree_on_all(Set::X87, Way::Blocks, x87_reasons());
}

#[test]
fn x87_in_translated_code_agrees_with_silicon() {
    agree_on_all(Set::X87, Way::Translated, x87_reasons());
}

#[test]
fn x87_in_a_window_agrees_with_silicon() {
    agree_on_all(Set::X87, Way::Windowed, x87_reasons());
}

/// Operands that wrap; where another maker's processor recorded the fixture, transcendentals too.
fn x87_reasons() -> usize {
    let fixture = recorded(Set::X87);
    if same_maker(&fixture.plan.processor, &processor_name()) { 1 } else { 2 }
}

#[test]
fn simd_one_instruction_at_a_time_agrees_with_silicon() {
    agree_on_all(Set::Simd, Way::Steps, simd_reasons());
}

#[test]
fn simd_in_blocks_agrees_with_silicon() {
    agree_on_all(Set::Simd, Way::Blocks, simd_reasons());
}

#[test]
fn simd_in_translated_code_agrees_with_silicon() {
    agree_on_all(Set::Simd, Way::Translated, simd_reasons());
}

#[test]
fn simd_in_a_window_agrees_with_silicon() {
    agree_on_all(Set::Simd, Way::Windowed, simd_reasons());
}

/// Where another maker's processor recorded the fixture, reciprocals; where the host lacks an
/// instruction that the recording one has, that.
fn simd_reasons() -> usize {
    let fixture = recorded(Set::Simd);
    let reciprocals = !same_maker(&fixture.plan.processor, &processor_name());
    let lacks = fixture.forms.iter().any(|form| lacking(form).is_some());
    // Masked stores of nothing, images that wrap.
    2 + usize::from(reciprocals) + usize::from(lacks)
}

/// Why a form can't run here.
fn lacking(form: &Form) -> Option<&'static str> {
    let has = Model::new(Name::Max, interp::host_simd::features());
    (!has.has(decode::needs(form.code))).then_some("this host's processor lacks the instruction")
}

#[test]
fn the_fixtures_are_large_and_name_their_processor() {
    for (set, most) in [(Set::Integer, 100_000), (Set::X87, 40_000), (Set::Simd, 50_000)] {
        let fixture = recorded(set);
        assert!(fixture.entries.len() >= most, "{}", fixture.entries.len());
        assert!(!fixture.plan.processor.is_empty() && fixture.plan.date.starts_with("20"));
        let mut seen = vec![0u32; fixture.forms.len()];
        fixture.entries.iter().for_each(|entry| seen[entry.form] += 1);
        assert_eq!(seen.iter().filter(|count| **count == 0).count(), 0, "every form has cases");
    }
}
