//! Faults as they travel: at most 8 bytes. The evidence (`Cause`) lies in a slot of the CPU.
//! Vectors, error codes and the double-fault table of SDM 3A 6.3.1, 6.13 and 6.15.

use serde::{Deserialize, Serialize};

/// The exceptions of the architecture (SDM 3A table 6-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Vector {
    /// #DE
    DivideError = 0,
    /// #DB
    Debug = 1,
    /// NMI
    Nmi = 2,
    /// #BP
    Breakpoint = 3,
    /// #OF
    Overflow = 4,
    /// #BR
    BoundRange = 5,
    /// #UD
    InvalidOpcode = 6,
    /// #NM
    DeviceNotAvailable = 7,
    /// #DF
    DoubleFault = 8,
    /// #TS
    InvalidTss = 10,
    /// #NP
    SegmentNotPresent = 11,
    /// #SS
    StackFault = 12,
    /// #GP
    GeneralProtection = 13,
    /// #PF
    PageFault = 14,
    /// #MF
    MathFault = 16,
    /// #AC
    AlignmentCheck = 17,
    /// #MC
    MachineCheck = 18,
    /// #XM
    SimdException = 19,
}

/// How a fault takes part in a double fault (SDM 3A table 6-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never makes a double fault.
    Benign,
    /// #DE #TS #NP #SS #GP
    Contributory,
    /// #PF
    Page,
    /// #DF itself: anything but a benign one on top shuts the processor down.
    Double,
}

impl Vector {
    /// The mnemonic, like `#GP`.
    #[must_use]
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Vector::DivideError => "#DE",
            Vector::Debug => "#DB",
            Vector::Nmi => "NMI",
            Vector::Breakpoint => "#BP",
            Vector::Overflow => "#OF",
            Vector::BoundRange => "#BR",
            Vector::InvalidOpcode => "#UD",
            Vector::DeviceNotAvailable => "#NM",
            Vector::DoubleFault => "#DF",
            Vector::InvalidTss => "#TS",
            Vector::SegmentNotPresent => "#NP",
            Vector::StackFault => "#SS",
            Vector::GeneralProtection => "#GP",
            Vector::PageFault => "#PF",
            Vector::MathFault => "#MF",
            Vector::AlignmentCheck => "#AC",
            Vector::MachineCheck => "#MC",
            Vector::SimdException => "#XM",
        }
    }

    /// The class that decides about double faults.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Vector::DivideError
            | Vector::InvalidTss
            | Vector::SegmentNotPresent
            | Vector::StackFault
            | Vector::GeneralProtection => Class::Contributory,
            Vector::PageFault => Class::Page,
            Vector::DoubleFault => Class::Double,
            _ => Class::Benign,
        }
    }

    /// True where the processor pushes an error code.
    #[must_use]
    pub const fn has_error_code(self) -> bool {
        matches!(
            self,
            Vector::DoubleFault
                | Vector::InvalidTss
                | Vector::SegmentNotPresent
                | Vector::StackFault
                | Vector::GeneralProtection
                | Vector::PageFault
                | Vector::AlignmentCheck
        )
    }
}

/// What a second fault makes, raised while `first` was being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// The second is handled on its own.
    Serial,
    /// A double fault.
    DoubleFault,
    /// Shutdown: a triple fault.
    Shutdown,
}

/// The table of SDM 3A 6.15 (table 6-5).
#[must_use]
pub const fn nest(first: Class, second: Class) -> Nesting {
    match (first, second) {
        (Class::Double, Class::Contributory | Class::Page | Class::Double) => Nesting::Shutdown,
        (Class::Contributory, Class::Contributory) => Nesting::DoubleFault,
        (Class::Page, Class::Contributory | Class::Page) => Nesting::DoubleFault,
        _ => Nesting::Serial,
    }
}

/// Error-code bit 0: the event was external to the program.
pub const EXT: u16 = 1;
/// Error-code bit 1: the index is into the IDT.
pub const IDT: u16 = 2;
/// Error-code bit 2: the index is into the LDT.
pub const TI: u16 = 4;

/// A guest fault on its way to delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Which exception.
    pub vector: Vector,
    /// The error code; zero where the exception has none.
    pub code: u16,
}

const _: () = assert!(size_of::<Fault>() <= 8 && size_of::<Result<(), Fault>>() <= 8);

impl Fault {
    /// #GP(code).
    #[must_use]
    pub const fn gp(code: u16) -> Self {
        Self { vector: Vector::GeneralProtection, code }
    }
    /// #SS(code).
    #[must_use]
    pub const fn ss(code: u16) -> Self {
        Self { vector: Vector::StackFault, code }
    }
    /// #NP(code).
    #[must_use]
    pub const fn np(code: u16) -> Self {
        Self { vector: Vector::SegmentNotPresent, code }
    }
    /// #TS(code).
    #[must_use]
    pub const fn ts(code: u16) -> Self {
        Self { vector: Vector::InvalidTss, code }
    }
    /// #UD.
    #[must_use]
    pub const fn ud() -> Self {
        Self { vector: Vector::InvalidOpcode, code: 0 }
    }
    /// An exception without an error code.
    #[must_use]
    pub const fn plain(vector: Vector) -> Self {
        Self { vector, code: 0 }
    }
}

/// Any delivered vector, 0..=255, with the exceptions named.
#[must_use]
pub fn vector_name(vector: u8) -> Option<Vector> {
    const ALL: [Vector; 18] = [
        Vector::DivideError,
        Vector::Debug,
        Vector::Nmi,
        Vector::Breakpoint,
        Vector::Overflow,
        Vector::BoundRange,
        Vector::InvalidOpcode,
        Vector::DeviceNotAvailable,
        Vector::DoubleFault,
        Vector::InvalidTss,
        Vector::SegmentNotPresent,
        Vector::StackFault,
        Vector::GeneralProtection,
        Vector::PageFault,
        Vector::MathFault,
        Vector::AlignmentCheck,
        Vector::MachineCheck,
        Vector::SimdException,
    ];
    ALL.into_iter().find(|v| *v as u8 == vector)
}
