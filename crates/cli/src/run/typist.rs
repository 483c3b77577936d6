//! Types what `--keys` says, at the pace of a quick human, in virtual time.

use super::hearing::Hearing;
use crate::keys::{Action, Script};
use devices::Key;
use std::collections::VecDeque;

/// How long a key is held, and how long until the next: a BIOS keeps only fifteen keys.
const HOLD_NS: u64 = 10_000_000;
const GAP_NS: u64 = 30_000_000;

/// Carries out a script.
#[derive(Debug)]
pub struct Typist {
    actions: VecDeque<Action>,
    /// Keys to be released at `due_ns`.
    held: Vec<Key>,
    /// Nothing happens before this time; `None` for a wait that hasn't begun.
    due_ns: Option<u64>,
}

impl Typist {
    /// A typist at the start of a script.
    pub fn new(script: Script) -> Self {
        Self { actions: script.0.into(), held: Vec::new(), due_ns: None }
    }

    /// What is waited for, if anything is left to do.
    pub fn current(&self) -> Option<&Action> {
        self.actions.front()
    }

    /// True where only time passes until the next key.
    pub fn is_done(&self) -> bool {
        self.actions.is_empty() && self.held.is_empty()
    }

    /// The keys that go down (true) or up at `now_ns`.
    pub fn at(
        &mut self,
        now_ns: u64,
        hearing: &mut Hearing,
        screen: &[String],
    ) -> Vec<(Key, bool)> {
        let mut sent = Vec::new();
        while self.due_ns.is_none_or(|due| due <= now_ns) {
            if !self.held.is_empty() {
                sent.extend(self.held.drain(..).rev().map(|key| (key, false)));
                self.due_ns = Some(now_ns + GAP_NS);
                continue;
            }
            match self.actions.front() {
                None => break,
                Some(Action::Press(keys)) => {
                    sent.extend(keys.iter().map(|key| (*key, true)));
                    self.held = keys.clone();
                    self.due_ns = Some(now_ns + HOLD_NS);
                }
                Some(Action::WaitTime(ns)) => self.due_ns = Some(now_ns.saturating_add(*ns)),
                Some(Action::WaitText(text)) => {
                    if !hearing.shows(text, screen) {
                        break;
                    }
                    hearing.turn_to_another();
                }
            }
            self.actions.pop_front();
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn typist(script: &str) -> Typist {
        Typist::new(script.parse().unwrap())
    }

    #[test]
    fn a_key_goes_down_and_up_before_the_next() {
        let (mut typist, mut ear) = (typist("ab"), Hearing::default());
        assert_eq!(typist.at(0, &mut ear, &[]), [(Key::A, true)]);
        assert!(typist.at(9 * MS, &mut ear, &[]).is_empty());
        assert_eq!(typist.at(10 * MS, &mut ear, &[]), [(Key::A, false)]);
        assert!(typist.at(39 * MS, &mut ear, &[]).is_empty());
        assert_eq!(typist.at(40 * MS, &mut ear, &[]), [(Key::B, true)]);
        assert!(!typist.is_done());
        assert_eq!(typist.at(50 * MS, &mut ear, &[]), [(Key::B, false)]);
        assert!(typist.is_done());
    }

    #[test]
    fn a_chord_is_released_in_reverse() {
        let (mut typist, mut ear) = (typist("<Ctrl-C>"), Hearing::default());
        assert_eq!(typist.at(0, &mut ear, &[]), [(Key::Ctrl, true), (Key::C, true)]);
        assert_eq!(typist.at(10 * MS, &mut ear, &[]), [(Key::C, false), (Key::Ctrl, false)]);
    }

    #[test]
    fn a_wait_for_text_holds_until_it_is_shown() {
        let (mut typist, mut ear) = (typist("<wait \"grub>\">x"), Hearing::default());
        assert!(typist.at(0, &mut ear, &[]).is_empty());
        ear.hear(b"grub> ", b"");
        assert_eq!(typist.at(MS, &mut ear, &[]), [(Key::X, true)]);
    }

    #[test]
    fn a_wait_for_time_is_counted_from_when_it_begins() {
        let (mut typist, mut ear) = (typist("<wait 2s>x"), Hearing::default());
        assert!(typist.at(5 * MS, &mut ear, &[]).is_empty());
        assert!(typist.at(2004 * MS, &mut ear, &[]).is_empty());
        assert_eq!(typist.at(2005 * MS, &mut ear, &[]), [(Key::X, true)]);
    }
}
