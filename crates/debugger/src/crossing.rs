//! A far transfer taken apart: what each word of its frame is called, and every fact of the
//! crossing as a labelled row. The words follow SDM 3A 5.8 (call gates), 6.12 (interrupts),
//! 5.8.7 (SYSENTER), 6.14 of the stack pictures, and SDM 2 (IRET, RET).

use crate::symbols::Symbols;
use crate::words;
use x86::Vector;
use x86::event::{Mode, Place, Source, StackFrom, Transfer, Via};
use x86::fault::vector_name;

/// A labelled fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// At most eight characters.
    pub label: &'static str,
    /// The fact.
    pub text: String,
}

/// True where the transfer left one ring or mode for another.
#[must_use]
pub fn changes_ring(t: &Transfer) -> bool {
    t.from.ring != t.to.ring || t.from.mode != t.to.mode
}

/// True for transfers that take their words from the stack instead of pushing them.
#[must_use]
pub const fn pops(via: &Via) -> bool {
    matches!(via, Via::FarReturn | Via::Iret)
}

/// How the crossing was made, in words.
#[must_use]
pub fn way(via: &Via) -> String {
    match via {
        Via::Interrupt { vector, source, error_code } => {
            interrupt_way(*vector, *source, *error_code)
        }
        Via::CallGate { selector, parameters } => {
            let copied = words::count(u32::from(*parameters), "parameter");
            format!("call gate {:04X}, {copied} copied", selector.0)
        }
        Via::FarCall => "far CALL".into(),
        Via::FarJump => "far JMP".into(),
        Via::FarReturn => "far RET".into(),
        Via::Iret => "IRET".into(),
        Via::Sysenter => "SYSENTER".into(),
        Via::Sysexit => "SYSEXIT".into(),
    }
}

fn interrupt_way(vector: u8, source: Source, error_code: Option<u16>) -> String {
    let code = error_code.map(|c| format!(", error code {c:#06X}")).unwrap_or_default();
    match source {
        Source::External => format!("interrupt {vector:#04X} from the PIC"),
        Source::Nmi => "NMI".into(),
        Source::Software => format!("INT {vector:#04X}"),
        Source::Trap => match vector_name(vector) {
            Some(Vector::Overflow) => "INTO".into(),
            _ => "INT3".into(),
        },
        Source::Icebp => "INT1 (ICEBP)".into(),
        Source::Exception => match vector_name(vector) {
            Some(v) => format!("{} {}{code}", v.mnemonic(), words::meaning(v)),
            None => format!("exception {vector}{code}"),
        },
    }
}

/// The names of the frame's words, in the order in which they were pushed.
#[must_use]
pub fn frame_names(t: &Transfer) -> Vec<String> {
    let wide = t.frame.size != 2;
    let named = |wide_name: &'static str| if wide { wide_name } else { &wide_name[1..] };
    let mut names: Vec<String> = Vec::new();
    // The outer side is the one left by a push, the one returned to by a pop.
    let outer = if pops(&t.via) { &t.to } else { &t.from };
    if changes_ring(t) && outer.mode == Mode::Vm86 {
        names.extend(["GS", "FS", "DS", "ES"].map(String::from));
    }
    if changes_ring(t) && outer.mode != Mode::Real {
        names.extend(["SS", named("ESP")].map(String::from));
    }
    match t.via {
        Via::CallGate { parameters, .. } => {
            names.extend((1..=parameters).rev().map(|n| format!("param {n}")));
        }
        Via::Interrupt { .. } | Via::Iret => names.push(named("EFLAGS").into()),
        _ => {}
    }
    names.extend(["CS", named("EIP")].map(String::from));
    if let Via::Interrupt { error_code: Some(_), .. } = t.via {
        names.push("error".into());
    }
    // A frame that holds fewer words than the rules say lacks the outer ones.
    let count = usize::from(t.frame.count);
    names.drain(..names.len().saturating_sub(count));
    names.resize(count, "?".into());
    names
}

/// The frame on one line: `SS 0023, ESP 00009FF0, EFLAGS 00000202, CS 001B, EIP 00401003`.
#[must_use]
pub fn frame_line(t: &Transfer) -> String {
    let words = t.frame.words().iter().zip(frame_names(t));
    words
        .map(|(word, name)| format!("{name} {}", frame_word(&name, *word, t.frame.size)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One word of a frame: selectors in four digits.
#[must_use]
pub fn frame_word(name: &str, word: u32, size: u8) -> String {
    match name {
        "SS" | "CS" | "DS" | "ES" | "FS" | "GS" => format!("{:04X}", word & 0xFFFF),
        _ if size == 2 => format!("{:04X}", word & 0xFFFF),
        _ => format!("{word:08X}"),
    }
}

/// Where the stack came from, in words; `None` where it wasn't changed.
#[must_use]
pub fn stack_source(t: &Transfer) -> Option<String> {
    match t.stack {
        StackFrom::Same => None,
        StackFrom::Tss { selector, base, offset } => Some(format!(
            "from TSS {:04X}: its ring-{} stack at {base:08X}+{offset:X}h",
            selector.0, t.to.ring
        )),
        StackFrom::Popped => Some("popped from the stack it left".into()),
        StackFrom::Sysenter if matches!(t.via, Via::Sysexit) => {
            Some("SS from IA32_SYSENTER_CS+24, ESP from ECX".into())
        }
        StackFrom::Sysenter => {
            Some("SS from IA32_SYSENTER_CS+8, ESP from IA32_SYSENTER_ESP".into())
        }
    }
}

fn side(p: &Place, symbols: &Symbols) -> String {
    let stack = match p.mode {
        Mode::Protected => format!("{:04X}:{:08X}", p.ss.0, p.esp),
        Mode::Real | Mode::Vm86 => format!("{:04X}:{:04X}", p.ss.0, p.esp & 0xFFFF),
    };
    let name = symbols.suffix(linear_guess(p));
    format!("{}, {}{name}, stack {stack}", words::ring(p), words::place(p))
}

/// Where symbols are looked up: flat segments in protected mode.
#[must_use]
pub fn linear_guess(p: &Place) -> u64 {
    match p.mode {
        Mode::Protected => u64::from(p.eip),
        Mode::Real | Mode::Vm86 => (u64::from(p.cs.0) << 4) + u64::from(p.eip & 0xFFFF),
    }
}

/// Every fact of a transfer, as the boxed form of the trace shows them.
#[must_use]
pub fn rows(t: &Transfer, symbols: &Symbols) -> Vec<Row> {
    let mut rows = vec![
        Row { label: "from", text: side(&t.from, symbols) },
        Row { label: "to", text: side(&t.to, symbols) },
    ];
    let mut row = |label, text| rows.push(Row { label, text });
    if let Some(gate) = t.gate {
        let name = match t.via {
            Via::Interrupt { vector, .. } => format!("IDT[{vector}]"),
            Via::CallGate { selector, .. } => format!("{:04X}", selector.0),
            _ => String::new(),
        };
        row("gate", format!("{name} = {}", words::bytes(gate)).trim_start_matches(" = ").into());
        row("", words::gate(gate));
    }
    if matches!(t.via, Via::Interrupt { .. }) && t.to.mode == Mode::Real {
        row("vector", "four bytes of the interrupt vector table, no gate".into());
    }
    if let Some(code) = t.code {
        row("code", format!("{:04X} = {}", t.to.cs.0, words::bytes(code)));
        row("", words::descriptor(code));
    }
    if let Some(stack) = stack_source(t) {
        row("stack", stack);
    }
    rows.extend(frame_rows(t));
    rows
}

/// The frame, word by word: pushed ones in order of pushing, popped ones in order of popping.
fn frame_rows(t: &Transfer) -> Vec<Row> {
    let verb = if pops(&t.via) { "popped" } else { "pushed" };
    let size = u32::from(t.frame.size);
    if t.frame.count == 0 {
        return Vec::new();
    }
    let mut words: Vec<(String, u32)> =
        frame_names(t).into_iter().zip(t.frame.words().iter().copied()).collect();
    // The stack pointer after the pushes, or before the pops.
    let bottom = if pops(&t.via) { t.from.esp } else { t.to.esp };
    let count = u32::from(t.frame.count);
    if pops(&t.via) {
        words.reverse();
    }
    let dropped = dropped_parameters(t);
    let at = |index: u32| {
        let above = if pops(&t.via) { index } else { count - 1 - index };
        let passed = if index < 2 { 0 } else { dropped };
        bottom.wrapping_add(above * size).wrapping_add(passed)
    };
    words
        .iter()
        .zip(0..)
        .map(|((name, word), index)| Row {
            label: if index == 0 { verb } else { "" },
            text: format!(
                "{:08X}  {name:<7} {}{}",
                at(index),
                frame_word(name, *word, t.frame.size),
                if name.ends_with("FLAGS") {
                    format!("  {}", words::flags(*word))
                } else {
                    String::new()
                }
            ),
        })
        .collect()
}

/// The bytes of parameters between the return address and the outer stack's words. RETF drops as
/// many from the outer stack, so that its pointer tells how many they were.
fn dropped_parameters(t: &Transfer) -> u32 {
    let outer = t.frame.words().iter().zip(frame_names(t)).find(|(_, name)| name.ends_with("SP"));
    match (t.via, outer) {
        (Via::FarReturn, Some((popped, _))) => t.to.esp.wrapping_sub(*popped) & 0xFFFF,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{protected, transfer};
    use x86::Selector;
    use x86::event::Frame;

    fn place(mode: Mode, ring: u8) -> Place {
        Place { mode, ring, cs: Selector(0x1234), ..protected(ring, 8, 0x10, 0x10, 0x100) }
    }

    fn names(via: Via, from: Place, to: Place, size: u8, count: u8) -> String {
        let mut t = transfer(via, from, to);
        t.frame = Frame { size, count, ..Frame::new(size) };
        frame_names(&t).join(" ")
    }

    const GP: Via = Via::Interrupt { vector: 13, source: Source::Exception, error_code: Some(0) };

    #[test]
    fn a_fault_in_vm86_pushes_the_data_segments_first() {
        let (from, to) = (place(Mode::Vm86, 3), place(Mode::Protected, 0));
        assert_eq!(names(GP, from, to, 4, 10), "GS FS DS ES SS ESP EFLAGS CS EIP error");
        assert_eq!(names(Via::Iret, to, from, 4, 9), "GS FS DS ES SS ESP EFLAGS CS EIP");
    }

    #[test]
    fn real_mode_pushes_three_short_words() {
        let real = place(Mode::Real, 0);
        let int = Via::Interrupt { vector: 0x10, source: Source::Software, error_code: None };
        assert_eq!(names(int, real, real, 2, 3), "FLAGS CS IP");
    }

    #[test]
    fn far_transfers_push_and_pop_the_return_address() {
        let (inner, outer) = (place(Mode::Protected, 0), place(Mode::Protected, 3));
        assert_eq!(names(Via::FarCall, inner, inner, 4, 2), "CS EIP");
        assert_eq!(names(Via::FarReturn, inner, outer, 4, 4), "SS ESP CS EIP");
        assert_eq!(names(Via::FarJump, inner, inner, 4, 0), "");
    }
}
