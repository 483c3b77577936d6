//! The pictures of `roms/screens`, each drawn by a guest that sets its mode by registers alone,
//! dot for dot beside those that QEMU showed (`cargo xtask pictures` takes them anew).
//!
//! Known differences, where the manuals are followed rather than QEMU:
//! - QEMU widens fewer bits to eight in ways of its own, so only those that there are are
//!   compared: six of the DAC, five where a dot has fifteen.
//! - QEMU repeats the eighth dot of B0h-BFh too; the IBM manual, of C0h-DFh alone.

use machine::{Machine, MachineConfig, Medium, StopReason, Until};
use roms::screens::{NAMES, diskette};
use screen::{Frame, render};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// More than the BIOS and any picture takes.
const STEPS: u64 = 100_000_000;

/// What our machine shows.
fn ours(number: u8) -> Frame {
    let image = diskette(number).expect("roms/built holds screens.bin");
    let medium = Medium::floppy(image.into()).expect("a diskette");
    let config = MachineConfig { floppies: [Some(medium), None], ..MachineConfig::default() };
    let mut machine = Machine::new(config).expect("a machine");
    let stop = machine.advance(Until::step(STEPS));
    assert!(matches!(stop, StopReason::Hang(_)), "it should halt when it has drawn: {stop:?}");
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

#[test]
fn every_mode_shows_what_qemu_shows() {
    let mut wrong = Vec::new();
    for (number, name) in (0..).zip(NAMES) {
        if let Some(how) = difference(name, &ours(number), &kept(name)) {
            wrong.push(format!("{name}: {how}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
