//! What `cloister run` does with guests that are a few bytes long: words, keys, limits, files and
//! exit statuses.

mod common;

use common::{HANG, POWER_OFF, SPIN, Scratch, TRIPLE_FAULT, run, say, show, stderr, stdout, text};
use serde_json::Value;
use std::io::Read;
use std::process::{Command, Stdio};

/// `mov al, V; out 0F4h, al; hlt`
fn debug_exit(value: u8) -> Vec<u8> {
    vec![0xB0, value, 0xE6, 0xF4, 0xF4]
}

/// Waits for a key by INT 16h, prints it on the debug console, for ever:
/// `xor ah, ah; int 16h; out 0E9h, al; jmp`.
const ECHO_KEYS: &[u8] = &[0x30, 0xE4, 0xCD, 0x16, 0xE6, 0xE9, 0xEB, 0xF8];

/// Prints on COM1: `mov dx, 3F8h`, then `mov al, c; out dx, al` for each.
fn send(message: &str) -> Vec<u8> {
    let bytes = message.bytes().flat_map(|c| [0xB0, c, 0xEE]);
    [0xBA, 0xF8, 0x03].into_iter().chain(bytes).collect()
}

/// Writes sector 2 of the diskette from 0000:7C00 and powers off if that went well, else hangs:
/// INT 13h, AX=0301h, CX=2, DX=0, ES:BX=0:7C00h.
fn write_a_sector() -> Vec<u8> {
    let mut code = vec![
        0x31, 0xC0, 0x8E, 0xC0, 0xBB, 0x00, 0x7C, 0xB8, 0x01, 0x03, 0xB9, 0x02, 0x00, 0xBA, 0x00,
        0x00, 0xCD, 0x13, 0x73, 0x02,
    ];
    code.extend(HANG);
    code.extend(POWER_OFF);
    code
}

fn with_power_off(code: Vec<u8>) -> Vec<u8> {
    [code, POWER_OFF.to_vec()].concat()
}

#[test]
fn a_386_has_no_cpuid_and_cpus_lists_it() {
    let listed = stdout(&run(["cpus"]));
    assert!(listed.contains("\n386 ") && listed.contains("\ncloister*"), "{listed}");
    // Vector 6 to 7C14h; cpuid; mov al, 1; out 0F4h, al; at 7C14h: mov al, 2; out 0F4h, al.
    let vector = [0xC7, 0x06, 0x18, 0, 0x14, 0x7C, 0xC7, 0x06, 0x1A, 0, 0, 0, 0x0F, 0xA2];
    let code = [&vector[..], &debug_exit(1), &[0x90], &debug_exit(2)].concat();
    let scratch = Scratch::new();
    let image = scratch.boot_sector("cpuid.img", &code);
    let ends = |model| run(["run", "--cpu", model, text(&image)]).status.code();
    assert_eq!((ends("386"), ends("486")), (Some(5), Some(5)));
    assert_eq!((ends("pentium"), ends("cloister")), (Some(3), Some(3)));
}

#[test]
fn a_guest_that_powers_off_succeeds_and_its_words_are_on_stdout() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("hello.img", &with_power_off(say("hello\n")));
    let output = run(["run", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "hello\n");
}

#[test]
fn a_bare_image_is_said_to_be_never_written_to() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("off.img", POWER_OFF);
    let said = stderr(&run(["run", text(&image)]));
    assert!(said.contains("off.img") && said.contains("never written to"), "{said}");
}

#[test]
fn isa_debug_exit_gives_twice_its_value_and_one() {
    let scratch = Scratch::new();
    for (value, status) in [(0, 1), (3, 7), (0x7F, 255)] {
        let image = scratch.boot_sector("exit.img", &debug_exit(value));
        assert_eq!(run(["run", text(&image)]).status.code(), Some(status));
    }
}

#[test]
fn serial_output_goes_where_it_is_sent() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("com1.img", &with_power_off(send("over COM1\n")));
    assert_eq!(stdout(&run(["run", text(&image)])), "over COM1\n");
    assert_eq!(stdout(&run(["run", "--serial", "none", text(&image)])), "");
    let file = scratch.path("com1.txt");
    assert_eq!(stdout(&run(["run", "--serial", text(&file), text(&image)])), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "over COM1\n");
}

#[test]
fn screen_prints_the_text_screen_at_the_end() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("screen.img", &with_power_off(show("on screen")));
    assert!(!stdout(&run(["run", text(&image)])).contains("on screen"));
    let shown = stdout(&run(["run", "--screen", text(&image)]));
    assert!(shown.lines().any(|line| line.ends_with("on screen")), "{shown}");
}

#[test]
fn typed_keys_reach_the_guest() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("echo.img", ECHO_KEYS);
    let keys = "aB<wait 100ms>c\\n";
    let output =
        run(["run", "--keys", keys, "--max-time", "20s", "--expect", "aBc\r", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The line that the guest left open is ended.
    assert_eq!(stdout(&output), "aBc\r\n");
}

#[test]
fn keys_wait_for_what_the_guest_shows() {
    let scratch = Scratch::new();
    let code = [say("ready"), ECHO_KEYS.to_vec()].concat();
    let image = scratch.boot_sector("prompt.img", &code);
    let keys = "<wait \"ready\">x";
    let output =
        run(["run", "--keys", keys, "--max-time", "20s", "--expect", "readyx", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn an_expectation_on_the_screen_ends_the_run() {
    let scratch = Scratch::new();
    let code = [show("login:"), SPIN.to_vec()].concat();
    let image = scratch.boot_sector("login.img", &code);
    let output = run(["run", "--expect", "login:", "--max-time", "20s", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn an_expectation_that_is_never_met_has_its_own_status() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("off.img", POWER_OFF);
    let output = run(["run", "--expect", "never", text(&image)]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).contains("before \"never\" was shown"), "{}", stderr(&output));
}

#[test]
fn limits_are_exact_and_have_their_status() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("spin.img", SPIN);
    let output = run(["run", "--max-insns", "1234567", text(&image)]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("after 1234567 steps"), "{}", stderr(&output));
    let output = run(["run", "--max-time", "500ms", text(&image)]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("500.0 ms"), "{}", stderr(&output));
}

#[test]
fn two_runs_are_the_same_bit_for_bit() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("spin.img", SPIN);
    let report = |name: &str| {
        let path = scratch.path(name);
        run(["run", "--max-time", "300ms", "--report", text(&path), text(&image)]);
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(report("one.json"), report("two.json"));
}

#[test]
fn lockstep_runs_to_the_same_end() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("hello.img", &with_power_off(say("hello\n")));
    let output = run(["run", "--engine", "lockstep", text(&image)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "hello\n");
}

#[test]
fn a_triple_fault_is_explained_and_reported() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("dead.img", TRIPLE_FAULT);
    let path = scratch.path("why.json");
    let output = run(["run", "--report", text(&path), text(&image)]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(10), "{said}");
    for part in ["shutdown", "#UD", "SDM", "IDTR", "registers:"] {
        assert!(said.contains(part), "{part:?} isn't in: {said}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(report["outcome"], "shutdown");
    assert_eq!(report["status"], 10);
    assert!(report["chain"].as_array().is_some_and(|chain| !chain.is_empty()), "{report}");
    assert!(report["explanation"]["cure"].is_string(), "{report}");
    assert!(report["cpu"]["registers"]["eip"].is_string(), "{report}");
}

#[test]
fn a_shutdown_may_reset_as_on_a_pc() {
    let scratch = Scratch::new();
    let words = say("again ");
    let mut code = [&words[..], TRIPLE_FAULT].concat();
    // What LIDT reads must be zero, and at 7C10h are the words now: 7DF0h.
    code[words.len() + 3..words.len() + 5].copy_from_slice(&[0xF0, 0x7D]);
    let image = scratch.boot_sector("loop.img", &code);
    let arguments =
        ["run", "--on-shutdown", "reset", "--expect", "again again", "--max-time", "60s"];
    let output = run(arguments.into_iter().chain([text(&image)]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_guest_that_hangs_is_told_so() {
    let scratch = Scratch::new();
    for (name, code) in [("halt.img", HANG), ("jump.img", &[0xFA, 0xEB, 0xFE][..])] {
        let image = scratch.boot_sector(name, code);
        let output = run(["run", text(&image)]);
        assert_eq!(output.status.code(), Some(12), "{}", stderr(&output));
        assert!(stderr(&output).contains("hangs"), "{}", stderr(&output));
    }
}

#[test]
fn ctrl_c_stops_and_reports_the_state() {
    let scratch = Scratch::new();
    let code = [say("running\n"), SPIN.to_vec()].concat();
    let image = scratch.boot_sector("spin.img", &code);
    let mut child = common::cloister()
        .args(["run", text(&image)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(18), "{}", stderr(&output));
    for part in ["interrupted, at 0000:", "EIP", "CR0"] {
        assert!(stderr(&output).contains(part), "{part:?} isn't in {}", stderr(&output));
    }
}

#[test]
fn memory_is_dumped_byte_for_byte() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("off.img", POWER_OFF);
    let dump = scratch.path("sector.bin");
    let spec = format!("0x7C00,512,{}", text(&dump));
    assert_eq!(run(["run", "--dump", &spec, text(&image)]).status.code(), Some(0));
    assert_eq!(std::fs::read(dump).unwrap(), std::fs::read(image).unwrap());
}

#[test]
fn a_trace_file_holds_one_event_a_line() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("hello.img", &with_power_off(say("hi")));
    let path = scratch.path("trace.json");
    let output = run(["run", "--trace", "io", "--trace-out", text(&path), text(&image)]);
    assert_eq!(output.status.code(), Some(0));
    let lines = std::fs::read_to_string(&path).unwrap();
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<u64> = events
        .iter()
        .filter(|event| event["event"] == "io" && event["port"] == 0xE9 && event["write"] == true)
        .filter_map(|event| event["value"].as_u64())
        .collect();
    assert_eq!(said, [u64::from(b'h'), u64::from(b'i')]);
    assert!(stderr(&output).contains("0x00e9") || stderr(&output).contains("0x00E9"));
}

#[test]
fn a_bare_image_isnt_written_and_a_drive_is_unless_it_says_otherwise() {
    let scratch = Scratch::new();
    let mut sector = common::boot_sector(&write_a_sector());
    sector.resize(1440 << 10, 0);
    let image = scratch.file("a.img", &sector);
    let attempt = |arguments: &[&str]| {
        std::fs::write(&image, &sector).unwrap();
        let output = run(["run"].iter().chain(arguments));
        let written = std::fs::read(&image).unwrap() != sector;
        (output.status.code(), written)
    };
    let path = text(&image);
    assert_eq!(attempt(&[path]), (Some(0), false));
    assert_eq!(attempt(&["--floppy", &format!("{path},temp")]), (Some(0), false));
    assert_eq!(attempt(&["--floppy", &format!("{path},ro")]), (Some(12), false));
    assert_eq!(attempt(&["--floppy", path]), (Some(0), true));
}

#[test]
fn colour_is_for_terminals() {
    let output = run(["tour"]);
    assert!(!stdout(&output).contains('\u{1b}'));
}
