//! The report of a difference, which fits on a screen: what differs, both states, and the block with
//! its host code.

use jit::emit::Kind;
use jit::listing::Entry;
use jit::survey::Translated;
use std::fmt;
use x86::State;
use x86::segment::SegReg;

/// Name, in the first way, in the second.
pub type Difference = (String, String, String);

/// Differences shown.
const SHOWN: usize = 8;
/// Lines of a block shown.
const BLOCK_LINES: usize = 22;

/// Two ways of running that came to different states.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The last step at which both were equal.
    pub equal_at: u64,
    /// The step at which they weren't.
    pub step: u64,
    /// Seen again on the way from a checkpoint, so that `step` is the first that differs.
    pub is_exact: bool,
    /// The block that ran first after both were equal, if it was translated.
    pub block: Option<Box<Translated>>,
    /// The step before that block, if it was seen to make the difference.
    pub block_at: Option<u64>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// The two ways of running.
    pub ways: [&'static str; 2],
    /// The state in the first way.
    pub first: Box<State>,
    /// The state in the second.
    pub second: Box<State>,
    /// The instructions from where both were equal.
    pub code: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "lockstep: {} and {} differ at step {} (equal at step {})",
            self.ways[0], self.ways[1], self.step, self.equal_at
        )?;
        match (self.is_exact, self.block_at) {
            (true, _) => {}
            (false, Some(_)) => writeln!(
                f,
                "one instruction at a time it doesn't show: the block as a whole makes it"
            )?,
            (false, None) => {
                writeln!(f, "it didn't show again from a checkpoint: something cached made it")?;
            }
        }
        writeln!(f, "{:<14} {:>28} {:>28}", "", self.ways[0], self.ways[1])?;
        for (name, left, right) in self.differences.iter().take(SHOWN) {
            writeln!(f, "{name:<14} {left:>28} {right:>28}")?;
        }
        if let Some(more) = self.differences.len().checked_sub(SHOWN).filter(|n| *n > 0) {
            writeln!(f, "and {more} more")?;
        }
        for (way, state) in self.ways.iter().zip([&self.first, &self.second]) {
            let [one, other] = registers(state);
            writeln!(f, "{way:<14} {one}\n{:<14} {other}", "")?;
        }
        let Some(block) = &self.block else {
            writeln!(f, "from where both were equal:")?;
            return self.code.iter().try_for_each(|line| writeln!(f, "  {line}"));
        };
        let culprit = self.block_at.filter(|_| self.is_exact).map(|at| self.equal_at - at);
        self::block(block, culprit).iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The registers that a person looks at first.
fn registers(state: &State) -> [String; 2] {
    let named = |names: [&str; 4], from: usize| {
        let pairs = names.iter().zip(&state.gpr[from..]);
        pairs.map(|(name, value)| format!("{name} {value:08x}")).collect::<Vec<_>>().join("  ")
    };
    let (eip, flags) = (state.eip(), state.eflags());
    [
        format!("{}  EIP {eip:08x}", named(["EAX", "ECX", "EDX", "EBX"], 0)),
        format!("{}  EFLAGS {flags:08x}", named(["ESP", "EBP", "ESI", "EDI"], 4)),
    ]
}

/// A block: the instruction of this number with its host code and the others without, or all with
/// theirs where none is known to be the culprit.
fn block(block: &Translated, culprit: Option<u64>) -> Vec<String> {
    let physical = block.physical.first().map_or(0, |at| at.0);
    let (bits, count) = (if block.is_32bit { 32 } else { 16 }, block.listing.entries.len());
    let mut lines = vec![format!(
        "the block at EIP {:08x} (physical {physical:x}), {count} instructions, {bits}-bit, host \
         +{:x}h:",
        block.eip, block.host
    )];
    for (n, entry) in (0..).zip(&block.listing.entries) {
        let is_culprit = culprit == Some(n);
        let mark = if is_culprit { '>' } else { ' ' };
        lines.push(format!("{mark} {:08x}  {:<36} {}", entry.eip, entry.guest, kind(entry)));
        if is_culprit || culprit.is_none() {
            lines.extend(entry.host.iter().map(|line| format!("                  {line}")));
        }
    }
    let marked = lines.iter().position(|line| line.starts_with('>')).unwrap_or(0);
    let from = marked.saturating_sub(BLOCK_LINES / 3).max(1);
    let until = lines.len().min(from + BLOCK_LINES);
    let mut shown = vec![lines[0].clone()];
    shown.extend_from_slice(&lines[from..until]);
    if until < lines.len() {
        shown.push(format!("  and {} more lines", lines.len() - until));
    }
    shown
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Rewritten => "re-encoded",
        Kind::Expanded => "expanded",
        Kind::Callout => "callout",
    }
}

/// Every field of a state, as text.
pub(super) fn fields(state: &State) -> Vec<(String, String)> {
    const NAMES: [&str; 8] = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
    for (name, value) in NAMES.iter().zip(&state.gpr) {
        add(name, format!("{value:08x}"));
    }
    add("EIP", format!("{:08x}", state.rip));
    add("EFLAGS", format!("{:08x}", state.eflags()));
    for s in SegReg::ALL {
        add(s.name(), segment(state.segment(s)));
    }
    add("LDTR", segment(&state.ldtr));
    add("TR", segment(&state.tr));
    add("GDTR", format!("{:08x}+{:x}", state.gdtr.base, state.gdtr.limit));
    add("IDTR", format!("{:08x}+{:x}", state.idtr.base, state.idtr.limit));
    for (name, value) in
        [("CR0", state.cr0), ("CR2", state.cr2), ("CR3", state.cr3), ("CR4", state.cr4)]
    {
        add(name, format!("{value:08x}"));
    }
    for (i, value) in state.dr.iter().enumerate() {
        add(&format!("DR{i}"), format!("{value:08x}"));
    }
    add("PDPTE", format!("{:x?}", state.pdpte));
    add("MSR", format!("{:x?}", state.msr));
    add("CPL", state.cpl.to_string());
    add("shadow", format!("{:?}", state.shadow));
    add("activity", format!("{:?}", state.activity));
    add("NMI", format!("masked {}, pending {}", state.nmi_masked, state.nmi_pending));
    add("debug", format!("{:x}", state.pending_debug));
    add("FPU", fpu(&state.fpu));
    for (i, r) in state.fpu.regs.iter().enumerate() {
        add(&format!("R{i}"), format!("{:04x}:{:016x}", r.sign_exponent, r.significand));
    }
    for (i, value) in state.xmm.iter().enumerate() {
        add(&format!("XMM{i}"), format!("{value:032x}"));
    }
    add("MXCSR", format!("{:x}", state.mxcsr));
    all
}

/// Control, status, full registers, opcode, instruction pointer, data pointer.
fn fpu(f: &x86::Fpu) -> String {
    let pointers = format!("{:04x}:{:08x} {:04x}:{:08x}", f.cs, f.ip, f.ds, f.dp);
    format!("{:04x} {:04x} {:02x} {:03x} {pointers}", f.control, f.status, f.full, f.opcode)
}

fn segment(s: &x86::Segment) -> String {
    format!("{:04x} {:08x}+{:x} {:04x}", s.selector.0, s.base, s.limit, s.attrs)
}
