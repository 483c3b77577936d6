//! The privileged and sensitive instructions, by kind: what `intercept(kind)` is told.
//!
//! Counts, the laboratory and later VMX hook at that one point. "Sensitive but unprivileged"
//! are the forms that read or write processor state in ring 3 without a trap: those that made
//! x86 impossible to virtualize by trapping (Popek & Goldberg 1974, Robin & Irvine 2000).

use serde::{Deserialize, Serialize};

macro_rules! intercepts {
    ($($name:ident = $text:literal, $class:ident;)*) => {
        /// A privileged or sensitive operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Intercept {
            $($name,)*
        }

        impl Intercept {
            /// Every kind, in order of their numbers.
            pub const ALL: &'static [Intercept] = &[$(Intercept::$name,)*];

            /// The mnemonic or operation.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Intercept::$name => $text,)* }
            }

            /// Whether ring 3 is stopped.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Intercept::$name => Class::$class,)* }
            }
        }
    };
}

/// What the architecture does with the instruction in ring 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Always #GP outside ring 0.
    Privileged,
    /// Never traps, though it reads or changes processor state.
    Sensitive,
    /// Traps only if the kernel configured it (IOPL, bitmap, CR4).
    Conditional,
}

intercepts! {
    Clts = "CLTS", Privileged;
    Hlt = "HLT", Privileged;
    Invd = "INVD", Privileged;
    Wbinvd = "WBINVD", Privileged;
    Invlpg = "INVLPG", Privileged;
    Lgdt = "LGDT", Privileged;
    Lidt = "LIDT", Privileged;
    Lldt = "LLDT", Privileged;
    Ltr = "LTR", Privileged;
    Lmsw = "LMSW", Privileged;
    MovToCr = "MOV CR,r", Privileged;
    MovFromCr = "MOV r,CR", Privileged;
    MovToDr = "MOV DR,r", Privileged;
    MovFromDr = "MOV r,DR", Privileged;
    MovToTr = "MOV TR,r", Privileged;
    MovFromTr = "MOV r,TR", Privileged;
    Rdmsr = "RDMSR", Privileged;
    Wrmsr = "WRMSR", Privileged;
    Sysexit = "SYSEXIT", Privileged;
    Sysenter = "SYSENTER", Sensitive;
    Sgdt = "SGDT", Sensitive;
    Sidt = "SIDT", Sensitive;
    Sldt = "SLDT", Sensitive;
    Str = "STR", Sensitive;
    Smsw = "SMSW", Sensitive;
    Pushf = "PUSHF", Sensitive;
    Popf = "POPF", Sensitive;
    Lar = "LAR", Sensitive;
    Lsl = "LSL", Sensitive;
    Verr = "VERR", Sensitive;
    Verw = "VERW", Sensitive;
    PushSeg = "PUSH sreg", Sensitive;
    PopSeg = "POP sreg", Sensitive;
    MovFromSeg = "MOV r,sreg", Sensitive;
    MovToSeg = "MOV sreg,r", Sensitive;
    LoadFarPointer = "LDS/LES/LFS/LGS/LSS", Sensitive;
    FarCall = "CALL far", Sensitive;
    FarJmp = "JMP far", Sensitive;
    FarRet = "RET far", Sensitive;
    Int = "INT n", Sensitive;
    Iret = "IRET", Sensitive;
    Cpuid = "CPUID", Sensitive;
    Cli = "CLI", Conditional;
    Sti = "STI", Conditional;
    In = "IN", Conditional;
    Out = "OUT", Conditional;
    Rdtsc = "RDTSC", Conditional;
    Rdpmc = "RDPMC", Conditional;
}

/// How many kinds there are.
pub const COUNT: usize = Intercept::ALL.len();
