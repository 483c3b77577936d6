//! Pictures by the terminal's own graphics protocol, where it has kitty's: the frame goes over as
//! it is, deflated, in base64 and in pieces, and the terminal scales it to the cells it is given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ratatui::layout::Rect;
use screen::Frame;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// A piece of a picture is at most this long, in base64.
const PIECE_BYTES: usize = 4096;
/// The picture's number; each frame takes the place of the last.
const PICTURE: u32 = 1;

/// True where the environment names a terminal that has the protocol, and nothing like tmux is
/// between.
pub fn is_spoken() -> bool {
    let is = |name: &str, values: &[&str]| {
        std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
    };
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let between = set("TMUX") || set("STY");
    let named = is("TERM", &["xterm-kitty", "xterm-ghostty"])
        || is("TERM_PROGRAM", &["WezTerm", "ghostty"])
        || set("KITTY_WINDOW_ID");
    named && !between
}

/// What shows `frame` over the cells of `area`.
pub fn show(frame: &Frame, area: Rect) -> io::Result<String> {
    let mut deflater = ZlibEncoder::new(Vec::new(), Compression::fast());
    for [red, green, blue, _] in &frame.pixels {
        deflater.write_all(&[*red, *green, *blue])?;
    }
    let payload = STANDARD.encode(deflater.finish()?);
    // The cursor is where the picture goes, and stays there (C=1).
    let mut out = format!("\x1b7\x1b[{};{}H", area.y + 1, area.x + 1);
    let mut control = format!(
        "a=T,f=24,o=z,s={},v={},i={PICTURE},p=1,c={},r={},C=1,q=2,",
        frame.width, frame.height, area.width, area.height
    );
    let mut rest = payload.as_str();
    loop {
        let (piece, after) = rest.split_at(rest.len().min(PIECE_BYTES));
        let more = u8::from(!after.is_empty());
        // A string takes what is written.
        let _ = write!(out, "\x1b_G{control}m={more};{piece}\x1b\\");
        control.clear();
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    out.push_str("\x1b8");
    Ok(out)
}

/// What takes the picture away.
pub fn hide() -> String {
    format!("\x1b_Ga=d,d=I,i={PICTURE},q=2\x1b\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn the_pieces_make_up_the_frame() {
        let noise = |i: usize| [((i * 7919) >> 3) as u8, ((i * 104_729) >> 5) as u8, i as u8, 255];
        let pixels: Vec<_> = (0..64 * 50).map(noise).collect();
        let frame = Frame { width: 64, height: 50, repeat_x: 1, repeat_y: 1, pixels };
        let shown = show(&frame, Rect::new(3, 1, 40, 12)).unwrap();
        assert!(shown.starts_with("\x1b7\x1b[2;4H\x1b_Ga=T,f=24,o=z,s=64,v=50,"), "{shown:.60}");
        let pieces: Vec<(&str, &str)> = shown
            .split("\x1b_G")
            .skip(1)
            .filter_map(|piece| piece.split_once("\x1b\\")?.0.split_once(';'))
            .collect();
        assert!(pieces.len() > 1);
        let (last, first) = pieces.split_last().unwrap();
        assert!(
            first.iter().all(|(control, piece)| control.ends_with("m=1") && piece.len() == 4096)
        );
        assert!(last.0.ends_with("m=0") && last.1.len() <= 4096);
        let base64: String = pieces.iter().map(|(_, piece)| *piece).collect();
        let deflated = STANDARD.decode(base64).unwrap();
        let mut bytes = Vec::new();
        ZlibDecoder::new(&deflated[..]).read_to_end(&mut bytes).unwrap();
        let expected: Vec<u8> = frame.pixels.iter().flat_map(|p| p[..3].to_vec()).collect();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_frame_without_dots_is_one_piece() {
        let frame = Frame { width: 0, height: 0, repeat_x: 1, repeat_y: 1, pixels: Vec::new() };
        assert_eq!(show(&frame, Rect::new(0, 0, 1, 1)).unwrap().matches("\x1b_G").count(), 1);
    }
}
