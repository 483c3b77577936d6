//! The one event schema: everything that crosses a boundary, as typed, serializable data.
//!
//! Raised by the interpreter where each crossing is implemented; the translator calls the same
//! functions. Trace, explainer, JSON and every front end read this and nothing else.

use crate::addr::LinAddr;
use crate::cause::Cause;
use crate::fault::Fault;
use crate::intercept::Intercept;
use crate::segment::{Descriptor, Selector};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// Which events are wanted. `CROSSINGS` cost little and are always kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Wanted: u32 {
        /// Transfers between rings, task switches, mode changes, shutdown.
        const CROSSINGS = 1 << 0;
        /// Faults.
        const FAULTS = 1 << 1;
        /// Delivered interrupts.
        const INTERRUPTS = 1 << 2;
        /// Port I/O and MMIO.
        const IO = 1 << 3;
        /// Control-register, debug-register and MSR writes.
        const CONTROL = 1 << 4;
        /// Every instruction.
        const INSNS = 1 << 5;
        /// Privileged and sensitive instructions.
        const CALLOUTS = 1 << 6;
        /// Of the crossings not those by SYSENTER and SYSEXIT, which a system call of the guest's
        /// would make a million of a second: for who keeps the last crossings only.
        const BUT_SYSENTER = 1 << 7;
    }
}

/// Where the processor is: ring, code and stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// CPL.
    pub ring: u8,
    /// CS.
    pub cs: Selector,
    /// EIP.
    pub eip: u32,
    /// SS.
    pub ss: Selector,
    /// ESP.
    pub esp: u32,
    /// Real, protected or virtual-8086 mode.
    pub mode: Mode,
}

/// The processor's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Mode {
    Real,
    Protected,
    Vm86,
}

/// What caused an interrupt delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// INTR: the interrupt controller.
    External,
    /// NMI.
    Nmi,
    /// INT n.
    Software,
    /// INT3, INTO.
    Trap,
    /// INT1 (ICEBP).
    Icebp,
    /// A fault or debug exception.
    Exception,
}

/// The kind of transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// An interrupt, trap or (real mode) vector.
    Interrupt {
        /// The vector.
        vector: u8,
        /// Why.
        source: Source,
        /// The error code pushed.
        error_code: Option<u16>,
    },
    /// A far call through a call gate.
    CallGate {
        /// The gate's selector.
        selector: Selector,
        /// Parameters copied.
        parameters: u8,
    },
    /// A far call.
    FarCall,
    /// A far jump.
    FarJump,
    /// A far return.
    FarReturn,
    /// IRET.
    Iret,
    /// SYSENTER.
    Sysenter,
    /// SYSEXIT.
    Sysexit,
}

/// Where the stack of the inner ring came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackFrom {
    /// Not changed.
    Same,
    /// Fields of the TSS: its base and the offset.
    Tss {
        /// The TSS's selector.
        selector: Selector,
        /// Linear base of the TSS.
        base: LinAddr,
        /// Offset of ESPn.
        offset: u32,
    },
    /// Popped from the stack left behind.
    Popped,
    /// The SYSENTER MSRs, or ECX for SYSEXIT.
    Sysenter,
}

/// The words pushed or popped by a transfer, in order of their pushing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The values.
    pub words: [u32; 10],
    /// How many are used.
    pub count: u8,
    /// Bytes a word: 2 or 4.
    pub size: u8,
}

impl Frame {
    /// An empty frame with words of `size` bytes.
    #[must_use]
    pub const fn new(size: u8) -> Self {
        Self { words: [0; 10], count: 0, size }
    }
    /// Adds a word; those past the tenth are dropped.
    pub fn push(&mut self, word: u32) {
        if let Some(slot) = self.words.get_mut(usize::from(self.count)) {
            *slot = word;
            self.count += 1;
        }
    }
    /// The same words the other way round: those of a pop, which meets the last one first.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        let count = self.words().len();
        self.words[..count].reverse();
        self
    }
    /// The words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words[..usize::from(self.count).min(self.words.len())]
    }
}

/// A transfer that may change the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How.
    pub via: Via,
    /// Where it left from.
    pub from: Place,
    /// Where it arrived.
    pub to: Place,
    /// The gate passed, if any (IDT or call gate).
    pub gate: Option<Descriptor>,
    /// The code segment's descriptor, if one was read.
    pub code: Option<Descriptor>,
    /// Where the new stack came from.
    pub stack: StackFrom,
    /// What was pushed (or popped by a return).
    pub frame: Frame,
}

/// How a task switch was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TaskVia {
    Jump,
    Call,
    Interrupt(u8),
    Iret,
}

/// Something happened at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A far transfer, interrupt or return.
    Transfer(Transfer),
    /// A task switch.
    TaskSwitch {
        /// Why.
        via: TaskVia,
        /// The task left.
        from_task: Selector,
        /// The task entered.
        to_task: Selector,
        /// Descriptor of the TSS entered.
        descriptor: Descriptor,
        /// Before.
        from: Place,
        /// After.
        to: Place,
    },
    /// A fault was raised, before its delivery.
    Fault {
        /// The fault.
        fault: Fault,
        /// The evidence.
        why: Cause,
        /// Where.
        at: Place,
        /// CR2, for #PF.
        cr2: u32,
        /// Raised while this vector was being delivered.
        during: Option<u8>,
    },
    /// A control or debug register was written.
    Control {
        /// Register: 0..=4 CRn, 0x10..=0x17 DRn.
        register: u8,
        /// Before.
        old: u64,
        /// After.
        new: u64,
        /// Where.
        at: Place,
    },
    /// An MSR was written.
    Msr {
        /// Its index.
        index: u32,
        /// The value.
        value: u64,
        /// Where.
        at: Place,
    },
    /// A port was read or written.
    Io {
        /// The port.
        port: u16,
        /// Bytes: 1, 2 or 4.
        size: u8,
        /// OUT rather than IN.
        write: bool,
        /// What was moved.
        value: u32,
        /// Where.
        at: Place,
    },
    /// A privileged or sensitive instruction passed the intercept point.
    Callout {
        /// Which.
        kind: Intercept,
        /// Where.
        at: Place,
    },
    /// An instruction is about to run (or a block's part, one by one).
    Insn {
        /// Where.
        at: Place,
        /// Linear address.
        addr: LinAddr,
        /// Its bytes.
        bytes: [u8; 15],
        /// How many.
        length: u8,
    },
    /// HLT: waiting for an interrupt.
    Halt {
        /// Where.
        at: Place,
        /// IF at that moment.
        interrupts: bool,
    },
    /// Shutdown: a fault while a double fault was being delivered.
    Shutdown {
        /// Where.
        at: Place,
    },
}

impl Event {
    /// The class of this event.
    #[must_use]
    pub const fn class(&self) -> Wanted {
        match self {
            Event::Transfer(Transfer { via: Via::Interrupt { .. }, .. }) => {
                Wanted::CROSSINGS.union(Wanted::INTERRUPTS)
            }
            Event::Transfer(_)
            | Event::TaskSwitch { .. }
            | Event::Shutdown { .. }
            | Event::Halt { .. } => Wanted::CROSSINGS,
            Event::Fault { .. } => Wanted::FAULTS,
            Event::Control { .. } | Event::Msr { .. } => Wanted::CONTROL,
            Event::Io { .. } => Wanted::IO,
            Event::Callout { .. } => Wanted::CALLOUTS,
            Event::Insn { .. } => Wanted::INSNS,
        }
    }
}

/// An event with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Steps before it.
    pub step: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
