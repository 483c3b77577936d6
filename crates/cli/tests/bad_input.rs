//! Every kind of bad input ends in one line that names the thing and the cure, and in the right
//! status; and nothing is written that wasn't asked for.

mod common;

use common::{HANG, POWER_OFF, SPIN, Scratch, complains, run, say, stderr, text};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const USAGE: i32 = 2;
const BAD_IMAGE: i32 = 4;
const LONG_MODE: i32 = 14;
const HOST: i32 = 16;

/// The header of an ELF file: class (1 is 32 bits), machine, type 2, no program headers.
fn elf_header(class: u8, machine: u16) -> Vec<u8> {
    let mut header = vec![0x7F, b'E', b'L', b'F', class, 1, 1];
    header.resize(16, 0);
    header.extend(2u16.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.resize(64, 0);
    header
}

/// A flat multiboot kernel that asks to be loaded at `load`.
fn multiboot(load: u32) -> Vec<u8> {
    const MAGIC: u32 = 0x1BAD_B002;
    const FLAGS: u32 = 1 << 16;
    let checksum = 0u32.wrapping_sub(MAGIC).wrapping_sub(FLAGS);
    let words = [MAGIC, FLAGS, checksum, load, load, 0, 0, load + 32];
    words.iter().flat_map(|word| word.to_le_bytes()).chain([0xFA, 0xF4]).collect()
}

#[test]
fn an_image_that_isnt_there() {
    complains(&run(["run", "no/such.img"]), BAD_IMAGE, &["no/such.img", "no such file"]);
}

#[test]
fn a_processor_that_there_is_not() {
    let output = run(["run", "--cpu", "286", "x.img"]);
    complains(&output, USAGE, &["no processor model \"286\"", "386, 486, pentium"]);
}

#[test]
fn an_empty_image() {
    let scratch = Scratch::new();
    let image = scratch.file("empty.img", &[]);
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["empty.img", "empty", "512"]);
}

#[test]
fn a_truncated_boot_sector() {
    let scratch = Scratch::new();
    let image = scratch.file("short.img", &[0x90; 100]);
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["short.img", "100 bytes", "55 AA"]);
}

#[test]
fn a_truncated_elf_file() {
    let scratch = Scratch::new();
    let image = scratch.file("cut.elf", &elf_header(1, 3)[..30]);
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["cut.elf", "truncated"]);
}

#[test]
fn an_oversized_kernel() {
    let scratch = Scratch::new();
    let image = scratch.path("huge.img");
    File::create(&image).unwrap().set_len(1 << 40).unwrap();
    let output = run(["run", "--kernel", text(&image)]);
    complains(&output, BAD_IMAGE, &["huge.img", "more than"]);
}

#[test]
fn an_oversized_floppy() {
    let scratch = Scratch::new();
    let mut bytes = common::boot_sector(HANG);
    bytes.resize(4 << 20, 0);
    let image = scratch.file("large.img", &bytes);
    let output = run(["run", "--floppy", text(&image)]);
    complains(&output, BAD_IMAGE, &["large.img", "disk"]);
}

#[test]
fn a_directory() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    complains(&run(["run", text(&folder)]), BAD_IMAGE, &["a directory"]);
}

#[test]
fn an_image_that_may_not_be_read() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("secret.img", HANG);
    std::fs::set_permissions(&image, PermissionsExt::from_mode(0o000)).unwrap();
    if File::open(&image).is_ok() {
        println!("SKIPPED: this user may read everything");
        return;
    }
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["secret.img", "permission denied"]);
}

#[test]
fn a_sector_without_a_signature() {
    let scratch = Scratch::new();
    let image = scratch.file("nosig.img", &[0x90; 512]);
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["nosig.img", "90 90", "55 AA"]);
}

#[test]
fn an_elf_file_for_another_machine() {
    let scratch = Scratch::new();
    let image = scratch.file("arm.elf", &elf_header(1, 40));
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["arm.elf", "ARM", "i386"]);
}

#[test]
fn a_64_bit_elf_file_has_its_own_status() {
    let scratch = Scratch::new();
    let image = scratch.file("long.elf", &elf_header(2, 62));
    complains(&run(["run", text(&image)]), LONG_MODE, &["long.elf", "64-bit", "-m32"]);
}

#[test]
fn a_multiboot_kernel_beyond_memory() {
    let scratch = Scratch::new();
    let image = scratch.file("far.bin", &multiboot(0xF000_0000));
    complains(&run(["run", text(&image)]), BAD_IMAGE, &["far.bin", "0xf0000000", "--memory"]);
}

#[test]
fn more_memory_than_the_host_has() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("ok.img", POWER_OFF);
    let output = run(["run", "--memory", "1000000G", text(&image)]);
    complains(&output, USAGE, &["memory", "--memory"]);
}

#[test]
fn nothing_to_boot() {
    complains(&run(["run"]), USAGE, &["nothing to boot", "IMAGE"]);
}

#[test]
fn a_full_disk_behind_trace_out() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("ok.img", POWER_OFF);
    let arguments = ["run", "--trace", "rings,io", "--trace-out", "/dev/full", text(&image)];
    let output = run(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(HOST), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("cloister: ")).collect();
    let wanted = "cloister: can't write /dev/full: no space left on device";
    assert!(errors.iter().any(|line| line.starts_with(wanted)), "{said}");
}

#[test]
fn a_full_disk_behind_standard_output() {
    let scratch = Scratch::new();
    let code = [say("hello\n"), POWER_OFF.to_vec()].concat();
    let image = scratch.boot_sector("ok.img", &code);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = common::cloister().arg("run").arg(&image).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(HOST), "{}", stderr(&output));
    assert!(stderr(&output).contains("standard output"), "{}", stderr(&output));
}

#[test]
fn a_report_into_a_folder_that_isnt_there() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("ok.img", POWER_OFF);
    let output = run(["run", "--report", "no/such/why.json", text(&image)]);
    complains(&output, HOST, &["no/such/why.json", "folder doesn't exist"]);
}

#[test]
fn a_bad_image_leaves_no_trace_file_behind() {
    let scratch = Scratch::new();
    let image = scratch.file("nosig.img", &[0x90; 512]);
    let trace = scratch.path("trace.json");
    let report = scratch.path("report.json");
    let arguments = ["run", "--trace-out", text(&trace), "--report", text(&report), text(&image)];
    complains(&run(arguments), BAD_IMAGE, &["nosig.img"]);
    assert_eq!(scratch.names(), ["nosig.img"]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let scratch = Scratch::new();
    // Says "x" for ever.
    let code = [&say("x")[..], &[0xEB, 0xFA]].concat();
    let image = scratch.boot_sector("chatty.img", &code);
    let mut child = common::cloister()
        .args(["run", "--clock", "virtual", text(&image)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"xxxx");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn bad_keys_point_at_the_offset() {
    let output = run(["run", "--keys", "ab<Foo>", "x.img"]);
    complains(&output, USAGE, &["--keys", "offset 2", "<Foo>", "<F1>"]);
}

#[test]
fn a_bad_dump_says_the_form() {
    let output = run(["run", "--dump", "0x7C00", "x.img"]);
    complains(&output, USAGE, &["--dump", "ADDRESS,LENGTH,FILE"]);
}

#[test]
fn an_unknown_engine_lists_the_known() {
    let output = run(["run", "--engine", "warp", "x.img"]);
    complains(&output, USAGE, &["warp", "interp", "lockstep"]);
}

#[test]
fn an_unknown_option_is_named() {
    complains(&run(["run", "--florpy", "x.img"]), USAGE, &["--florpy"]);
}

#[test]
fn a_symbol_file_that_is_none() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("ok.img", POWER_OFF);
    let map = scratch.file("bad.map", b"this is no map\n");
    let output = run(["run", "--symbols", text(&map), text(&image)]);
    complains(&output, USAGE, &["bad.map:1"]);
}

#[test]
fn a_timeout_has_the_status_of_a_limit() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("spin.img", SPIN);
    let output = common::run_once(["run", "--timeout", "0.2", text(&image)]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
}
