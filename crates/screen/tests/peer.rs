//! The pictures of `roms/screens`, each drawn by a guest that sets its mode by registers alone,
//! dot for dot beside those that QEMU showed (`cargo xtask pictures` takes them anew).
//!
//! Known differences, where the manuals are followed rather than QEMU:
//! - QEMU widens fewer bits to eight in ways of its own, so only those that there are are
//!   compared: six of the DAC, five where a dot has fifteen.
//! - QEMU repeats the eighth dot of B0h-BFh too; the IBM manual, of C0h-DFh alone.

use machine::{Engine, Machine, MachineConfig, Medium, StopReason, Until};
use roms::screens::{NAMES, diskette};
use screen::{Frame, render};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// More than the BIOS and any picture takes.
const STEPS: u64 = 100_000_000;

/// A machine with the diskette of picture `number`. Nothing has run yet.
fn machine(number: u8, engine: Engine) -> Machine {
    let image = diskette(number).expect("roms/built holds screens.bin");
    let medium = Medium::floppy(image.into()).expect("a diskette");
    let floppies = [Some(medium), None];
    let config = MachineConfig { floppies, engine, ..MachineConfig::default() };
    Machine::new(config).expect("a machine")
}

/// Runs until the picture is drawn.
fn finish(machine: &mut Machine) {
    let mut stop = machine.advance(Until::step(STEPS));
    while stop == StopReason::EventsFull {
        drop(machine.take_events());
        stop = machine.advance(Until::step(STEPS));
    }
    assert!(matches!(stop, StopReason::Hang(_)), "it should halt when it has drawn: {stop:?}");
}

/// What our machine shows.
fn ours(number: u8, engine: Engine) -> Frame {
    let mut machine = machine(number, engine);
    finish(&mut machine);
    assert_eq!(machine.board().take_console(), b"D");
    render(&machine.scanout())
}

/// What QEMU showed.
fn kept(name: &str) -> Frame {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../roms/screens/{name}.png"));
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path).expect("a picture")));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("a frame");
    let pixels = bytes.as_chunks().0.iter().map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    let (width, height) = (info.width as usize, info.height as usize);
    Frame { width, height, repeat_x: 1, repeat_y: 1, pixels }
}

/// The program's text has code n in cell n: true at the ninth dot of one from B0h to BFh.
fn is_ninth_of_shades(name: &str, x: usize, y: usize) -> bool {
    let code = (y / 16 * 80 + x / 9) & 0xFF;
    name == "text-80" && x % 9 == 8 && (0xB0..=0xBF).contains(&code)
}

/// How many dots differ, and the first of them.
fn difference(name: &str, ours: &Frame, kept: &Frame) -> Option<String> {
    let size = |f: &Frame| (f.width, f.height);
    if size(ours) != size(kept) {
        return Some(format!("{:?} here, {:?} there", size(ours), size(kept)));
    }
    let unused = if name == "vbe-15" { 3 } else { 2 };
    let bits = |pixel: &[u8; 4]| pixel.map(|part| part >> unused);
    let place = |i: usize| (i % ours.width, i / ours.width);
    let differs = |i: &usize| {
        let (x, y) = place(*i);
        bits(&ours.pixels[*i]) != bits(&kept.pixels[*i]) && !is_ninth_of_shades(name, x, y)
    };
    let wrong: Vec<usize> = (0..ours.pixels.len()).filter(differs).collect();
    let first = *wrong.first()?;
    let (a, b) = (ours.pixels[first], kept.pixels[first]);
    Some(format!("{} dots, the first at {:?}: {a:?} here, {b:?} there", wrong.len(), place(first)))
}

fn every_mode_shows_what_qemu_shows(engine: Engine) {
    let mut wrong = Vec::new();
    for (number, name) in (0..).zip(NAMES) {
        if let Some(how) = difference(name, &ours(number, engine), &kept(name)) {
            wrong.push(format!("{name}: {how}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mode_that_is_interpreted_shows_what_qemu_shows() {
    every_mode_shows_what_qemu_shows(Engine::Interp);
}

#[test]
fn every_mode_that_is_translated_shows_what_qemu_shows() {
    every_mode_shows_what_qemu_shows(Engine::Jit);
}

fn number(name: &str) -> u8 {
    NAMES.iter().position(|n| *n == name).expect("a picture's name") as u8
}

/// Saves at five moments of a run; each time a restored machine must end as the first did.
fn goes_on_the_same(name: &str) {
    [Engine::Interp, Engine::Jit].into_iter().for_each(|engine| goes_on_the_same_on(engine, name));
}

fn goes_on_the_same_on(engine: Engine, name: &str) {
    let mut whole = machine(number(name), engine);
    finish(&mut whole);
    let mut run = machine(number(name), engine);
    for part in 1..=5 {
        run.advance(Until::step(whole.steps() * part / 6 + part));
        let mut restored = machine(number(name), engine);
        restored.restore(&run.save()).expect("a snapshot of an equal machine");
        assert_eq!(restored.state_hash(), run.state_hash(), "{name}, part {part}");
        finish(&mut restored);
        assert_eq!(restored.state_hash(), whole.state_hash(), "{name}, part {part}");
        assert!(render(&restored.scanout()) == render(&whole.scanout()), "{name}, part {part}");
    }
}

#[test]
fn a_restored_machine_draws_text_to_the_same_end() {
    goes_on_the_same("text-50");
}

#[test]
fn a_restored_machine_draws_in_planes_to_the_same_end() {
    goes_on_the_same("mode-12-write-modes");
}

#[test]
fn a_restored_machine_draws_in_banks_to_the_same_end() {
    goes_on_the_same("vbe-24");
}

/// A display that looks all the time changes nothing, and sees every change.
fn looking_is_harmless_and_sees_all(engine: Engine) {
    for name in ["text-80", "mode-13", "vbe-16"] {
        let mut alone = machine(number(name), engine);
        finish(&mut alone);
        let mut watched = machine(number(name), engine);
        let (mut generation, mut frame) = (None, None);
        while watched.steps() < alone.steps() {
            let until = watched.steps() + 300_000;
            watched.advance(Until::step(until.min(alone.steps())));
            let now = watched.screen_generation();
            let fresh = render(&watched.scanout());
            assert!(generation != Some(now) || frame.as_ref() == Some(&fresh), "{name}: missed");
            (generation, frame) = (Some(now), Some(fresh));
        }
        assert_eq!(watched.state_hash(), alone.state_hash(), "{name}");
    }
}

#[test]
fn looking_at_the_interpreter_changes_nothing_and_misses_nothing() {
    looking_is_harmless_and_sees_all(Engine::Interp);
}

#[test]
fn looking_at_the_translator_changes_nothing_and_misses_nothing() {
    looking_is_harmless_and_sees_all(Engine::Jit);
}

#[test]
fn translator_and_interpreter_draw_the_same() {
    for name in ["text-40", "mode-12-write-modes", "mode-x", "vbe-32"] {
        let mut both = machine(number(name), Engine::Lockstep);
        finish(&mut both);
        let how = difference(name, &render(&both.scanout()), &kept(name));
        assert_eq!(how, None, "{name}");
    }
}
