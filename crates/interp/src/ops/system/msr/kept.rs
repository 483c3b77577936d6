//! MSRs that are kept and shown and have no effect: memory types (SDM 3A 11.11), machine checks
//! (SDM 3B 15.3, 15.10), the microcode's number, IA32_MISC_ENABLE.
//!
//! Invariant: what can't be written is refused as the part refuses it, so that a guest which
//! writes and reads back sees its own value.

use x86::model::Name;
use x86::paging::PHYS_MASK;
use x86::{Features, State, state};

const P5_MC_ADDR: u32 = 0x0;
const P5_MC_TYPE: u32 = 0x1;
const IA32_PLATFORM_ID: u32 = 0x17;
const IA32_BIOS_UPDT_TRIG: u32 = 0x79;
const IA32_BIOS_SIGN_ID: u32 = 0x8B;
const IA32_MTRRCAP: u32 = 0xFE;
const IA32_MCG_CAP: u32 = 0x179;
const IA32_MCG_STATUS: u32 = 0x17A;
const IA32_MISC_ENABLE: u32 = 0x1A0;
const IA32_MTRR_PHYSBASE0: u32 = 0x200;
const IA32_MTRR_PHYSMASK7: u32 = 0x20F;
const IA32_MTRR_DEF_TYPE: u32 = 0x2FF;
const IA32_MC0_CTL: u32 = 0x400;
const IA32_MC3_MISC: u32 = 0x40F;

/// Eight variable ranges, fixed ranges, write-combining.
const MTRRCAP: u64 = 8 | 1 << 8 | 1 << 10;
/// Four banks, without IA32_MCG_CTL.
const MCG_CAP: u64 = 4;
/// IA32_MCG_STATUS: RIPV, EIPV, MCIP.
const MCG_STATUS_VALID: u64 = 7;
/// IA32_MTRR_DEF_TYPE: the type, fixed ranges, all ranges.
const DEF_TYPE_VALID: u64 = 0xFF | 1 << 10 | 1 << 11;
/// IA32_MTRR_PHYSMASKn: valid.
const MASK_VALID: u64 = 1 << 11;

/// The feature that brings an MSR.
fn brought_by(state: &State, index: u32) -> Option<Features> {
    Some(match index {
        P5_MC_ADDR | P5_MC_TYPE => Features::MCE,
        IA32_PLATFORM_ID | IA32_BIOS_UPDT_TRIG | IA32_BIOS_SIGN_ID => Features::P6,
        IA32_MISC_ENABLE if !matches!(state.model.name, Name::P2 | Name::P3) => Features::P6,
        IA32_MTRRCAP | IA32_MTRR_DEF_TYPE => Features::MTRR,
        IA32_MTRR_PHYSBASE0..=IA32_MTRR_PHYSMASK7 => Features::MTRR,
        _ if fixed_range(index).is_some() => Features::MTRR,
        IA32_MCG_CAP | IA32_MCG_STATUS | IA32_MC0_CTL..=IA32_MC3_MISC => Features::MCA,
        _ => return None,
    })
}

/// The number of a fixed-range MTRR, by address (SDM 3A table 11-9).
fn fixed_range(index: u32) -> Option<usize> {
    Some(match index {
        0x250 => 0,
        0x258 | 0x259 => index as usize - 0x257,
        0x268..=0x26F => index as usize - 0x265,
        _ => return None,
    })
}

fn exists(state: &State, index: u32) -> bool {
    brought_by(state, index).is_some_and(|feature| state.model.has(feature))
}

/// The value; `None` where there is no such MSR, or none that can be read.
pub(super) fn load(state: &State, index: u32) -> Option<u64> {
    if !exists(state, index) {
        return None;
    }
    let msr = &state.msr;
    Some(match index {
        IA32_BIOS_UPDT_TRIG => return None,
        IA32_MTRRCAP => MTRRCAP,
        IA32_MCG_CAP => MCG_CAP,
        IA32_MCG_STATUS => msr.mcg_status,
        IA32_MISC_ENABLE => msr.misc_enable,
        IA32_MTRR_DEF_TYPE => msr.mtrr_default,
        IA32_MTRR_PHYSBASE0..=IA32_MTRR_PHYSMASK7 => {
            msr.mtrr_variable[(index - IA32_MTRR_PHYSBASE0) as usize]
        }
        IA32_MC0_CTL..=IA32_MC3_MISC if index & 3 == 0 => {
            msr.mc_control[(index - IA32_MC0_CTL) as usize / 4]
        }
        // No error was ever logged, and no microcode was loaded.
        _ => fixed_range(index).map_or(0, |n| msr.mtrr_fixed[n]),
    })
}

/// The bits of `value` that the MSR can't hold; `None` where there is no such MSR, or none that
/// can be written.
pub(super) fn reserved(state: &State, index: u32, value: u64) -> Option<u64> {
    if !exists(state, index) {
        return None;
    }
    Some(match index {
        P5_MC_ADDR | P5_MC_TYPE | IA32_PLATFORM_ID | IA32_MTRRCAP | IA32_MCG_CAP => return None,
        IA32_BIOS_UPDT_TRIG | IA32_BIOS_SIGN_ID => 0,
        IA32_MISC_ENABLE => value & !state::MISC_ENABLE,
        IA32_MCG_STATUS => value & !MCG_STATUS_VALID,
        IA32_MTRR_DEF_TYPE => value & !DEF_TYPE_VALID | bad_type(value),
        IA32_MTRR_PHYSBASE0..=IA32_MTRR_PHYSMASK7 if index & 1 == 0 => {
            value & !(PHYS_MASK & !0xFFF | 0xFF) | bad_type(value)
        }
        IA32_MTRR_PHYSBASE0..=IA32_MTRR_PHYSMASK7 => value & !(PHYS_MASK & !0xFFF | MASK_VALID),
        // Status, address and the rest of a bank may be cleared, not made up.
        IA32_MC0_CTL..=IA32_MC3_MISC => {
            if index & 3 == 0 {
                0
            } else {
                value
            }
        }
        _ => (0..64).step_by(8).fold(0, |bits, at| bits | bad_type(value >> at) << at),
    })
}

/// The low byte where it isn't a memory type: 0, 1, 4, 5 or 6.
fn bad_type(value: u64) -> u64 {
    if matches!(value & 0xFF, 0 | 1 | 4..=6) { 0 } else { value & 0xFF }
}

/// Writes an MSR whose value was checked.
pub(super) fn store(state: &mut State, index: u32, value: u64) {
    let msr = &mut state.msr;
    match index {
        IA32_MCG_STATUS => msr.mcg_status = value,
        IA32_MISC_ENABLE => msr.misc_enable = value,
        IA32_MTRR_DEF_TYPE => msr.mtrr_default = value,
        IA32_MTRR_PHYSBASE0..=IA32_MTRR_PHYSMASK7 => {
            msr.mtrr_variable[(index - IA32_MTRR_PHYSBASE0) as usize] = value;
        }
        IA32_MC0_CTL..=IA32_MC3_MISC if index & 3 == 0 => {
            msr.mc_control[(index - IA32_MC0_CTL) as usize / 4] = value;
        }
        _ => {
            if let Some(n) = fixed_range(index) {
                msr.mtrr_fixed[n] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x86::Model;

    fn written(index: u32, value: u64) -> (Option<u64>, Option<u64>) {
        let mut state = State::reset();
        let reserved = reserved(&state, index, value);
        if reserved == Some(0) {
            store(&mut state, index, value);
        }
        (reserved, load(&state, index))
    }

    #[test]
    fn a_memory_type_that_does_not_exist_is_refused() {
        assert_eq!(written(0x26F, 0x0606_0606_0606_0606), (Some(0), Some(0x0606_0606_0606_0606)));
        assert_eq!(written(0x250, 0x0006_0200), (Some(0x0200), Some(0)));
        assert_eq!(written(IA32_MTRR_DEF_TYPE, 0xC06), (Some(0), Some(0xC06)));
        assert_eq!(written(IA32_MTRR_DEF_TYPE, 0x1003), (Some(0x1003), Some(0)));
    }

    #[test]
    fn a_variable_range_reaches_as_far_as_physical_addresses() {
        assert_eq!(written(0x200, 0xF_F000_0006), (Some(0), Some(0xF_F000_0006)));
        assert_eq!(written(0x201, 0x10_0000_0800), (Some(0x10_0000_0000), Some(0)));
        assert_eq!(written(0x20F, 0xF_8000_0800), (Some(0), Some(0xF_8000_0800)));
    }

    #[test]
    fn a_bank_keeps_its_control_and_never_has_an_error() {
        assert_eq!(written(0x404, u64::MAX), (Some(0), Some(u64::MAX)));
        assert_eq!(written(0x405, 0), (Some(0), Some(0)));
        assert_eq!(written(0x405, 1), (Some(1), Some(0)));
        assert_eq!(written(0x410, 0), (None, None));
    }

    #[test]
    fn a_486_has_none_and_a_pentium_few() {
        let all = [0, 0x10, 0x8B, 0xFE, 0x179, 0x200, 0x250, 0x2FF, 0x400];
        let there = |name| {
            let state = State::reset_of(Model::new(name, Features::empty()));
            all.map(|index| load(&state, index).is_some())
        };
        assert_eq!(there(Name::I486), [false; 9]);
        assert_eq!(there(Name::Pentium)[..3], [true, false, false]);
        assert_eq!(there(Name::P2)[2..], [true; 7]);
    }
}
