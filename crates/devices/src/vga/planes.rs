//! What the graphics controller makes of a byte on its way to and from the four planes. Pure:
//! four planes' bytes at one address are one `u32`, plane 0 lowest. IBM VGA technical
//! reference, "Graphics Controller Registers".

use super::reg::*;
use super::registers::Registers;

/// A byte to all four planes.
fn spread(byte: u8) -> u32 {
    u32::from(byte) * 0x0101_0101
}

/// Bit n of `planes` to all bits of plane n.
pub(super) fn whole(planes: u8) -> u32 {
    (0..4).filter(|n| planes >> n & 1 != 0).fold(0, |all, n| all | 0xFF << (8 * n))
}

/// What is written: all four planes, from the processor's byte, the latches, and the planes'
/// content now. `map_mask` says which planes change.
pub(super) fn written(r: &Registers, value: u8, latches: u32, now: u32, map_mask: u8) -> u32 {
    let function = r.gc(GC_FUNCTION);
    let rotated = value.rotate_right(u32::from(function & 7));
    let mode = r.gc(GC_MODE) & 3;
    let bit_mask = r.gc(GC_BIT_MASK);
    let (data, bits) = match mode {
        1 => (latches, spread(0xFF)),
        2 => (combine(function, whole(value & 0x0F), latches), spread(bit_mask)),
        3 => {
            let set = whole(r.gc(GC_SET_RESET));
            (combine(function, set, latches), spread(bit_mask & rotated))
        }
        _ => {
            let (set, enabled) = (whole(r.gc(GC_SET_RESET)), whole(r.gc(GC_ENABLE_SET_RESET)));
            let data = spread(rotated) & !enabled | set & enabled;
            (combine(function, data, latches), spread(bit_mask))
        }
    };
    let data = data & bits | latches & !bits;
    let planes = whole(map_mask);
    data & planes | now & !planes
}

/// The logic of function select.
fn combine(function: u8, data: u32, latches: u32) -> u32 {
    match function >> 3 & 3 {
        1 => data & latches,
        2 => data | latches,
        3 => data ^ latches,
        _ => data,
    }
}

/// What is read where address bit 0 doesn't choose the plane.
pub(super) fn read(r: &Registers, latches: u32) -> u8 {
    if r.gc(GC_MODE) & GC_READ_MODE_1 == 0 {
        return (latches >> (8 * (r.gc(GC_READ_MAP) & 3))) as u8;
    }
    let differs = (latches ^ whole(r.gc(GC_COMPARE))) & whole(r.gc(GC_CARE));
    let [a, b, c, d] = differs.to_le_bytes();
    !(a | b | c | d)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Registers of the graphics controller in order, then the byte written over the latches.
    fn write(gc: [u8; 9], value: u8, latches: u32) -> u32 {
        written(&with(gc), value, latches, 0, 0x0F)
    }

    fn with(gc: [u8; 9]) -> Registers {
        let mut r = Registers::new();
        for (index, value) in gc.into_iter().enumerate() {
            r.write(GC_INDEX, index as u8);
            r.write(GC_DATA, value);
        }
        r
    }

    const LATCHES: u32 = 0x4433_2211;

    #[test]
    fn mode_0_takes_set_reset_where_it_is_enabled() {
        let gc = [0b0101, 0b0011, 0, 0, 0, 0, 5, 0x0F, 0xFF];
        assert_eq!(write(gc, 0xA5, LATCHES), 0xA5A5_00FF);
    }

    #[test]
    fn mode_0_rotates_masks_and_combines() {
        let rotate = [0, 0, 0, 0x03, 0, 0, 5, 0x0F, 0xFF];
        assert_eq!(write(rotate, 0b0000_1001, LATCHES), 0x2121_2121);
        let mask = [0, 0, 0, 0, 0, 0, 5, 0x0F, 0xF0];
        assert_eq!(write(mask, 0xA5, LATCHES), 0xA4A3_A2A1);
        let xor = [0, 0, 0, 0x18, 0, 0, 5, 0x0F, 0xFF];
        assert_eq!(write(xor, 0xFF, LATCHES), !LATCHES);
        let and = [0, 0, 0, 0x08, 0, 0, 5, 0x0F, 0xFF];
        assert_eq!(write(and, 0x0F, LATCHES), 0x0403_0201);
        let or = [0, 0, 0, 0x10, 0, 0, 5, 0x0F, 0xFF];
        assert_eq!(write(or, 0x80, LATCHES), 0xC4B3_A291);
    }

    #[test]
    fn mode_1_writes_the_latches_whatever_the_mask() {
        assert_eq!(write([0, 0, 0, 0x18, 0, 1, 5, 0x0F, 0x00], 0xFF, LATCHES), LATCHES);
    }

    #[test]
    fn mode_2_writes_a_colour_through_the_mask() {
        let gc = [0, 0, 0, 0, 0, 2, 5, 0x0F, 0x80];
        assert_eq!(write(gc, 0b1001, 0), 0x8000_0080);
    }

    #[test]
    fn mode_3_masks_set_reset_with_the_rotated_byte() {
        let gc = [0b0110, 0, 0, 0x04, 0, 3, 5, 0x0F, 0x0F];
        assert_eq!(write(gc, 0xF0, 0), 0x000F_0F00);
    }

    #[test]
    fn map_mask_keeps_the_other_planes() {
        let r = with([0, 0, 0, 0, 0, 0, 5, 0x0F, 0xFF]);
        assert_eq!(written(&r, 0xFF, 0, 0x1234_5678, 0b0100), 0x12FF_5678);
    }

    #[test]
    fn read_mode_0_gives_a_plane_and_mode_1_compares() {
        let planes = 0b1100_0000 | 0b1010_0000 << 8;
        assert_eq!(read(&with([0, 0, 0, 0, 1, 0, 5, 0x0F, 0xFF]), planes), 0b1010_0000);
        // Colour 3: both planes set; planes 2 and 3 clear.
        assert_eq!(read(&with([0, 0, 3, 0, 0, 8, 5, 0x0F, 0xFF]), planes), 0b1000_0000);
        // Plane 1 doesn't matter.
        assert_eq!(read(&with([0, 0, 1, 0, 0, 8, 5, 0x0D, 0xFF]), planes), 0b1100_0000);
    }
}
