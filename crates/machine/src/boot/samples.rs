//! Small images for tests.

/// Where the only segment of [`elf`] lies in the file.
pub const SEGMENT_OFFSET: usize = 52 + 32;

/// An ELF kernel with one segment.
pub fn elf(virt: u32, phys: u32, entry: u32, bytes: &[u8], memory: u32) -> Vec<u8> {
    let mut image = b"\x7FELF\x01\x01\x01".to_vec();
    image.resize(16, 0);
    let half = |image: &mut Vec<u8>, v: u16| image.extend(v.to_le_bytes());
    let word = |image: &mut Vec<u8>, v: u32| image.extend(v.to_le_bytes());
    half(&mut image, 2); // ET_EXEC
    half(&mut image, 3); // EM_386
    for v in [1, entry, 52, 0, 0] {
        word(&mut image, v);
    }
    for v in [52, 32, 1, 0, 0, 0] {
        half(&mut image, v);
    }
    let size = bytes.len() as u32;
    for v in [1, SEGMENT_OFFSET as u32, virt, phys, size, memory, 7, 0x1000] {
        word(&mut image, v);
    }
    image.extend(bytes);
    image
}
