//! Reads hardware vectors: gzip of a chunked little-endian container, one file for an instruction
//! form of a real 80286 in real mode.
//!
//! A chunk is a 4-byte tag, a u32 length and as many bytes. The file's first chunk is `MOO `
//! (u8 major, u8 minor, u16, u32 tests, 4 bytes processor), then come `TEST` chunks: a u32 index
//! and inner chunks `NAME`, `BYTS`, `INIT`, `FINA`, `EXCP`, `HASH`. States hold `REGS` (a u16 mask,
//! then a u16 for each set bit) and `RAM ` (a u32 count, then address u32 and value u8).
#![forbid(unsafe_code)]

use flate2::read::GzDecoder;
use std::io::Read;
use thiserror::Error;

/// Registers of a state, in the order of the mask's bits.
pub const REGISTERS: [&str; 14] =
    ["ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags"];

/// A file that can't be read.
#[derive(Debug, Error)]
pub enum MooError {
    /// The gzip layer.
    #[error("can't unpack the vectors: {0}")]
    Io(#[from] std::io::Error),
    /// The container.
    #[error("the vectors are damaged at byte {0}")]
    Damaged(usize),
}

/// Registers and memory; a final state lists only what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// In the order of [`REGISTERS`].
    pub registers: [Option<u16>; 14],
    /// Address and value.
    pub ram: Vec<(u32, u8)>,
}

/// An exception that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its vector.
    pub vector: u8,
    /// Linear address of the FLAGS that it pushed.
    pub flags_address: u32,
}

/// One test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// Its number in the file.
    pub index: u32,
    /// The instruction in words.
    pub name: String,
    /// The instruction's bytes.
    pub bytes: Vec<u8>,
    /// Before.
    pub before: State,
    /// After: what changed.
    pub after: State,
    /// The exception, if one was taken.
    pub exception: Option<Exception>,
    /// 40 hexadecimal digits that name the test.
    pub hash: String,
}

/// A position in a file.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], MooError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end);
        let end = end.ok_or(MooError::Damaged(self.at))?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MooError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| MooError::Damaged(at))
    }

    fn u8(&mut self) -> Result<u8, MooError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, MooError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, MooError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next chunk's tag and inside, or None at the end.
    fn chunk(&mut self) -> Result<Option<([u8; 4], Cursor<'a>)>, MooError> {
        if self.at == self.end {
            return Ok(None);
        }
        let tag = self.array()?;
        let length = self.u32()? as usize;
        let start = self.at;
        self.take(length)?;
        Ok(Some((tag, Cursor { bytes: self.bytes, at: start, end: start + length })))
    }

    fn counted(&mut self) -> Result<&'a [u8], MooError> {
        let length = self.u32()? as usize;
        self.take(length)
    }
}

/// Reads a `.MOO.gz` file.
pub fn read(packed: &[u8]) -> Result<Vec<Test>, MooError> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<Test>, MooError> {
    let mut file = Cursor { bytes, at: 0, end: bytes.len() };
    let mut tests = Vec::new();
    let mut announced = None;
    while let Some((tag, mut inside)) = file.chunk()? {
        match &tag {
            b"MOO " => {
                inside.take(4)?;
                announced = Some(inside.u32()? as usize);
            }
            b"TEST" => tests.push(test(inside)?),
            _ => {}
        }
    }
    if announced == Some(tests.len()) { Ok(tests) } else { Err(MooError::Damaged(bytes.len())) }
}

fn test(mut inside: Cursor) -> Result<Test, MooError> {
    let mut test = Test { index: inside.u32()?, ..Test::default() };
    while let Some((tag, mut part)) = inside.chunk()? {
        match &tag {
            b"NAME" => test.name = String::from_utf8_lossy(part.counted()?).into_owned(),
            b"BYTS" => test.bytes = part.counted()?.to_vec(),
            b"INIT" => test.before = state(part)?,
            b"FINA" => test.after = state(part)?,
            b"EXCP" => {
                let (vector, flags_address) = (part.u8()?, part.u32()?);
                test.exception = Some(Exception { vector, flags_address });
            }
            b"HASH" => {
                let hash = part.take(part.end - part.at)?;
                test.hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            }
            _ => {}
        }
    }
    Ok(test)
}

fn state(mut inside: Cursor) -> Result<State, MooError> {
    let mut state = State::default();
    while let Some((tag, mut part)) = inside.chunk()? {
        match &tag {
            b"REGS" => {
                let mask = part.u16()?;
                for (bit, value) in state.registers.iter_mut().enumerate() {
                    if mask >> bit & 1 != 0 {
                        *value = Some(part.u16()?);
                    }
                }
            }
            b"RAM " => {
                for _ in 0..part.u32()? {
                    state.ram.push((part.u32()?, part.u8()?));
                }
            }
            _ => {}
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(tag: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [tag.as_slice(), &(inside.len() as u32).to_le_bytes(), inside].concat()
    }

    fn sample() -> Vec<u8> {
        let regs = chunk(b"REGS", &[0x01, 0x10, 0x34, 0x12, 0x00, 0x01]);
        let ram = chunk(b"RAM ", &[1, 0, 0, 0, 0x10, 0x20, 0x30, 0x00, 0xAB]);
        let inside = [
            &[5, 0, 0, 0][..],
            &chunk(b"NAME", b"\x03\0\0\0nop"),
            &chunk(b"BYTS", b"\x01\0\0\0\x90"),
            &chunk(b"INIT", &[regs, ram].concat()),
            &chunk(b"EXCP", &[6, 1, 2, 0, 0]),
            &chunk(b"HASH", &[0xFE; 2]),
        ]
        .concat();
        [chunk(b"MOO ", b"\x01\x01\0\0\x01\0\0\0C286"), chunk(b"TEST", &inside)].concat()
    }

    #[test]
    fn a_test_is_read_with_all_its_parts() {
        let tests = parse(&sample()).expect("good");
        let test = &tests[0];
        assert_eq!(
            (test.index, test.name.as_str(), test.bytes.as_slice()),
            (5, "nop", &[0x90][..])
        );
        assert_eq!(test.before.registers[0], Some(0x1234));
        assert_eq!(test.before.registers[12], Some(0x0100));
        assert_eq!(test.before.registers[1], None);
        assert_eq!(test.before.ram, [(0x30_2010, 0xAB)]);
        assert_eq!(test.exception, Some(Exception { vector: 6, flags_address: 0x201 }));
        assert_eq!(test.hash, "fefe");
    }

    #[test]
    fn every_cut_is_an_error_and_none_a_panic() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }
}
