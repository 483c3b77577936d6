//! Mistakes of stacks and frames: no stack for ring 0 in the TSS, an IRET frame that contradicts
//! itself, an error code left on the stack (SDM 3A 6.12.1, 6.13, 7.2.1; SDM 2 IRET).

use super::finding::{Field, Finding};
use crate::history::Delivery;
use crate::scene::{Link, Scene};
use crate::sentence;
use crate::words;
use x86::cause::{Check, Origin};
use x86::event::{Event, Source, Via};
use x86::fault::Vector;
use x86::paging::AccessKind;
use x86::segment::{SegReg, system_type};
use x86::tss::{tss16, tss32};
use x86::{Cause, LinAddr, Selector};

const TSS_CURE: &str = "Before the first entry to ring 3 give the TSS SS0 (a writable ring-0 data \
                        selector) and ESP0 (the top of a kernel stack), put its descriptor into \
                        the GDT, and load TR with LTR.";

/// The stack of a ring as the current TSS holds it.
struct TssStack {
    at: LinAddr,
    ss: Option<u16>,
    esp: Option<u32>,
}

fn tss_stack(scene: &Scene<'_>, ring: u8) -> TssStack {
    let tr = &scene.state.tr;
    let ring = u64::from(ring);
    let kind = (tr.attrs & 15) as u8;
    if matches!(kind, system_type::TSS16 | system_type::TSS16_BUSY) {
        let at = LinAddr(tr.base).add32(u64::from(tss16::SP0) + 4 * ring);
        return TssStack { at, ss: scene.half(at.add32(2)), esp: scene.half(at).map(u32::from) };
    }
    let at = LinAddr(tr.base).add32(u64::from(tss32::ESP0) + 8 * ring);
    TssStack { at, ss: scene.half(at.add32(4)), esp: scene.word(at) }
}

/// Row 5: ring 3 to ring 0 without a stack in the TSS.
#[must_use]
pub fn no_tss_stack(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let (ring, headline) = match link.why {
        Cause::Selector { selector, descriptor, table_limit, check, origin, cpl } => {
            let Origin::TssStack(ring) = origin else { return None };
            let what = format!("TSS.SS{ring}");
            let headline = if check == Check::NullSelector {
                format!("{what} is 0: the kernel stack was never set")
            } else if scene.state.tr.selector.is_null() {
                format!("no TSS was ever loaded, so ring {ring} has no stack: LTR is missing")
            } else {
                let wrong = sentence::selector_check(check, selector, descriptor, table_limit, cpl);
                format!("{what} = {:#06X} {wrong}", selector.0)
            };
            (ring, headline)
        }
        Cause::TssStack { selector, ring, offset, limit } => (
            ring,
            format!(
                "the TSS {:#06X} is too short to hold the stack of ring {ring}: its limit is \
                 {limit:#X}, the field lies at {offset:#X}",
                selector.0
            ),
        ),
        _ => (0, bad_esp0(scene, link)?),
    };
    let stack = tss_stack(scene, ring);
    let tr = &scene.state.tr;
    let number = |n: Option<u32>| n.map_or_else(|| "can't be read".into(), |n| format!("{n:08X}"));
    let mut finding = Finding::new("tss-no-stack", headline, "vol. 3A, 6.12.1 and 7.2.1", TSS_CURE)
        .show(
            "TR",
            format!(
                "{}, base {:08X}, limit {:#X}",
                words::selector(tr.selector),
                tr.base,
                tr.limit
            ),
        )
        .wrong(
            format!("TSS.SS{ring} at {:08X}", stack.at.add32(4)),
            number(stack.ss.map(u32::from)),
        )
        .wrong(format!("TSS.ESP{ring} at {:08X}", stack.at), number(stack.esp));
    if tr.selector.is_null() {
        finding = finding.say(
            "TR was never loaded (no LTR), so the processor took whatever lies at its reset base.",
        );
    }
    Some(finding.say(
        "An interrupt in ring 3 switches to the stack that the TSS holds for ring 0 before \
         anything is pushed.",
    ))
}

/// SS0 is good, but the pushes below ESP0 fault.
fn bad_esp0(scene: &Scene<'_>, link: &Link) -> Option<String> {
    if link.at.ring == 0 {
        return None;
    }
    let esp = tss_stack(scene, 0).esp?;
    let offset = match link.why {
        Cause::Page { addr, kind: AccessKind::Write, user: false, .. } => addr.0 as u32,
        Cause::Limit { segment: SegReg::Ss, offset, .. } => offset,
        _ => return None,
    };
    let below = esp.wrapping_sub(offset);
    (1..=0x40).contains(&below).then(|| {
        format!("TSS.ESP0 is {esp:#010X}: ring 0's stack isn't memory that can be written")
    })
}

/// Not in the catalogue, but common: ring 0's own stack isn't mapped, so that no fault can be
/// delivered at all.
#[must_use]
pub fn stack_unmapped(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Page { addr, kind: AccessKind::Write, user: false, .. } = link.why else {
        return None;
    };
    let top = scene.in_segment(SegReg::Ss, link.at.esp);
    let below = (top.0 as u32).wrapping_sub(addr.0 as u32);
    if link.at.ring != 0 || !(1..=0x40).contains(&below) {
        return None;
    }
    let finding = Finding::new(
        "stack-unmapped",
        format!("the kernel's stack isn't mapped for writing: ESP is {:#010X}", link.at.esp),
        "vol. 3A, 6.12.1 and 6.15, interrupt 14",
        "Map the stack's pages before paging goes on, and give it room: a stack that grows over \
         its end dies in just this way. A task gate for vector 8 would bring a fresh stack.",
    )
    .say(
        "In ring 0 a fault is delivered on the stack in use: where that can't be written, the \
         delivery faults too, and so does that of the double fault.",
    );
    Some(
        finding
            .wrong("ESP", format!("{:08X}", link.at.esp))
            .show("CR2", format!("{:08X}", link.cr2)),
    )
}

/// Row 6: an IRET (or far RET) whose frame contradicts itself.
#[must_use]
pub fn iret_mismatch(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    if !matches!(link.why, Cause::IretFrame { .. } | Cause::Selector { .. }) {
        return None;
    }
    let found = scene.return_at(&link.at)?;
    let word = |index| scene.stack_word(&link.at, index, found.size);
    let name = if found.iret { "IRET" } else { "far RET" };
    let (eip, cs) = (word(0)?, Selector(word(1)? as u16));
    let ss_index = if found.iret { 4 } else { 3 };
    let outward = cs.rpl() > link.at.ring;
    let ss = if outward { word(ss_index).map(|w| Selector(w as u16)) } else { None };
    let headline = mismatch(link, cs, ss, name)?;
    let mut finding = Finding::new(
        "iret-frame",
        headline,
        "vol. 2, IRET; vol. 3A, 5.8.6",
        "For a return to ring 3 push, in this order: SS with RPL 3, ESP, EFLAGS, CS with RPL 3, \
         EIP; both selectors name ring-3 descriptors (DPL 3), such as 0x23 and 0x1B.",
    )
    .show(format!("EIP at SS:{:08X}", link.at.esp), format!("{eip:08X}"));
    finding = finding.wrong("CS", describe(scene, cs));
    if let Some(ss) = ss {
        finding = finding.wrong("SS", describe(scene, ss));
    }
    Some(finding.show("CPL", link.at.ring.to_string()))
}

fn describe(scene: &Scene<'_>, s: Selector) -> String {
    let d = scene.descriptor(s).map_or_else(|| "no descriptor".into(), words::descriptor);
    format!("{}: {d}", words::selector(s))
}

fn mismatch(link: &Link, cs: Selector, ss: Option<Selector>, name: &str) -> Option<String> {
    let generic = || sentence::cause(&link.why).map(|text| format!("{name} can't return: {text}"));
    let Cause::Selector { selector, descriptor, check, .. } = link.why else { return generic() };
    match (check, ss) {
        (_, Some(ss)) if ss.rpl() != cs.rpl() => Some(format!(
            "{name}: SS {:#04X} has RPL {}, the return CS {:#04X} has RPL {}",
            ss.0,
            ss.rpl(),
            cs.0,
            cs.rpl()
        )),
        (Check::StackPrivilege | Check::Privilege | Check::Rpl, _) => Some(format!(
            "{name}: selector {:#04X} has RPL {}, its descriptor DPL {}; the return CS {:#04X} \
             has RPL {}",
            selector.0,
            selector.rpl(),
            descriptor.dpl(),
            cs.0,
            cs.rpl()
        )),
        (Check::ReturnInward, _) => Some(format!(
            "{name}: the return CS {:#04X} has RPL {}, but CPL is {}: a return never goes inward",
            cs.0,
            cs.rpl(),
            link.at.ring
        )),
        _ => generic(),
    }
}

/// Row 7: an error code left on the stack, which IRET took for EIP: the IRET is what faulted.
#[must_use]
pub fn error_code_left(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let (delivery, code) = shifted_at_fault(scene, link)?;
    Some(error_code_finding(delivery, code))
}

/// Row 7, seen in the past: the IRET went through to a wild place, or faulted again and again.
#[must_use]
pub fn error_code_left_before(scene: &Scene<'_>) -> Option<Finding> {
    let (delivery, code) = shifted_return(scene).or_else(|| shifted_again(scene))?;
    Some(error_code_finding(delivery, code))
}

fn error_code_finding(delivery: &Delivery, code: u16) -> Finding {
    let mnemonic =
        x86::fault::vector_name(delivery.vector).map_or("the exception", Vector::mnemonic);
    let eip = delivery.from.eip;
    Finding::new(
        "error-code-not-popped",
        format!(
            "the frame is shifted by one word: vector {}'s handler must drop the error code",
            delivery.vector
        ),
        "vol. 3A, 6.13",
        "Add 4 to ESP (ADD ESP, 4) after restoring the registers and before IRET, in the \
         handlers of vectors 8, 10-14 and 17; push a dummy zero in all others if they share \
         their exit.",
    )
    .say(format!(
        "{mnemonic} pushes an error code below EIP, and IRET doesn't remove it: it took the error \
         code for EIP, EIP for CS, and CS for EFLAGS."
    ))
    .show("delivered", format!("{} at step {}", words::vector(delivery.vector), delivery.step))
    .wrong("popped as EIP", format!("{code:08X}, the error code"))
    .wrong("popped as CS", format!("{:04X}, the low half of the saved EIP {eip:08X}", eip & 0xFFFF))
}

/// The fault is an IRET's own, with the shifted frame still on the stack.
fn shifted_at_fault<'a>(scene: &Scene<'a>, link: &Link) -> Option<(&'a Delivery, u16)> {
    let found = scene.return_at(&link.at).filter(|r| r.iret)?;
    let top = scene.stack_word(&link.at, 0, found.size)?;
    let next = scene.stack_word(&link.at, 1, found.size)?;
    let mask = if found.size == 2 { 0xFFFF } else { u32::MAX };
    scene.history.deliveries().take(8).find_map(|d| {
        let code = d.error_code?;
        let shifted = top == u32::from(code) && next == d.from.eip & mask;
        shifted.then_some((d, code))
    })
}

/// The IRET went through: the last crossings show a return to EIP = error code.
fn shifted_return<'a>(scene: &Scene<'a>) -> Option<(&'a Delivery, u16)> {
    let returns = scene.history.crossings().rev().filter_map(|r| match &r.event {
        Event::Transfer(t) if t.via == Via::Iret => Some(t),
        _ => None,
    });
    returns.take(2).find_map(|t| {
        scene.history.deliveries().take(8).find_map(|d| {
            let code = d.error_code?;
            let shifted =
                t.to.eip == u32::from(code) && u32::from(t.to.cs.0) == d.from.eip & 0xFFFF;
            shifted.then_some((d, code))
        })
    })
}

/// The IRET faulted, and that fault was delivered: it complains of a selector that is the saved
/// EIP, and interrupted the stack just where the first delivery left it.
fn shifted_again<'a>(scene: &Scene<'a>) -> Option<(&'a Delivery, u16)> {
    let deliveries: Vec<&Delivery> = scene.history.deliveries().collect();
    deliveries.windows(2).find_map(|pair| {
        let (second, first) = (pair[0], pair[1]);
        let code = first.error_code?;
        let selector = Selector((first.from.eip & 0xFFFF) as u16).error();
        let shifted = second.source == Source::Exception
            && second.error_code == Some(selector)
            && (second.from.ss, second.from.esp) == (first.to.ss, first.to.esp)
            && scene.return_at(&second.from).is_some_and(|r| r.iret);
        shifted.then_some((first, code))
    })
}

/// The field of a descriptor that a check was about.
#[must_use]
pub const fn field_of(check: Check) -> Field {
    match check {
        Check::NotPresent => Field::Present,
        Check::Privilege | Check::StackPrivilege | Check::TargetPrivilege | Check::Rpl => {
            Field::Dpl
        }
        Check::TssTooShort | Check::TargetOffset => Field::Limit,
        _ => Field::Type,
    }
}
