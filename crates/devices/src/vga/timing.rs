//! The beam: where it is at a moment of virtual time, from the CRT controller's registers.
//! IBM VGA technical reference, "CRT Controller Registers" 00h-12h and 17h.

use super::reg::*;
use super::registers::Registers;

/// The two crystals, Hz: miscellaneous output bits 2-3.
const CLOCKS_HZ: [u64; 4] = [25_175_000, 28_322_000, 25_175_000, 25_175_000];
const NS_PER_S: u128 = 1_000_000_000;

/// A frame as the CRT controller draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    dots_per_s: u64,
    /// Dot clocks of a line.
    line_dots: u64,
    /// Of which the display is on.
    shown_dots: u64,
    /// Lines of a frame.
    lines: u64,
    shown_lines: u64,
    retrace_start: u64,
    retrace_lines: u64,
}

impl Timing {
    /// What the registers describe.
    #[must_use]
    pub fn of(r: &Registers) -> Self {
        let clocking = r.seq(SEQ_CLOCKING);
        let dots = if clocking & SEQ_8_DOTS != 0 { 8 } else { 9 };
        let dots = if clocking & SEQ_HALF_CLOCK != 0 { dots * 2 } else { dots };
        // Bit 2 of the mode register clocks the line counter with every second line.
        let twice = 1 + u64::from(r.crtc(CRTC_MODE) >> 2 & 1);
        let start = u64::from(r.vertical(CRTC_VRS, 2, 7));
        let end = u64::from(r.crtc(CRTC_VRE) & 0x0F);
        let retrace_lines = match end.wrapping_sub(start) & 0x0F {
            0 => 16,
            lines => lines,
        };
        Self {
            dots_per_s: CLOCKS_HZ[usize::from(r.misc() >> 2 & 3)],
            line_dots: (u64::from(r.crtc(CRTC_HTOTAL)) + 5) * dots,
            shown_dots: (u64::from(r.crtc(CRTC_HDE)) + 1) * dots,
            lines: (u64::from(r.vertical(CRTC_VTOTAL, 0, 5)) + 2) * twice,
            shown_lines: (u64::from(r.vertical(CRTC_VDE, 1, 6)) + 1) * twice,
            retrace_start: start * twice,
            retrace_lines: retrace_lines * twice,
        }
    }

    fn dots(&self, now_ns: u64) -> u64 {
        (u128::from(now_ns) * u128::from(self.dots_per_s) / NS_PER_S) as u64
    }

    /// Frames begun since time 0, at this rate.
    #[must_use]
    pub fn frame(&self, now_ns: u64) -> u64 {
        self.dots(now_ns) / (self.line_dots * self.lines)
    }

    /// Length of a frame, nanoseconds.
    #[must_use]
    pub fn frame_ns(&self) -> u64 {
        let dots = u128::from(self.line_dots * self.lines);
        (dots * NS_PER_S / u128::from(self.dots_per_s)) as u64
    }

    /// Bits 0 and 3 of input status 1.
    #[must_use]
    pub fn status(&self, now_ns: u64) -> u8 {
        let dots = self.dots(now_ns);
        let line = dots / self.line_dots % self.lines;
        let is_blank = line >= self.shown_lines || dots % self.line_dots >= self.shown_dots;
        let retrace = self.retrace_start..self.retrace_start + self.retrace_lines;
        let retrace = if retrace.contains(&line) { STATUS_1_RETRACE } else { 0 };
        retrace | if is_blank { STATUS_1_BLANK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_3_has_70_frames_of_449_lines() {
        let t = Timing::of(&Registers::new());
        assert_eq!((t.line_dots, t.shown_dots, t.lines, t.shown_lines), (900, 720, 449, 400));
        assert_eq!((t.retrace_start, t.retrace_lines), (412, 2));
        assert_eq!(1_000_000_000 / t.frame_ns(), 70);
    }

    #[test]
    fn retrace_comes_once_a_frame() {
        let t = Timing::of(&Registers::new());
        let (mut rises, mut was) = (0, true);
        for i in 0..2000 {
            let is = t.status(i * t.frame_ns() * 4 / 2000) & STATUS_1_RETRACE != 0;
            rises += u32::from(is && !was);
            was = is;
        }
        assert_eq!(rises, 4);
    }
}
