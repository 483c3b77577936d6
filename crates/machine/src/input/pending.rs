//! Inputs on their way from a person to the machine. A keyboard's buffer holds sixteen bytes, so
//! what is typed fast or pasted waits here, in order. A mouse's
//! movement never waits: it goes to `Machine::input` as it comes.

use super::Input;
use crate::machine::Machine;
use devices::Key;
use devices::keys::strokes_for;
use std::collections::VecDeque;

/// Keys that wait until the keyboard takes them.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    keys: VecDeque<(Key, bool)>,
}

impl Pending {
    /// A key goes down or up: for a terminal that tells both.
    pub fn key(&mut self, key: Key, down: bool) {
        self.keys.push_back((key, down));
    }

    /// Keys struck together, modifiers first, and let go in reverse: for a terminal that tells
    /// only what was typed.
    pub fn strike(&mut self, keys: &[Key]) {
        self.keys.extend(keys.iter().map(|key| (*key, true)));
        self.keys.extend(keys.iter().rev().map(|key| (*key, false)));
    }

    /// A character as it is typed on the US layout. False for one that has no key.
    pub fn character(&mut self, c: char) -> bool {
        let strokes = strokes_for(c);
        self.keys.extend(&strokes);
        !strokes.is_empty()
    }

    /// True where all has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Lets go of every key that is down, and forgets what waits: the person looks elsewhere.
    pub fn release(&mut self, held: &[Key]) {
        self.keys.retain(|(_, down)| !down);
        self.keys.extend(held.iter().map(|key| (*key, false)));
    }

    /// Hands over what the keyboard takes now. Call it between slices.
    pub fn feed(&mut self, machine: &mut Machine) {
        while let Some(&(key, down)) = self.keys.front() {
            if !machine.input(Input::Key { key, down }) {
                break;
            }
            self.keys.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MachineConfig;

    fn machine() -> Machine {
        let mut rom = vec![0xF4; 64 << 10];
        rom[0xFFF0] = 0xFA;
        Machine::new(MachineConfig { bios: Some(rom.into()), ..MachineConfig::default() }).unwrap()
    }

    #[test]
    fn a_paste_waits_until_the_guest_has_read() {
        let (mut machine, mut pending) = (machine(), Pending::default());
        assert!("Hello, world".chars().all(|c| pending.character(c)));
        assert!(!pending.character('é'));
        pending.feed(&mut machine);
        assert!(!pending.is_empty());
        let entered = machine.input_log().len();
        pending.feed(&mut machine);
        assert_eq!(machine.input_log().len(), entered);
        assert_eq!(machine.input_log()[0].input, Input::Key { key: Key::ShiftLeft, down: true });
    }

    #[test]
    fn a_chord_is_let_go_in_reverse() {
        let (mut machine, mut pending) = (machine(), Pending::default());
        pending.strike(&[Key::Ctrl, Key::C]);
        pending.feed(&mut machine);
        let keys: Vec<_> = machine.input_log().iter().map(|s| s.input.clone()).collect();
        let key = |key, down| Input::Key { key, down };
        let expected =
            [key(Key::Ctrl, true), key(Key::C, true), key(Key::C, false), key(Key::Ctrl, false)];
        assert_eq!(keys, expected);
    }
}
