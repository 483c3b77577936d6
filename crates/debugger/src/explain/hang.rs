//! Guests that will never do anything again: HLT with interrupts off, HLT with every line
//! masked, a jump to itself (SDM 2 HLT; SDM 3A 6.8.1).

use super::finding::Finding;
use crate::scene::{Ending, Scene};
use crate::words;
use x86::event::Source;
use x86::{Cause, Eflags};

/// Row 14a: HLT with IF=0.
#[must_use]
pub fn halted(scene: &Scene<'_>) -> Option<Finding> {
    if scene.ending != Ending::HaltedForEver {
        return None;
    }
    let at = scene.place(&scene.state.place());
    if scene.state.flag(Eflags::IF) {
        return Some(nothing_comes(scene, &at));
    }
    let finding = Finding::new(
        "hlt-with-if-0",
        "HLT with IF=0: nothing can wake this CPU but NMI or reset",
        "vol. 2, HLT; vol. 3A, 6.8.1",
        "If the machine should wait for interrupts, execute STI right before HLT; if this is the \
         end, power off (port 604h) instead.",
    )
    .show("stopped at", at)
    .wrong("EFLAGS", format!("{:08X}: IF=0", scene.state.eflags()));
    Some(why_if_is_0(scene, finding))
}

/// Interrupt gates clear IF: a HLT inside a handler sleeps with interrupts off.
fn why_if_is_0(scene: &Scene<'_>, finding: Finding) -> Finding {
    let Some(open) = scene.history.open_delivery() else { return finding };
    finding.say(format!(
        "The handler of {} (entered at step {}) hasn't returned; an interrupt gate clears IF.",
        words::vector(open.vector),
        open.step
    ))
}

fn nothing_comes(scene: &Scene<'_>, at: &str) -> Finding {
    let finding = Finding::new(
        "hlt-without-interrupts",
        "HLT with IF=1, but no interrupt can come: no unmasked line has anything to raise",
        "vol. 2, HLT; 8259A data sheet, OCW1",
        "Unmask the line you wait for in the 8259A (ports 21h and A1h), and make its device \
         raise it.",
    )
    .show("stopped at", at);
    match scene.pic {
        Some(pic) => finding
            .wrong("masks (IMR)", format!("{:02X} {:02X}", pic.imr[0], pic.imr[1]))
            .show("requests (IRR)", format!("{:02X} {:02X}", pic.irr[0], pic.irr[1])),
        None => finding,
    }
}

/// A jump to itself with interrupts off.
#[must_use]
pub fn spinning(scene: &Scene<'_>) -> Option<Finding> {
    if scene.ending != Ending::Spinning {
        return None;
    }
    let place = scene.state.place();
    let headline = format!(
        "the instruction at {} jumps to itself with interrupts off: it will do so for ever",
        scene.place(&place)
    );
    let finding = Finding::new(
        "spin-with-if-0",
        headline,
        "vol. 2, JMP; vol. 3A, 6.8.1",
        "If this is where your kernel ends, all is well: power off (port 604h) or HLT instead. \
         If it should wait for interrupts, execute STI first.",
    )
    .wrong("EFLAGS", format!("{:08X}: IF=0", scene.state.eflags()));
    let bytes = scene.bytes::<2>(scene.linear_of(&place));
    Some(why_if_is_0(scene, finding.show("bytes", words::hex(&bytes))))
}

/// The exception whose handler is still open: what a kernel that panics and halts died of.
#[must_use]
pub fn open_exception(scene: &Scene<'_>) -> Option<crate::scene::Link> {
    let open = scene
        .history
        .deliveries()
        .find(|d| d.returned.is_none() && matches!(d.source, Source::Exception) && d.vector != 1)?;
    let vector = x86::fault::vector_name(open.vector)?;
    let fault = x86::Fault { vector, code: open.error_code.unwrap_or(0) };
    let why = if open.why == Cause::None { scene.last_cause } else { open.why };
    Some(crate::scene::Link { fault, why, at: open.from, cr2: scene.state.cr2 as u32 })
}
