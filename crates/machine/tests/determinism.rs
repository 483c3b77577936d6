//! The same image, keys and mouse give the same run, bit for bit: events, screen, words and state,
//! from power-on through the BIOS to the guest, however the run is cut into slices.

mod rig;

use devices::{Key, Motion};
use machine::{Engine, Input, Machine, MachineConfig, Medium, Stamped, StopReason, Until};
use x86::Record;
use x86::event::Wanted;

/// Waits for a key by INT 16h, shows it by INT 10h, and begins again:
/// `xor ah, ah; int 16h; mov ah, 0Eh; int 10h; jmp`.
const ECHO: &[u8] = &[0x30, 0xE4, 0xCD, 0x16, 0xB4, 0x0E, 0xCD, 0x10, 0xEB, 0xF6];
/// As long as a run takes, virtual nanoseconds.
const END_NS: u64 = 6_000_000_000;

fn machine(engine: Engine) -> Machine {
    let mut sector = ECHO.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    let mut config = MachineConfig {
        engine,
        wanted: Wanted::CROSSINGS | Wanted::FAULTS | Wanted::INTERRUPTS | Wanted::IO,
        ..MachineConfig::default()
    };
    config.add_image(sector.into()).unwrap();
    config.disks[2] = Some(Medium::disk(vec![7; 1 << 20].into()));
    Machine::new(config).unwrap()
}

/// All that a run shows.
#[derive(PartialEq)]
struct Seen {
    events: Vec<Record>,
    screen: String,
    serial: Vec<u8>,
    hash: String,
    steps: u64,
}

fn collect(m: &mut Machine, until: Until, events: &mut Vec<Record>) {
    loop {
        let stop = m.advance(until);
        events.extend(m.take_events());
        match stop {
            StopReason::Until => return,
            StopReason::EventsFull => {}
            other => panic!("{other:?}"),
        }
    }
}

fn seen(m: &Machine, events: Vec<Record>) -> Seen {
    let screen = format!("{:?}", m.screen());
    let (serial, hash) = (m.board().take_serial(), m.state_hash_hex());
    Seen { events, screen, serial, hash, steps: m.steps() }
}

/// What a person does, and when.
fn inputs() -> Vec<(u64, Input)> {
    let key = |key, down| Input::Key { key, down };
    let mut all = Vec::new();
    for (i, (k, down)) in "Hello".chars().flat_map(devices::keys::strokes_for).enumerate() {
        all.push((3_000_000_000 + i as u64 * 41_234_567, key(k, down)));
    }
    let motion = Motion { dx: 5, dy: -3, wheel: 1, buttons: 1 };
    all.push((4_000_000_001, Input::Mouse(motion)));
    all.push((4_500_000_000, Input::Serial(b"over the wire".to_vec())));
    // Held down: it repeats by itself.
    all.push((4_700_000_000, key(Key::X, true)));
    all
}

/// A run by hand: to each input, and on.
fn live(engine: Engine) -> (Seen, Vec<Stamped>) {
    let (mut m, mut events) = (machine(engine), Vec::new());
    for (ns, input) in inputs() {
        collect(&mut m, Until::ns(ns), &mut events);
        assert!(m.input(input));
    }
    collect(&mut m, Until::ns(END_NS), &mut events);
    let log = m.input_log().to_vec();
    (seen(&m, events), log)
}

/// The same from its log, in slices of this length.
fn again(engine: Engine, log: Vec<Stamped>, slice_ns: u64) -> Seen {
    let (mut m, mut events) = (machine(engine), Vec::new());
    log.into_iter().for_each(|input| m.schedule(input));
    while m.now_ns() < END_NS {
        let next = m.now_ns().saturating_add(slice_ns).min(END_NS);
        collect(&mut m, Until::ns(next), &mut events);
    }
    seen(&m, events)
}

fn assert_same(one: &Seen, other: &Seen) {
    let differs = one.events.iter().zip(&other.events).position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first event that differs");
    assert_eq!(one.events.len(), other.events.len());
    assert_eq!(one.screen, other.screen);
    assert_eq!((&one.hash, one.steps, &one.serial), (&other.hash, other.steps, &other.serial));
}

#[test]
fn two_runs_with_the_same_input_are_the_same() {
    let (one, log) = live(Engine::Interp);
    for engine in [Engine::Interp, Engine::Jit] {
        let (other, same) = live(engine);
        assert_same(&one, &other);
        assert_eq!(log, same);
    }
    assert!(one.events.len() > 1000 && one.screen.len() > 100);
}

#[test]
fn a_run_from_its_log_is_the_same_however_it_is_sliced() {
    let (one, log) = live(Engine::Interp);
    assert_same(&one, &again(Engine::Interp, log.clone(), END_NS));
    assert_same(&one, &again(Engine::Interp, log, 7_654_321));
}

#[test]
fn the_translator_gives_the_same_run_as_the_interpreter() {
    let (one, log) = live(Engine::Interp);
    assert_same(&one, &again(Engine::Jit, log, 7_654_321));
}

#[test]
fn another_key_gives_another_run() {
    let (one, mut log) = live(Engine::Interp);
    log.pop();
    let other = again(Engine::Interp, log, END_NS);
    assert_ne!(one.hash, other.hash);
    assert!(one.screen != other.screen);
}
