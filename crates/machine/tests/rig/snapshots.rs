//! Snapshots: what is damaged or foreign is refused with a word, and changes nothing.

use super::rig;
use machine::{Engine, Machine, MachineConfig, SnapshotError};
use proptest::prelude::*;
use rig::programs::MIXED;
use rig::{config, run_to};

const BODY_AT: usize = 44;

/// The engine that this module is for: the file is compiled once for each.
fn engine() -> Engine {
    rig::engine_of(module_path!())
}

fn machine(code: &[u8]) -> Machine {
    rig::machine_on(code, engine())
}

fn saved() -> (Machine, Vec<u8>) {
    let mut m = machine(MIXED);
    run_to(&mut m, 3000);
    let snapshot = m.save();
    run_to(&mut m, 5000);
    (m, snapshot)
}

#[test]
fn something_else_is_foreign() {
    let (mut m, _) = saved();
    assert_eq!(m.restore(b"\x7FELF and so on"), Err(SnapshotError::Foreign));
    assert_eq!(m.restore(&[]), Err(SnapshotError::Foreign));
}

#[test]
fn another_version_is_named() {
    let (mut m, mut snapshot) = saved();
    snapshot[8] = 99;
    let said = m.restore(&snapshot).unwrap_err().to_string();
    assert!(said.contains("version 99"), "{said}");
}

#[test]
fn a_machine_with_other_memory_refuses_it() {
    let (_, snapshot) = saved();
    let config = MachineConfig { memory_bytes: 1 << 20, ..config(MIXED) };
    let mut other = Machine::new(config).unwrap();
    let before = other.state_hash();
    let said = other.restore(&snapshot).unwrap_err().to_string();
    assert!(said.contains("the size of RAM is 2097152 there and 1048576 here"), "{said}");
    assert_eq!(other.state_hash(), before);
}

#[test]
fn a_machine_with_another_bios_refuses_it() {
    let (_, snapshot) = saved();
    let mut other = machine(&[0xF4]);
    assert!(matches!(other.restore(&snapshot), Err(SnapshotError::Other { .. })));
}

#[test]
fn a_machine_with_another_processor_refuses_it() {
    let (_, snapshot) = saved();
    let mut other =
        Machine::new(MachineConfig { cpu: x86::model::Name::I486, ..config(MIXED) }).unwrap();
    let said = other.restore(&snapshot).unwrap_err().to_string();
    assert!(
        said.contains("the processor is cloister (") && said.contains("486 (600000001) here"),
        "{said}"
    );
}

#[test]
fn one_changed_bit_or_missing_byte_is_damage_and_changes_nothing() {
    let (mut m, snapshot) = saved();
    let before = m.state_hash();
    for at in [12, 40, BODY_AT, BODY_AT + 100, snapshot.len() - 1] {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(m.restore(&damaged), Err(SnapshotError::Damaged { .. })));
        assert!(matches!(m.restore(&snapshot[..at]), Err(SnapshotError::Damaged { .. })));
    }
    assert_eq!(m.state_hash(), before);
    m.restore(&snapshot).unwrap();
    assert_eq!(m.steps(), 3000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whoever makes a snapshot by hand gets its hash right, too.
    #[test]
    fn a_forged_snapshot_is_taken_whole_or_refused_whole(
        changes in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 1..6),
        cut in 0.5..1.2_f64,
    ) {
        let (mut m, mut snapshot) = saved();
        let before = m.state_hash();
        let body = snapshot.len() - BODY_AT;
        // Most of the body is RAM: change what comes before it more often.
        for (at, value) in changes {
            snapshot[BODY_AT + (at.powi(4) * body as f64) as usize] = value;
        }
        snapshot.truncate(BODY_AT + (cut.min(1.0) * body as f64) as usize);
        let hash = blake3::hash(&snapshot[BODY_AT..]);
        snapshot[12..BODY_AT].copy_from_slice(hash.as_bytes());
        match m.restore(&snapshot) {
            Ok(()) => {
                let until = machine::Until::step(m.steps().saturating_add(300));
                rig::advance(&mut m, until);
            }
            Err(_) => prop_assert_eq!(m.state_hash(), before),
        }
    }
}
