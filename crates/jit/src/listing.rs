//! A translation as text: each guest instruction, and the host code made from it.

use crate::abi::Mode;
use crate::emit::{Draft, Kind, Source, Tools, translate};
use std::collections::HashSet;
use std::fmt::Write as _;
use x86::Features;

/// A guest instruction and its host code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// EIP.
    pub eip: u32,
    /// The guest instruction.
    pub guest: String,
    /// How it was translated.
    pub kind: Kind,
    /// The host code begins with the guest's very bytes.
    pub is_identical: bool,
    /// The host instructions in line.
    pub host: Vec<String>,
}

/// A block's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What the block does first: it charges its steps.
    pub head: Vec<String>,
    /// Its instructions.
    pub entries: Vec<Entry>,
    /// What lies behind it: the ways out, and the ways to the interpreter.
    pub tail: Vec<String>,
    /// All host code that a user program must not run: there is none.
    pub forbidden: Vec<String>,
}

/// Translates the code at the start of `bytes`, as if it lay at `eip` in a segment of `mode`.
/// `None` where its first instruction would be taken alone.
#[must_use]
pub fn listing(bytes: &[u8], eip: u32, mode: Mode) -> Option<Listing> {
    listing_of(bytes, eip, mode, 0)
}

/// The same for the loop that `bytes` are, as one block; `None` where it can't be one.
#[must_use]
pub fn loop_listing(bytes: &[u8], eip: u32, mode: Mode) -> Option<Listing> {
    listing_of(bytes, eip, mode, bytes.len() as u32)
}

fn listing_of(bytes: &[u8], eip: u32, mode: Mode, loop_len: u32) -> Option<Listing> {
    let limit = if mode.has(Mode::CODE32) { u32::MAX } else { 0xFFFF };
    let (features, soft) = (Features::all(), HashSet::new());
    let page_offset = eip & 0xFFF;
    let room = bytes.len().min(0x1000 - page_offset as usize);
    let (bytes, place) = (&bytes[..room], u64::from(page_offset));
    let (soft, most, counter) = (&soft, 32, None);
    let source = Source {
        bytes,
        eip,
        page_offset,
        limit,
        mode,
        features,
        place,
        soft,
        most,
        counter,
        loop_len,
    };
    let draft = translate(&mut Tools::default(), &source, 0, &mut Vec::new(), 0)?;
    Some(lay_out(&source, &draft, &draft.code, 0))
}

/// The listing of a draft whose code, with what was patched since, is `code` and lies at `ip`.
pub(crate) fn lay_out(source: &Source, draft: &Draft, code: &[u8], ip: u64) -> Listing {
    let host = decode::disassemble_host(code, ip);
    let between = |from: u32, to: u32| {
        let lines = host.iter().filter(|l| (from..to).contains(&(l.offset as u32)));
        lines.map(|l| l.text.clone()).collect::<Vec<_>>()
    };
    let bits32 = source.mode.has(Mode::CODE32);
    let guest = &source.bytes[..draft.len as usize];
    let texts = decode::disassemble(guest, bits32, source.eip);
    let first = draft.lines.first().map_or(draft.hot, |l| l.host);
    let ends = draft.lines.iter().skip(1).map(|l| l.host).chain([draft.hot]);
    let entries = draft.lines.iter().zip(ends).map(|(line, end)| {
        let text = texts.iter().find(|(at, ..)| *at == line.guest as usize);
        let bytes = text.map_or(&[][..], |(at, len, _)| &guest[*at..*at + usize::from(*len)]);
        let is_same = line.kind == Kind::Rewritten && code[line.host as usize..].starts_with(bytes);
        Entry {
            is_identical: is_same && !bytes.is_empty(),
            eip: source.eip.wrapping_add(line.guest),
            guest: text.map_or_else(String::new, |(.., text)| text.clone()),
            kind: line.kind,
            host: between(line.host, end),
        }
    });
    Listing {
        head: between(0, first),
        entries: entries.collect(),
        tail: between(draft.hot, u32::MAX),
        forbidden: host.into_iter().filter(|l| l.is_forbidden).map(|l| l.text).collect(),
    }
}

impl std::fmt::Display for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for entry in &self.entries {
            let kind = match entry.kind {
                Kind::Rewritten => "rewritten",
                Kind::Expanded => "expanded",
                Kind::Callout => "callout",
            };
            writeln!(f, "{:08x}  {:<34} {kind}", entry.eip, entry.guest)?;
            let mut lines = String::new();
            for line in &entry.host {
                let _ = writeln!(lines, "              {line}");
            }
            f.write_str(&lines)?;
        }
        Ok(())
    }
}
