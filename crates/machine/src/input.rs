//! What comes from outside: keys, the mouse, serial bytes, a change of rate. Each input enters between
//! slices and is stamped with the step, the virtual time and a number, so that the log of a
//! run's inputs is all that is needed to run it again.

mod pending;

pub use pending::Pending;

use devices::{Key, Motion};
use serde::{Deserialize, Serialize};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A key goes down or up.
    Key {
        /// Which.
        key: Key,
        /// Down rather than up.
        down: bool,
    },
    /// The mouse is moved, or a button of it.
    Mouse(Motion),
    /// Bytes arrive at COM1.
    Serial(Vec<u8>),
    /// Virtual time runs at another rate from here on, picoseconds a step.
    Rate(u64),
    /// The NMI button.
    Nmi,
    /// The reset button.
    Reset,
}

/// An input and when it entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// Steps before it.
    pub step: u64,
    /// Virtual nanoseconds.
    pub ns: u64,
    /// Its number: the order of inputs of the same moment.
    pub seq: u64,
    /// What came.
    pub input: Input,
}

impl Stamped {
    /// True where it is time for this input: both its step and its time have come. (In HLT
    /// time goes on while steps don't.)
    #[must_use]
    pub fn is_due(&self, step: u64, ns: u64) -> bool {
        step > self.step || (step == self.step && ns >= self.ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_in_idle_time_waits_for_its_nanosecond() {
        let input = Stamped { step: 5, ns: 700, seq: 0, input: Input::Nmi };
        assert!(!input.is_due(4, 700) && !input.is_due(5, 699));
        assert!(input.is_due(5, 700) && input.is_due(6, 60));
    }
}
