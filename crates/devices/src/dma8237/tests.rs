//! The DMA controllers' tests.

use super::*;

fn programmed(mode: u8, address: u16, count: u16) -> (Dma, Memory) {
    let dma = Dma::new();
    let mut s = lock(&dma.shared);
    s.write(0x0C, 0);
    for byte in address.to_le_bytes() {
        s.write(0x04, byte);
    }
    for byte in count.to_le_bytes() {
        s.write(0x05, byte);
    }
    s.write(0x81, 0x01);
    s.write(0x0B, mode | 2);
    s.write(0x0A, 2);
    s.write(0xD6, 0xC0);
    s.write(0xD4, 0);
    drop(s);
    (dma, Memory::flat(0x2_0000).unwrap())
}

#[test]
fn bytes_go_to_memory_until_terminal_count() {
    let (dma, mut mem) = programmed(MODE_WRITE, 0x1234, 1);
    let channel = dma.channel(2);
    assert_eq!(channel.to_memory(0xAB, &mut mem), Moved::More);
    assert_eq!(channel.to_memory(0xCD, &mut mem), Moved::Last);
    assert_eq!(channel.to_memory(0xEF, &mut mem), Moved::Refused);
    let mut seen = [0; 3];
    mem.read_phys(PhysAddr(0x1_1234), &mut seen);
    assert_eq!(seen, [0xAB, 0xCD, 0]);
    assert_eq!(lock(&dma.shared).read(0x08), 1 << 2);
    assert_eq!(lock(&dma.shared).read(0x08), 0);
}

#[test]
fn address_wraps_within_its_page() {
    let (dma, mut mem) = programmed(MODE_WRITE, 0xFFFF, 1);
    dma.channel(2).to_memory(1, &mut mem);
    dma.channel(2).to_memory(2, &mut mem);
    let mut seen = [0];
    mem.read_phys(PhysAddr(0x1_0000), &mut seen);
    assert_eq!(seen, [2]);
}

#[test]
fn autoinit_starts_again() {
    let (dma, mut mem) = programmed(MODE_READ | MODE_AUTOINIT, 0x10, 0);
    mem.write_phys(PhysAddr(0x1_0010), &[0x77]);
    assert_eq!(dma.channel(2).from_memory(&mem), (Moved::Last, 0x77));
    assert_eq!(dma.channel(2).from_memory(&mem), (Moved::Last, 0x77));
}

fn write(dma: &mut Dma, mem: &mut Memory, list: &[(u16, u8)]) {
    for &(port, value) in list {
        let mut io = Io { cpu: 0, now_ns: 0, size: 1, memory: mem };
        dma.write(port.into(), value.into(), &mut io);
    }
}

/// Channel 0 at 1_0100h, channel 1 at 1_0200h for four bytes; then a request.
const MEMORY_TO_MEMORY: &[(u16, u8)] = &[
    (0x0D, 0),
    (0x00, 0x00),
    (0x00, 0x01),
    (0x02, 0x00),
    (0x02, 0x02),
    (0x03, 3),
    (0x03, 0),
    (0x87, 1),
    (0x83, 1),
    (0x0B, 0x88),
    (0x0B, 0x85),
];

#[test]
fn memory_is_moved_on_a_software_request() {
    let (mut dma, mut mem) = (Dma::new(), Memory::flat(0x2_0000).unwrap());
    mem.write_phys(PhysAddr(0x1_0100), &[1, 2, 3, 4, 5]);
    write(&mut dma, &mut mem, MEMORY_TO_MEMORY);
    write(&mut dma, &mut mem, &[(0x08, COMMAND_MEMORY), (0x09, 4)]);
    let mut seen = [0; 5];
    mem.read_phys(PhysAddr(0x1_0200), &mut seen);
    assert_eq!(seen, [1, 2, 3, 4, 0]);
    // Terminal count of channel 1; the temporary register has the last byte.
    let mut s = lock(&dma.shared);
    assert_eq!((s.read(0x08) & 0x32, s.read(0x0D)), (0x02, 4));
}

#[test]
fn memory_is_filled_while_channel_0_holds_its_address() {
    let (mut dma, mut mem) = (Dma::new(), Memory::flat(0x2_0000).unwrap());
    mem.write_phys(PhysAddr(0x1_0100), &[7, 8]);
    write(&mut dma, &mut mem, MEMORY_TO_MEMORY);
    write(&mut dma, &mut mem, &[(0x08, COMMAND_MEMORY | COMMAND_HOLD), (0x09, 4)]);
    let mut seen = [0; 5];
    mem.read_phys(PhysAddr(0x1_0200), &mut seen);
    assert_eq!(seen, [7, 7, 7, 7, 0]);
}

#[test]
fn a_byte_is_written_to_base_and_current_alike() {
    let (dma, mut mem) = programmed(MODE_WRITE | MODE_AUTOINIT, 0x1234, 0x5678);
    dma.channel(2).to_memory(0, &mut mem);
    let mut s = lock(&dma.shared);
    s.write(0x0C, 0);
    // The low byte only: the current address has moved on to 1235h.
    s.write(0x04, 0xFF);
    s.write(0x0C, 0);
    assert_eq!([s.read(0x04), s.read(0x04)], [0xFF, 0x12]);
    assert_eq!(s.channels[2].base_address, 0x12FF);
}

#[test]
fn wrong_direction_is_refused() {
    let (dma, mem) = programmed(MODE_WRITE, 0, 9);
    assert_eq!(dma.channel(2).from_memory(&mem).0, Moved::Refused);
}

#[test]
fn nothing_passes_a_masked_cascade() {
    let (dma, mut mem) = programmed(MODE_WRITE, 0, 9);
    lock(&dma.shared).write(0xD4, 4);
    assert!(!dma.channel(2).is_open());
    assert_eq!(dma.channel(2).to_memory(1, &mut mem), Moved::Refused);
}

#[test]
fn counters_are_read_low_byte_first() {
    let (dma, _) = programmed(MODE_WRITE, 0x1234, 0x5678);
    let mut s = lock(&dma.shared);
    s.write(0x0C, 0);
    assert_eq!([s.read(0x04), s.read(0x04), s.read(0x05), s.read(0x05)], [0x34, 0x12, 0x78, 0x56]);
}
