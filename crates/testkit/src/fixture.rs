//! Outcomes recorded on silicon. The cases themselves aren't stored: the generator makes them again
//! from the seed, and the reader refuses a file whose cases it wouldn't make ([`FixtureError`]).
//!
//! ```text
//! "CLFX" | u32 format | gzip of:
//!   u32 generator version | u64 seed | u32 cases per form | u32 cases | u64 digest of the cases
//!   string processor | string date                        (u32 length, UTF-8)
//!   the columns of `columns`, each u32 length and bytes
//! ```
#![forbid(unsafe_code)]

mod columns;

use crate::case::{Case, Engine, Outcome};
use crate::forms::{Form, Set};
use crate::generate::generate;
use crate::rng::mix;
use columns::{Columns, Reader};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use thiserror::Error;

const MAGIC: &[u8; 4] = b"CLFX";
const FORMAT: u32 = 1;

/// Why a fixture can't be used.
#[derive(Debug, Error)]
pub enum FixtureError {
    /// Not a fixture, or cut short.
    #[error("not a fixture file, or a damaged one")]
    Damaged,
    /// Another file format.
    #[error("fixture format {0}, this program reads {FORMAT}: record it again")]
    Format(u32),
    /// The generator has changed since.
    #[error(
        "recorded with generator version {recorded} and other cases than version {current} makes: \
         record it again (cargo xtask record)"
    )]
    Generator {
        /// The file's.
        recorded: u32,
        /// Ours.
        current: u32,
    },
    /// Compression failed.
    #[error("can't read or write the compressed part: {0}")]
    Io(#[from] std::io::Error),
}

/// What to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which forms.
    pub set: Set,
    /// Seed of the whole set.
    pub seed: u64,
    /// Cases for each form and code size.
    pub per_form: u32,
    /// The processor on which it was recorded.
    pub processor: String,
    /// The day on which it was recorded.
    pub date: String,
}

/// One recorded test.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index in the forms of the set.
    pub form: usize,
    /// The state before.
    pub case: Case,
    /// The state after, on silicon.
    pub outcome: Outcome,
}

/// A set of recorded tests.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// How it was made.
    pub plan: Plan,
    /// The forms, in the order that entries refer to.
    pub forms: Vec<Form>,
    /// The tests.
    pub entries: Vec<Entry>,
}

/// The cases of a plan, in order, with the index of their form.
pub fn cases(plan_seed: u64, per_form: u32, forms: &[Form]) -> Vec<(usize, Case)> {
    let mut all = Vec::new();
    for (index, form) in forms.iter().enumerate() {
        for wide in [false, true] {
            let base = mix(plan_seed ^ (index as u64 * 2 + u64::from(wide)) << 32);
            let made = (0..per_form).filter_map(|n| generate(form, wide, base ^ u64::from(n)));
            all.extend(made.map(|case| (index, case)));
        }
    }
    all
}

/// A number that changes if any case does.
fn digest(cases: &[(usize, Case)]) -> u64 {
    cases.iter().fold(0, |sum, (_, case)| {
        let line = crate::replay::line(case);
        line.bytes().fold(sum, |sum, byte| mix(sum ^ u64::from(byte)))
    })
}

/// Runs a plan's cases on `engine` and writes the file.
pub fn record(engine: &mut dyn Engine, plan: &Plan) -> Result<Vec<u8>, FixtureError> {
    let cases = cases(plan.seed, plan.per_form, &plan.set.forms());
    let mut columns = Columns::default();
    for (_, case) in &cases {
        columns.push(case, &engine.run(case));
    }
    let mut out = MAGIC.to_vec();
    out.extend(FORMAT.to_le_bytes());
    let mut gzip = GzEncoder::new(out, Compression::best());
    gzip.write_all(&plan.set.version().to_le_bytes())?;
    gzip.write_all(&plan.seed.to_le_bytes())?;
    gzip.write_all(&plan.per_form.to_le_bytes())?;
    gzip.write_all(&(cases.len() as u32).to_le_bytes())?;
    gzip.write_all(&digest(&cases).to_le_bytes())?;
    for text in [&plan.processor, &plan.date] {
        write_block(&mut gzip, text.as_bytes())?;
    }
    for column in columns.bytes() {
        write_block(&mut gzip, column)?;
    }
    Ok(gzip.finish()?)
}

fn write_block(out: &mut impl Write, bytes: &[u8]) -> Result<(), FixtureError> {
    out.write_all(&(bytes.len() as u32).to_le_bytes())?;
    Ok(out.write_all(bytes)?)
}

/// Reads the file of a set and makes its cases again.
pub fn read(file: &[u8], set: Set) -> Result<Fixture, FixtureError> {
    let body = file.strip_prefix(MAGIC).ok_or(FixtureError::Damaged)?;
    let (format, packed) = body.split_first_chunk().ok_or(FixtureError::Damaged)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(FixtureError::Format(format));
    }
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes)?;
    parse(&bytes, set).ok_or(FixtureError::Damaged)?
}

/// None if the bytes end too early.
fn parse(bytes: &[u8], set: Set) -> Option<Result<Fixture, FixtureError>> {
    let mut reader = Reader::new(bytes);
    let recorded = reader.u32()?;
    let (seed, per_form, count, recorded_digest) =
        (reader.u64()?, reader.u32()?, reader.u32()?, reader.u64()?);
    let mut text = || Some(String::from_utf8_lossy(reader.block()?).into_owned());
    let plan = Plan { set, seed, per_form, processor: text()?, date: text()? };
    let current = set.version();
    let forms = set.forms();
    let cases = if recorded == current { cases(seed, per_form, &forms) } else { Vec::new() };
    if cases.len() != count as usize || digest(&cases) != recorded_digest {
        return Some(Err(FixtureError::Generator { recorded, current }));
    }
    let mut columns = columns::Stored::read(&mut reader)?;
    let mut entries = Vec::with_capacity(cases.len());
    for (form, case) in cases {
        let outcome = columns.next(&case)?;
        entries.push(Entry { form, case, outcome });
    }
    Some(Ok(Fixture { plan, forms, entries }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Fault;

    /// An engine whose outcomes use every column.
    struct Scramble;

    impl Engine for Scramble {
        fn run(&mut self, case: &Case) -> Outcome {
            let noise = mix(u64::from(case.eip ^ case.gpr[0]));
            let mut outcome = Outcome {
                gpr: case.gpr,
                eip: case.eip.wrapping_add(noise as u32 % 20),
                eflags: case.eflags ^ (noise as u32 & 0x8D5),
                sel: case.sel,
                fault: None,
                memory: Vec::new(),
                fx: case.fx.clone(),
            };
            outcome.gpr[noise as usize % 8] = noise as u32;
            outcome.sel[noise as usize % 6] ^= (noise >> 60) as u16;
            if noise & 0x100 != 0 {
                let (error, cr2) = ((noise >> 8) as u32 & 7, (noise >> 20) as u32);
                outcome.fault = Some(Fault { vector: 14, error, cr2 });
            }
            let start = crate::layout::WINDOW + (noise >> 40) as u32 % 0x8000;
            if let Some(fx) = &mut outcome.fx {
                fx.status ^= (noise >> 9) as u16 & (noise >> 30) as u16;
                (fx.ip, fx.mxcsr) = (noise as u32, noise as u32 >> 3);
                fx.st[noise as usize % 8].significand ^= noise;
                fx.xmm[noise as usize % 8] ^= u128::from(noise) << 11;
            }
            outcome.memory = (0..noise as u32 % 5).map(|at| (start + at * at, at as u8)).collect();
            outcome
        }
    }

    fn plan(set: Set) -> Plan {
        Plan { set, seed: 7, per_form: 2, processor: "none".into(), date: "never".into() }
    }

    #[test]
    fn what_was_recorded_reads_back() {
        for set in Set::ALL {
            let file = record(&mut Scramble, &plan(set)).expect("written");
            let fixture = read(&file, set).expect("read");
            assert_eq!(fixture.plan, plan(set));
            assert_eq!(fixture.entries.len(), fixture.forms.len() * 4);
            for entry in &fixture.entries {
                assert_eq!(Scramble.run(&entry.case), entry.outcome);
            }
        }
    }

    #[test]
    fn a_file_of_another_generator_is_refused() {
        let file = record(&mut Scramble, &plan(Set::Integer)).expect("written");
        let mut body = Vec::new();
        GzDecoder::new(&file[8..]).read_to_end(&mut body).expect("gzip");
        body[4] ^= 1; // the seed: the digest no longer fits
        let mut forged = MAGIC.to_vec();
        forged.extend(FORMAT.to_le_bytes());
        let mut gzip = GzEncoder::new(forged, Compression::fast());
        gzip.write_all(&body).expect("in memory");
        let forged = gzip.finish().expect("in memory");
        assert!(matches!(
            read(&forged, Set::Integer),
            Err(FixtureError::Generator { recorded: 2, .. })
        ));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        assert!(matches!(read(b"", Set::X87), Err(FixtureError::Damaged)));
        assert!(matches!(read(b"CLFX\x09\0\0\0", Set::X87), Err(FixtureError::Format(9))));
        let file = record(&mut Scramble, &plan(Set::Integer)).expect("written");
        assert!(read(&file[..file.len() / 2], Set::Integer).is_err());
    }
}
