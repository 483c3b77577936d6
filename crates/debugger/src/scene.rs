//! What the explainer is shown: how the run ended, the chain of faults, the state, memory, the
//! interrupt controllers, the history and the symbols. All of it is only looked at.

use crate::history::History;
use crate::symbols::Symbols;
use serde::{Deserialize, Serialize};
use x86::event::{Mode, Place};
use x86::segment::SegReg;
use x86::{Cause, Descriptor, Fault, LinAddr, PhysAddr, Selector, State};

/// A fault of the chain that led to a shutdown, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The fault.
    pub fault: Fault,
    /// The evidence.
    pub why: Cause,
    /// Where.
    pub at: Place,
    /// CR2, for #PF.
    pub cr2: u32,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A triple fault.
    Shutdown,
    /// HLT, and nothing will ever wake the processor.
    HaltedForEver,
    /// A jump to itself with interrupts off.
    Spinning,
    /// The guest switched to long mode.
    LongMode,
    /// Stopped from outside: a limit, a time, the user.
    Stopped,
    /// As it was meant to: the guest switched itself off, or showed what was waited for.
    Well,
}

/// The pair of 8259A interrupt controllers, master first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pic {
    /// Vector of the first line (ICW2).
    pub base: [u8; 2],
    /// Interrupt mask register.
    pub imr: [u8; 2],
    /// In-service register.
    pub isr: [u8; 2],
    /// Interrupt request register.
    pub irr: [u8; 2],
}

impl Pic {
    /// The vector of IRQ 0..=15.
    #[must_use]
    pub const fn vector(&self, irq: u8) -> u8 {
        self.base[(irq >> 3 & 1) as usize].wrapping_add(irq & 7)
    }

    /// The IRQ that comes as this vector.
    #[must_use]
    pub fn irq(&self, vector: u8) -> Option<u8> {
        (0..16).find(|irq| self.vector(*irq) == vector)
    }

    /// The lines in service, the cascade (IRQ 2) left out.
    pub fn in_service(&self) -> impl Iterator<Item = u8> {
        let bits = u16::from_le_bytes(self.isr);
        (0..16).filter(move |irq| *irq != 2 && bits >> irq & 1 != 0)
    }
}

/// Guest memory without side effects.
pub trait GuestMemory {
    /// Reads through the current paging; returns how many bytes could be read.
    fn linear(&self, addr: LinAddr, out: &mut [u8]) -> usize;
    /// Reads physical memory; holes read as ones.
    fn physical(&self, addr: PhysAddr, out: &mut [u8]);
    /// True where RAM, ROM or a device's memory answers.
    fn backed(&self, addr: PhysAddr) -> bool;
}

/// Everything the explainer looks at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// How the run ended.
    pub ending: Ending,
    /// Steps so far.
    pub steps: u64,
    /// The architectural state at the end.
    pub state: &'a State,
    /// The faults that led to a shutdown, oldest first.
    pub chain: &'a [Link],
    /// The evidence of the last fault raised, handled or not.
    pub last_cause: Cause,
    /// What led here.
    pub history: &'a History,
    /// Guest memory.
    pub memory: &'a dyn GuestMemory,
    /// The interrupt controllers, if the board has them.
    pub pic: Option<Pic>,
    /// Names.
    pub symbols: &'a Symbols,
}

impl Scene<'_> {
    /// Linear address of an offset in a segment as it is loaded now.
    #[must_use]
    pub fn in_segment(&self, segment: SegReg, offset: u32) -> LinAddr {
        LinAddr(self.state.segment(segment).base).add32(u64::from(offset))
    }

    /// Linear address of a place's instruction, assuming CS hasn't been reloaded since.
    #[must_use]
    pub fn linear_of(&self, at: &Place) -> LinAddr {
        if at.mode == Mode::Protected || at.cs == self.state.segment(SegReg::Cs).selector {
            return self.in_segment(SegReg::Cs, at.eip);
        }
        LinAddr((u64::from(at.cs.0) << 4) + u64::from(at.eip))
    }

    /// Up to `N` bytes at a linear address; those that can't be read are missing at the end.
    #[must_use]
    pub fn bytes<const N: usize>(&self, at: LinAddr) -> Vec<u8> {
        let mut out = [0; N];
        let got = self.memory.linear(at, &mut out).min(N);
        out[..got].to_vec()
    }

    /// A 32-bit word at a linear address.
    #[must_use]
    pub fn word(&self, at: LinAddr) -> Option<u32> {
        self.bytes::<4>(at).try_into().ok().map(u32::from_le_bytes)
    }

    /// A 16-bit word at a linear address.
    #[must_use]
    pub fn half(&self, at: LinAddr) -> Option<u16> {
        self.bytes::<2>(at).try_into().ok().map(u16::from_le_bytes)
    }

    /// The gate of a vector, `None` beyond the limit or where it can't be read.
    #[must_use]
    pub fn gate(&self, vector: u8) -> Option<Descriptor> {
        let idtr = self.state.idtr;
        let offset = u32::from(vector) * 8;
        self.table_entry(idtr.base, idtr.limit, offset)
    }

    /// The descriptor a selector names now.
    #[must_use]
    pub fn descriptor(&self, selector: Selector) -> Option<Descriptor> {
        let (base, limit) = if selector.is_local() {
            (self.state.ldtr.base, self.state.ldtr.limit)
        } else {
            (self.state.gdtr.base, self.state.gdtr.limit)
        };
        self.table_entry(base, limit, selector.offset())
    }

    fn table_entry(&self, base: u64, limit: u32, offset: u32) -> Option<Descriptor> {
        if offset + 7 > limit {
            return None;
        }
        let at = LinAddr(base).add32(u64::from(offset));
        self.bytes::<8>(at).try_into().ok().map(|b| Descriptor(u64::from_le_bytes(b)))
    }

    /// `0008:00007C42 <main+0x2>`.
    #[must_use]
    pub fn place(&self, at: &Place) -> String {
        let linear = self.linear_of(at);
        format!("{}{}", crate::words::place(at), self.symbols.suffix(linear.0))
    }

    /// What kind of return stands at a place, past its prefixes.
    #[must_use]
    pub fn return_at(&self, at: &Place) -> Option<Return> {
        let bytes = self.bytes::<4>(self.linear_of(at));
        let prefixes = bytes.iter().take_while(|b| matches!(b, 0x66 | 0x67 | 0xF0)).count();
        let flipped = bytes[..prefixes].contains(&0x66);
        let size = if self.state.code32() == flipped { 2 } else { 4 };
        match bytes.get(prefixes)? {
            0xCF => Some(Return { iret: true, size }),
            0xCA | 0xCB => Some(Return { iret: false, size }),
            _ => None,
        }
    }

    /// The `index`th word on top of the stack at a place, `size` bytes each.
    #[must_use]
    pub fn stack_word(&self, at: &Place, index: u32, size: u32) -> Option<u32> {
        let esp = if self.state.stack32() { at.esp } else { at.esp & 0xFFFF };
        let addr = self.in_segment(SegReg::Ss, esp.wrapping_add(index * size));
        if size == 2 { self.half(addr).map(u32::from) } else { self.word(addr) }
    }
}

/// A return instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// IRET rather than a far RET.
    pub iret: bool,
    /// Bytes a word: 2 or 4.
    pub size: u32,
}
