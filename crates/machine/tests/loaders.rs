//! No image makes a loader panic: arbitrary bytes, and good headers with anything in them.

use machine::boot::{Handoff, ImageError, Module, detect};
use proptest::collection::vec;
use proptest::prelude::*;

const RAM: u64 = 16 << 20;
const MAGIC: u32 = 0x1BAD_B002;

fn try_all(image: &[u8]) -> Result<(), ImageError> {
    let module = Module { bytes: vec![1, 2, 3], command_line: "module".into() };
    detect(image)?;
    Handoff::new(image, "command line", &[module], RAM).map(drop)
}

/// A multiboot header with a right checksum at `offset`, and these words after it.
fn with_header(mut image: Vec<u8>, offset: usize, flags: u32, fields: &[u32]) -> Vec<u8> {
    let sum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(flags);
    let words = [MAGIC, flags, sum].into_iter().chain(fields.iter().copied());
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    image.resize(image.len().max(offset + bytes.len()), 0);
    image[offset..offset + bytes.len()].copy_from_slice(&bytes);
    image
}

/// The smallest ELF kernel: one segment of 16 bytes at 1 MiB.
fn elf() -> Vec<u8> {
    let mut image = vec![0; 84 + 16];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7FELF\x01\x01\x01");
    put(16, &[2, 0, 3, 0, 1]);
    put(24, &0x10_0000_u32.to_le_bytes());
    put(28, &52_u32.to_le_bytes());
    put(40, &[52, 0, 32, 0, 1]);
    let segment: [u32; 8] = [1, 84, 0x10_0000, 0x10_0000, 16, 32, 7, 4096];
    for (n, word) in segment.iter().enumerate() {
        put(52 + 4 * n, &word.to_le_bytes());
    }
    image
}

#[test]
fn the_smallest_elf_kernel_is_accepted() {
    assert_eq!(try_all(&elf()), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(image in vec(any::<u8>(), 0..2048)) {
        let _ = try_all(&image);
    }

    #[test]
    fn a_multiboot_header_with_anything_in_it_never_panics(
        image in vec(any::<u8>(), 0..512),
        offset in (0_usize..64).prop_map(|n| n * 4),
        flags in prop_oneof![Just(0_u32), Just(3), Just(0x1_0000), Just(0x1_0007), any::<u32>()],
        fields in vec(any::<u32>(), 0..9),
    ) {
        let _ = try_all(&with_header(image, offset, flags, &fields));
    }

    #[test]
    fn address_fields_near_each_other_never_panic(
        base in prop_oneof![Just(0_u32), Just(0x9_FFF0), Just(0x10_0000), Just(0xFFFF_FFF0)],
        near in vec(0_u32..600, 5),
    ) {
        let fields: Vec<u32> = near.iter().map(|n| base.wrapping_add(*n)).collect();
        let _ = try_all(&with_header(vec![0x90; 512], 32, 0x1_0000, &fields));
    }

    #[test]
    fn an_elf_file_with_changed_bytes_never_panics(
        changes in vec((0_usize..100, any::<u8>()), 1..8),
        len in 0_usize..=100,
    ) {
        let mut image = elf();
        for (at, value) in changes {
            image[at] = value;
        }
        image.truncate(len);
        let _ = try_all(&image);
    }

    #[test]
    fn an_elf_segment_with_any_numbers_never_panics(
        fields in vec(prop_oneof![any::<u32>(), 0_u32..200, Just(u32::MAX)], 8),
    ) {
        let mut image = elf();
        for (n, word) in fields.iter().enumerate().skip(1) {
            image[52 + 4 * n..56 + 4 * n].copy_from_slice(&word.to_le_bytes());
        }
        let _ = try_all(&image);
    }
}
