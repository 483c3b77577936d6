//! Disassembly for people, in Intel's notation.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

/// Disassembles `bytes`, which lie at `ip` in a code segment of the given size: for each
/// instruction its offset, its length in bytes and its text, `(bad)` for what isn't one.
#[must_use]
pub fn disassemble(bytes: &[u8], bits32: bool, ip: u32) -> Vec<(usize, u8, String)> {
    let bitness = if bits32 { 32 } else { 16 };
    let mut decoder = Decoder::with_ip(bitness, bytes, u64::from(ip), DecoderOptions::NONE);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_intels() {
        let lines = disassemble(&[0x0F, 0x22, 0xC0, 0xEB, 0xFE], true, 0x7C00);
        assert_eq!(lines[0].2, "mov cr0, eax");
        assert_eq!(lines[1], (3, 2, "jmp short 7C03h".to_owned()));
    }
}
