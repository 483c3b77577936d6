//! What the terminal keeps for itself or can't send: reached through Ctrl-], as in telnet.

use devices::Key;

/// What a person asks of Cloister rather than of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the run.
    Leave,
    /// Stop this process, as Ctrl-Z does.
    Suspend,
}

/// What a key of the terminal means.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// These go to the guest: each key, and whether it goes down.
    Keys(Vec<(Key, bool)>),
    /// This is for us.
    Command(Command),
}

/// What follows Ctrl-].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// For us.
    Command(Command),
    /// These keys, all held together.
    Chord(&'static [Key]),
    /// This key is held while the next one is typed.
    Hold(Key),
}

/// The hint while nothing is pending.
pub const HINT: &str = " Ctrl-] q leaves, Ctrl-] shows more ";
/// The hint after Ctrl-].
pub const MENU: &str = " q leave  z suspend  d Ctrl-Alt-Del  1-9,0,-,= F1-F12  \
                        c/a/s hold Ctrl/Alt/Shift  b Pause  p PrtSc  ] Ctrl-]  Esc nothing ";

/// What a character means after Ctrl-]; `None` for what means nothing.
pub fn after(c: char) -> Option<After> {
    const F: [Key; 12] = [
        Key::F1,
        Key::F2,
        Key::F3,
        Key::F4,
        Key::F5,
        Key::F6,
        Key::F7,
        Key::F8,
        Key::F9,
        Key::F10,
        Key::F11,
        Key::F12,
    ];
    if let Some(number) = "1234567890-=".find(c) {
        return Some(After::Chord(&F[number..=number]));
    }
    Some(match c.to_ascii_lowercase() {
        'q' => After::Command(Command::Leave),
        'z' => After::Command(Command::Suspend),
        'd' => After::Chord(&[Key::Ctrl, Key::Alt, Key::Delete]),
        'b' => After::Chord(&[Key::Pause]),
        'p' => After::Chord(&[Key::PrintScreen]),
        ']' => After::Chord(&[Key::Ctrl, Key::BracketRight]),
        'c' => After::Hold(Key::Ctrl),
        'a' => After::Hold(Key::Alt),
        's' => After::Hold(Key::ShiftLeft),
        _ => return None,
    })
}
