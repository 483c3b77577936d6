//! What an explanation consists of: a finding says what was wrong, on what evidence, where the
//! manual has it, and what cures it.

use crate::words;
use serde::{Deserialize, Serialize};
use x86::Descriptor;

/// A value that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is: `IDT[32] at 00008100`.
    pub what: String,
    /// The value, as text.
    pub value: String,
    /// This is the wrong one.
    pub wrong: bool,
}

/// A mistake that was recognized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The catalogue's name of the mistake, such as `idt-empty-or-short`; `fault` where none
    /// was recognized.
    pub id: String,
    /// The mistake in one line.
    pub headline: String,
    /// More sentences.
    pub details: Vec<String>,
    /// What was looked at.
    pub evidence: Vec<Evidence>,
    /// Where the rule stands: `SDM vol. 3A, 6.12.1`.
    pub manual: String,
    /// What cures it, most likely.
    pub cure: String,
}

impl Finding {
    /// A finding without details.
    #[must_use]
    pub fn new(id: &str, headline: impl Into<String>, manual: &str, cure: &str) -> Self {
        Self {
            id: id.into(),
            headline: headline.into(),
            details: Vec::new(),
            evidence: Vec::new(),
            manual: format!("SDM {manual}"),
            cure: cure.into(),
        }
    }

    /// Adds a sentence.
    #[must_use]
    pub fn say(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }

    /// Adds a value.
    #[must_use]
    pub fn show(mut self, what: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { what: what.into(), value: value.into(), wrong: false });
        self
    }

    /// Adds the value that is wrong.
    #[must_use]
    pub fn wrong(mut self, what: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { what: what.into(), value: value.into(), wrong: true });
        self
    }

    /// Adds a gate, field by field, the wrong ones marked.
    #[must_use]
    pub fn show_gate(self, what: &str, gate: Descriptor, wrong: &[Field]) -> Self {
        let kind = gate.system();
        let shape = kind.map_or_else(
            || format!("{} (S=1: not a gate)", words::kind(gate)),
            |t| format!("{t:#X}, {}", words::system_name(t)),
        );
        self.show(what, words::bytes(gate))
            .field("type", shape, wrong.contains(&Field::Type))
            .field("P", u8::from(gate.present()).to_string(), wrong.contains(&Field::Present))
            .field("DPL", gate.dpl().to_string(), wrong.contains(&Field::Dpl))
            .field(
                "selector",
                words::selector(gate.gate_selector()),
                wrong.contains(&Field::Selector),
            )
            .field("offset", format!("{:08X}", gate.gate_offset()), false)
    }

    /// Adds a segment or system descriptor, field by field, the wrong ones marked.
    #[must_use]
    pub fn show_descriptor(self, what: &str, d: Descriptor, wrong: &[Field]) -> Self {
        self.show(what, words::bytes(d))
            .field("type", words::kind(d), wrong.contains(&Field::Type))
            .field("P", u8::from(d.present()).to_string(), wrong.contains(&Field::Present))
            .field("DPL", d.dpl().to_string(), wrong.contains(&Field::Dpl))
            .field("base", format!("{:08X}", d.base()), false)
            .field("limit", format!("{:08X}", d.limit()), wrong.contains(&Field::Limit))
    }

    fn field(self, name: &str, value: String, wrong: bool) -> Self {
        let what = format!("  {name}");
        if wrong { self.wrong(what, value) } else { self.show(what, value) }
    }
}

/// A field of a descriptor or gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The type bits and S.
    Type,
    /// P.
    Present,
    /// DPL.
    Dpl,
    /// The target selector of a gate.
    Selector,
    /// The limit.
    Limit,
}
