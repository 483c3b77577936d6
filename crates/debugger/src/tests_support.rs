//! What several test modules need: a little ELF file, places, transfers.

use x86::Selector;
use x86::event::{Frame, Mode, Place, StackFrom, Transfer, Via};

/// An ELF32 file with nothing but a symbol table: names, addresses, sizes.
pub fn tiny_elf(symbols: &[(&str, u32, u32)]) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut table = vec![0u8; 16];
    for (name, address, size) in symbols {
        let at = u32::try_from(strings.len()).unwrap();
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
        for word in [at, *address, *size] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        table.extend_from_slice(&[0x12, 0, 0xF1, 0xFF]); // GLOBAL FUNC, SHN_ABS
    }
    let header = 52;
    let strings_at = header + table.len();
    let sections_at = strings_at + strings.len();
    let mut out = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&[2, 0, 3, 0, 1, 0, 0, 0]);
    for word in [0, 0, sections_at as u32, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for half in [52u16, 32, 0, 40, 3, 2] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.extend_from_slice(&table);
    out.extend_from_slice(&strings);
    let section = |out: &mut Vec<u8>, words: [u32; 10]| {
        words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
    };
    section(&mut out, [0; 10]);
    section(&mut out, [0, 2, 0, 0, header as u32, table.len() as u32, 2, 1, 4, 16]);
    section(&mut out, [0, 3, 0, 0, strings_at as u32, strings.len() as u32, 0, 0, 1, 0]);
    out
}

/// A place in protected mode.
pub fn protected(ring: u8, cs: u16, eip: u32, ss: u16, esp: u32) -> Place {
    Place { ring, cs: Selector(cs), eip, ss: Selector(ss), esp, mode: Mode::Protected }
}

/// A transfer without gate, code descriptor, stack change or frame.
pub fn transfer(via: Via, from: Place, to: Place) -> Transfer {
    Transfer { via, from, to, gate: None, code: None, stack: StackFrom::Same, frame: Frame::new(4) }
}
