//! The guest on a terminal, live: its screen drawn as it changes, the terminal's keys typed at
//! it, what it says on its serial port in a strip below, and a line that tells how to leave.

mod command;
mod half_blocks;
mod keyboard;
mod kitty;
mod mouse;
mod terminal;
mod text;

pub use terminal::Signals;

use crate::failure::{Failure, plain};
use command::{Command, Pressed};
use crossterm::event::{Event, KeyEvent};
use devices::TextScreen;
use keyboard::Keyboard;
use machine::{Input, Machine};
use mouse::Mouse;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use screen::Frame;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use terminal::Screen;
use text::Palette;

/// The screen is drawn at most this often.
const PERIOD: Duration = Duration::from_millis(33);
/// Lines of what the guest said that are kept for the strip and for the end.
const SAID_LINES: usize = 1000;

/// What a person at the terminal wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Type this at the guest.
    Input(Input),
    /// End the run.
    Leave,
}

/// The terminal while a guest is on it.
pub struct Live {
    screen: Screen,
    keyboard: Keyboard,
    mouse: Mouse,
    look: Look,
    said: Said,
    /// A picture lies on the terminal by its own protocol.
    pictured: bool,
    drawn: Option<Instant>,
    /// What was drawn, so that a screen at rest costs nothing.
    last: Option<Drawn>,
}

/// All that a frame depends on.
#[derive(PartialEq, Eq)]
struct Drawn {
    size: (u16, u16),
    generation: u64,
    said: usize,
    hint: String,
}

impl Live {
    /// Takes the terminal over.
    pub fn open(signals: &Signals) -> Result<Self, Failure> {
        signals.catch_suspend().map_err(|error| lost(&error))?;
        let screen = Screen::open().map_err(|error| lost(&error))?;
        let keyboard = Keyboard::new(screen.tells_releases());
        Ok(Self {
            screen,
            keyboard,
            mouse: Mouse::default(),
            look: Look { palette: Palette::of_terminal(), kitty: kitty::is_spoken() },
            pictured: false,
            said: Said::default(),
            drawn: None,
            last: None,
        })
    }

    /// Takes what the guest said on its serial port or debug console.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.said.hear(bytes);
    }

    /// What was typed since the last call.
    pub fn wishes(&mut self) -> Result<Vec<Wish>, Failure> {
        let mut wishes = Vec::new();
        while crossterm::event::poll(Duration::ZERO).map_err(|error| lost(&error))? {
            let event = crossterm::event::read().map_err(|error| lost(&error))?;
            match event {
                Event::Key(key) => self.key(key, &mut wishes)?,
                Event::Mouse(event) => {
                    wishes.push(Wish::Input(Input::Mouse(self.mouse.event(event))));
                }
                _ => {}
            }
        }
        Ok(wishes)
    }

    fn key(&mut self, key: KeyEvent, wishes: &mut Vec<Wish>) -> Result<(), Failure> {
        match self.keyboard.key(key) {
            Pressed::Keys(keys) => {
                let input = |(key, down)| Wish::Input(Input::Key { key, down });
                wishes.extend(keys.into_iter().map(input));
            }
            Pressed::Command(Command::Leave) => wishes.push(Wish::Leave),
            Pressed::Command(Command::Suspend) => self.suspend()?,
        }
        Ok(())
    }

    /// Gives the terminal back, stops this process as Ctrl-Z does, and takes it over again when
    /// the process is continued.
    pub fn suspend(&mut self) -> Result<(), Failure> {
        (self.drawn, self.last) = (None, None);
        self.screen.suspend().map_err(|error| lost(&error))
    }

    /// Draws the guest's screen if it is time.
    pub fn show(&mut self, machine: &mut Machine) -> Result<(), Failure> {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < PERIOD) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        self.screen.capture_mouse(machine.board().mouse_is_on()).map_err(|error| lost(&error))?;
        let now = Drawn {
            size: crossterm::terminal::size().map_err(|error| lost(&error))?,
            generation: machine.screen_generation(),
            said: self.said.heard,
            hint: self.keyboard.hint(),
        };
        if self.last.as_ref() == Some(&now) {
            return Ok(());
        }
        let picture = Picture::of(machine);
        let (look, said) = (self.look, &self.said);
        let mut frame_at = None;
        let done = self.screen.draw(|area, buffer| {
            let composed = compose(area, buffer, &picture, look, said, &now.hint);
            frame_at = composed.frame_at;
            composed.cursor
        });
        self.last = Some(now);
        done.and_then(|()| self.lay(&picture, frame_at)).map_err(|error| lost(&error))
    }

    /// Lays the frame over its cells by the terminal's own protocol, or takes the last one away.
    fn lay(&mut self, picture: &Picture, at: Option<Rect>) -> io::Result<()> {
        let shown = match (picture, at) {
            (Picture::Graphics { frame, .. }, Some(at)) => kitty::show(&frame.shrunk(), at)?,
            _ if self.pictured => kitty::hide(),
            _ => return Ok(()),
        };
        self.pictured = at.is_some();
        self.screen.write(&shown)
    }

    /// Gives the terminal back. What the guest said is returned, to be left on the terminal.
    pub fn close(self) -> Vec<String> {
        let Self { screen, said, .. } = self;
        drop(screen);
        said.lines.into()
    }
}

/// What the guest's screen shows.
enum Picture {
    Text(TextScreen),
    /// `wide`: its dots are square, whatever its shape.
    Graphics {
        frame: Frame,
        wide: bool,
    },
}

impl Picture {
    fn of(machine: &Machine) -> Self {
        let text = machine.board().screen();
        if !text.is_graphics {
            return Self::Text(text);
        }
        let scanout = machine.scanout();
        let wide = scanout.registers.vbe().is_enabled();
        Self::Graphics { frame: screen::render(&scanout), wide }
    }

    /// Rows of the terminal it fills.
    fn rows(&self) -> u16 {
        match self {
            Self::Text(screen) => screen.rows.try_into().unwrap_or(u16::MAX),
            Self::Graphics { .. } => u16::MAX,
        }
    }

    fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer) -> Composed {
        match self {
            Self::Text(screen) => {
                let cursor = text::draw(screen, look.palette, area, buffer);
                Composed { cursor, frame_at: None }
            }
            Self::Graphics { frame, wide } => {
                let place = half_blocks::place(frame, *wide, area);
                if look.kitty {
                    return Composed { cursor: None, frame_at: Some(place) };
                }
                half_blocks::draw(frame, look.palette, place, buffer);
                Composed { cursor: None, frame_at: None }
            }
        }
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
struct Look {
    palette: Palette,
    /// Pictures by kitty's protocol.
    kitty: bool,
}

/// What is left to do once the cells are drawn.
struct Composed {
    /// Here the cursor is shown.
    cursor: Option<Position>,
    /// Over these cells the frame belongs.
    frame_at: Option<Rect>,
}

/// The whole drawing: the guest's screen, the strip below it, the hint in the last row.
fn compose(
    area: Rect,
    buffer: &mut Buffer,
    picture: &Picture,
    look: Look,
    said: &Said,
    hint: &str,
) -> Composed {
    let [rest, last] = [
        Rect { height: area.height.saturating_sub(1), ..area },
        Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area },
    ];
    let free = rest.height.saturating_sub(picture.rows());
    let strip = if said.lines.is_empty() { 0 } else { free.min(said.lines.len() as u16 + 1) };
    let strip = if strip < 2 { 0 } else { strip };
    let view = Rect { height: rest.height - strip, ..rest };
    let composed = picture.draw(look, view, buffer);
    said.draw(Rect { y: view.bottom(), height: strip, ..rest }, buffer);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    buffer.set_stringn(last.x, last.y, hint, last.width.into(), style);
    composed
}

/// What the guest said, line by line.
#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<String>,
    midline: bool,
    /// Bytes so far.
    heard: usize,
}

impl Said {
    fn hear(&mut self, bytes: &[u8]) {
        self.heard += bytes.len();
        for c in String::from_utf8_lossy(bytes).chars() {
            match c {
                '\n' => self.midline = false,
                c if c.is_control() && c != '\t' => {}
                c => {
                    if !std::mem::replace(&mut self.midline, true) {
                        self.lines.push_back(String::new());
                    }
                    if let Some(line) = self.lines.back_mut() {
                        line.push(if c == '\t' { ' ' } else { c });
                    }
                }
            }
        }
        let surplus = self.lines.len().saturating_sub(SAID_LINES);
        self.lines.drain(..surplus);
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let dim = Style::new().add_modifier(Modifier::DIM);
        let rule = format!("{:─<1$}", "── said on the serial port ", area.width.into());
        buffer.set_stringn(area.x, area.y, rule, area.width.into(), dim);
        let rows = usize::from(area.height - 1);
        let from = self.lines.len().saturating_sub(rows);
        for (line, y) in self.lines.iter().skip(from).zip(area.y + 1..) {
            buffer.set_stringn(area.x, y, line, area.width.into(), Style::new());
        }
    }
}

/// The terminal is gone, or refuses.
fn lost(error: &io::Error) -> Failure {
    Failure::host(format!("the terminal: {}; --display none does without", plain(error)))
}

#[cfg(test)]
mod tests;
