//! Architecture values as words: selectors, descriptors, gates, flags, places. Every sentence of
//! this crate is built from these, so that one thing has one spelling everywhere.

use x86::event::{Mode, Place};
use x86::fault::{Vector, vector_name};
use x86::segment::{attr, system_type};
use x86::{Descriptor, Eflags, Fault, Selector};

/// A fault as manuals write it: `#GP(0x0102)`, or `#UD` without an error code.
#[must_use]
pub fn fault(f: Fault) -> String {
    let name = f.vector.mnemonic();
    if f.vector.has_error_code() { format!("{name}({:#06X})", f.code) } else { name.into() }
}

/// What an exception is called in words.
#[must_use]
pub const fn meaning(v: Vector) -> &'static str {
    match v {
        Vector::DivideError => "divide error",
        Vector::Debug => "debug exception",
        Vector::Nmi => "non-maskable interrupt",
        Vector::Breakpoint => "breakpoint",
        Vector::Overflow => "overflow",
        Vector::BoundRange => "bound range exceeded",
        Vector::InvalidOpcode => "invalid opcode",
        Vector::DeviceNotAvailable => "no FPU to use",
        Vector::DoubleFault => "double fault",
        Vector::InvalidTss => "invalid TSS",
        Vector::SegmentNotPresent => "segment not present",
        Vector::StackFault => "stack fault",
        Vector::GeneralProtection => "general protection",
        Vector::PageFault => "page fault",
        Vector::MathFault => "FPU error",
        Vector::AlignmentCheck => "alignment check",
        Vector::MachineCheck => "machine check",
        Vector::SimdException => "SIMD exception",
    }
}

/// `vector 13 (#GP)`, or `vector 0x20` for one that isn't an exception's.
#[must_use]
pub fn vector(v: u8) -> String {
    match vector_name(v) {
        Some(named) => format!("vector {v} ({})", named.mnemonic()),
        None => format!("vector {v:#04X}"),
    }
}

/// `0x0010 (GDT[2], RPL 0)`.
#[must_use]
pub fn selector(s: Selector) -> String {
    if s.is_null() {
        return format!("{:#06X} (null)", s.0);
    }
    let table = if s.is_local() { "LDT" } else { "GDT" };
    format!("{:#06X} ({table}[{}], RPL {})", s.0, s.offset() / 8, s.rpl())
}

/// `0008:00007C42`; four digits of IP in real and virtual-8086 mode.
#[must_use]
pub fn place(p: &Place) -> String {
    match p.mode {
        Mode::Protected => format!("{:04X}:{:08X}", p.cs.0, p.eip),
        Mode::Real | Mode::Vm86 => format!("{:04X}:{:04X}", p.cs.0, p.eip),
    }
}

/// `ring 3`, `real mode` or `virtual-8086 mode`.
#[must_use]
pub fn ring(p: &Place) -> String {
    match p.mode {
        Mode::Protected => format!("ring {}", p.ring),
        Mode::Real => "real mode".into(),
        Mode::Vm86 => "virtual-8086 mode".into(),
    }
}

/// The eight bytes as they lie in memory.
#[must_use]
pub fn bytes(d: Descriptor) -> String {
    hex(&d.0.to_le_bytes())
}

/// Bytes in hexadecimal, with spaces.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" ")
}

/// The name of a system-descriptor type (SDM 3A table 3-2).
#[must_use]
pub const fn system_name(kind: u8) -> &'static str {
    match kind {
        system_type::TSS16 => "available 16-bit TSS",
        system_type::LDT => "LDT",
        system_type::TSS16_BUSY => "busy 16-bit TSS",
        system_type::CALL_GATE16 => "16-bit call gate",
        system_type::TASK_GATE => "task gate",
        system_type::INT_GATE16 => "16-bit interrupt gate",
        system_type::TRAP_GATE16 => "16-bit trap gate",
        system_type::TSS32 => "available 32-bit TSS",
        system_type::TSS32_BUSY => "busy 32-bit TSS",
        system_type::CALL_GATE32 => "32-bit call gate",
        system_type::INT_GATE32 => "32-bit interrupt gate",
        system_type::TRAP_GATE32 => "32-bit trap gate",
        _ => "reserved type",
    }
}

/// What a descriptor is, without its numbers: `32-bit code segment`, `busy 32-bit TSS`.
#[must_use]
pub fn kind(d: Descriptor) -> String {
    if let Some(kind) = d.system() {
        return system_name(kind).into();
    }
    let width = if d.has(attr::DB) { "32-bit" } else { "16-bit" };
    if d.is_code() {
        let conforming = if d.is_conforming() { "conforming " } else { "" };
        let readable = if d.is_readable() { "" } else { "execute-only " };
        return format!("{width} {conforming}{readable}code segment");
    }
    let down = if d.has(attr::EC) { "expand-down " } else { "" };
    let rights = if d.is_writable() { "" } else { "read-only " };
    format!("{down}{rights}data segment")
}

/// A segment or system descriptor on one line.
#[must_use]
pub fn descriptor(d: Descriptor) -> String {
    if d.0 == 0 {
        return "all zero".into();
    }
    format!(
        "{}, DPL {}, P={}, base {:08X}, limit {:08X}",
        kind(d),
        d.dpl(),
        u8::from(d.present()),
        d.base(),
        d.limit()
    )
}

/// A gate on one line.
#[must_use]
pub fn gate(d: Descriptor) -> String {
    if d.0 == 0 {
        return "all zero".into();
    }
    let p = u8::from(d.present());
    let head = format!("{}, DPL {}, P={p}", kind(d), d.dpl());
    match d.system() {
        Some(system_type::TASK_GATE) => format!("{head}, to task {:04X}", d.gate_selector().0),
        Some(t) if t & 8 == 0 => {
            format!("{head}, to {:04X}:{:04X}", d.gate_selector().0, d.gate_offset() & 0xFFFF)
        }
        _ => format!("{head}, to {:04X}:{:08X}", d.gate_selector().0, d.gate_offset()),
    }
}

const FLAG_NAMES: [(Eflags, &str); 16] = [
    (Eflags::ID, "ID"),
    (Eflags::VIP, "VIP"),
    (Eflags::VIF, "VIF"),
    (Eflags::AC, "AC"),
    (Eflags::VM, "VM"),
    (Eflags::RF, "RF"),
    (Eflags::NT, "NT"),
    (Eflags::OF, "OF"),
    (Eflags::DF, "DF"),
    (Eflags::IF, "IF"),
    (Eflags::TF, "TF"),
    (Eflags::SF, "SF"),
    (Eflags::ZF, "ZF"),
    (Eflags::AF, "AF"),
    (Eflags::PF, "PF"),
    (Eflags::CF, "CF"),
];

/// The flags that are set, and IOPL: `IOPL=0 IF ZF`.
#[must_use]
pub fn flags(eflags: u32) -> String {
    let set = Eflags::from_bits_truncate(eflags);
    let mut text = format!("IOPL={}", set.iopl());
    for (_, name) in FLAG_NAMES.iter().filter(|(flag, _)| set.contains(*flag)) {
        text.push(' ');
        text.push_str(name);
    }
    text
}

/// `1 byte`, `4 bytes`.
#[must_use]
pub fn count(n: u32, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_and_descriptors_read_as_the_manual_names_them() {
        assert_eq!(
            gate(Descriptor(0x1234_EE00_0008_5678)),
            "32-bit interrupt gate, DPL 3, P=1, to 0008:12345678"
        );
        assert_eq!(gate(Descriptor(0x8500_0028_0000)), "task gate, DPL 0, P=1, to task 0028");
        assert_eq!(
            descriptor(Descriptor(0x00CF_9A00_0000_FFFF)),
            "32-bit code segment, DPL 0, P=1, base 00000000, limit FFFFFFFF"
        );
        assert_eq!(kind(Descriptor(0x8B00_0000_0067)), "busy 32-bit TSS");
    }

    #[test]
    fn faults_show_an_error_code_only_where_there_is_one() {
        assert_eq!(fault(Fault::gp(0x102)), "#GP(0x0102)");
        assert_eq!(fault(Fault::ud()), "#UD");
    }

    #[test]
    fn selectors_name_table_index_and_rpl() {
        assert_eq!(selector(Selector(0x1F)), "0x001F (LDT[3], RPL 3)");
        assert_eq!(selector(Selector(3)), "0x0003 (null)");
    }

    #[test]
    fn flags_are_listed_high_to_low() {
        assert_eq!(flags(0x3246), "IOPL=3 IF ZF PF");
    }
}
