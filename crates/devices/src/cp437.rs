//! Code page 437, what the VGA's built-in font shows, as Unicode.

/// The characters of 00h-1Fh and 7Fh as the font draws them, and of 80h-FFh.
const LOW: &str = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The character that the font draws for a code. 0 is a blank.
#[must_use]
pub fn to_char(code: u8) -> char {
    let (row, at) = match code {
        0..=0x1F => (LOW, code),
        0x7F => return '⌂',
        0x20..=0x7E => return char::from(code),
        0x80..=0xFF => (HIGH, code - 0x80),
    };
    row.chars().nth(usize::from(at)).unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_complete() {
        assert_eq!((LOW.chars().count(), HIGH.chars().count()), (32, 128));
    }

    #[test]
    fn some_codes_are_known() {
        let seen = [0x41, 0xC9, 0xDB, 0x1B, 0xE1, 0x7F].map(to_char);
        assert_eq!(seen, ['A', '╔', '█', '←', 'ß', '⌂']);
    }
}
