//! `cloister bench`: its options, its tables and its files. What it measures is never judged here.
//! Where this host can't translate, the tests print SKIPPED.

mod common;

use common::{Scratch, complains, run, stderr, stdout, text};
use serde_json::Value;

/// Hardly any work: two workloads, one of which no process can do, a few rounds once.
const LITTLE: [&str; 8] =
    ["bench", "--filter", "or", "--runs", "1", "--scale", "0.01", "--least=0"];

/// What is printed, unless this host lacks what a translator needs.
fn bench(options: &[&str]) -> Option<String> {
    let output = run([&LITTLE, options].concat());
    let said = stderr(&output);
    if said.contains("BMI2") || said.contains("FSGSBASE") {
        println!("SKIPPED: {said}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    Some(stdout(&output))
}

#[test]
fn tables_files_and_start_times_come_of_one_run() {
    let scratch = Scratch::new();
    let [json, svg] = ["bench.json", "bench.svg"].map(|name| scratch.path(name));
    let files = ["--stats", "--json", text(&json), "--svg", text(&svg)];
    let Some(shown) = bench(&files) else { return };
    for part in ["sort", "port", "geometric mean", "emitted", "jit: ", "interp: ", "first step"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["rows"][0]["workload"], "sort");
    assert_eq!(report["rows"][0]["checksum"], "DC9EB2F6");
    let cell = &report["rows"][0]["results"][0];
    assert_eq!(cell["seconds"]["samples"].as_array().unwrap().len(), 1);
    for figure in ["emitted_share", "ns_per_insn", "blocks", "host_bytes", "flushes", "faults"] {
        assert!(cell["insight"]["translator"][figure].is_number(), "{figure}: {cell}");
    }
    assert!(report["starts"][0]["seconds"]["median"].is_number(), "{report}");
    let chart = std::fs::read_to_string(&svg).unwrap();
    assert!(chart.starts_with("<svg") && chart.trim_end().ends_with("</svg>"), "{chart}");
}

#[test]
fn tiers_are_columns_of_their_own() {
    let Some(shown) = bench(&["--tiers", "--no-native"]) else { return };
    let head: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
    let tiers = ["jit", "interp", "unchained", "chained", "tlb", "windows"];
    assert_eq!(head, [&["workload", "M", "steps"], &tiers[..]].concat());
}

#[test]
fn a_time_that_is_none_is_refused() {
    complains(&run(["bench", "--least", "nan"]), 2, &["--least NaN is no number of seconds"]);
}
