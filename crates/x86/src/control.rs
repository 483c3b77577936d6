//! Control registers CR0, CR4 and EFER (SDM 3A 2.5, SDM 4).

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// CR0.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Cr0: u64 {
        /// Protection enable.
        const PE = 1 << 0;
        /// Monitor coprocessor: WAIT obeys TS.
        const MP = 1 << 1;
        /// Emulate the FPU: x87 instructions raise #NM.
        const EM = 1 << 2;
        /// Task switched: x87 instructions raise #NM.
        const TS = 1 << 3;
        /// Extension type: always set.
        const ET = 1 << 4;
        /// Numeric errors raise #MF, not IRQ 13.
        const NE = 1 << 5;
        /// Ring 0 obeys read-only pages.
        const WP = 1 << 16;
        /// EFLAGS.AC means alignment checks at CPL 3.
        const AM = 1 << 18;
        /// Not write-through.
        const NW = 1 << 29;
        /// Cache disable.
        const CD = 1 << 30;
        /// Paging.
        const PG = 1 << 31;
    }
}

impl Cr0 {
    /// After reset: caches off, real mode (SDM 3A table 10-1).
    pub const RESET: Cr0 = Cr0::ET.union(Cr0::NW).union(Cr0::CD);
}

bitflags! {
    /// CR4.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Cr4: u64 {
        /// Virtual-8086 mode extensions.
        const VME = 1 << 0;
        /// Protected-mode virtual interrupts.
        const PVI = 1 << 1;
        /// RDTSC is privileged.
        const TSD = 1 << 2;
        /// Debugging extensions: I/O breakpoints, DR4/DR5 are #UD.
        const DE = 1 << 3;
        /// 4 MiB pages.
        const PSE = 1 << 4;
        /// Physical address extension.
        const PAE = 1 << 5;
        /// Machine-check exceptions.
        const MCE = 1 << 6;
        /// Global pages.
        const PGE = 1 << 7;
        /// RDPMC at any privilege.
        const PCE = 1 << 8;
        /// The OS saves SSE state.
        const OSFXSR = 1 << 9;
        /// The OS handles #XM.
        const OSXMMEXCPT = 1 << 10;
        /// SGDT, SIDT, SLDT, SMSW and STR are privileged.
        const UMIP = 1 << 11;
        /// Ring 0 may not execute user pages.
        const SMEP = 1 << 20;
        /// Ring 0 may not touch user pages.
        const SMAP = 1 << 21;
    }
}

bitflags! {
    /// IA32_EFER.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Efer: u64 {
        /// SYSCALL in long mode.
        const SCE = 1 << 0;
        /// Long mode enable.
        const LME = 1 << 8;
        /// Long mode active.
        const LMA = 1 << 10;
        /// No-execute enable.
        const NXE = 1 << 11;
    }
}
