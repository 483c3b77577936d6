//! Boot paths through the real BIOS: a boot sector, a multiboot kernel, an ELF kernel.

use super::rig;
use machine::boot::{Format, Module, handoff};
use machine::{Engine, Machine, MachineConfig, StopReason, Until};
use rig::programs::E820;
use rig::{advance, read32};
use x86::segment::SegReg;
use x86::state::gpr;

const LIMIT: Until = Until { step: Some(200_000_000), ns: Some(60_000_000_000) };

/// The engine that this module is for: the file is compiled once for each.
fn engine() -> Engine {
    rig::engine_of(module_path!())
}

fn config() -> MachineConfig {
    MachineConfig { engine: engine(), ..MachineConfig::default() }
}

fn boot(image: Vec<u8>) -> (Machine, Format) {
    let mut config = config();
    let format = config.add_image(image.into()).unwrap();
    (Machine::new(config).unwrap(), format)
}

/// A boot sector with this code.
fn sector(code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 512];
    image[..code.len()].copy_from_slice(code);
    image[510..].copy_from_slice(&[0x55, 0xAA]);
    image
}

/// An ELF kernel with this code at 1 MiB.
fn elf(code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 84];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7FELF\x01\x01\x01");
    put(16, &[2, 0, 3, 0, 1]);
    put(24, &0x10_0000_u32.to_le_bytes());
    put(28, &52_u32.to_le_bytes());
    put(40, &[52, 0, 32, 0, 1]);
    let len = code.len() as u32;
    let segment: [u32; 8] = [1, 84, 0x10_0000, 0x10_0000, len, len + 64, 7, 4096];
    for (n, word) in segment.iter().enumerate() {
        put(52 + 4 * n, &word.to_le_bytes());
    }
    image.extend(code);
    image
}

#[test]
fn a_boot_sector_of_512_bytes_runs_as_a_diskette() {
    // mov al,'!'; out 0E9h,al; mov al,5; out 0F4h,al
    let (mut m, format) = boot(sector(&[0xB0, 0x21, 0xE6, 0xE9, 0xB0, 0x05, 0xE6, 0xF4]));
    assert_eq!(format, Format::Floppy);
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(5));
    assert_eq!(m.board().take_console(), b"!");
    let state = &m.cpu().state;
    assert_eq!(state.segment(SegReg::Cs).base + state.rip, 0x7C08);
    assert_eq!(state.reg32(gpr::EDX) as u8, 0, "DL is drive A");
}

#[test]
fn a_boot_sector_can_power_off() {
    // mov dx,604h; mov ax,2000h; out dx,ax
    let (mut m, _) = boot(sector(&[0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF]));
    assert_eq!(advance(&mut m, LIMIT), StopReason::PoweredOff);
}

#[test]
fn a_large_image_boots_as_a_disk() {
    // mov al,dl; out 0F4h,al
    let mut image = sector(&[0x88, 0xD0, 0xE6, 0xF4]);
    image.resize(4 << 20, 0);
    let (mut m, format) = boot(image);
    assert_eq!(format, Format::Disk);
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(0x80));
}

/// The memory map as a program gets it from the BIOS.
fn bios_memory_map(memory_bytes: u64) -> Vec<(u64, u64, u32)> {
    let mut config = MachineConfig { memory_bytes, ..config() };
    config.add_image(sector(E820).into()).unwrap();
    let mut m = Machine::new(config).unwrap();
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(3));
    let len = (m.cpu().state.reg32(gpr::EDI) & 0xFFFF) - 0x8000;
    let bytes = rig::read(&m, 0x8000, len as usize);
    let long = |b: &[u8]| u64::from_le_bytes(b.try_into().unwrap());
    let range = |b: &[u8]| (long(&b[..8]), long(&b[8..16]), u32::from(b[16]));
    bytes.chunks_exact(20).map(range).collect()
}

#[test]
fn kernels_are_told_the_same_memory_map_as_boot_sectors() {
    for memory_bytes in [1 << 20, 2 << 20, (16 << 20) + (64 << 10), 32 << 20, 3 << 30] {
        let told = handoff::memory_map(memory_bytes);
        assert_eq!(bios_memory_map(memory_bytes), told, "{memory_bytes:#x} bytes of RAM");
    }
}

#[test]
fn a_typed_key_reaches_the_bios() {
    // 1: mov ah,0; int 16h; mov ah,0Eh; int 10h; out 0E9h,al; jmp 1b
    let code = [0xB4, 0x00, 0xCD, 0x16, 0xB4, 0x0E, 0xCD, 0x10, 0xE6, 0xE9, 0xEB, 0xF4];
    let (mut m, _) = boot(sector(&code));
    assert_eq!(advance(&mut m, Until::ns(5_000_000_000)), StopReason::Until);
    for (key, down) in devices::keys::strokes_for('K') {
        assert!(m.input(machine::Input::Key { key, down }));
    }
    assert_eq!(advance(&mut m, Until::ns(6_000_000_000)), StopReason::Until);
    assert_eq!(m.board().take_console(), b"K");
    assert!(m.screen().text().lines().any(|line| line == "K"), "{}", m.screen().text());
}

#[test]
fn a_machine_saved_while_it_boots_boots_on_elsewhere() {
    let build = || boot(elf(&[0xB0, 0x01, 0xE6, 0xF4])).0;
    let (mut one, mut other) = (build(), build());
    assert_eq!(advance(&mut one, Until::step(50_000)), StopReason::Until);
    other.restore(&one.save()).unwrap();
    assert_eq!(advance(&mut one, LIMIT), StopReason::DebugExit(1));
    // And one that has started its kernel goes back to where the BIOS runs.
    assert_eq!(advance(&mut other, LIMIT), StopReason::DebugExit(1));
    assert_eq!(one.state_hash_hex(), other.state_hash_hex());
    let started = one.save();
    let mut third = build();
    third.restore(&started).unwrap();
    assert_eq!(third.state_hash_hex(), one.state_hash_hex());
    assert!(!third.kernel_waits());
}

#[test]
fn booting_is_the_same_in_lockstep() {
    let pair = if engine() == Engine::Jit { Engine::Lockstep } else { Engine::LockstepInterp };
    let mut config = MachineConfig { engine: pair, ..MachineConfig::default() };
    config.add_image(sector(&[0xB0, 0x05, 0xE6, 0xF4]).into()).unwrap();
    let mut m = Machine::new(config).unwrap();
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(5));
}

#[test]
fn an_elf_kernel_begins_in_flat_protected_mode_after_the_bios() {
    // mov al,1; out 0F4h,al
    let (mut m, format) = boot(elf(&[0xB0, 0x01, 0xE6, 0xF4]));
    assert_eq!(format, Format::Elf);
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(1));
    let state = &m.cpu().state;
    assert!(state.protected() && state.code32() && state.cr0 >> 31 == 0);
    assert_eq!((state.eip(), state.reg32(gpr::ESP)), (0x10_0004, 0x9_FC00));
    let screen = m.screen();
    assert!(!screen.is_graphics && (screen.columns, screen.rows) == (80, 25));
    let pic = m.system().bus.intc().map(|intc| intc.name());
    assert_eq!(pic, Some("pic"));
}

#[test]
fn a_multiboot_kernel_finds_modules_and_memory() {
    let mut code: Vec<u8> =
        [0x1BAD_B002_u32, 3, 0xE452_4FFB].iter().flat_map(|w| w.to_le_bytes()).collect();
    // mov al,2; out 0F4h,al
    code.extend([0xB0, 0x02, 0xE6, 0xF4]);
    let mut image = elf(&code);
    image[24..28].copy_from_slice(&0x10_000C_u32.to_le_bytes());
    let mut config = config();
    let format = config.add_image(image.into()).unwrap();
    assert!(matches!(format, Format::Multiboot(_)));
    let kernel = config.kernel.as_mut().unwrap();
    kernel.command_line = "quiet".into();
    kernel.modules = vec![Module { bytes: b"hello".to_vec(), command_line: "greeting".into() }];
    let mut m = Machine::new(config).unwrap();
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(2));

    let info = u64::from(m.cpu().state.reg32(gpr::EBX));
    assert_eq!(m.cpu().state.reg32(gpr::EAX) >> 8, 0x002B_ADB0);
    assert_eq!((read32(&m, info + 4), read32(&m, info + 8)), (639, 31 << 10));
    let module = u64::from(read32(&m, info + 24));
    let (start, end) = (read32(&m, module), read32(&m, module + 4));
    assert_eq!(rig::read(&m, u64::from(start), (end - start) as usize), b"hello");
}

#[test]
fn a_kernel_that_resets_the_machine_is_started_again() {
    // inc byte [200000h]; cmp byte [200000h],3; je 1f; mov al,0FEh; out 64h,al; 2: jmp 2b
    // 1: mov al,9; out 0F4h,al
    let code = [
        0xFE, 0x05, 0x00, 0x00, 0x20, 0x00, 0x80, 0x3D, 0x00, 0x00, 0x20, 0x00, 0x03, 0x74, 0x06,
        0xB0, 0xFE, 0xE6, 0x64, 0xEB, 0xFE, 0xB0, 0x09, 0xE6, 0xF4,
    ];
    let (mut m, _) = boot(elf(&code));
    assert_eq!(advance(&mut m, LIMIT), StopReason::DebugExit(9));
    assert_eq!(read32(&m, 0x20_0000), 3);
}

#[test]
fn a_machine_larger_than_the_host_is_refused() {
    let config = MachineConfig {
        memory_bytes: 1 << 30,
        host_memory_bytes: Some(512 << 20),
        ..MachineConfig::default()
    };
    let said = Machine::new(config).unwrap_err().to_string();
    assert!(said.contains("more than the host can give"), "{said}");
}

#[test]
fn sizes_the_board_cannot_have_are_refused() {
    for memory_bytes in [0, 1 << 19, (1 << 20) + 1, (3 << 30) + (64 << 10)] {
        let config = MachineConfig { memory_bytes, ..MachineConfig::default() };
        assert!(Machine::new(config).unwrap_err().to_string().contains("--memory"));
    }
    let config = MachineConfig { bios: Some(vec![0; 1000].into()), ..MachineConfig::default() };
    assert!(Machine::new(config).unwrap_err().to_string().contains("BIOS image has 1000 bytes"));
}
