//! A case as one line that a person can read, change and run again.
//!
//! ```text
//! code=01d8 stop=step cs=23 ss=2b ds=2b es=2b fs=0 gs=0 eip=10006100 eflags=202 gpr=1,0,0,2,10001800,0,0,0 mem=10001000:0102,10004000:ff
//! ```
//! All numbers are hexadecimal; every word but `code` may be left out.
#![forbid(unsafe_code)]

use crate::case::{Case, Patch, Stop, flag, sreg};
use crate::fx::Fx;
use crate::layout::{FLAT_CODE, FLAT_DATA, WINDOW};
use std::fmt::Write;
use thiserror::Error;
use x86::F80;
use x86::fpu::MXCSR_RESET;

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
    if let Some(fx) = &case.fx {
        write_fx(&mut text, fx);
    }
    text
}

/// Control, status, full registers, opcode, pointers; ST(0) and so on, highest digit first.
fn write_fx(text: &mut String, fx: &Fx) {
    let words = [fx.control, fx.status, u16::from(fx.full), fx.opcode].map(u32::from);
    let words: Vec<String> =
        words.iter().chain(&[fx.ip, fx.dp]).map(|word| format!("{word:x}")).collect();
    let st: Vec<String> =
        fx.st.iter().map(|r| format!("{:04x}{:016x}", r.sign_exponent, r.significand)).collect();
    let _ = write!(text, " fpu={} st={}", words.join(","), st.join(","));
    if fx.xmm != [0; 8] {
        let xmm: Vec<String> = fx.xmm.iter().map(|value| format!("{value:x}")).collect();
        let _ = write!(text, " xmm={}", xmm.join(","));
    }
    if fx.mxcsr != MXCSR_RESET {
        let _ = write!(text, " mxcsr={:x}", fx.mxcsr);
    }
}

/// Values separated by commas.
fn list<T, const N: usize>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<[T; N]> {
    value.split(',').map(read).collect::<Option<Vec<T>>>()?.try_into().ok()
}

fn set_fx(fx: &mut Fx, key: &str, value: &str) -> Option<()> {
    match key {
        "fpu" => {
            let [control, status, full, opcode, ip, dp] =
                list(value, |word| u32::from_str_radix(word, 16).ok())?;
            let narrow = |word: u32| u16::try_from(word).ok();
            (fx.control, fx.status) = (narrow(control)?, narrow(status)?);
            (fx.full, fx.opcode) = (u8::try_from(full).ok()?, narrow(opcode)?);
            (fx.ip, fx.dp) = (ip, dp);
        }
        "st" => {
            fx.st = list(value, |word| {
                let value = u128::from_str_radix(word, 16).ok()?;
                let sign_exponent = u16::try_from(value >> 64).ok()?;
                Some(F80 { significand: value as u64, sign_exponent })
            })?;
        }
        "xmm" => fx.xmm = list(value, |word| u128::from_str_radix(word, 16).ok())?,
        _ => fx.mxcsr = u32::from_str_radix(value, 16).ok()?,
    }
    Some(())
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
        fx: None,
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
        "fpu" | "st" | "xmm" | "mxcsr" => set_fx(case.fx.get_or_insert_default(), key, value)?,
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
        assert_eq!(parse(&line(&case)), Ok(case.clone()));
        let mut fx = Fx { status: 0x3800, xmm: [1 << 100; 8], mxcsr: 7, ..Fx::default() };
        fx.st[1] = F80 { significand: 1 << 63, sign_exponent: 0xBFFF };
        case.fx = Some(Box::new(fx));
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
