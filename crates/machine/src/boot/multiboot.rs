//! The multiboot header (Multiboot Specification 0.6.96, section 3.1): found within the first
//! 8192 bytes, aligned to 4, checked by its sum, and turned into what is to be loaded where.

use super::elf;
use super::error::ImageError;
use super::kernel::{Kernel, Load};

const MAGIC: u32 = 0x1BAD_B002;
const MAGIC_2: u32 = 0xE852_50D6;
const SEARCHED: usize = 8192;
/// Modules begin at page boundaries.
pub const PAGE_ALIGN: u32 = 1 << 0;
/// The memory fields must be there.
pub const MEMORY_INFO: u32 = 1 << 1;
/// A video mode is wished for.
pub const VIDEO_MODE: u32 = 1 << 2;
/// The address fields are valid.
pub const ADDRESSES: u32 = 1 << 16;
/// Bits a loader must know or refuse.
const MANDATORY: u32 = 0xFFFF;

/// The address fields (section 3.1.3), all physical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Where the header itself is loaded.
    pub header: u32,
    /// First byte loaded.
    pub load: u32,
    /// One past the last byte loaded; 0 for the whole file.
    pub load_end: u32,
    /// One past the zeroed area; 0 for none.
    pub bss_end: u32,
    /// Where to begin.
    pub entry: u32,
}

/// A header that was found and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where in the file.
    pub offset: usize,
    /// What it asks for.
    pub flags: u32,
    /// Where to load a file that isn't ELF.
    pub addresses: Option<Addresses>,
}

impl Header {
    /// True where a video mode was wished for. We stay in text mode, which is allowed: the
    /// fields say what is recommended, not what must be (section 3.1.4).
    #[must_use]
    pub fn wants_video(&self) -> bool {
        self.flags & VIDEO_MODE != 0
    }
}

fn word(image: &[u8], at: usize) -> Option<u32> {
    let bytes = image.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Finds the header. `Ok(None)` where there is no magic number; an error where there is one
/// and the rest is wrong.
pub fn find(image: &[u8]) -> Result<Option<Header>, ImageError> {
    let mut wrong = None;
    for offset in (0..image.len().min(SEARCHED).saturating_sub(11)).step_by(4) {
        if word(image, offset) != Some(MAGIC) {
            continue;
        }
        let flags = word(image, offset + 4).unwrap_or(0);
        let found = word(image, offset + 8).unwrap_or(0);
        let expected = 0_u32.wrapping_sub(MAGIC).wrapping_sub(flags);
        if found == expected {
            return parse(image, offset, flags).map(Some);
        }
        let error = ImageError::MultibootChecksum { offset, found, expected };
        wrong.get_or_insert(error);
    }
    // A boot sector may hold the number as data (boot loaders do): only a kernel must not.
    let is_boot_sector = image.get(510..512) == Some(&[0x55, 0xAA]);
    match wrong {
        Some(error) if !is_boot_sector => Err(error),
        _ => Ok(None),
    }
}

/// Where a multiboot 2 header starts, if there is one (its specification, section 3.1.1: 8-byte
/// aligned, within 32768 bytes).
#[must_use]
pub fn find_version_2(image: &[u8]) -> Option<usize> {
    (0..image.len().min(32768)).step_by(8).find(|offset| {
        let field = |n: usize| word(image, offset + 4 * n);
        match (field(0), field(1), field(2), field(3)) {
            (Some(MAGIC_2), Some(arch), Some(len), Some(sum)) => {
                MAGIC_2.wrapping_add(arch).wrapping_add(len).wrapping_add(sum) == 0
            }
            _ => false,
        }
    })
}

fn parse(image: &[u8], offset: usize, flags: u32) -> Result<Header, ImageError> {
    let unknown = flags & MANDATORY & !(PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE);
    if unknown != 0 {
        return Err(ImageError::MultibootFlags { offset, flags, unknown });
    }
    let addresses = if flags & ADDRESSES == 0 { None } else { Some(addresses(image, offset)?) };
    Ok(Header { offset, flags, addresses })
}

fn addresses(image: &[u8], offset: usize) -> Result<Addresses, ImageError> {
    let field = |n: usize| {
        let at = offset + 12 + 4 * n;
        let cut = || "the file ends within the address fields".to_owned();
        word(image, at)
            .filter(|_| at + 4 <= SEARCHED)
            .ok_or_else(|| ImageError::MultibootAddresses { offset, what: cut() })
    };
    Ok(Addresses {
        header: field(0)?,
        load: field(1)?,
        load_end: field(2)?,
        bss_end: field(3)?,
        entry: field(4)?,
    })
}

/// What a multiboot kernel wants loaded.
pub fn load(image: &[u8], header: &Header) -> Result<Kernel, ImageError> {
    match &header.addresses {
        Some(addresses) => load_flat(image, header.offset, addresses),
        None => elf::load(image),
    }
}

/// Loads by the address fields (section 3.1.3): the file's offset of `load` is that of the
/// header minus the distance between the two in memory.
fn load_flat(image: &[u8], offset: usize, a: &Addresses) -> Result<Kernel, ImageError> {
    let wrong = |what: String| ImageError::MultibootAddresses { offset, what };
    let before = a.header.checked_sub(a.load).ok_or_else(|| {
        wrong(format!("load_addr {:#x} is above header_addr {:#x}", a.load, a.header))
    })?;
    let start = offset.checked_sub(before as usize).ok_or_else(|| {
        let text = "header_addr - load_addr is {:#x}, but the header is at offset";
        wrong(format!("{} {offset:#x} of the file", text.replace("{:#x}", &format!("{before:#x}"))))
    })?;
    let rest = image.len() - start;
    let len = match a.load_end {
        0 => rest,
        end => end.checked_sub(a.load).ok_or_else(|| {
            wrong(format!("load_end_addr {end:#x} is below load_addr {:#x}", a.load))
        })? as usize,
    };
    let bytes = image.get(start..start.saturating_add(len)).ok_or_else(|| {
        wrong(format!("{len:#x} bytes are to be loaded, but the file has only {rest:#x}"))
    })?;
    let loaded_end = u64::from(a.load) + len as u64;
    let end = if a.bss_end == 0 { loaded_end } else { u64::from(a.bss_end) };
    if end < loaded_end {
        let text = format!("bss_end_addr {end:#x} is below the end of the data {loaded_end:#x}");
        return Err(wrong(text));
    }
    let load = Load {
        start: u64::from(a.load),
        bytes: bytes.to_vec(),
        memory_bytes: end - u64::from(a.load),
    };
    Kernel::new(vec![load], a.entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u32, more: &[u32]) -> Vec<u8> {
        let sum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(flags);
        let words = [MAGIC, flags, sum];
        words.iter().chain(more).flat_map(|w| w.to_le_bytes()).collect()
    }

    fn flat(more: [u32; 5]) -> Result<Kernel, ImageError> {
        let mut image = vec![0x90; 0x20];
        image.extend(header(ADDRESSES, &more));
        image.resize(0x100, 0xAB);
        let header = find(&image)?.ok_or(ImageError::Empty)?;
        load(&image, &header)
    }

    #[test]
    fn a_flat_kernel_is_loaded_by_its_address_fields() {
        let k = flat([0x10_0020, 0x10_0000, 0x10_0080, 0x10_1000, 0x10_0004]).unwrap();
        assert_eq!((k.loads[0].start, k.loads[0].bytes.len()), (0x10_0000, 0x80));
        assert_eq!((k.loads[0].memory_bytes, k.entry), (0x1000, 0x10_0004));
        let k = flat([0x10_0020, 0x10_0010, 0, 0, 0x10_0010]).unwrap();
        assert_eq!((k.loads[0].bytes.len(), k.loads[0].memory_bytes), (0xF0, 0xF0));
    }

    #[test]
    fn address_fields_that_contradict_are_named() {
        let said = |more| flat(more).unwrap_err().to_string();
        assert!(said([0x10_0000, 0x10_0020, 0, 0, 0]).contains("above header_addr"));
        assert!(said([0x10_0020, 0x0F_0000, 0, 0, 0]).contains("offset 0x20"));
        assert!(said([0x10_0020, 0x10_0000, 0x0F_0000, 0, 0]).contains("below load_addr"));
        assert!(said([0x10_0020, 0x10_0000, 0x10_0101, 0, 0]).contains("only 0x100"));
        assert!(said([0x10_0020, 0x10_0000, 0, 0x10_0001, 0]).contains("bss_end_addr"));
        assert!(said([0x10_0020, 0x10_0000, 0, 0, 0x20]).contains("entry point"));
    }

    #[test]
    fn a_wrong_checksum_says_the_right_one() {
        let mut image = header(3, &[]);
        image[8] ^= 1;
        let error = find(&image).unwrap_err();
        assert!(error.to_string().contains("should be 0xe4524ffb"), "{error}");
    }

    #[test]
    fn unknown_mandatory_features_are_refused_and_video_isnt() {
        let error = find(&header(1 << 5, &[])).unwrap_err();
        assert_eq!(error, ImageError::MultibootFlags { offset: 0, flags: 0x20, unknown: 0x20 });
        assert!(find(&header(VIDEO_MODE, &[])).unwrap().unwrap().wants_video());
    }

    #[test]
    fn a_header_beyond_8_kib_isnt_one() {
        let mut image = vec![0; 8192 - 8];
        image.extend(header(0, &[]));
        assert_eq!(find(&image), Ok(None));
    }
}
