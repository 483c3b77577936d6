//! The terminal itself: taken over and given back, whatever ends the run.

use crossterm::event::{
    DisableMouseCapture, EnableMouseCapture, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    self, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

/// The signals by which the terminal and its owner speak to us.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    suspend: Arc<AtomicBool>,
}

impl Signals {
    /// Listens. SIGINT, SIGTERM and SIGHUP end the run in good order; a second one ends it at
    /// once. SIGTSTP is left alone until [`Self::catch_suspend`].
    pub fn listen() -> io::Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let status = crate::status::Status::Interrupted as i32;
            let stop = || Arc::clone(&signals.stop);
            signal_hook::flag::register_conditional_shutdown(signal, status, stop())?;
            signal_hook::flag::register(signal, stop())?;
        }
        Ok(signals)
    }

    /// Someone asked for the end.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// From now on SIGTSTP is noted, so that the terminal can be given back first.
    pub fn catch_suspend(&self) -> io::Result<()> {
        signal_hook::flag::register(SIGTSTP, Arc::clone(&self.suspend)).map(|_| ())
    }

    /// Someone asked us to pause. Asks once.
    pub fn take_suspend(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }
}

/// The terminal in raw mode, on its alternate screen, as long as this lives.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    releases: bool,
    /// The terminal's mouse is ours.
    mouse: bool,
}

impl Screen {
    /// Takes the terminal over.
    pub fn open() -> io::Result<Self> {
        restore_on_panic();
        enter(false)?;
        // Asks the terminal; it must be in raw mode to answer.
        let releases = terminal::supports_keyboard_enhancement().unwrap_or(false);
        if releases {
            execute!(io::stdout(), PushKeyboardEnhancementFlags(flags()))?;
        }
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| leave())?;
        Ok(Self { terminal, releases, mouse: false })
    }

    /// The terminal tells when a key goes up.
    pub fn tells_releases(&self) -> bool {
        self.releases
    }

    /// Takes the terminal's mouse, or gives it back.
    pub fn capture_mouse(&mut self, on: bool) -> io::Result<()> {
        match (self.mouse, on) {
            (false, true) => execute!(io::stdout(), EnableMouseCapture)?,
            (true, false) => execute!(io::stdout(), DisableMouseCapture)?,
            _ => {}
        }
        self.mouse = on;
        Ok(())
    }

    /// Draws one frame; `compose` returns where the cursor is shown.
    pub fn draw(
        &mut self,
        compose: impl FnOnce(Rect, &mut Buffer) -> Option<Position>,
    ) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            if let Some(cursor) = compose(area, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }

    /// Writes as it is, between frames.
    pub fn write(&mut self, bytes: &str) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(bytes.as_bytes())?;
        out.flush()
    }

    /// Gives the terminal back, stops, and takes it over again.
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        self.mouse = false;
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        enter(self.releases)?;
        execute!(io::stdout(), terminal::Clear(terminal::ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn flags() -> KeyboardEnhancementFlags {
    KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
        | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
}

fn enter(releases: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap).inspect_err(|_| leave())?;
    if releases {
        execute!(io::stdout(), PushKeyboardEnhancementFlags(flags()))?;
    }
    Ok(())
}

/// Puts everything back. A terminal that is gone can't be helped.
fn leave() {
    let _ = execute!(
        io::stdout(),
        DisableMouseCapture,
        PopKeyboardEnhancementFlags,
        EnableLineWrap,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = terminal::disable_raw_mode();
}

/// A panic ends the process without running any `drop`.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave();
            usual(info);
        }));
    });
}
