//! A guest instruction, decoded and classified. Nearly all of that hangs on its form alone and is
//! remembered with it; displacement, immediate and place are filled in.

use super::plain::host_form;
use super::{Source, Tools, fpu, string};
use crate::abi::Mode;
use crate::asm::Ops;
use crate::forms::{self, Form, Guest, Operand, Writes, form};
use crate::rewrite::{encode, is_encodable};
use decode::{Code, Insn};
use interp::ops::Claim;
use x86::Features;

/// A guest instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub insn: Insn,
    pub guest: Guest,
    pub form: Option<Form>,
    /// It belongs to the x87 unit, MMX or SSE, and has no form.
    pub unit: Option<fpu::Unit>,
    pub claim: Claim,
    needs: Features,
    /// Its form is that of a count of 0, if it has one.
    counts_nothing: bool,
    /// What it is emitted as, if that is always the same.
    pub ready: Option<Ready>,
    pub eip: u32,
    /// The flags that it leaves are overwritten before anything can look at them.
    pub dead: bool,
}

/// The host instruction of a form without a memory operand, as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub code: Template,
    /// AF in RFLAGS is to be taken for clear afterwards; `None` where it stays as it is.
    pub af_clear: Option<bool>,
    /// Flags that hang on the operands must be dead.
    pub if_dead: bool,
    pub names_esp: bool,
}

/// Host code that ends in a guest immediate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    pub bytes: [u8; 16],
    pub len: u8,
    /// Bytes of the immediate.
    pub imm: u8,
}

/// The most bytes of a template: four of an immediate are written over its end, however short.
const TEMPLATE_BYTES: usize = 12;

impl Ready {
    /// Of an instruction with a form.
    fn of(insn: &Insn, guest: &Guest, f: &Form) -> Option<Self> {
        let (af_clear, if_dead) = match f.writes {
            Writes::Nothing | Writes::Some => (None, false),
            Writes::All | Writes::SomeAndAf => (Some(false), false),
            Writes::AllButAf => (Some(true), false),
            Writes::Product => (Some(false), true),
            Writes::ShiftCl | Writes::Scan | Writes::Divide => return None,
            Writes::Double | Writes::DoubleCl => return None,
        };
        let is_plain = !insn.is_mem() && f.access != forms::Access::Address;
        if !is_plain || f.rm == Operand::None || insn.code == Code::Lahf {
            return None;
        }
        let host = host_form(guest, f, None);
        let mut ops = Ops::new(0);
        if !is_encodable(&host) || encode(&mut ops, &host).is_err() {
            return None;
        }
        let code = ops.finish()?;
        let mut bytes = [0; 16];
        bytes
            .get_mut(..code.len())
            .filter(|_| code.len() <= TEMPLATE_BYTES)?
            .copy_from_slice(&code);
        let code = Template { bytes, len: code.len() as u8, imm: f.imm };
        Some(Self { code, af_clear, if_dead, names_esp: f.names_esp(guest) })
    }
}

/// The count of a shift by an immediate shifts nothing.
fn counts_nothing(guest: &Guest) -> bool {
    guest.imm(1)[0] & 31 == 0
}

impl Item {
    /// What is known of all instructions of a form; `None` where it has no opcode. `bytes` begin
    /// with one of them.
    fn of(insn: &Insn, bytes: &[u8]) -> Option<Self> {
        let guest = Guest::parse(&bytes[..usize::from(insn.len)], insn)?;
        let (needs, claim) = (decode::needs(insn.code), Claim::of(insn));
        let may = claim.is_known() && !insn.has(Insn::ENDS_BLOCK);
        let form = form(&guest).filter(|_| may);
        let unit = (may && form.is_none()).then(|| fpu::Unit::of(insn)).flatten();
        let counts_nothing = counts_nothing(&guest);
        let ready = form.as_ref().and_then(|form| Ready::of(insn, &guest, form));
        let (insn, eip, dead) = (*insn, 0, false);
        Some(Self { insn, guest, form, unit, claim, needs, counts_nothing, ready, eip, dead })
    }

    /// Adds the instruction at an offset of the source to `items`. False if there is none within
    /// the page and CS.
    pub fn push(tools: &mut Tools, source: &Source, at: usize, items: &mut Vec<Self>) -> bool {
        let Some(rest) = source.bytes.get(at..) else { return false };
        let bits32 = source.mode.has(Mode::CODE32);
        let found = tools.memo.decode(rest, bits32, |insn| Self::of(insn, rest));
        let Ok(found) = found else { return false };
        let end = at + found.len();
        let is_within = u64::from(source.eip) + end as u64 - 1 <= u64::from(source.limit);
        let Some(known) = found.value.as_ref().filter(|_| is_within) else { return false };
        items.push(*known);
        let Some(item) = items.last_mut() else { return false };
        found.fill(&mut item.insn);
        item.guest.fill(&source.bytes[at..end]);
        item.eip = source.eip + at as u32;
        if !source.features.contains(item.needs) {
            (item.form, item.unit, item.ready) = (None, None, None);
        } else if forms::hangs_on_imm(&item.guest)
            && item.counts_nothing != counts_nothing(&item.guest)
        {
            (item.form, item.ready) = (form(&item.guest), None);
        }
        true
    }

    /// True where the block can't go on behind it.
    pub fn ends(&self) -> bool {
        self.insn.has(Insn::ENDS_BLOCK) && !string::goes_on(self)
    }

    /// EIP behind it.
    pub fn next(&self) -> u32 {
        self.eip.wrapping_add(u32::from(self.insn.len))
    }

    /// What it means for flags that instructions before it leave: `Some(true)` where they are
    /// overwritten, `Some(false)` where something may look at them, an instruction that faults or
    /// leaves the block included, `None` where those behind it decide.
    fn ends_flags(&self) -> Option<bool> {
        if let Some(unit) = self.unit {
            return match unit.flags(&self.insn) {
                fpu::UnitFlags::Looks => Some(false),
                fpu::UnitFlags::Covers => Some(true),
                fpu::UnitFlags::Keeps => None,
            };
        }
        let Some(form) = &self.form else { return Some(false) };
        let looks = self.insn.is_mem() && form.access != forms::Access::Address
            || form.reads_flags
            || form.writes == Writes::Divide;
        if looks {
            return Some(false);
        }
        form.writes.covers_all().then_some(true)
    }
}

/// Notes of each instruction of a block whether the flags that it leaves are dead.
pub(super) fn mark_dead(items: &mut [Item]) {
    let mut dead = false;
    for item in items.iter_mut().rev() {
        item.dead = dead;
        dead = item.ends_flags().unwrap_or(dead);
    }
}
