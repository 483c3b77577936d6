//! Mistakes in the IDT: too short, empty, a gate of a wrong kind, a gate that ring 3 may not
//! use, a gate whose target is no code (SDM 3A 6.10-6.12).

use super::finding::{Field, Finding};
use crate::scene::{Link, Scene};
use crate::sentence;
use crate::words;
use x86::cause::{Check, Origin};
use x86::event::Mode;
use x86::{Cause, Descriptor};

/// The real-mode IDTR: 256 vectors of four bytes.
const REAL_MODE_LIMIT: u32 = 0x3FF;

/// Row 1: the IDT is empty or too short.
#[must_use]
pub fn empty_or_short(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::IdtGate { vector, gate, idt_base, idt_limit, check, .. } = link.why else {
        return None;
    };
    let real = link.at.mode == Mode::Real;
    let entry = if real { 4 } else { 8 };
    let need = u32::from(vector) * entry + entry - 1;
    let never_loaded = !real && idt_base.0 == 0 && idt_limit >= REAL_MODE_LIMIT;
    let headline = if check == Check::BeyondTable {
        let table = if real { "interrupt table" } else { "IDT" };
        format!(
            "vector {vector:#04X} needs an {table} limit of at least {need:#05X}; it is {idt_limit:#05X}"
        )
    } else if never_loaded {
        format!(
            "vector {vector:#04X} has no gate: IDTR still points to the real-mode vector table at 0"
        )
    } else if gate.0 == 0 {
        format!("vector {vector:#04X} has no gate: IDT[{vector}] is all zero")
    } else {
        return None;
    };
    let mut finding = Finding::new(
        "idt-empty-or-short",
        headline,
        "vol. 3A, 6.10 and 6.12",
        "Fill a gate for every vector that can occur before the first STI or INT, load the table \
         with LIDT, and give LIDT a limit of 8 * entries - 1.",
    )
    .show("IDTR.base", format!("{idt_base:08X}"));
    let limit = format!("{idt_limit:#05X} = {} whole entries", idt_limit.saturating_add(1) / entry);
    finding = if check == Check::BeyondTable {
        finding.wrong("IDTR.limit", limit)
    } else {
        finding.show("IDTR.limit", limit).wrong(format!("IDT[{vector}]"), words::bytes(gate))
    };
    if let Some(text) = uncaught(scene, vector) {
        finding = finding.say(text);
    }
    Some(finding)
}

/// Says which of the gates that could have caught a failed delivery aren't there.
fn uncaught(scene: &Scene<'_>, vector: u8) -> Option<String> {
    if !scene.state.protected() {
        return None;
    }
    let absent = |v: &u8| *v != vector && scene.gate(*v).is_none_or(|g| g.0 == 0);
    let missing: Vec<u8> = [13, 8].into_iter().filter(absent).collect();
    let beyond = missing.iter().any(|v| scene.gate(*v).is_none());
    let how = if beyond { "missing too" } else { "zero" };
    match missing[..] {
        [] => None,
        [one] => Some(format!("Gate {one} is {how}, so it couldn't be caught.")),
        _ => Some(format!("Gates 13 and 8 are {how}, so nothing could catch it.")),
    }
}

/// Row 2: a gate of a wrong type, or not present.
#[must_use]
pub fn wrong_gate(_: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::IdtGate { vector, gate, idt_base, idt_limit, check, cpl, .. } = link.why else {
        return None;
    };
    let (field, cure) = match check {
        Check::NotPresent => (
            Field::Present,
            "Set the gate's P bit: the type byte of a present ring-0 interrupt gate is 0x8E.",
        ),
        Check::NotGate | Check::WrongType => (
            Field::Type,
            "Only interrupt gates (type byte 0x8E), trap gates (0x8F) and task gates (0x85) may \
             stand in the IDT. Check the byte at offset 5, and that the gate's fields are packed.",
        ),
        _ => return None,
    };
    if gate.0 == 0 {
        return None;
    }
    let wrong = sentence::gate_check(check, vector, gate, idt_limit, cpl);
    let at = idt_base.add32(u64::from(vector) * 8);
    let finding = Finding::new(
        "idt-gate-wrong",
        format!("IDT[{vector}] {wrong}"),
        "vol. 3A, 6.11 and 6.12",
        cure,
    );
    Some(finding.show_gate(&format!("IDT[{vector}] at {at:08X}"), gate, &[field]))
}

/// Row 3: INT n from ring 3 through a gate with DPL 0.
#[must_use]
pub fn gate_privilege(_: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::IdtGate { vector, gate, idt_base, check, cpl, .. } = link.why else { return None };
    if !matches!(check, Check::GatePrivilege | Check::Privilege) {
        return None;
    }
    let at = idt_base.add32(u64::from(vector) * 8);
    let headline = format!(
        "INT {vector:#04X} from ring {cpl} isn't allowed: gate DPL {} < CPL {cpl}",
        gate.dpl()
    );
    let finding = Finding::new(
        "int-gate-dpl",
        headline,
        "vol. 3A, 6.12.1.1",
        "Give the gates that ring 3 may call with INT n a DPL of 3 (type byte 0xEE), and only \
         those.",
    );
    Some(
        finding
            .show_gate(&format!("IDT[{vector}] at {at:08X}"), gate, &[Field::Dpl])
            .show("CPL", cpl.to_string())
            .show("error code", format!("{:#06X} = {vector} * 8 + 2 (IDT)", link.fault.code)),
    )
}

/// Row 4: the gate's selector is null, names no code, or names a segment that isn't present.
#[must_use]
pub fn gate_target(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Selector { selector, descriptor, table_limit, check, origin, cpl } = link.why else {
        return None;
    };
    let Origin::InterruptGate(vector) = origin else { return None };
    let what = format!("IDT[{vector}].selector {:#04X}", selector.0);
    let headline = match check {
        Check::NullSelector => format!("{what} is null: the gate was never given a code segment"),
        Check::NotCode if descriptor.is_data() => format!("{what} is a data segment"),
        Check::NotPresent => format!("{what} names a segment that isn't present (P=0)"),
        _ => {
            let wrong = sentence::selector_check(check, selector, descriptor, table_limit, cpl);
            format!("{what} {wrong}")
        }
    };
    let mut finding = Finding::new(
        "idt-gate-target",
        headline,
        "vol. 3A, 6.12.1",
        "Put the selector of a present ring-0 code segment into bytes 2 and 3 of the gate, as \
         your GDT numbers it.",
    );
    if let Some(gate) = scene.gate(vector) {
        finding = finding.show_gate(&format!("IDT[{vector}]"), gate, &[Field::Selector]);
    }
    if descriptor != Descriptor(0) {
        let field = if check == Check::NotPresent { Field::Present } else { Field::Type };
        finding = finding.show_descriptor(
            &format!("descriptor {:04X}", selector.0),
            descriptor,
            &[field],
        );
    }
    Some(finding)
}
