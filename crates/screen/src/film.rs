//! A sequence of frames as a GIF or an animated PNG. Frames are kept as what changed since the
//! one before, compressed; the file is made at the end, when its size and number of frames are
//! known.

use crate::picture::{Indexed, PictureError, rgb, size};
use crate::{BLACK, Frame, Pixel};
use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read, Write};

/// Both formats count hundredths of a second.
const NS_PER_CS: u64 = 10_000_000;

/// Part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// What changed, and when.
struct Shot {
    at_ns: u64,
    /// Another size than before: all else is black.
    is_new_size: bool,
    area: Area,
    /// RGBA, compressed.
    pixels: Vec<u8>,
}

/// Frames in the order of time.
#[derive(Default)]
pub struct Film {
    shots: Vec<Shot>,
    last: Option<Frame>,
    /// The largest of all.
    width: usize,
    height: usize,
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("shots", &self.shots.len()).finish_non_exhaustive()
    }
}

/// The smallest area in which two frames of one size differ.
fn difference(old: &Frame, new: &Frame) -> Option<Area> {
    let width = new.width.max(1);
    let (mut left, mut right) = (width, 0);
    let (mut top, mut bottom) = (None, 0);
    for (y, (a, b)) in old.pixels.chunks(width).zip(new.pixels.chunks(width)).enumerate() {
        let differs = |(a, b): (&Pixel, &Pixel)| a != b;
        let Some(first) = a.iter().zip(b).position(differs) else {
            continue;
        };
        let last = a.iter().zip(b).rposition(differs).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        top = top.or(Some(y));
        bottom = y + 1;
    }
    let top = top?;
    Some(Area { x: left, y: top, width: right - left, height: bottom - top })
}

fn cut(frame: &Frame, area: Area) -> Vec<u8> {
    let rows = frame.pixels.chunks(frame.width.max(1)).skip(area.y).take(area.height);
    rows.flat_map(|row| row[area.x..area.x + area.width].as_flattened()).copied().collect()
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.expect("writing to memory doesn't fail")
}

fn expand(bytes: &[u8]) -> Vec<Pixel> {
    let mut out = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut out).expect("it was compressed here");
    out.as_chunks().0.to_vec()
}

impl Film {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Frames so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shots.len()
    }

    /// True before the first frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shots.is_empty()
    }

    /// What shows from `at_ns` on; nothing is added where it looks as before.
    pub fn add(&mut self, at_ns: u64, frame: Frame) {
        let same_size = |old: &&Frame| (old.width, old.height) == (frame.width, frame.height);
        let old = self.last.as_ref().filter(same_size);
        let is_new_size = old.is_none();
        let whole = Area { x: 0, y: 0, width: frame.width, height: frame.height };
        let Some(area) = old.map_or(Some(whole), |old| difference(old, &frame)) else {
            return;
        };
        let pixels = compress(&cut(&frame, area));
        self.shots.push(Shot { at_ns, is_new_size, area, pixels });
        self.width = self.width.max(frame.width);
        self.height = self.height.max(frame.height);
        self.last = Some(frame);
    }

    /// A shot as it is put on the canvas.
    fn painted(&self, shot: &Shot) -> (Area, Vec<Pixel>) {
        let pixels = expand(&shot.pixels);
        if !shot.is_new_size {
            return (shot.area, pixels);
        }
        let canvas = Area { x: 0, y: 0, width: self.width, height: self.height };
        let mut all = vec![BLACK; self.width * self.height];
        let rows = pixels.chunks(shot.area.width.max(1));
        for (to, from) in all.chunks_mut(self.width.max(1)).zip(rows) {
            to[..from.len()].copy_from_slice(from);
        }
        (canvas, all)
    }

    /// How long each shot shows, in hundredths of a second, none lost over the whole.
    fn delays(&self, end_ns: u64) -> Vec<u16> {
        let next = self.shots.iter().skip(1).map(|s| s.at_ns).chain([end_ns]);
        let unit = |ns: u64| ns / NS_PER_CS;
        let lengths = self.shots.iter().zip(next);
        lengths
            .map(|(shot, next)| unit(next).saturating_sub(unit(shot.at_ns)))
            .map(|units| u16::try_from(units).unwrap_or(u16::MAX))
            .collect()
    }

    /// The bytes of a GIF that ends at `end_ns` and begins again. More than 256 colours in one
    /// frame are brought down to the nearest 256.
    pub fn gif(&self, end_ns: u64) -> Result<Vec<u8>, PictureError> {
        let wrong = |_| PictureError::Size(self.width, self.height);
        let narrow = |n: usize| u16::try_from(n).map_err(wrong);
        let mut out = Vec::new();
        let (width, height) = (narrow(self.width.max(1))?, narrow(self.height.max(1))?);
        let mut encoder = gif::Encoder::new(&mut out, width, height, &[])?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        for (shot, delay) in self.shots.iter().zip(self.delays(end_ns)) {
            let (area, mut pixels) = self.painted(shot);
            let (width, height) = (narrow(area.width)?, narrow(area.height)?);
            let mut frame = match Indexed::of(&pixels) {
                Some(Indexed { palette, dots }) => {
                    gif::Frame::from_palette_pixels(width, height, dots, palette, None)
                }
                None => {
                    let bytes = pixels.as_flattened_mut();
                    gif::Frame::from_rgba_speed(width, height, bytes, 10)
                }
            };
            (frame.left, frame.top, frame.delay) = (narrow(area.x)?, narrow(area.y)?, delay);
            encoder.write_frame(&frame)?;
        }
        drop(encoder);
        Ok(out)
    }

    /// The bytes of an animated PNG, exact in every colour.
    pub fn apng(&self, end_ns: u64) -> Result<Vec<u8>, PictureError> {
        let (width, height) = size(self.width.max(1), self.height.max(1))?;
        let count = u32::try_from(self.shots.len()).unwrap_or(u32::MAX).max(1);
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_animated(count, 0)?;
        encoder.set_blend_op(png::BlendOp::Source)?;
        encoder.set_dispose_op(png::DisposeOp::None)?;
        let mut writer = encoder.write_header()?;
        if self.shots.is_empty() {
            writer.write_image_data(&[0; 3])?;
        }
        for (shot, delay) in self.shots.iter().zip(self.delays(end_ns)) {
            let (area, pixels) = self.painted(shot);
            let (width, height) = size(area.width, area.height)?;
            let (x, y) = size(area.x, area.y)?;
            writer.reset_frame_position()?;
            writer.set_frame_dimension(width, height)?;
            writer.set_frame_position(x, y)?;
            writer.set_frame_delay(delay, 100)?;
            writer.write_image_data(&rgb(&pixels))?;
        }
        writer.finish()?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Pixel = [255, 0, 0, 255];

    fn frame(width: usize, height: usize, dots: &[(usize, usize)]) -> Frame {
        let mut frame = Frame::plain(width, height, BLACK);
        for (x, y) in dots {
            frame.pixels[y * width + x] = RED;
        }
        frame
    }

    /// Three frames: black, two dots, a smaller one in the middle of it; then the first size.
    fn film() -> Film {
        let mut film = Film::new();
        film.add(0, frame(16, 8, &[]));
        film.add(30_000_000, frame(16, 8, &[(3, 2), (5, 4)]));
        film.add(40_000_000, frame(16, 8, &[(3, 2), (5, 4)]));
        film.add(75_000_000, frame(8, 12, &[(1, 1)]));
        film
    }

    #[test]
    fn only_what_changed_is_kept() {
        let film = film();
        assert_eq!((film.len(), film.width, film.height), (3, 16, 12));
        assert_eq!(film.shots[1].area, Area { x: 3, y: 2, width: 3, height: 3 });
        assert_eq!(film.delays(100_000_000), [3, 4, 3]);
    }

    /// All canvases in turn, as a viewer builds them: only red tells.
    fn reds(canvas: &[Pixel]) -> Vec<usize> {
        canvas.iter().enumerate().filter(|(_, p)| **p == RED).map(|(i, _)| i).collect()
    }

    fn expected() -> Vec<Vec<usize>> {
        vec![vec![], vec![2 * 16 + 3, 4 * 16 + 5], vec![16 + 1]]
    }

    #[test]
    fn gif_shows_the_same_frames() {
        let bytes = film().gif(100_000_000).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (16, 12));
        let mut canvas = vec![BLACK; 16 * 12];
        let (mut seen, mut delays) = (Vec::new(), Vec::new());
        while let Some(f) = decoder.read_next_frame().unwrap() {
            for (i, pixel) in f.buffer.as_chunks::<4>().0.iter().enumerate() {
                let (x, y) = (i % usize::from(f.width), i / usize::from(f.width));
                canvas[(y + usize::from(f.top)) * 16 + x + usize::from(f.left)] = *pixel;
            }
            seen.push(reds(&canvas));
            delays.push(f.delay);
        }
        assert_eq!((seen, delays), (expected(), vec![3, 4, 3]));
    }

    #[test]
    fn apng_shows_the_same_frames() {
        let bytes = film().apng(100_000_000).unwrap();
        let decoder = png::Decoder::new(std::io::Cursor::new(&bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut canvas = vec![BLACK; 16 * 12];
        let (mut seen, mut delays) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut buffer).unwrap();
            let control = *reader.info().frame_control().unwrap();
            let width = control.width as usize;
            for (i, [r, g, b]) in buffer.as_chunks::<3>().0.iter().enumerate() {
                let (x, y) = (i % width, i / width);
                if y < control.height as usize {
                    let at = (y + control.y_offset as usize) * 16 + x + control.x_offset as usize;
                    canvas[at] = [*r, *g, *b, 255];
                }
            }
            seen.push(reds(&canvas));
            delays.push(control.delay_num);
        }
        assert_eq!((seen, delays), (expected(), vec![3, 4, 3]));
    }

    #[test]
    fn a_film_without_frames_is_still_a_picture() {
        assert!(Film::new().gif(0).is_ok() && Film::new().apng(0).is_ok());
    }

    #[test]
    fn more_colours_than_a_gif_has_are_brought_down() {
        let mut film = Film::new();
        let mut many = Frame::plain(64, 64, BLACK);
        for (i, pixel) in many.pixels.iter_mut().enumerate() {
            *pixel = [i as u8, (i >> 4) as u8, (i >> 8) as u8, 255];
        }
        film.add(0, many);
        let bytes = film.gif(1).unwrap();
        assert!(gif::DecodeOptions::new().read_info(&bytes[..]).is_ok());
    }
}
