//! The shapes of code page 437 as a VGA has them in ROM, a byte a row with the leftmost dot in
//! bit 7, 256 characters one after the other.
//!
//! They are VGA-ROM.F08, .F14 and .F16 of Joseph Gil's collection fntcol16, whose notice puts
//! the individual fonts into the public domain. Bochs's and QEMU's video BIOSes show the same
//! ones, so pictures of text can be compared with theirs dot by dot.

/// 8 rows a character.
pub const FONT_8X8: &[u8; 8 * 256] = include_bytes!("../bios/font-8x8.bin");
/// 14 rows a character.
pub const FONT_8X14: &[u8; 14 * 256] = include_bytes!("../bios/font-8x14.bin");
/// 16 rows a character.
pub const FONT_8X16: &[u8; 16 * 256] = include_bytes!("../bios/font-8x16.bin");

#[cfg(test)]
mod tests {
    use super::*;

    /// A diamond, the full block, and the letter whose shape everybody knows.
    #[test]
    fn known_characters_have_their_shapes() {
        assert_eq!(FONT_8X16[0xDB * 16..][..16], [0xFF; 16]);
        assert_eq!(FONT_8X14[0xDB * 14..][..14], [0xFF; 14]);
        assert_eq!(FONT_8X8[0x41 * 8..][..8], [0x30, 0x78, 0xCC, 0xCC, 0xFC, 0xCC, 0xCC, 0]);
        assert_eq!(
            FONT_8X16[0x41 * 16..][..12],
            [0, 0, 0x10, 0x38, 0x6C, 0xC6, 0xC6, 0xFE, 0xC6, 0xC6, 0xC6, 0xC6]
        );
    }

    #[test]
    fn blanks_are_blank_in_all_sizes() {
        assert!(FONT_8X8[0x20 * 8..][..8].iter().all(|row| *row == 0));
        assert!(FONT_8X14[0x20 * 14..][..14].iter().all(|row| *row == 0));
        assert!(FONT_8X16[0x20 * 16..][..16].iter().all(|row| *row == 0));
    }
}
