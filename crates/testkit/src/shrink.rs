//! Makes a failing case simple: what isn't needed for the failure is taken away, one piece at a
//! time, until nothing more can go.
#![forbid(unsafe_code)]

use crate::case::{Case, Stop, flag};
use crate::fx::Fx;
use crate::native::initial_bytes;
use x86::F80;
use x86::fpu::{CONTROL_INIT, MXCSR_RESET};

/// A case that still `fails`, with as little in it as could be found.
pub fn shrink(case: &Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    loop {
        let before = best.clone();
        for candidate in simpler(&best) {
            // Two of the steps may undo each other: only what still differs is worth a run.
            if candidate != best && fails(&candidate) {
                best = candidate;
                break;
            }
        }
        if best == before {
            return best;
        }
    }
}

/// Every case that is one step simpler.
fn simpler(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut push = |change: &dyn Fn(&mut Case)| {
        let mut next = case.clone();
        change(&mut next);
        if next != *case && initial_bytes(&next).len() <= initial_bytes(case).len() {
            all.push(next);
        }
    };
    for at in 0..case.patches.len() {
        push(&|next| drop(next.patches.remove(at)));
    }
    let prefixes = case.code.iter().take_while(|byte| is_removable(**byte)).count();
    for at in 0..prefixes {
        push(&|next| next.code = [&next.code[..at], &next.code[at + 1..]].concat());
    }
    if case.stop == Stop::Through {
        push(&|next| next.stop = Stop::Step);
    }
    push(&|next| next.eflags = flag::FIXED | flag::IF);
    for bit in 0..22 {
        if case.eflags >> bit & 1 != 0 && bit != 1 && bit != 9 {
            push(&|next| next.eflags &= !(1 << bit));
        }
    }
    for register in 0..8 {
        let value = case.gpr[register];
        for simple in [
            0,
            1,
            value & 0xFF,
            value & 0xFFFF,
            value & 0xFFFF_F000,
            value & (value.wrapping_sub(1)),
        ] {
            if simple < value {
                push(&|next| next.gpr[register] = simple);
            }
        }
    }
    simpler_units(case, &mut push);
    for at in 0..case.patches.len() {
        for byte in 0..case.patches[at].bytes.len() {
            push(&|next| next.patches[at].bytes[byte] = 0);
        }
    }
    all
}

/// Every case whose x87 and SSE units are one step simpler.
fn simpler_units(case: &Case, push: &mut impl FnMut(&dyn Fn(&mut Case))) {
    let Some(fx) = &case.fx else { return };
    let mut change = |simpler: &dyn Fn(&mut Fx)| {
        push(&|next| {
            next.fx.iter_mut().for_each(|fx| {
                simpler(fx);
                fx.settle();
            });
        });
    };
    change(&|fx| (fx.opcode, fx.ip, fx.dp) = (0, 0, 0));
    change(&|fx| fx.control = CONTROL_INIT);
    change(&|fx| (fx.xmm, fx.mxcsr) = ([0; 8], MXCSR_RESET));
    for bit in 0..16 {
        change(&|fx| fx.status &= !(1 << bit));
        change(&|fx| fx.full &= !(1 << (bit & 7)));
    }
    const ONE: F80 = F80 { significand: 1 << 63, sign_exponent: 0x3FFF };
    for i in 0..8 {
        if fx.st[i] != F80::ZERO && fx.st[i] != ONE {
            change(&|fx| fx.st[i] = F80::ZERO);
            change(&|fx| fx.st[i] = ONE);
        }
    }
}

/// Prefixes without which the instruction is still the same one.
fn is_removable(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2E | 0x36 | 0x3E | 0x64 | 0x65 | 0x67 | 0xF0 | 0xF2 | 0xF3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::parse;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let line = "code=2ef36701d8 eflags=8d7 gpr=ff,2,3,12345,5,6,7,8 mem=10000000:0102";
        let case = parse(line).expect("a good line");
        let small = shrink(&case, |case| case.gpr[3] & 0x10000 != 0 && case.code.contains(&0x67));
        assert_eq!(small.code, [0x67, 0x01, 0xD8]);
        assert_eq!(small.gpr, [0, 0, 0, 0x10000, 0, 0, 0, 0]);
        assert!(small.patches.is_empty());
        assert_eq!(small.eflags, flag::FIXED | flag::IF);
    }
}
