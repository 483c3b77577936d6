//! The little language of `--keys`: what to type at the guest, and what to wait for.
//!
//! A plain character is typed on a US keyboard. `\n` is Enter, `\t` Tab, `\e` Esc, `\b` Backspace,
//! `\\` and `\<` the characters themselves. `<F1>`, `<Up>`, `<Ctrl-C>`, `<Ctrl-Alt-Del>` are keys
//! by name. `<wait "TEXT">` waits until screen or serial shows TEXT, `<wait 2s>` for virtual time.

use crate::quantity;
use devices::keys::{Key, key_for};
use std::fmt;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Press these keys in order and release them in reverse.
    Press(Vec<Key>),
    /// Wait until screen or serial shows this.
    WaitText(String),
    /// Wait for this much virtual time, nanoseconds.
    WaitTime(u64),
}

/// What is wrong with a `--keys` text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}: {what}")]
pub struct KeysError {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// What is wrong and what would be right.
    what: String,
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Action>);

impl std::str::FromStr for Script {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        let mut reader = Reader { text, at: 0 };
        let mut actions = Vec::new();
        while let Some(action) = reader.action()? {
            actions.push(action);
        }
        Ok(Self(actions))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Press(keys) => write!(f, "{} keys", keys.len()),
            Action::WaitText(text) => write!(f, "<wait {text:?}>"),
            Action::WaitTime(ns) => write!(f, "<wait {}>", quantity::show_ns(*ns)),
        }
    }
}

/// Reads the text from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn action(&mut self) -> Result<Option<Action>, KeysError> {
        let start = self.at;
        let Some(c) = self.next() else { return Ok(None) };
        match c {
            '<' => self.bracket(start).map(Some),
            '\\' => self.escape(start).map(Some),
            c => self.character(c, start).map(Some),
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn fail<T>(&self, offset: usize, what: impl Into<String>) -> Result<T, KeysError> {
        Err(KeysError { offset, what: what.into() })
    }

    fn character(&self, c: char, start: usize) -> Result<Action, KeysError> {
        match typing(c) {
            Some(keys) => Ok(Action::Press(keys)),
            None => self.fail(start, format!("a US keyboard has no key for {c:?}")),
        }
    }

    fn escape(&mut self, start: usize) -> Result<Action, KeysError> {
        let c = match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('e') => '\u{1b}',
            Some('b') => '\u{8}',
            Some(c @ ('\\' | '<' | '"')) => c,
            Some(c) => {
                return self.fail(
                    start,
                    format!("\\{c} means nothing here; there are \\n \\t \\e \\b \\\\ \\< \\\""),
                );
            }
            None => return self.fail(start, "a lone \\ at the end; write \\\\ for the character"),
        };
        self.character(c, start)
    }

    /// What follows a `<`.
    fn bracket(&mut self, start: usize) -> Result<Action, KeysError> {
        let rest = self.text[self.at..].strip_prefix("wait");
        if rest.is_some_and(|rest| rest.starts_with([' ', '>', '"'])) {
            self.at += "wait".len();
            return self.wait(start);
        }
        let Some(length) = self.text[self.at..].find('>') else {
            return self.fail(start, "this < is never closed; write \\< for the character");
        };
        let name = &self.text[self.at..self.at + length];
        self.at += length + 1;
        match chord(name) {
            Some(keys) => Ok(Action::Press(keys)),
            None => self.fail(
                start,
                format!(
                    "no key is called <{name}>; there are <F1> to <F12>, <Up>, <Esc>, <Ctrl-C> \
                     and so on, <wait \"TEXT\">, <wait 2s>, and \\< for the character"
                ),
            ),
        }
    }

    fn wait(&mut self, start: usize) -> Result<Action, KeysError> {
        self.spaces();
        let action = if self.text[self.at..].starts_with('"') {
            Action::WaitText(self.quoted()?)
        } else {
            self.wait_time(start)?
        };
        self.spaces();
        match self.next() {
            Some('>') => Ok(action),
            _ => self.fail(start, "this <wait is never closed; write <wait \"TEXT\"> or <wait 2s>"),
        }
    }

    fn wait_time(&mut self, start: usize) -> Result<Action, KeysError> {
        let rest = &self.text[self.at..];
        let length = rest.find(['>', ' ']).unwrap_or(rest.len());
        let (written, offset) = (&rest[..length], self.at);
        if written.is_empty() {
            return self.fail(start, "<wait for what? write <wait \"TEXT\"> or <wait 2s>");
        }
        self.at += length;
        match quantity::duration_ns(written) {
            Ok(ns) => Ok(Action::WaitTime(ns)),
            Err(why) => self.fail(offset, format!("{why}; a text to wait for stands in quotes")),
        }
    }

    fn spaces(&mut self) {
        while self.text[self.at..].starts_with(' ') {
            self.at += 1;
        }
    }

    /// A text in quotes, in which `\"`, `\\` and `\n` are escapes.
    fn quoted(&mut self) -> Result<String, KeysError> {
        let open = self.at;
        self.next();
        let mut text = String::new();
        loop {
            let here = self.at;
            match self.next() {
                Some('"') if text.is_empty() => {
                    return self
                        .fail(open, "an empty text is shown at once: what shall be waited for?");
                }
                Some('"') => return Ok(text),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    _ => return self.fail(here, "in quotes there are \\\" \\\\ and \\n"),
                },
                Some(c) => text.push(c),
                None => return self.fail(open, "this quote is never closed"),
            }
        }
    }
}

/// The keys that type a character, Shift first where it is needed.
fn typing(c: char) -> Option<Vec<Key>> {
    let (key, shift) = key_for(c)?;
    Some(if shift { vec![Key::ShiftLeft, key] } else { vec![key] })
}

/// The keys of a chord such as `Ctrl-Alt-Del` or `F1`, modifiers first.
fn chord(name: &str) -> Option<Vec<Key>> {
    // The last part may itself be a `-`.
    let dash = name.char_indices().rev().find(|(at, c)| *c == '-' && *at + 1 < name.len());
    let (modifiers, last) = match dash {
        Some((at, _)) if at > 0 => (&name[..at], &name[at + 1..]),
        _ => ("", name),
    };
    let mut keys = Vec::new();
    for part in modifiers.split('-').filter(|part| !part.is_empty()) {
        let key = Key::by_name(part)?;
        let modifies = matches!(key, Key::Ctrl | Key::Alt | Key::ShiftLeft);
        keys.push(modifies.then_some(key)?);
    }
    let mut letters = last.chars();
    let single = letters.next().filter(|_| letters.next().is_none());
    let key = Key::by_name(last).or_else(|| Some(key_for(single?)?.0))?;
    keys.push(key);
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Vec<Action> {
        text.parse::<Script>().unwrap().0
    }

    fn error(text: &str) -> String {
        text.parse::<Script>().unwrap_err().to_string()
    }

    fn press(name: &str) -> Action {
        Action::Press(chord(name).unwrap())
    }

    #[test]
    fn the_example_of_the_manual_reads_as_written() {
        let expected = vec![
            Action::WaitText("highlighted".into()),
            press("C"),
            Action::WaitText("grub>".into()),
            press("L"),
            press("S"),
            press("Enter"),
        ];
        assert_eq!(script("<wait \"highlighted\">c<wait \"grub>\">ls\\n"), expected);
    }

    #[test]
    fn capitals_and_signs_hold_shift() {
        assert_eq!(script("A"), [press("Shift-A")]);
        assert_eq!(script("\""), [press("Shift-'")]);
        assert_eq!(script("\\<"), [press("Shift-,")]);
    }

    #[test]
    fn chords_press_modifiers_first() {
        let keys = chord("Ctrl-Alt-Del").unwrap();
        assert_eq!(keys[..], [Key::Ctrl, Key::Alt, Key::Delete]);
        assert_eq!(chord("Shift-a"), Some(vec![Key::ShiftLeft, Key::A]));
    }

    #[test]
    fn a_dash_is_a_key_and_a_separator() {
        assert_eq!(chord("-"), Some(vec![Key::Minus]));
        assert_eq!(chord("Ctrl--"), Some(vec![Key::Ctrl, Key::Minus]));
        assert_eq!(chord("Ctrl-"), None);
        assert_eq!(chord("Hyper-X"), None);
        assert_eq!(chord("A-B"), None);
        assert_eq!(chord(""), None);
    }

    #[test]
    fn times_take_units() {
        assert_eq!(script("<wait 2s>"), [Action::WaitTime(2_000_000_000)]);
        assert_eq!(script("<wait 1.5ms>"), [Action::WaitTime(1_500_000)]);
    }

    #[test]
    fn quotes_may_hold_quotes() {
        assert_eq!(script(r#"<wait "a\"b>">"#), [Action::WaitText("a\"b>".into())]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_offset() {
        let message = error("ab<Foo>");
        assert!(message.starts_with("offset 2: no key is called <Foo>"), "{message}");
    }

    #[test]
    fn an_open_bracket_points_at_itself() {
        assert!(error("x<Esc").starts_with("offset 1: this < is never closed"));
        assert!(error("<wait \"never").starts_with("offset 6: this quote is never closed"));
        assert!(error("<wait 2s").starts_with("offset 0: this <wait is never closed"));
    }

    #[test]
    fn a_bad_time_points_at_the_time() {
        assert!(error("<wait soon>").starts_with("offset 6: "));
        assert!(error("<wait>").starts_with("offset 0: <wait for what?"));
    }

    #[test]
    fn a_character_without_a_key_is_named() {
        assert_eq!(error("ü"), "offset 0: a US keyboard has no key for 'ü'");
    }

    #[test]
    fn a_bad_escape_lists_the_good_ones() {
        assert!(error("a\\q").starts_with("offset 1: \\q means nothing here"));
        assert!(error("\\").starts_with("offset 0: a lone \\"));
    }
}
