//! Disassembly around a place, through the segment and the paging that are in force. The bytes
//! before the place are shown only where decoding from them arrives exactly at it.

use crate::scene::Scene;
use x86::LinAddr;
use x86::event::{Mode, Place};

/// An instruction as text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// EIP.
    pub eip: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The instruction.
    pub text: String,
    /// This is the place that was asked for.
    pub here: bool,
}

/// The longest instruction.
const LONGEST: usize = 15;
/// How far back decoding may start.
const BACK: u32 = 24;

/// The first instruction of some bytes, or `None` where there are none.
#[must_use]
pub fn one(bytes: &[u8], bits32: bool, eip: u32) -> Option<String> {
    decode::disassemble(bytes, bits32, eip).into_iter().next().map(|(_, _, text)| text)
}

/// Up to `before` instructions in front of a place and `count` from it on.
#[must_use]
pub fn around(scene: &Scene<'_>, at: &Place, before: usize, count: usize) -> Vec<Line> {
    let bits32 = at.mode == Mode::Protected && scene.state.code32();
    let mut lines = leading(scene, at, bits32, before);
    let mut eip = at.eip;
    for index in 0..count {
        let bytes = read(scene, at, eip, LONGEST);
        let Some(mut line) = first(&bytes, bits32, eip) else { break };
        line.here = index == 0;
        eip = eip.wrapping_add(line.bytes.len() as u32);
        lines.push(line);
    }
    lines
}

fn first(bytes: &[u8], bits32: bool, eip: u32) -> Option<Line> {
    let (_, len, text) = decode::disassemble(bytes, bits32, eip).into_iter().next()?;
    let bytes = bytes.get(..usize::from(len).max(1))?.to_vec();
    Some(Line { eip, bytes, text, here: false })
}

/// Instructions that end where the place begins. x86 code reads differently from every start, so
/// the farthest start that falls in step is taken.
fn leading(scene: &Scene<'_>, at: &Place, bits32: bool, before: usize) -> Vec<Line> {
    for back in (1..=BACK.min(at.eip)).rev() {
        let bytes = read(scene, at, at.eip - back, back as usize);
        if bytes.len() != back as usize {
            continue;
        }
        let mut lines = Vec::new();
        let mut done = 0;
        while let Some(line) = first(&bytes[done..], bits32, at.eip - back + done as u32) {
            done += line.bytes.len();
            lines.push(line);
        }
        let clean = lines.iter().all(|l| !l.text.contains("bad"));
        if done == bytes.len() && clean && lines.len() >= before.min(2) {
            let skip = lines.len().saturating_sub(before);
            return lines.split_off(skip);
        }
    }
    Vec::new()
}

fn read(scene: &Scene<'_>, at: &Place, eip: u32, len: usize) -> Vec<u8> {
    let here = scene.linear_of(at);
    let addr = LinAddr(here.0).add32(u64::from(eip.wrapping_sub(at.eip)));
    let mut bytes = scene.bytes::<32>(addr);
    bytes.truncate(len);
    bytes
}

/// The lines as text, the place marked with an arrow.
#[must_use]
pub fn text(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|l| {
            let arrow = if l.here { "->" } else { "  " };
            format!("{arrow} {:08X}  {:<24} {}", l.eip, crate::words::hex(&l.bytes), l.text)
        })
        .collect()
}
