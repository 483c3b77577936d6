//! `--trace`: one line an event, with names where they are known.

use crate::crossing::linear_guess;
use crate::narrate;
use crate::scene::Link;
use crate::symbols::Symbols;
use crate::{sentence, words};
use x86::event::{Event, Mode, Place, Record, Wanted};

/// What the words of `--trace` ask for.
pub const KINDS: [(&str, Wanted); 7] = [
    ("rings", Wanted::CROSSINGS),
    ("faults", Wanted::FAULTS),
    ("interrupts", Wanted::INTERRUPTS),
    ("io", Wanted::IO),
    ("cr", Wanted::CONTROL),
    ("insns", Wanted::INSNS),
    ("callouts", Wanted::CALLOUTS),
];

/// The kinds in a comma-separated list, or the word that isn't one.
pub fn parse_kinds(list: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::empty();
    for word in list.split(',').map(str::trim) {
        let found = KINDS.iter().find(|(name, _)| *name == word);
        wanted |= found.ok_or_else(|| word.to_owned())?.1;
    }
    Ok(wanted)
}

/// The line of an event, without a newline.
#[must_use]
pub fn line(record: &Record, symbols: &Symbols) -> String {
    if let Some(crossing) = narrate::compact(record, symbols) {
        return crossing;
    }
    let at = |p: &Place| format!("{}{}", words::place(p), symbols.suffix(linear_guess(p)));
    let text = match &record.event {
        Event::Fault { fault, why, at: place, cr2, during } => {
            let link = Link { fault: *fault, why: *why, at: *place, cr2: *cr2 };
            fault_text(&link, *during, &at(place))
        }
        Event::Control { register, old, new, at: place } => {
            format!("{} {old:08X} -> {new:08X}  at {}", control_name(*register), at(place))
        }
        Event::Msr { index, value, at: place } => {
            format!("{} <- {value:016X}  at {}", msr_name(*index), at(place))
        }
        Event::Io { port, size, write, value, at: place } => {
            let digits = usize::from(*size) * 2;
            let (verb, arrow) = if *write { ("out", "<-") } else { ("in ", "->") };
            format!("{verb} {port:#06X} {arrow} {value:0digits$X}  at {}", at(place))
        }
        Event::Callout { kind, at: place } => {
            format!("callout {} in {}  at {}", kind.name(), words::ring(place), at(place))
        }
        Event::Insn { at: place, bytes, length, .. } => {
            let bytes = &bytes[..usize::from(*length).min(bytes.len())];
            format!("{}  {:<24} {}", at(place), words::hex(bytes), instruction(bytes, place))
        }
        Event::Transfer(_) | Event::TaskSwitch { .. } => String::new(),
        Event::Halt { .. } | Event::Shutdown { .. } => String::new(),
    };
    format!("{:>12}  {text}", record.step)
}

fn fault_text(link: &Link, during: Option<u8>, at: &str) -> String {
    let mut text = format!("fault {}  at {at}", words::fault(link.fault));
    if link.fault.vector == x86::Vector::PageFault {
        text.push_str(&format!("  CR2 {:08X}", link.cr2));
    }
    if let Some(vector) = during {
        text.push_str(&format!("  while delivering {}", words::vector(vector)));
    }
    if let Some(why) = sentence::cause(&link.why) {
        text.push_str(&format!("  {why}"));
    }
    text
}

/// The event doesn't say whether the code is 32-bit; the length of the instruction does.
fn instruction(bytes: &[u8], at: &Place) -> String {
    let widths: &[bool] = if at.mode == Mode::Protected { &[true, false] } else { &[false] };
    // With more bytes behind it a wrong width shows itself by another length.
    let padded = [bytes, &[0; 15]].concat();
    let decoded = |bits32: &bool| {
        let (_, len, text) = decode::disassemble(&padded, *bits32, at.eip).into_iter().next()?;
        (usize::from(len) == bytes.len()).then_some(text)
    };
    widths.iter().find_map(decoded).unwrap_or_default()
}

fn control_name(register: u8) -> String {
    match register {
        0x10..=0x17 => format!("DR{}", register - 0x10),
        n => format!("CR{n}"),
    }
}

fn msr_name(index: u32) -> String {
    let name = match index {
        0x10 => "IA32_TIME_STAMP_COUNTER",
        0x1B => "IA32_APIC_BASE",
        0x174 => "IA32_SYSENTER_CS",
        0x175 => "IA32_SYSENTER_ESP",
        0x176 => "IA32_SYSENTER_EIP",
        0x277 => "IA32_PAT",
        0xC000_0080 => "IA32_EFER",
        _ => return format!("MSR {index:#X}"),
    };
    format!("MSR {index:#X} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::protected;
    use x86::{Cause, Fault, Intercept, LinAddr};

    fn text(event: Event) -> String {
        let symbols = Symbols::parse("map", b"1000 main\n").unwrap();
        line(&Record { step: 42, event }, &symbols)
    }

    const AT: u32 = 0x1003;

    #[test]
    fn io_shows_direction_port_and_value() {
        let at = protected(0, 8, AT, 0x10, 0);
        let out = Event::Io { port: 0x3F8, size: 1, write: true, value: 0x41, at };
        assert_eq!(text(out), "          42  out 0x03F8 <- 41  at 0008:00001003 <main+0x3>");
        let input = Event::Io { port: 0x60, size: 2, write: false, value: 0x1C, at };
        assert_eq!(text(input), "          42  in  0x0060 -> 001C  at 0008:00001003 <main+0x3>");
    }

    #[test]
    fn a_fault_shows_its_evidence() {
        let at = protected(3, 0x1B, AT, 0x23, 0);
        let why = Cause::Privileged { what: Intercept::Hlt, cpl: 3, iopl: 0, vm86: false };
        let event = Event::Fault { fault: Fault::gp(0), why, at, cr2: 0, during: None };
        assert_eq!(
            text(event),
            "          42  fault #GP(0x0000)  at 001B:00001003 <main+0x3>  HLT is for ring 0 \
             only; CPL is 3"
        );
    }

    #[test]
    fn registers_are_named() {
        let at = protected(0, 8, AT, 0x10, 0);
        let cr = Event::Control { register: 0, old: 0x11, new: 0x8000_0011, at };
        assert_eq!(text(cr), "          42  CR0 00000011 -> 80000011  at 0008:00001003 <main+0x3>");
        let msr = Event::Msr { index: 0x174, value: 8, at };
        assert!(text(msr).contains("MSR 0x174 IA32_SYSENTER_CS <- 0000000000000008"));
    }

    #[test]
    fn an_instruction_is_disassembled_in_the_width_of_its_length() {
        let at = protected(0, 8, AT, 0x10, 0);
        let mut bytes = [0; 15];
        bytes[..5].copy_from_slice(&[0xB8, 0x10, 0, 0, 0]);
        let insn = |length| Event::Insn { at, addr: LinAddr(0x1003), bytes, length };
        assert!(text(insn(5)).to_lowercase().contains("mov eax"), "{}", text(insn(5)));
        assert!(text(insn(3)).to_lowercase().contains("mov ax"), "{}", text(insn(3)));
    }

    #[test]
    fn kinds_are_read_from_a_list_and_an_unknown_word_is_given_back() {
        assert_eq!(parse_kinds("rings, io"), Ok(Wanted::CROSSINGS | Wanted::IO));
        assert_eq!(parse_kinds("rings,everything"), Err("everything".into()));
    }
}
