//! One sentence for every kind of evidence: what the processor checked, and what it found.
//! The explainer's own rules say more where they recognize a mistake; where they don't, and in
//! traces, this is what is said.

use crate::words::{count, kind, selector, system_name};
use x86::cause::{Check, OpcodeCheck, Origin, PageCheck, RegisterName};
use x86::paging::AccessKind;
use x86::segment::SegReg;
use x86::{Cause, Descriptor, LinAddr, Selector};

/// What was wrong, as a clause without a full stop. `None` where nothing was recorded.
#[must_use]
pub fn cause(why: &Cause) -> Option<String> {
    Some(match *why {
        Cause::None => return None,
        Cause::Selector { selector, descriptor, table_limit, check, origin, cpl } => {
            let subject = format!("{} in {}", self::selector(selector), self::origin(origin));
            format!("{subject} {}", selector_check(check, selector, descriptor, table_limit, cpl))
        }
        Cause::IdtGate { vector, gate, idt_limit, check, cpl, .. } => {
            format!("IDT[{vector}] {}", gate_check(check, vector, gate, idt_limit, cpl))
        }
        Cause::Limit { segment, offset, size, limit, expand_down } => {
            let bytes = count(size, "byte");
            let name = segment.name();
            let side = if expand_down { "below or at the limit" } else { "beyond the limit" };
            format!("{bytes} at {name}:{offset:08X} lie {side} {limit:#X} of {name}")
        }
        Cause::Access { segment, selector, attrs, kind } => access(segment, selector, attrs, kind),
        Cause::Page { addr, kind, user, level, entry, why, .. } => format!(
            "the {} at {addr:08X} from {} was refused by its {} = {entry:#X}: {}",
            access_noun(kind),
            if user { "ring 3" } else { "ring 0" },
            level.name(),
            page_check(why)
        ),
        Cause::TssStack { selector, ring, offset, limit } => format!(
            "the stack of ring {ring} should be at offset {offset:#X} of TSS {:#06X}, whose limit \
             is {limit:#X}",
            selector.0
        ),
        ref other => return rarer(other),
    })
}

fn rarer(why: &Cause) -> Option<String> {
    Some(match *why {
        Cause::Privileged { what, cpl, iopl, vm86 } => privileged(what.name(), cpl, iopl, vm86),
        Cause::Io { port, size, map, limit } => format!(
            "port {port:#06X} ({}) isn't allowed: IOPL < CPL, and the TSS (limit {limit:#X}) has \
             its I/O bitmap at {map:#X}",
            count(u32::from(size), "byte")
        ),
        Cause::Value { register, value, bits } => format!(
            "{:#X} can't be written to {}: bits {bits:#X} are reserved or contradict others",
            value,
            register_name(register)
        ),
        Cause::Opcode { bytes, why: OpcodeCheck::Deliberate } => format!(
            "{} is an instruction that only raises #UD, put there on purpose",
            crate::words::hex(&bytes[..2])
        ),
        Cause::Opcode { bytes, why } => {
            format!("{} are no instruction here: {}", crate::words::hex(&bytes), opcode_check(why))
        }
        Cause::Divide { divisor: 0 } => "division by zero".into(),
        Cause::Divide { divisor } => format!("the quotient by {divisor:#X} doesn't fit"),
        Cause::Bound { index, bounds: (low, high) } => {
            format!("index {index} lies outside {low}..={high}")
        }
        Cause::Debug { dr6 } => format!("a debug condition: DR6 = {dr6:08X}"),
        Cause::Alignment { addr, size } => {
            format!("{} at {addr:08X} are misaligned, with AM and AC set", count(size, "byte"))
        }
        Cause::IretFrame { eip, cs, eflags, check, cpl } => format!(
            "IRET popped EIP {eip:08X}, CS {}, EFLAGS {eflags:08X}, and CS {}",
            selector(cs),
            selector_check(check, cs, Descriptor(0), 0, cpl)
        ),
        Cause::SysenterCs { value } => {
            format!("IA32_SYSENTER_CS is {value:#X}: no kernel code segment was set")
        }
        Cause::Fpu { cr0 } => format!("CR0 = {cr0:#X} says that the FPU isn't to be used now"),
        Cause::Math { status, control } => format!(
            "an earlier x87 instruction raised {} unmasked (status {status:04X}, control \
             {control:04X})",
            math(status & !control)
        ),
        Cause::Aligned16 { addr } => {
            format!("an operand at {addr:08X}, which must be a multiple of 16")
        }
        Cause::Simd { mxcsr } => format!(
            "an SSE instruction raised {} unmasked (MXCSR {mxcsr:04X})",
            math((mxcsr & !(mxcsr >> 7) & 0x3F) as u16)
        ),
        _ => return None,
    })
}

/// The x87 or SSE exceptions of a set.
fn math(raised: u16) -> String {
    const NAMES: [&str; 6] = [
        "invalid operation",
        "denormal operand",
        "zero divide",
        "overflow",
        "underflow",
        "precision",
    ];
    let raised = NAMES.iter().enumerate().filter(|(bit, _)| raised >> bit & 1 != 0);
    raised.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn privileged(what: &str, cpl: u8, iopl: u8, vm86: bool) -> String {
    if vm86 {
        return format!("{what} is refused in virtual-8086 mode with IOPL {iopl}");
    }
    if matches!(what, "CLI" | "STI" | "IN" | "OUT") {
        return format!("{what} needs CPL <= IOPL; CPL is {cpl}, IOPL {iopl}");
    }
    format!("{what} is for ring 0 only; CPL is {cpl}")
}

fn access(segment: SegReg, selector: Selector, attrs: u16, kind: AccessKind) -> String {
    let name = segment.name();
    let noun = access_noun(kind);
    if attrs & x86::segment::attr::P == 0 {
        return format!(
            "a {noun} through {name}, which holds the null selector {:#06X}",
            selector.0
        );
    }
    let kind = crate::words::kind(Descriptor(u64::from(attrs) << 40));
    format!("a {noun} through {name} = {:#06X}, a {kind}", selector.0)
}

/// `read`, `write`, `instruction fetch`.
#[must_use]
pub const fn access_noun(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Read => "read",
        AccessKind::Write => "write",
        AccessKind::Fetch => "instruction fetch",
    }
}

/// Whom a selector was taken from, as `the gate of vector 13`.
#[must_use]
pub fn origin(origin: Origin) -> String {
    match origin {
        Origin::Load(s) => format!("a load of {}", s.name()),
        Origin::Transfer => "a far transfer".into(),
        Origin::InterruptGate(v) => format!("IDT[{v}]"),
        Origin::CallGate(s) => format!("call gate {:#06X}", s.0),
        Origin::TssStack(ring) => format!("TSS.SS{ring}"),
        Origin::Task => "a task's TSS".into(),
        Origin::TaskSegment(s) => format!("the new task's {}", s.name()),
        Origin::Ldtr => "LDTR".into(),
        Origin::BackLink => "the TSS's back link".into(),
    }
}

/// What is wrong with a selector or its descriptor: `is a data segment`.
#[must_use]
pub fn selector_check(
    check: Check,
    selector: Selector,
    descriptor: Descriptor,
    table_limit: u32,
    cpl: u8,
) -> String {
    let is = || format!("is {}", with_article(&kind(descriptor)));
    let dpl = descriptor.dpl();
    match check {
        Check::NullSelector => "is null where a segment is needed".into(),
        Check::BeyondTable => format!(
            "lies beyond its table: needs a limit of {:#X}, it is {table_limit:#X}",
            selector.offset() + 7
        ),
        Check::MustBeGlobal => "names the LDT where only the GDT will do".into(),
        Check::NoLdt => "names the LDT, and none is loaded".into(),
        Check::NotPresent => format!("{}, not present (P=0)", is()),
        Check::NotCode => format!("{}, not code", is()),
        Check::NotReadable => format!("{}, which can't be read", is()),
        Check::NotWritable => format!("{}, which can't be written", is()),
        Check::NotGate => format!("{}, not a gate that can be used here", is()),
        Check::NotLdt => format!("{}, not an LDT", is()),
        Check::NotAvailableTss => format!("{}, not an available TSS", is()),
        Check::NotBusyTss => format!("{}, not a busy TSS", is()),
        Check::TssTooShort => format!("is a TSS with limit {:#X}: too short", descriptor.limit()),
        Check::Privilege | Check::TargetPrivilege => {
            format!("has DPL {dpl} and RPL {}, which CPL {cpl} may not use", selector.rpl())
        }
        Check::GatePrivilege => format!("has gate DPL {dpl}, below CPL {cpl} or its RPL"),
        Check::Rpl => {
            format!("has RPL {}: a stack must have that of the ring that uses it", selector.rpl())
        }
        Check::TargetOffset => {
            format!("has limit {:#X}: the target lies beyond", descriptor.limit())
        }
        Check::ReturnInward => {
            format!("has RPL {}: a return can't go inward from CPL {cpl}", selector.rpl())
        }
        Check::StackPrivilege => {
            format!("has RPL {} and DPL {dpl}: a stack must have those of its ring", selector.rpl())
        }
        Check::WrongType => format!("{}, a type not allowed here", is()),
    }
}

/// What is wrong with a gate of the IDT, behind `IDT[n]`.
#[must_use]
pub fn gate_check(check: Check, vector: u8, gate: Descriptor, idt_limit: u32, cpl: u8) -> String {
    let need = u32::from(vector) * 8 + 7;
    match check {
        Check::BeyondTable => {
            format!(
                "lies beyond the table: needs an IDT limit of at least {need:#05X}; it is {idt_limit:#05X}"
            )
        }
        Check::NotPresent if gate.0 == 0 => "is all zero: no gate was ever put there".into(),
        Check::NotPresent => "isn't present (P=0)".into(),
        Check::GatePrivilege => format!("has gate DPL {} < CPL {cpl}", gate.dpl()),
        _ if gate.0 == 0 => "is all zero: no gate was ever put there".into(),
        _ => match gate.system() {
            Some(t) => format!("has type {t:#X}, {}", with_article(system_name(t))),
            None => format!("isn't a gate: its S bit makes it a {}", kind(gate)),
        },
    }
}

/// What paging objected to.
#[must_use]
pub const fn page_check(why: PageCheck) -> &'static str {
    match why {
        PageCheck::NotPresent => "not present (P=0)",
        PageCheck::ReadOnly => "read-only (R/W=0)",
        PageCheck::Supervisor => "supervisor only (U/S=0)",
        PageCheck::Reserved => "a reserved bit is set",
        PageCheck::NoExecute => "not executable (XD=1)",
        PageCheck::Smep => "ring 0 may not execute user pages (SMEP)",
        PageCheck::Smap => "ring 0 may not touch user pages now (SMAP)",
    }
}

const fn opcode_check(why: OpcodeCheck) -> &'static str {
    match why {
        OpcodeCheck::Undefined => "no such encoding",
        OpcodeCheck::TooLong => "longer than 15 bytes",
        OpcodeCheck::NeedsProtectedMode => "not in real or virtual-8086 mode",
        OpcodeCheck::NotOnThisCpu => "this processor doesn't have it (see CPUID)",
        OpcodeCheck::NoSuchRegister => "no such register",
        OpcodeCheck::NotEnabled => {
            "CR0.EM is set, or CR4.OSFXSR (for #XM: OSXMMEXCPT) is clear, so SSE isn't enabled"
        }
        OpcodeCheck::Deliberate => "it only raises #UD",
    }
}

/// The manual's name of a register whose value is checked.
#[must_use]
pub fn register_name(register: RegisterName) -> String {
    match register {
        RegisterName::Msr(index) => format!("MSR {index:#X}"),
        RegisterName::Pdpte => "a PDPTE".into(),
        other => format!("{other:?}").to_uppercase(),
    }
}

/// `a data segment`, `an LDT`.
#[must_use]
pub fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'L']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// `00007C42 <main+0x2>`.
#[must_use]
pub fn address(at: LinAddr, symbols: &crate::Symbols) -> String {
    format!("{at:08X}{}", symbols.suffix(at.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x86::Intercept;
    use x86::paging::Level;

    #[test]
    fn a_gate_beyond_the_idt_names_both_limits() {
        let why = Cause::IdtGate {
            vector: 0x20,
            gate: Descriptor(0),
            idt_base: LinAddr(0x8000),
            idt_limit: 0xFF,
            check: Check::BeyondTable,
            cpl: 0,
            software: false,
        };
        assert_eq!(
            cause(&why).unwrap(),
            "IDT[32] lies beyond the table: needs an IDT limit of at least 0x107; it is 0x0FF"
        );
    }

    #[test]
    fn a_page_fault_names_the_entry_that_refused() {
        let why = Cause::Page {
            addr: LinAddr(0x40_0000),
            kind: AccessKind::Write,
            user: true,
            level: Level::Pde,
            entry: 0x3003,
            entry_addr: x86::PhysAddr(0x2004),
            why: PageCheck::Supervisor,
        };
        assert_eq!(
            cause(&why).unwrap(),
            "the write at 00400000 from ring 3 was refused by its PDE = 0x3003: supervisor only \
             (U/S=0)"
        );
    }

    #[test]
    fn privilege_sentences_name_the_rule_that_counts() {
        let why = |what| Cause::Privileged { what, cpl: 3, iopl: 0, vm86: false };
        assert_eq!(cause(&why(Intercept::Hlt)).unwrap(), "HLT is for ring 0 only; CPL is 3");
        assert_eq!(cause(&why(Intercept::Cli)).unwrap(), "CLI needs CPL <= IOPL; CPL is 3, IOPL 0");
    }

    #[test]
    fn a_null_data_segment_is_told_from_a_wrong_one() {
        let null = Cause::Access {
            segment: SegReg::Ds,
            selector: Selector(0),
            attrs: 0,
            kind: AccessKind::Read,
        };
        assert_eq!(
            cause(&null).unwrap(),
            "a read through DS, which holds the null selector 0x0000"
        );
        let code = Cause::Access {
            segment: SegReg::Cs,
            selector: Selector(8),
            attrs: 0x409A,
            kind: AccessKind::Write,
        };
        assert_eq!(cause(&code).unwrap(), "a write through CS = 0x0008, a 32-bit code segment");
    }

    #[test]
    fn nothing_recorded_says_nothing() {
        assert_eq!(cause(&Cause::None), None);
    }
}
