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

fn recorded(name: &str) -> Fixture {
    let path = format!("{}/fixtures/{name}.clfx", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).expect("the fixture is part of the repository");
    let set = name.split('-').next().and_then(Set::named).expect("named after its set");
    fixture::read(&file, set).expect("the fixture fits this generator")
}

/// `reasons`: for how many reasons cases aren't compared.
fn agree_on_all(name: &str, way: Way, reasons: usize) {
    let fixture = recorded(name);
    let set = fixture.plan.set;
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
    agree_on_all("integer", Way::Steps, 3);
    agree_on_all("integer-zen4", Way::Steps, 3);
}

#[test]
fn blocks_agree_with_silicon() {
    agree_on_all("integer", Way::Blocks, 3);
    agree_on_all("integer-zen4", Way::Blocks, 3);
}

#[test]
fn translated_code_agrees_with_silicon() {
    agree_on_all("integer", Way::Translated, 3);
    agree_on_all("integer-zen4", Way::Translated, 3);
}

#[test]
fn translated_code_in_a_window_agrees_with_silicon() {
    agree_on_all("integer", Way::Windowed, 3);
    agree_on_all("integer-zen4", Way::Windowed, 3);
}

#[test]
fn x87_agrees_with_silicon() {
    for (name, way) in by_name_and_way(["x87", "x87-zen4"]) {
        agree_on_all(name, way, x87_reasons(name));
    }
}

/// Operands that wrap; where another maker's processor recorded the fixture, transcendentals too.
fn x87_reasons(name: &str) -> usize {
    let fixture = recorded(name);
    if same_maker(&fixture.plan.processor, &processor_name()) { 1 } else { 2 }
}

#[test]
fn simd_agrees_with_silicon() {
    for (name, way) in by_name_and_way(["simd", "simd-zen4"]) {
        agree_on_all(name, way, simd_reasons(name));
    }
}

/// Where another maker's processor recorded the fixture, reciprocals; where the host lacks an
/// instruction that the recording one has, that.
fn simd_reasons(name: &str) -> usize {
    let fixture = recorded(name);
    let reciprocals = !same_maker(&fixture.plan.processor, &processor_name());
    let lacks = fixture.forms.iter().any(|form| lacking(form).is_some());
    // Masked stores of nothing and of what isn't aligned under AC, images that wrap.
    3 + usize::from(reciprocals) + usize::from(lacks)
}

#[test]
fn images_of_both_units_agree_with_silicon() {
    for (name, way) in by_name_and_way(["fxsave"]) {
        agree_on_all(name, way, 1);
    }
}

fn by_name_and_way<const N: usize>(names: [&str; N]) -> Vec<(&str, Way)> {
    let ways = [Way::Steps, Way::Blocks, Way::Translated, Way::Windowed];
    names.into_iter().flat_map(|name| ways.map(|way| (name, way))).collect()
}

/// Why a form can't run here.
fn lacking(form: &Form) -> Option<&'static str> {
    let has = Model::new(Name::Max, interp::host_simd::features());
    (!has.has(decode::needs(form.code))).then_some("this host's processor lacks the instruction")
}

#[test]
fn the_fixtures_are_large_and_name_their_processor() {
    let most = [("integer", 100_000), ("x87", 40_000), ("simd", 50_000), ("fxsave", 3_500)];
    let zen4 = [("integer-zen4", 60_000), ("x87-zen4", 20_000), ("simd-zen4", 20_000)];
    for (name, most) in most.into_iter().chain(zen4) {
        let fixture = recorded(name);
        assert!(fixture.entries.len() >= most, "{}", fixture.entries.len());
        assert!(!fixture.plan.processor.is_empty() && fixture.plan.date.starts_with("20"));
        let mut seen = vec![0u32; fixture.forms.len()];
        fixture.entries.iter().for_each(|entry| seen[entry.form] += 1);
        assert_eq!(seen.iter().filter(|count| **count == 0).count(), 0, "every form has cases");
    }
}
