//! What a processor must have for an instruction to exist, by the decoder's own tables.

use iced_x86::{Code, CpuidFeature};
use x86::Features;

/// The features that an instruction needs beyond an 80386 with an 80387. Nothing for those that
/// no model has: nobody claims them.
#[must_use]
pub fn needs(code: Code) -> Features {
    let all = code.cpuid_features().iter();
    hint(code).unwrap_or_else(|| all.fold(Features::empty(), |sum, one| sum | needed(*one)))
}

fn needed(feature: CpuidFeature) -> Features {
    match feature {
        // F3 0F 09 is WBINVD where WBNOINVD isn't announced.
        CpuidFeature::INTEL486 | CpuidFeature::WBNOINVD => Features::I486,
        CpuidFeature::CPUID => Features::CPUID,
        CpuidFeature::TSC => Features::TSC,
        CpuidFeature::MSR => Features::MSR,
        CpuidFeature::CX8 => Features::CX8,
        CpuidFeature::SEP => Features::SEP,
        CpuidFeature::CMOV => Features::CMOV,
        CpuidFeature::RDPMC | CpuidFeature::MULTIBYTENOP => Features::P6,
        CpuidFeature::PREFETCHW => Features::PREFETCHW,
        CpuidFeature::CLFSH => Features::CLFSH,
        CpuidFeature::MMX => Features::MMX,
        CpuidFeature::FXSR => Features::FXSR,
        CpuidFeature::SSE => Features::SSE,
        CpuidFeature::SSE2 => Features::SSE2,
        CpuidFeature::SSE3 => Features::SSE3,
        CpuidFeature::SSSE3 => Features::SSSE3,
        CpuidFeature::SSE4_1 => Features::SSE41,
        CpuidFeature::SSE4_2 => Features::SSE42,
        CpuidFeature::POPCNT => Features::POPCNT,
        CpuidFeature::SMAP => Features::SMAP,
        _ => Features::empty(),
    }
}

/// The names that newer processors gave to the NOPs of the Pentium Pro (0F 18 to 0F 1F), and to
/// those at 0F 0D.
fn hint(code: Code) -> Option<Features> {
    match code {
        Code::Endbr32
        | Code::Endbr64
        | Code::Rdsspd_r32
        | Code::Nop_rm16
        | Code::Nop_rm32
        | Code::Cldemote_m8
        | Code::Prefetchnta_m8
        | Code::Prefetcht0_m8
        | Code::Prefetcht1_m8
        | Code::Prefetcht2_m8
        | Code::Prefetchit0_m8
        | Code::Prefetchit1_m8 => Some(Features::P6),
        Code::Prefetchwt1_m8
        | Code::Reservednop_rm16_r16_0F0D
        | Code::Reservednop_rm32_r32_0F0D => Some(Features::PREFETCHW),
        Code::Mov_r32_tr | Code::Mov_tr_r32 => Some(Features::TEST),
        // The decoder says MMX (SDM 2B PADDQ).
        Code::Paddq_mm_mmm64 => Some(Features::SSE2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integer_set_of_the_386_needs_nothing() {
        for code in [Code::Add_rm32_r32, Code::Bsf_r32_rm32, Code::Shld_rm32_r32_imm8, Code::Pause]
        {
            assert_eq!(needs(code), Features::empty(), "{code:?}");
        }
    }

    #[test]
    fn what_came_later_needs_its_generation() {
        assert_eq!(needs(Code::Bswap_r32), Features::I486);
        assert_eq!(needs(Code::Cmpxchg8b_m64), Features::CX8);
        assert_eq!(needs(Code::Nop_rm32), Features::P6);
        assert_eq!(needs(Code::Mov_tr_r32), Features::TEST);
        assert_eq!(needs(Code::Fcmovb_st0_sti), Features::CMOV);
        assert_eq!(needs(Code::Maskmovq_rDI_mm_mm), Features::SSE);
        assert_eq!(needs(Code::Paddq_mm_mmm64), Features::SSE2);
        assert_eq!(needs(Code::Fisttp_m32int), Features::SSE3);
    }
}
