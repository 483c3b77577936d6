//! `--screenshot`, `--record-screen` and `--display none`: pictures of the screen, as a decoder
//! that isn't ours reads them.

mod common;

use common::{HANG, POWER_OFF, SPIN, Scratch, run, stderr, text};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Output;

/// Fills the first row with full blocks, yellow on blue: `push 0B800h; pop es; xor di, di;
/// mov ax, 1EDBh; mov cx, 80; rep stosw`.
const BLOCKS: &[u8] =
    &[0x68, 0x00, 0xB8, 0x07, 0x31, 0xFF, 0xB8, 0xDB, 0x1E, 0xB9, 0x50, 0x00, 0xF3, 0xAB];

/// `lidt [7D00h]` (limit 0, for the sector is zero there); `ud2`.
const TRIPLE_FAULT: &[u8] = &[0x0F, 0x01, 0x1E, 0x00, 0x7D, 0x0F, 0x0B];

/// Mode 13h by INT 10h, its first dots colour 4, then the same row in colour 2:
/// `mov ax, 13h; int 10h; push 0A000h; pop es; xor di, di; mov al, V; mov cx, 320; rep stosb`.
const MODE_13: &[u8] = &[0xB8, 0x13, 0x00, 0xCD, 0x10];
fn row_of(color: u8) -> Vec<u8> {
    let fill = [0x68, 0x00, 0xA0, 0x07, 0x31, 0xFF, 0xB0, color, 0xB9, 0x40, 0x01, 0xF3, 0xAA];
    fill.to_vec()
}

/// Waits for about CX times 55 ms of virtual time: `sti; mov cx, N; hlt; loop`.
fn wait(ticks: u8) -> Vec<u8> {
    vec![0xFB, 0xB9, ticks, 0x00, 0xF4, 0xE2, 0xFD]
}

/// Width, height, and all dots of a PNG's (first) picture as red, green, blue.
fn png(path: &Path) -> (u32, u32, Vec<[u8; 3]>) {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path).expect("a picture")));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("a frame");
    (info.width, info.height, bytes.as_chunks().0.to_vec())
}

fn shoot(scratch: &Scratch, code: &[u8], more: &[&str]) -> (Output, (u32, u32, Vec<[u8; 3]>)) {
    let image = scratch.boot_sector("guest.img", code);
    let picture = scratch.path("last.png");
    let arguments = ["run", "--timeout", "60", "--display", "none", "--screenshot", text(&picture)];
    let output = run(arguments.iter().chain(more).chain([&text(&image)]));
    let seen = png(&picture);
    (output, seen)
}

const YELLOW: [u8; 3] = [0xFF, 0xFF, 0x55];

#[test]
fn a_screenshot_is_taken_whatever_ended_the_run() {
    let endings: [(&[u8], &[&str], i32); 4] = [
        (POWER_OFF, &[], 0),
        (TRIPLE_FAULT, &[], 10),
        (HANG, &[], 12),
        (SPIN, &["--max-time", "1s"], 6),
    ];
    for (ending, more, status) in endings {
        let scratch = Scratch::new();
        let (output, (width, height, dots)) = shoot(&scratch, &[BLOCKS, ending].concat(), more);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert_eq!((width, height), (720, 400));
        let row = &dots[5 * 720..6 * 720];
        assert!(row.iter().all(|dot| *dot == YELLOW), "status {status}: {:?}", &row[..4]);
    }
}

#[test]
fn a_screenshot_of_a_graphics_mode_has_its_dots() {
    let scratch = Scratch::new();
    let code = [MODE_13, &row_of(4), POWER_OFF].concat();
    let (_, (width, height, dots)) = shoot(&scratch, &code, &[]);
    assert_eq!((width, height), (640, 400));
    assert_eq!((dots[0], dots[640 + 639], dots[2 * 640]), ([0xAA, 0, 0], [0xAA, 0, 0], [0; 3]));
}

/// A film in which mode 13h's first row changes its colour.
fn film(name: &str) -> (Scratch, std::path::PathBuf) {
    let scratch = Scratch::new();
    let code = [MODE_13, &row_of(4), &wait(4), &row_of(2), &wait(4), POWER_OFF].concat();
    let image = scratch.boot_sector("film.img", &code);
    let path = scratch.path(name);
    let output = run(["run", "--timeout", "60", "--record-screen", text(&path), text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (scratch, path)
}

#[test]
fn a_gif_shows_one_colour_after_the_other() {
    let (_scratch, path) = film("film.gif");
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let (mut colors, mut hundredths) = (Vec::new(), 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        hundredths += u32::from(frame.delay);
        if (frame.left, frame.top) == (0, 0) {
            colors.push([frame.buffer[0], frame.buffer[1], frame.buffer[2]]);
        }
    }
    let at = |color| colors.iter().position(|c| *c == color);
    let (red, green) = (at([0xAA, 0, 0]), at([0, 0xAA, 0]));
    assert!(red.is_some() && red < green, "{colors:?}");
    assert!(hundredths >= 8 * 5, "it is too short: {hundredths}");
}

#[test]
fn an_animated_png_has_several_frames() {
    let (_scratch, path) = film("film.png");
    let decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
    let reader = decoder.read_info().unwrap();
    assert!(reader.info().animation_control().unwrap().num_frames >= 3);
}

#[test]
fn two_films_of_one_guest_are_the_same() {
    let ((_a, one), (_b, other)) = (film("film.gif"), film("film.gif"));
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn names_that_are_no_pictures_are_refused() {
    for (option, name, cure) in [
        ("--screenshot", "x.bmp", "must end in .png"),
        ("--record-screen", "x.avi", "must end in .gif or .png"),
    ] {
        let output = run(["run", option, name, "any.img"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(cure), "{}", stderr(&output));
    }
}

#[test]
fn a_folder_that_isnt_there_is_said_before_the_run() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("spin.img", SPIN);
    let output = run(["run", "--screenshot", "no/such/x.png", text(&image)]);
    assert_eq!(output.status.code(), Some(16));
    let said = stderr(&output);
    assert!(said.contains("no/such/x.png") && said.contains("folder doesn't exist"), "{said}");
}

#[test]
fn a_full_disk_under_a_screenshot_is_an_error() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: this host has no /dev/full");
        return;
    }
    let scratch = Scratch::new();
    let link = scratch.path("full.png");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let image = scratch.boot_sector("ok.img", POWER_OFF);
    let output = run(["run", "--screenshot", text(&link), text(&image)]);
    assert_eq!(output.status.code(), Some(16), "{}", stderr(&output));
    assert!(stderr(&output).contains("no space left"), "{}", stderr(&output));
}
