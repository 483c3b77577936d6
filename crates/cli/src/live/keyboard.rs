//! The terminal's keys as keys of a PC keyboard. A terminal sends characters, and most send no
//! releases: the keys that would have made the character go down and up again at once.

use super::command::{After, HINT, MENU, Pressed, after};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use devices::Key;
use devices::keys::key_for;

/// The terminal's keyboard.
#[derive(Debug)]
pub struct Keyboard {
    /// The terminal tells when a key goes up.
    releases: bool,
    /// Ctrl-] was typed.
    command: bool,
    /// Held while the next key is typed.
    held: Vec<Key>,
}

impl Keyboard {
    /// `releases`: the terminal tells when a key goes up.
    pub fn new(releases: bool) -> Self {
        Self { releases, command: false, held: Vec::new() }
    }

    /// What the last row says now.
    pub fn hint(&self) -> String {
        if self.command {
            return MENU.into();
        }
        let held: Vec<String> = self.held.iter().map(|key| format!("{key:?}+")).collect();
        format!("{HINT}{}", held.concat())
    }

    /// A key of the terminal.
    pub fn key(&mut self, event: KeyEvent) -> Pressed {
        if event.kind == KeyEventKind::Release {
            return Pressed::Keys(if self.command { Vec::new() } else { self.release(&event) });
        }
        if std::mem::take(&mut self.command) {
            return self.after_command(event);
        }
        if is_command(&event) {
            self.command = true;
            return Pressed::Keys(Vec::new());
        }
        Pressed::Keys(self.press(&event))
    }

    fn after_command(&mut self, event: KeyEvent) -> Pressed {
        let c = if is_command(&event) { Some(']') } else { event.code.as_char() };
        match c.and_then(after) {
            Some(After::Command(command)) => return Pressed::Command(command),
            Some(After::Chord(keys)) => return Pressed::Keys(chord(keys)),
            Some(After::Hold(key)) => {
                self.held.push(key);
                // Another may be held beside it.
                self.command = false;
            }
            None => self.held.clear(),
        }
        Pressed::Keys(Vec::new())
    }

    fn press(&mut self, event: &KeyEvent) -> Vec<(Key, bool)> {
        let Some(mut keys) = keys_of(event) else { return Vec::new() };
        let held = std::mem::take(&mut self.held);
        let sticky = !held.is_empty();
        keys.splice(0..0, held.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        if self.releases && !sticky && event.code != KeyCode::BackTab {
            return keys.into_iter().map(|key| (key, true)).collect();
        }
        chord(&keys)
    }

    fn release(&self, event: &KeyEvent) -> Vec<(Key, bool)> {
        if !self.releases || is_command(event) || event.code == KeyCode::BackTab {
            return Vec::new();
        }
        let keys = keys_of(event).unwrap_or_default();
        keys.into_iter().rev().map(|key| (key, false)).collect()
    }
}

/// All down in order, then all up.
fn chord(keys: &[Key]) -> Vec<(Key, bool)> {
    let down = keys.iter().map(|key| (*key, true));
    down.chain(keys.iter().rev().map(|key| (*key, false))).collect()
}

/// Ctrl-]. A terminal without the newer keyboard protocol sends 1Dh, which is read as Ctrl-5.
fn is_command(event: &KeyEvent) -> bool {
    event.modifiers == KeyModifiers::CONTROL && matches!(event.code, KeyCode::Char(']' | '5'))
}

/// The keys of a PC keyboard that are held for this one: modifiers first.
fn keys_of(event: &KeyEvent) -> Option<Vec<Key>> {
    let (key, shifted) = match event.code {
        KeyCode::Char(c) => key_for(c)?,
        KeyCode::BackTab => (Key::Tab, true),
        other => (named(other)?, event.modifiers.contains(KeyModifiers::SHIFT)),
    };
    let mut keys = Vec::with_capacity(4);
    let modifiers = event.modifiers;
    for (is_held, modifier) in [
        (modifiers.contains(KeyModifiers::CONTROL), Key::Ctrl),
        (modifiers.contains(KeyModifiers::ALT), Key::Alt),
        (modifiers.contains(KeyModifiers::SUPER), Key::SuperLeft),
        (shifted || modifiers.contains(KeyModifiers::SHIFT), Key::ShiftLeft),
    ] {
        if is_held {
            keys.push(modifier);
        }
    }
    keys.push(key);
    Some(keys)
}

fn named(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::F(number) => Key::by_name(&format!("F{number}"))?,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Enter => Key::Enter,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Tab => Key::Tab,
        KeyCode::Delete => Key::Delete,
        KeyCode::Insert => Key::Insert,
        KeyCode::Esc => Key::Esc,
        KeyCode::CapsLock => Key::CapsLock,
        KeyCode::ScrollLock => Key::ScrollLock,
        KeyCode::NumLock => Key::NumLock,
        KeyCode::PrintScreen => Key::PrintScreen,
        KeyCode::Pause => Key::Pause,
        KeyCode::Menu => Key::Menu,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;

    fn typed(keyboard: &mut Keyboard, code: KeyCode, modifiers: KeyModifiers) -> Pressed {
        keyboard.key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn a_character_is_its_keys_down_and_up() {
        let mut k = Keyboard::new(false);
        let pressed = typed(&mut k, KeyCode::Char('A'), KeyModifiers::SHIFT);
        let keys =
            [(Key::ShiftLeft, true), (Key::A, true), (Key::A, false), (Key::ShiftLeft, false)];
        assert_eq!(pressed, Pressed::Keys(keys.into()));
        let pressed = typed(&mut k, KeyCode::Char('c'), KeyModifiers::CONTROL);
        let keys = [(Key::Ctrl, true), (Key::C, true), (Key::C, false), (Key::Ctrl, false)];
        assert_eq!(pressed, Pressed::Keys(keys.into()));
    }

    #[test]
    fn where_releases_are_told_a_key_stays_down() {
        let mut k = Keyboard::new(true);
        let pressed = typed(&mut k, KeyCode::Up, KeyModifiers::NONE);
        assert_eq!(pressed, Pressed::Keys(vec![(Key::Up, true)]));
        let up = KeyEvent::new_with_kind(KeyCode::Up, KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(k.key(up), Pressed::Keys(vec![(Key::Up, false)]));
    }

    #[test]
    fn the_command_key_leads_to_what_terminals_keep() {
        let mut k = Keyboard::new(false);
        let escape = |k: &mut Keyboard| typed(k, KeyCode::Char('5'), KeyModifiers::CONTROL);
        assert_eq!(escape(&mut k), Pressed::Keys(Vec::new()));
        assert_eq!(k.hint(), MENU);
        let left = typed(&mut k, KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(left, Pressed::Command(Command::Leave));
        escape(&mut k);
        let Pressed::Keys(keys) = typed(&mut k, KeyCode::Char('d'), KeyModifiers::NONE) else {
            panic!("a command")
        };
        assert_eq!(keys[..3], [(Key::Ctrl, true), (Key::Alt, true), (Key::Delete, true)]);
        escape(&mut k);
        assert_eq!(escape(&mut k), Pressed::Keys(chord(&[Key::Ctrl, Key::BracketRight])));
    }

    #[test]
    fn a_held_modifier_goes_with_the_next_key_only() {
        let mut k = Keyboard::new(false);
        typed(&mut k, KeyCode::Char(']'), KeyModifiers::CONTROL);
        typed(&mut k, KeyCode::Char('a'), KeyModifiers::NONE);
        let pressed = typed(&mut k, KeyCode::F(1), KeyModifiers::NONE);
        assert_eq!(pressed, Pressed::Keys(chord(&[Key::Alt, Key::F1])));
        let pressed = typed(&mut k, KeyCode::F(1), KeyModifiers::NONE);
        assert_eq!(pressed, Pressed::Keys(chord(&[Key::F1])));
    }
}
