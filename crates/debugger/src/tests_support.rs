//! What several test modules need: a little ELF file, places, transfers.

use crate::history::History;
use crate::scene::{Ending, GuestMemory, Link, Pic, Scene};
use crate::symbols::Symbols;
use x86::cause::Check;
use x86::event::{Frame, Mode, Place, StackFrom, Transfer, Via};
use x86::segment::TableReg;
use x86::state::gpr;
use x86::{Cause, Cr0, Descriptor, Fault, LinAddr, PhysAddr, SegReg, Segment, Selector, State};

/// An ELF32 file with nothing but a symbol table: names, addresses, sizes.
pub fn tiny_elf(symbols: &[(&str, u32, u32)]) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut table = vec![0u8; 16];
    for (name, address, size) in symbols {
        let at = u32::try_from(strings.len()).unwrap();
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
        for word in [at, *address, *size] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        table.extend_from_slice(&[0x12, 0, 0xF1, 0xFF]); // GLOBAL FUNC, SHN_ABS
    }
    let header = 52;
    let strings_at = header + table.len();
    let sections_at = strings_at + strings.len();
    let mut out = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&[2, 0, 3, 0, 1, 0, 0, 0]);
    for word in [0, 0, sections_at as u32, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for half in [52u16, 32, 0, 40, 3, 2] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.extend_from_slice(&table);
    out.extend_from_slice(&strings);
    let section = |out: &mut Vec<u8>, words: [u32; 10]| {
        words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
    };
    section(&mut out, [0; 10]);
    section(&mut out, [0, 2, 0, 0, header as u32, table.len() as u32, 2, 1, 4, 16]);
    section(&mut out, [0, 3, 0, 0, strings_at as u32, strings.len() as u32, 0, 0, 1, 0]);
    out
}

/// A place in protected mode.
pub fn protected(ring: u8, cs: u16, eip: u32, ss: u16, esp: u32) -> Place {
    Place { ring, cs: Selector(cs), eip, ss: Selector(ss), esp, mode: Mode::Protected }
}

/// A transfer without gate, code descriptor, stack change or frame.
pub fn transfer(via: Via, from: Place, to: Place) -> Transfer {
    Transfer { via, from, to, gate: None, code: None, stack: StackFrom::Same, frame: Frame::new(4) }
}

/// A machine that isn't there: a state, a mebibyte of RAM, and what the explainer is shown.
/// Paging is followed for real, so that tables can be laid out as a guest would.
pub struct Guest {
    pub state: State,
    pub ram: Vec<u8>,
    pub chain: Vec<Link>,
    pub last_cause: Cause,
    pub history: History,
    pub pic: Option<Pic>,
    pub symbols: Symbols,
    pub ending: Ending,
}

/// The flat GDT that most kernels have: null, code, data, user code, user data.
const GDT: [u64; 5] =
    [0, 0x00CF_9A00_0000_FFFF, 0x00CF_9200_0000_FFFF, 0x00CF_FA00_0000_FFFF, 0x00CF_F200_0000_FFFF];
/// Where it lies.
pub const GDT_BASE: u64 = 0x8000;
/// Where the IDT lies.
pub const IDT_BASE: u64 = 0x9000;

impl Guest {
    /// Flat protected mode in ring 0 at 0008:00007C42, an IDT with 256 zero gates.
    pub fn new(ending: Ending) -> Self {
        let mut guest = Self {
            state: State::reset(),
            ram: vec![0; 0x10_0000],
            chain: Vec::new(),
            last_cause: Cause::None,
            history: History::new(),
            pic: None,
            symbols: Symbols::default(),
            ending,
        };
        for (index, d) in GDT.iter().enumerate() {
            guest.poke(GDT_BASE as usize + 8 * index, &d.to_le_bytes());
        }
        let state = &mut guest.state;
        state.cr0 = 0x11;
        state.gdtr = TableReg { base: GDT_BASE, limit: 0x27 };
        state.idtr = TableReg { base: IDT_BASE, limit: 0x7FF };
        for s in SegReg::ALL {
            state.seg[s as usize] = Segment::from_descriptor(Selector(0x10), Descriptor(GDT[2]));
        }
        state.seg[SegReg::Cs as usize] = Segment::from_descriptor(Selector(8), Descriptor(GDT[1]));
        state.rip = 0x7C42;
        state.set_reg32(gpr::ESP, 0x7000);
        guest
    }

    /// Writes physical memory.
    pub fn poke(&mut self, at: usize, bytes: &[u8]) {
        self.ram[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes 32-bit words.
    pub fn poke_words(&mut self, at: usize, words: &[u32]) {
        for (index, word) in words.iter().enumerate() {
            self.poke(at + 4 * index, &word.to_le_bytes());
        }
    }

    /// Adds a fault to the chain, at the state's place.
    pub fn fault(&mut self, fault: Fault, why: Cause) -> &mut Self {
        let at = self.state.place();
        self.chain.push(Link { fault, why, at, cr2: self.state.cr2 as u32 });
        self
    }

    /// Adds the two failures that follow where the IDT holds zeros: gates 13 and 8.
    pub fn uncaught(&mut self, vector: u8) -> &mut Self {
        for v in [vector, 8] {
            let why = self.zero_gate(v);
            self.fault(Fault::gp(u16::from(v) * 8 + 3), why);
        }
        self
    }

    /// The evidence of an empty gate.
    pub fn zero_gate(&self, vector: u8) -> Cause {
        Cause::IdtGate {
            vector,
            gate: Descriptor(0),
            idt_base: LinAddr(self.state.idtr.base),
            idt_limit: self.state.idtr.limit,
            check: Check::NotGate,
            cpl: self.state.cpl,
            software: false,
        }
    }

    /// Ring 3 at 001B:00401000.
    pub fn in_ring_3(&mut self) -> &mut Self {
        self.state.cpl = 3;
        self.state.seg[SegReg::Cs as usize] =
            Segment::from_descriptor(Selector(0x1B), Descriptor(GDT[3]));
        self.state.seg[SegReg::Ss as usize] =
            Segment::from_descriptor(Selector(0x23), Descriptor(GDT[4]));
        self.state.rip = 0x1000;
        self
    }

    /// What the explainer is shown.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            ending: self.ending,
            steps: 1000,
            state: &self.state,
            chain: &self.chain,
            last_cause: self.last_cause,
            history: &self.history,
            memory: self,
            pic: self.pic,
            symbols: &self.symbols,
        }
    }

    /// Two-level paging, without rights.
    fn translate(&self, addr: LinAddr) -> Option<usize> {
        if self.state.cr0 & Cr0::PG.bits() == 0 {
            return Some(addr.0 as usize);
        }
        let mut table = self.state.cr3 & !0xFFF;
        for shift in [22, 12] {
            let mut entry = [0; 4];
            self.physical(PhysAddr(table + (addr.0 >> shift & 0x3FF) * 4), &mut entry);
            let entry = u32::from_le_bytes(entry);
            table = u64::from(entry & !0xFFF);
            if entry & 1 == 0 {
                return None;
            }
        }
        Some((table + addr.offset()) as usize)
    }
}

impl GuestMemory for Guest {
    fn linear(&self, addr: LinAddr, out: &mut [u8]) -> usize {
        for (done, byte) in out.iter_mut().enumerate() {
            let at = self.translate(addr.add32(done as u64));
            let Some(found) = at.and_then(|at| self.ram.get(at)) else { return done };
            *byte = *found;
        }
        out.len()
    }
    fn physical(&self, addr: PhysAddr, out: &mut [u8]) {
        for (done, byte) in out.iter_mut().enumerate() {
            *byte = self.ram.get(addr.0 as usize + done).copied().unwrap_or(0xFF);
        }
    }
    fn backed(&self, addr: PhysAddr) -> bool {
        (addr.0 as usize) < self.ram.len()
    }
}
