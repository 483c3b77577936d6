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

/// One benchmark.
pub struct Workload {
    /// The name it prints.
    pub name: &'static str,
    /// What it exercises, in a few words.
    pub about: &'static str,
    /// The boot image, with the default number of rounds.
    pub image: &'static [u8],
    model: Model,
}

/// A workload's checksum, computed on the host.
type Model = fn() -> u32;

/// Every workload: name, what it exercises, its independent computation.
const CATALOGUE: &[(&str, &str, Model)] = &[
    ("sieve", "byte stores, compares, short loops", model::sieve),
    ("crc", "table look-ups, shifts, xor", model::crc),
    ("sort", "unpredictable branches", model::sort),
    ("chase", "dependent loads over 1024 pages", model::chase),
    ("copy", "loads and stores by loop", model::copy),
    ("flags", "carries, SETcc, CMOVcc, RCL, parity", model::flags),
    ("fib", "calls, returns, stack", model::fib),
    ("dispatch", "indirect jumps through a table", model::dispatch),
    ("string", "REP STOS, MOVS, CMPS, SCAS", model::string),
    ("syscall", "INT 80h from ring 3 and IRET", model::syscall),
    ("fault", "page faults, new mappings, CR3 loads", model::fault),
    ("port", "IN and OUT", model::port),
];

/// All workloads, in the order in which they are shown.
pub fn all() -> Vec<Workload> {
    let workload = |&(name, about, model): &(&'static str, &'static str, Model)| {
        let image = crate::get(&format!("bench-{name}")).expect("every workload is assembled");
        Workload { name, about, image, model }
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
        let mut image = self.image.to_vec();
        image[COUNT_AT..COUNT_AT + 4].copy_from_slice(&rounds.max(1).to_le_bytes());
        image
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
    fn another_number_of_rounds_changes_only_the_count() {
        let workload = &all()[0];
        let image = workload.image_with(3);
        let changed: Vec<usize> =
            (0..image.len()).filter(|&i| image[i] != workload.image[i]).collect();
        assert_eq!(image[COUNT_AT..COUNT_AT + 4], [3, 0, 0, 0]);
        assert!(changed.iter().all(|at| (COUNT_AT..COUNT_AT + 4).contains(at)));
    }
}
