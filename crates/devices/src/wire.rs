//! What every chip needs: wide accesses to byte registers, and state as bytes.

use bus::StateError;
use serde::{Serialize, de::DeserializeOwned};

/// Reads `size` byte-wide registers, the lowest port first, as the ISA bus splits them.
pub(crate) fn read_bytes(at: u64, size: u8, mut byte: impl FnMut(u16) -> u8) -> u32 {
    (0..size.min(4)).fold(0, |value, i| {
        let port = (at as u16).wrapping_add(u16::from(i));
        value | u32::from(byte(port)) << (8 * u32::from(i))
    })
}

/// Writes `size` byte-wide registers, the lowest port first.
pub(crate) fn write_bytes(at: u64, size: u8, value: u32, mut byte: impl FnMut(u16, u8)) {
    for i in 0..size.min(4) {
        let port = (at as u16).wrapping_add(u16::from(i));
        byte(port, (value >> (8 * u32::from(i))) as u8);
    }
}

/// A chip's state as bytes.
pub(crate) fn save<S: Serialize>(state: &S) -> Vec<u8> {
    postcard::to_allocvec(state).unwrap_or_default()
}

/// The state that [`save`] gave.
pub(crate) fn restore<S: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<S, StateError> {
    let damaged = |why: String| StateError::Damaged { kind: kind.into(), why };
    let (state, rest) = postcard::take_from_bytes(bytes).map_err(|e| damaged(e.to_string()))?;
    if rest.is_empty() { Ok(state) } else { Err(damaged(format!("{} bytes too many", rest.len()))) }
}

/// An error unless `ok`: for values that no chip can hold.
pub(crate) fn require(kind: &str, ok: bool, why: &str) -> Result<(), StateError> {
    if ok { Ok(()) } else { Err(StateError::Damaged { kind: kind.into(), why: why.into() }) }
}
