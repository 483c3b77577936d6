//! Compares two outcomes of one case: every register, flag, fault and byte, save the flags that the
//! manual leaves undefined.
#![forbid(unsafe_code)]

use crate::case::{Case, Outcome};
use crate::undefined::{open, undefined_flags};

const GPR_NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SREG_NAMES: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

/// In words, each thing in which `actual` isn't `expected`; empty if they agree, or if the case is
/// [`open`].
pub fn differences(case: &Case, expected: &Outcome, actual: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if open(case).is_some() {
        return found;
    }
    if expected.fault != actual.fault {
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
    if expected.memory != actual.memory {
        let show = |outcome: &Outcome| {
            outcome
                .memory
                .iter()
                .take(24)
                .map(|(a, v)| format!("{a:x}={v:02x} "))
                .collect::<String>()
        };
        found.push(format!("memory: want {}, got {}", show(expected), show(actual)));
    }
    found
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
