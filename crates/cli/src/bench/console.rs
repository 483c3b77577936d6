//! Watches a guest's debug console for the lines between which a workload is measured.

use roms::bench::Workload;

/// How far a workload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Booting, setting up its data.
    Before,
    /// In the measured region.
    Running,
    /// Past it, with the right checksum.
    Done,
}

/// Follows one run of a workload by what it prints.
pub struct Console {
    start: String,
    end: String,
    seen: String,
}

impl Console {
    /// A console on which nothing was printed yet.
    pub fn new(workload: &Workload) -> Self {
        Self { start: workload.start_line(), end: workload.end_line(), seen: String::new() }
    }

    /// Takes what the guest printed and tells how far it is now.
    pub fn feed(&mut self, bytes: &[u8]) -> Stage {
        self.seen.push_str(&String::from_utf8_lossy(bytes));
        self.stage()
    }

    /// How far the workload has come.
    pub fn stage(&self) -> Stage {
        match self.seen.find(&self.start) {
            None => Stage::Before,
            Some(at) if self.seen[at..].contains(&self.end) => Stage::Done,
            Some(_) => Stage::Running,
        }
    }

    /// The last line the guest began, for the message when it didn't get to its end.
    pub fn last_line(&self) -> &str {
        self.seen.trim_end().lines().next_back().unwrap_or("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve() -> Workload {
        roms::bench::all().remove(0)
    }

    #[test]
    fn stages_follow_the_two_lines_even_byte_by_byte() {
        let workload = sieve();
        let mut console = Console::new(&workload);
        assert_eq!(console.feed(b"a monitor's own words\nsieve sta"), Stage::Before);
        assert_eq!(console.feed(b"rt\n"), Stage::Running);
        let end = workload.end_line();
        let (head, last) = end.as_bytes().split_at(end.len() - 1);
        assert_eq!(console.feed(head), Stage::Running);
        assert_eq!(console.feed(last), Stage::Done);
    }

    #[test]
    fn a_wrong_checksum_is_never_done() {
        let mut console = Console::new(&sieve());
        assert_eq!(console.feed(b"sieve start\nsieve 00000000 wrong\n"), Stage::Running);
        assert_eq!(console.last_line(), "sieve 00000000 wrong");
    }
}
