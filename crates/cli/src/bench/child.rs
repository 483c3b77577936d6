//! A child process as a contender's run: its region is timed by when the two lines arrive that it
//! prints. That needs no correction for the time it takes to start, which varies more than the
//! shorter workloads last.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use roms::bench::Workload;

use super::console::{Console, Stage};
use super::contender::{Failure, Sample};

/// How long a child may take for one run.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts `command` and times the region of `workload` by what it prints.
pub fn time_region(
    who: &str,
    workload: &Workload,
    command: &mut Command,
) -> Result<Sample, Failure> {
    let host = |source| Failure::Host { who: who.to_owned(), source };
    let mut running = Running::start(command).map_err(host)?;
    let output = running.output();
    follow(who, workload, &output)
}

/// A child process that doesn't outlive its run.
pub struct Running(Child);

impl Running {
    /// Starts `command`, with its output to be read.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map(Self)
    }

    /// What the child prints, each piece with the moment it came.
    pub fn output(&mut self) -> Receiver<(Instant, Vec<u8>)> {
        let (sender, receiver) = mpsc::channel();
        if let Some(mut stdout) = self.0.stdout.take() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                    if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                        break;
                    }
                }
            });
        }
        receiver
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is what both calls then report.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(
    who: &str,
    workload: &Workload,
    output: &Receiver<(Instant, Vec<u8>)>,
) -> Result<Sample, Failure> {
    let mut console = Console::new(workload);
    let mut start = None;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (now, bytes) = match output.recv_timeout(left) {
            Ok(piece) => piece,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        };
        match (console.feed(&bytes), start) {
            (Stage::Before, _) => {}
            (Stage::Running, None) => start = Some(now),
            (Stage::Running, Some(_)) => {}
            (Stage::Done, start) => {
                let region = now.duration_since(start.unwrap_or(now)).max(super::RESOLUTION);
                return Ok(Sample { seconds: region.as_secs_f64(), steps: None });
            }
        }
    }
    let words = console.last_line().to_owned();
    Err(Failure::Unfinished { who: who.to_owned(), workload: workload.name, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve() -> Workload {
        roms::bench::all().remove(0)
    }

    #[test]
    fn the_region_is_the_time_between_its_two_lines() {
        let workload = sieve();
        let (sender, receiver) = mpsc::channel();
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        sender.send((after(10), b"noise\nsieve st".to_vec())).unwrap();
        sender.send((after(20), b"art\n".to_vec())).unwrap();
        sender.send((after(270), workload.end_line().into_bytes())).unwrap();
        let sample = follow("peer", &workload, &receiver).unwrap();
        assert_eq!(sample.seconds, 0.25);
    }

    #[test]
    fn a_peer_that_ends_early_is_a_failure_with_its_last_words() {
        let (sender, receiver) = mpsc::channel();
        sender.send((Instant::now(), b"sieve start\nsieve exception 0000000D\n".to_vec())).unwrap();
        drop(sender);
        let failure = follow("peer", &sieve(), &receiver).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "peer did not finish sieve: its last words were \"sieve exception 0000000D\""
        );
    }
}
