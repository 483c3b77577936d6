//! `cloister translate`: guest code beside its host code, on a terminal's terms, in a file's, and
//! as a page. Where this host can't translate, the tests print SKIPPED.

mod common;

use common::{POWER_OFF, Scratch, boot_sector, complains, run, stderr, stdout, text};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::Read;
use std::path::Path;
use std::process::Output;

/// At 7C00: one instruction of each kind, then a loop of three rounds at 7C0A, then power-off.
fn guest() -> Vec<u8> {
    let kinds: &[u8] = &[
        0x88, 0xD8, // mov al, bl
        0x89, 0xC3, // mov bx, ax
        0x50, // push ax
        0xFA, // cli
        0xB9, 0x03, 0x00, // mov cx, 3
        0x90, // nop
    ];
    let rounds: &[u8] = &[0x49, 0x75, 0xFD]; // dec cx; jnz back to it
    [kinds, rounds, POWER_OFF].concat()
}

/// The output, unless this host lacks what a translator needs.
fn translate(image: &Path, options: &[&str]) -> Option<Output> {
    let output = run([&["translate", text(image)], options].concat());
    let said = stderr(&output);
    if said.contains("BMI2") || said.contains("FSGSBASE") {
        println!("SKIPPED: {said}");
        return None;
    }
    Some(output)
}

fn shown(image: &Path, options: &[&str]) -> Option<String> {
    let output = translate(image, options)?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Some(stdout(&output))
}

/// The only line that holds `part`.
fn line<'a>(shown: &'a str, part: &str) -> &'a str {
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains(part)).collect();
    assert_eq!(lines.len(), 1, "{part:?} once in:\n{shown}");
    lines[0]
}

#[test]
fn each_instruction_stands_beside_its_host_code_and_says_its_kind() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("kinds.bin", &guest());
    let Some(shown) = shown(&image, &["--at", "0x7C00"]) else { return };
    assert!(shown.starts_with("the guest ran "), "{shown}");
    assert!(shown.lines().next().unwrap().contains("then it powered off"), "{shown}");
    line(&shown, "00007C00 (EIP 00007C00), 16-bit, rings 0-2");
    let words = |part| line(&shown, part).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("  mov al, bl "), "00007C00 mov al, bl identical mov al, bl");
    assert_eq!(words("  mov bx, ax "), "00007C02 mov bx, ax re-encoded mov bx, ax");
    assert!(words("  push ax ").starts_with("00007C04 push ax expanded "));
    assert!(words("  cli ").starts_with("00007C05 cli callout mov r8d, "));
}

#[test]
fn a_loop_is_linked_to_itself() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("loop.bin", &guest());
    let Some(shown) = shown(&image, &["--at", "0x7C0C"]) else { return };
    let mut blocks = shown.split("\n\n").skip(1);
    let looping = blocks.find(|block| block.starts_with("00007C0A")).expect("the loop's block");
    let host = looping.lines().next().unwrap().rsplit_once("at host ").unwrap().1;
    let (host, _) = host.split_once(',').expect("how often it was executed");
    line(looping, &format!("link 00007C0A -> host {host}"));
}

#[test]
fn a_byte_inside_an_instruction_belongs_to_its_block() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("inside.bin", &guest());
    let Some(shown) = shown(&image, &["--at", "0x7C07"]) else { return };
    assert_eq!(shown.matches("16-bit").count(), 1, "{shown}");
    line(&shown, "00007C00 (EIP 00007C00)");
}

#[test]
fn an_address_that_never_ran_is_an_error_with_the_nearest_block_and_a_cure() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("never.bin", &guest());
    let Some(output) = translate(&image, &["--at", "0x7D00"]) else { return };
    complains(&output, 2, &["no translated block holds 0x7d00", "nearest is 0x7c", "--steps"]);
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_limit_leaves_blocks_out_and_says_how_many() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("limit.bin", &guest());
    let Some(shown) = shown(&image, &["--limit", "2"]) else { return };
    assert_eq!(shown.matches(" at host +").count(), 2, "{shown}");
    let made = shown.lines().next().unwrap().rsplit(' ').nth(2).unwrap();
    let made: usize = made.parse().expect("the count of blocks");
    line(&shown, &format!("{} more blocks; --limit {made} shows them", made - 2));
}

#[test]
fn steps_are_exact_and_may_have_a_unit() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("steps.bin", &guest());
    for (given, steps) in [("1_500", 1_500), ("2k", 2_000), ("0x100", 256)] {
        let Some(shown) = shown(&image, &["--steps", given]) else { return };
        let start = format!("the guest ran {steps} steps, then --steps ended it: ");
        assert!(shown.starts_with(&start), "{given}: {shown}");
    }
    complains(&run(["translate", text(&image), "--steps", "99999999999G"]), 2, &["counted"]);
    complains(&run(["translate", text(&image), "--steps", ""]), 2, &["20M"]);
}

#[test]
fn a_guest_that_wasnt_given_a_step_has_no_blocks() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("none.bin", &guest());
    let Some(output) = translate(&image, &["--steps", "0"]) else { return };
    complains(&output, 2, &["nothing is translated after 0 steps", "--steps"]);
}

#[test]
fn the_page_needs_nothing_else_and_its_links_lead_to_its_blocks() {
    let scratch = Scratch::new();
    let (image, page) = (scratch.boot_sector("page.bin", &guest()), scratch.path("page.html"));
    let options = ["--html", text(&page), "--limit", "10000"];
    let Some(shown) = shown(&image, &options) else { return };
    assert_eq!(shown, "");
    let page = std::fs::read_to_string(&page).expect("the page");
    for outside in ["<script", "<link", "src=", "http", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for kind in ["identical", "re-encoded", "expanded", "callout"] {
        assert!(page.contains(&format!("<tr class=\"{kind}\">")), "{kind}");
    }
    let targets: Vec<&str> = page.split("href=\"#").skip(1).collect();
    assert!(!targets.is_empty());
    for target in targets {
        let id = target.split('"').next().unwrap();
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
}

/// Where the book has `...`, the line goes on.
#[test]
fn the_book_quotes_what_is_shown() {
    let book = include_str!("../../../docs/book/src/translator.md");
    let quoted = book.split("```text\n").nth(1).expect("the chapter quotes a block");
    let quoted: Vec<&str> = quoted.split("```").next().unwrap().lines().collect();
    assert!(quoted.len() > 3);
    let scratch = Scratch::new();
    let image = scratch.boot_sector("book.bin", &guest());
    let Some(shown) = shown(&image, &["--at", "0x7C00"]) else { return };
    for line in quoted {
        let is_it = |other: &str| match line.strip_suffix("...") {
            Some(start) => other.starts_with(start),
            None => other == line,
        };
        assert!(shown.lines().any(is_it), "{line:?} isn't in:\n{shown}");
    }
}

/// A page directory at 1000h shows the first 4 MiB at 0 and again at 4 MiB.
#[test]
fn a_linear_address_is_looked_up_by_the_guests_paging() {
    let paging: &[u8] = &[
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, // cli; xor ax, ax; mov ds, ax
        0x66, 0xC7, 0x06, 0x00, 0x10, 0x83, 0x00, 0x00, 0x00, // mov dword [1000h], 83h
        0x66, 0xC7, 0x06, 0x04, 0x10, 0x83, 0x00, 0x00, 0x00, // mov dword [1004h], 83h
        0x66, 0xC7, 0x06, 0x08, 0x10, 0x00, 0x00, 0x00, 0x00, // mov dword [1008h], 0
        0x66, 0xB8, 0x00, 0x10, 0x00, 0x00, 0x0F, 0x22, 0xD8, // mov eax, 1000h; mov cr3, eax
        0x66, 0xB8, 0x10, 0x00, 0x00, 0x00, 0x0F, 0x22, 0xE0, // mov eax, 10h; mov cr4, eax
        0x0F, 0x20, 0xC0, 0x66, 0x0D, 0x01, 0x00, 0x00, 0x80, // mov eax, cr0; or eax, PG+PE
        0x0F, 0x22, 0xC0, // mov cr0, eax
    ];
    let scratch = Scratch::new();
    let image = scratch.boot_sector("paging.bin", &[paging, POWER_OFF].concat());
    let Some(shown) = shown(&image, &["--at", "0x407C00"]) else { return };
    line(&shown, "00007C00 (EIP 00007C00)");
    let Some(output) = translate(&image, &["--at", "0x807C00"]) else { return };
    complains(&output, 2, &["no translated block holds 0x807c00"]);
}

#[test]
fn an_eip_is_found_though_its_paging_is_gone() {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../roms/built/check-paging.bin");
    let Some(shown) = shown(&image, &["--at", "0x800800"]) else { return };
    assert!(shown.contains(" (EIP 00800800), 32-bit, ring 3"), "{shown}");
}

#[test]
fn a_terminal_gets_a_colour_by_kind() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("colour.bin", &guest());
    if shown(&image, &[]).is_none() {
        return;
    }
    let size = PtySize { rows: 200, cols: 130, ..PtySize::default() };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cloister"));
    command.args(["translate", text(&image), "--at", "0x7C00"]);
    command.env_remove("NO_COLOR");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    // The end of a pseudo-terminal is an error for its reader: what came before counts.
    let (mut bytes, mut reader) = (Vec::new(), pty.master.try_clone_reader().unwrap());
    let _ = reader.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&bytes);
    for (colour, start) in [(32, "mov al, bl"), (36, "mov bx, ax"), (33, "push ax"), (31, "cli")] {
        let line = shown.lines().find(|line| line.contains(&format!("  {start} ")));
        let line = line.unwrap_or_else(|| panic!("no {start} in {shown}"));
        assert!(line.starts_with(&format!("\u{1b}[{colour}m")), "{line:?}");
    }
}

#[test]
fn a_file_gets_no_colours() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("plain.bin", &guest());
    let Some(shown) = shown(&image, &[]) else { return };
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn the_image_is_checked_as_run_does() {
    let scratch = Scratch::new();
    let output = run(["translate", text(&scratch.path("missing.bin"))]);
    complains(&output, 4, &["missing.bin"]);
    complains(&run(["translate"]), 2, &["nothing to boot"]);
    let image = scratch.file("sector.bin", &boot_sector(POWER_OFF));
    complains(&run(["translate", text(&image), "--limit", "0"]), 2, &["--limit"]);
    complains(&run(["translate", text(&image), "--steps", "many"]), 2, &["20M"]);
}

#[test]
fn each_block_says_how_often_it_was_executed() {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("counts.bin", &guest());
    let Some(shown) = shown(&image, &["--limit", "10000"]) else { return };
    // The loop's first round belongs to the block before it.
    assert!(line(&shown, "00007C00 (EIP 00007C00)").ends_with(", executed once"), "{shown}");
    assert!(line(&shown, "00007C0A (EIP 00007C0A)").ends_with(", executed 2 times"), "{shown}");
}

#[test]
fn the_hottest_blocks_come_first_if_asked_for() {
    let scratch = Scratch::new();
    // mov cx, 50000; 1: loop 1b
    let image =
        scratch.boot_sector("hot.bin", &[&[0xB9, 0x50, 0xC3, 0xE2, 0xFE][..], POWER_OFF].concat());
    let Some(shown) = shown(&image, &["--hottest", "--limit", "50"]) else { return };
    let times = |line: &str| line.rsplit(", executed ").next()?.split(' ').next()?.parse().ok();
    let counts: Vec<u64> =
        shown.lines().filter(|l| l.contains(" at host +")).filter_map(times).collect();
    assert!(counts.len() > 10 && counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    let page = scratch.path("hot.html");
    let options = ["--hottest", "--limit", "3", "--html", text(&page)];
    translate(&image, &options).expect("it translated before");
    let page = std::fs::read_to_string(&page).expect("the page");
    assert!(page.contains(&format!(", executed {} times</h2>", counts[0])), "{page}");
}
