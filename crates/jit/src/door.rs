//! SYSENTER and SYSEXIT in line: both go to flat segments that the processor makes up, so what such
//! a crossing does is known once it was seen (SDM 2 SYSENTER, SYSEXIT). The interpreter carries the
//! first one out; what it did is noted here, and repeated by emitted code while it must come out the
//! same.
//!
//! Invariant: a door is passed only from the code view that it was noted in (mode, CS, version of
//! the translations) and with the selector of then in IA32_SYSENTER_CS. What a crossing changes
//! besides what is noted is in the sequence ([`crate::emit`]): IF, EIP, ESP. Nothing passes where
//! somebody wants to be told of crossings.

use crate::abi::{Context, Mode};
use crate::block::Site;
use decode::Code;
use interp::Cpu;
use x86::{SegReg, Segment};

/// What passing a door does.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Door {
    /// What the code view, CPL in bits 16 and 17 and the low half of IA32_SYSENTER_CS give 0 with;
    /// of a door that is shut, what no view gives 0 with.
    pub negated: u64,
    /// The code view behind it.
    pub view: u64,
    /// Its return ring.
    pub ring: u64,
    /// The software TLB of the ring behind it.
    pub tlb: u64,
    /// The mode behind it.
    pub mode: u64,
    /// CS and SS behind it.
    pub segments: [Segment; 2],
}

impl Door {
    /// A door that nothing passes: code views have numbers from 1 on.
    pub const SHUT: Self = Self {
        negated: 0,
        view: 0,
        ring: 0,
        tlb: 0,
        mode: 0,
        segments: [Segment { base: 0, limit: 0, attrs: 0, selector: x86::Selector(0) }; 2],
    };
}

/// The number of the door that an instruction passes: inwards 0, outwards 1.
#[must_use]
pub fn number(code: Code) -> Option<usize> {
    match code {
        Code::Sysenter => Some(0),
        Code::Sysexitd => Some(1),
        _ => None,
    }
}

/// What a door is noted from: how things stood before the crossing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    number: usize,
    view: u64,
    cpl: u8,
    mode: u32,
    window: u64,
    version: u64,
    others: [(u64, u64); 4],
}

/// The data segments but SS.
const OTHERS: [SegReg; 4] = [SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];

impl Before {
    /// Before the instruction of a site, if it passes a door that may be noted.
    pub fn of(context: &Context, cpu: &Cpu, site: &Site) -> Option<Self> {
        let number = number(site.insn.code)?;
        let is_flat = Mode(context.mode).flat(SegReg::Ss);
        let may = is_flat && !cpu.tells_sysenter() && !cpu.state.vm86();
        may.then(|| Self {
            number,
            view: context.code_view,
            cpl: cpu.state.cpl,
            mode: context.mode,
            window: context.window,
            version: context.version,
            others: OTHERS.map(|s| cpu.segment_ends(s)),
        })
    }

    /// Notes the door, if the crossing changed nothing but what it is known to change.
    pub fn note(self, context: &mut Context, cpu: &Cpu) {
        let changes = Mode::USER | Mode::WINDOW;
        let is_same = self.mode & !changes == context.mode & !changes
            && (self.window, self.version) == (context.window, context.version)
            && self.others == OTHERS.map(|s| cpu.segment_ends(s));
        if !is_same {
            return;
        }
        let key = self.view + (u64::from(self.cpl) << 16) + (cpu.state.msr.sysenter_cs & 0xFFFF);
        context.doors[self.number] = Door {
            negated: key.wrapping_neg(),
            view: context.code_view,
            ring: context.ring,
            tlb: context.tlb,
            mode: u64::from(context.mode),
            segments: [SegReg::Cs, SegReg::Ss].map(|s| *cpu.state.segment(s)),
        };
    }
}
