//! What we write: the guest's words on stdout, and files that are written whole or not at all.

use crate::failure::{Failure, plain};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Standard output for the guest's words and ours. A reader that closes its end is no error: it
/// has seen enough.
pub struct Console {
    out: Box<dyn Write>,
    /// The last byte wasn't a newline.
    midline: bool,
    closed: bool,
    colour: bool,
}

/// How a line looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What Cloister says, beside what the guest says.
    Ours,
    /// In the colour of this number, as SGR has them.
    Colour(u8),
}

impl Console {
    /// Our own stdout; coloured only on a terminal, and not where `NO_COLOR` forbids it.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = stdout.is_terminal() && !refused;
        Self { out: Box::new(stdout), midline: false, closed: false, colour }
    }

    #[cfg(test)]
    fn onto(out: Box<dyn Write>) -> Self {
        Self { out, midline: false, closed: false, colour: false }
    }

    /// Nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes what the guest said, byte for byte.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(last) = bytes.last() else { return Ok(()) };
        self.midline = *last != b'\n';
        let done = self.out.write_all(bytes).and_then(|()| self.out.flush());
        self.absorb(done)
    }

    /// Writes one line of ours, on a line of its own.
    pub fn line(&mut self, text: &str, style: Style) -> Result<(), Failure> {
        self.fresh_line()?;
        let text = match style {
            Style::Ours if self.colour => format!("\u{1b}[36m{text}\u{1b}[0m\n"),
            Style::Colour(number) if self.colour => format!("\u{1b}[{number}m{text}\u{1b}[0m\n"),
            _ => format!("{text}\n"),
        };
        self.raw(text.as_bytes())
    }

    /// Ends a line that the guest left open.
    pub fn fresh_line(&mut self) -> Result<(), Failure> {
        if self.midline { self.raw(b"\n") } else { Ok(()) }
    }

    fn absorb(&mut self, done: io::Result<()>) -> Result<(), Failure> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                self.out = Box::new(io::sink());
                Ok(())
            }
            Err(error) => {
                Err(Failure::host(format!("can't write to standard output: {}", plain(&error))))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Says a line, or several, on stderr. If nobody reads it, nothing is to be done about that.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// A file that grows while the guest runs.
pub struct Stream {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Stream {
    /// Creates it, or says why not.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::writing(path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| Failure::writing(&self.path, &error))
    }

    /// Writes out what is held back. Must be called: a full disk shows only here.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| Failure::writing(&self.path, &error))
    }
}

/// Writes a file whole or not at all: what was there stays until everything is on the disk.
pub fn whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::writing(path, &error);
    match path.metadata() {
        // Devices and pipes are written in place.
        Ok(meta) if !meta.is_file() && !meta.is_dir() => std::fs::write(path, bytes).map_err(fail),
        Ok(meta) if meta.is_dir() => Err(fail(io::ErrorKind::IsADirectory.into())),
        _ => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut builder = tempfile::Builder::new();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            let mut file = builder
                .permissions(mode)
                .tempfile_in(folder.unwrap_or(Path::new(".")))
                .map_err(|error| Failure::writing(path, &error))?;
            file.write_all(bytes).map_err(fail)?;
            file.persist(path).map_err(|error| Failure::writing(path, &error.error))?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_noted_and_not_an_error() {
        let mut console = Console::onto(Box::new(Broken(io::ErrorKind::BrokenPipe)));
        assert!(console.raw(b"hello").is_ok());
        assert!(console.is_closed());
        assert!(console.raw(b"more").is_ok());
    }

    #[test]
    fn a_full_disk_behind_stdout_is_an_error() {
        let mut console = Console::onto(Box::new(Broken(io::ErrorKind::StorageFull)));
        let failure = console.raw(b"hello").unwrap_err();
        assert!(failure.message.starts_with("can't write to standard output"), "{failure}");
    }

    #[test]
    fn a_file_that_cant_be_replaced_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        whole(&path, b"one").unwrap();
        whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("no/such/out");
        let failure = whole(&missing, b"x").unwrap_err();
        assert!(failure.message.contains("its folder doesn't exist"), "{failure}");
        let failure = whole(folder.path(), b"x").unwrap_err();
        assert!(failure.message.contains("name a file in it"), "{failure}");
    }
}
