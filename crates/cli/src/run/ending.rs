//! The end of a run: what is said about it, the files that were asked for, and the status.

use super::callouts;
use super::scene::{Memory, chain, rows, scene};
use super::session::{End, Session};
use crate::args::{Dump, RunArgs};
use crate::failure::Failure;
use crate::output::{self, Style};
use crate::quantity::show_ns;
use crate::status::Status;
use debugger::report::{Outcome, Report};
use debugger::{Ending, Scene, explain, registers};
use machine::{HangKind, Machine, StopReason};
use std::path::Path;
use std::process::ExitCode;
use x86::PhysAddr;
use x86::event::Wanted;

/// Says how the run ended, writes what was asked for, and gives the exit status.
pub fn conclude(args: &RunArgs, mut session: Session<'_>, end: End) -> Result<ExitCode, Failure> {
    session.close_live()?;
    if args.screen {
        for row in rows(&session.machine) {
            session.console.line(row.trim_end(), Style::Plain)?;
        }
    }
    let machine = &session.machine;
    let (status, message) = verdict(args, &session, &end);
    let (memory, chain) = (Memory(machine), chain(machine));
    let scene = scene(machine, &memory, &chain, &session.history, &session.symbols, ending(&end));
    if let Some(text) = &message {
        output::say(&format!("cloister: {text}"));
    }
    explain_to_person(&scene);
    let counts = args.trace.is_some_and(|kinds| kinds.contains(Wanted::CALLOUTS));
    if matches!(end, End::Interrupted) {
        output::say(&format!("\nregisters:\n{}", registers::text(scene.state).join("\n")));
    }
    if let Some(path) = &args.report {
        let outcome = Outcome {
            name: word(&end).into(),
            status: i32::from(status),
            virtual_ns: machine.now_ns(),
            screen: screen(machine),
        };
        write_report(path, Report::new(outcome, &scene))?;
    }
    for dump in &args.dump {
        write_dump(machine, dump)?;
    }
    if counts {
        output::say(&format!("\n{}", callouts::tables(&mut session.machine).join("\n")));
    }
    Ok(ExitCode::from(status))
}

/// Why the guest died; or, where it was stopped from outside, what looks wrong.
fn explain_to_person(scene: &Scene<'_>) {
    let Some(explanation) = explain(scene) else { return };
    let lines = match scene.ending {
        Ending::Stopped => explanation.summary(),
        _ => explanation.render(scene),
    };
    output::say(&format!("\n{}", lines.join("\n")));
}

fn write_report(path: &Path, report: Report) -> Result<(), Failure> {
    let json = report.to_json();
    let json = json.map_err(|error| Failure::host(format!("the report is no JSON: {error}")))?;
    output::whole(path, json.as_bytes())
}

/// The text screen, blanks at the ends of its rows left out.
fn screen(machine: &Machine) -> Option<Vec<String>> {
    let rows = rows(machine);
    let trimmed = rows.iter().map(|row| row.trim_end().to_owned()).collect();
    (!rows.is_empty()).then_some(trimmed)
}

/// The status and what is said about it; a plain success is silent.
fn verdict(args: &RunArgs, session: &Session<'_>, end: &End) -> (u8, Option<String>) {
    let unmet = args.expect.as_ref().map(|text| {
        let waits = session.waits_for().map(|what| format!(" (--keys was still at {what})"));
        format!(" before {text:?} was shown{}", waits.unwrap_or_default())
    });
    let missed = |status: Status| if unmet.is_some() { Status::NotMet } else { status };
    let (status, text) = match end {
        End::Expected | End::PipeClosed => return (Status::Success as u8, None),
        End::Machine(StopReason::PoweredOff) if unmet.is_none() => {
            return (Status::Success as u8, None);
        }
        End::Machine(StopReason::DebugExit(value)) if unmet.is_none() => {
            let status = (*value as u8) << 1 | 1;
            return (status, Some(format!("the guest wrote {value:#x} to isa-debug-exit")));
        }
        End::Machine(StopReason::Shutdown) => (Status::Shutdown, "shutdown: a triple fault"),
        End::Machine(StopReason::Hang(kind)) => (Status::Hang, hang(kind)),
        End::Dead => (Status::Hang, "the guest hangs: it is halted, and no device will wake it"),
        End::Machine(StopReason::LongMode64) => (
            Status::LongMode,
            "the guest switched to 64-bit mode, which Cloister doesn't run yet; use a 32-bit kernel",
        ),
        End::Machine(StopReason::Diverged(difference)) => {
            let text = format!("the engines disagree, a bug of ours: {difference}");
            return (Status::Disagreement as u8, Some(text));
        }
        End::Machine(StopReason::DebugExit(_)) => {
            (missed(Status::Success), "the guest used isa-debug-exit")
        }
        End::Machine(_) => (missed(Status::Success), "the guest powered off"),
        End::MaxInsns => (missed(Status::Limit), "--max-insns is reached"),
        End::MaxTime => (missed(Status::Limit), "--max-time is reached"),
        End::Timeout => (missed(Status::Limit), "--timeout is reached"),
        End::Interrupted => (Status::Interrupted, "interrupted"),
        End::Left => (missed(Status::Success), "left"),
    };
    let machine = &session.machine;
    let state = &machine.cpu().state;
    let at = debugger::words::place(&state.place());
    let (steps, time) = (machine.steps(), show_ns(machine.now_ns()));
    let unmet = unmet.unwrap_or_default();
    (status as u8, Some(format!("{text}{unmet}, at {at} after {steps} steps ({time})")))
}

fn hang(kind: &HangKind) -> &'static str {
    match kind {
        HangKind::HaltWithoutInterrupts => "the guest hangs: HLT with interrupts off",
        HangKind::LoopWithoutInterrupts { .. } => {
            "the guest hangs: a loop that can't end, with interrupts off"
        }
        HangKind::CoprocessorError => {
            "the guest hangs: an x87 exception waits for IRQ 13 with interrupts off; FNINIT masks \
             such exceptions, CR0.NE makes them #MF"
        }
    }
}

/// The end as a word for programs.
fn word(end: &End) -> &'static str {
    match end {
        End::Machine(stop) => match stop {
            StopReason::PoweredOff => "powered_off",
            StopReason::DebugExit(_) => "debug_exit",
            StopReason::Shutdown => "shutdown",
            StopReason::Hang(_) => "hang",
            StopReason::LongMode64 => "long_mode",
            StopReason::Diverged(_) => "diverged",
            StopReason::Until | StopReason::EventsFull | StopReason::Idle => "stopped",
        },
        End::Dead => "hang",
        End::Expected => "expected",
        End::MaxInsns => "max_insns",
        End::MaxTime => "max_time",
        End::Timeout => "timeout",
        End::Interrupted => "interrupted",
        End::Left => "left",
        End::PipeClosed => "pipe_closed",
    }
}

fn ending(end: &End) -> Ending {
    match end {
        End::Machine(StopReason::Shutdown) => Ending::Shutdown,
        End::Machine(StopReason::Hang(HangKind::HaltWithoutInterrupts)) | End::Dead => {
            Ending::HaltedForEver
        }
        End::Machine(StopReason::Hang(HangKind::LoopWithoutInterrupts { .. })) => Ending::Spinning,
        End::Machine(StopReason::LongMode64) => Ending::LongMode,
        End::Machine(
            StopReason::PoweredOff | StopReason::DebugExit(_) | StopReason::Diverged(_),
        )
        | End::Expected
        | End::PipeClosed => Ending::Well,
        _ => Ending::Stopped,
    }
}

fn write_dump(machine: &Machine, dump: &Dump) -> Result<(), Failure> {
    let length = usize::try_from(dump.length)
        .ok()
        .filter(|length| *length <= 4 << 30)
        .ok_or_else(|| Failure::usage("--dump writes at most 4 GiB"))?;
    let mut bytes = vec![0; length];
    machine.system().mem.read_phys(PhysAddr(dump.address), &mut bytes);
    output::whole(&dump.path, &bytes)
}
