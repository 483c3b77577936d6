//! The BIOS programs of `roms/suite`, screen for screen: what our machine shows against the
//! transcripts beside them, which were taken from a peer by `cargo xtask reference`. Where we mean
//! to differ the screen is listed in `DIFFERENCES.md`, and must differ.

use devices::{Civil, Key, Motion};
use machine::{Engine, Input, Machine, MachineConfig, Medium, StopReason, Until};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use testkit::shots::{Picture, numbered_disks, numbered_floppy};

/// How often we look whether a screen is finished, virtual nanoseconds.
const SLICE_NS: u64 = 20_000_000;
/// No program takes longer.
const MOST_NS: u64 = 120_000_000_000;

/// Every program runs on both.
const ENGINES: [Engine; 2] = [Engine::Interp, Engine::Jit];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../roms/suite")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The program's machine.
fn boot(program: &str, engine: Engine) -> Machine {
    let image = roms::get(program).expect("a program of the suite");
    let mut config = MachineConfig { engine, start: Civil::DEFAULT, ..MachineConfig::default() };
    config.add_image(image.into()).expect("a boot sector");
    config.floppies[1] = Some(Medium::floppy(numbered_floppy().into()).expect("a diskette"));
    config.disks = numbered_disks().map(|disk| Some(Medium::disk(disk.into())));
    Machine::new(config).expect("a machine")
}

fn advance(machine: &mut Machine) -> StopReason {
    let until = Until::ns(machine.now_ns() + SLICE_NS);
    loop {
        let stop = machine.advance(until);
        if stop != StopReason::EventsFull {
            return stop;
        }
        drop(machine.take_events());
    }
}

/// What shows.
fn picture(machine: &Machine) -> Picture {
    let frame = screen::render(&machine.scanout());
    let dots = frame.pixels.iter().map(|[r, g, b, _]| [*r, *g, *b]).collect();
    Picture { width: frame.width, dots }
}

/// Runs a program to its end and returns its screens by name.
fn screens(program: &str, engine: Engine) -> Vec<(String, Picture)> {
    let mut machine = boot(program, engine);
    let (mut said, mut seen) = (String::new(), Vec::new());
    while machine.now_ns() < MOST_NS {
        let stop = advance(&mut machine);
        said.push_str(&String::from_utf8_lossy(&machine.board().take_console()));
        if said.lines().any(|line| line == "DONE") {
            return seen;
        }
        assert!(matches!(stop, StopReason::Until | StopReason::Idle), "{stop:?}: {said}");
        let names: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("SHOT ")).collect();
        if let Some(name) = names.get(seen.len()).filter(|_| said.ends_with('\n')) {
            seen.push(((*name).to_owned(), picture(&machine)));
            for down in [true, false] {
                assert!(machine.input(Input::Key { key: Key::Space, down }));
            }
        }
    }
    panic!("{program} didn't end; it said: {said}");
}

/// What `mouse-packets` says with SeaBIOS on QEMU, its mouse moved as below.
const MOUSE_LINES: &str = " 00 00\n 00 AA\n 05 01\n 00 00\n 00 00\n 00 AA\n 00 00\n 00 00\n \
                           00 00\n 00 00\n 02 01\n 00 00\n 00 00\n 00 03 64\n 01 01\n 00 00\n\
                           READY\n\
                           P 28 05 FD 00\nP 09 00 00 00\nP 19 F9 00 00\nP 08 00 00 00\n \
                           00 00\nDONE\n";

#[test]
fn the_mouse_answers_and_its_packets_reach_the_handler_as_with_the_peer() {
    ENGINES.into_iter().for_each(the_mouse_answers);
}

fn the_mouse_answers(engine: Engine) {
    let mut machine = boot("mouse-packets", engine);
    let mut said = String::new();
    let moved = |dx, dy, buttons| Input::Mouse(Motion { dx, dy, wheel: 0, buttons });
    let mut inputs = vec![moved(5, 3, 0), moved(0, 0, 1), moved(-7, 0, 1), moved(0, 0, 0)];
    inputs.extend([true, false].map(|down| Input::Key { key: Key::Space, down }));
    let mut inputs = inputs.into_iter();
    while !said.contains("DONE") && machine.now_ns() < MOST_NS {
        advance(&mut machine);
        said.push_str(&String::from_utf8_lossy(&machine.board().take_console()));
        if said.contains("READY")
            && let Some(input) = inputs.next()
        {
            assert!(machine.input(input));
        }
    }
    assert_eq!(said, MOUSE_LINES);
}

/// The screens of a program that we mean to show otherwise than the peer.
fn meant(program: &str) -> Vec<String> {
    let rows = read("DIFFERENCES.md");
    let begins = format!("| `{program}/");
    let names = rows.lines().filter_map(|row| row.strip_prefix(&begins)?.split('`').next());
    names.map(str::to_owned).collect()
}

/// Keeps a picture where it can be looked at.
fn keep(program: &str, name: &str, picture: &Picture) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-{name}.ppm"));
    std::fs::write(&path, picture.to_ppm()).expect("a picture in the target folder");
    path
}

fn compare(program: &str) {
    ENGINES.into_iter().for_each(|engine| compare_on(program, engine));
}

fn compare_on(program: &str, engine: Engine) {
    let transcript = read(&format!("{program}.txt"));
    let lines = transcript.lines().filter(|line| !line.starts_with('#'));
    let peers: BTreeMap<&str, &str> =
        lines.map(|line| (line.split(' ').next().unwrap_or_default(), line)).collect();
    let meant = meant(program);
    let ours = screens(program, engine);
    let mut wrong = Vec::new();
    for (name, picture) in &ours {
        let line = picture.line(name);
        let same = peers.get(name.as_str()) == Some(&line.as_str());
        if same == meant.contains(name) {
            let path = keep(program, name, picture);
            wrong.push(format!("{line}: same {same}, see {}", path.display()));
        }
    }
    let names: Vec<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
    assert!(peers.keys().all(|name| names.contains(name)), "{program} has only {names:?}");
    assert!(wrong.is_empty(), "{program} on {engine:?}:\n{}", wrong.join("\n"));
}

#[test]
fn text_modes_show_what_the_peer_shows() {
    compare("suite-text");
}

#[test]
fn cga_modes_show_what_the_peer_shows() {
    compare("suite-cga");
}

#[test]
fn planar_modes_show_what_the_peer_shows() {
    compare("suite-planar");
}

#[test]
fn mode_13h_shows_what_the_peer_shows() {
    compare("suite-256");
}

#[test]
fn fonts_show_what_the_peer_shows() {
    compare("suite-font");
}

#[test]
fn vesa_modes_show_what_the_peer_shows() {
    compare("suite-vbe");
}

#[test]
fn disks_say_what_the_peers_say() {
    compare("suite-disk");
}

#[test]
fn two_diskettes_and_four_disks_are_told_apart() {
    compare("suite-drives");
}

/// The checks of `roms/bioscheck`: registers, flags and memory of each service.
#[test]
fn bioscheck_finds_nothing_wrong() {
    ENGINES.into_iter().for_each(bioscheck_finds_nothing);
}

fn bioscheck_finds_nothing(engine: Engine) {
    let mut machine = boot("bioscheck", engine);
    let mut said = String::new();
    let stop = loop {
        let stop = advance(&mut machine);
        said.push_str(&String::from_utf8_lossy(&machine.board().take_console()));
        if !matches!(stop, StopReason::Until | StopReason::Idle) || machine.now_ns() > MOST_NS {
            break stop;
        }
    };
    let failed: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok")).collect();
    assert_eq!(stop, StopReason::DebugExit(0x10), "{failed:#?}");
    assert!(failed.len() == 1 && failed[0].ends_with(" 0 failed"), "{failed:#?}");
}

#[test]
fn the_system_says_what_the_peer_says() {
    compare("suite-system");
}

#[test]
fn ports_and_the_alarm_say_what_the_peers_say() {
    compare("suite-ports");
}

#[test]
fn every_listed_difference_names_a_screen() {
    for row in read("DIFFERENCES.md").lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (program, name) = cells[0].trim_matches('`').split_once('/').expect("program/screen");
        let transcript = read(&format!("{program}.txt"));
        let known = transcript.lines().any(|line| line.split(' ').next() == Some(name));
        assert!(known && cells.len() == 2 && !cells[1].is_empty(), "{row}");
    }
}
