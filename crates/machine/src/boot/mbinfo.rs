//! The boot information of multiboot (Multiboot Specification 0.6.96, section 3.3), with its
//! command line, modules and memory map, laid out in low memory beside the kernel.

use super::error::ImageError;
use super::handoff::E820_RAM;
use super::kernel::{HIGH_START, Kernel, Load, find_gap};
use super::multiboot::{Header, PAGE_ALIGN};

/// A file handed to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its name and arguments.
    pub command_line: String,
}

/// One range of the memory map: base, bytes, type (1 is RAM).
pub type Range = (u64, u64, u32);

const LOADER_NAME: &str = concat!("Cloister ", env!("CARGO_PKG_VERSION"));
/// Where low memory is searched for a gap: as GRUB does, above what boot sectors use.
const LOW_GAPS: (u64, u64) = (0x1_0000, 0x9_0000);
const INFO_BYTES: usize = 116;
const MODULE_BYTES: usize = 16;

const HAS_MEMORY: u32 = 1 << 0;
const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MEMORY_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;
const HAS_FRAMEBUFFER: u32 = 1 << 12;
const FRAMEBUFFER_TEXT: u8 = 2;

/// The information with all it points to.
#[derive(Clone, Debug)]
pub struct Info {
    /// Where the structure lies: EBX.
    pub address: u32,
    /// Everything to be written: the structure and the modules.
    pub loads: Vec<Load>,
}

/// Lays out modules above 1 MiB and the information below.
pub fn build(
    kernel: &Kernel,
    header: &Header,
    command_line: &str,
    modules: &[Module],
    map: &[Range],
    ram_end: u64,
) -> Result<Info, ImageError> {
    let mut taken = kernel.ranges();
    let mut loads = Vec::new();
    let align = if header.flags & PAGE_ALIGN != 0 { 4096 } else { 16 };
    for module in modules {
        let len = module.bytes.len() as u64;
        let from = taken.iter().map(|(_, end)| *end).max().unwrap_or(0).max(HIGH_START);
        let start = find_gap(&taken, from, ram_end, len.max(1), align)
            .or_else(|| find_gap(&taken, HIGH_START, ram_end, len.max(1), align))
            .ok_or(ImageError::NoRoom { what: "a module", bytes: len })?;
        taken.push((start, start + len.max(1)));
        loads.push(Load { start, bytes: module.bytes.clone(), memory_bytes: len });
    }
    let size = Layout::new(0, command_line, modules, map).total() as u64;
    let start = find_gap(&taken, LOW_GAPS.0, LOW_GAPS.1, size, 16)
        .ok_or(ImageError::NoRoom { what: "the boot information", bytes: size })?;
    let layout = Layout::new(start as u32, command_line, modules, map);
    let bytes = layout.write(&loads);
    loads.push(Load { start, memory_bytes: bytes.len() as u64, bytes });
    Ok(Info { address: start as u32, loads })
}

/// Where each part lies, from the structure on: modules' list, map, strings.
struct Layout<'a> {
    base: u32,
    command_line: &'a str,
    modules: &'a [Module],
    map: &'a [Range],
}

impl<'a> Layout<'a> {
    fn new(base: u32, command_line: &'a str, modules: &'a [Module], map: &'a [Range]) -> Self {
        Self { base, command_line, modules, map }
    }

    fn module_list(&self) -> usize {
        INFO_BYTES.next_multiple_of(4)
    }

    fn memory_map(&self) -> usize {
        self.module_list() + self.modules.len() * MODULE_BYTES
    }

    fn strings(&self) -> usize {
        self.memory_map() + self.map.len() * 24
    }

    fn total(&self) -> usize {
        let lines = self.modules.iter().map(|m| m.command_line.len() + 1).sum::<usize>();
        self.strings() + self.command_line.len() + 1 + LOADER_NAME.len() + 1 + lines
    }

    fn write(&self, placed: &[Load]) -> Vec<u8> {
        let mut out = vec![0; INFO_BYTES];
        let at = |offset: usize| self.base + offset as u32;
        let mut strings = Strings { base: at(self.strings()), bytes: Vec::new() };
        let mut put =
            |offset: usize, v: u32| out[offset..offset + 4].copy_from_slice(&v.to_le_bytes());
        let flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MEMORY_MAP | HAS_LOADER_NAME;
        put(0, flags | HAS_FRAMEBUFFER);
        put(4, kib_from(self.map, 0));
        put(8, kib_from(self.map, HIGH_START));
        put(16, strings.add(self.command_line));
        put(20, self.modules.len() as u32);
        put(24, at(self.module_list()));
        put(44, self.map.len() as u32 * 24);
        put(48, at(self.memory_map()));
        put(64, strings.add(LOADER_NAME));
        // The screen: 80 x 25 characters of two bytes at B8000.
        put(88, 0xB_8000);
        put(96, 160);
        put(100, 80);
        put(104, 25);
        put(108, 16 | u32::from(FRAMEBUFFER_TEXT) << 8);
        for (module, load) in self.modules.iter().zip(placed) {
            let line = strings.add(&module.command_line);
            for v in [load.start as u32, load.end() as u32, line, 0] {
                out.extend(v.to_le_bytes());
            }
        }
        for (base, len, kind) in self.map {
            out.extend(20_u32.to_le_bytes());
            out.extend(base.to_le_bytes());
            out.extend(len.to_le_bytes());
            out.extend(kind.to_le_bytes());
        }
        out.extend(strings.bytes);
        out
    }
}

/// Strings that end in 0, one after another.
struct Strings {
    base: u32,
    bytes: Vec<u8>,
}

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        let at = self.base + self.bytes.len() as u32;
        self.bytes.extend(text.bytes());
        self.bytes.push(0);
        at
    }
}

/// KiB of the RAM that begins at `start`.
fn kib_from(map: &[Range], start: u64) -> u32 {
    let range = map.iter().find(|(base, _, kind)| *base == start && *kind == E820_RAM);
    range.map_or(0, |(_, len, _)| u32::try_from(len / 1024).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::handoff::memory_map;

    const RAM: u64 = 32 << 20;

    fn info(modules: &[Module]) -> Info {
        let load = Load { start: HIGH_START, bytes: vec![0xF4], memory_bytes: 0x1234 };
        let kernel = Kernel::new(vec![load], HIGH_START as u32).unwrap();
        let header = Header { offset: 0, flags: PAGE_ALIGN, addresses: None };
        build(&kernel, &header, "root=/dev/hda", modules, &memory_map(RAM), RAM).unwrap()
    }

    fn word(info: &Info, offset: u32) -> u32 {
        let load = info.loads.last().unwrap();
        let at = (offset - load.start as u32) as usize;
        u32::from_le_bytes(load.bytes[at..at + 4].try_into().unwrap())
    }

    fn text(info: &Info, at: u32) -> String {
        let load = info.loads.last().unwrap();
        let bytes = &load.bytes[(at - load.start as u32) as usize..];
        let end = bytes.iter().position(|b| *b == 0).unwrap();
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    }

    #[test]
    fn memory_is_told_in_kib_and_as_a_map() {
        let info = info(&[]);
        let field = |n| word(&info, info.address + n);
        assert_eq!((field(4), field(8)), (639, 31 << 10));
        let map = field(48);
        assert_eq!((field(44), word(&info, map)), (5 * 24, 20));
        assert_eq!(
            (word(&info, map + 4), word(&info, map + 12), word(&info, map + 20)),
            (0, 0x9FC00, 1)
        );
    }

    #[test]
    fn command_line_and_loader_name_end_in_zero() {
        let info = info(&[]);
        assert_eq!(text(&info, word(&info, info.address + 16)), "root=/dev/hda");
        assert!(text(&info, word(&info, info.address + 64)).starts_with("Cloister "));
    }

    #[test]
    fn modules_lie_at_page_boundaries_behind_the_kernel() {
        let module = |n| Module { bytes: vec![n; 5000], command_line: format!("mod {n}") };
        let info = info(&[module(1), module(2)]);
        let list = word(&info, info.address + 24);
        assert_eq!(word(&info, info.address + 20), 2);
        assert_eq!((word(&info, list), word(&info, list + 4)), (0x10_2000, 0x10_2000 + 5000));
        assert_eq!(word(&info, list + 16), 0x10_4000);
        assert_eq!(text(&info, word(&info, list + 24)), "mod 2");
        assert_eq!((info.loads[1].start, info.loads[1].bytes[0]), (0x10_4000, 2));
    }

    #[test]
    fn a_module_larger_than_ram_is_refused() {
        let load = Load { start: HIGH_START, bytes: vec![0xF4], memory_bytes: 1 };
        let kernel = Kernel::new(vec![load], HIGH_START as u32).unwrap();
        let header = Header { offset: 0, flags: 0, addresses: None };
        let module = Module { bytes: vec![0; 2 << 20], command_line: String::new() };
        let error = build(&kernel, &header, "", &[module], &[], 2 << 20).unwrap_err();
        assert_eq!(error, ImageError::NoRoom { what: "a module", bytes: 2 << 20 });
    }
}
