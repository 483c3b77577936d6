//! EFLAGS (SDM 1 3.4.3) and the condition codes that read it.

use bitflags::bitflags;

bitflags! {
    /// The EFLAGS register. Bit 1 is always set and isn't a flag.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Eflags: u32 {
        /// Carry.
        const CF = 1 << 0;
        /// Parity of the low byte: set when even.
        const PF = 1 << 2;
        /// Auxiliary carry, out of bit 3.
        const AF = 1 << 4;
        /// Zero.
        const ZF = 1 << 6;
        /// Sign.
        const SF = 1 << 7;
        /// Trap after each instruction.
        const TF = 1 << 8;
        /// Maskable interrupts are enabled.
        const IF = 1 << 9;
        /// String operations go down.
        const DF = 1 << 10;
        /// Signed overflow.
        const OF = 1 << 11;
        /// I/O privilege level, both bits.
        const IOPL = 3 << 12;
        /// This task was called by another.
        const NT = 1 << 14;
        /// Instruction breakpoints are ignored for one instruction.
        const RF = 1 << 16;
        /// Virtual-8086 mode.
        const VM = 1 << 17;
        /// Alignment checks at CPL 3; under SMAP, the override.
        const AC = 1 << 18;
        /// The virtual interrupt flag.
        const VIF = 1 << 19;
        /// A virtual interrupt is pending.
        const VIP = 1 << 20;
        /// CPUID is there: the flag can be changed.
        const ID = 1 << 21;
    }
}

impl Eflags {
    /// The six status flags that arithmetic writes.
    pub const STATUS: Eflags = Eflags::CF
        .union(Eflags::PF)
        .union(Eflags::AF)
        .union(Eflags::ZF)
        .union(Eflags::SF)
        .union(Eflags::OF);

    /// Bit 1, which always reads as one.
    pub const FIXED: u32 = 1 << 1;

    /// The I/O privilege level, 0..=3.
    #[must_use]
    pub const fn iopl(self) -> u8 {
        ((self.bits() >> 12) & 3) as u8
    }
}
