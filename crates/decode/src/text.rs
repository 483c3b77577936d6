//! Disassembly for people, in Intel's notation: of a guest's code, and of the host's.

use iced_x86::{
    Code, Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind,
};

/// The name of a form's instruction, as assemblers spell it.
#[must_use]
pub fn mnemonic(code: Code) -> String {
    format!("{:?}", code.mnemonic()).to_ascii_lowercase()
}

/// Disassembles `bytes`, which lie at `ip` in a code segment of the given size: for each
/// instruction its offset, its length in bytes and its text, `(bad)` for what isn't one.
#[must_use]
pub fn disassemble(bytes: &[u8], bits32: bool, ip: u32) -> Vec<(usize, u8, String)> {
    let bitness = if bits32 { 32 } else { 16 };
    let mut decoder = Decoder::with_ip(bitness, bytes, u64::from(ip), DecoderOptions::MOV_TR);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_uppercase_hex(true);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    let mut lines = Vec::new();
    while decoder.can_decode() {
        let from = decoder.position();
        let insn = decoder.decode();
        let to = decoder.position().max(from + 1);
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        lines.push((from, (to - from) as u8, text));
    }
    lines
}

/// An instruction of the host, as a translator emitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLine {
    /// Offset in the bytes.
    pub offset: usize,
    /// Its text in Intel's notation.
    pub text: String,
    /// A user program can't run it, or it tells or changes what isn't the program's own:
    /// privileged, I/O, system calls and interrupts, segments, flags but the status flags.
    pub is_forbidden: bool,
}

/// Disassembles 64-bit code that lies at `ip`.
#[must_use]
pub fn disassemble_host(bytes: &[u8], ip: u64) -> Vec<HostLine> {
    let mut decoder = Decoder::with_ip(64, bytes, ip, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_uppercase_hex(true);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    let mut lines = Vec::new();
    while decoder.can_decode() {
        let offset = decoder.position();
        if let Some((name, len)) = bmi2(&bytes[offset..]) {
            let text = name.to_owned();
            lines.push(HostLine { offset, text, is_forbidden: false });
            if decoder.set_position(offset + len).is_err() {
                break;
            }
            decoder.set_ip(ip + (offset + len) as u64);
            continue;
        }
        let insn = decoder.decode();
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        lines.push(HostLine { offset, text, is_forbidden: is_forbidden(&insn) });
    }
    lines
}

/// A BMI2 instruction between registers, of those that a translator emits, and its length: no
/// guest of ours has them, so the decoder is built without (SDM 2 2.3.5: VEX with three bytes).
fn bmi2(bytes: &[u8]) -> Option<(&'static str, usize)> {
    let [0xC4, map, prefix, opcode, 0xC0..=0xFF, ..] = bytes else { return None };
    match (map & 0x1F, prefix & 3, opcode) {
        (2, 2, 0xF7) => Some(("sarx", 5)),
        (2, 2, 0xF5) => Some(("pext", 5)),
        (2, 3, 0xF5) => Some(("pdep", 5)),
        (3, 3, 0xF0) if bytes.len() > 5 => Some(("rorx", 6)),
        _ => None,
    }
}

fn is_forbidden(insn: &Instruction) -> bool {
    use Mnemonic::{
        Bound, Cli, Cpuid, Hlt, INVALID, In, Insb, Insd, Insw, Int, Int1, Int3, Into, Iret, Iretd,
        Iretq, Lar, Lgs, Lldt, Lsl, Lss, Out, Outsb, Outsd, Outsw, Popf, Popfd, Popfq, Pushf,
        Pushfd, Pushfq, Rdfsbase, Rdgsbase, Rdpmc, Rdtsc, Rdtscp, Retf, Sgdt, Sidt, Sldt, Smsw,
        Sti, Str, Syscall, Sysenter, Verr, Verw, Wrfsbase, Wrgsbase, Xgetbv,
    };
    let segment = (0..insn.op_count())
        .any(|n| insn.op_kind(n) == OpKind::Register && insn.op_register(n).is_segment_register());
    let named = matches!(
        insn.mnemonic(),
        Bound
            | Cli
            | Cpuid
            | Hlt
            | In
            | Insb
            | Insd
            | Insw
            | Int
            | Int1
            | Int3
            | Into
            | INVALID
            | Iret
            | Iretd
            | Iretq
            | Lar
            | Lgs
            | Lldt
            | Lsl
            | Lss
            | Out
            | Outsb
            | Outsd
            | Outsw
            | Popf
            | Popfd
            | Popfq
            | Pushf
            | Pushfd
            | Pushfq
            | Rdfsbase
            | Rdgsbase
            | Rdpmc
            | Rdtsc
            | Rdtscp
            | Retf
            | Sgdt
            | Sidt
            | Sldt
            | Smsw
            | Sti
            | Str
            | Syscall
            | Sysenter
            | Verr
            | Verw
            | Wrfsbase
            | Wrgsbase
            | Xgetbv
    );
    segment || named || insn.is_privileged()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_intels() {
        let lines = disassemble(&[0x0F, 0x22, 0xC0, 0xEB, 0xFE], true, 0x7C00);
        assert_eq!(lines[0].2, "mov cr0, eax");
        assert_eq!(lines[1], (3, 2, "jmp short 7C03h".to_owned()));
    }

    #[test]
    fn the_bmi2_instructions_that_a_translator_emits_are_named_and_no_others() {
        // sarx r8, r14, r10; rorx r8d, r8d, 16; pext r8d, ecx, r8d; pdep ecx, ecx, r8d; ret
        let code = [
            0xC4, 0x42, 0xAA, 0xF7, 0xC6, 0xC4, 0x43, 0x7B, 0xF0, 0xC0, 0x10, 0xC4, 0x42, 0x72,
            0xF5, 0xC0, 0xC4, 0xC2, 0x73, 0xF5, 0xC8, 0xC3,
        ];
        let lines = disassemble_host(&code, 0);
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["sarx", "rorx", "pext", "pdep", "ret"]);
        assert!(disassemble_host(&[0xC4, 0xE2, 0x7B, 0xF6, 0xC0], 0)[0].is_forbidden, "mulx");
    }

    #[test]
    fn what_a_user_program_must_not_run_is_told() {
        let forbidden = |bytes: &[u8]| disassemble_host(bytes, 0)[0].is_forbidden;
        for bytes in [&[0xF4][..], &[0xFA], &[0xE6, 0x80], &[0x9C], &[0x0F, 0xA2], &[0x8E, 0xD8]] {
            assert!(forbidden(bytes), "{bytes:x?}");
        }
        assert!(!forbidden(&[0x65, 0x67, 0x8B, 0x03]) && !forbidden(&[0x9F]));
    }
}
