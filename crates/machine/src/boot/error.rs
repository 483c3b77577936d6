//! Why an image can't be booted: what was found, where, and what would cure it.

/// An image that can't be booted. Each message is one line: the finding and the cure.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImageError {
    /// No bytes.
    #[error("the image is empty; a boot sector needs 512 bytes with 55 AA at its end")]
    Empty,
    /// Neither a kernel nor a boot sector.
    #[error(
        "the image has {len} bytes and no 55 AA at offset 510: not a boot sector, and neither \
         an ELF file nor a multiboot kernel; pad it to 512 bytes that end in 55 AA"
    )]
    TooSmall {
        /// Its length in bytes.
        len: u64,
    },
    /// No boot signature.
    #[error(
        "no boot signature: offset 510 holds {:02X} {:02X} instead of 55 AA (nor is this an ELF \
         file or a multiboot kernel); end the first sector with `.word 0xAA55`", found[0], found[1]
    )]
    NoSignature {
        /// The two bytes at offset 510.
        found: [u8; 2],
    },
    /// An ISO image that only a CD-ROM drive could boot.
    #[error(
        "an ISO 9660 image (CD001 at offset 0x8001) without a boot sector: CD-ROM boot isn't \
         supported yet; make a hybrid image (grub-mkrescue, isohybrid) or a floppy image"
    )]
    PlainIso,
    /// Compressed or in a virtual disk's container.
    #[error("{kind} (seen at offset 0): not a raw image; {cure}")]
    Container {
        /// What it is.
        kind: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// A Linux kernel.
    #[error(
        "a Linux kernel (HdrS at offset 0x202): the Linux boot protocol isn't supported yet; \
         boot it from a disk image with a boot loader"
    )]
    LinuxKernel,
    /// Multiboot 2 without multiboot 1.
    #[error(
        "a multiboot 2 header at offset {offset:#x} and no multiboot 1 header: only version 1 \
         is supported; add one (magic 1BADB002)"
    )]
    Multiboot2 {
        /// Where the header starts.
        offset: usize,
    },
    /// A 64-bit kernel.
    #[error(
        "a 64-bit ELF file (class 2 at offset 4, machine {machine:#x}): long mode isn't \
         supported yet; build the kernel with -m32 for i386"
    )]
    Elf64 {
        /// e_machine.
        machine: u16,
    },
    /// ELF for another processor.
    #[error("an ELF file for {name} (machine {machine:#x} at offset 18), not i386")]
    ElfMachine {
        /// e_machine.
        machine: u16,
        /// Its name.
        name: &'static str,
    },
    /// ELF that isn't a program.
    #[error(
        "an ELF file of type {kind} at offset 16, not an executable (2); link it with `ld` at \
         a fixed address"
    )]
    ElfKind {
        /// e_type.
        kind: u16,
    },
    /// ELF that isn't what it should be.
    #[error("a damaged or truncated ELF file: {what}")]
    ElfDamaged {
        /// What is wrong, and where.
        what: String,
    },
    /// Nothing to load.
    #[error("an ELF file without a PT_LOAD segment: there is nothing to load")]
    ElfNothingToLoad,
    /// A multiboot header with a wrong checksum.
    #[error(
        "multiboot header at offset {offset:#x}: the checksum is {found:#010x}; magic + flags + \
         checksum must be 0, so it should be {expected:#010x}"
    )]
    MultibootChecksum {
        /// Where the header starts.
        offset: usize,
        /// The checksum.
        found: u32,
        /// What it should be.
        expected: u32,
    },
    /// A header asks for what we don't know.
    #[error(
        "multiboot header at offset {offset:#x}: flags {flags:#x} demand features {unknown:#x} \
         that version 1 doesn't have; clear those bits"
    )]
    MultibootFlags {
        /// Where the header starts.
        offset: usize,
        /// Its flags.
        flags: u32,
        /// The unknown bits.
        unknown: u32,
    },
    /// A flat kernel without addresses.
    #[error(
        "multiboot header at offset {offset:#x}: the file isn't ELF, so flag 16 and the address \
         fields are needed to know where to load it"
    )]
    MultibootNoAddresses {
        /// Where the header starts.
        offset: usize,
    },
    /// Address fields that contradict each other or the file.
    #[error("multiboot header at offset {offset:#x}: {what}")]
    MultibootAddresses {
        /// Where the header starts.
        offset: usize,
        /// The contradiction.
        what: String,
    },
    /// A part that isn't where RAM is.
    #[error(
        "{what} would lie at {start:#x}..{end:#x}, outside RAM (0..0xa0000 and \
         0x100000..{ram_end:#x}); link it elsewhere or give more --memory"
    )]
    OutsideRam {
        /// Which part.
        what: String,
        /// First byte.
        start: u64,
        /// One past the last.
        end: u64,
        /// Where RAM ends.
        ram_end: u64,
    },
    /// The segments together are larger than RAM.
    #[error("the segments together take {bytes} bytes, more than the {ram_bytes} bytes of RAM")]
    TooMuch {
        /// Their sum.
        bytes: u64,
        /// RAM.
        ram_bytes: u64,
    },
    /// An entry point outside of everything loaded.
    #[error("the entry point {entry:#x} lies in no loaded segment; check the linker's ENTRY")]
    Entry {
        /// The entry point.
        entry: u32,
    },
    /// No gap for modules or boot information.
    #[error("no room in RAM for {what} ({bytes} bytes) beside the kernel; give more --memory")]
    NoRoom {
        /// What.
        what: &'static str,
        /// How large.
        bytes: u64,
    },
}

impl ImageError {
    /// True for a guest that needs long mode, which has an exit status of its own.
    #[must_use]
    pub fn needs_64bit(&self) -> bool {
        matches!(self, ImageError::Elf64 { .. })
    }
}
