//! Golden listings, a file a family in `golden/`: guest sequences and the host code that is made of
//! them. `UPDATE_EXPECT=1` writes the files anew; what changed is read in review.

use expect_test::expect_file;
use jit::abi::{Mode, at};
use jit::listing::{Listing, listing, loop_listing};
use std::fmt::Write as _;
use x86::SegReg;

/// What a sequence runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    /// Flat 32-bit code of ring 0, x87 and SSE usable, memory through the host window.
    Window,
    /// The same without a window.
    Tlb,
    /// 32-bit code whose data segments are neither flat nor of 64 KiB.
    Limited,
    /// Real mode: 16-bit code, segments of 64 KiB; a window is there.
    Real,
}
use Under::{Limited, Real, Tlb, Window};

impl Under {
    fn mode(self) -> Mode {
        let each = |from: u32| SegReg::ALL.iter().fold(0, |bits, s| bits | 1 << (from + *s as u32));
        let units = Mode::X87 | Mode::NE | Mode::SSE;
        let flat = Mode::CODE32 | Mode::STACK32 | each(Mode::FLAT) | units;
        let only = 1 << (Mode::FLAT + SegReg::Ss as u32);
        Mode(match self {
            Self::Window => flat | Mode::WINDOW,
            Self::Tlb => flat,
            Self::Limited => Mode::CODE32 | Mode::STACK32 | only | units | Mode::WINDOW,
            Self::Real => each(Mode::HALF) | units | Mode::WINDOW,
        })
    }
}

/// Bytes from hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let byte = |word: &str| u8::from_str_radix(word, 16).expect("two hexadecimal digits");
    hex.split(' ').map(byte).collect()
}

/// Names the fields of the context, whose offsets change whenever one is added.
fn named(line: &str) -> String {
    let line = &line.replace("[r15]", "[r15+0h]");
    let Some((before, rest)) = line.split_once("[r15+") else { return line.to_owned() };
    let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let Ok(offset) = i32::from_str_radix(&rest[..digits], 16) else { return line.to_owned() };
    let rest = rest[digits..].strip_prefix('h').unwrap_or(&rest[digits..]);
    let below = at::ALL.iter().filter(|(_, at)| *at <= offset).max_by_key(|(_, at)| *at);
    let (name, from) = below.expect("a field at or below it");
    match offset - from {
        0 => format!("{before}[context.{name}{rest}"),
        n => format!("{before}[context.{name}+{n:X}h{rest}"),
    }
}

fn family(name: &str, sequences: &[(Under, &str)]) {
    family_by(name, sequences, listing);
}

fn family_by(
    name: &str,
    sequences: &[(Under, &str)],
    listing: fn(&[u8], u32, Mode) -> Option<Listing>,
) {
    let mut shown = String::new();
    for (under, hex) in sequences {
        let listing = listing(&bytes(hex), 0x1000, under.mode());
        let listing = listing.unwrap_or_else(|| panic!("{hex} makes no block"));
        assert_eq!(listing.forbidden, [""; 0], "{hex}");
        let _ = writeln!(shown, "{under:?}: {hex}");
        for line in listing.to_string().lines() {
            let _ = writeln!(shown, "{}", named(line));
        }
        shown.push('\n');
    }
    expect_file![format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"))]
        .assert_eq(shown.trim_end_matches('\n'));
}

#[test]
fn moves() {
    family(
        "mov",
        &[
            (Window, "89 D8"),
            (Window, "8B 44 B3 08"),
            (Window, "88 27"),
            (Window, "8A 63 01"),
            (Window, "88 64 24 04"),
            (Window, "66 89 13"),
            (Window, "A1 00 10 00 00"),
            (Window, "A2 00 10 00 00"),
            (Window, "BC 00 90 00 00"),
            (Window, "C7 03 78 56 34 12"),
            (Window, "C6 40 05 7F"),
            (Window, "8B 25 00 20 00 00"),
            (Window, "89 64 24 04"),
            (Window, "0F B6 03"),
            (Window, "0F BF C3"),
            (Window, "0F B6 C4"),
            (Window, "8D 44 24 10"),
            (Window, "87 13"),
            (Window, "86 E0"),
            (Window, "93"),
            (Window, "0F C9"),
            (Tlb, "88 27"),
            (Tlb, "89 03"),
            (Limited, "8B 03"),
            (Limited, "64 89 03"),
        ],
    );
}

#[test]
fn arithmetic_and_logic() {
    family(
        "alu",
        &[
            (Window, "01 D8"),
            (Window, "03 03"),
            (Window, "01 03"),
            (Window, "80 E4 F0"),
            (Window, "00 64 24 04"),
            (Window, "83 C4 08"),
            (Window, "11 13"),
            (Window, "39 03"),
            (Window, "85 03"),
            (Window, "FE 03"),
            (Window, "40"),
            (Window, "66 4B"),
            (Window, "F7 1B"),
            (Window, "0F C1 13"),
            (Window, "0F B1 13"),
            (Window, "0F BA 2B 05"),
            (Window, "0F A3 D8"),
            (Window, "0F AB 1F"),
            (Window, "0F BC C3"),
            (Window, "82 C0 05"),
            (Tlb, "01 03"),
            (Tlb, "3B 03"),
            (Tlb, "02 63 04"),
        ],
    );
}

#[test]
fn sixteen_bit_addresses() {
    family(
        "addr16",
        &[
            (Real, "8B 00"),
            (Real, "8B 43 08"),
            (Real, "8B 1E 34 12"),
            (Real, "89 46 FE"),
            (Real, "26 88 25"),
            (Real, "67 8B 03"),
            (Real, "66 01 07"),
            (Window, "67 8B 07"),
        ],
    );
}

#[test]
fn stacks() {
    family(
        "stack",
        &[
            (Window, "50"),
            (Window, "54"),
            (Window, "58"),
            (Window, "5C"),
            (Window, "6A 05"),
            (Window, "68 78 56 34 12"),
            (Window, "FF 33"),
            (Window, "8F 03"),
            (Window, "8F 44 24 04"),
            (Window, "66 53"),
            (Window, "C9"),
            (Window, "C8 08 00 00"),
            (Window, "60"),
            (Window, "9C"),
            (Window, "9D"),
            (Window, "1E"),
            (Tlb, "50"),
            (Tlb, "58"),
            (Real, "50"),
            (Real, "58"),
            (Real, "C9"),
        ],
    );
}

#[test]
fn jumps_and_calls() {
    family(
        "control",
        &[
            (Window, "EB 10"),
            (Window, "E9 00 20 00 00"),
            (Window, "74 10"),
            (Window, "0F 8F 00 20 00 00"),
            (Window, "7A 00"),
            (Window, "E3 05"),
            (Window, "67 E3 05"),
            (Window, "E2 FE"),
            (Window, "E1 FE"),
            (Window, "E8 10 00 00 00"),
            (Window, "C3"),
            (Window, "C2 08 00"),
            (Window, "FF D0"),
            (Window, "FF 13"),
            (Window, "FF E0"),
            (Window, "FF 24 85 00 20 00 00"),
            (Real, "E8 10 00"),
            (Real, "C3"),
            (Real, "E2 FE"),
        ],
    );
}

/// With AF read behind one, by `lahf`.
#[test]
fn shifts() {
    family(
        "shift",
        &[
            (Window, "C1 E0 05"),
            (Window, "D1 E8"),
            (Window, "D3 E0"),
            (Window, "D2 E4"),
            (Window, "C1 C0 05"),
            (Window, "D3 D0"),
            (Window, "C1 D8 03"),
            (Window, "0F A4 D8 05"),
            (Window, "0F AD D8"),
            (Window, "C1 23 04"),
            (Window, "D3 2B"),
            (Window, "C1 E0 05 9F"),
            (Tlb, "D3 23"),
        ],
    );
}

#[test]
fn products_and_quotients() {
    family(
        "muldiv",
        &[
            (Window, "F7 E1"),
            (Window, "F7 2B"),
            (Window, "0F AF C3"),
            (Window, "6B C3 05"),
            (Window, "F6 E4"),
            (Window, "F7 F1"),
            (Window, "F6 FC"),
            (Window, "F7 33"),
        ],
    );
}

#[test]
fn conditions_and_flags() {
    family(
        "flags",
        &[
            (Window, "0F 94 C0"),
            (Window, "0F 95 C4"),
            (Window, "0F 9C 03"),
            (Window, "0F 44 C3"),
            (Window, "0F 44 03"),
            (Window, "0F 4C 64 24 04"),
            (Window, "F5 F8 F9"),
            (Window, "9F 9E"),
            (Window, "98 99"),
            (Window, "27"),
            (Window, "D6"),
        ],
    );
}

#[test]
fn strings() {
    family(
        "string",
        &[
            (Window, "A4"),
            (Window, "F3 A5"),
            (Window, "AA"),
            (Window, "F3 AB"),
            (Window, "AD"),
            (Window, "A6"),
            (Window, "F2 AE"),
            (Window, "FC"),
            (Tlb, "A5"),
            (Real, "A4"),
        ],
    );
}

#[test]
fn x87() {
    family(
        "x87",
        &[
            (Window, "D9 E8"),
            (Window, "DD 03 DC 4B 08 DD 1B"),
            (Window, "DB 2B"),
            (Window, "DF E0"),
            (Window, "D9 2B"),
            (Window, "DB F1"),
            (Window, "DD 33"),
            (Tlb, "D9 03"),
        ],
    );
}

#[test]
fn mmx_and_sse() {
    family(
        "simd",
        &[
            (Window, "0F 6F 03 0F FC C1 0F 77"),
            (Window, "0F 28 08 0F 58 CA"),
            (Window, "F2 0F 59 44 24 08"),
            (Window, "0F 11 0B"),
            (Window, "0F AE 13"),
            (Window, "0F AE 03"),
            (Tlb, "0F 28 08"),
        ],
    );
}

/// The privileged and the sensitive.
#[test]
fn callouts() {
    family(
        "callout",
        &[
            (Window, "FA"),
            (Window, "FB"),
            (Window, "F4"),
            (Window, "0F 20 C0"),
            (Window, "0F 22 D8"),
            (Window, "0F 01 13"),
            (Window, "0F 01 E0"),
            (Window, "0F 01 38"),
            (Window, "0F 06"),
            (Window, "0F 30"),
            (Window, "0F 31"),
            (Window, "0F A2"),
            (Window, "0F 34"),
            (Window, "0F 35"),
            (Window, "EC"),
            (Window, "EF"),
            (Window, "8E D8"),
            (Window, "8C D8"),
            (Window, "C5 03"),
            (Window, "0F 02 C3"),
            (Window, "CD 80"),
            (Window, "CF"),
            (Window, "CB"),
            (Window, "EA 00 00 00 00 08 00"),
        ],
    );
}

#[test]
fn loops_as_one_block() {
    family_by(
        "loops",
        &[
            // store, add, dec, jnz
            (Window, "89 07 83 C7 04 49 75 F8"),
            // a way on within the round: test, jz over, add, xor, dec, jnz
            (Window, "F6 C1 01 74 02 01 C8 31 C3 49 75 F4"),
            // closed by a jump, left by a condition
            (Window, "49 74 10 01 C8 EB F9"),
            // LOOP
            (Window, "01 C8 E2 FC"),
        ],
        loop_listing,
    );
}

#[test]
fn what_is_no_loop_of_one_block() {
    // A call within; an inner loop; a way back that leads elsewhere; one that isn't the last.
    for hex in ["E8 00 00 00 00 49 75 F8", "40 75 FD 49 75 FA", "40 49 75 FD", "40 75 FD 90"] {
        assert!(loop_listing(&bytes(hex), 0x1000, Window.mode()).is_none(), "{hex}");
    }
}
