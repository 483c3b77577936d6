//! What translations are made with, kept from one block to the next: memory, and what is known of
//! instructions by their form.

use super::{Cold, Draft, Item, Landing};
use crate::asm::Ops;
use decode::Memo;
use dynasmrt::DynamicLabel;

/// Memory for translations, and the forms seen lately.
#[derive(Default)]
pub struct Tools {
    pub(super) ops: Ops,
    pub(super) memo: Memo<Option<Item>>,
    pub(super) items: Vec<Item>,
    pub(super) cold: Vec<Cold>,
    pub(super) labels: Vec<DynamicLabel>,
    pub(super) landings: Vec<Landing>,
    pub(super) expected: Vec<(usize, DynamicLabel)>,
    /// The memory of a draft that was given back.
    pub(super) draft: Draft,
    /// Guest code, for who calls [`super::translate`] to use.
    pub bytes: Vec<u8>,
}

impl Tools {
    /// Takes the memory of a draft back that is no longer needed.
    pub fn give_back(&mut self, draft: Draft) {
        self.draft = draft;
    }
}
