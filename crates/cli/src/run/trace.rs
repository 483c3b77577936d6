//! `--trace` and `--trace-out`: the events of a run, as lines for people and as JSON for
//! programs. Both are made from the one event schema.

use crate::failure::Failure;
use crate::output::{self, Stream};
use debugger::{Symbols, trace};
use x86::Record;
use x86::event::{Event, Wanted};

/// Where the events of a run go.
pub struct Trace {
    /// Shown on stderr.
    shown: Wanted,
    /// Written to the file.
    written: Wanted,
    file: Option<Stream>,
}

impl Trace {
    /// Shows what `asked` names, and writes it to `file`; without a list the file gets crossings
    /// and faults.
    pub fn new(asked: Option<Wanted>, file: Option<Stream>) -> Self {
        let usual = Wanted::CROSSINGS | Wanted::FAULTS;
        let written = if file.is_some() { asked.unwrap_or(usual) } else { Wanted::empty() };
        Self { shown: asked.unwrap_or(Wanted::empty()), written, file }
    }

    /// What the processor must raise for this trace.
    pub fn wanted(&self) -> Wanted {
        self.shown | self.written
    }

    /// Takes events. What is shown of them is written at once: there may be millions.
    pub fn events(&mut self, records: &[Record], symbols: &Symbols) -> Result<(), Failure> {
        let shown = records.iter().filter(|record| is_asked_for(&record.event, self.shown));
        let lines: Vec<String> = shown.map(|record| trace::line(record, symbols)).collect();
        if !lines.is_empty() {
            output::say(&lines.join("\n"));
        }
        records.iter().try_for_each(|record| self.write(record))
    }

    fn write(&mut self, record: &Record) -> Result<(), Failure> {
        match &mut self.file {
            Some(file) if is_asked_for(&record.event, self.written) => {
                let mut json = serde_json::to_vec(record)
                    .map_err(|error| Failure::host(format!("an event is no JSON: {error}")))?;
                json.push(b'\n');
                file.write(&json)
            }
            _ => Ok(()),
        }
    }

    /// Must be called at the end: a full disk shows here at the latest.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.file.as_mut().map_or(Ok(()), Stream::flush)
    }
}

/// A delivered interrupt is both a crossing and an interrupt: asking for either shows it.
fn is_asked_for(event: &Event, asked: Wanted) -> bool {
    event.class().intersects(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_a_file_gets_crossings_and_faults() {
        let scratch = tempfile::tempdir().unwrap();
        let file = Stream::create(&scratch.path().join("t")).unwrap();
        let trace = Trace::new(None, Some(file));
        assert_eq!(trace.wanted(), Wanted::CROSSINGS | Wanted::FAULTS);
        assert_eq!(Trace::new(None, None).wanted(), Wanted::empty());
    }

    #[test]
    fn a_list_without_a_file_is_only_shown() {
        let trace = Trace::new(Some(Wanted::IO), None);
        assert_eq!((trace.shown, trace.written), (Wanted::IO, Wanted::empty()));
    }
}
