//! What a device may hold of the machine: interrupt lines, a timer, and the requests it can
//! make. All are small shared handles. A line or INTR that changes makes the engine look after
//! the instruction; a deadline or a request brings the machine in too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Requests a device makes of the machine; the machine takes them between slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// Reset the processor (8042, port 92h, port CF9h).
    Reset = 1 << 0,
    /// The A20 gate may have changed.
    A20 = 1 << 1,
    /// The memory map has changed.
    Remap = 1 << 2,
    /// Power off.
    PowerOff = 1 << 3,
    /// isa-debug-exit: see [`Signals::debug_exit`].
    DebugExit = 1 << 4,
}

/// What all devices and the machine share.
#[derive(Debug, Default)]
pub struct Signals {
    /// The machine is wanted: a deadline moved, a request was made.
    attention: AtomicBool,
    /// The engine is wanted: an interrupt line or INTR changed.
    look: AtomicBool,
    lines: AtomicU32,
    requests: AtomicU32,
    a20: AtomicBool,
    debug_exit: AtomicU32,
    nmi: AtomicBool,
    ferr: AtomicBool,
    ignne: AtomicBool,
    /// 1 + the line that FERR# raises; 0 where it isn't wired.
    ferr_line: AtomicU32,
    nmi_off: AtomicBool,
}

impl Signals {
    /// Fresh signals: A20 off, all lines low.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Asks the engine to stop after this instruction and the machine to look.
    pub fn attend(&self) {
        self.attention.store(true, Ordering::Relaxed);
    }

    /// Takes the attention mark.
    pub fn take_attention(&self) -> bool {
        take(&self.attention)
    }

    /// Is attention asked for?
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Asks the engine to look for interrupts after this instruction. Between instructions of
    /// one slice: the machine isn't needed.
    pub fn look(&self) {
        self.look.store(true, Ordering::Relaxed);
    }

    /// The engine has looked.
    pub fn has_looked(&self) {
        self.look.store(false, Ordering::Relaxed);
    }

    /// True where the engine must look around after this instruction, for whatever reason.
    #[inline]
    #[must_use]
    pub fn wants_engine(&self) -> bool {
        self.wants_attention() || self.look.load(Ordering::Relaxed)
    }

    /// Makes a request.
    pub fn request(&self, r: Request) {
        self.requests.fetch_or(r as u32, Ordering::Relaxed);
        self.attend();
    }

    /// Takes all requests: a set of [`Request`] bits.
    pub fn take_requests(&self) -> u32 {
        if self.has_requests() { self.requests.swap(0, Ordering::Relaxed) } else { 0 }
    }

    /// True where a request waits for the machine.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        self.requests.load(Ordering::Relaxed) != 0
    }

    /// Opens or closes the A20 gate.
    pub fn set_a20(&self, on: bool) {
        if self.a20.swap(on, Ordering::Relaxed) != on {
            self.request(Request::A20);
        }
    }

    /// The A20 gate.
    #[must_use]
    pub fn a20(&self) -> bool {
        self.a20.load(Ordering::Relaxed)
    }

    /// Ends the run with a value (isa-debug-exit).
    pub fn set_debug_exit(&self, value: u32) {
        self.debug_exit.store(value, Ordering::Relaxed);
        self.request(Request::DebugExit);
    }

    /// The value of the last isa-debug-exit write.
    #[must_use]
    pub fn debug_exit(&self) -> u32 {
        self.debug_exit.load(Ordering::Relaxed)
    }

    /// Levels of all interrupt lines, bit n for IRQ n.
    #[must_use]
    pub fn lines(&self) -> u32 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Replaces all levels, when a snapshot is restored.
    pub fn restore_lines(&self, levels: u32) {
        self.lines.store(levels, Ordering::Relaxed);
        self.attend();
    }

    /// Wires FERR# to an interrupt line.
    pub fn wire_ferr(&self, line: &IrqLine) {
        self.ferr_line.store(1 + u32::from(line.number), Ordering::Relaxed);
    }

    /// FERR#: an x87 exception is pending and CR0.NE is clear. Rising it raises its line, which
    /// stays up until the board takes it down; when it falls, so does IGNNE#.
    pub fn set_ferr(&self, on: bool) {
        let before = self.ferr.swap(on, Ordering::Relaxed);
        if !on {
            self.set_ignne(false);
        } else if !before && let Some(line) = self.ferr_line.load(Ordering::Relaxed).checked_sub(1)
        {
            self.lines.fetch_or(1 << line, Ordering::Relaxed);
        }
        if before != on {
            self.attend();
        }
    }

    /// FERR#.
    #[must_use]
    pub fn ferr(&self) -> bool {
        self.ferr.load(Ordering::Relaxed)
    }

    /// IGNNE#: the processor passes over x87 exceptions though CR0.NE is clear.
    pub fn set_ignne(&self, on: bool) {
        self.ignne.store(on, Ordering::Relaxed);
    }

    /// IGNNE#.
    #[must_use]
    pub fn ignne(&self) -> bool {
        self.ignne.load(Ordering::Relaxed)
    }

    /// Raises NMI, unless the board keeps it from the processor at this moment.
    pub fn raise_nmi(&self) {
        if self.nmi_off.load(Ordering::Relaxed) {
            return;
        }
        self.nmi.store(true, Ordering::Relaxed);
        self.attend();
    }

    /// Keeps NMI from the processor, or lets it through again (port 70h, bit 7). One that was
    /// raised before has reached the processor.
    pub fn keep_nmi_off(&self, off: bool) {
        self.nmi_off.store(off, Ordering::Relaxed);
    }

    /// Takes a raised NMI.
    pub fn take_nmi(&self) -> bool {
        take(&self.nmi)
    }
}

/// Takes a mark. Setting it at the same moment isn't lost: whoever takes it looks afterwards.
fn take(mark: &AtomicBool) -> bool {
    let is_set = mark.load(Ordering::Relaxed);
    if is_set {
        mark.store(false, Ordering::Relaxed);
    }
    is_set
}

/// The gate between NMI and the processor, as handed to a device.
#[derive(Clone, Debug)]
pub struct NmiGate {
    signals: Arc<Signals>,
}

impl NmiGate {
    /// The gate of these signals.
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals) }
    }

    /// Closes or opens it.
    pub fn close(&self, closed: bool) {
        self.signals.keep_nmi_off(closed);
    }
}

/// One input of the interrupt controllers, as handed to a device.
#[derive(Clone, Debug)]
pub struct IrqLine {
    signals: Arc<Signals>,
    number: u8,
}

impl IrqLine {
    /// Line `number`, 0..32.
    #[must_use]
    pub fn new(signals: &Arc<Signals>, number: u8) -> Self {
        Self { signals: Arc::clone(signals), number: number & 31 }
    }

    /// Sets the level.
    pub fn set(&self, high: bool) {
        let bit = 1 << self.number;
        if self.is_high() == high {
            return;
        }
        if high {
            self.signals.lines.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.signals.lines.fetch_and(!bit, Ordering::Relaxed);
        }
        self.signals.look();
    }

    /// The level.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.signals.lines() >> self.number & 1 != 0
    }
}

/// A device's deadline in virtual nanoseconds. The bus calls `Device::tick` when it is due.
#[derive(Clone, Debug)]
pub struct Timer {
    signals: Arc<Signals>,
    due: Arc<AtomicU64>,
}

impl Timer {
    /// A timer that isn't set.
    #[must_use]
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals), due: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Sets the deadline; `None` clears it.
    pub fn set(&self, due_ns: Option<u64>) {
        let due = due_ns.unwrap_or(u64::MAX);
        if self.due.load(Ordering::Relaxed) != due {
            self.due.store(due, Ordering::Relaxed);
            self.signals.attend();
        }
    }

    /// The deadline.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        Some(self.due.load(Ordering::Relaxed)).filter(|ns| *ns != u64::MAX)
    }
}
