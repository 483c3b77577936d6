//! A guest live on a terminal: what is drawn, what is typed, and how the terminal is left. The
//! terminal is a pseudo-terminal whose output a terminal emulator reads.

mod common;

use common::{Scratch, say};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Shows what is typed: `xor ah, ah; int 16h; mov ah, 0Eh; int 10h; jmp`.
const ECHO: &[u8] = &[0x30, 0xE4, 0xCD, 0x16, 0xB4, 0x0E, 0xCD, 0x10, 0xEB, 0xF6];
/// As long as anything may take on a busy host.
const PATIENCE: Duration = Duration::from_secs(30);

struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    child: Box<dyn Child + Send + Sync>,
    keys: Option<Box<dyn Write + Send>>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// How the terminal was set before.
    settings: String,
}

impl Terminal {
    fn run(image: &Path) -> Self {
        let size = PtySize { rows: 30, cols: 90, ..PtySize::default() };
        let pty = native_pty_system().openpty(size).unwrap();
        let settings = format!("{:?}", pty.master.get_termios());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cloister"));
        command.args([Path::new("run"), image]);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let child = pty.slave.spawn_command(command).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(30, 90, 0)));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        let keys = Some(pty.master.take_writer().unwrap());
        Self { master: Some(pty.master), child, keys, screen, settings }
    }

    fn look(&self) -> vt100::Screen {
        self.screen.lock().unwrap().screen().clone()
    }

    fn wait(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let start = Instant::now();
        while !holds(&self.look()) {
            let text = self.look().contents();
            assert!(start.elapsed() < PATIENCE, "no {what} on the terminal:\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    fn type_keys(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        let done = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(done.success());
    }

    /// True where the terminal is as it was before.
    fn is_restored(&self) -> bool {
        let settings = format!("{:?}", self.master.as_ref().unwrap().get_termios());
        let screen = self.look();
        settings == self.settings && !screen.alternate_screen() && !screen.hide_cursor()
    }

    fn exit_status(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(start.elapsed() < PATIENCE, "still running:\n{}", self.look().contents());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn echo() -> (Scratch, Terminal) {
    let scratch = Scratch::new();
    let image = scratch.boot_sector("echo.img", &[say("on serial\n"), ECHO.to_vec()].concat());
    let terminal = Terminal::run(&image);
    terminal.wait_for("Ctrl-]");
    // Before the guest reads its keyboard the BIOS keeps fifteen keys and no more.
    terminal.wait_for("on serial");
    (scratch, terminal)
}

#[test]
fn the_screen_is_drawn_keys_reach_the_guest_and_the_hint_tells_how_to_leave() {
    let (_scratch, mut terminal) = echo();
    terminal.type_keys("Hello, 'World'! \u{3}x");
    // Ctrl-C is the guest's; INT 10h draws it as a heart.
    terminal.wait_for("Hello, 'World'! ♥x");
    terminal.type_keys("\u{1d}");
    terminal.wait_for("Ctrl-Alt-Del");
    terminal.type_keys("q");
    assert_eq!(terminal.exit_status(), 0);
    terminal.wait("the terminal as before", |screen| !screen.alternate_screen());
    assert!(terminal.is_restored());
    terminal.wait_for("Hello, 'World'!");
}

#[test]
fn a_graphics_mode_is_drawn_in_half_blocks() {
    // Mode 13h, then HLT for ever.
    let code = [0xB8, 0x13, 0x00, 0xCD, 0x10, 0xF4, 0xEB, 0xFD];
    let scratch = Scratch::new();
    let mut terminal = Terminal::run(&scratch.boot_sector("mode13.img", &code));
    terminal.wait_for(&"▀".repeat(70));
    terminal.type_keys("\u{1d}q");
    assert_eq!(terminal.exit_status(), 0);
}

#[test]
fn a_resized_terminal_is_drawn_anew() {
    let (_scratch, mut terminal) = echo();
    terminal.type_keys("abc");
    terminal.wait_for("abc");
    terminal.screen.lock().unwrap().screen_mut().set_size(10, 40);
    let size = PtySize { rows: 10, cols: 40, ..PtySize::default() };
    terminal.master.as_ref().unwrap().resize(size).unwrap();
    terminal.wait("hint in row 10", |screen| {
        screen.rows(0, 40).nth(9).is_some_and(|row| row.contains("Ctrl-]"))
    });
    terminal.wait_for("abc");
}

#[test]
fn signals_to_stop_give_the_terminal_back() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (_scratch, mut terminal) = echo();
        terminal.signal(signal);
        assert_eq!(terminal.exit_status(), 18, "{signal}");
        terminal.wait("the main screen", |screen| !screen.alternate_screen());
        assert!(terminal.is_restored(), "{signal}");
    }
}

#[test]
fn a_suspended_run_gives_the_terminal_back_and_takes_it_again() {
    for keys in [Some("\u{1d}z"), None] {
        let (_scratch, mut terminal) = echo();
        terminal.type_keys("abc");
        terminal.wait_for("abc");
        match keys {
            Some(keys) => terminal.type_keys(keys),
            None => terminal.signal("-TSTP"),
        }
        terminal.wait("the main screen", |screen| !screen.alternate_screen());
        let stat = format!("/proc/{}/stat", terminal.child.process_id().unwrap());
        let start = Instant::now();
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            assert!(start.elapsed() < PATIENCE, "never stopped");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(terminal.is_restored());
        terminal.signal("-CONT");
        terminal.wait("the screen again", vt100::Screen::alternate_screen);
        terminal.wait_for("abc");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_run() {
    let (_scratch, mut terminal) = echo();
    terminal.keys = None;
    terminal.master = None;
    // The reading end is held by the thread too; hanging up is what a terminal's end does.
    terminal.signal("-HUP");
    assert_eq!(terminal.exit_status(), 18);
}
