//! How a kernel is started: the BIOS runs its power-on self test as on any PC and boots a
//! diskette made for the purpose, whose boot sector only halts. There the machine, in the place
//! of a boot loader, puts the kernel into memory, sets the processor to flat 32-bit protected
//! mode and goes on. So the interrupt controllers, the timer, the screen, the interrupt vectors
//! and the BIOS data area are what a BIOS leaves, whichever BIOS it is.
//!
//! The state at entry is that of the Multiboot Specification 0.6.96, section 3.2; a plain ELF
//! kernel gets the same without EAX and EBX.

use super::error::ImageError;
use super::kernel::{HIGH_START, Kernel, Load, find_gap};
use super::mbinfo::{self, Module, Range};
use super::multiboot::{self, Header};
use super::{detect, elf};
use mem::Memory;
use x86::segment::{Descriptor, SegReg, Segment, Selector, TableReg};
use x86::state::{Activity, Shadow, gpr};
use x86::{Cr0, State};

/// RAM in a memory map.
pub const E820_RAM: u32 = 1;
/// Reserved in a memory map.
pub const E820_RESERVED: u32 = 2;
/// Where the extended BIOS data area begins, and low memory ends.
pub const EBDA_START: u64 = 0x9_FC00;
const BOOT_SECTOR: u64 = 0x7C00;
const MULTIBOOT_EAX: u32 = 0x2BAD_B002;

const CODE: Selector = Selector(0x08);
const DATA: Selector = Selector(0x10);
const FLAT_CODE: Descriptor = Descriptor(0x00CF_9B00_0000_FFFF);
const FLAT_DATA: Descriptor = Descriptor(0x00CF_9300_0000_FFFF);

/// The diskette that stops where a boot loader begins: CLI, HLT.
#[must_use]
pub fn halting_diskette() -> Vec<u8> {
    let mut image = vec![0; detect::floppy_size(0) as usize];
    image[..2].copy_from_slice(&[0xFA, 0xF4]);
    image[510..512].copy_from_slice(&[0x55, 0xAA]);
    image
}

/// The memory map that INT 15h, E820h reports, for `ram_end` bytes of RAM.
#[must_use]
pub fn memory_map(ram_end: u64) -> Vec<Range> {
    let mut map = vec![
        (0, EBDA_START, E820_RAM),
        (EBDA_START, 0x400, E820_RESERVED),
        (0xF_0000, 0x1_0000, E820_RESERVED),
    ];
    if ram_end > HIGH_START {
        map.push((HIGH_START, ram_end - HIGH_START, E820_RAM));
    }
    map.push((0xFFFF_0000, 0x1_0000, E820_RESERVED));
    map
}

/// A kernel ready to be started once the BIOS has done its part.
#[derive(Clone, Debug)]
pub struct Handoff {
    kernel: Kernel,
    more: Vec<Load>,
    gdt: u32,
    info: Option<u32>,
    /// A video mode was wished for, which stays a wish.
    pub wanted_video: bool,
}

impl Handoff {
    /// Prepares a kernel; all that can be wrong with it is found here.
    pub fn new(
        image: &[u8],
        command_line: &str,
        modules: &[Module],
        ram_end: u64,
    ) -> Result<Self, ImageError> {
        let Some(header) = multiboot::find(image)? else {
            let kernel = elf::load(image)?;
            return Self::assemble(kernel, Vec::new(), None, false, ram_end);
        };
        Self::multiboot(image, &header, command_line, modules, ram_end)
    }

    fn multiboot(
        image: &[u8],
        header: &Header,
        command_line: &str,
        modules: &[Module],
        ram_end: u64,
    ) -> Result<Self, ImageError> {
        let kernel = multiboot::load(image, header)?;
        kernel.check_fits(ram_end)?;
        let map = memory_map(ram_end);
        let info = mbinfo::build(&kernel, header, command_line, modules, &map, ram_end)?;
        Self::assemble(kernel, info.loads, Some(info.address), header.wants_video(), ram_end)
    }

    fn assemble(
        kernel: Kernel,
        mut more: Vec<Load>,
        info: Option<u32>,
        wanted_video: bool,
        ram_end: u64,
    ) -> Result<Self, ImageError> {
        kernel.check_fits(ram_end)?;
        let mut taken = kernel.ranges();
        taken.extend(more.iter().map(|l| (l.start, l.end())));
        let words = [0, FLAT_CODE.0, FLAT_DATA.0];
        let bytes: Vec<u8> = words.iter().flat_map(|d| d.to_le_bytes()).collect();
        let len = bytes.len() as u64;
        let start = find_gap(&taken, 0x1000, 0x9_0000, len, 8)
            .ok_or(ImageError::NoRoom { what: "a descriptor table", bytes: len })?;
        more.push(Load { start, bytes, memory_bytes: len });
        Ok(Self { kernel, more, gdt: start as u32, info, wanted_video })
    }

    /// Where the kernel begins.
    #[must_use]
    pub fn entry(&self) -> u32 {
        self.kernel.entry
    }

    /// True where the processor halts in the diskette's boot sector, that is, where the BIOS
    /// is done.
    #[must_use]
    pub fn is_due(state: &State) -> bool {
        let linear = state.segment(SegReg::Cs).base + state.rip;
        !state.protected()
            && state.activity == Activity::Halted
            && linear == BOOT_SECTOR + 2
            && !state.flag(x86::Eflags::IF)
    }

    /// Puts the kernel and all that goes with it into memory.
    pub fn write(&self, memory: &mut Memory) {
        for load in &self.more {
            for_memory(load, memory);
        }
        self.kernel.write(memory);
    }

    /// Sets the processor as a kernel finds it.
    pub fn enter(&self, state: &mut State) {
        state.gpr = [0; 17];
        if let Some(info) = self.info {
            state.set_reg32(gpr::EAX, MULTIBOOT_EAX);
            state.set_reg32(gpr::EBX, info);
        }
        state.set_reg32(gpr::ESP, EBDA_START as u32);
        state.rip = u64::from(self.kernel.entry);
        state.set_eflags(0);
        for register in SegReg::ALL {
            state.seg[register as usize] = Segment::from_descriptor(DATA, FLAT_DATA);
        }
        state.seg[SegReg::Cs as usize] = Segment::from_descriptor(CODE, FLAT_CODE);
        state.gdtr = TableReg { base: u64::from(self.gdt), limit: 23 };
        state.idtr = TableReg { base: 0, limit: 0 };
        state.cr0 = ((state.cr0() - Cr0::PG) | Cr0::PE).bits();
        state.cpl = 0;
        state.shadow = Shadow::None;
        state.activity = Activity::Running;
    }
}

fn for_memory(load: &Load, memory: &mut Memory) {
    memory.write_phys(x86::PhysAddr(load.start), &load.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::samples;
    use x86::{Eflags, PhysAddr};

    fn plain() -> Handoff {
        let image = samples::elf(0x10_0000, 0x10_0000, 0x10_0000, &[0xFA, 0xF4], 2);
        Handoff::new(&image, "", &[], 2 << 20).unwrap()
    }

    #[test]
    fn a_kernel_enters_flat_protected_mode_with_interrupts_and_paging_off() {
        let mut state = State::reset();
        plain().enter(&mut state);
        assert!(state.protected() && state.code32() && state.stack32());
        assert!(!state.cr0().contains(Cr0::PG) && !state.flag(Eflags::IF | Eflags::VM));
        assert!(SegReg::ALL.iter().all(|s| state.segment(*s).is_flat()));
        assert_eq!((state.eip(), state.reg32(gpr::ESP)), (0x10_0000, 0x9_FC00));
    }

    #[test]
    fn reloading_the_segments_it_has_works() {
        let handoff = plain();
        let mut memory = Memory::flat(2 << 20).unwrap();
        handoff.write(&mut memory);
        let mut state = State::reset();
        handoff.enter(&mut state);
        let mut bytes = [0; 8];
        memory.read_phys(PhysAddr(state.gdtr.base + 0x10), &mut bytes);
        let descriptor = Descriptor(u64::from_le_bytes(bytes));
        assert_eq!(Segment::from_descriptor(DATA, descriptor), *state.segment(SegReg::Ds));
    }

    #[test]
    fn multiboot_kernels_find_the_magic_number_and_the_information() {
        let mut code: Vec<u8> =
            [0x1BAD_B002_u32, 0, 0xE452_4FFE].iter().flat_map(|w| w.to_le_bytes()).collect();
        code.push(0xF4);
        let image = samples::elf(0x10_0000, 0x10_0000, 0x10_000C, &code, 0x100);
        let handoff = Handoff::new(&image, "x", &[], 2 << 20).unwrap();
        let mut state = State::reset();
        handoff.enter(&mut state);
        assert_eq!(state.reg32(gpr::EAX), 0x2BAD_B002);
        assert_eq!(state.reg32(gpr::EBX), 0x1_0000);
    }

    #[test]
    fn a_machine_of_one_megabyte_has_no_upper_memory() {
        let map = memory_map(1 << 20);
        assert!(map.iter().all(|(base, ..)| *base != HIGH_START));
    }
}
