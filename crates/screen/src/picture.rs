//! A frame as a PNG file.

use crate::{Frame, Pixel};
use std::collections::BTreeMap;

/// A picture that its format can't hold, or an encoder that failed.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// PNG.
    #[error("the picture can't be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
    /// GIF.
    #[error("the picture can't be written as GIF: {0}")]
    Gif(#[from] gif::EncodingError),
    /// Neither format goes that far.
    #[error("a picture of {0} by {1} dots is too large")]
    Size(usize, usize),
}

/// A frame as an index for each dot, where 256 colours suffice.
pub(crate) struct Indexed {
    /// Red, green, blue.
    pub palette: Vec<u8>,
    pub dots: Vec<u8>,
}

impl Indexed {
    pub(crate) fn of(pixels: &[Pixel]) -> Option<Self> {
        let mut numbers: BTreeMap<Pixel, u8> = BTreeMap::new();
        let mut palette = Vec::new();
        let mut dots = Vec::with_capacity(pixels.len());
        // Neighbours are mostly alike.
        let mut last = None;
        for pixel in pixels {
            let number = match last {
                Some((color, number)) if color == *pixel => number,
                _ => match numbers.get(pixel) {
                    Some(number) => *number,
                    None => {
                        let number = u8::try_from(numbers.len()).ok()?;
                        numbers.insert(*pixel, number);
                        palette.extend(&pixel[..3]);
                        number
                    }
                },
            };
            last = Some((*pixel, number));
            dots.push(number);
        }
        Some(Self { palette, dots })
    }
}

pub(crate) fn size(width: usize, height: usize) -> Result<(u32, u32), PictureError> {
    let wrong = |_| PictureError::Size(width, height);
    Ok((u32::try_from(width).map_err(wrong)?, u32::try_from(height).map_err(wrong)?))
}

/// Red, green, blue of each dot.
pub(crate) fn rgb(pixels: &[Pixel]) -> Vec<u8> {
    pixels.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect()
}

/// The bytes of a PNG file: with a palette where 256 colours suffice.
pub fn png(frame: &Frame) -> Result<Vec<u8>, PictureError> {
    let (width, height) = size(frame.width, frame.height)?;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    let data = match Indexed::of(&frame.pixels) {
        Some(Indexed { palette, dots }) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette);
            dots
        }
        None => {
            encoder.set_color(png::ColorType::Rgb);
            rgb(&frame.pixels)
        }
    };
    encoder.write_header()?.write_image_data(&data)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, pixels: Vec<Pixel>) -> Frame {
        let height = pixels.len() / width;
        Frame { width, height, repeat_x: 1, repeat_y: 1, pixels }
    }

    /// Through a decoder that knows nothing of how it was written.
    fn decoded(bytes: &[u8]) -> (png::ColorType, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let color = decoder.read_header_info().unwrap().color_type;
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut out = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut out).unwrap();
        (color, out)
    }

    #[test]
    fn few_colours_come_back_by_way_of_a_palette() {
        let f = frame(3, (0..12).map(|i| [i % 5, 2, 3, 255]).collect());
        let (color, bytes) = decoded(&png(&f).unwrap());
        assert_eq!(color, png::ColorType::Indexed);
        assert_eq!(bytes, rgb(&f.pixels));
    }

    #[test]
    fn many_colours_come_back_too() {
        let f = frame(20, (0..400_u32).map(|i| [i as u8, (i >> 8) as u8, 7, 255]).collect());
        let (color, bytes) = decoded(&png(&f).unwrap());
        assert_eq!(color, png::ColorType::Rgb);
        assert_eq!(bytes, rgb(&f.pixels));
    }
}
