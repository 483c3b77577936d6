//! Mistakes with the interrupt controllers: not remapped, so that IRQs come as exceptions; no
//! end of interrupt, so that a line stays in service (8259A data sheet; SDM 3A 6.2, 6.3).

use super::finding::Finding;
use crate::history::Delivery;
use crate::scene::{Ending, Link, Scene};
use x86::cause::Origin;
use x86::event::{Mode, Source};
use x86::fault::{EXT, vector_name};
use x86::{Cause, Eflags};

/// Vectors that the BIOS gives the master 8259A, and that are exceptions in protected mode.
const BIOS_VECTORS: std::ops::RangeInclusive<u8> = 8..=15;

/// Row 8, where a delivery failed: the first link is an external interrupt with vector 8..=15.
#[must_use]
pub fn not_remapped(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let external = link.fault.code & EXT != 0;
    let vector = match link.why {
        Cause::IdtGate { vector, software: false, .. } => vector,
        Cause::Selector { origin: Origin::InterruptGate(vector), .. } if external => vector,
        _ => return None,
    };
    // A fault while an exception of that number is delivered never stands first in a chain.
    let first = scene.chain.first() == Some(link) && link.at.mode != Mode::Real;
    let enabled = scene.state.flag(Eflags::IF);
    if !first || !enabled || !BIOS_VECTORS.contains(&vector) {
        return None;
    }
    remapping(scene, vector)
}

/// Row 8, where it was delivered: its handler hasn't returned.
#[must_use]
pub fn came_as_exception(scene: &Scene<'_>) -> Option<Finding> {
    // A guest that is stopped from outside may mean it: DOS extenders leave IRQs at 8-15.
    if matches!(scene.ending, Ending::LongMode | Ending::Stopped) {
        return None;
    }
    let mistaken = |d: &&Delivery| {
        let outside = d.source == Source::External && d.to.mode == Mode::Protected;
        outside && d.returned.is_none() && BIOS_VECTORS.contains(&d.vector)
    };
    let delivery = scene.history.deliveries().take(4).find(mistaken)?;
    let at = format!("vector {} at step {}, from outside", delivery.vector, delivery.step);
    Some(remapping(scene, delivery.vector)?.show("delivered", at))
}

fn remapping(scene: &Scene<'_>, vector: u8) -> Option<Finding> {
    if scene.pic.is_some_and(|pic| pic.base[0] & 0xF8 != 8) {
        return None;
    }
    let irq = vector - 8;
    let headline = match vector_name(vector) {
        Some(v) => format!(
            "this is IRQ {irq} from the PIC, not a {}: it came as vector {vector}",
            crate::words::meaning(v)
        ),
        None => format!("this is IRQ {irq} from the PIC: it came as vector {vector}"),
    };
    let mut finding = Finding::new(
        "pic-not-remapped",
        headline,
        "vol. 3A, 6.2 and table 6-1; 8259A data sheet, ICW2",
        "Before STI program both 8259As (ICW1 11h, ICW2 20h and 28h, ICW3 4 and 2, ICW4 1 to \
         ports 20h/21h and A0h/A1h), and mask the lines you don't handle.",
    )
    .say(
        "The BIOS leaves IRQ 0-7 at vectors 8-15, which in protected mode belong to exceptions. \
         An interrupt from outside pushes no error code, even through vector 8.",
    );
    if let Some(pic) = scene.pic {
        finding = finding
            .wrong("master 8259A base", format!("{:#04X}", pic.base[0]))
            .show("masks", format!("{:02X} {:02X}", pic.imr[0], pic.imr[1]));
    }
    Some(finding)
}

/// Row 9: a line stays in service because nobody said EOI.
#[must_use]
pub fn eoi_missing(scene: &Scene<'_>) -> Option<Finding> {
    let pic = scene.pic?;
    if !matches!(scene.ending, Ending::HaltedForEver | Ending::Spinning | Ending::Stopped) {
        return None;
    }
    let waits = scene.state.flag(Eflags::IF);
    let (irq, delivery) = pic.in_service().find_map(|irq| {
        let delivery = scene.history.last_external(pic.vector(irq));
        let returned = delivery.is_some_and(|d| d.returned.is_some());
        (returned || (waits && delivery.is_some())).then_some((irq, delivery?))
    })?;
    let end = match delivery.returned {
        Some(_) => "the handler returned without an EOI",
        None => "its handler opened interrupts again without an EOI",
    };
    let port = if irq < 8 { "OUT 20h, 20h" } else { "OUT A0h, 20h and OUT 20h, 20h" };
    let finding = Finding::new(
        "eoi-missing",
        format!("IRQ {irq} in service since step {}; {end}", delivery.step),
        "vol. 3A, 6.3.1; 8259A data sheet, OCW2",
        &format!("End every handler of this line with {port} before its IRET."),
    )
    .say(format!(
        "While a line is in service the 8259A holds back that line and all of lower priority: \
         after its first interrupt IRQ {irq} never came again."
    ))
    .wrong("in service (ISR)", format!("{:02X} {:02X}", pic.isr[0], pic.isr[1]))
    .show("requests (IRR)", format!("{:02X} {:02X}", pic.irr[0], pic.irr[1]))
    .show("masks (IMR)", format!("{:02X} {:02X}", pic.imr[0], pic.imr[1]))
    .show("handler", scene.place(&delivery.to));
    Some(match delivery.returned {
        Some(step) => finding.show("returned", format!("by IRET at step {step}")),
        None => finding,
    })
}
