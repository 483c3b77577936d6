//! A case as one line that a person can read, change and run again.
//!
//! ```text
//! code=01d8 stop=step cs=23 ss=2b ds=2b es=2b fs=0 gs=0 eip=10006100 eflags=202 gpr=1,0,0,2,10001800,0,0,0 mem=10001000:0102,10004000:ff
//! ```
//! All numbers are hexadecimal; every word but `code` may be left out.
#![forbid(unsafe_code)]

use crate::case::{Case, Patch, Stop, flag, sreg};
use crate::layout::{FLAT_CODE, FLAT_DATA, WINDOW};
use std::fmt::Write;
use thiserror::Error;

/// A line that isn't a case.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReplayError {
    /// A word without a meaning or with a bad value.
    #[error("`{0}` isn't KEY=VALUE with a known key and a hexadecimal value")]
    Word(String),
    /// No `code=`.
    #[error("the line has no `code=HEX`")]
    NoCode,
}

const SREGS: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];
const STOPS: [(&str, Stop); 4] = [
    ("step", Stop::Step),
    ("through", Stop::Through),
    ("planted", Stop::Planted),
    ("shadow", Stop::Shadow),
];

/// Writes a case as a line.
pub fn line(case: &Case) -> String {
    let stop = STOPS.iter().find(|(_, stop)| *stop == case.stop).map_or("step", |(name, _)| name);
    let mut text = format!("code={} stop={stop}", hex(&case.code));
    for (name, value) in SREGS.iter().zip(case.sel) {
        let _ = write!(text, " {name}={value:x}");
    }
    let gpr: Vec<String> = case.gpr.iter().map(|value| format!("{value:x}")).collect();
    let _ = write!(text, " eip={:x} eflags={:x} gpr={}", case.eip, case.eflags, gpr.join(","));
    if !case.patches.is_empty() {
        let patches: Vec<String> = case
            .patches
            .iter()
            .map(|patch| format!("{:x}:{}", patch.address, hex(&patch.bytes)))
            .collect();
        let _ = write!(text, " mem={}", patches.join(","));
    }
    text
}

/// Reads a line back.
pub fn parse(line: &str) -> Result<Case, ReplayError> {
    let mut case = Case {
        code: Vec::new(),
        stop: Stop::Step,
        gpr: [0; 8],
        eip: WINDOW + 0x6100,
        eflags: flag::FIXED | flag::IF,
        sel: [FLAT_DATA, FLAT_CODE, FLAT_DATA, FLAT_DATA, 0, 0],
        patches: Vec::new(),
    };
    for word in line.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or_else(|| ReplayError::Word(word.into()))?;
        set(&mut case, key, value).ok_or_else(|| ReplayError::Word(word.into()))?;
    }
    if case.code.is_empty() { Err(ReplayError::NoCode) } else { Ok(case) }
}

fn set(case: &mut Case, key: &str, value: &str) -> Option<()> {
    let number = || u32::from_str_radix(value, 16).ok();
    match key {
        "code" => case.code = unhex(value)?,
        "stop" => case.stop = STOPS.iter().find(|(name, _)| *name == value)?.1,
        "eip" => case.eip = number()?,
        "eflags" => case.eflags = number()?,
        "gpr" => {
            let values: Option<Vec<u32>> =
                value.split(',').map(|word| u32::from_str_radix(word, 16).ok()).collect();
            case.gpr = values?.try_into().ok()?;
        }
        "mem" => case.patches = value.split(',').map(patch).collect::<Option<_>>()?,
        _ => {
            let index = SREGS.iter().position(|name| *name == key)?;
            debug_assert!(index <= sreg::GS);
            case.sel[index] = u16::try_from(number()?).ok()?;
        }
    }
    Some(())
}

fn patch(text: &str) -> Option<Patch> {
    let (address, bytes) = text.split_once(':')?;
    Some(Patch { address: u32::from_str_radix(address, 16).ok()?, bytes: unhex(bytes)? })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_same_case() {
        let mut case =
            parse("code=f3a4 stop=through cs=f gpr=1,2,3,4,5,6,7,ffffffff").expect("good");
        case.patches.push(Patch { address: WINDOW, bytes: vec![1, 0xAB] });
        assert_eq!(parse(&line(&case)), Ok(case));
    }

    #[test]
    fn bad_lines_are_errors_that_name_the_word() {
        assert_eq!(parse("eip=1"), Err(ReplayError::NoCode));
        assert_eq!(parse("code=9"), Err(ReplayError::Word("code=9".into())));
        assert_eq!(parse("code=90 xs=1"), Err(ReplayError::Word("xs=1".into())));
        assert_eq!(parse("code=90 gpr=1,2"), Err(ReplayError::Word("gpr=1,2".into())));
    }
}
