//! The assembler in which code is made. dynasm's own gives its memory away with each piece of
//! code; this one keeps it, since blocks are made by the thousand.

use crate::emit::Template;
use dynasmrt::components::{LabelRegistry, PatchLoc, RelocRegistry, StaticLabel};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi};

/// Code under way, with its labels.
pub struct Ops {
    code: Vec<u8>,
    base: usize,
    labels: LabelRegistry,
    relocs: RelocRegistry<X64Relocation>,
    /// A label was defined twice, or is out of reach.
    is_wrong: bool,
}

impl std::fmt::Debug for Ops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ops").field("len", &self.code.len()).finish_non_exhaustive()
    }
}

impl Default for Ops {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Ops {
    /// No code yet; it will be executed at `base`.
    #[must_use]
    pub fn new(base: usize) -> Self {
        let (labels, relocs) = (LabelRegistry::new(), RelocRegistry::new());
        Self { code: Vec::new(), base, labels, relocs, is_wrong: false }
    }

    /// Begins afresh in the same memory, and in that of `code`.
    pub fn restart(&mut self, base: usize, code: Vec<u8>) {
        (self.base, self.code, self.is_wrong) = (base, code, false);
        self.code.clear();
        self.labels.clear();
        drop(self.relocs.take_statics());
        drop(self.relocs.take_dynamics());
    }

    /// Adds a template's code, its immediate from the end of `tail`.
    #[inline]
    pub fn template(&mut self, template: &Template, tail: [u8; 4]) {
        let (at, len, imm) =
            (self.code.len(), usize::from(template.len), usize::from(template.imm));
        self.code.extend_from_slice(&template.bytes);
        if imm != 0 {
            let value = u32::from_le_bytes(tail) >> (32 - 8 * imm);
            let place = at + len - imm;
            self.code[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
        self.code.truncate(at + len);
    }

    /// A label without a place.
    pub fn new_dynamic_label(&mut self) -> DynamicLabel {
        self.labels.new_dynamic_label()
    }

    /// Where a label is.
    #[must_use]
    pub fn place(&self, label: DynamicLabel) -> Option<usize> {
        self.labels.resolve_dynamic(label).ok().map(|offset| offset.0)
    }

    /// The code, with all jumps to labels filled in; `None` where one can't be.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        for (at, label) in self.relocs.take_statics() {
            let target = self.labels.resolve_static(&label).ok()?;
            at.patch(&mut self.code[at.range(0)], self.base, target.0).ok()?;
        }
        for (at, label) in self.relocs.take_dynamics() {
            let target = self.labels.resolve_dynamic(label).ok()?;
            at.patch(&mut self.code[at.range(0)], self.base, target.0).ok()?;
        }
        (!self.is_wrong).then(|| std::mem::take(&mut self.code))
    }
}

impl Extend<u8> for Ops {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.code.extend(bytes);
    }
}

impl<'a> Extend<&'a u8> for Ops {
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, bytes: T) {
        self.code.extend(bytes);
    }
}

impl DynasmApi for Ops {
    #[inline]
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.code.len())
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.code.push(byte);
    }

    fn align(&mut self, alignment: usize, with: u8) {
        let len = self.code.len().next_multiple_of(alignment);
        self.code.resize(len, with);
    }
}

impl DynasmLabelApi for Ops {
    type Relocation = X64Relocation;

    fn local_label(&mut self, name: &'static str) {
        self.labels.define_local(name, AssemblyOffset(self.code.len()));
    }

    fn global_label(&mut self, name: &'static str) {
        let here = AssemblyOffset(self.code.len());
        self.is_wrong |= self.labels.define_global(name, here).is_err();
    }

    fn dynamic_label(&mut self, id: DynamicLabel) {
        let here = AssemblyOffset(self.code.len());
        self.is_wrong |= self.labels.define_dynamic(id, here).is_err();
    }

    fn global_relocation(
        &mut self,
        name: &'static str,
        target: isize,
        field: u8,
        reference: u8,
        kind: X64Relocation,
    ) {
        let at = PatchLoc::new(self.offset(), target, field, reference, kind);
        self.relocs.add_static(StaticLabel::global(name), at);
    }

    fn dynamic_relocation(
        &mut self,
        id: DynamicLabel,
        target: isize,
        field: u8,
        reference: u8,
        kind: X64Relocation,
    ) {
        let at = PatchLoc::new(self.offset(), target, field, reference, kind);
        self.relocs.add_dynamic(id, at);
    }

    fn forward_relocation(
        &mut self,
        name: &'static str,
        target: isize,
        field: u8,
        reference: u8,
        kind: X64Relocation,
    ) {
        let known = self.labels.place_local_reference(name);
        let label = known.map_or_else(|| StaticLabel::first(name), StaticLabel::next);
        let at = PatchLoc::new(self.offset(), target, field, reference, kind);
        self.relocs.add_static(label, at);
    }

    fn backward_relocation(
        &mut self,
        name: &'static str,
        target: isize,
        field: u8,
        reference: u8,
        kind: X64Relocation,
    ) {
        let at = PatchLoc::new(self.offset(), target, field, reference, kind);
        match self.labels.place_local_reference(name) {
            Some(label) => self.relocs.add_static(label, at),
            None => self.is_wrong = true,
        }
    }

    fn value_relocation(&mut self, value: usize, field: u8, reference: u8, kind: X64Relocation) {
        let at = PatchLoc::new(self.offset(), 0, field, reference, kind);
        self.is_wrong |= at.patch(&mut self.code[at.range(0)], self.base, value).is_err();
    }
}
