//! Field offsets of the task-state segments (SDM 3A 7.2.1 and 7.6).

/// Offsets in the 32-bit TSS.
pub mod tss32 {
    /// Back link.
    pub const LINK: u32 = 0;
    /// ESP0; SS0 follows at +4; rings 1 and 2 at +8 each.
    pub const ESP0: u32 = 4;
    /// CR3.
    pub const CR3: u32 = 0x1C;
    /// EIP.
    pub const EIP: u32 = 0x20;
    /// EFLAGS.
    pub const EFLAGS: u32 = 0x24;
    /// EAX; the other registers follow in encoding order.
    pub const EAX: u32 = 0x28;
    /// ES; the other segments follow in encoding order, four bytes each.
    pub const ES: u32 = 0x48;
    /// LDT selector.
    pub const LDT: u32 = 0x60;
    /// T, the debug trap, in bit 0.
    pub const TRAP: u32 = 0x64;
    /// Offset of the I/O permission bitmap.
    pub const IO_MAP: u32 = 0x66;
    /// The smallest legal limit.
    pub const MIN_LIMIT: u32 = 0x67;
}

/// Offsets in the 16-bit TSS.
pub mod tss16 {
    /// Back link.
    pub const LINK: u32 = 0;
    /// SP0; SS0 follows at +2; rings 1 and 2 at +4 each.
    pub const SP0: u32 = 2;
    /// IP.
    pub const IP: u32 = 0x0E;
    /// FLAGS.
    pub const FLAGS: u32 = 0x10;
    /// AX; the other registers follow in encoding order.
    pub const AX: u32 = 0x12;
    /// ES; CS, SS, DS follow, two bytes each.
    pub const ES: u32 = 0x22;
    /// LDT selector.
    pub const LDT: u32 = 0x2A;
    /// The smallest legal limit.
    pub const MIN_LIMIT: u32 = 0x2B;
}
