//! Mistakes of paging: the next instruction isn't mapped, a parent entry denies what the leaf
//! allows, a virtual address where a physical one belongs (SDM 3A 4.3-4.7).

use super::finding::Finding;
use crate::scene::{Link, Scene};
use crate::sentence::access_noun;
use crate::walk::{Entry, walk};
use x86::cause::PageCheck;
use x86::paging::{AccessKind, Level, PteFlags};
use x86::{Cause, Cr0, LinAddr, PhysAddr};

/// Row 10: paging is on, and the code that turned it on isn't mapped.
#[must_use]
pub fn eip_unmapped(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Page { addr, kind: AccessKind::Fetch, why: PageCheck::NotPresent, .. } = link.why
    else {
        return None;
    };
    let refusing = walk(scene, addr).pop()?;
    let switched = just_switched(scene, addr);
    let headline = match switched {
        Some(_) => format!(
            "{} = {:#X}: the next instruction at {:#X} is unmapped",
            refusing.name(),
            refusing.value,
            addr.0
        ),
        None => format!(
            "{} = {:#X}: the code at {:#X} is unmapped",
            refusing.name(),
            refusing.value,
            addr.0
        ),
    };
    let mut finding = Finding::new(
        "paging-eip-unmapped",
        headline,
        "vol. 3A, 4.3 and 9.8.3",
        "Map the page of the code that turns paging on to itself (identity), jump to the high \
         half, and only then drop that mapping.",
    );
    if let Some(what) = switched {
        finding = finding.say(format!(
            "{what} was just executed. The very next fetch goes through the new tables, so the \
             code that is running must be mapped where it runs."
        ));
    }
    Some(tables(scene, finding, addr))
}

/// The bytes before an address say MOV CR0 or MOV CR3 (0F 22 /0, /3, register form).
fn just_switched(scene: &Scene<'_>, addr: LinAddr) -> Option<&'static str> {
    // Physical memory at the same address: code ran there unpaged, or mapped to itself.
    let mut before = [0; 3];
    let start = PhysAddr(addr.0.checked_sub(3)?);
    scene.memory.physical(start, &mut before);
    match before {
        [0x0F, 0x22, 0xC0..=0xC7] => Some("MOV to CR0, which set PG,"),
        [0x0F, 0x22, 0xD8..=0xDF] => Some("MOV to CR3"),
        _ => None,
    }
}

/// Row 11: a parent entry denies what the leaf allows.
#[must_use]
pub fn parent_denies(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Page { addr, kind, why, .. } = link.why else { return None };
    let (flag, letter) = match why {
        PageCheck::Supervisor => (PteFlags::USER, "U"),
        PageCheck::ReadOnly => (PteFlags::WRITE, "R/W"),
        _ => return None,
    };
    let entries = walk(scene, addr);
    let denies = |e: &&Entry| e.level != Level::Pdpte && !e.has(flag);
    let denier = entries.iter().find(denies)?;
    let leaf = entries.last()?;
    let (headline, cure) = if denier.level == Level::Pde
        && leaf.level == Level::Pte
        && leaf.has(flag)
    {
        (
            format!("denied by {}, {letter}=0; the PTE's {letter}=1 doesn't help", denier.name()),
            "A right must be granted at every level: set U/S and R/W in the page-directory entry \
             too, and keep the restriction in the page-table entries.",
        )
    } else {
        let noun = access_noun(kind);
        (
            format!("{} denies the {noun} at {:08X}: {letter}=0", denier.name(), addr.0),
            "Grant the right in every entry on the way to the page (U/S for ring 3, R/W for \
             writes), or fix the pointer that led there.",
        )
    };
    let id = if leaf.has(flag) { "page-parent-denies" } else { "page-rights" };
    let mut finding = Finding::new(id, headline, "vol. 3A, 4.6 and 4.7", cure)
        .show("error code", format!("{:#06X}", link.fault.code));
    for e in &entries {
        finding = entry(finding, e, denies(&e));
    }
    Some(finding)
}

/// Row 12: CR3 or an entry points outside memory, as a virtual address would.
#[must_use]
pub fn bad_pointer(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    if !scene.state.cr0().contains(Cr0::PG) {
        return None;
    }
    let addr = match link.why {
        Cause::Page { addr, .. } => addr,
        _ => scene.linear_of(&link.at),
    };
    let (what, value, points_to) = outside(scene, addr)?;
    let finding = Finding::new(
        "page-table-address",
        format!("{what} points to {points_to:#X}, outside RAM: a virtual address?"),
        "vol. 3A, 4.3",
        "CR3 and every page-table entry hold physical addresses: subtract the kernel's virtual \
         base from the address of the table before you store it.",
    )
    .say("Where no memory answers, a read gives ones, and the processor takes them for entries.");
    let cr3 = what == "CR3";
    let cr3_value = format!("{:08X}", scene.state.cr3);
    let finding = if cr3 { finding.wrong(what, cr3_value) } else { finding.show("CR3", cr3_value) };
    let read = walk(scene, addr);
    let honest = read.iter().take_while(|e| scene.memory.backed(e.addr));
    Some(honest.fold(finding, |finding, e| entry(finding, e, e.value == value)))
}

/// The first pointer on the way to an address that leads outside memory.
fn outside(scene: &Scene<'_>, addr: LinAddr) -> Option<(String, u64, PhysAddr)> {
    let cr3 = PhysAddr(scene.state.cr3 & 0xFFFF_F000);
    if !scene.memory.backed(cr3) {
        return Some(("CR3".into(), scene.state.cr3, PhysAddr(scene.state.cr3)));
    }
    let entries = walk(scene, addr);
    let tables = entries.windows(2).map(|pair| &pair[0]);
    let bad = tables.into_iter().find(|e| !scene.memory.backed(e.points_to));
    let reserved = || {
        let last = entries.last()?;
        let present = last.level != Level::Pte && last.has(PteFlags::PRESENT);
        (present && !scene.memory.backed(last.points_to)).then_some(last)
    };
    let e = bad.or_else(reserved)?;
    Some((e.name(), e.value, e.points_to))
}

/// Adds CR3 and the entries of a walk as evidence; the last entry is where it ended.
fn tables(scene: &Scene<'_>, finding: Finding, addr: LinAddr) -> Finding {
    let mut finding = finding.show("CR3", format!("{:08X}", scene.state.cr3));
    let entries = walk(scene, addr);
    for (index, e) in entries.iter().enumerate() {
        let refused = index + 1 == entries.len() && !e.has(PteFlags::PRESENT);
        finding = entry(finding, e, refused);
    }
    finding
}

fn entry(finding: Finding, e: &Entry, wrong: bool) -> Finding {
    let what = format!("{} at {:08X}", e.name(), e.addr);
    if wrong { finding.wrong(what, e.describe()) } else { finding.show(what, e.describe()) }
}
