//! Scan code set 3: one code a key, and each key of a kind of its own. From the IBM PS/2
//! Hardware Interface Technical Reference (keyboards, scan code set 3).

use super::Key;
use serde::{Deserialize, Serialize};

/// What a key of set 3 sends besides its make code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// Nothing.
    Make,
    /// A break code.
    MakeBreak,
    /// Its make code again and again while it is held.
    Typematic,
    /// Both.
    All,
}

impl KeyType {
    /// True where a release is told.
    #[must_use]
    pub fn breaks(self) -> bool {
        matches!(self, Self::MakeBreak | Self::All)
    }

    /// True where a held key repeats.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(self, Self::Typematic | Self::All)
    }
}

/// The code of a key, and its type after a reset.
#[must_use]
pub fn set3(key: Key) -> (u8, KeyType) {
    use KeyType::{Make, MakeBreak, Typematic};
    match key {
        Key::CapsLock => (0x14, MakeBreak),
        Key::ShiftLeft => (0x12, MakeBreak),
        Key::ShiftRight => (0x59, MakeBreak),
        Key::Ctrl => (0x11, MakeBreak),
        Key::Alt => (0x19, MakeBreak),
        Key::CtrlRight => (0x58, Make),
        Key::AltRight => (0x39, Make),
        Key::SuperLeft => (0x8B, Make),
        Key::SuperRight => (0x8C, Make),
        Key::Menu => (0x8D, Make),
        Key::Esc => (0x08, Make),
        Key::PrintScreen => (0x57, Make),
        Key::ScrollLock => (0x5F, Make),
        Key::Pause => (0x62, Make),
        Key::NumLock => (0x76, Make),
        Key::Insert => (0x67, Make),
        Key::Home => (0x6E, Make),
        Key::PageUp => (0x6F, Make),
        Key::End => (0x65, Make),
        Key::PageDown => (0x6D, Make),
        Key::Delete => (0x64, Typematic),
        Key::Up => (0x63, Typematic),
        Key::Left => (0x61, Typematic),
        Key::Down => (0x60, Typematic),
        Key::Right => (0x6A, Typematic),
        Key::Backslash => (0x5C, Typematic),
        Key::Less => (0x13, Typematic),
        _ => function(key).or_else(|| keypad(key)).unwrap_or((key.set2() as u8, Typematic)),
    }
}

fn function(key: Key) -> Option<(u8, KeyType)> {
    let code = match key {
        Key::F1 => 0x07,
        Key::F2 => 0x0F,
        Key::F3 => 0x17,
        Key::F4 => 0x1F,
        Key::F5 => 0x27,
        Key::F6 => 0x2F,
        Key::F7 => 0x37,
        Key::F8 => 0x3F,
        Key::F9 => 0x47,
        Key::F10 => 0x4F,
        Key::F11 => 0x56,
        Key::F12 => 0x5E,
        _ => return None,
    };
    Some((code, KeyType::Make))
}

fn keypad(key: Key) -> Option<(u8, KeyType)> {
    let code = match key {
        Key::Keypad0 => 0x70,
        Key::Keypad1 => 0x69,
        Key::Keypad2 => 0x72,
        Key::Keypad3 => 0x7A,
        Key::Keypad4 => 0x6B,
        Key::Keypad5 => 0x73,
        Key::Keypad6 => 0x74,
        Key::Keypad7 => 0x6C,
        Key::Keypad8 => 0x75,
        Key::Keypad9 => 0x7D,
        Key::KeypadPeriod => 0x71,
        Key::KeypadSlash => 0x77,
        Key::KeypadTimes => 0x7E,
        Key::KeypadMinus => 0x84,
        Key::KeypadEnter => 0x79,
        Key::KeypadPlus => return Some((0x7C, KeyType::Typematic)),
        _ => return None,
    };
    Some((code, KeyType::Make))
}

/// What the keyboard sends when a key of a type goes down or up.
#[must_use]
pub fn set3_bytes(key: Key, kind: KeyType, down: bool) -> Vec<u8> {
    let (code, _) = set3(key);
    match down {
        true => vec![code],
        false if kind.breaks() => vec![0xF0, code],
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_share_a_code() {
        for (i, a) in Key::ALL.iter().enumerate() {
            let same = Key::ALL[..i].iter().find(|b| set3(**b).0 == set3(*a).0);
            assert_eq!(same, None, "{a:?}");
        }
    }

    #[test]
    fn only_keys_that_break_tell_their_release() {
        let up = |key| set3_bytes(key, set3(key).1, false);
        assert_eq!(
            (up(Key::ShiftLeft), up(Key::A), up(Key::F1)),
            (vec![0xF0, 0x12], vec![], vec![])
        );
    }
}
