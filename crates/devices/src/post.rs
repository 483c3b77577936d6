//! Port 80h, where firmware tells how far the power-on self-test has come. The last codes are
//! kept, for the story of a guest that died early.

use crate::wire;
use bus::{Device, Io, StateError};
use serde::{Deserialize, Serialize};

/// The port.
pub const POST: u16 = 0x80;

/// Codes that are kept.
const KEPT: usize = 16;

/// The POST port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    codes: Vec<u8>,
}

impl Post {
    /// Its ports.
    pub const PORTS: &'static [u16] = &[POST];

    /// No code yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The last codes, oldest first. Equal neighbours are one: a write to port 80h also serves
    /// as a delay.
    #[must_use]
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }
}

impl Device for Post {
    fn name(&self) -> &'static str {
        "post"
    }

    fn read(&mut self, _at: u64, _io: &mut Io<'_>) -> u32 {
        u32::from(self.codes.last().copied().unwrap_or(0))
    }

    fn write(&mut self, _at: u64, value: u32, _io: &mut Io<'_>) {
        let code = value as u8;
        if self.codes.last() == Some(&code) {
            return;
        }
        if self.codes.len() >= KEPT {
            self.codes.remove(0);
        }
        self.codes.push(code);
    }

    fn reset(&mut self) {
        self.codes.clear();
    }

    fn save(&self) -> Vec<u8> {
        wire::save(self)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: Self = wire::restore(self.name(), bytes)?;
        wire::require(self.name(), state.codes.len() <= KEPT, "too many codes")?;
        *self = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mem::Memory;

    #[test]
    fn last_codes_are_kept_without_repeats() {
        let mut post = Post::new();
        let mut mem = Memory::flat(4096).unwrap();
        let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: &mut mem };
        for code in [1, 1, 2, 2, 2, 1] {
            post.write(0x80, code, &mut io);
        }
        assert_eq!(post.codes(), [1, 2, 1]);
        assert_eq!(post.read(0x80, &mut io), 1);
    }
}
