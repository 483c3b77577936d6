//! The screens of the BIOS programs in `roms/suite`, in a form in which two machines' can be
//! compared: the dots without the repetition that one of them may add, six bits a colour, which
//! is what a VGA's DAC has. A transcript keeps a line a screen: name, size, hash.

use std::fmt::Write as _;

/// Blocks of the programs' fixed disks: four, so that both channels are full.
const DISK_BLOCKS: [u32; 4] = [8192, 4032, 6048, 2016];
/// Blocks of the diskette in drive B.
const FLOPPY_BLOCKS: u32 = 2880;

/// The fixed disks that the programs find: each block has its number in it, over and over, with
/// the disk's in the uppermost byte.
#[must_use]
pub fn numbered_disks() -> [Vec<u8>; 4] {
    std::array::from_fn(|disk| numbered(DISK_BLOCKS[disk], disk as u32))
}

/// The diskette in drive B, likewise; its number is B0h.
#[must_use]
pub fn numbered_floppy() -> Vec<u8> {
    numbered(FLOPPY_BLOCKS, 0xB0)
}

fn numbered(blocks: u32, number: u32) -> Vec<u8> {
    (0..blocks).flat_map(|block| (number << 24 | block).to_le_bytes().repeat(128)).collect()
}

/// A picture as a machine shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Dots of a line.
    pub width: usize,
    /// All dots, line by line: red, green, blue.
    pub dots: Vec<[u8; 3]>,
}

impl Picture {
    /// From a PPM file (P6, 255 levels), or `None` if it isn't one, or isn't whole yet.
    #[must_use]
    pub fn of_ppm(file: &[u8]) -> Option<Self> {
        let mut lines = file.splitn(4, |byte| *byte == b'\n');
        let (magic, size, depth) = (lines.next()?, lines.next()?, lines.next()?);
        let (width, height) = std::str::from_utf8(size).ok()?.split_once(' ')?;
        let (width, height): (usize, usize) = (width.parse().ok()?, height.parse().ok()?);
        let dots: Vec<[u8; 3]> = lines.next()?.as_chunks::<3>().0.to_vec();
        let whole = magic == b"P6" && depth == b"255" && dots.len() == width * height;
        whole.then_some(Self { width, dots })
    }

    /// The same without what is only repetition, and with six bits a colour.
    #[must_use]
    pub fn plain(&self) -> Self {
        let mut plain = Self {
            width: self.width,
            dots: self.dots.iter().map(|dot| dot.map(|level| level >> 2)).collect(),
        };
        while plain.halve_lines() {}
        while plain.halve_columns() {}
        plain
    }

    /// Lines.
    #[must_use]
    pub fn height(&self) -> usize {
        self.dots.len() / self.width.max(1)
    }

    fn halve_lines(&mut self) -> bool {
        let pairs = self.dots.chunks(self.width * 2);
        let doubled = self.height() > 1
            && self.height().is_multiple_of(2)
            && pairs.clone().all(|pair| pair[..self.width] == pair[self.width..]);
        if doubled {
            self.dots = pairs.flat_map(|pair| pair[..self.width].to_vec()).collect();
        }
        doubled
    }

    fn halve_columns(&mut self) -> bool {
        let doubled = self.width > 1
            && self.width.is_multiple_of(2)
            && self.dots.as_chunks::<2>().0.iter().all(|[left, right]| left == right);
        if doubled {
            self.width /= 2;
            self.dots = self.dots.iter().step_by(2).copied().collect();
        }
        doubled
    }

    /// The line of a transcript: two pictures that look the same have the same.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        let plain = self.plain();
        let hash = blake3::hash(plain.dots.as_flattened()).to_hex();
        format!("{name} {}x{} {}", plain.width, plain.height(), &hash[..32])
    }

    /// As a PPM file, to be looked at.
    #[must_use]
    pub fn to_ppm(&self) -> Vec<u8> {
        let mut head = String::new();
        let _ = write!(head, "P6\n{} {}\n255\n", self.width, self.height());
        [head.as_bytes(), self.dots.as_flattened()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, levels: &[u8]) -> Picture {
        Picture { width, dots: levels.iter().map(|level| [*level; 3]).collect() }
    }

    #[test]
    fn doubled_lines_and_dots_dont_count() {
        let small = picture(2, &[4, 8, 8, 4]);
        let large = picture(4, &[4, 4, 8, 8, 4, 4, 8, 8, 8, 8, 4, 4, 8, 8, 4, 4]);
        assert_eq!(small.line("a"), large.line("a"));
        assert_ne!(small.line("a"), picture(2, &[4, 8, 8, 8]).line("a"));
    }

    #[test]
    fn a_ppm_file_comes_back_and_half_a_one_doesnt() {
        let own = picture(3, &[0, 9, 255, 1, 2, 10]);
        let file = own.to_ppm();
        assert_eq!(Picture::of_ppm(&file), Some(own));
        assert_eq!(Picture::of_ppm(&file[..file.len() - 1]), None);
    }
}
