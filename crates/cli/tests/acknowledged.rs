//! What a disk has acknowledged is in its image, however the run ends: killed at any moment, the
//! host's disk full, the image write-protected. The guest is `roms/disk/disk-writes.s`.

mod common;

use common::{Scratch, cloister, text};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SECTOR: u64 = 512;

/// The guest on a diskette, and an empty disk.
fn guest(scratch: &Scratch, sectors: u64) -> [std::path::PathBuf; 2] {
    let program = roms::get("disk-writes").expect("a built guest program");
    let disk = scratch.path("disk.img");
    std::fs::File::create(&disk).unwrap().set_len(sectors * SECTOR).unwrap();
    [scratch.file("writes.img", program), disk]
}

/// The lines that a guest said, without one that was cut short.
fn lines(said: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(said);
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    whole.lines().map(str::to_owned).collect()
}

/// The last sector that a line with this letter names.
fn last(lines: &[String], letter: &str) -> Option<u32> {
    let number = lines.iter().rev().find_map(|line| line.strip_prefix(letter))?;
    Some(u32::from_str_radix(number.trim(), 16).expect("a number in hex"))
}

/// What the guest writes to a sector.
fn content(sector: u32) -> Vec<u8> {
    (0..128u32).flat_map(|i| (sector.wrapping_add(i << 24)).to_le_bytes()).collect()
}

/// Asserts that all sectors up to `last` are there.
fn check(disk: &Path, last: u32) {
    let file = std::fs::File::open(disk).unwrap();
    let mut found = vec![0; SECTOR as usize];
    for sector in 0..=last {
        file.read_exact_at(&mut found, u64::from(sector) * SECTOR).unwrap();
        assert_eq!(found, content(sector), "sector {sector} of {last} acknowledged ones");
    }
}

/// Runs until so many bytes were said, kills, and gives all that was said.
fn killed_after(bytes: usize, image: &Path, disk: &Path) -> Vec<u8> {
    let mut run = cloister()
        .args(["run", "--serial", "stdio", "--disk", text(disk), text(image)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the built command starts");
    let mut out = run.stdout.take().expect("a pipe");
    let mut said = vec![0; bytes];
    out.read_exact(&mut said).expect("the guest goes on");
    run.kill().expect("it runs");
    out.read_to_end(&mut said).expect("what was in the pipe");
    run.wait().expect("it ends");
    said
}

#[test]
fn acknowledged_sectors_survive_a_kill_at_any_moment() {
    let scratch = Scratch::new();
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut told = BTreeMap::new();
    for _ in 0..24 {
        let [image, disk] = guest(&scratch, 1 << 20);
        // xorshift: other moments, the same each time as far as bytes go.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let after = 1 + (seed % 30_000) as usize;
        let said = lines(&killed_after(after, &image, &disk));
        if let Some(last) = last(&said, "W ") {
            check(&disk, last);
            told.insert(after, last);
        }
    }
    assert!(told.len() > 12, "too few runs wrote anything: {told:?}");
}

fn output(mut command: Command) -> (Output, Vec<String>) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let said = lines(&output.stdout);
    (output, said)
}

#[test]
fn the_end_of_the_disk_is_id_not_found() {
    let scratch = Scratch::new();
    let [image, disk] = guest(&scratch, 100);
    let mut command = cloister();
    command.args(["run", "--disk", text(&disk), text(&image)]);
    let (_, said) = output(command);
    assert_eq!(said.last().map(String::as_str), Some("E 51 10 00000064"));
    check(&disk, 99);
}

#[test]
fn a_protected_disk_aborts_a_write() {
    let scratch = Scratch::new();
    let [image, disk] = guest(&scratch, 100);
    let mut command = cloister();
    command.args(["run", "--disk", &format!("{},ro", text(&disk)), text(&image)]);
    let (_, said) = output(command);
    assert_eq!(said, ["E 51 04 00000000"]);
}

#[test]
fn a_host_that_cant_write_is_a_device_fault() {
    let scratch = Scratch::new();
    let [image, disk] = guest(&scratch, 50_000);
    // No file may grow beyond 20 MiB, guest memory included, and the signal that says so is ignored.
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 20480; exec \"$@\"", "bash"]);
    command.arg(env!("CARGO_BIN_EXE_cloister"));
    command.args(["run", "--memory", "1M", "--disk", text(&disk), text(&image)]);
    if Command::new("bash").arg("--version").output().is_err() {
        println!("SKIPPED: bash is absent, which limits the size of files");
        return;
    }
    let (_, said) = output(command);
    assert_eq!(said.last().map(String::as_str), Some("E 71 04 0000A000"));
    check(&disk, 0x9FFF);
}

#[test]
fn a_second_run_is_refused_while_the_first_writes() {
    let scratch = Scratch::new();
    let [image, disk] = guest(&scratch, 1 << 20);
    let mut first = cloister()
        .args(["run", "--serial", "stdio", "--disk", text(&disk), text(&image)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the built command starts");
    let mut byte = [0];
    first.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("it writes");
    let second = common::run(["run", "--disk", text(&disk), text(&image)]);
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    common::complains(&second, 4, &["disk.img", "in use", "end that run"]);
    assert!(common::stdout(&second).is_empty());
}
