//! What is composed on the terminal, on a buffer instead of a terminal.

use super::*;
use devices::vga::{Cell, Cursor};

fn screen(columns: usize, rows: usize, text: &str, cursor: (usize, usize)) -> TextScreen {
    let mut cells = vec![Cell { code: b' ', attribute: 7 }; columns * rows];
    for (cell, code) in cells.iter_mut().zip(text.bytes()) {
        *cell = Cell { code, attribute: 0x1F };
    }
    let (column, row) = cursor;
    let cursor = Some(Cursor { column, row, first_line: 13, last_line: 14 });
    TextScreen {
        columns,
        rows,
        cells,
        cursor,
        is_graphics: false,
        blinks: true,
        cell_height: 16,
        colors: [[0; 3]; 16],
    }
}

const LOOK: Look = Look { palette: Palette::Ansi, kitty: false };

fn drawn(
    picture: &Picture,
    said: &Said,
    width: u16,
    height: u16,
) -> (Vec<String>, Option<Position>) {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let cursor = compose(area, &mut buffer, picture, LOOK, said, "hint").cursor;
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    ((0..height).map(|y| row(y).trim_end().to_owned()).collect(), cursor)
}

#[test]
fn the_screen_the_strip_and_the_hint_share_the_terminal() {
    let picture = Picture::Text(screen(50, 2, "hello", (5, 0)));
    let mut said = Said::default();
    said.hear(b"one\r\ntwo\x1b[2J\n");
    let (rows, cursor) = drawn(&picture, &said, 60, 6);
    assert_eq!(rows[0].trim(), "hello");
    assert!(rows[2].starts_with("── said on"), "{rows:?}");
    assert_eq!(rows[3..], ["one", "two[2J", "hint"]);
    assert_eq!(cursor, Some(Position { x: 10, y: 0 }));
}

#[test]
fn a_small_terminal_shows_the_part_around_the_cursor() {
    let picture = Picture::Text(screen(50, 10, "", (49, 9)));
    let (_, cursor) = drawn(&picture, &Said::default(), 4, 4);
    assert_eq!(cursor, Some(Position { x: 3, y: 2 }));
    let (rows, _) = drawn(&picture, &Said::default(), 1, 1);
    assert_eq!(rows, ["h"]);
    assert_eq!(drawn(&picture, &Said::default(), 0, 0).1, None);
}

#[test]
fn forty_columns_are_drawn_twice_as_wide() {
    let picture = Picture::Text(screen(40, 25, "ab", (1, 0)));
    let (rows, cursor) = drawn(&picture, &Said::default(), 80, 26);
    assert_eq!(rows[0], "a b");
    assert_eq!(cursor, Some(Position { x: 2, y: 0 }));
}

#[test]
fn only_the_last_lines_of_the_serial_port_are_kept() {
    let mut said = Said::default();
    for _ in 0..SAID_LINES + 5 {
        said.hear(b"x\n");
    }
    said.hear(b"y");
    assert_eq!((said.lines.len(), said.lines.back().map(String::as_str)), (SAID_LINES, Some("y")));
}

#[test]
fn a_frame_is_drawn_in_blocks_or_left_to_the_terminals_protocol() {
    let frame = Frame { width: 8, height: 6, repeat_x: 1, repeat_y: 1, pixels: vec![[9; 4]; 48] };
    let picture = Picture::Graphics { frame, wide: false };
    let area = Rect::new(0, 0, 10, 5);
    for kitty in [false, true] {
        let mut buffer = Buffer::empty(area);
        let look = Look { kitty, ..LOOK };
        let composed = compose(area, &mut buffer, &picture, look, &Said::default(), "");
        assert_eq!(composed.frame_at.is_some(), kitty);
        assert_eq!(buffer[(5, 2)].symbol(), if kitty { " " } else { "▀" });
    }
}
