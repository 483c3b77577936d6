//! Compares two outcomes of one case: every register, flag, fault and byte, save the flags that the
//! manual leaves undefined.
#![forbid(unsafe_code)]

use crate::case::{Case, Outcome};
use crate::fx::Fx;
use crate::undefined::{
    by_pieces, decode, open, own_affair_of_image, takes_mmx_early, undefined_conditions,
    undefined_flags,
};
use iced_x86::Mnemonic;
use x86::F80;

const GPR_NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SREG_NAMES: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

/// In words, each thing in which `actual` isn't `expected`; empty if they agree, or if the case is
/// [`open`].
pub fn differences(case: &Case, expected: &Outcome, actual: &Outcome) -> Vec<String> {
    compared(case, expected, actual, 0)
}

/// The same for an outcome that another maker's processor recorded.
pub fn differences_elsewhere(case: &Case, expected: &Outcome, actual: &Outcome) -> Vec<String> {
    compared(case, expected, actual, undefined_conditions(case))
}

/// The segments that Linux keeps in its GDT for processes: three of threads, one that tells the
/// processor's number. A selector that random bytes made may name them; ours don't exist.
const KERNEL_SEGMENTS: std::ops::RangeInclusive<u16> = 12..=15;
const TI: u16 = 4;

/// ICEBP that reports its own address: a hypervisor intercepts #DB, as KVM does on AMD's processors,
/// and hands it on as a fault. ICEBP is a trap (SDM 2A INT n).
fn icebp_of_a_hypervisor(case: &Case, expected: &Outcome) -> bool {
    expected.eip == case.eip && decode(case).mnemonic() == Mnemonic::Int1
}

fn loads_from_the_kernel(expected: &Outcome) -> bool {
    expected.sel.iter().any(|sel| sel & TI == 0 && KERNEL_SEGMENTS.contains(&(sel >> 3)))
}

/// `hidden`: bits of the x87 status word that aren't compared.
fn compared(case: &Case, expected: &Outcome, actual: &Outcome, hidden: u16) -> Vec<String> {
    let mut found = Vec::new();
    let host = loads_from_the_kernel(expected) || icebp_of_a_hypervisor(case, expected);
    if open(case).is_some() || host {
        return found;
    }
    let whole = !(by_pieces(case) && expected.fault.is_some() && actual.fault.is_some());
    if expected.fault != actual.fault && whole {
        found.push(format!("fault: want {:x?}, got {:x?}", expected.fault, actual.fault));
    }
    for (name, (want, got)) in GPR_NAMES.iter().zip(expected.gpr.iter().zip(actual.gpr)) {
        differ(&mut found, name, *want, got);
    }
    for (name, (want, got)) in SREG_NAMES.iter().zip(expected.sel.iter().zip(actual.sel)) {
        // The kernel's IRET turns every null selector into 0, so its RPL isn't recorded.
        if *name == "ss" || *name == "cs" || *want > 3 || got > 3 {
            differ(&mut found, name, u32::from(*want), u32::from(got));
        }
    }
    differ(&mut found, "eip", expected.eip, actual.eip);
    if (expected.eflags ^ actual.eflags) & !undefined_flags(case, expected) != 0 {
        differ(&mut found, "eflags", expected.eflags, actual.eflags);
    }
    let own = own_affair_of_image(case);
    let memory = |outcome: &Outcome| -> Vec<(u32, u8)> {
        outcome.memory.iter().copied().filter(|(at, _)| !own(*at)).collect()
    };
    let (want, got) = (memory(expected), memory(actual));
    if want != got && whole {
        let show = |memory: &[(u32, u8)]| {
            memory.iter().take(24).map(|(a, v)| format!("{a:x}={v:02x} ")).collect::<String>()
        };
        found.push(format!("memory: want {}, got {}", show(&want), show(&got)));
    }
    if let (Some(want), Some(got)) = (&expected.fx, &actual.fx) {
        let mut got = got.clone();
        if expected.fault.is_some() && takes_mmx_early(case) {
            let physical = |fx: &Fx, n: usize| fx.st[(n + 8 - fx.physical(0)) & 7];
            let registers: [F80; 8] = std::array::from_fn(|n| physical(&got, n));
            got.full = want.full;
            got.status = got.status & !TOP | want.status & TOP;
            got.st = std::array::from_fn(|i| registers[got.physical(i)]);
        }
        units(&mut found, want, &got, hidden);
    }
    found
}

/// TOP in the x87 status word.
const TOP: u16 = 0x3800;

/// The x87 and SSE units.
fn units(found: &mut Vec<String>, want: &Fx, got: &Fx, hidden: u16) {
    let words = [
        ("control", want.control, got.control),
        ("status", want.status & !hidden, got.status & !hidden),
        ("full", u16::from(want.full), u16::from(got.full)),
    ];
    for (name, want, got) in words {
        differ(found, name, u32::from(want), u32::from(got));
    }
    if (want.opcode, want.ip, want.dp) != (0, 0, 0) {
        differ(found, "opcode", u32::from(want.opcode), u32::from(got.opcode));
        differ(found, "fpu ip", want.ip, got.ip);
        differ(found, "fpu dp", want.dp, got.dp);
    }
    for (i, (want, got)) in want.st.iter().zip(&got.st).enumerate() {
        if want != got {
            let show = |r: &F80| format!("{:04x}{:016x}", r.sign_exponent, r.significand);
            found.push(format!("st{i}: want {}, got {}", show(want), show(got)));
        }
    }
    for (i, (want, got)) in want.xmm.iter().zip(&got.xmm).enumerate() {
        if want != got {
            found.push(format!("xmm{i}: want {want:032x}, got {got:032x}"));
        }
    }
    differ(found, "mxcsr", want.mxcsr, got.mxcsr);
}

/// Whether two outcomes agree.
pub fn agree(case: &Case, expected: &Outcome, actual: &Outcome) -> bool {
    differences(case, expected, actual).is_empty()
}

fn differ(found: &mut Vec<String>, name: &str, want: u32, got: u32) {
    if want != got {
        found.push(format!("{name}: want {want:x}, got {got:x}"));
    }
}
