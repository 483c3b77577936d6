//! What translation leaves behind: blocks, the sites of their callouts, and the edges between
//! them.

use crate::abi::Mode;
use crate::forms::{Form, Writes};
use crate::turn::Way;
use decode::{Code, Insn};
use interp::Handler;

/// An instruction that the interpreter may have to carry out.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The instruction.
    pub insn: Insn,
    /// What carries it out.
    pub run: Handler,
    /// Its EIP.
    pub eip: u32,
    /// Steps of the block from this instruction on, this one included.
    pub left: u32,
    /// It may read or write status flags: elsewhere they stay in [`crate::abi::Context::flags`].
    pub flags: bool,
    /// AF in RFLAGS is to be taken for clear.
    pub af_clear: bool,
    /// What it may have changed.
    pub after: After,
    /// Where its bytes lie in guest memory's arena.
    pub place: u64,
    /// How often the window refused it for good.
    pub refusals: u32,
    /// How often the interpreter carried it out.
    pub calls: u64,
    /// How it crosses to another ring where that was noted.
    pub way: Option<Way>,
}

/// True unless the interpreter is known to leave the status flags alone, and not to look at them.
pub(crate) fn touches_flags(form: Option<&Form>, code: Code) -> bool {
    match (form, code) {
        (Some(form), _) => form.reads_flags || form.writes != Writes::Nothing,
        (None, code) => !matches!(
            code,
            Code::In_AL_imm8
                | Code::In_AX_imm8
                | Code::In_EAX_imm8
                | Code::In_AL_DX
                | Code::In_AX_DX
                | Code::In_EAX_DX
                | Code::Out_imm8_AL
                | Code::Out_imm8_AX
                | Code::Out_imm8_EAX
                | Code::Out_DX_AL
                | Code::Out_DX_AX
                | Code::Out_DX_EAX
                | Code::Mov_cr_r32
                | Code::Mov_r32_cr
                | Code::Cli
                | Code::Sti
        ),
    }
}

/// What the block may still rely on behind an instruction that the interpreter carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// All: goes on at the next instruction.
    Plain,
    /// Segments or modes may have changed.
    Mode,
    /// Nothing: control went elsewhere, even if to the next instruction.
    Leaves,
}

/// What a block is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where its bytes lie: offset in guest memory's arena.
    pub place: u64,
    /// EIP, which return addresses and targets are made from.
    pub eip: u32,
    /// The limit of CS.
    pub limit: u32,
    /// The mode.
    pub mode: Mode,
}

/// A direct jump out of a block.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Address of the displacement of its jump, four bytes.
    pub patch: usize,
    /// Where it goes while it isn't linked.
    pub stub: usize,
    /// The target's EIP.
    pub eip: u32,
    /// The target lies in the same page.
    pub near: bool,
    /// Halves of the x87 and SSE state that are loaded there.
    pub live: u8,
    /// The block it is in.
    pub from: u32,
    /// How often it led back to the head of a loop, unlinked.
    pub rounds: u8,
}

/// A translated block.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it was made from.
    pub key: Key,
    /// Bytes of guest code.
    pub len: u32,
    /// Steps.
    pub steps: u32,
    /// Its first instruction is a REP.
    pub repeats: bool,
    /// Bytes of the loop that it is; 0 if it is none.
    pub loop_len: u32,
    /// The step at which it was made.
    pub made: u64,
    /// Where it is executed; 0 once it is dropped.
    pub start: usize,
    /// Bytes of host code.
    pub host_len: usize,
    /// Halves of the x87 and SSE state that it loads on entry.
    pub needs: u8,
    /// Where to enter it if they are loaded, from its start on.
    pub inner: u32,
    /// Edges that are linked to it.
    pub linked: Vec<u32>,
}
