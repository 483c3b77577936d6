//! Ports and registers of the VGA by their names in the IBM manual.

/// CRT controller index where the display is monochrome.
pub const CRTC_INDEX_MONO: u16 = 0x3B4;
/// Input status 1 where the display is monochrome.
pub const STATUS_1_MONO: u16 = 0x3BA;
/// Attribute controller, index and data in turn.
pub const ATC_INDEX: u16 = 0x3C0;
/// Attribute controller, read.
pub const ATC_READ: u16 = 0x3C1;
/// Miscellaneous output (write), input status 0 (read).
pub const MISC_WRITE: u16 = 0x3C2;
/// Video subsystem enable.
pub const SUBSYSTEM: u16 = 0x3C3;
/// Sequencer index; data is the next port.
pub const SEQ_INDEX: u16 = 0x3C4;
/// Sequencer data.
pub const SEQ_DATA: u16 = 0x3C5;
/// DAC pixel mask.
pub const DAC_MASK: u16 = 0x3C6;
/// DAC read index (write), DAC state (read).
pub const DAC_READ_INDEX: u16 = 0x3C7;
/// DAC write index.
pub const DAC_WRITE_INDEX: u16 = 0x3C8;
/// DAC data: red, green, blue in turn.
pub const DAC_DATA: u16 = 0x3C9;
/// Feature control, read.
pub const FEATURE_READ: u16 = 0x3CA;
/// Miscellaneous output, read.
pub const MISC_READ: u16 = 0x3CC;
/// Graphics controller index; data is the next port.
pub const GC_INDEX: u16 = 0x3CE;
/// Graphics controller data.
pub const GC_DATA: u16 = 0x3CF;
/// CRT controller index.
pub const CRTC_INDEX: u16 = 0x3D4;
/// CRT controller data.
pub const CRTC_DATA: u16 = 0x3D5;
/// Input status 1.
pub const STATUS_1: u16 = 0x3DA;
/// Bochs VBE: index.
pub const VBE_INDEX: u16 = 0x1CE;
/// Bochs VBE: data, a word.
pub const VBE_DATA: u16 = 0x1CF;

/// CRTC: characters of a line, retrace included, less 5.
pub const CRTC_HTOTAL: usize = 0x00;
/// CRTC: horizontal display end.
pub const CRTC_HDE: usize = 0x01;
/// CRTC: lines of a frame less 2, the low byte.
pub const CRTC_VTOTAL: usize = 0x06;
/// CRTC: overflow bits.
pub const CRTC_OVERFLOW: usize = 0x07;
/// CRTC: first line of a character, byte panning.
pub const CRTC_PRESET: usize = 0x08;
/// CRTC: character height; bit 7 shows each line twice.
pub const CRTC_MAX_SCAN: usize = 0x09;
/// CRTC: cursor start; bit 5 turns it off.
pub const CRTC_CURSOR_START: usize = 0x0A;
/// CRTC: cursor end.
pub const CRTC_CURSOR_END: usize = 0x0B;
/// CRTC: start address, high.
pub const CRTC_START: usize = 0x0C;
/// CRTC: cursor place, high.
pub const CRTC_CURSOR: usize = 0x0E;
/// CRTC: vertical retrace start.
pub const CRTC_VRS: usize = 0x10;
/// CRTC: vertical retrace end; bit 7 protects 0-7.
pub const CRTC_VRE: usize = 0x11;
/// CRTC: vertical display end.
pub const CRTC_VDE: usize = 0x12;
/// CRTC: from one row to the next, in units of two addresses.
pub const CRTC_OFFSET: usize = 0x13;
/// CRTC: the line of the underline.
pub const CRTC_UNDERLINE: usize = 0x14;
/// CRTC: mode control.
pub const CRTC_MODE: usize = 0x17;
/// CRTC: line compare.
pub const CRTC_COMPARE: usize = 0x18;

/// Sequencer: clocking mode.
pub const SEQ_CLOCKING: usize = 1;
/// Sequencer: which planes are written.
pub const SEQ_MAP_MASK: usize = 2;
/// Sequencer: which fonts.
pub const SEQ_FONTS: usize = 3;
/// Sequencer: memory mode.
pub const SEQ_MEMORY: usize = 4;

/// SEQ 1: characters of 8 dots, not 9.
pub const SEQ_8_DOTS: u8 = 1 << 0;
/// SEQ 1: half the dot clock, so dots are twice as wide.
pub const SEQ_HALF_CLOCK: u8 = 1 << 3;
/// SEQ 1: screen off.
pub const SEQ_SCREEN_OFF: u8 = 1 << 5;
/// SEQ 4: addresses go straight to all planes; clear: even ones to 0 and 2, odd ones to 1 and 3.
pub const SEQ_NOT_ODD_EVEN: u8 = 1 << 2;
/// SEQ 4: address bits 0-1 choose the plane.
pub const SEQ_CHAIN_4: u8 = 1 << 3;

/// Graphics controller: set/reset.
pub const GC_SET_RESET: usize = 0;
/// Graphics controller: for which planes set/reset is used.
pub const GC_ENABLE_SET_RESET: usize = 1;
/// Graphics controller: colour compare.
pub const GC_COMPARE: usize = 2;
/// Graphics controller: rotation and logic.
pub const GC_FUNCTION: usize = 3;
/// Graphics controller: which plane is read.
pub const GC_READ_MAP: usize = 4;
/// Graphics controller: write mode, read mode, shift registers.
pub const GC_MODE: usize = 5;
/// Graphics controller: graphics or text, memory map.
pub const GC_MISC: usize = 6;
/// Graphics controller: planes that colour compare looks at.
pub const GC_CARE: usize = 7;
/// Graphics controller: which bits come from the processor.
pub const GC_BIT_MASK: usize = 8;

/// GC 5: colour compare instead of a plane's byte.
pub const GC_READ_MODE_1: u8 = 1 << 3;
/// GC 5: reads in odd/even order.
pub const GC_ODD_EVEN: u8 = 1 << 4;
/// GC 5: pixels of two bits, as the CGA packs them.
pub const GC_SHIFT_CGA: u8 = 1 << 5;
/// GC 5: pixels of eight bits.
pub const GC_SHIFT_256: u8 = 1 << 6;
/// GC 6: graphics, not text.
pub const GC_GRAPHICS: u8 = 1 << 0;
/// GC 6: address bit 0 chooses the plane.
pub const GC_CHAIN_ODD_EVEN: u8 = 1 << 1;

/// Attribute controller: mode control.
pub const ATC_MODE: usize = 0x10;
/// Attribute controller: the border's colour.
pub const ATC_OVERSCAN: usize = 0x11;
/// Attribute controller: which planes are shown.
pub const ATC_PLANES: usize = 0x12;
/// Attribute controller: dots by which the picture is moved left.
pub const ATC_PANNING: usize = 0x13;
/// Attribute controller: upper bits of a colour.
pub const ATC_SELECT: usize = 0x14;

/// ATC 10h: the ninth dot of C0h-DFh repeats the eighth.
pub const ATC_LINE_GRAPHICS: u8 = 1 << 2;
/// ATC 10h: attribute bit 7 blinks.
pub const ATC_BLINK: u8 = 1 << 3;
/// ATC 10h: below the line compare nothing is panned.
pub const ATC_PAN_TOP: u8 = 1 << 5;
/// ATC 10h: bits 4-5 of a colour come from ATC 14h.
pub const ATC_SELECT_45: u8 = 1 << 7;
/// ATC index: the palette drives the screen, and is closed for writing.
pub const ATC_SHOWS: u8 = 1 << 5;

/// Miscellaneous output: colour addresses.
pub const MISC_COLOR: u8 = 1 << 0;
/// Miscellaneous output: display memory answers.
pub const MISC_RAM: u8 = 1 << 1;
/// Input status 1: no display now.
pub const STATUS_1_BLANK: u8 = 1 << 0;
/// Input status 1: vertical retrace.
pub const STATUS_1_RETRACE: u8 = 1 << 3;
