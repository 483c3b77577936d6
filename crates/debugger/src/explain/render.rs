//! An explanation as text: headline, story, evidence, cure, the last crossings, registers and
//! the disassembly around the first fault.

use super::{Explanation, Finding};
use crate::disasm;
use crate::narrate::{compact, fold};
use crate::registers;
use crate::scene::Scene;

/// Width of the text.
const WIDTH: usize = 78;
/// Crossings shown.
const CROSSINGS: usize = 6;

impl Explanation {
    /// The explanation and what surrounds it, as lines without newlines.
    #[must_use]
    pub fn render(&self, scene: &Scene<'_>) -> Vec<String> {
        let mut out = self.summary();
        section(&mut out, "last crossings", crossings(scene));
        section(&mut out, "registers", registers::text(scene.state));
        let at = scene.chain.first().map_or_else(|| scene.state.place(), |link| link.at);
        section(&mut out, "code", disasm::text(&disasm::around(scene, &at, 3, 4)));
        out
    }

    /// The explanation alone: headline, story, evidence, cure, related findings.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let mut out = wrapped("", &self.finding.headline);
        section(&mut out, "what happened", numbered(&self.story));
        out.extend(body(&self.finding));
        for other in &self.related {
            out.push(String::new());
            out.extend(wrapped("also: ", &other.headline));
            if other.id != "fault" {
                out.extend(body(other));
            }
        }
        out
    }
}

fn body(finding: &Finding) -> Vec<String> {
    let mut out = Vec::new();
    let details = finding.details.iter().flat_map(|d| wrapped("  ", d)).collect();
    section(&mut out, "", details);
    section(&mut out, "evidence", evidence(finding));
    section(&mut out, "cure", wrapped("  ", &finding.cure));
    section(&mut out, "manual", vec![format!("  {}", finding.manual)]);
    out
}

fn section(out: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    out.push(String::new());
    if !title.is_empty() {
        out.push(format!("{title}:"));
    }
    out.extend(lines);
}

fn numbered(story: &[String]) -> Vec<String> {
    let lines =
        story.iter().zip(1..).map(|(text, n): (&String, u32)| wrapped(&format!("  {n}. "), text));
    lines.flatten().collect()
}

/// Folds a text; its further lines stand below the first word.
fn wrapped(head: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(head.len());
    fold(text, WIDTH - head.len())
        .iter()
        .enumerate()
        .map(|(index, line)| format!("{}{line}", if index == 0 { head } else { &indent }))
        .collect()
}

fn evidence(finding: &Finding) -> Vec<String> {
    let width = finding.evidence.iter().map(|e| e.what.chars().count()).max().unwrap_or(0);
    let line = |e: &super::Evidence| {
        let mark = if e.wrong { ">>" } else { "  " };
        format!("{mark} {:<width$}  {}", e.what, e.value)
    };
    finding.evidence.iter().map(line).collect()
}

fn crossings(scene: &Scene<'_>) -> Vec<String> {
    let all: Vec<String> =
        scene.history.crossings().filter_map(|r| compact(r, scene.symbols)).collect();
    all[all.len().saturating_sub(CROSSINGS)..].to_vec()
}
