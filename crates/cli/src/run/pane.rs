//! The guest's text screen on a terminal, in the simplest way that works everywhere: its rows,
//! printed again in place when they have changed and come to rest. What the guest says on its
//! serial port scrolls by above them.

use super::scene::rows;
use crate::failure::Failure;
use crate::output::Console;
use machine::Machine;
use std::time::{Duration, Instant};

/// A screen is drawn at most this often.
const PERIOD: Duration = Duration::from_millis(100);

/// The rows as they were drawn.
#[derive(Debug)]
pub struct Pane {
    drawn: Vec<String>,
    last: Instant,
}

impl Pane {
    /// Nothing is drawn yet.
    pub fn new() -> Self {
        Self { drawn: Vec::new(), last: Instant::now() }
    }

    /// Draws the screen if it has changed, but not too often.
    pub fn show(&mut self, machine: &Machine, console: &mut Console) -> Result<(), Failure> {
        if self.last.elapsed() < PERIOD {
            return Ok(());
        }
        self.last = Instant::now();
        self.draw(&used(&rows(machine)), console)
    }

    fn draw(&mut self, now: &[String], console: &mut Console) -> Result<(), Failure> {
        if now == self.drawn {
            return Ok(());
        }
        self.clear(console)?;
        console.fresh_line()?;
        let text: String = now.iter().map(|row| format!("{row}\n")).collect();
        console.raw(text.as_bytes())?;
        self.drawn = now.to_vec();
        Ok(())
    }

    /// Takes the drawing away: up to its first row, and all below it erased.
    pub fn clear(&mut self, console: &mut Console) -> Result<(), Failure> {
        let count = self.drawn.len();
        if count > 0 {
            self.drawn.clear();
            console.raw(format!("\u{1b}[{count}A\u{1b}[J").as_bytes())?;
            console.forget_line();
        }
        Ok(())
    }

    /// Leaves the drawing where it is.
    pub fn leave(&mut self, console: &mut Console) -> Result<(), Failure> {
        self.drawn.clear();
        console.fresh_line()
    }
}

/// The rows up to the last one with something on it, without blanks at their ends; no control
/// characters, which a terminal would obey.
fn used(rows: &[String]) -> Vec<String> {
    let clean = |row: &String| -> String {
        row.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    let mut kept: Vec<String> = rows.iter().map(|row| clean(row).trim_end().to_owned()).collect();
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_rows_at_the_end_are_not_drawn() {
        let rows = ["a  ".to_owned(), "   ".to_owned(), "b\u{1b}[2J ".to_owned(), " ".to_owned()];
        assert_eq!(used(&rows), ["a", "", "b [2J"]);
        assert!(used(&[" ".to_owned()]).is_empty());
    }
}
