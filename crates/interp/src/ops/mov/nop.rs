//! Instructions that do nothing: NOP, PAUSE, the hints, and the opcodes reserved as NOPs (RDSSP
//! among them: there are no shadow stacks).
//! Their memory operands aren't accessed. (SDM 2, NOP, PAUSE, PREFETCHh.)

use crate::cpu::{Cpu, Handler};
use bus::System;
use decode::{Code, Insn};
use x86::fault::Fault;

/// The handler of an instruction of this family.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::Nopw
        | Code::Nopd
        | Code::Pause
        | Code::Nop_rm16
        | Code::Nop_rm32
        | Code::Endbr32
        | Code::Endbr64
        | Code::Rdsspd_r32
        | Code::Prefetch_m8
        | Code::Prefetchw_m8
        | Code::Prefetchwt1_m8
        | Code::Prefetchnta_m8
        | Code::Prefetcht0_m8
        | Code::Prefetcht1_m8
        | Code::Prefetcht2_m8
        | Code::Prefetchit0_m8
        | Code::Prefetchit1_m8
        | Code::Cldemote_m8
        | Code::Prefetchreserved3_m8
        | Code::Prefetchreserved4_m8
        | Code::Prefetchreserved5_m8
        | Code::Prefetchreserved6_m8
        | Code::Prefetchreserved7_m8
        | Code::Reservednop_rm16_r16_0F0D
        | Code::Reservednop_rm32_r32_0F0D
        | Code::Reservednop_rm16_r16_0F18
        | Code::Reservednop_rm32_r32_0F18
        | Code::Reservednop_rm16_r16_0F19
        | Code::Reservednop_rm32_r32_0F19
        | Code::Reservednop_rm16_r16_0F1A
        | Code::Reservednop_rm32_r32_0F1A
        | Code::Reservednop_rm16_r16_0F1B
        | Code::Reservednop_rm32_r32_0F1B
        | Code::Reservednop_rm16_r16_0F1C
        | Code::Reservednop_rm32_r32_0F1C
        | Code::Reservednop_rm16_r16_0F1D
        | Code::Reservednop_rm32_r32_0F1D
        | Code::Reservednop_rm16_r16_0F1E
        | Code::Reservednop_rm32_r32_0F1E
        | Code::Reservednop_rm16_r16_0F1F
        | Code::Reservednop_rm32_r32_0F1F => nop,
        _ => return None,
    })
}

fn nop(_: &mut Cpu, _: &mut System, _: &Insn) -> Result<(), Fault> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// 0F 18 to 0F 1F with any ModRM and any prefix do nothing from the P6 on (SDM 2 NOP, and
    /// appendix A.3, "reserved NOP"); only LOCK is #UD.
    #[test]
    fn all_reserved_nops_do_nothing_with_any_operand() {
        let mut wrong = String::new();
        for prefix in [None, Some(0x66), Some(0xF2), Some(0xF3), Some(0x67)] {
            for (opcode, modrm) in (0x18..=0x1F).flat_map(|op| (0..=255).map(move |m| (op, m))) {
                let bytes: Vec<u8> =
                    prefix.into_iter().chain([0x0F, opcode, modrm, 0, 0, 0, 0, 0]).collect();
                let found = decode::decode(&bytes, true).map(|insn| insn.code);
                let is_nop = decode::decode(&bytes, true).is_ok_and(|i| handler(&i).is_some());
                if !is_nop {
                    let _ = writeln!(wrong, "{bytes:02X?}: {found:?}");
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
