//! The benchmark workloads: boot images that do a known amount of work, check its result, and
//! print it. What an image prints, and where its header lies, is told in `bench/lib.inc`.

mod model;

/// Offset of the number of rounds.
const COUNT_AT: usize = 0x48;
/// Offset of the checksum that each round must yield.
const EXPECTED_AT: usize = 0x4C;
/// Offset of the address at which the image starts when it is loaded in flat protected mode.
const ENTRY_AT: usize = 0x50;

/// Physical address at which an image lies, whoever loads it.
pub const LOAD_ADDRESS: u32 = 0x7C00;

/// What a workload is about: workloads of one class are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Integers, flags, memory, calls and returns.
    IntegerMemory,
    /// Jumps whose target is data.
    Indirect,
    /// Floating point and packed numbers.
    X87Sse,
    /// String instructions of all kinds.
    String,
    /// REP MOVS and REP STOS alone.
    RepMovesFills,
    /// Code that is written again and again: patched before each run, or only thought to be.
    Patched,
    /// Code that is written once and run often.
    Generated,
    /// Ways into ring 0 and back.
    Doors,
    /// Page faults whose handler maps a page.
    DemandFault,
    /// Switches between address spaces.
    Spaces,
    /// IN and OUT.
    PortIo,
    /// Devices in memory.
    Mmio,
}

impl Class {
    /// Its name, for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IntegerMemory => "integer, memory",
            Self::Indirect => "indirect jumps",
            Self::X87Sse => "x87, SSE",
            Self::String => "string",
            Self::RepMovesFills => "REP moves, fills",
            Self::Patched => "patched, beside",
            Self::Generated => "generated code",
            Self::Doors => "doors to ring 0",
            Self::DemandFault => "demand faults",
            Self::Spaces => "CR3 switches",
            Self::PortIo => "port I/O",
            Self::Mmio => "MMIO",
        }
    }
}

/// One benchmark.
pub struct Workload {
    /// The name it prints.
    pub name: &'static str,
    /// What it exercises, in a few words.
    pub about: &'static str,
    /// What it is averaged with.
    pub class: Class,
    /// The boot image, with the default number of rounds.
    pub image: &'static [u8],
    native: Option<&'static [u8]>,
    model: Model,
}

/// A workload's checksum, computed on the host.
type Model = fn() -> u32;

/// Name, class, what it exercises, its independent computation.
type Listed = (&'static str, Class, &'static str, Model);

/// Every workload.
const CATALOGUE: &[Listed] = &[
    ("sieve", Class::IntegerMemory, "byte stores, compares, short loops", model::sieve),
    ("crc", Class::IntegerMemory, "table look-ups, shifts, xor", model::crc),
    ("sort", Class::IntegerMemory, "unpredictable branches", model::sort),
    ("chase", Class::IntegerMemory, "dependent loads over 1024 pages", model::chase),
    ("copy", Class::IntegerMemory, "loads and stores by loop", model::copy),
    ("flags", Class::IntegerMemory, "carries, SETcc, CMOVcc, RCL, parity", model::flags),
    ("fib", Class::IntegerMemory, "calls, returns, stack", model::fib),
    ("dispatch", Class::Indirect, "indirect jumps through a table", model::dispatch),
    ("x87", Class::X87Sse, "products, Horner's rule, roots in double", model::x87),
    ("sse", Class::X87Sse, "packed floats, doubles and integers", model::sse),
    ("string", Class::String, "REP STOS, MOVS, CMPS, SCAS", model::string),
    ("moves", Class::RepMovesFills, "large REP MOVS", model::moves),
    ("fills", Class::RepMovesFills, "large REP STOS", model::fills),
    ("short", Class::RepMovesFills, "REP MOVS and STOS of up to 64 bytes", model::short),
    ("patch", Class::Patched, "an instruction patched before each run", model::patch),
    ("beside", Class::Patched, "variables beside code on its page", model::beside),
    ("generate", Class::Generated, "routines written, then run often", model::generate),
    ("stubs", Class::Generated, "short routines written, then run a hundred times", model::stubs),
    ("filter", Class::Generated, "filters written, then run on 64 records", model::filter),
    ("syscall", Class::Doors, "INT 80h from ring 3 and IRET", model::syscall),
    ("callgate", Class::Doors, "far CALL through a gate and far RET", model::syscall),
    ("sysenter", Class::Doors, "SYSENTER and SYSEXIT", model::syscall),
    ("exception", Class::Doors, "#UD from ring 3 and IRET", model::exception),
    ("fault", Class::DemandFault, "page faults, new mappings, CR3 loads", model::fault),
    ("spaces", Class::Spaces, "CR3 switches, 32 pages touched after each", model::spaces),
    ("port", Class::PortIo, "IN and OUT", model::port),
    ("mmio", Class::Mmio, "the VGA's memory in planes", model::mmio),
];

/// All workloads, in the order in which they are shown.
pub fn all() -> Vec<Workload> {
    let workload = |&(name, class, about, model): &Listed| {
        let image = crate::get(&format!("bench-{name}")).expect("every workload is assembled");
        let native = crate::get(&format!("native-{name}"));
        Workload { name, about, class, image, native, model }
    };
    CATALOGUE.iter().map(workload).collect()
}

impl Workload {
    /// The default number of rounds.
    pub fn rounds(&self) -> u32 {
        self.dword(COUNT_AT)
    }

    /// The checksum the image itself insists on.
    pub fn expected(&self) -> u32 {
        self.dword(EXPECTED_AT)
    }

    /// Flat protected-mode entry point, for a harness that loads the image at [`LOAD_ADDRESS`]
    /// itself: 32-bit, ring 0, paging and interrupts off, flat segments.
    pub fn entry(&self) -> u32 {
        self.dword(ENTRY_AT)
    }

    /// The checksum by an independent computation on the host.
    pub fn model(&self) -> u32 {
        (self.model)()
    }

    /// The image with another number of rounds (at least 1).
    pub fn image_with(&self, rounds: u32) -> Vec<u8> {
        with_rounds(self.image, rounds)
    }

    /// The same work as a 32-bit Linux executable, with a number of rounds (at least 1); `None`
    /// where it needs what a process doesn't have. It prints the same two lines.
    pub fn native_with(&self, rounds: u32) -> Option<Vec<u8>> {
        self.native.map(|image| with_rounds(image, rounds))
    }

    /// The line that precedes the measured region on the debug console.
    pub fn start_line(&self) -> String {
        format!("{} start\n", self.name)
    }

    /// The line that ends it, if all went well.
    pub fn end_line(&self) -> String {
        format!("{} {:08X} ok\n", self.name, self.model())
    }

    fn dword(&self, at: usize) -> u32 {
        let bytes = self.image.get(at..at + 4).expect("an image holds its header");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }
}

fn with_rounds(image: &[u8], rounds: u32) -> Vec<u8> {
    let mut image = image.to_vec();
    image[COUNT_AT..COUNT_AT + 4].copy_from_slice(&rounds.max(1).to_le_bytes());
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that mark an image's header, and their offset.
    const MAGIC: &[u8; 8] = b"CLBENCH1";
    const MAGIC_AT: usize = 0x40;

    #[test]
    fn every_image_insists_on_the_checksum_computed_independently() {
        for workload in all() {
            let (image, model) = (workload.expected(), workload.model());
            assert_eq!(image, model, "{}: image {image:#010X}, model {model:#010X}", workload.name);
        }
    }

    #[test]
    fn every_image_is_a_boot_sector_with_a_header_and_whole_sectors_on_one_track() {
        for workload in all() {
            let image = workload.image;
            assert_eq!(image[MAGIC_AT..MAGIC_AT + 8], MAGIC[..], "{}", workload.name);
            assert_eq!(image[510..512], [0x55, 0xAA], "{}", workload.name);
            assert_eq!(image.len() % 512, 0, "{}", workload.name);
            assert!((2..=18).contains(&(image.len() / 512)), "{}", workload.name);
            let end = LOAD_ADDRESS + image.len() as u32;
            assert!((LOAD_ADDRESS..end).contains(&workload.entry()), "{}", workload.name);
        }
    }

    #[test]
    fn every_bench_image_is_in_the_catalogue() {
        let listed: Vec<String> = all().iter().map(|w| format!("bench-{}", w.name)).collect();
        for (name, _) in crate::ALL.iter().filter(|(name, _)| name.starts_with("bench-")) {
            assert!(listed.iter().any(|l| l == name), "{name} isn't listed");
        }
    }

    #[test]
    fn a_native_image_is_an_executable_with_the_boot_images_header_and_bytes_of_workload() {
        /// Offset of the workload's own code, and how many of its bytes may be addresses.
        const WORKLOAD_AT: usize = 0x600;
        for workload in all() {
            let Some(native) = workload.native else { continue };
            assert_eq!(native[..4], *b"\x7FELF", "{}", workload.name);
            assert_eq!(native[MAGIC_AT..ENTRY_AT], workload.image[MAGIC_AT..ENTRY_AT]);
            assert_eq!(native.len(), workload.image.len(), "{}", workload.name);
            let pairs = native[WORKLOAD_AT..].iter().zip(&workload.image[WORKLOAD_AT..]);
            let differ = pairs.filter(|(a, b)| a != b).count();
            assert!(differ <= 64, "{}: {differ} bytes differ", workload.name);
        }
    }

    #[test]
    fn what_needs_ring_0_or_a_device_has_no_native_image_and_all_else_has_one() {
        let without: Vec<_> = all().iter().filter(|w| w.native.is_none()).map(|w| w.name).collect();
        let system =
            ["syscall", "callgate", "sysenter", "exception", "fault", "spaces", "port", "mmio"];
        assert_eq!(without, system);
    }

    #[test]
    fn another_number_of_rounds_changes_only_the_count() {
        let workload = &all()[0];
        let image = workload.image_with(3);
        let changed: Vec<usize> =
            (0..image.len()).filter(|&i| image[i] != workload.image[i]).collect();
        assert_eq!(image[COUNT_AT..COUNT_AT + 4], [3, 0, 0, 0]);
        assert!(changed.iter().all(|at| (COUNT_AT..COUNT_AT + 4).contains(at)));
    }
}
