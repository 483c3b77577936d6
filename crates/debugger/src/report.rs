//! The report of `--report FILE`: how a run ended and the whole architectural state, as JSON.
//!
//! # Schema `cloister-report-1`
//!
//! | key | meaning |
//! |---|---|
//! | `schema` | `"cloister-report-1"`; another number means other keys |
//! | `outcome` | how the run ended, in one word, as the front end names it |
//! | `status` | the exit status |
//! | `steps` | retired steps (instructions, REP iterations, deliveries) |
//! | `virtual_ns` | virtual time, nanoseconds |
//! | `cpu` | registers: see [`Cpu`] |
//! | `pic` | the two 8259A, master first: `base`, `imr`, `isr`, `irr`; or `null` |
//! | `screen` | the text screen, a string a row; or `null` |
//! | `explanation` | `id`, `headline`, `details`, `evidence` (`what`, `value`, `wrong`), `manual`, `cure`, `story`, `related`; or `null` |
//! | `chain` | the faults that led to a shutdown, oldest first: `fault`, `why`, `at`, `cr2` |
//! | `crossings` | the last crossings, as events of the trace schema, oldest first |
//! | `code` | the disassembly around the first fault or the end: `eip`, `bytes`, `text`, `here` |
//!
//! Register values are strings of hexadecimal digits with `0x`, as wide as the register, so that
//! they read as in the manual and no reader rounds them; counts are numbers.

use crate::disasm::{self, Line};
use crate::explain::Explanation;
use crate::scene::{Link, Pic, Scene};
use crate::words;
use serde::Serialize;
use std::collections::BTreeMap;
use x86::State;
use x86::event::{Mode, Record};
use x86::segment::{SegReg, Segment, TableReg};
use x86::state::{Activity, Msrs, Shadow};

/// The name and version of the schema.
pub const SCHEMA: &str = "cloister-report-1";

/// A whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// How the run ended.
    pub outcome: String,
    /// The exit status.
    pub status: i32,
    /// Retired steps.
    pub steps: u64,
    /// Virtual nanoseconds.
    pub virtual_ns: u64,
    /// The processor.
    pub cpu: Cpu,
    /// The interrupt controllers.
    pub pic: Option<Pic>,
    /// The text screen.
    pub screen: Option<Vec<String>>,
    /// Why it ended.
    pub explanation: Option<Explanation>,
    /// The faults that led to a shutdown.
    pub chain: Vec<Link>,
    /// The last crossings.
    pub crossings: Vec<Record>,
    /// The code around the first fault, or where the run ended.
    pub code: Vec<Line>,
}

/// What the front end knows and the scene doesn't.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How the run ended, in one word.
    pub name: String,
    /// The exit status.
    pub status: i32,
    /// Virtual nanoseconds.
    pub virtual_ns: u64,
    /// The text screen.
    pub screen: Option<Vec<String>>,
}

impl Report {
    /// The report of a run.
    #[must_use]
    pub fn new(outcome: Outcome, scene: &Scene<'_>) -> Self {
        let at = scene.chain.first().map_or_else(|| scene.state.place(), |link| link.at);
        Self {
            schema: SCHEMA,
            outcome: outcome.name,
            status: outcome.status,
            steps: scene.steps,
            virtual_ns: outcome.virtual_ns,
            cpu: Cpu::new(scene.state),
            pic: scene.pic,
            screen: outcome.screen,
            explanation: crate::explain(scene),
            chain: scene.chain.to_vec(),
            crossings: scene.history.crossings().copied().collect(),
            code: disasm::around(scene, &at, 3, 6),
        }
    }

    /// The report as indented JSON with a newline at its end.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}

/// The architectural state.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// Real, protected or virtual-8086 mode.
    pub mode: Mode,
    /// CPL.
    pub cpl: u8,
    /// Running, halted or shut down.
    pub activity: Activity,
    /// EAX and so on, and EIP.
    pub registers: BTreeMap<&'static str, String>,
    /// EFLAGS.
    pub eflags: String,
    /// The flags that are set.
    pub flags: String,
    /// CS and so on, LDTR and TR, hidden parts included.
    pub segments: BTreeMap<&'static str, SegmentReport>,
    /// GDTR and IDTR.
    pub tables: BTreeMap<&'static str, TableReport>,
    /// CR0, CR2, CR3, CR4.
    pub control: BTreeMap<&'static str, String>,
    /// DR0..DR3, DR6, DR7.
    pub debug: BTreeMap<&'static str, String>,
    /// The page-directory-pointer registers of PAE.
    pub pdpte: Vec<String>,
    /// Model-specific registers.
    pub msr: BTreeMap<&'static str, String>,
    /// Interrupts held off for one instruction.
    pub shadow: Shadow,
    /// NMIs are held off until IRET.
    pub nmi_masked: bool,
    /// An NMI waits.
    pub nmi_pending: bool,
    /// DR6 bits of debug traps that wait for the instruction boundary.
    pub pending_debug: String,
}

/// A segment register.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// The visible part.
    pub selector: String,
    /// Hidden: base.
    pub base: String,
    /// Hidden: limit, the last valid offset.
    pub limit: String,
    /// Hidden: descriptor bits 40..56, the limit's left out.
    pub attributes: String,
    /// The attributes in words.
    pub kind: String,
    /// DPL.
    pub dpl: u8,
    /// P: it may be used.
    pub present: bool,
}

/// GDTR or IDTR.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// Linear address.
    pub base: String,
    /// Offset of the last byte.
    pub limit: String,
}

const GENERAL: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS: [SegReg; 6] =
    [SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs];

impl Cpu {
    /// The state as the report shows it.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let mut registers: BTreeMap<_, _> =
            GENERAL.into_iter().zip((0..).map(|n| hex32(u64::from(state.reg32(n))))).collect();
        registers.insert("eip", hex32(state.rip));
        let mut segments: BTreeMap<_, _> =
            SEGMENTS.iter().map(|s| (lower(*s), segment(state.segment(*s)))).collect();
        segments.insert("ldtr", segment(&state.ldtr));
        segments.insert("tr", segment(&state.tr));
        let control =
            [("cr0", state.cr0), ("cr2", state.cr2), ("cr3", state.cr3), ("cr4", state.cr4)];
        let debug = ["dr0", "dr1", "dr2", "dr3", "", "", "dr6", "dr7"];
        let debug = debug.into_iter().zip(state.dr).filter(|(name, _)| !name.is_empty());
        Self {
            mode: state.mode(),
            cpl: state.cpl,
            activity: state.activity,
            registers,
            eflags: hex32(u64::from(state.eflags())),
            flags: words::flags(state.eflags()),
            segments,
            tables: [("gdtr", table(state.gdtr)), ("idtr", table(state.idtr))].into(),
            control: control.into_iter().map(|(name, v)| (name, hex32(v))).collect(),
            debug: debug.map(|(name, v)| (name, hex32(v))).collect(),
            pdpte: state.pdpte.iter().map(|v| hex64(*v)).collect(),
            msr: msrs(&state.msr),
            shadow: state.shadow,
            nmi_masked: state.nmi_masked,
            nmi_pending: state.nmi_pending,
            pending_debug: hex32(u64::from(state.pending_debug)),
        }
    }
}

fn msrs(msr: &Msrs) -> BTreeMap<&'static str, String> {
    [
        ("efer", msr.efer),
        ("sysenter_cs", msr.sysenter_cs),
        ("sysenter_esp", msr.sysenter_esp),
        ("sysenter_eip", msr.sysenter_eip),
        ("apic_base", msr.apic_base),
        ("pat", msr.pat),
        ("tsc_offset", msr.tsc_offset),
    ]
    .into_iter()
    .map(|(name, value)| (name, hex64(value)))
    .collect()
}

const fn lower(s: SegReg) -> &'static str {
    ["es", "cs", "ss", "ds", "fs", "gs"][s as usize]
}

fn segment(s: &Segment) -> SegmentReport {
    let usable = s.attrs != 0;
    let kind = words::kind(x86::Descriptor(u64::from(s.attrs) << 40));
    SegmentReport {
        selector: format!("{:#06x}", s.selector.0),
        base: hex32(s.base),
        limit: hex32(u64::from(s.limit)),
        attributes: format!("{:#06x}", s.attrs),
        kind: if usable { kind } else { "unusable".into() },
        dpl: s.dpl(),
        present: s.is_usable(),
    }
}

fn table(t: TableReg) -> TableReport {
    TableReport { base: hex32(t.base), limit: format!("{:#06x}", t.limit) }
}

fn hex32(value: u64) -> String {
    format!("{value:#010x}")
}

fn hex64(value: u64) -> String {
    format!("{value:#018x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Ending;
    use crate::tests_support::{Guest, transfer};
    use serde_json::Value;
    use x86::event::{Event, Via};
    use x86::{Cause, Fault, Selector};

    fn report(guest: &Guest) -> Value {
        let outcome = Outcome { name: "shutdown".into(), status: 12, ..Outcome::default() };
        let json = Report::new(outcome, &guest.scene()).to_json().unwrap();
        assert!(json.ends_with("}\n"));
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_report_holds_the_whole_state_by_name() {
        let r = report(&Guest::new(Ending::Shutdown));
        let text = serde_json::to_string_pretty(&r["cpu"]).unwrap();
        expect_test::expect_file!["../tests/golden/state.json"].assert_eq(&text);
    }

    #[test]
    fn a_report_holds_outcome_explanation_and_chain() {
        let mut g = Guest::new(Ending::Shutdown);
        g.fault(Fault::gp(0), Cause::SysenterCs { value: 0 });
        let r = report(&g);
        assert_eq!(r["schema"], "cloister-report-1");
        assert_eq!((&r["outcome"], &r["status"]), (&"shutdown".into(), &12.into()));
        assert_eq!(r["explanation"]["id"], "sysenter-cs-zero");
        assert_eq!(r["chain"][0]["why"]["cause"], "sysenter_cs");
        assert_eq!(r["code"].as_array().unwrap().iter().filter(|l| l["here"] == true).count(), 1);
    }

    #[test]
    fn a_report_holds_the_last_crossings_in_the_trace_schema() {
        let mut g = Guest::new(Ending::Stopped);
        let via = Via::CallGate { selector: Selector(0x33), parameters: 1 };
        let place = g.state.place();
        let event = Event::Transfer(transfer(via, place, place));
        g.history.observe(&Record { step: 7, event });
        let crossing = &report(&g)["crossings"][0];
        assert_eq!((&crossing["step"], &crossing["event"]), (&7.into(), &"transfer".into()));
        assert_eq!(crossing["via"]["call_gate"]["parameters"], 1);
    }

    #[test]
    fn a_run_without_a_story_has_a_null_explanation() {
        let r = report(&Guest::new(Ending::Stopped));
        assert!(r["explanation"].is_null() && r["screen"].is_null());
    }
}
