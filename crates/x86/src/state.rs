//! The architectural state of one processor: everything software can see or feel, and nothing
//! that is a host's cache. It is what is saved, hashed and compared between engines.
//! Reset values are those of SDM 3A table 10-1.

use crate::arith::Arith;
use crate::control::{Cr0, Cr4, Efer};
use crate::event::{Mode, Place};
use crate::flags::Eflags;
use crate::fpu::{Fpu, MXCSR_RESET};
use crate::model::{Features, Model};
use crate::segment::{SegReg, Segment, Selector, TableReg, attr, system_type};
use serde::{Deserialize, Serialize};

/// Indices of the general registers, their encodings.
#[allow(missing_docs)]
pub mod gpr {
    pub const EAX: usize = 0;
    pub const ECX: usize = 1;
    pub const EDX: usize = 2;
    pub const EBX: usize = 3;
    pub const ESP: usize = 4;
    pub const EBP: usize = 5;
    pub const ESI: usize = 6;
    pub const EDI: usize = 7;
    /// Always zero: the absent base or index of an address.
    pub const ZERO: usize = 16;
}

/// Model-specific registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Msrs {
    /// IA32_EFER.
    pub efer: u64,
    /// IA32_SYSENTER_CS.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
    /// IA32_APIC_BASE.
    pub apic_base: u64,
    /// IA32_PAT.
    pub pat: u64,
    /// What WRMSR to the time-stamp counter adds to virtual time.
    pub tsc_offset: u64,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_MTRR_DEF_TYPE.
    pub mtrr_default: u64,
    /// The fixed-range MTRRs in order of their addresses: 64K, two of 16K, eight of 4K.
    pub mtrr_fixed: [u64; 11],
    /// The variable-range MTRRs: base and mask by turns.
    pub mtrr_variable: [u64; 16],
    /// IA32_MCi_CTL.
    pub mc_control: [u64; 4],
    /// IA32_MCG_STATUS.
    pub mcg_status: u64,
    /// IA32_DEBUGCTL.
    pub debug_control: u64,
}

/// What the processor is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Activity {
    /// Executing.
    #[default]
    Running,
    /// After HLT.
    Halted,
    /// After a triple fault.
    Shutdown,
}

/// Interrupts held off for one instruction (SDM 3A 6.8.3, SDM 2 STI).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Shadow {
    /// Not held off.
    #[default]
    None,
    /// After STI: maskable interrupts.
    Sti,
    /// After MOV SS or POP SS: interrupts and debug traps.
    MovSs,
}

/// The architectural state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct State {
    /// General registers by encoding; the last is always zero.
    pub gpr: [u64; 17],
    /// Instruction pointer.
    pub rip: u64,
    /// The status flags.
    pub arith: Arith,
    /// EFLAGS but for the status flags; bit 1 set.
    pub system_flags: u32,
    /// ES CS SS DS FS GS.
    pub seg: [Segment; 6],
    /// LDTR.
    pub ldtr: Segment,
    /// TR.
    pub tr: Segment,
    /// GDTR.
    pub gdtr: TableReg,
    /// IDTR.
    pub idtr: TableReg,
    /// CR0.
    pub cr0: u64,
    /// CR2: the address of the last page fault.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// DR0..DR3, two unused, DR6, DR7.
    pub dr: [u64; 8],
    /// TR3..TR7 of the 80386 and 80486: kept, without effect.
    pub test: [u32; 5],
    /// The page-directory-pointer registers that loading CR3 under PAE fills.
    pub pdpte: [u64; 4],
    /// Model-specific registers.
    pub msr: Msrs,
    /// Current privilege level, 0..=3.
    pub cpl: u8,
    /// Interrupts held off for one instruction.
    pub shadow: Shadow,
    /// Executing, halted or shut down.
    pub activity: Activity,
    /// NMIs are held off until IRET.
    pub nmi_masked: bool,
    /// An NMI waits.
    pub nmi_pending: bool,
    /// DR6 bits of debug traps that wait for the instruction boundary.
    pub pending_debug: u32,
    /// The status flags from before a repeated comparison that was stopped between two
    /// iterations and goes on next: what they are again if it faults (SDM 2 REP).
    pub repeat_flags: Option<Arith>,
    /// The x87 FPU, whose registers are MMX's too.
    pub fpu: Fpu,
    /// XMM0 to XMM7.
    pub xmm: [u128; 8],
    /// SSE's control and status.
    pub mxcsr: u32,
    /// Which processor this is.
    pub model: Model,
}

impl State {
    /// The state after RESET of the default model.
    #[must_use]
    pub fn reset() -> Self {
        Self::reset_of(Model::default())
    }

    /// The state after RESET.
    #[must_use]
    pub fn reset_of(model: Model) -> Self {
        let mut seg = [Segment::real(0); 6];
        seg[SegReg::Cs as usize].selector = Selector(0xF000);
        seg[SegReg::Cs as usize].base = 0xFFFF_0000;
        let system = |kind: u8| Segment {
            base: 0,
            limit: 0xFFFF,
            attrs: attr::P | u16::from(kind),
            selector: Selector(0),
        };
        let mut gpr = [0; 17];
        gpr[gpr::EDX] = u64::from(model.signature());
        let apic_base = if model.has(Features::P6) { 0xFEE0_0900 } else { 0 };
        let pat = if model.has(Features::PAT) { 0x0007_0406_0007_0406 } else { 0 };
        Self {
            gpr,
            rip: 0xFFF0,
            arith: Arith::default(),
            system_flags: Eflags::FIXED,
            seg,
            ldtr: system(system_type::LDT),
            tr: system(system_type::TSS32_BUSY),
            gdtr: TableReg { base: 0, limit: 0xFFFF },
            idtr: TableReg { base: 0, limit: 0xFFFF },
            cr0: (Cr0::RESET & model.cr0()).bits(),
            cr2: 0,
            cr3: 0,
            cr4: 0,
            dr: [0, 0, 0, 0, 0, 0, 0xFFFF_0FF0, 0x400],
            test: [0; 5],
            pdpte: [0; 4],
            msr: Msrs { apic_base, pat, misc_enable: MISC_ENABLE, ..Msrs::default() },
            cpl: 0,
            shadow: Shadow::None,
            activity: Activity::Running,
            nmi_masked: false,
            nmi_pending: false,
            pending_debug: 0,
            repeat_flags: None,
            fpu: Fpu::reset(),
            xmm: [0; 8],
            mxcsr: MXCSR_RESET,
            model,
        }
    }

    /// The low 32 bits of a general register.
    #[inline(always)]
    #[must_use]
    pub fn reg32(&self, index: usize) -> u32 {
        self.gpr[index] as u32
    }

    /// Writes a general register, clearing its upper half.
    #[inline(always)]
    pub fn set_reg32(&mut self, index: usize, value: u32) {
        self.gpr[index] = u64::from(value);
    }

    /// EIP.
    #[inline(always)]
    #[must_use]
    pub fn eip(&self) -> u32 {
        self.rip as u32
    }

    /// A segment register.
    #[inline(always)]
    #[must_use]
    pub fn segment(&self, s: SegReg) -> &Segment {
        &self.seg[s as usize]
    }

    /// EFLAGS, whole.
    #[must_use]
    pub fn eflags(&self) -> u32 {
        self.system_flags | self.arith.flags()
    }

    /// Replaces EFLAGS, whole; bits that don't exist are dropped.
    pub fn set_eflags(&mut self, value: u32) {
        self.arith = Arith::from_flags(value);
        let there = self.model.eflags() - Eflags::STATUS;
        let system = Eflags::from_bits_truncate(value) & there;
        self.system_flags = system.bits() | Eflags::FIXED;
    }

    /// True where a flag (not a status flag) is set.
    #[inline(always)]
    #[must_use]
    pub fn flag(&self, flag: Eflags) -> bool {
        self.system_flags & flag.bits() != 0
    }

    /// Sets or clears a flag (not a status flag).
    pub fn set_flag(&mut self, flag: Eflags, on: bool) {
        if on {
            self.system_flags |= flag.bits();
        } else {
            self.system_flags &= !flag.bits();
        }
    }

    /// IOPL, 0..=3.
    #[must_use]
    pub fn iopl(&self) -> u8 {
        Eflags::from_bits_truncate(self.system_flags).iopl()
    }

    /// CR0.
    #[inline(always)]
    #[must_use]
    pub fn cr0(&self) -> Cr0 {
        Cr0::from_bits_truncate(self.cr0)
    }

    /// CR4.
    #[inline(always)]
    #[must_use]
    pub fn cr4(&self) -> Cr4 {
        Cr4::from_bits_truncate(self.cr4)
    }

    /// IA32_EFER.
    #[must_use]
    pub fn efer(&self) -> Efer {
        Efer::from_bits_truncate(self.msr.efer)
    }

    /// CR0.PE.
    #[inline(always)]
    #[must_use]
    pub fn protected(&self) -> bool {
        self.cr0 & Cr0::PE.bits() != 0
    }

    /// Virtual-8086 mode.
    #[inline(always)]
    #[must_use]
    pub fn vm86(&self) -> bool {
        self.flag(Eflags::VM)
    }

    /// Protected mode proper: segment registers name descriptors.
    #[inline(always)]
    #[must_use]
    pub fn uses_descriptors(&self) -> bool {
        self.protected() && !self.vm86()
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match (self.protected(), self.vm86()) {
            (false, _) => Mode::Real,
            (true, true) => Mode::Vm86,
            (true, false) => Mode::Protected,
        }
    }

    /// Code is 32-bit: CS.D.
    #[inline(always)]
    #[must_use]
    pub fn code32(&self) -> bool {
        self.seg[SegReg::Cs as usize].is_32bit()
    }

    /// The stack pointer is ESP rather than SP: SS.B.
    #[inline(always)]
    #[must_use]
    pub fn stack32(&self) -> bool {
        self.seg[SegReg::Ss as usize].is_32bit()
    }

    /// Where the processor is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            ring: self.cpl,
            cs: self.segment(SegReg::Cs).selector,
            eip: self.eip(),
            ss: self.segment(SegReg::Ss).selector,
            esp: self.reg32(gpr::ESP),
            mode: self.mode(),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::reset()
    }
}

/// IA32_MISC_ENABLE, which nothing here depends on: fast strings; no branch trace store, no
/// precise event-based sampling (SDM 4 table 2-2).
pub const MISC_ENABLE: u64 = 1 << 0 | 1 << 11 | 1 << 12;
