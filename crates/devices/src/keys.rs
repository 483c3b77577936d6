//! The keys of a PC keyboard, their scan codes (sets 1, 2 and 3), and the keystrokes that type a
//! text on the US layout.

mod set3;

pub use set3::{KeyType, set3, set3_bytes};

use serde::{Deserialize, Serialize};

macro_rules! keys {
    ($($key:ident = $code:literal, $doc:literal;)*) => {
        /// A key, by what stands on it on the US layout.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Key { $(#[doc = $doc] $key,)* }

        impl Key {
            /// All keys.
            pub const ALL: &'static [Key] = &[$(Key::$key,)*];

            /// Its scan code in set 2; E0xxh for an extended key.
            #[must_use]
            pub fn set2(self) -> u16 {
                match self { $(Key::$key => $code,)* }
            }

            /// A key by its name, upper or lower case: `F1`, `Up`, `Esc`, `Ctrl`.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Key> {
                let table = [$((stringify!($key), Key::$key),)*];
                let table = table.iter().chain(ALIASES);
                table.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, k)| *k)
            }
        }
    };
}

keys! {
    A = 0x1C, "A"; B = 0x32, "B"; C = 0x21, "C"; D = 0x23, "D"; E = 0x24, "E"; F = 0x2B, "F";
    G = 0x34, "G"; H = 0x33, "H"; I = 0x43, "I"; J = 0x3B, "J"; K = 0x42, "K"; L = 0x4B, "L";
    M = 0x3A, "M"; N = 0x31, "N"; O = 0x44, "O"; P = 0x4D, "P"; Q = 0x15, "Q"; R = 0x2D, "R";
    S = 0x1B, "S"; T = 0x2C, "T"; U = 0x3C, "U"; V = 0x2A, "V"; W = 0x1D, "W"; X = 0x22, "X";
    Y = 0x35, "Y"; Z = 0x1A, "Z";
    Digit0 = 0x45, "0"; Digit1 = 0x16, "1"; Digit2 = 0x1E, "2"; Digit3 = 0x26, "3";
    Digit4 = 0x25, "4"; Digit5 = 0x2E, "5"; Digit6 = 0x36, "6"; Digit7 = 0x3D, "7";
    Digit8 = 0x3E, "8"; Digit9 = 0x46, "9";
    Backquote = 0x0E, "Backquote"; Minus = 0x4E, "Minus"; Equal = 0x55, "Equals sign";
    Backslash = 0x5D, "Backslash"; BracketLeft = 0x54, "["; BracketRight = 0x5B, "]";
    Semicolon = 0x4C, ";"; Quote = 0x52, "Apostrophe"; Comma = 0x41, ","; Period = 0x49, ".";
    Slash = 0x4A, "/"; Less = 0x61, "The key beside the left Shift on ISO keyboards";
    Space = 0x29, "Space"; Tab = 0x0D, "Tab"; Enter = 0x5A, "Enter"; Esc = 0x76, "Escape";
    Backspace = 0x66, "Backspace"; CapsLock = 0x58, "Caps Lock";
    ShiftLeft = 0x12, "Left Shift"; ShiftRight = 0x59, "Right Shift"; Ctrl = 0x14, "Left Ctrl";
    CtrlRight = 0xE014, "Right Ctrl"; Alt = 0x11, "Left Alt"; AltRight = 0xE011, "Right Alt";
    SuperLeft = 0xE01F, "Left logo"; SuperRight = 0xE027, "Right logo"; Menu = 0xE02F, "Menu";
    F1 = 0x05, "F1"; F2 = 0x06, "F2"; F3 = 0x04, "F3"; F4 = 0x0C, "F4"; F5 = 0x03, "F5";
    F6 = 0x0B, "F6"; F7 = 0x83, "F7"; F8 = 0x0A, "F8"; F9 = 0x01, "F9"; F10 = 0x09, "F10";
    F11 = 0x78, "F11"; F12 = 0x07, "F12";
    PrintScreen = 0xE07C, "Print Screen"; Pause = 0xE177, "Pause, which has no release";
    ScrollLock = 0x7E, "Scroll Lock"; NumLock = 0x77, "Num Lock";
    Insert = 0xE070, "Insert"; Delete = 0xE071, "Delete"; Home = 0xE06C, "Home";
    End = 0xE069, "End"; PageUp = 0xE07D, "Page Up"; PageDown = 0xE07A, "Page Down";
    Up = 0xE075, "Up"; Down = 0xE072, "Down"; Left = 0xE06B, "Left"; Right = 0xE074, "Right";
    Keypad0 = 0x70, "Keypad 0"; Keypad1 = 0x69, "Keypad 1"; Keypad2 = 0x72, "Keypad 2";
    Keypad3 = 0x7A, "Keypad 3"; Keypad4 = 0x6B, "Keypad 4"; Keypad5 = 0x73, "Keypad 5";
    Keypad6 = 0x74, "Keypad 6"; Keypad7 = 0x6C, "Keypad 7"; Keypad8 = 0x75, "Keypad 8";
    Keypad9 = 0x7D, "Keypad 9"; KeypadPeriod = 0x71, "Keypad ."; KeypadPlus = 0x79, "Keypad +";
    KeypadMinus = 0x7B, "Keypad -"; KeypadTimes = 0x7C, "Keypad *";
    KeypadSlash = 0xE04A, "Keypad /"; KeypadEnter = 0xE05A, "Keypad Enter";
}

/// Other names of keys.
const ALIASES: &[(&str, Key)] = &[
    ("0", Key::Digit0),
    ("1", Key::Digit1),
    ("2", Key::Digit2),
    ("3", Key::Digit3),
    ("4", Key::Digit4),
    ("5", Key::Digit5),
    ("6", Key::Digit6),
    ("7", Key::Digit7),
    ("8", Key::Digit8),
    ("9", Key::Digit9),
    ("Control", Key::Ctrl),
    ("Del", Key::Delete),
    ("Escape", Key::Esc),
    ("Ins", Key::Insert),
    ("PgDn", Key::PageDown),
    ("PgUp", Key::PageUp),
    ("Return", Key::Enter),
    ("Shift", Key::ShiftLeft),
];

/// The bytes the keyboard sends in set 2 when a key goes down or up.
#[must_use]
pub fn set2_bytes(key: Key, down: bool) -> Vec<u8> {
    if key == Key::Pause {
        // Press and release at once, when it goes down.
        let all = [0xE1, 0x14, 0x77, 0xE1, 0xF0, 0x14, 0xF0, 0x77];
        return if down { all.to_vec() } else { Vec::new() };
    }
    let [prefix, code] = key.set2().to_be_bytes();
    let mut bytes = Vec::with_capacity(3);
    if prefix != 0 {
        bytes.push(prefix);
    }
    if !down {
        bytes.push(0xF0);
    }
    bytes.push(code);
    bytes
}

/// The same in set 1.
#[must_use]
pub fn set1_bytes(key: Key, down: bool) -> Vec<u8> {
    let mut is_release = false;
    let mut bytes = Vec::with_capacity(6);
    for byte in set2_bytes(key, down) {
        if byte == 0xF0 {
            is_release = true;
        } else {
            let release = if is_release { 0x80 } else { 0 };
            bytes.push(to_set1(byte) | release);
            is_release = false;
        }
    }
    bytes
}

/// The controller's table from set 2 to set 1, by the code of set 2 (0-7Fh).
const SET1: [u8; 128] = [
    0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59,
    0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B,
    0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F,
    0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61,
    0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F,
    0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54,
];

/// What the 8042 makes of a byte of set 2: the code in set 1, without the release bit.
#[must_use]
pub fn to_set1(byte: u8) -> u8 {
    match byte {
        0x83 => 0x41,
        0x84 => 0x54,
        0..=0x7F => SET1[usize::from(byte)],
        _ => byte,
    }
}

/// The key that types a character on the US layout, and whether Shift is held. `\n` is Enter.
#[must_use]
pub fn key_for(c: char) -> Option<(Key, bool)> {
    const PLAIN: &str = "`1234567890-=[]\\;',./ \n\t\u{8}\u{1b}";
    const SHIFTED: &str = "~!@#$%^&*()_+{}|:\"<>?";
    const KEYS: [Key; 26] = [
        Key::Backquote,
        Key::Digit1,
        Key::Digit2,
        Key::Digit3,
        Key::Digit4,
        Key::Digit5,
        Key::Digit6,
        Key::Digit7,
        Key::Digit8,
        Key::Digit9,
        Key::Digit0,
        Key::Minus,
        Key::Equal,
        Key::BracketLeft,
        Key::BracketRight,
        Key::Backslash,
        Key::Semicolon,
        Key::Quote,
        Key::Comma,
        Key::Period,
        Key::Slash,
        Key::Space,
        Key::Enter,
        Key::Tab,
        Key::Backspace,
        Key::Esc,
    ];
    if c.is_ascii_alphabetic() {
        let name = c.to_ascii_uppercase().to_string();
        return Key::by_name(&name).map(|key| (key, c.is_ascii_uppercase()));
    }
    let find = |row: &str| row.chars().position(|r| r == c).and_then(|i| KEYS.get(i).copied());
    find(PLAIN).map(|k| (k, false)).or_else(|| find(SHIFTED).map(|k| (k, true)))
}

/// The keystrokes that type a character: each key with true for down. Empty for a character
/// that the layout doesn't have.
#[must_use]
pub fn strokes_for(c: char) -> Vec<(Key, bool)> {
    match key_for(c) {
        None => Vec::new(),
        Some((key, false)) => vec![(key, true), (key, false)],
        Some((key, true)) => {
            vec![(Key::ShiftLeft, true), (key, true), (key, false), (Key::ShiftLeft, false)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_keys() {
        assert_eq!(key_for('a'), Some((Key::A, false)));
        assert_eq!(key_for('"'), Some((Key::Quote, true)));
        assert_eq!(key_for('?'), Some((Key::Slash, true)));
        assert_eq!(key_for('\n'), Some((Key::Enter, false)));
        assert_eq!(key_for('é'), None);
        assert!((' '..='~').all(|c| key_for(c).is_some()));
    }

    #[test]
    fn names_find_keys() {
        assert_eq!(Key::by_name("f12"), Some(Key::F12));
        assert_eq!(Key::by_name("Ctrl"), Some(Key::Ctrl));
        assert_eq!(Key::by_name("c"), Some(Key::C));
        assert_eq!(Key::by_name("7"), Some(Key::Digit7));
        assert_eq!(Key::by_name("nokey"), None);
    }

    #[test]
    fn set_1_codes_are_the_pc_ones() {
        let set1 = |k: Key| to_set1(k.set2() as u8);
        let keys = [Key::Esc, Key::A, Key::Enter, Key::Space, Key::F1, Key::F7, Key::F12, Key::Up];
        assert_eq!(keys.map(set1), [0x01, 0x1E, 0x1C, 0x39, 0x3B, 0x41, 0x58, 0x48]);
    }

    #[test]
    fn releases_and_extended_keys_in_set_1() {
        assert_eq!(set1_bytes(Key::Up, false), [0xE0, 0xC8]);
        assert_eq!(set1_bytes(Key::PrintScreen, true), [0xE0, 0x37]);
        assert_eq!(set1_bytes(Key::Pause, true), [0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5]);
        assert_eq!(set1_bytes(Key::Pause, false), []);
    }

    #[test]
    fn no_two_keys_share_a_code() {
        for (i, a) in Key::ALL.iter().enumerate() {
            assert!(Key::ALL[..i].iter().all(|b| a.set2() != b.set2()), "{a:?}");
        }
    }
}
