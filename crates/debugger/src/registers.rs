//! The registers as text, as a debugger shows them.

use crate::words;
use x86::State;
use x86::segment::{SegReg, Segment};
use x86::state::gpr;

const NAMES: [(&str, usize); 8] = [
    ("EAX", gpr::EAX),
    ("EBX", gpr::EBX),
    ("ECX", gpr::ECX),
    ("EDX", gpr::EDX),
    ("ESI", gpr::ESI),
    ("EDI", gpr::EDI),
    ("EBP", gpr::EBP),
    ("ESP", gpr::ESP),
];

/// All registers that matter when looking for a mistake, as lines without newlines.
#[must_use]
pub fn text(state: &State) -> Vec<String> {
    let mut lines: Vec<String> = NAMES
        .chunks(4)
        .map(|row| {
            let cells = row.iter().map(|(name, n)| format!("{name} {:08X}", state.reg32(*n)));
            format!("  {}", cells.collect::<Vec<_>>().join("  "))
        })
        .collect();
    let eflags = state.eflags();
    lines.push(format!(
        "  EIP {:08X}  EFLAGS {eflags:08X} ({})  CPL {}",
        state.eip(),
        words::flags(eflags),
        state.cpl
    ));
    for reg in [SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs] {
        lines.push(segment(reg.name(), state.segment(reg)));
    }
    lines.push(segment("TR", &state.tr));
    lines.push(segment("LDTR", &state.ldtr));
    lines.push(format!(
        "  GDTR {:08X} limit {:04X}   IDTR {:08X} limit {:04X}",
        state.gdtr.base, state.gdtr.limit, state.idtr.base, state.idtr.limit
    ));
    lines.push(format!(
        "  CR0 {:08X}  CR2 {:08X}  CR3 {:08X}  CR4 {:08X}  EFER {:X}",
        state.cr0, state.cr2, state.cr3, state.cr4, state.msr.efer
    ));
    lines
}

fn segment(name: &str, s: &Segment) -> String {
    let attrs = s.attrs;
    let kind = words::kind(x86::Descriptor(u64::from(attrs) << 40));
    let kind = if attrs == 0 { "unusable".into() } else { kind };
    format!(
        "  {name:<4} {:04X}  base {:08X}  limit {:08X}  DPL {}  {kind}",
        s.selector.0,
        s.base,
        s.limit,
        s.dpl()
    )
}
