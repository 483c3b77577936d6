//! The chart of `--svg`: one line a workload, one mark a contender, on a logarithmic scale of time
//! by the first contender's. One file that needs nothing else.

use std::fmt::Write;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::{Cell, Report};

/// Dots.
const WIDTH: u32 = 960;
const ROW_HEIGHT: u32 = 26;
const FRAME_HEIGHT: u32 = 130;
/// Colours that people who see fewer of them can tell apart too (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x88, 0x88, 0x88),
];
const FONT: &str = "sans-serif";

/// The chart as an SVG document, or what the library refused.
pub fn draw(report: &Report) -> Result<String, String> {
    let mut document = String::new();
    {
        let height = FRAME_HEIGHT + ROW_HEIGHT * report.rows.len() as u32;
        let root = SVGBackend::with_string(&mut document, (WIDTH, height)).into_drawing_area();
        plot(report, &root).map_err(|error| error.to_string())?;
        root.present().map_err(|error| error.to_string())?;
    }
    document.write_char('\n').map_err(|error| error.to_string())?;
    Ok(document)
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn plot<'a>(report: &Report, root: &DrawingArea<SVGBackend<'a>, Shift>) -> Drawn<'a> {
    root.fill(&WHITE)?;
    let rows = i32::try_from(report.rows.len()).unwrap_or(i32::MAX);
    let first = report.contenders.first().map_or("", String::as_str);
    let title = format!("Time of each workload, in that of {first} (less is faster)");
    let mut chart = ChartBuilder::on(root)
        .margin(12)
        .caption(title, (FONT, 18))
        .x_label_area_size(40)
        .y_label_area_size(90)
        .build_cartesian_2d(scale(report).log_scale(), (0..rows).into_segmented())?;
    // The first row is at the top.
    let name = |at: &SegmentValue<i32>| match at {
        SegmentValue::CenterOf(n) => {
            usize::try_from(rows - 1 - n).ok().and_then(|n| report.rows.get(n)).map(|r| r.workload)
        }
        _ => None,
    };
    chart
        .configure_mesh()
        .y_labels(report.rows.len())
        .y_label_formatter(&|at| name(at).unwrap_or("").to_owned())
        .x_label_formatter(&|ratio| format!("{ratio}"))
        .x_desc(format!("times {first}; lines: the range of all runs"))
        .light_line_style(RGBColor(0xF0, 0xF0, 0xF0))
        .label_style((FONT, 14))
        .draw()?;
    for (i, contender) in report.contenders.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let cells = || {
            let at = |n: usize| SegmentValue::CenterOf(rows - 1 - n as i32);
            let rows = report.rows.iter().enumerate();
            rows.filter_map(move |(n, row)| Some((at(n), row.results[i].as_ref()?)))
        };
        let range = |(at, cell): (SegmentValue<i32>, &Cell)| {
            let ratio = |seconds: f64| seconds / cell.seconds.median * cell.ratio;
            let ends = [cell.seconds.min, cell.seconds.max].map(|s| (ratio(s), at.clone()));
            PathElement::new(ends.to_vec(), colour.stroke_width(2))
        };
        chart.draw_series(cells().map(range))?;
        let mark = |(at, cell): (_, &Cell)| Circle::new((cell.ratio, at), 5, colour.filled());
        chart
            .draw_series(cells().map(mark))?
            .label(contender)
            .legend(move |at| Circle::new(at, 5, colour.filled()));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(0xC0, 0xC0, 0xC0))
        .label_font((FONT, 14))
        .draw()
}

/// The powers of ten that hold all ratios.
fn scale(report: &Report) -> std::ops::Range<f64> {
    let cells = report.rows.iter().flat_map(|row| row.results.iter().flatten());
    let ratio = |cell: &Cell, seconds: f64| seconds / cell.seconds.median * cell.ratio;
    let (low, high) = cells.fold((0.9_f64, 1.1_f64), |(low, high), cell| {
        (low.min(ratio(cell, cell.seconds.min)), high.max(ratio(cell, cell.seconds.max)))
    });
    10_f64.powf(low.log10().floor())..10_f64.powf(high.log10().ceil())
}

#[cfg(test)]
mod tests {
    use super::super::contender::Role;
    use super::super::report::sample;
    use super::*;

    /// The names of all elements, if each is closed in its turn.
    fn elements(document: &str) -> Vec<&str> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for tag in document.split('<').skip(1) {
            let (inside, _) = tag.split_once('>').expect("a tag ends");
            let name = inside.split_whitespace().next().unwrap_or("").trim_end_matches('/');
            if let Some(closed) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed));
            } else if !inside.starts_with(['?', '!']) {
                all.push(name);
                if !inside.ends_with('/') {
                    open.push(name);
                }
            }
        }
        assert!(open.is_empty(), "{open:?}");
        all
    }

    #[test]
    fn the_chart_is_one_document_with_a_mark_for_each_result_and_names_all() {
        let names = [("jit", Role::Translator), ("native", Role::Native)];
        let rows: [(&str, &[_]); 2] =
            [("sieve", &[Some(0.5), Some(0.02)]), ("port", &[Some(0.5), None])];
        let document = draw(&sample(&names, &rows)).unwrap();
        let elements = elements(&document);
        assert_eq!(elements[0], "svg");
        // Three results, and two contenders in the legend.
        assert_eq!(elements.iter().filter(|name| **name == "circle").count(), 5);
        for name in ["sieve", "port", "jit", "native"] {
            assert!(document.lines().any(|line| line.trim() == name), "{name}: {document}");
        }
        let outside = ["href", "url(", "@import", "<script", "<image"];
        assert!(!outside.iter().any(|mark| document.contains(mark)), "{document}");
    }

    #[test]
    fn the_scale_is_powers_of_ten_around_all_ratios() {
        let names = [("jit", Role::Translator), ("bochs", Role::Peer)];
        let report = sample(&names, &[("sieve", &[Some(0.1), Some(3.0)])]);
        assert_eq!(scale(&report), 0.1..100.0);
    }
}
