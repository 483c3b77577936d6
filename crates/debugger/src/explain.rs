//! The fault explainer: from the evidence the processor kept to the sentence a student needs.
//!
//! Every mistake of the catalogue is one small rule, a function from the scene (and a link of
//! the fault chain) to a [`Finding`]. The rules are asked in order, the particular before the
//! general; what none of them knows gets an honest sentence made from the evidence alone.
//!
//! | id | the mistake |
//! |---|---|
//! | `idt-empty-or-short` | no gate for the vector: the IDT is empty, too short or never loaded |
//! | `idt-gate-wrong` | a gate of a wrong type, or not present |
//! | `int-gate-dpl` | INT n from an outer ring through a gate whose DPL forbids it |
//! | `idt-gate-target` | a gate whose selector is null, no code, or not present |
//! | `tss-no-stack` | no stack for the inner ring in the TSS |
//! | `iret-frame` | a return whose frame contradicts itself |
//! | `error-code-not-popped` | IRET took an error code for EIP |
//! | `pic-not-remapped` | an IRQ came as an exception's vector |
//! | `eoi-missing` | a line stays in service |
//! | `paging-eip-unmapped` | the next instruction isn't mapped |
//! | `page-parent-denies` | an upper entry denies what the leaf allows |
//! | `page-table-address` | CR3 or an entry points outside RAM |
//! | `no-far-jump-after-pe` | protected mode with real mode's CS |
//! | `hlt-with-if-0`, `hlt-without-interrupts`, `spin-with-if-0` | nothing can wake the processor |
//! | `tss-busy` | LTR of a TSS that is busy |
//! | `sysenter-cs-zero` | SYSENTER before its MSRs were written |
//! | `long-mode` | a 64-bit guest |
//! | `page-rights`, `privileged-instruction`, `stack-unmapped` | common, beside the catalogue |
//! | `fault` | anything else, told from its evidence |

mod finding;
mod hang;
mod idt;
mod irq;
mod mode;
mod paging;
mod render;
mod stack;
mod story;

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod tests;

pub use finding::{Evidence, Finding};

use crate::scene::{Ending, Link, Scene};
use serde::{Deserialize, Serialize};
use x86::Cause;
use x86::cause::OpcodeCheck;

/// Why a run ended as it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was most likely wrong.
    #[serde(flatten)]
    pub finding: Finding,
    /// From the first fault to the end, one sentence a step.
    pub story: Vec<String>,
    /// Other mistakes that were seen on the way.
    pub related: Vec<Finding>,
}

type LinkRule = fn(&Scene<'_>, &Link) -> Option<Finding>;
type SceneRule = fn(&Scene<'_>) -> Option<Finding>;

/// Rules about one fault, the particular first.
const LINK_RULES: &[LinkRule] = &[
    stack::error_code_left,
    irq::not_remapped,
    paging::bad_pointer,
    paging::eip_unmapped,
    stack::no_tss_stack,
    stack::stack_unmapped,
    paging::parent_denies,
    mode::busy_tss,
    mode::sysenter_cs,
    idt::empty_or_short,
    idt::wrong_gate,
    idt::gate_privilege,
    idt::gate_target,
    stack::iret_mismatch,
    mode::privileged,
];

/// Rules about runs that didn't end in a shutdown: what is wrong stands before where it led.
const ENDING_RULES: &[SceneRule] = &[
    mode::long_mode,
    stack::error_code_left_before,
    irq::eoi_missing,
    irq::came_as_exception,
    stale_cs,
    panicked,
    hang::halted,
    hang::spinning,
    plain_panic,
];

/// Explains how a run ended. `None` where there is nothing to explain: it ended well, or it was
/// stopped from outside and nothing looks wrong.
#[must_use]
pub fn explain(scene: &Scene<'_>) -> Option<Explanation> {
    match scene.ending {
        Ending::Shutdown => Some(shutdown(scene)),
        Ending::Well => None,
        _ => ended(scene),
    }
}

/// What is to be said about one fault, recognized or not.
#[must_use]
pub fn explain_fault(scene: &Scene<'_>, link: &Link) -> Finding {
    recognize(scene, link).unwrap_or_else(|| unknown(scene, link))
}

fn recognize(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    LINK_RULES.iter().find_map(|rule| rule(scene, link))
}

fn shutdown(scene: &Scene<'_>) -> Explanation {
    let story = story::tell(scene);
    let mut found: Vec<Finding> = Vec::new();
    // Whatever died with the CS of real mode died of that.
    add(&mut found, mode::no_far_jump(scene));
    add(&mut found, stack::error_code_left_before(scene));
    let first = scene.chain.first();
    if first.and_then(|link| scene.return_at(&link.at)).is_some_and(|r| r.iret) {
        // An IRQ's handler that drops an error code which no IRQ pushes dies at its IRET.
        add(&mut found, irq::came_as_exception(scene));
    }
    let told = !found.is_empty();
    let recognized = first.and_then(|link| recognize(scene, link));
    let plain = first.filter(|_| recognized.is_none()).map(|link| unknown(scene, link));
    add(&mut found, recognized);
    add(&mut found, irq::came_as_exception(scene));
    for link in scene.chain.iter().skip(1) {
        add(&mut found, recognize(scene, link));
    }
    if let Some(plain) = plain {
        found = with_plain_fault(plain, found, told);
    }
    let mut found = found.into_iter();
    let finding = found.next().unwrap_or_else(nothing_known);
    Explanation { finding, story, related: found.collect() }
}

/// Adds a finding, unless one of the same kind is there.
fn add(found: &mut Vec<Finding>, finding: Option<Finding>) {
    found.extend(finding.filter(|f| found.iter().all(|other| other.id != f.id)));
}

/// The first fault is nothing special; what stood in the way of its handler is: both belong in
/// the headline, unless the mistake was `told` from the history.
fn with_plain_fault(plain: Finding, mut found: Vec<Finding>, told: bool) -> Vec<Finding> {
    let Some(worst) = found.first_mut() else { return vec![plain] };
    if !told {
        worst.headline = format!("{}; then {}", plain.headline, worst.headline);
    }
    found.insert(1, plain);
    found
}

fn ended(scene: &Scene<'_>) -> Option<Explanation> {
    let mut found = Vec::new();
    for rule in ENDING_RULES {
        add(&mut found, rule(scene));
        if scene.ending == Ending::LongMode {
            break;
        }
    }
    let mut found = found.into_iter();
    let finding = found.next()?;
    Some(Explanation { finding, story: story::tell(scene), related: found.collect() })
}

/// A guest that somebody stopped may be between setting PE and its far jump.
fn stale_cs(scene: &Scene<'_>) -> Option<Finding> {
    (scene.ending != Ending::Stopped).then(|| mode::no_far_jump(scene)).flatten()
}

/// The exception whose handler hangs, if a rule knows it: what a kernel that panics died of.
fn panicked(scene: &Scene<'_>) -> Option<Finding> {
    let link = hang::open_exception(scene)?;
    recognize(scene, &link).map(never_returned)
}

/// The same where no rule knows it.
fn plain_panic(scene: &Scene<'_>) -> Option<Finding> {
    let link = hang::open_exception(scene)?;
    let known = recognize(scene, &link).is_some();
    (!known).then(|| never_returned(unknown(scene, &link)))
}

fn never_returned(mut finding: Finding) -> Finding {
    finding.details.insert(0, "The handler of this exception never returned.".into());
    finding
}

/// The honest sentence about a fault that no rule knows.
fn unknown(scene: &Scene<'_>, link: &Link) -> Finding {
    let vector = link.fault.vector;
    let what = crate::words::fault(link.fault);
    let place = scene.place(&link.at);
    let headline = match crate::sentence::cause(&link.why) {
        Some(text) => format!("{what} at {place}: {text}"),
        None => format!("{what} ({}) at {place}", crate::words::meaning(vector)),
    };
    let manual = format!("vol. 3A, 6.15, interrupt {}", vector as u8);
    let mut finding = Finding::new("fault", headline, &manual, cure(&link.why));
    if let Cause::Page { entry_addr, entry, level, .. } = link.why {
        finding = finding
            .show("CR2", format!("{:08X}", link.cr2))
            .wrong(format!("{} at {entry_addr:08X}", level.name()), format!("{entry:08X}"));
    }
    if let Cause::Selector { selector, descriptor, check, .. } = link.why {
        let field = stack::field_of(check);
        let what = format!("descriptor {:04X}", selector.0);
        finding = finding.show_descriptor(&what, descriptor, &[field]);
    }
    finding
}

/// What helps most often, by kind of evidence.
const fn cure(why: &Cause) -> &'static str {
    match why {
        Cause::Selector { .. } => "Compare the selector with the GDT: index, RPL, type, P, DPL.",
        Cause::Limit { .. } => {
            "Give the segment a limit that covers the access, or fix the address."
        }
        Cause::Access { .. } => "Load the segment register with a selector fit for this access.",
        Cause::Page { .. } => "Map the page with the rights needed, or fix the pointer.",
        Cause::Opcode { why: OpcodeCheck::NotEnabled, .. } => {
            "Clear CR0.EM and set CR4.OSFXSR and CR4.OSXMMEXCPT before using SSE."
        }
        Cause::Opcode { .. } => {
            "Look how execution came here: a wild jump or return is likelier \
                                 than a wrong instruction."
        }
        Cause::Divide { .. } => {
            "Check the divisor, and clear or sign-extend EDX before DIV or IDIV."
        }
        Cause::Value { .. } => "Write only bits that this processor has, in a legal combination.",
        Cause::Io { .. } => "Let the kernel do the I/O, or allow the port in the TSS's bitmap.",
        Cause::Fpu { .. } => "Clear CR0.EM and CR0.TS before using the FPU.",
        Cause::Aligned16 { .. } => {
            "Align the operand to 16 bytes, or use MOVUPS or MOVDQU; is the stack aligned?"
        }
        Cause::Simd { .. } => "Mask the exception with LDMXCSR, or handle it and clear its flag.",
        Cause::Math { .. } => {
            "Mask the exception with FLDCW, or handle it: read FNSTSW, then FNCLEX."
        }
        _ => "Look at the instruction and the registers below.",
    }
}

fn nothing_known() -> Finding {
    Finding::new(
        "fault",
        "the processor shut down, and no evidence was kept",
        "vol. 3A, 6.15, interrupt 8",
        "Look at the last crossings and the registers below.",
    )
}
