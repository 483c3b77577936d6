//! The ring trace in two forms: one line for `--trace rings`, a box for the tour. Both are made
//! from events alone, and so work for any guest.

use crate::crossing::{self, Row};
use crate::symbols::Symbols;
use crate::words;
use x86::event::{Event, Record, TaskVia, Transfer};
use x86::{Descriptor, Selector};

/// Width of the box, its borders included.
const WIDTH: usize = 78;

/// One line for a crossing, or `None` for events that aren't one.
#[must_use]
pub fn compact(record: &Record, symbols: &Symbols) -> Option<String> {
    let text = match &record.event {
        Event::Transfer(t) => transfer_line(t, symbols),
        Event::TaskSwitch { via, from_task, to_task, from, to, .. } => format!(
            "{} -> {}  task {:04X} -> {:04X} by {}  {} -> {}{}",
            words::ring(from),
            words::ring(to),
            from_task.0,
            to_task.0,
            task_way(*via),
            words::place(from),
            words::place(to),
            symbols.suffix(crossing::linear_guess(to))
        ),
        Event::Halt { at, interrupts } => format!(
            "{}  HLT at {}{}, interrupts {}",
            words::ring(at),
            words::place(at),
            symbols.suffix(crossing::linear_guess(at)),
            if *interrupts { "on" } else { "OFF" }
        ),
        Event::Shutdown { at } => format!("{}  SHUTDOWN at {}", words::ring(at), words::place(at)),
        _ => return None,
    };
    Some(format!("{:>12}  {text}", record.step))
}

fn transfer_line(t: &Transfer, symbols: &Symbols) -> String {
    let rings = if crossing::changes_ring(t) {
        format!("{} -> {}", words::ring(&t.from), words::ring(&t.to))
    } else {
        words::ring(&t.to)
    };
    let mut line = format!(
        "{rings}  {}  {} -> {}{}",
        crossing::way(&t.via),
        words::place(&t.from),
        words::place(&t.to),
        symbols.suffix(crossing::linear_guess(&t.to))
    );
    if let Some(stack) = crossing::stack_source(t) {
        line.push_str(&format!("; stack {:04X}:{:08X} {stack}", t.to.ss.0, t.to.esp));
    }
    if t.frame.count > 0 {
        let verb = if crossing::pops(&t.via) { "popped" } else { "pushed" };
        line.push_str(&format!("; {verb} {}", crossing::frame_line(t)));
    }
    line
}

/// How a task switch was asked for.
fn task_way(via: TaskVia) -> String {
    match via {
        TaskVia::Jump => "JMP".into(),
        TaskVia::Call => "CALL".into(),
        TaskVia::Interrupt(vector) => format!("the task gate of {}", words::vector(vector)),
        TaskVia::Iret => "IRET, through the back link".into(),
    }
}

/// A box of several lines for a crossing, or `None` for events that aren't one. Lines are at
/// most 78 characters wide and end without a newline.
#[must_use]
pub fn boxed(record: &Record, symbols: &Symbols) -> Option<Vec<String>> {
    let (title, rows) = match &record.event {
        Event::Transfer(t) => (transfer_title(t), crossing::rows(t, symbols)),
        Event::TaskSwitch { via, from_task, to_task, descriptor, from, to } => (
            format!("{} -> {} by {}", words::ring(from), words::ring(to), task_way(*via)),
            task_rows(*from_task, *to_task, *descriptor, [from, to], symbols),
        ),
        Event::Shutdown { at } => {
            let text = format!("at {}: nothing was left to catch the fault", words::place(at));
            ("shutdown".into(), vec![Row { label: "", text }])
        }
        _ => return None,
    };
    Some(frame(&format!("step {}: {title}", record.step), &rows))
}

fn transfer_title(t: &Transfer) -> String {
    if crossing::changes_ring(t) {
        let (from, to) = (words::ring(&t.from), words::ring(&t.to));
        format!("{from} -> {to} by {}", crossing::way(&t.via))
    } else {
        format!("{} stays, {}", words::ring(&t.to), crossing::way(&t.via))
    }
}

fn task_rows(
    from_task: Selector,
    to_task: Selector,
    descriptor: Descriptor,
    [from, to]: [&x86::event::Place; 2],
    symbols: &Symbols,
) -> Vec<Row> {
    let side = |task: Selector, p: &x86::event::Place| {
        let name = symbols.suffix(crossing::linear_guess(p));
        format!(
            "task {:04X}, {}, {}{name}, stack {:04X}:{:08X}",
            task.0,
            words::ring(p),
            words::place(p),
            p.ss.0,
            p.esp
        )
    };
    vec![
        Row { label: "from", text: side(from_task, from) },
        Row { label: "to", text: side(to_task, to) },
        Row { label: "TSS", text: format!("{:04X} = {}", to_task.0, words::bytes(descriptor)) },
        Row { label: "", text: words::descriptor(descriptor) },
        Row { label: "saved", text: format!("all registers, into the TSS of {:04X}", from_task.0) },
    ]
}

/// Draws a box of ASCII, so that it survives every terminal and log.
fn frame(title: &str, rows: &[Row]) -> Vec<String> {
    let inner = WIDTH - 4;
    let title: String = title.chars().take(inner - 2).collect();
    let mut lines = vec![format!("+- {title} {}+", "-".repeat(WIDTH - 5 - title.chars().count()))];
    for row in rows {
        let width = inner - 9;
        for (index, piece) in fold(&row.text, width).iter().enumerate() {
            let label = if index == 0 { row.label } else { "" };
            lines.push(format!("| {label:<8} {piece:<width$} |"));
        }
    }
    lines.push(format!("+{}+", "-".repeat(WIDTH - 2)));
    lines
}

/// Breaks a text at spaces into lines of at most `width` characters; longer words are cut.
#[must_use]
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let cut = rest[..=width].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let at = cut.unwrap_or(width);
        let head: String = rest[..at].iter().collect();
        lines.push(head.trim_end().to_owned());
        rest.drain(..at);
        while rest.first() == Some(&' ') {
            rest.remove(0);
        }
    }
    lines.push(rest.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{protected, transfer};
    use expect_test::expect;
    use x86::LinAddr;
    use x86::event::{Frame, Source, StackFrom, Via};

    fn interrupt_from_ring_3() -> Record {
        let mut frame = Frame::new(4);
        for word in [0x23, 0x9FF0, 0x202, 0x1B, 0x40_1003] {
            frame.push(word);
        }
        let mut t = transfer(
            Via::Interrupt { vector: 0x30, source: Source::Software, error_code: None },
            protected(3, 0x1B, 0x40_1003, 0x23, 0x9FF0),
            protected(0, 0x08, 0x10_1234, 0x10, 0x8FEC),
        );
        t.gate = Some(Descriptor(0x0010_EE00_0008_1234));
        t.code = Some(Descriptor(0x00CF_9A00_0000_FFFF));
        t.stack = StackFrom::Tss { selector: Selector(0x28), base: LinAddr(0x7000), offset: 4 };
        t.frame = frame;
        Record { step: 4711, event: Event::Transfer(t) }
    }

    #[test]
    fn an_interrupt_from_ring_3_in_one_line() {
        let symbols = Symbols::parse("map", b"101234 syscall\n").unwrap();
        expect![[r#"        4711  ring 3 -> ring 0  INT 0x30  001B:00401003 -> 0008:00101234 <syscall>; stack 0010:00008FEC from TSS 0028: its ring-0 stack at 00007000+4h; pushed SS 0023, ESP 00009FF0, EFLAGS 00000202, CS 001B, EIP 00401003"#]]
        .assert_eq(&compact(&interrupt_from_ring_3(), &symbols).unwrap());
    }

    #[test]
    fn an_interrupt_from_ring_3_in_a_box() {
        let text = boxed(&interrupt_from_ring_3(), &Symbols::default()).unwrap().join("\n");
        expect![[r#"
            +- step 4711: ring 3 -> ring 0 by INT 0x30 ----------------------------------+
            | from     ring 3, 001B:00401003, stack 0023:00009FF0                        |
            | to       ring 0, 0008:00101234, stack 0010:00008FEC                        |
            | gate     IDT[48] = 34 12 08 00 00 EE 10 00                                 |
            |          32-bit interrupt gate, DPL 3, P=1, to 0008:00101234               |
            | code     0008 = FF FF 00 00 00 9A CF 00                                    |
            |          32-bit code segment, DPL 0, P=1, base 00000000, limit FFFFFFFF    |
            | stack    from TSS 0028: its ring-0 stack at 00007000+4h                    |
            | pushed   00008FFC  SS      0023                                            |
            |          00008FF8  ESP     00009FF0                                        |
            |          00008FF4  EFLAGS  00000202  IOPL=0 IF                             |
            |          00008FF0  CS      001B                                            |
            |          00008FEC  EIP     00401003                                        |
            +----------------------------------------------------------------------------+"#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_call_gate_names_its_parameters_in_their_order() {
        let mut t = transfer(
            Via::CallGate { selector: Selector(0x33), parameters: 2 },
            protected(3, 0x1B, 0x1000, 0x23, 0x9000),
            protected(0, 0x08, 0x2000, 0x10, 0x8000),
        );
        t.frame = Frame::new(4);
        [0x23, 0x9000, 0xB, 0xA, 0x1B, 0x1005].into_iter().for_each(|w| t.frame.push(w));
        assert_eq!(
            crossing::frame_line(&t),
            "SS 0023, ESP 00009000, param 2 0000000B, param 1 0000000A, CS 001B, EIP 00001005"
        );
    }

    #[test]
    fn an_iret_to_ring_3_pops_from_the_lowest_address_up() {
        let mut t = transfer(
            Via::Iret,
            protected(0, 0x08, 0x1000, 0x10, 0x8FEC),
            protected(3, 0x1B, 0x40_1005, 0x23, 0x9FF0),
        );
        t.stack = StackFrom::Popped;
        t.frame = Frame::new(4);
        [0x23, 0x9FF0, 0x202, 0x1B, 0x40_1005].into_iter().for_each(|w| t.frame.push(w));
        let record = Record { step: 1, event: Event::Transfer(t) };
        let text = boxed(&record, &Symbols::default()).unwrap().join("\n");
        expect![[r#"
            +- step 1: ring 0 -> ring 3 by IRET -----------------------------------------+
            | from     ring 0, 0008:00001000, stack 0010:00008FEC                        |
            | to       ring 3, 001B:00401005, stack 0023:00009FF0                        |
            | stack    popped from the stack it left                                     |
            | popped   00008FEC  EIP     00401005                                        |
            |          00008FF0  CS      001B                                            |
            |          00008FF4  EFLAGS  00000202  IOPL=0 IF                             |
            |          00008FF8  ESP     00009FF0                                        |
            |          00008FFC  SS      0023                                            |
            +----------------------------------------------------------------------------+"#]]
        .assert_eq(&text);
    }

    #[test]
    fn events_that_are_no_crossings_have_no_line() {
        let at = protected(0, 8, 0, 0x10, 0);
        let io = Event::Io { port: 0x20, size: 1, write: true, value: 0x20, at };
        assert_eq!(compact(&Record { step: 0, event: io }, &Symbols::default()), None);
    }

    #[test]
    fn long_facts_fold_at_spaces() {
        assert_eq!(fold("aaa bbb ccc", 7), ["aaa bbb", "ccc"]);
        assert_eq!(fold("aaaaaaaaaa", 4), ["aaaa", "aaaa", "aa"]);
        assert_eq!(fold("", 4), [""]);
    }
}
