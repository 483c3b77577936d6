//! Which guest instructions are emitted, and how they look: by opcode, since they are rewritten
//! byte for byte (SDM 2 appendix A). What has no form here is a callout.

use decode::Insn;

/// An instruction's opcode, operands and immediate, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// From the 0F map.
    pub map0f: bool,
    /// Opcode.
    pub op: u8,
    /// The byte behind the opcode: ModRM, where there is one.
    pub modrm: u8,
    /// The last bytes of the instruction, as many as it has immediate bytes at the end.
    tail: [u8; 4],
    /// Where `modrm` is among the bytes.
    modrm_at: u8,
    /// Operands are 16 bits wide.
    pub op16: bool,
}

impl Guest {
    /// Reads a decoded instruction's bytes again.
    #[must_use]
    pub fn parse(bytes: &[u8], insn: &Insn) -> Option<Self> {
        let prefix =
            |b: &&u8| matches!(**b, 0x26 | 0x2E | 0x36 | 0x3E | 0x64..=0x67 | 0xF0 | 0xF2 | 0xF3);
        let at = bytes.iter().take_while(prefix).count();
        let map0f = *bytes.get(at)? == 0x0F;
        let at = at + usize::from(map0f);
        let (op, op16, modrm_at) = (*bytes.get(at)?, !insn.op32(), at as u8 + 1);
        let mut guest = Self { map0f, op, modrm: 0, tail: [0; 4], modrm_at, op16 };
        guest.fill(bytes);
        Some(guest)
    }

    /// Takes the bytes of another instruction of the same form.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) {
        self.tail = bytes.last_chunk().copied().unwrap_or_else(|| {
            let mut tail = [0; 4];
            tail[4 - bytes.len()..].copy_from_slice(bytes);
            tail
        });
        self.modrm = bytes.get(usize::from(self.modrm_at)).copied().unwrap_or(0);
    }

    /// The last four bytes; zeroes stand before a shorter instruction.
    #[must_use]
    pub fn tail(&self) -> [u8; 4] {
        self.tail
    }

    /// PUSH or POP of a register or an immediate, or LEAVE.
    #[must_use]
    pub const fn is_push_or_pop(&self) -> bool {
        !self.map0f && matches!(self.op, 0x50..0x60 | 0x68 | 0x6A | 0xC9)
    }

    /// ModRM.reg.
    #[must_use]
    pub const fn digit(&self) -> u8 {
        self.modrm >> 3 & 7
    }

    /// The last `len` bytes.
    #[must_use]
    pub fn imm(&self, len: usize) -> &[u8] {
        &self.tail[4 - len..]
    }
}

/// What an instruction does with its rm operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes it.
    Write,
    /// Reads and writes it.
    Modify,
    /// Takes its address only.
    Address,
}

/// What an instruction writes of the six status flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// None.
    Nothing,
    /// All, as the host does.
    All,
    /// Some, as the host does; the others stay, AF among them.
    Some,
    /// Some and AF, as the host does; the others stay.
    SomeAndAf,
    /// All; the host's AF is to be taken for clear.
    AllButAf,
    /// As [`Writes::AllButAf`], unless CL & 31 is 0: then none.
    ShiftCl,
    /// CF and OF as the host does; the others are those of the result, AF clear.
    Product,
    /// ZF and PF if the source is 0, else none.
    Scan,
    /// None, but the host's instruction spoils them.
    Divide,
    /// All: OF and AF, which the manual leaves open, as the interpreter has them.
    Double,
    /// As [`Writes::Double`], unless CL & 31 is 0: then none.
    DoubleCl,
}

impl Writes {
    /// True where nothing of the flags before is left, whatever the operands.
    #[must_use]
    pub const fn covers_all(self) -> bool {
        matches!(self, Self::All | Self::AllButAf | Self::Product | Self::Scan | Self::Double)
    }
}

/// What ModRM.reg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// A register: as wide as the operand size says, or a byte.
    Gpr {
        /// A byte register.
        byte: bool,
    },
    /// Part of the opcode.
    Digit(u8),
}

/// What the rm operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// As ModRM says.
    ModRm,
    /// The register in the opcode.
    InOpcode,
    /// AL, AX or EAX.
    Accumulator,
    /// None: a single opcode byte.
    None,
}

/// How an instruction is rewritten.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The host's opcode.
    pub op: u8,
    /// In the 0F map.
    pub map0f: bool,
    /// ModRM.reg.
    pub reg: Reg,
    /// The rm operand.
    pub rm: Operand,
    /// Width of the rm operand in bytes.
    pub width: u8,
    /// Operands are 16 bits wide.
    pub op16: bool,
    /// What happens to the rm operand.
    pub access: Access,
    /// Immediate bytes.
    pub imm: u8,
    /// Status flags matter to it.
    pub reads_flags: bool,
    /// What becomes of them.
    pub writes: Writes,
}

impl Form {
    /// True where ESP or SP is an operand; it may be part of an address besides.
    #[must_use]
    pub fn names_esp(&self, g: &Guest) -> bool {
        let in_rm = match self.rm {
            Operand::ModRm => g.modrm >= 0xC0 && g.modrm & 7 == 4,
            Operand::InOpcode => g.op & 7 == 4,
            Operand::Accumulator | Operand::None => false,
        };
        let in_reg = matches!(self.reg, Reg::Gpr { byte: false }) && g.digit() == 4;
        in_reg || in_rm && self.width != 1
    }

    fn new(g: &Guest, op: u8, byte: bool, access: Access, writes: Writes) -> Self {
        let wide = if g.op16 { 2 } else { 4 };
        Self {
            op,
            map0f: g.map0f,
            reg: Reg::Gpr { byte },
            rm: Operand::ModRm,
            width: if byte { 1 } else { wide },
            op16: g.op16 && !byte,
            access,
            imm: 0,
            reads_flags: false,
            writes,
        }
    }

    const fn digit(self, digit: u8) -> Self {
        Self { reg: Reg::Digit(digit), ..self }
    }

    const fn imm(self, len: u8) -> Self {
        Self { imm: len, ..self }
    }

    const fn rm(self, rm: Operand) -> Self {
        Self { rm, ..self }
    }

    const fn reads_flags(self, yes: bool) -> Self {
        Self { reads_flags: yes, ..self }
    }
}

/// True where the form hangs on the immediate: a count of 0 shifts nothing.
#[must_use]
pub fn hangs_on_imm(g: &Guest) -> bool {
    if g.map0f { matches!(g.op, 0xA4 | 0xAC) } else { matches!(g.op, 0xC0 | 0xC1) }
}

/// The form of an instruction; `None` where it isn't emitted in this way.
#[must_use]
pub fn form(g: &Guest) -> Option<Form> {
    if g.map0f { two_bytes(g) } else { one_byte(g) }
}

/// Immediate bytes of an operand as wide as the operand size says.
fn full(g: &Guest) -> u8 {
    if g.op16 { 2 } else { 4 }
}

/// ADD OR ADC SBB AND SUB XOR CMP, by number.
fn alu(g: &Guest, op: u8, byte: bool, number: u8, to_rm: bool) -> Form {
    let access = match (to_rm, number) {
        (true, 0..7) => Access::Modify,
        _ => Access::Read,
    };
    Form::new(g, op, byte, access, Writes::All).reads_flags(matches!(number, 2 | 3))
}

fn one_byte(g: &Guest) -> Option<Form> {
    use Access::{Address, Modify, Read, Write};
    use Writes::{All, Nothing, Some as Part};
    let byte = g.op & 1 == 0;
    let wide = full(g);
    let imm = if byte { 1 } else { wide };
    let opcode_imm = |op| Form::new(g, op, byte, Modify, All).rm(Operand::Accumulator);
    Some(match g.op {
        0x00..0x40 if g.op & 7 < 4 => {
            // 00 and 01 write rm, 02 and 03 the register.
            alu(g, g.op, byte, g.op >> 3, g.op & 2 == 0)
        }
        0x00..0x40 if g.op & 7 < 6 => {
            let number = g.op >> 3;
            let reads = matches!(number, 2 | 3);
            opcode_imm(0x80 | g.op & 1).digit(number).imm(imm).reads_flags(reads)
        }
        0x40..0x50 => {
            let digit = g.op >> 3 & 1;
            let form = Form::new(g, 0xFF, false, Modify, Writes::SomeAndAf).digit(digit);
            form.rm(Operand::InOpcode).reads_flags(true)
        }
        0x69 => Form::new(g, g.op, false, Read, Writes::Product).imm(wide),
        0x6B => Form::new(g, g.op, false, Read, Writes::Product).imm(1),
        0x80..0x84 => {
            let len = if g.op == 0x81 { wide } else { 1 };
            let op = if g.op == 0x82 { 0x80 } else { g.op };
            alu(g, op, byte, g.digit(), true).digit(g.digit()).imm(len)
        }
        0x84 | 0x85 => Form::new(g, g.op, byte, Read, All),
        0x86 | 0x87 => Form::new(g, g.op, byte, Modify, Nothing),
        0x88 | 0x89 => Form::new(g, g.op, byte, Write, Nothing),
        0x8A | 0x8B => Form::new(g, g.op, byte, Read, Nothing),
        0x8D => Form::new(g, g.op, false, Address, Nothing),
        0x90 => Form::new(g, g.op, false, Read, Nothing).rm(Operand::None),
        0x91..0x98 => {
            // The register in the opcode with the accumulator, as the long form.
            let form = Form::new(g, 0x87, false, Modify, Nothing).digit(0);
            form.rm(Operand::InOpcode)
        }
        0x98 | 0x99 => Form::new(g, g.op, false, Read, Nothing).rm(Operand::None),
        0x9E => Form::new(g, g.op, true, Read, Writes::SomeAndAf).rm(Operand::None),
        0x9F => Form::new(g, g.op, true, Read, Nothing).rm(Operand::None).reads_flags(true),
        0xF5 => Form::new(g, g.op, true, Read, Part).rm(Operand::None).reads_flags(true),
        0xF8 | 0xF9 => Form::new(g, g.op, true, Read, Part).rm(Operand::None),
        // The accumulator and an address in the instruction, as a plain move.
        0xA0 | 0xA1 => Form::new(g, 0x8A | g.op & 1, byte, Read, Nothing).digit(0),
        0xA2 | 0xA3 => Form::new(g, 0x88 | g.op & 1, byte, Write, Nothing).digit(0),
        0xA8 | 0xA9 => opcode_imm(0xF6 | g.op & 1).digit(0).imm(imm),
        0xB0..0xB8 => {
            let form = Form::new(g, 0xC6, true, Write, Nothing).digit(0).imm(1);
            form.rm(Operand::InOpcode)
        }
        0xB8..0xC0 => {
            let form = Form::new(g, 0xC7, false, Write, Nothing).digit(0).imm(wide);
            form.rm(Operand::InOpcode)
        }
        0xC0 | 0xC1 => shift(g, byte, Some(*g.imm(1).first()?))?.imm(1),
        0xD0 | 0xD1 => shift(g, byte, Some(1))?,
        0xD2 | 0xD3 => shift(g, byte, None)?,
        0xC6 | 0xC7 => Form::new(g, g.op, byte, Write, Nothing).digit(0).imm(imm),
        0xF6 | 0xF7 => group3(g, byte, imm),
        0xFE | 0xFF if g.digit() < 2 => {
            let form = Form::new(g, g.op, byte, Modify, Writes::SomeAndAf);
            form.digit(g.digit()).reads_flags(true)
        }
        _ => return None,
    })
}

/// TEST NOT NEG MUL IMUL DIV IDIV.
fn group3(g: &Guest, byte: bool, imm: u8) -> Form {
    let make = |access, writes| Form::new(g, g.op, byte, access, writes).digit(g.digit());
    match g.digit() {
        0 | 1 => make(Access::Read, Writes::All).digit(0).imm(imm),
        2 => make(Access::Modify, Writes::Nothing),
        3 => make(Access::Modify, Writes::All),
        4 | 5 => make(Access::Read, Writes::Product),
        _ => make(Access::Read, Writes::Divide),
    }
}

/// The rotates write CF and OF only; RCL and RCR read CF. A count of 0 writes nothing.
fn shift(g: &Guest, byte: bool, count: Option<u8>) -> Option<Form> {
    let digit = if g.digit() == 6 { 4 } else { g.digit() };
    let rotates = digit < 4;
    let writes = match count.map(|n| n & 31) {
        Some(0) => Writes::Nothing,
        Some(_) if !rotates => Writes::AllButAf,
        None if !rotates => Writes::ShiftCl,
        _ => Writes::Some,
    };
    let form = Form::new(g, g.op, byte, Access::Modify, writes).digit(digit);
    Some(form.reads_flags(rotates || writes == Writes::ShiftCl))
}

fn two_bytes(g: &Guest) -> Option<Form> {
    use Access::{Modify, Read, Write};
    use Writes::{All, Nothing, Some as Part};
    let byte = g.op & 1 == 0;
    let register_rm = g.modrm >> 6 == 3;
    Some(match g.op {
        // A NOP of any length touches no memory, nor does a prefetch.
        0x0D | 0x18..=0x1F => {
            let form = Form::new(g, 0x90, true, Read, Nothing).rm(Operand::None);
            Form { map0f: false, ..form }
        }
        0x40..0x50 => Form::new(g, g.op, false, Read, Nothing).reads_flags(true),
        0x90..0xA0 => Form::new(g, g.op, true, Write, Nothing).digit(0).reads_flags(true),
        // With memory the bit's number moves the address.
        0xA3 if register_rm => Form::new(g, g.op, false, Read, Part),
        0xAB | 0xB3 | 0xBB if register_rm => Form::new(g, g.op, false, Modify, Part),
        0xBA if g.digit() >= 4 => {
            let access = if g.digit() == 4 { Read } else { Modify };
            Form::new(g, g.op, false, access, Part).digit(g.digit()).imm(1)
        }
        0xA4 | 0xAC if g.imm(1)[0] & 31 != 0 && !g.op16 => {
            Form::new(g, g.op, false, Modify, Writes::Double).imm(1)
        }
        0xA5 | 0xAD if register_rm && !g.op16 => {
            Form::new(g, g.op, false, Modify, Writes::DoubleCl).reads_flags(true)
        }
        0xAF => Form::new(g, g.op, false, Read, Writes::Product),
        0xB0 | 0xB1 | 0xC0 | 0xC1 => Form::new(g, g.op, byte, Modify, All),
        0xB6 | 0xBE => {
            let form = Form::new(g, g.op, true, Read, Nothing);
            Form { reg: Reg::Gpr { byte: false }, op16: g.op16, ..form }
        }
        0xB7 | 0xBF => Form { width: 2, ..Form::new(g, g.op, false, Read, Nothing) },
        0xBC | 0xBD => Form::new(g, g.op, false, Read, Writes::Scan),
        // 0F C8+r has the bits of an opcode 0F with ModRM 11 001 r.
        0xC8..0xD0 if !g.op16 => {
            let form = Form::new(g, 0x0F, false, Modify, Nothing).digit(1);
            Form { map0f: false, ..form.rm(Operand::InOpcode) }
        }
        _ => return None,
    })
}
