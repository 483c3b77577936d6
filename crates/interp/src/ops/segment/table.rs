//! Descriptors in the GDT and the LDT: reading them, marking them accessed or busy, and the
//! evidence when one fails a check (SDM 3A 3.4.2, 3.5.1, 5.2).
//!
//! Invariant: every fault raised over a selector carries it, its descriptor and the rule.

use crate::cpu::Cpu;
use bus::System;
use x86::cause::{Check, Origin};
use x86::segment::{TableReg, attr};
use x86::{Cause, Descriptor, Fault, Segment, Selector, Vector};

/// On whose behalf a selector is looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Who {
    /// Where the selector came from.
    pub origin: Origin,
    /// The exception for a broken rule: #GP, or #TS in a task switch and for TSS stacks.
    pub vector: Vector,
    /// The EXT bit of error codes, 0 or 1.
    pub ext: u16,
}

impl Who {
    /// An instruction of the program: #GP, EXT clear.
    pub const fn program(origin: Origin) -> Self {
        Self { origin, vector: Vector::GeneralProtection, ext: 0 }
    }

    /// The same with #TS.
    pub const fn task(origin: Origin, ext: u16) -> Self {
        Self { origin, vector: Vector::InvalidTss, ext }
    }
}

/// A descriptor as found in its table.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Entry {
    /// The selector that named it.
    pub selector: Selector,
    /// The descriptor.
    pub descriptor: Descriptor,
    /// Its linear address.
    pub address: u64,
    /// The limit of its table.
    pub table_limit: u32,
}

impl Entry {
    /// The fault `vector(selector)` with this descriptor as evidence.
    #[cold]
    pub fn refuse_as(&self, cpu: &mut Cpu, vector: Vector, check: Check, who: Who) -> Fault {
        let code = self.selector.error() | who.ext;
        let cause = Cause::Selector {
            selector: self.selector,
            descriptor: self.descriptor,
            table_limit: self.table_limit,
            check,
            origin: who.origin,
            cpl: cpu.state.cpl,
        };
        cpu.raise(Fault { vector, code }, cause)
    }

    /// The same with the vector that `who` gets for a broken rule.
    #[cold]
    pub fn refuse(&self, cpu: &mut Cpu, check: Check, who: Who) -> Fault {
        self.refuse_as(cpu, who.vector, check, who)
    }

    /// #NP unless present.
    #[inline]
    pub fn present(&self, cpu: &mut Cpu, who: Who) -> Result<(), Fault> {
        if self.descriptor.present() {
            return Ok(());
        }
        Err(self.refuse_as(cpu, Vector::SegmentNotPresent, Check::NotPresent, who))
    }

    /// Sets the accessed bit, in memory too, and gives the hidden part.
    #[inline(always)]
    pub fn accessed(&mut self, cpu: &mut Cpu, sys: &mut System) -> Result<Segment, Fault> {
        if !self.descriptor.has(attr::ACCESSED) {
            self.set_type(cpu, sys, u64::from(attr::ACCESSED), 0)?;
        }
        Ok(Segment::from_descriptor(self.selector, self.descriptor))
    }

    /// Sets and clears bits of the type field, in memory too.
    pub fn set_type(
        &mut self,
        cpu: &mut Cpu,
        sys: &mut System,
        set: u64,
        clear: u64,
    ) -> Result<(), Fault> {
        let value = self.descriptor.0 & !(clear << 40) | set << 40;
        cpu.write_system::<u8>(sys, self.address + 5, (value >> 40) as u8)?;
        self.descriptor = Descriptor(value);
        Ok(())
    }
}

/// The fault for a null selector: its error code is 0, or EXT.
#[cold]
pub(in crate::ops) fn null(cpu: &mut Cpu, selector: Selector, who: Who) -> Fault {
    let cause = Cause::Selector {
        selector,
        descriptor: Descriptor(0),
        table_limit: cpu.state.gdtr.limit,
        check: Check::NullSelector,
        origin: who.origin,
        cpl: cpu.state.cpl,
    };
    cpu.raise(Fault { vector: who.vector, code: who.ext }, cause)
}

/// The table that a selector points into; `None` where no LDT is loaded.
#[inline(always)]
fn table(cpu: &Cpu, selector: Selector) -> Option<TableReg> {
    if !selector.is_local() {
        return Some(cpu.state.gdtr);
    }
    let ldtr = &cpu.state.ldtr;
    ldtr.is_usable().then_some(TableReg { base: ldtr.base, limit: ldtr.limit })
}

/// Reads the descriptor of a selector that isn't null, or tells which rule stands against it.
#[inline(always)]
fn find(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
) -> Result<Result<Entry, (Check, u32)>, Fault> {
    let Some(table) = table(cpu, selector) else { return Ok(Err((Check::NoLdt, 0))) };
    if selector.offset() + 7 > table.limit {
        return Ok(Err((Check::BeyondTable, table.limit)));
    }
    let address = table.base.wrapping_add(u64::from(selector.offset())) & 0xFFFF_FFFF;
    let descriptor = Descriptor(cpu.read_system64(sys, address)?);
    Ok(Ok(Entry { selector, descriptor, address, table_limit: table.limit }))
}

/// Reads a descriptor; null selectors and those beyond their table are refused.
///
/// Inlined, like what loads segments with it: a descriptor or segment that comes back through
/// memory is stored in parts and loaded whole, and the host waits for that.
#[inline(always)]
pub(in crate::ops) fn fetch(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    who: Who,
) -> Result<Entry, Fault> {
    if selector.is_null() {
        return Err(null(cpu, selector, who));
    }
    match find(cpu, sys, selector)? {
        Ok(entry) => Ok(entry),
        Err((check, table_limit)) => {
            let none = Entry { selector, descriptor: Descriptor(0), address: 0, table_limit };
            Err(none.refuse(cpu, check, who))
        }
    }
}

/// Reads a descriptor that must be in the GDT.
pub(in crate::ops) fn fetch_global(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    who: Who,
) -> Result<Entry, Fault> {
    if selector.is_local() {
        let table_limit = cpu.state.gdtr.limit;
        let none = Entry { selector, descriptor: Descriptor(0), address: 0, table_limit };
        return Err(none.refuse(cpu, Check::MustBeGlobal, who));
    }
    fetch(cpu, sys, selector, who)
}

/// Reads a descriptor for LAR, LSL, VERR and VERW, which fault over no selector.
pub(in crate::ops) fn peek(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
) -> Result<Option<Entry>, Fault> {
    if selector.is_null() {
        return Ok(None);
    }
    Ok(find(cpu, sys, selector)?.ok())
}
