//! The runtime contract between emitted code and Rust. Everything here is relied upon by bytes
//! that no compiler checks.
//!
//! # Registers while emitted code runs
//! ```text
//! rax rcx rdx rbx rbp rsi rdi   the guest's EAX ECX EDX EBX EBP ESI EDI; upper halves zero
//! r12                           the guest's ESP; upper half zero
//! RFLAGS                        the guest's OF SF ZF AF PF CF; DF clear, nothing else of the guest's
//! r14                           steps left in this run, after those of the current block
//! r15                           the `Context`
//! rsp                           the host's stack, 16-byte aligned
//! r8 r9 r10 r11                 scratch, within one guest instruction
//! r13                           the next free slot of the return ring: see [`crate::jumps`]
//! GS base                       the host window of the guest's address space and privilege
//! x87, XMM and MXCSR            the host's, or the guest's: see [`crate::fpu`]
//! ```
//! # The stack
//! ```text
//!   caller of `enter`
//!   return address of `enter`
//!   rbx rbp r12 r13 r14 r15, one slot of padding
//!   <- rsp in emitted code; a callout's return address goes below
//! ```
//! # A block
//! may assume: its mode (the bits of [`Mode`]) is the processor's; `r14` >= 0 before it is charged.
//! It charges its own steps on entry: `r14 -= n`, and reads byte r14 of the meter. If r14 is
//! negative that hits the guard page below, and the fault handler sends it to a stub that takes the
//! charge back and leaves: Rust then runs the rest one instruction at a time.
//! It must leave: by a jump to another block (all steps charged), by `exit_edge` with EIP stored
//! and the number of the edge in r8, or through a callout that said so.
//!
//! # A callout
//! `mov r8d, site; call [r15+CALLOUT]` spills the guest's registers into `State`, calls
//! [`crate::callout`] and reloads. RIP, steps and flags are exact while Rust looks.
//!
//! # A miss
//! A software-TLB site that misses calls [`crate::miss`]'s stub with the linear address in r8 and
//! the kind of access in r9. It comes back with the host address in r8, or 0 where the interpreter
//! must take the instruction. All but r8, r9, r10 and RFLAGS is kept.
//!
//! # A fault in emitted code
//! The guest's registers are in the host's. The table of faults maps the address of the host
//! instruction to a stub of its block; the handler only changes RIP. What may fault: a budget
//! check, an access through the window, a limit check, a division.
//!
//! # AF
//! Shifts leave AF undefined, and processors differ: here it is clear, as the interpreter has it.
//! Within a block the translator knows where AF in RFLAGS is to be taken for clear; it is made so
//! before any other block can see it.

use interp::Cpu;
use std::mem::offset_of;
use x86::state::State;

/// What emitted code finds at r15, between the meter and the jump cache's table: see
/// [`crate::arena::ContextPage`].
#[repr(C, align(4096))]
pub struct Context {
    /// The stub that a callout goes through.
    pub callout: u64,
    /// The stub that leaves by an edge.
    pub exit_edge: u64,
    /// The stub that leaves and goes on at [`Context::eip`].
    pub exit_dispatch: u64,
    /// The general registers: the first field of the processor's `State`.
    pub gpr: *mut u64,
    /// The processor.
    pub cpu: *mut Cpu,
    /// Memory and bus.
    pub sys: *mut bus::System,
    /// The sites of callouts, by number.
    pub sites: *mut crate::block::Site,
    /// [`crate::callout::callout`].
    pub callout_fn: u64,
    /// Host address of guest memory's first byte.
    pub ram: u64,
    /// The software TLB of this privilege.
    pub tlb: u64,
    /// Base of the host window of this address space and privilege.
    pub window: u64,
    /// r14 at entry and exit.
    pub budget: i64,
    /// Number of what the jump cache's entries depend on, in the upper half.
    pub code_view: u64,
    /// The return ring of the code view.
    pub ring: u64,
    /// r13 when emitted code was last left: its low byte counts.
    pub ring_at: u64,
    /// The stub that goes on at the EIP in r9, by the jump cache.
    pub by_cache: u64,
    /// Where the window refused an access: its offset, plus 1; 0 if none did.
    pub refused: u64,
    /// An instruction that must not use the window again: its place, plus 1.
    pub soften: u64,
    /// The stubs of REP MOVS and REP STOS: see [`crate::strings`].
    pub repeats: [u64; crate::strings::STUBS],
    /// The stub that a software-TLB site calls when it misses: see [`crate::miss`].
    pub miss: u64,
    /// [`crate::miss::refill`].
    pub refill_fn: u64,
    /// The state words of guest memory's pages.
    pub page_states: *const u32,
    /// Which 64-byte pieces of guest memory's pages code was decoded from.
    pub code_pieces: *const u64,
    /// The state word of a page that holds code and was written in this epoch.
    pub plain_code: u32,
    /// The windows.
    pub windows: *mut crate::window::Windows,
    /// The jump cache.
    pub cache: *mut crate::jumps::Jumps,
    /// Where a callout goes on that returned [`Exit::GO`].
    pub target: u64,
    /// The window that GS base names.
    pub window_live: u64,
    /// Withdrawals that the window has seen.
    pub seen: u64,
    /// A value that must outlive a search of the software TLB.
    pub kept: u64,
    /// The step at which r14 would be 0.
    pub end: u64,
    /// The version of the software TLB that the blocks running were found by.
    pub version: u64,
    /// Where to go on, for exits.
    pub eip: u32,
    /// SYSENTER's way and SYSEXIT's.
    pub doors: [crate::door::Door; 2],
    /// 1 if ring 3 had a window when it was last looked at: doors lead there.
    pub user_window: u32,
    /// r14 when a door was passed inwards.
    pub visit: i64,
    /// Steps that the last visit through the doors took; 0 once it was seen.
    pub visited: i64,
    /// Why emitted code was left: an [`Exit`] or more.
    pub exit: u32,
    /// The guest's status flags: SF ZF AF PF CF as LAHF has them in bits 8..16, OF in bit 0.
    pub flags: u32,
    /// The mode that the blocks running are made for.
    pub mode: u32,
    /// Bases of ES CS SS DS FS GS.
    pub base: [u64; 6],
    /// First offsets that may not be read, by segment.
    pub read_end: [u64; 6],
    /// First offsets that may not be written.
    pub write_end: [u64; 6],
    /// Faults that the handler sent to stubs.
    pub faults: u64,
    /// Emitted code: first byte, bytes.
    pub code: [u64; 2],
    /// Where faults are expected: see [`crate::fault::Expected`]; entries, count.
    pub expected: *const crate::fault::Expected,
    /// Entries of [`Context::expected`].
    pub expected_count: u64,
    /// Callouts so far, of any kind.
    pub callouts: u64,
    /// Steps that they took.
    pub callout_steps: u64,
    /// x87, MMX and SSE.
    pub fpu: crate::fpu::Words,
    /// Executions of blocks, by their numbers, where blocks count.
    pub counts: u64,
}

const _: () = assert!(size_of::<Context>() == 4096);
const _: () = assert!(offset_of!(State, gpr) == 0);

/// Offsets in [`Context`], as displacements of r15.
pub mod at {
    use super::{Context, offset_of};

    macro_rules! offsets {
        ($($name:ident = $field:ident;)*) => {
            $(#[doc = concat!("Of `", stringify!($field), "`.")]
            pub const $name: i32 = offset_of!(Context, $field) as i32;)*
            /// All of these, by the names of their fields.
            pub const ALL: &[(&str, i32)] = &[$((stringify!($field), $name),)*];
        };
    }

    offsets! {
        CALLOUT = callout;
        EXIT_EDGE = exit_edge;
        EXIT_DISPATCH = exit_dispatch;
        GPR = gpr;
        CALLOUT_FN = callout_fn;
        RAM = ram;
        TLB = tlb;
        WINDOW = window;
        WINDOW_LIVE = window_live;
        TARGET = target;
        CPU = cpu;
        MODE = mode;
        VISIT = visit;
        VISITED = visited;
        MISS = miss;
        REPEATS = repeats;
        REFILL_FN = refill_fn;
        PAGE_STATES = page_states;
        CODE_PIECES = code_pieces;
        PLAIN_CODE = plain_code;
        BUDGET = budget;
        EIP = eip;
        EXIT = exit;
        FLAGS = flags;
        BASE = base;
        CODE_VIEW = code_view;
        RING = ring;
        RING_AT = ring_at;
        BY_CACHE = by_cache;
        KEPT = kept;
        READ_END = read_end;
        WRITE_END = write_end;
        FPU = fpu;
        COUNTS = counts;
    }
}

/// Why emitted code was left. Values from [`Exit::EDGES`] on are edges.
#[allow(non_snake_case)]
pub mod Exit {
    /// A callout to be gone on behind.
    pub const CONTINUE: u32 = 0;
    /// The boundary is to be looked at, or the budget is used up.
    pub const BOUNDARY: u32 = 1;
    /// Go on at RIP.
    pub const DISPATCH: u32 = 2;
    /// The budget is shorter than the block at RIP.
    pub const SHORT: u32 = 3;
    /// A callout to be gone on behind at [`Context::target`]: never left by.
    pub const GO: u32 = 4;
    /// The first edge's number.
    pub const EDGES: u32 = 16;
}

/// What emitted code was made for, besides the bytes, EIP and the limit of CS: one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode(pub u32);

impl Mode {
    /// CS.D.
    pub const CODE32: u32 = 1 << 0;
    /// SS.B.
    pub const STACK32: u32 = 1 << 1;
    /// CPL 3.
    pub const USER: u32 = 1 << 2;
    /// A window is there to be used.
    pub const WINDOW: u32 = 1 << 3;
    /// The x87 unit may be used: CR0.EM and TS are clear, and an exception that is pending is
    /// raised as #MF, or none can be.
    pub const X87: u32 = 1 << 24;
    /// With [`Mode::X87`]: CR0.NE is set.
    pub const NE: u32 = 1 << 25;
    /// SSE may be used: CR0.EM and TS are clear, CR4.OSFXSR is set.
    pub const SSE: u32 = 1 << 26;
    /// Bit `FLAT + s`: segment `s` starts at 0, ends at 4 GiB, and may be read and written.
    pub const FLAT: u32 = 8;
    /// Bit `HALF + s`: segment `s` ends at 64 KiB, and may be read and written.
    pub const HALF: u32 = 16;

    /// The mode of a processor; `window` says that a host window may be used.
    #[inline]
    #[must_use]
    pub fn of(cpu: &Cpu, window: bool) -> Self {
        let state = &cpu.state;
        Self(
            u32::from(state.code32())
                | u32::from(state.stack32()) << 1
                | u32::from(state.cpl == 3) << 2
                | u32::from(window) << 3
                | cpu.segment_shapes() << Self::FLAT
                | crate::fpu::mode(state),
        )
    }

    /// True where a bit is set.
    #[must_use]
    pub const fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// Segment `s` is the whole linear address space.
    #[must_use]
    pub const fn flat(self, s: x86::SegReg) -> bool {
        self.0 >> (Self::FLAT + s as u32) & 1 != 0
    }

    /// All segments are the whole linear address space.
    #[must_use]
    pub const fn is_all_flat(self) -> bool {
        self.0 >> Self::FLAT & 0x3F == 0x3F
    }

    /// All segments but CS are the whole linear address space.
    #[must_use]
    pub const fn is_flat_but_code(self) -> bool {
        self.0 >> Self::FLAT & 0x3F == 0x3F & !(1 << x86::SegReg::Cs as u32)
    }

    /// Segment `s` is 64 KiB long.
    #[must_use]
    pub const fn half(self, s: x86::SegReg) -> bool {
        self.0 >> (Self::HALF + s as u32) & 1 != 0
    }
}
