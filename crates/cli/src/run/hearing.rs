//! Finds a text in what the guest says: on its serial port, its debug console and its screen.

/// What a stream has said since the last text that was waited for; older text is forgotten.
#[derive(Debug, Default)]
struct Stream {
    heard: Vec<u8>,
    /// Up to here the text was looked for in vain.
    searched: usize,
}

/// As much of a stream is remembered, bytes.
const MEMORY: usize = 64 << 10;

impl Stream {
    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        let surplus = self.heard.len().saturating_sub(MEMORY);
        self.heard.drain(..surplus);
        self.searched = self.searched.saturating_sub(surplus);
    }

    /// Where `text` ends, if it was said.
    fn find(&mut self, text: &[u8]) -> Option<usize> {
        let from = self.searched.saturating_sub(text.len().saturating_sub(1));
        let found = self.heard[from..].windows(text.len()).position(|piece| piece == text);
        self.searched = self.heard.len();
        found.map(|at| from + at + text.len())
    }
}

/// Looks for one text after another.
#[derive(Debug, Default)]
pub struct Hearing {
    serial: Stream,
    console: Stream,
}

impl Hearing {
    /// Takes what COM1 and the debug console sent.
    pub fn hear(&mut self, serial: &[u8], console: &[u8]) {
        self.serial.hear(serial);
        self.console.hear(console);
    }

    /// True where screen or streams show `text`. What the streams said up to there won't be
    /// found again.
    pub fn shows(&mut self, text: &str, screen: &[String]) -> bool {
        for stream in [&mut self.serial, &mut self.console] {
            if let Some(end) = stream.find(text.as_bytes()) {
                stream.heard.drain(..end);
                stream.searched = 0;
                return true;
            }
        }
        on_screen(text, screen)
    }

    /// Another text is looked for from now on: what was searched in vain for the last one may
    /// hold it.
    pub fn turn_to_another(&mut self) {
        self.serial.searched = 0;
        self.console.searched = 0;
    }
}

/// True where the rows show `text`: within a row, over the end of one (as a terminal folds it),
/// or over its newline.
fn on_screen(text: &str, rows: &[String]) -> bool {
    let folded: String = rows.concat();
    let trimmed: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
    folded.contains(text) || trimmed.join("\n").contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_in_pieces_is_found() {
        let mut hearing = Hearing::default();
        hearing.hear(b"gr", b"");
        assert!(!hearing.shows("grub>", &[]));
        hearing.hear(b"ub> ", b"");
        assert!(hearing.shows("grub>", &[]));
    }

    #[test]
    fn a_text_is_found_once_in_a_stream() {
        let mut hearing = Hearing::default();
        hearing.hear(b"", b"ok more");
        assert!(hearing.shows("ok", &[]));
        assert!(!hearing.shows("ok", &[]));
        hearing.turn_to_another();
        assert!(hearing.shows("more", &[]));
    }

    #[test]
    fn two_streams_dont_make_one_text() {
        let mut hearing = Hearing::default();
        hearing.hear(b"gr", b"ub>");
        assert!(!hearing.shows("grub>", &[]));
    }

    #[test]
    fn the_screen_is_read_along_rows_and_over_their_ends() {
        let rows = ["one two   ".to_owned(), "three     ".to_owned()];
        let mut hearing = Hearing::default();
        assert!(hearing.shows("one two", &rows));
        assert!(hearing.shows("two\nthree", &rows));
        assert!(hearing.shows("two   three", &rows));
        assert!(!hearing.shows("twothree", &rows));
    }

    #[test]
    fn old_text_is_forgotten_and_new_text_still_found() {
        let mut hearing = Hearing::default();
        hearing.hear(b"first", b"");
        hearing.hear(&vec![b'.'; MEMORY], b"");
        assert!(!hearing.shows("first", &[]));
        hearing.hear(b"last", b"");
        assert!(hearing.shows("last", &[]));
    }
}
