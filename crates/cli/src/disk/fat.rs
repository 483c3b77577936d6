//! Formats images with a FAT file system: a diskette as DOS does, a disk with a partition table
//! of one active partition, whose first sector is `roms/disk/mbr.s`.
//!
//! The partition begins at the first MiB, as partitions do today, or after the first track where
//! the disk is small. Its boot sector knows where it lies ("hidden sectors").

use super::window::Window;
use devices::fdc::Geometry;
use fatfs::{FatType, FormatVolumeOptions, FsOptions};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const SECTOR: u64 = 512;
/// The name of the volume.
const LABEL: [u8; 11] = *b"CLOISTER   ";
/// The partition's first sector on all but small disks.
const FIRST: u64 = 2048;
/// Disks below this many sectors have their partition after the first track of 63.
const SMALL: u64 = 4 * FIRST;
const SMALL_FIRST: u64 = 63;
/// Where a boot sector says how many sectors lie before its partition.
const HIDDEN_AT: u64 = 28;
/// Where FAT32 keeps a copy of the boot sector.
const BACKUP: u64 = 6;

/// How DOS formats a diskette: media byte, entries of the root directory, sectors of a cluster.
fn layout(geometry: Geometry) -> (u8, u16, u32) {
    match (geometry.cylinders, geometry.heads, geometry.sectors) {
        (40, 1, 8) => (0xFE, 64, 1),
        (40, 1, _) => (0xFC, 64, 1),
        (40, _, 8) => (0xFF, 112, 2),
        (40, _, _) => (0xFD, 112, 2),
        (_, _, 9) => (0xF9, 112, 2),
        (_, _, 15) => (0xF9, 224, 1),
        (_, _, 36) => (0xF0, 240, 2),
        _ => (0xF0, 224, 1),
    }
}

/// Formats a diskette.
pub fn floppy(file: &File, geometry: Geometry) -> io::Result<()> {
    let (media, root_entries, cluster) = layout(geometry);
    let options = FormatVolumeOptions::new()
        .volume_label(LABEL)
        .fat_type(FatType::Fat12)
        .media(media)
        .max_root_dir_entries(root_entries)
        .bytes_per_cluster(cluster * SECTOR as u32)
        .sectors_per_track(geometry.sectors.into())
        .heads(geometry.heads.into())
        .drive_num(0);
    fatfs::format_volume(Window::new(file, 0, geometry.len_sectors() * SECTOR), options)
}

/// Writes a partition table and formats the partition; gives the file system's kind and the
/// partition's first sector.
pub fn disk(file: &File, sectors: u64) -> io::Result<(&'static str, u64)> {
    let first = if sectors < SMALL { SMALL_FIRST } else { FIRST };
    let count = sectors.checked_sub(first).filter(|count| *count >= 64).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "too small for a partition; 64K is the least")
    })?;
    let partition = || Window::new(file, first * SECTOR, count * SECTOR);
    let options = FormatVolumeOptions::new()
        .volume_label(LABEL)
        .sectors_per_track(63)
        .heads(16)
        .drive_num(0x80);
    fatfs::format_volume(partition(), options)?;
    let kind = fatfs::FileSystem::new(partition(), FsOptions::new())?.fat_type();
    let hidden = (first as u32).to_le_bytes();
    file.write_all_at(&hidden, first * SECTOR + HIDDEN_AT)?;
    if kind == FatType::Fat32 {
        file.write_all_at(&hidden, (first + BACKUP) * SECTOR + HIDDEN_AT)?;
    }
    file.write_all_at(&boot_record(kind, first, count), 0)?;
    let name = match kind {
        FatType::Fat12 => "FAT12",
        FatType::Fat16 => "FAT16",
        FatType::Fat32 => "FAT32",
    };
    Ok((name, first))
}

/// The first sector of a disk: the program, and a table with one active partition.
fn boot_record(kind: FatType, first: u64, count: u64) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    if let Some(program) = roms::get("mbr").and_then(|rom| rom.get(..446)) {
        sector[..446].copy_from_slice(program);
    }
    let id = match kind {
        FatType::Fat12 => 0x01,
        FatType::Fat16 if count < 0x1_0000 => 0x04,
        FatType::Fat16 => 0x06,
        FatType::Fat32 => 0x0C,
    };
    let entry = &mut sector[446..462];
    entry[0] = 0x80;
    entry[1..4].copy_from_slice(&chs(first));
    entry[4] = id;
    entry[5..8].copy_from_slice(&chs(first + count - 1));
    entry[8..12].copy_from_slice(&(first as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&(count as u32).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}

/// Head, sector and cylinder as a partition table has them, for 16 heads of 63 sectors; FE FF FF
/// for what lies beyond.
fn chs(lba: u64) -> [u8; 3] {
    let (cylinder, head, sector) = (lba / (16 * 63), lba / 63 % 16, lba % 63 + 1);
    if cylinder > 1023 {
        return [0xFE, 0xFF, 0xFF];
    }
    [head as u8, sector as u8 | (cylinder >> 2) as u8 & 0xC0, cylinder as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(sectors: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(sectors * SECTOR).unwrap();
        file
    }

    fn sector(file: &File, lba: u64) -> [u8; 512] {
        let mut out = [0; 512];
        file.read_exact_at(&mut out, lba * SECTOR).unwrap();
        out
    }

    fn word(sector: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([sector[at], sector[at + 1]])
    }

    /// As DOS formats them: cluster, root entries, sectors, media, FAT sectors, track, heads.
    #[test]
    fn diskettes_have_the_parameters_that_dos_gives_them() {
        let cases = [
            (720, [2, 112, 720, 0xFD, 2, 9, 2]),
            (1440, [2, 112, 1440, 0xF9, 3, 9, 2]),
            (2400, [1, 224, 2400, 0xF9, 7, 15, 2]),
            (2880, [1, 224, 2880, 0xF0, 9, 18, 2]),
        ];
        for (sectors, expected) in cases {
            let file = blank(sectors);
            floppy(&file, Geometry::of(sectors).unwrap()).unwrap();
            let boot = sector(&file, 0);
            let seen = [
                boot[13].into(),
                word(&boot, 17),
                word(&boot, 19),
                boot[21].into(),
                word(&boot, 22),
                word(&boot, 24),
                word(&boot, 26),
            ];
            assert_eq!(seen, expected, "{sectors} sectors");
            assert_eq!((&boot[510..], sector(&file, 1)[0]), (&[0x55, 0xAA][..], boot[21]));
        }
    }

    #[test]
    fn a_disk_has_one_active_partition_that_knows_its_place() {
        for (mib, id, first) in
            [(1, 0x01, 63), (16, 0x04, 2048), (64, 0x06, 2048), (600, 0x0C, 2048)]
        {
            let file = blank(mib * 2048);
            disk(&file, mib * 2048).unwrap();
            let record = sector(&file, 0);
            assert_eq!((record[446], record[450], record[511]), (0x80, id, 0xAA), "{mib} MiB");
            let number = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
            assert_eq!((number(454), number(458)), (first, mib as u32 * 2048 - first));
            let boot = sector(&file, first.into());
            assert_eq!(u32::from_le_bytes(boot[28..32].try_into().unwrap()), first);
            assert_eq!(boot[510..], [0x55, 0xAA]);
        }
    }

    #[test]
    fn a_disk_too_small_for_a_partition_is_refused() {
        let error = disk(&blank(100), 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
