//! Models of the processor: which features each has, how it names itself, and which bits of
//! EFLAGS, CR0 and CR4 follow from that (SDM 2 CPUID; SDM 1 3.4.3; SDM 3A 2.5; SDM 3B 22 for
//! what came when).
//!
//! Invariant: CPUID, the control registers and what decodes all read [`Model::features`], so
//! that none can promise what another refuses.

use crate::control::{Cr0, Cr4};
use crate::flags::Eflags;
use bitflags::bitflags;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

bitflags! {
    /// What a processor may have beyond the 80386 with its 80387.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Features: u64 {
        /// BSWAP, CMPXCHG, XADD, INVD, INVLPG, WBINVD; EFLAGS.AC; CR0.WP, AM, NE, NW, CD.
        const I486 = 1 << 0;
        /// CPUID, and EFLAGS.ID to find it.
        const CPUID = 1 << 1;
        /// Virtual-8086 mode extensions.
        const VME = 1 << 2;
        /// I/O breakpoints.
        const DE = 1 << 3;
        /// 4 MiB pages.
        const PSE = 1 << 4;
        /// RDTSC.
        const TSC = 1 << 5;
        /// RDMSR and WRMSR.
        const MSR = 1 << 6;
        /// Physical address extension.
        const PAE = 1 << 7;
        /// The machine-check exception.
        const MCE = 1 << 8;
        /// CMPXCHG8B.
        const CX8 = 1 << 9;
        /// A local APIC.
        const APIC = 1 << 10;
        /// SYSENTER and SYSEXIT.
        const SEP = 1 << 11;
        /// Memory-type range registers.
        const MTRR = 1 << 12;
        /// Global pages.
        const PGE = 1 << 13;
        /// Machine-check banks.
        const MCA = 1 << 14;
        /// CMOVcc; FCMOVcc and FCOMI.
        const CMOV = 1 << 15;
        /// The page attribute table.
        const PAT = 1 << 16;
        /// CLFLUSH.
        const CLFSH = 1 << 17;
        /// MMX.
        const MMX = 1 << 18;
        /// FXSAVE and FXRSTOR.
        const FXSR = 1 << 19;
        /// SSE.
        const SSE = 1 << 20;
        /// SSE2.
        const SSE2 = 1 << 21;
        /// RDPMC, and the opcodes 0F 18 to 0F 1F as NOPs: there since the Pentium Pro.
        const P6 = 1 << 22;
        /// PREFETCHW and its neighbours at 0F 0D.
        const PREFETCHW = 1 << 23;
        /// No-execute pages, and IA32_EFER.
        const NX = 1 << 24;
        /// Ring 0 may be kept from executing user pages.
        const SMEP = 1 << 25;
        /// Ring 0 may be kept from touching user pages; STAC and CLAC.
        const SMAP = 1 << 26;
        /// SGDT, SIDT, SLDT, SMSW and STR may be closed to ring 3.
        const UMIP = 1 << 27;
        /// SSE3.
        const SSE3 = 1 << 28;
        /// SSSE3.
        const SSSE3 = 1 << 29;
        /// SSE4.1.
        const SSE41 = 1 << 30;
        /// SSE4.2.
        const SSE42 = 1 << 31;
        /// POPCNT.
        const POPCNT = 1 << 32;
        /// An x87 FPU: every model has it.
        const FPU = 1 << 33;
        /// MOV to and from the test registers: those two generations alone (SDM 3B 22.22).
        const TEST = 1 << 34;
    }
}

impl Features {
    /// What `max` takes from the host if that has it.
    pub const OF_THE_HOST: Features = Features::SSE3
        .union(Features::SSSE3)
        .union(Features::SSE41)
        .union(Features::SSE42)
        .union(Features::POPCNT);

    const I386: Features = Features::FPU.union(Features::TEST);
    const PENTIUM: Features = Features::FPU
        .union(Features::I486)
        .union(Features::CPUID)
        .union(Features::VME)
        .union(Features::DE)
        .union(Features::PSE)
        .union(Features::TSC)
        .union(Features::MSR)
        .union(Features::MCE)
        .union(Features::CX8);
    const P2: Features = Features::PENTIUM
        .union(Features::PAE)
        .union(Features::SEP)
        .union(Features::MTRR)
        .union(Features::PGE)
        .union(Features::MCA)
        .union(Features::CMOV)
        .union(Features::PAT)
        .union(Features::MMX)
        .union(Features::FXSR)
        .union(Features::P6);
    const P3: Features = Features::P2.union(Features::SSE);
    const P4: Features = Features::P3.union(Features::SSE2).union(Features::CLFSH);
    const CLOISTER: Features = Features::P4
        .union(Features::PREFETCHW)
        .union(Features::NX)
        .union(Features::SMEP)
        .union(Features::SMAP)
        .union(Features::UMIP);
}

/// A register that CPUID fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Register {
    Ebx,
    Ecx,
    Edx,
}

/// Where CPUID announces a feature: leaf, register, bit (SDM 2 CPUID, tables 3-10 and 3-11).
/// `I486`, `CPUID`, `P6` and `TEST` have no bit.
pub const ANNOUNCED: [(Features, &str, u32, Register, u8); 31] = [
    (Features::FPU, "fpu", 1, Register::Edx, 0),
    (Features::VME, "vme", 1, Register::Edx, 1),
    (Features::DE, "de", 1, Register::Edx, 2),
    (Features::PSE, "pse", 1, Register::Edx, 3),
    (Features::TSC, "tsc", 1, Register::Edx, 4),
    (Features::MSR, "msr", 1, Register::Edx, 5),
    (Features::PAE, "pae", 1, Register::Edx, 6),
    (Features::MCE, "mce", 1, Register::Edx, 7),
    (Features::CX8, "cx8", 1, Register::Edx, 8),
    (Features::APIC, "apic", 1, Register::Edx, 9),
    (Features::SEP, "sep", 1, Register::Edx, 11),
    (Features::MTRR, "mtrr", 1, Register::Edx, 12),
    (Features::PGE, "pge", 1, Register::Edx, 13),
    (Features::MCA, "mca", 1, Register::Edx, 14),
    (Features::CMOV, "cmov", 1, Register::Edx, 15),
    (Features::PAT, "pat", 1, Register::Edx, 16),
    (Features::CLFSH, "clflush", 1, Register::Edx, 19),
    (Features::MMX, "mmx", 1, Register::Edx, 23),
    (Features::FXSR, "fxsr", 1, Register::Edx, 24),
    (Features::SSE, "sse", 1, Register::Edx, 25),
    (Features::SSE2, "sse2", 1, Register::Edx, 26),
    (Features::SSE3, "sse3", 1, Register::Ecx, 0),
    (Features::SSSE3, "ssse3", 1, Register::Ecx, 9),
    (Features::SSE41, "sse4.1", 1, Register::Ecx, 19),
    (Features::SSE42, "sse4.2", 1, Register::Ecx, 20),
    (Features::POPCNT, "popcnt", 1, Register::Ecx, 23),
    (Features::SMEP, "smep", 7, Register::Ebx, 7),
    (Features::SMAP, "smap", 7, Register::Ebx, 20),
    (Features::UMIP, "umip", 7, Register::Ecx, 2),
    (Features::PREFETCHW, "prefetchw", 0x8000_0001, Register::Ecx, 8),
    (Features::NX, "nx", 0x8000_0001, Register::Edx, 20),
];

/// The bits of CR4 that a feature brings (SDM 3A 2.5).
const IN_CR4: [(Features, Cr4); 12] = [
    (Features::VME, Cr4::VME.union(Cr4::PVI)),
    (Features::TSC, Cr4::TSD),
    (Features::DE, Cr4::DE),
    (Features::PSE, Cr4::PSE),
    (Features::PAE, Cr4::PAE),
    (Features::MCE, Cr4::MCE),
    (Features::PGE, Cr4::PGE),
    (Features::P6, Cr4::PCE),
    (Features::FXSR, Cr4::OSFXSR),
    (Features::SSE, Cr4::OSXMMEXCPT),
    (Features::UMIP, Cr4::UMIP),
    (Features::SMEP, Cr4::SMEP),
];

/// The names by which a model is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Name {
    I386,
    I486,
    Pentium,
    P2,
    P3,
    P4,
    #[default]
    Cloister,
    Max,
}

impl Name {
    /// All, oldest first.
    pub const ALL: [Name; 8] = [
        Name::I386,
        Name::I486,
        Name::Pentium,
        Name::P2,
        Name::P3,
        Name::P4,
        Name::Cloister,
        Name::Max,
    ];

    /// As a person writes it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.description().0
    }

    /// The part that it is modelled on.
    #[must_use]
    pub const fn part(self) -> &'static str {
        self.description().1
    }

    const fn description(self) -> (&'static str, &'static str) {
        match self {
            Name::I386 => ("386", "80386DX with an 80387"),
            Name::I486 => ("486", "80486DX"),
            Name::Pentium => ("pentium", "Pentium (P54C)"),
            Name::P2 => ("p2", "Pentium II"),
            Name::P3 => ("p3", "Pentium III"),
            Name::P4 => ("p4", "Pentium 4 (Northwood)"),
            Name::Cloister => ("cloister", "p4 with NX, SMEP, SMAP and UMIP"),
            Name::Max => {
                ("max", "cloister, with SSE3 to SSE4.2 and POPCNT as far as the host goes")
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Name::ALL.into_iter().find(|name| name.text() == text);
        found.ok_or_else(|| {
            let names = Name::ALL.map(Name::text).join(", ");
            format!("no processor model \"{text}\"; there are {names}")
        })
    }
}

/// A processor model: part of the architectural state, since software can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(C)]
pub struct Model {
    /// Its name.
    pub name: Name,
    /// What it has.
    pub features: Features,
}

impl Default for Model {
    fn default() -> Self {
        Self::new(Name::default(), Features::empty())
    }
}

impl Model {
    /// The model of this name; `max` gets those of [`Features::OF_THE_HOST`] that are given.
    #[must_use]
    pub const fn new(name: Name, host: Features) -> Self {
        let features = match name {
            Name::I386 => Features::I386,
            Name::I486 => Features::I386.union(Features::I486),
            Name::Pentium => Features::PENTIUM,
            Name::P2 => Features::P2,
            Name::P3 => Features::P3,
            Name::P4 => Features::P4,
            Name::Cloister => Features::CLOISTER,
            Name::Max => Features::CLOISTER.union(host.intersection(Features::OF_THE_HOST)),
        };
        Self { name, features }
    }

    /// True where it has all of these.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, features: Features) -> bool {
        self.features.contains(features)
    }

    /// Family, model and stepping as CPUID(1).EAX shows them, and EDX after RESET (SDM 3A 9.1.2).
    #[must_use]
    pub const fn signature(&self) -> u32 {
        match self.name {
            Name::I386 => 0x0308,
            Name::I486 => 0x0414,
            Name::Pentium => 0x052C,
            Name::P2 => 0x0652,
            Name::P3 => 0x0683,
            Name::P4 => 0x0F29,
            // A Pentium M (Dothan): family 6, with SSE2 and NX.
            Name::Cloister => 0x06D8,
            Name::Max => 0x1_06A5,
        }
    }

    /// The bits of EFLAGS that exist; the others stay zero.
    #[inline]
    #[must_use]
    pub const fn eflags(&self) -> Eflags {
        let mut flags = Eflags::all();
        if !self.has(Features::I486) {
            flags = flags.difference(Eflags::AC);
        }
        if !self.has(Features::CPUID) {
            flags = flags.difference(Eflags::ID);
        }
        if !self.has(Features::VME) {
            flags = flags.difference(Eflags::VIF.union(Eflags::VIP));
        }
        flags
    }

    /// The bits of CR0 that exist; writes of the others are ignored.
    #[must_use]
    pub const fn cr0(&self) -> Cr0 {
        if self.has(Features::I486) {
            return Cr0::all();
        }
        Cr0::PE.union(Cr0::MP).union(Cr0::EM).union(Cr0::TS).union(Cr0::ET).union(Cr0::PG)
    }

    /// The bits of CR4 that exist; none where there is no CR4.
    #[must_use]
    pub fn cr4(&self) -> Cr4 {
        let smap = if self.has(Features::SMAP) { Cr4::SMAP } else { Cr4::empty() };
        let brought = IN_CR4.iter().filter(|(feature, _)| self.has(*feature));
        brought.fold(smap, |all, (_, bits)| all | *bits)
    }

    /// The feature bits of a register of a CPUID leaf.
    #[must_use]
    pub fn announces(&self, leaf: u32, register: Register) -> u32 {
        let here = ANNOUNCED
            .iter()
            .filter(|(feature, _, at, of, _)| *at == leaf && *of == register && self.has(*feature));
        here.fold(0, |bits, (.., bit)| bits | 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: Name) -> Model {
        Model::new(name, Features::all())
    }

    #[test]
    fn each_model_has_what_the_one_before_has_but_the_test_registers() {
        for pair in Name::ALL.windows(2) {
            let (older, newer) = (model(pair[0]), model(pair[1]));
            assert!(
                newer.has(older.features - Features::TEST),
                "{} and {}",
                older.name,
                newer.name
            );
        }
    }

    #[test]
    fn generations_are_told_apart_by_ac_and_id() {
        let flags = |name| model(name).eflags().intersection(Eflags::AC | Eflags::ID);
        assert_eq!(flags(Name::I386), Eflags::empty());
        assert_eq!(flags(Name::I486), Eflags::AC);
        assert_eq!(flags(Name::Pentium), Eflags::AC | Eflags::ID);
    }

    #[test]
    fn cr4_grows_with_the_model() {
        assert_eq!(model(Name::I486).cr4(), Cr4::empty());
        assert_eq!(model(Name::Pentium).cr4().bits(), 0x5F);
        assert_eq!(model(Name::P2).cr4().bits(), 0x3FF);
        assert_eq!(model(Name::Cloister).cr4().bits(), 0x30_0FFF);
    }

    #[test]
    fn leaf_1_of_the_models_is_that_of_the_parts() {
        let edx = |name| model(name).announces(1, Register::Edx);
        assert_eq!(edx(Name::Pentium), 0x0000_01BF);
        assert_eq!(edx(Name::P2), 0x0181_F9FF);
        assert_eq!(edx(Name::P3), 0x0381_F9FF);
        assert_eq!(edx(Name::P4), 0x0789_F9FF);
        assert_eq!(model(Name::Max).announces(1, Register::Ecx), 0x0098_0201);
    }

    #[test]
    fn max_takes_no_more_than_the_host_has() {
        let none = Model::new(Name::Max, Features::empty());
        assert_eq!(none.features, model(Name::Cloister).features);
        let odd = Model::new(Name::Max, Features::SSE3 | Features::APIC);
        assert_eq!(odd.features, none.features | Features::SSE3);
    }

    #[test]
    fn a_model_is_read_by_its_name() {
        for name in Name::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        assert!("286".parse::<Name>().unwrap_err().contains("there are 386, 486"));
    }
}
