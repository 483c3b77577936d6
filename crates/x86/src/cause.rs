//! The evidence behind a fault: what was checked, and the values that failed the check.
//!
//! Every place that raises a fault fills this in; nothing is allocated, and text is made only
//! when somebody asks (the debugger's explainer). Fixed size, kept in one slot of the CPU.

use crate::addr::{LinAddr, PhysAddr};
use crate::intercept::Intercept;
use crate::paging::{AccessKind, Level};
use crate::segment::{Descriptor, SegReg, Selector};
use serde::{Deserialize, Serialize};

/// Which rule of the architecture was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A null selector where a segment is needed.
    NullSelector,
    /// The selector's index lies beyond its table's limit.
    BeyondTable,
    /// The selector names the LDT where only the GDT will do.
    MustBeGlobal,
    /// No LDT is loaded.
    NoLdt,
    /// P is 0.
    NotPresent,
    /// Not a code segment.
    NotCode,
    /// Not a data segment (or readable code).
    NotReadable,
    /// Not writable data (a stack must be).
    NotWritable,
    /// Not a gate, or none of the kinds allowed here.
    NotGate,
    /// Not an LDT descriptor.
    NotLdt,
    /// Not an available TSS.
    NotAvailableTss,
    /// Not a busy TSS.
    NotBusyTss,
    /// The TSS limit is below the minimum.
    TssTooShort,
    /// DPL against CPL and RPL.
    Privilege,
    /// The gate's own DPL is below CPL or RPL.
    GatePrivilege,
    /// RPL isn't what it must be.
    Rpl,
    /// The target of a gate has a DPL above CPL.
    TargetPrivilege,
    /// The new EIP lies beyond the code segment's limit.
    TargetOffset,
    /// The return goes to an inner ring.
    ReturnInward,
    /// SS has an RPL or DPL other than the new CPL.
    StackPrivilege,
    /// The type of descriptor isn't allowed here.
    WrongType,
}

/// Whom the selector was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An instruction that loads a segment register.
    Load(SegReg),
    /// A far jump, call or return, or IRET.
    Transfer,
    /// The code selector in a gate of the IDT.
    InterruptGate(u8),
    /// The code selector in a call gate.
    CallGate(Selector),
    /// The stack pointer of ring n in the TSS.
    TssStack(u8),
    /// A task's TSS.
    Task,
    /// A segment register loaded by a task switch.
    TaskSegment(SegReg),
    /// LDTR, by LLDT or a task switch.
    Ldtr,
    /// The back link of a nested task.
    BackLink,
}

/// Evidence of a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// None was recorded: there is nothing to say beyond the vector.
    #[default]
    None,
    /// A selector or the descriptor it names failed a check (SDM 3A 5).
    Selector {
        /// The selector.
        selector: Selector,
        /// Its descriptor; zero if it wasn't reached.
        descriptor: Descriptor,
        /// The table's limit.
        table_limit: u32,
        /// The rule.
        check: Check,
        /// Where the selector came from.
        origin: Origin,
        /// CPL at that moment.
        cpl: u8,
    },
    /// A gate of the IDT failed a check (SDM 3A 6.12).
    IdtGate {
        /// The vector to be delivered.
        vector: u8,
        /// The gate; zero if it lies beyond the limit.
        gate: Descriptor,
        /// Where the IDT is.
        idt_base: LinAddr,
        /// Its limit.
        idt_limit: u32,
        /// The rule.
        check: Check,
        /// CPL at that moment.
        cpl: u8,
        /// INT n, INT3 or INTO, for which DPL counts.
        software: bool,
    },
    /// An offset outside a segment (SDM 3A 5.3).
    Limit {
        /// The segment.
        segment: SegReg,
        /// Offset of the first byte.
        offset: u32,
        /// Bytes accessed.
        size: u32,
        /// The segment's limit.
        limit: u32,
        /// It expands down.
        expand_down: bool,
    },
    /// A segment that can't be used this way (SDM 3A 5.5).
    Access {
        /// The segment.
        segment: SegReg,
        /// Its selector.
        selector: Selector,
        /// Its attribute word.
        attrs: u16,
        /// What was tried.
        kind: AccessKind,
    },
    /// Paging refused (SDM 3A 4.7).
    Page {
        /// The address.
        addr: LinAddr,
        /// What was tried.
        kind: AccessKind,
        /// Made in user mode.
        user: bool,
        /// The level that refused.
        level: Level,
        /// The entry there.
        entry: u64,
        /// Where that entry lies.
        entry_addr: PhysAddr,
        /// What it was about.
        why: PageCheck,
    },
    /// A stack that the TSS doesn't hold (SDM 3A 6.12.1).
    TssStack {
        /// The TSS.
        selector: Selector,
        /// The ring whose stack was looked for.
        ring: u8,
        /// Offset of that field.
        offset: u32,
        /// The TSS's limit.
        limit: u32,
    },
    /// A privileged instruction outside ring 0 (SDM 3A 5.9).
    Privileged {
        /// Which.
        what: Intercept,
        /// CPL.
        cpl: u8,
        /// IOPL.
        iopl: u8,
        /// In virtual-8086 mode.
        vm86: bool,
    },
    /// A port that the I/O permission bitmap refuses (SDM 1 19.5.2).
    Io {
        /// First port.
        port: u16,
        /// Bytes.
        size: u8,
        /// Offset of the bitmap in the TSS.
        map: u16,
        /// The TSS's limit.
        limit: u32,
    },
    /// A reserved or inconsistent value for a control register or MSR.
    Value {
        /// `CR0`, `CR4`, `EFER` and so on.
        register: RegisterName,
        /// The value.
        value: u64,
        /// The bits that can't be.
        bits: u64,
    },
    /// No such instruction here.
    Opcode {
        /// The first bytes.
        bytes: [u8; 8],
        /// Why.
        why: OpcodeCheck,
    },
    /// Division by zero, or a quotient that doesn't fit.
    Divide {
        /// The divisor.
        divisor: u32,
    },
    /// An index outside its bounds.
    Bound {
        /// The index.
        index: i32,
        /// The bounds.
        bounds: (i32, i32),
    },
    /// A debug exception.
    Debug {
        /// The bits DR6 gets.
        dr6: u32,
    },
    /// A misaligned access at CPL 3.
    Alignment {
        /// The address.
        addr: LinAddr,
        /// Bytes.
        size: u32,
    },
    /// IRET found a frame that it can't return to.
    IretFrame {
        /// EIP as popped.
        eip: u32,
        /// CS as popped.
        cs: Selector,
        /// EFLAGS as popped.
        eflags: u32,
        /// The rule.
        check: Check,
        /// CPL.
        cpl: u8,
    },
    /// SYSENTER or SYSEXIT with IA32_SYSENTER_CS zero.
    SysenterCs {
        /// The MSR's value.
        value: u32,
    },
    /// The FPU isn't to be used now.
    Fpu {
        /// CR0.
        cr0: u64,
    },
    /// An earlier x87 instruction raised an exception that isn't masked.
    Math {
        /// The x87 status word.
        status: u16,
        /// The x87 control word.
        control: u16,
    },
    /// An operand that must lie at a multiple of 16, and doesn't.
    Aligned16 {
        /// The address.
        addr: LinAddr,
    },
    /// An SSE exception that isn't masked (SDM 1 11.5.2).
    Simd {
        /// MXCSR, its flags set.
        mxcsr: u32,
    },
}

/// Why paging refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageCheck {
    /// P is 0.
    NotPresent,
    /// R/W is 0.
    ReadOnly,
    /// U/S is 0.
    Supervisor,
    /// A reserved bit is set.
    Reserved,
    /// XD is set.
    NoExecute,
    /// Ring 0 may not execute user pages (SMEP).
    Smep,
    /// Ring 0 may not touch user pages (SMAP).
    Smap,
}

/// Why bytes aren't an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpcodeCheck {
    /// No such encoding.
    Undefined,
    /// Longer than 15 bytes.
    TooLong,
    /// Not in real or virtual-8086 mode.
    NeedsProtectedMode,
    /// CPUID doesn't announce it.
    NotOnThisCpu,
    /// CR0.EM is set, or CR4.OSFXSR or OSXMMEXCPT clear.
    NotEnabled,
    /// A register that doesn't exist.
    NoSuchRegister,
    /// UD0, UD1 or UD2.
    Deliberate,
}

/// Registers whose values are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum RegisterName {
    Cr0,
    Cr3,
    Cr4,
    Dr6,
    Dr7,
    Pdpte,
    Mxcsr,
    Msr(u32),
}

const _: () = assert!(size_of::<Cause>() <= 48);
