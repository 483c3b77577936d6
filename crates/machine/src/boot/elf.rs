//! ELF kernels for i386 (System V ABI, chapter 5): each PT_LOAD segment goes to its physical
//! address, the entry point is a virtual address within one of them.

use super::error::ImageError;
use super::kernel::{Kernel, Load};
use object::Endianness;
use object::elf::{self, FileHeader32, ProgramHeader32};
use object::read::elf::{FileHeader, ProgramHeader};

const ORDER: Endianness = Endianness::Little;

/// True where the file starts as an ELF file does.
#[must_use]
pub fn is_elf(image: &[u8]) -> bool {
    image.starts_with(b"\x7FELF")
}

fn damaged(what: impl Into<String>) -> ImageError {
    ImageError::ElfDamaged { what: what.into() }
}

/// Checks class, byte order, machine and type.
pub fn check_identity(image: &[u8]) -> Result<(), ImageError> {
    let Some(&[class, order]) = image.get(4..6) else {
        return Err(damaged("it ends within the identification"));
    };
    let little = order == elf::ELFDATA2LSB.0;
    let half = |at: usize| match image.get(at..at + 2) {
        Some(b) if little => Ok(u16::from_le_bytes([b[0], b[1]])),
        Some(b) => Ok(u16::from_be_bytes([b[0], b[1]])),
        None => Err(damaged("it ends within the file header")),
    };
    let (kind, machine) = (half(16)?, half(18)?);
    let (is_32, is_64) = (class == elf::ELFCLASS32.0, class == elf::ELFCLASS64.0);
    if !is_32 && !is_64 {
        return Err(damaged(format!("class {class} at offset 4 is neither 1 nor 2")));
    }
    if machine == elf::EM_X86_64.0 {
        return Err(ImageError::Elf64 { machine });
    }
    if machine != elf::EM_386.0 || !little || !is_32 {
        return Err(ImageError::ElfMachine { machine, name: machine_name(machine) });
    }
    if kind != elf::ET_EXEC.0 {
        return Err(ImageError::ElfKind { kind });
    }
    Ok(())
}

fn machine_name(machine: u16) -> &'static str {
    match elf::Machine(machine) {
        elf::EM_386 => "an i386 of another class or byte order",
        elf::EM_ARM => "ARM",
        elf::EM_AARCH64 => "AArch64",
        elf::EM_RISCV => "RISC-V",
        elf::EM_MIPS => "MIPS",
        elf::EM_PPC | elf::EM_PPC64 => "PowerPC",
        elf::EM_SPARC => "SPARC",
        _ => "another processor",
    }
}

/// What an ELF kernel wants loaded.
pub fn load(image: &[u8]) -> Result<Kernel, ImageError> {
    check_identity(image)?;
    let broken = |error: object::Error| damaged(error.to_string());
    let header = FileHeader32::<Endianness>::parse(image).map_err(broken)?;
    let segments = header.program_headers(ORDER, image).map_err(broken)?;
    let wanted = |s: &&ProgramHeader32<_>| {
        s.p_type(ORDER) == elf::PT_LOAD && s.p_memsz(ORDER) != 0 && !is_headers_in_rom(s)
    };
    let loads: Vec<Load> = segments
        .iter()
        .filter(wanted)
        .map(|segment| load_segment(segment, image))
        .collect::<Result<_, _>>()?;
    if loads.is_empty() {
        return Err(ImageError::ElfNothingToLoad);
    }
    let entry = header.e_entry(ORDER);
    let physical = segments.iter().filter(wanted).find_map(|s| physical_entry(s, entry));
    Kernel::new(loads, physical.unwrap_or(entry))
}

/// A linker told to put `.text` at 1 MiB puts the file's own headers (and its notes) a page
/// below, where a PC has its BIOS. No kernel reads them there.
fn is_headers_in_rom(segment: &ProgramHeader32<Endianness>) -> bool {
    let start = u64::from(segment.p_paddr(ORDER));
    let end = start + u64::from(segment.p_memsz(ORDER));
    let is_rom = start >= 0xA_0000 && end <= 0x10_0000;
    let is_read_only = segment.p_flags(ORDER) == elf::PF_R;
    is_rom && is_read_only && segment.p_offset(ORDER) == 0
}

fn load_segment(segment: &ProgramHeader32<Endianness>, image: &[u8]) -> Result<Load, ImageError> {
    let start = u64::from(segment.p_paddr(ORDER));
    let memory_bytes = u64::from(segment.p_memsz(ORDER));
    let (offset, size) = segment.file_range(ORDER);
    if size > memory_bytes {
        let what = format!("the segment at {start:#x} has more bytes in the file than in memory");
        return Err(damaged(what));
    }
    let bytes = segment.data(ORDER, image).map_err(|()| {
        damaged(format!(
            "the segment at {start:#x} takes bytes {offset:#x}..{:#x} of a file of {:#x}",
            offset + size,
            image.len()
        ))
    })?;
    Ok(Load { start, bytes: bytes.to_vec(), memory_bytes })
}

/// The physical address of an entry point that lies in this segment, by its virtual addresses.
fn physical_entry(segment: &ProgramHeader32<Endianness>, entry: u32) -> Option<u32> {
    let within = entry.checked_sub(segment.p_vaddr(ORDER))?;
    (within < segment.p_memsz(ORDER)).then(|| segment.p_paddr(ORDER).wrapping_add(within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::samples::{self, SEGMENT_OFFSET};

    #[test]
    fn segments_go_to_their_physical_addresses() {
        let image = samples::elf(0xC010_0000, 0x10_0000, 0xC010_0004, &[0xF4; 8], 0x2000);
        let kernel = load(&image).unwrap();
        assert_eq!(kernel.entry, 0x10_0004);
        let loads: Vec<_> = kernel.loads.iter().map(|l| (l.start, l.bytes.len())).collect();
        assert_eq!((loads, kernel.loads[0].memory_bytes), (vec![(0x10_0000, 8)], 0x2000));
    }

    #[test]
    fn an_entry_point_given_as_a_physical_address_is_taken_as_such() {
        let image = samples::elf(0xC010_0000, 0x10_0000, 0x10_0002, &[0xF4; 8], 8);
        assert_eq!(load(&image).unwrap().entry, 0x10_0002);
    }

    #[test]
    fn headers_that_the_linker_put_below_the_kernel_are_left_out() {
        let mut image = samples::elf(0x10_0000, 0x10_0000, 0x10_0000, &[0xF4; 8], 8);
        image.resize(0x200, 0);
        // A second program header: offset 0, at FF000h, 84 bytes, read-only.
        let extra = [1u32, 0, 0xF_F000, 0xF_F000, 84, 84, 4, 0x1000];
        let second = 52 + 32;
        for (field, value) in extra.into_iter().enumerate() {
            let at = second + field * 4;
            image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        image[44] = 2;
        assert_eq!(load(&image).unwrap().loads.len(), 1);
        // What may be written isn't headers.
        image[second + 24] = 6;
        assert_eq!(load(&image).unwrap().loads.len(), 2);
    }

    #[test]
    fn an_entry_point_outside_is_an_error() {
        let image = samples::elf(0x10_0000, 0x10_0000, 0x30_0000, &[0xF4; 8], 8);
        assert_eq!(load(&image).unwrap_err(), ImageError::Entry { entry: 0x30_0000 });
    }

    #[test]
    fn other_machines_are_told_apart_from_64_bit() {
        let mut image = samples::elf(0x10_0000, 0x10_0000, 0x10_0000, &[0xF4], 1);
        image[18] = 40;
        let error = load(&image).unwrap_err();
        assert!(!error.needs_64bit() && error.to_string().contains("ARM"), "{error}");
        image[4] = 2;
        image[18] = 62;
        assert!(load(&image).unwrap_err().needs_64bit());
    }

    #[test]
    fn a_truncated_segment_is_named_with_its_range() {
        let mut image = samples::elf(0x10_0000, 0x10_0000, 0x10_0000, &[0xF4; 64], 64);
        image.truncate(SEGMENT_OFFSET + 10);
        let said = load(&image).unwrap_err().to_string();
        assert!(said.contains("bytes 0x54..0x94 of a file of 0x5e"), "{said}");
    }

    #[test]
    fn an_object_file_is_not_a_kernel() {
        let mut image = samples::elf(0x10_0000, 0x10_0000, 0x10_0000, &[0xF4], 1);
        image[16] = 1;
        assert_eq!(load(&image).unwrap_err(), ImageError::ElfKind { kind: 1 });
    }
}
