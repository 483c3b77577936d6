//! The pictures that `roms/screens/screens.s` draws, one in each mode of the display, and the
//! diskettes that show them. What QEMU showed of each is kept as `roms/screens/NAME.png`.

/// The pictures' names, in the order of the program's table.
pub const NAMES: [&str; 19] = [
    "text-80",
    "text-40",
    "text-50",
    "mode-04",
    "mode-06",
    "mode-0d",
    "mode-0e",
    "mode-10",
    "mode-11",
    "mode-12-write-modes",
    "mode-13",
    "mode-x",
    "vbe-8",
    "vbe-15",
    "vbe-16",
    "vbe-24",
    "vbe-32",
    "vbe-8-wide-dac",
    "mode-12-read-modes",
];

/// Where the boot sector keeps the picture's number.
const NUMBER_AT: usize = 3;
const FLOPPY_BYTES: usize = 1_474_560;

/// The diskette that draws picture `number` of [`NAMES`], or `None` where there is no program.
#[must_use]
pub fn diskette(number: u8) -> Option<Vec<u8>> {
    let mut image = crate::get("screens")?.to_vec();
    *image.get_mut(NUMBER_AT)? = number;
    image.resize(FLOPPY_BYTES, 0);
    Some(image)
}
