//! What translations are made with, kept from one block to the next: memory, and what is known of
//! instructions by their form.

use super::{Cold, Draft, Item, Landing, fpu};
use crate::asm::Ops;
use crate::forms::{self, Form, Guest, form};
use decode::{Insn, Memo};
use dynasmrt::DynamicLabel;
use interp::ops::Claim;
use x86::Features;

/// Memory for translations, and the forms seen lately.
#[derive(Default)]
pub struct Tools {
    pub(super) ops: Ops,
    pub(super) memo: Memo<Option<Class>>,
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

/// What is known of all instructions of a form, whatever their displacement and immediate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    guest: Guest,
    form: Option<Form>,
    unit: Option<fpu::Unit>,
    needs: Features,
    claim: Claim,
}

impl Class {
    /// Of an instruction, which begins `bytes`; `None` where it has no opcode.
    pub fn of(insn: &Insn, bytes: &[u8]) -> Option<Self> {
        let guest = Guest::parse(&bytes[..usize::from(insn.len)], insn)?;
        let form = form(&guest).filter(|_| !insn.has(Insn::ENDS_BLOCK));
        let may = form.is_none() && !insn.has(Insn::ENDS_BLOCK);
        let unit = may.then(|| fpu::Unit::of(insn)).flatten();
        let (needs, claim) = (decode::needs(insn.code), Claim::of(insn));
        Some(Self { guest, form, unit, needs, claim })
    }

    /// An instruction of this class, at `eip`, with these bytes.
    pub fn item(&self, insn: Insn, bytes: &[u8], eip: u32, features: Features) -> Item {
        let guest = self.guest.with(bytes);
        let is_there = features.contains(self.needs);
        let same = if forms::hangs_on_imm(&guest) { form(&guest) } else { self.form };
        let form = same.filter(|_| is_there);
        let unit = self.unit.filter(|_| is_there);
        Item { insn, guest, form, unit, claim: self.claim, eip }
    }
}
