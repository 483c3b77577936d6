//! Tells what an image is by its content: kernels by their magic numbers, disks by the boot
//! signature, diskettes by their size. Never by the file's name.

use super::elf;
use super::error::ImageError;
use super::multiboot::{self, Header};

/// A sector of a diskette or disk, bytes.
pub const SECTOR: usize = 512;
const SIGNATURE_AT: usize = 510;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];
/// Diskettes the drive knows, in bytes.
pub const FLOPPY_SIZES: [u64; 9] = [
    160 << 10,
    180 << 10,
    320 << 10,
    360 << 10,
    720 << 10,
    1200 << 10,
    1440 << 10,
    1680 << 10,
    2880 << 10,
];

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A multiboot 1 kernel, ELF or flat.
    Multiboot(Header),
    /// A plain ELF kernel for i386.
    Elf,
    /// A diskette, or a boot sector (and what follows it) to be put on one.
    Floppy,
    /// A disk.
    Disk,
}

impl Format {
    /// In a word or two, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Multiboot(_) => "multiboot kernel",
            Format::Elf => "ELF kernel",
            Format::Floppy => "diskette",
            Format::Disk => "disk",
        }
    }
}

/// Bytes from the start of an image that [`detect_head`] wants to see.
pub const HEAD: usize = 64 << 10;

/// Finds an image's format.
pub fn detect(image: &[u8]) -> Result<Format, ImageError> {
    detect_head(image, image.len() as u64)
}

/// Finds the format of an image of `len` bytes by its first [`HEAD`] bytes (or all of it), for
/// disks that are larger than memory.
pub fn detect_head(image: &[u8], len: u64) -> Result<Format, ImageError> {
    if image.is_empty() {
        return Err(ImageError::Empty);
    }
    if let Some(header) = multiboot::find(image)? {
        return kernel(image, header);
    }
    if elf::is_elf(image) {
        elf::check_identity(image)?;
        return match multiboot::find_version_2(image) {
            Some(offset) => Err(ImageError::Multiboot2 { offset }),
            None => Ok(Format::Elf),
        };
    }
    if let Some(error) = container(image) {
        return Err(error);
    }
    boot_sector(image, len)
}

fn kernel(image: &[u8], header: Header) -> Result<Format, ImageError> {
    if header.addresses.is_none() {
        if !elf::is_elf(image) {
            return Err(ImageError::MultibootNoAddresses { offset: header.offset });
        }
        elf::check_identity(image)?;
    }
    Ok(Format::Multiboot(header))
}

/// Formats that hold an image, rather than being one.
fn container(image: &[u8]) -> Option<ImageError> {
    const KNOWN: [(&[u8], &str, &str); 6] = [
        (&[0x1F, 0x8B], "gzip data", "unpack it with gunzip"),
        (b"\xFD7zXZ\0", "xz data", "unpack it with unxz"),
        (&[0x28, 0xB5, 0x2F, 0xFD], "zstd data", "unpack it with unzstd"),
        (b"PK\x03\x04", "a zip archive", "unpack it with unzip"),
        (b"QFI\xFB", "a qcow2 disk", "convert it with qemu-img convert -O raw"),
        (b"conectix", "a VHD disk", "convert it with qemu-img convert -O raw"),
    ];
    let found = KNOWN.iter().find(|(magic, ..)| image.starts_with(magic))?;
    Some(ImageError::Container { kind: found.1, cure: found.2 })
}

fn boot_sector(image: &[u8], len: u64) -> Result<Format, ImageError> {
    let Some(found) = image.get(SIGNATURE_AT..SIGNATURE_AT + 2) else {
        return Err(ImageError::TooSmall { len });
    };
    if found != SIGNATURE {
        return Err(match image.get(0x8001..0x8006) {
            Some(b"CD001") => ImageError::PlainIso,
            _ => ImageError::NoSignature { found: [found[0], found[1]] },
        });
    }
    if image.get(0x202..0x206) == Some(b"HdrS") {
        return Err(ImageError::LinuxKernel);
    }
    let fits_a_floppy = len <= FLOPPY_SIZES[FLOPPY_SIZES.len() - 1];
    let is_floppy = FLOPPY_SIZES.contains(&len) || (fits_a_floppy && !has_partitions(image));
    Ok(if is_floppy { Format::Floppy } else { Format::Disk })
}

/// True where the sector ends in a table of partitions that makes sense: each entry unused or
/// with a proper boot indicator, a type, a start and a length; and at least one in use.
fn has_partitions(image: &[u8]) -> bool {
    let Some(table) = image.get(446..SIGNATURE_AT) else {
        return false;
    };
    let word = |e: &[u8], at: usize| u32::from_le_bytes([e[at], e[at + 1], e[at + 2], e[at + 3]]);
    let unused = |e: &[u8]| e.iter().all(|b| *b == 0);
    let proper = |e: &[u8]| e[0] & 0x7F == 0 && e[4] != 0 && word(e, 8) != 0 && word(e, 12) != 0;
    let mut entries = table.chunks_exact(16);
    let sound = entries.clone().all(|e| unused(e) || proper(e));
    sound && entries.any(proper)
}

/// A diskette image of `len` bytes padded to the next size that a drive knows.
#[must_use]
pub fn floppy_size(len: u64) -> u64 {
    let usual = 1440 << 10;
    let exact = FLOPPY_SIZES.contains(&len);
    match len {
        _ if exact => len,
        _ if len <= usual => usual,
        _ => FLOPPY_SIZES[FLOPPY_SIZES.len() - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(len: usize) -> Vec<u8> {
        let mut image = vec![0; len];
        image[510] = 0x55;
        image[511] = 0xAA;
        image
    }

    #[test]
    fn a_bare_boot_sector_becomes_a_diskette() {
        assert_eq!(detect(&sector(512)), Ok(Format::Floppy));
        assert_eq!(detect(&sector(700)), Ok(Format::Floppy));
        assert_eq!(floppy_size(700), 1_474_560);
    }

    #[test]
    fn a_large_image_is_a_disk_and_a_small_one_with_partitions_too() {
        assert_eq!(detect(&sector(3 << 20)), Ok(Format::Disk));
        let mut image = sector(1 << 20);
        image[446] = 0x80;
        image[450] = 0x0C;
        image[454] = 63;
        image[458] = 100;
        assert_eq!(detect(&image), Ok(Format::Disk));
    }

    #[test]
    fn a_diskette_of_a_usual_size_is_one_whatever_lies_in_its_partition_table() {
        let mut image = sector(1440 << 10);
        image[446] = 0x80;
        image[450] = 1;
        image[454] = 1;
        image[458] = 1;
        assert_eq!(detect(&image), Ok(Format::Floppy));
    }

    #[test]
    fn what_is_no_image_says_why() {
        assert_eq!(detect(&[]), Err(ImageError::Empty));
        assert_eq!(detect(&[1; 100]), Err(ImageError::TooSmall { len: 100 }));
        assert_eq!(detect(&[7; 512]), Err(ImageError::NoSignature { found: [7, 7] }));
        let said = detect(&[7; 512]).unwrap_err().to_string();
        assert!(said.contains("07 07 instead of 55 AA"), "{said}");
        let mut iso = vec![0; 0x9000];
        iso[0x8001..0x8006].copy_from_slice(b"CD001");
        assert_eq!(detect(&iso), Err(ImageError::PlainIso));
        assert!(matches!(detect(b"\x1F\x8B...."), Err(ImageError::Container { .. })));
    }

    #[test]
    fn the_head_of_a_large_disk_is_enough() {
        assert_eq!(detect_head(&sector(HEAD), 40 << 30), Ok(Format::Disk));
        assert_eq!(detect_head(&sector(HEAD), 1440 << 10), Ok(Format::Floppy));
    }

    #[test]
    fn a_hybrid_iso_is_a_disk() {
        let mut iso = sector(4 << 20);
        iso[0x8001..0x8006].copy_from_slice(b"CD001");
        assert_eq!(detect(&iso), Ok(Format::Disk));
    }
}
