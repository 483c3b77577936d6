//! Two runs of the command with `--clock virtual` and the same keys: the same words, screen, trace
//! and report, byte for byte.

mod common;

use common::{Scratch, run, stderr, text};

/// Waits for a key by INT 16h, shows it by INT 10h and says it on the debug console; Esc ends:
/// `xor ah, ah; int 16h; mov ah, 0Eh; int 10h; out 0E9h, al; cmp al, 1Bh; jne`.
const ECHO: &[u8] =
    &[0x30, 0xE4, 0xCD, 0x16, 0xB4, 0x0E, 0xCD, 0x10, 0xE6, 0xE9, 0x3C, 0x1B, 0x75, 0xF2];

#[test]
fn two_runs_are_the_same_byte_for_byte() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("echo.img", &[ECHO, common::POWER_OFF].concat());
    let disk = scratch.file("disk.img", &[0; 1 << 20]);
    let disk = format!("{},temp", text(&disk));
    let (trace, report) = (scratch.path("trace"), scratch.path("report"));
    let memory = scratch.path("memory");
    let once = || {
        let dump = format!("0,0xA0000,{}", text(&memory));
        let output = run([
            "run",
            "--clock",
            "virtual",
            "--keys",
            "Hello, <wait 500ms>world!\\e",
            "--screen",
            "--disk",
            &disk,
            "--trace",
            "rings,faults,interrupts,io",
            "--trace-out",
            text(&trace),
            "--report",
            text(&report),
            "--dump",
            &dump,
            text(&image),
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let files = [&trace, &report, &memory].map(|path| std::fs::read(path).unwrap());
        (output.stdout, output.stderr, files)
    };
    let (one, other) = (once(), once());
    assert!(String::from_utf8_lossy(&one.0).contains("Hello, world!"));
    assert!(one.2.iter().all(|file| file.len() > 100));
    assert!(one == other, "the runs differ");
}
