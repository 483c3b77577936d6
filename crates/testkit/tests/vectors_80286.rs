//! The vectors of a real 80286 (Harris N80C286-12, real mode, 65,000 tests), all of which the
//! interpreter must pass. They aren't in this repository: `CLOISTER_VECTORS` names their folder,
//! or they lie in `shared/vectors-80286` beside it; without them the test prints SKIPPED.
//!
//! Where a 386 isn't a 286 the list below says so, by form and with the reason; every rule must be
//! needed, and what the 386 does instead is checked.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use testkit::moo::{self, Test};
use testkit::real_mode::RealMode;
use testkit::vectors::{CS, IP, Instead, RealMachine, Rule, SP, differences, initial};

const RULES: [Rule; 6] = [
    Rule {
        applies: |_, test| locks_illegally(test),
        instead: Instead::Exception(6),
        reason: "a 286 in real mode accepts LOCK before any instruction; from the 386 on it is \
                 legal only before some read-modify-write instructions with a memory destination \
                 (SDM 2A, LOCK)",
    },
    Rule {
        applies: |form, test| {
            matches!(form, "8C" | "8E") && matches!(decode(test).mnemonic(), Mnemonic::Mov) && {
                let insn = decode(test);
                [insn.op0_register(), insn.op1_register()]
                    .iter()
                    .any(|register| matches!(register, Register::FS | Register::GS))
            }
        },
        instead: Instead::Completes,
        reason: "FS and GS came with the 386 (SDM 3B, Architecture Compatibility)",
    },
    Rule {
        applies: |_, test| test.bytes.len() - 1 > 10 && has_vector(test, 13),
        instead: Instead::Completes,
        reason: "a 286 accepts 10 bytes of instruction, the 386 15 (SDM 3A 6.15, #GP)",
    },
    Rule {
        applies: |_, test| {
            has_vector(test, 13) && decode(test).is_string_instruction() && !reads_stack_end(test)
        },
        instead: Instead::Exception(13),
        reason: "a 286 faults in a string instruction with SI, DI and CX already moved; from the \
                 386 on they are as before, so that it can be restarted (SDM 1 7.3.9.2)",
    },
    Rule {
        applies: |_, test| has_vector(test, 13) && uses_stack_segment(test),
        instead: Instead::Exception(12),
        reason: "a 286 reports every overrun of a segment's end in real mode as vector 13; the 386 \
                 reports one of SS as vector 12 (SDM 3B, 8086 Emulation, Interrupt and Exception Handling)",
    },
    Rule {
        applies: |form, test| form == "D4" && has_vector(test, 0),
        instead: Instead::Exception(0),
        reason: "a 286 has already set the flags when AAM by 0 faults; ours leaves them as they \
                 were (SDM 3A 6.15, #DE)",
    },
];

/// The form's instruction without the HLT behind it.
fn decode(test: &Test) -> Instruction {
    Decoder::new(16, &test.bytes, DecoderOptions::NO_INVALID_CHECK).decode()
}

fn has_vector(test: &Test, vector: u8) -> bool {
    test.exception.is_some_and(|exception| exception.vector == vector)
}

fn locks_illegally(test: &Test) -> bool {
    let legal = Decoder::new(16, &test.bytes, DecoderOptions::NONE).decode();
    decode(test).has_lock_prefix() && legal.code() == Code::INVALID
}

fn uses_stack_segment(test: &Test) -> bool {
    let insn = decode(test);
    let operand = (0..insn.op_count()).any(|n| insn.op_kind(n) == OpKind::Memory);
    (operand && insn.memory_segment() == Register::SS) || insn.is_stack_instruction()
}

/// SI among a vector's registers.
const SI: usize = 10;

/// Whether a string instruction's source overruns SS.
fn reads_stack_end(test: &Test) -> bool {
    let insn = decode(test);
    let from_stack = insn.memory_segment() == Register::SS;
    from_stack && initial(&test.before)[SI] == 0xFFFF
}

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors-80286");
    let named = std::env::var_os("CLOISTER_VECTORS").map(PathBuf::from);
    [named, Some(beside)].into_iter().flatten().find(|path| path.join("metadata.json").is_file())
}

/// `flags-mask` of a form: `80.1` is member 1 of group 80.
fn flags_mask(metadata: &serde_json::Value, form: &str) -> u16 {
    let (opcode, member) = form.split_once('.').unwrap_or((form, ""));
    let mut entry = &metadata["opcodes"][opcode];
    if !member.is_empty() {
        entry = &entry["reg"][member];
    }
    entry["flags-mask"].as_u64().map_or(0xFFFF, |mask| mask as u16)
}

/// What a file gave.
#[derive(Default)]
struct Tally {
    passed: u32,
    by_rule: [u32; RULES.len()],
    failed: Vec<String>,
}

/// A place for the handler of an exception that the vector didn't expect.
const HANDLER: u32 = 0xF_0F00;

/// Runs a test that a rule covers, with a handler of our own, and says what is wrong.
fn check_rule(machine: &mut RealMode, test: &Test, rule: &Rule) -> Option<String> {
    let before = initial(&test.before);
    let Instead::Exception(vector) = rule.instead else {
        // Completing means reaching the HLT behind the instruction or at the target of a far
        // jump, not an exception's handler.
        let insn = decode(test);
        let mut ram = test.before.ram.clone();
        let mut target = before[CS];
        if insn.op0_kind() == OpKind::FarBranch16 {
            target = insn.far_branch_selector();
            ram.push(((u32::from(target) << 4) + u32::from(insn.far_branch16()), 0xF4));
        }
        let after = machine.run(&before, &ram);
        return match after {
            Ok(after) if after[CS] == target => None,
            other => Some(format!("should complete: {other:x?}")),
        };
    };
    let mut ram = test.before.ram.clone();
    let entry = u32::from(vector) * 4;
    let pointer = [0x00, 0x0F, 0x00, 0xF0];
    ram.extend(pointer.iter().enumerate().map(|(at, byte)| (entry + at as u32, *byte)));
    ram.push((HANDLER, 0xF4));
    let after = machine.run(&before, &ram).ok();
    let handled = after.is_some_and(|after| after[CS] == 0xF000 && after[IP] == 0x0F01);
    let pushed = after.is_some_and(|after| {
        let stack = u32::from(before[5]) << 4;
        let at = |offset: u16| machine.read(stack + u32::from(after[SP].wrapping_add(offset)));
        u16::from_le_bytes([at(0), at(1)]) == before[IP]
    });
    (!handled || !pushed).then(|| format!("should raise vector {vector}: {after:x?}"))
}

fn check_file(path: &Path, form: &str, mask: u16, machine: &mut RealMode) -> Tally {
    let packed = std::fs::read(path).expect("a vector file can be read");
    let mut tally = Tally::default();
    for test in moo::read(&packed).expect("a vector file is whole") {
        let before = initial(&test.before);
        let wrong = match machine.run(&before, &test.before.ram) {
            Ok(after) => differences(&test, mask, machine, &after),
            Err(why) => vec![why],
        };
        let touched = test.before.ram.iter().chain(&test.after.ram);
        touched.for_each(|(address, _)| machine.clear(*address));
        if wrong.is_empty() {
            tally.passed += 1;
            continue;
        }
        let rule = RULES.iter().position(|rule| (rule.applies)(form, &test));
        let wrong = match rule {
            Some(rule) => {
                tally.by_rule[rule] += 1;
                check_rule(machine, &test, &RULES[rule]).into_iter().collect()
            }
            None => wrong,
        };
        machine.clear_all();
        if !wrong.is_empty() {
            let words = format!("{form} #{} `{}` {:02x?}", test.index, test.name, test.bytes);
            tally.failed.push(format!("{words}: {}", wrong.join("; ")));
        }
    }
    if let Some(address) = machine.stray() {
        tally.failed.push(format!("{form}: a byte at {address:06x} was written by no vector"));
        machine.clear_all();
    }
    tally
}

#[test]
fn every_vector_of_the_80286_passes_or_has_a_rule() {
    let Some(folder) = folder() else {
        println!("SKIPPED: no 80286 vectors: set CLOISTER_VECTORS to their folder");
        return;
    };
    let metadata = std::fs::read(folder.join("metadata.json")).expect("metadata can be read");
    let metadata = serde_json::from_slice(&metadata).expect("metadata is JSON");
    let files: BTreeMap<String, PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder can be listed")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".MOO.gz")?.to_string();
            Some((name, path))
        })
        .collect();
    let mut machine = RealMode::new();
    let mut total = Tally::default();
    for (form, path) in &files {
        let tally = check_file(path, form, flags_mask(&metadata, form), &mut machine);
        total.passed += tally.passed;
        for (sum, count) in total.by_rule.iter_mut().zip(tally.by_rule) {
            *sum += count;
        }
        total.failed.extend(tally.failed);
    }
    println!("80286: {} vectors of {} forms pass as they are", total.passed, files.len());
    for (rule, count) in RULES.iter().zip(total.by_rule) {
        println!("  {count} differ on a 386: {}", rule.reason);
        assert_ne!(count, 0, "no vector needs the rule: {}", rule.reason);
    }
    assert!(total.failed.is_empty(), "{} failed: {:#?}", total.failed.len(), first(&total.failed));
    assert_eq!(files.len(), 325, "the set has 325 forms");
}

fn first(failed: &[String]) -> &[String] {
    &failed[..failed.len().min(40)]
}
