//! Decoding: the only crate that names iced-x86. Bytes become [`Insn`], small and ready to
//! run; text for people comes from [`disassemble`]. Nothing here changes state.
//!
//! Invariant: an `Insn` holds all a handler needs, so that nothing is decoded twice.

#![forbid(unsafe_code)]

mod insn;
mod memo;
mod needs;
mod opcode;
mod text;
mod vector;

pub use iced_x86::Code;
pub use insn::{Insn, MAX_LEN, NONE, Undecodable, decode, is_escape, is_x87};
pub use memo::{Found, Memo};
pub use needs::needs;
pub use opcode::Opcode;
pub use text::{HostLine, disassemble, disassemble_host, mnemonic};
pub use vector::{Encoding, Operands, Place, vector_encoding, vector_opcode, vector_operands};
