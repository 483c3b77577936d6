//! `--screenshot` and `--record-screen`: the guest's screen as pictures. They are written when
//! the run has ended, whatever ended it.

use crate::args::{FilmFormat, Recording, RunArgs};
use crate::failure::Failure;
use crate::output;
use machine::Machine;
use screen::{Film, PictureError};
use std::io;
use std::path::{Path, PathBuf};

/// A film has a frame for this much virtual time at most.
const PERIOD_NS: u64 = 40_000_000;

/// What looks at the screen.
#[derive(Debug)]
pub struct Camera {
    screenshot: Option<PathBuf>,
    recording: Option<Recording>,
    film: Film,
    /// The screen that was last looked at.
    seen: Option<u64>,
    /// When to look again, virtual nanoseconds.
    next_ns: u64,
}

impl Camera {
    /// A camera for what was asked for. A folder that isn't there is an error now, before the
    /// run, rather than after it.
    pub fn new(args: &RunArgs) -> Result<Self, Failure> {
        let (screenshot, recording) = (args.screenshot.clone(), args.record_screen.clone());
        for path in screenshot.iter().chain(recording.as_ref().map(|r| &r.path)) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) {
                return Err(Failure::writing(path, &io::ErrorKind::NotFound.into()));
            }
        }
        Ok(Self { screenshot, recording, film: Film::new(), seen: None, next_ns: 0 })
    }

    /// Takes a frame of the film, if it is time and the screen has changed.
    pub fn look(&mut self, machine: &mut Machine) {
        let now_ns = machine.now_ns();
        if self.recording.is_none() || now_ns < self.next_ns {
            return;
        }
        let generation = machine.screen_generation();
        if self.seen != Some(generation) {
            self.seen = Some(generation);
            self.film.add(now_ns, screen::render(&machine.scanout()));
            self.next_ns = now_ns + PERIOD_NS;
        }
    }

    /// Writes the pictures.
    pub fn finish(&mut self, machine: &Machine) -> Result<(), Failure> {
        let last = screen::render(&machine.scanout());
        if let Some(path) = &self.screenshot {
            write(path, screen::png(&last))?;
        }
        if let Some(Recording { path, format }) = &self.recording {
            let now_ns = machine.now_ns();
            self.film.add(now_ns, last);
            let bytes = match format {
                FilmFormat::Gif => self.film.gif(now_ns),
                FilmFormat::Apng => self.film.apng(now_ns),
            };
            write(path, bytes)?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: Result<Vec<u8>, PictureError>) -> Result<(), Failure> {
    let bytes = bytes.map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
    output::whole(path, &bytes)
}
