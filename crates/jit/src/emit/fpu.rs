//! What x87, MMX and SSE instructions share: the guest's state is loaded before the first of them,
//! and the x87 pointers are noted before anybody can look. See [`crate::fpu`].

use super::memory::{Access, Address, Wanted};
use super::{Emitter, Item, Kind};
use crate::fpu::{DATA, Half, LAST};
use crate::rewrite::{Host, encode};
use decode::{Code, Encoding, Insn, NONE};
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use interp::host_fpu::Op;
use x86::SegReg;

/// An instruction of these families that is emitted where the mode allows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// x87 and WAIT.
    X87,
    /// MMX and SSE, by their operands.
    Vector(Encoding),
    /// EMMS.
    Emms,
    /// Orders memory accesses: here they are in order.
    Fence,
}

/// What an instruction has to do with the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitFlags {
    /// It reads them, or may fault.
    Looks,
    /// It writes all, whatever happens.
    Covers,
    /// Nothing.
    Keeps,
}

impl Unit {
    /// The unit of an instruction; `None` for all others, and for those that stay callouts.
    pub fn of(insn: &Insn) -> Option<Self> {
        match insn.code {
            Code::Wait | Code::Fnstsw_AX | Code::Fnstsw_m2byte => return Some(Self::X87),
            Code::Fnstcw_m2byte | Code::Fldcw_m2byte => return Some(Self::X87),
            Code::Emms => return Some(Self::Emms),
            Code::Lfence | Code::Mfence | Code::Sfence => return Some(Self::Fence),
            _ => {}
        }
        if decode::is_x87(insn.code) {
            return Op::new(insn.imm2).map(|_| Self::X87);
        }
        super::simd::encoding(insn).map(Self::Vector)
    }

    fn halves(self, insn: &Insn) -> Half {
        match self {
            Unit::X87 | Unit::Emms => Half::X87,
            Unit::Vector(encoding) => super::simd::halves(&encoding, insn),
            Unit::Fence => Half(0),
        }
    }

    pub(super) fn flags(self, insn: &Insn) -> UnitFlags {
        match self {
            Unit::X87 | Unit::Emms => UnitFlags::Looks,
            Unit::Vector(encoding) => super::simd::flags(&encoding, insn),
            Unit::Fence => UnitFlags::Keeps,
        }
    }
}

/// What a block knows at one of its places.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Units {
    /// Halves that are loaded.
    live: Half,
    /// The site of the last x87 instruction, if that isn't noted yet.
    last: Option<u32>,
    /// The last x87 operand in memory, if its offset isn't noted yet.
    data: Option<Address>,
    /// Its segment, if that isn't noted yet.
    segment: Option<SegReg>,
}

impl Units {
    /// Halves that are loaded, as bits.
    pub fn live(&self) -> u8 {
        self.live.0
    }
}

/// The halves that the first instructions of a block need, up to one that may be a callout.
fn needed_first(items: &[Item]) -> Half {
    let mut needed = Half(0);
    for item in items {
        match item.unit {
            Some(unit) => needed.0 |= unit.halves(&item.insn).0,
            None if item.form.is_some() || item.guest.is_push_or_pop() => {}
            None => break,
        }
    }
    needed
}

impl Emitter<'_> {
    /// Emits an instruction of these families; `None` where it must be a callout.
    pub(super) fn unit(&mut self, item: &Item, unit: Unit, left: u32) -> Option<Kind> {
        match unit {
            Unit::X87 => self.x87(item, left),
            Unit::Vector(encoding) => self.vector(item, &encoding, left),
            Unit::Emms => self.emms(item, left),
            Unit::Fence => Some(Kind::Rewritten),
        }
    }

    /// Loads what the block's first instructions need: a block that is entered by a jump of one
    /// that has loaded it is entered behind this.
    pub(super) fn need_first(&mut self, items: &[Item]) {
        let needed = needed_first(items);
        for half in Half::ALL {
            if needed.has(half) && self.is_usable(half) {
                self.need(half);
            }
        }
    }

    /// Loads a half unless the block knows that it is there. No flag is touched.
    /// ```text
    ///   mov r9, rcx ; mov ecx, [cold] ; jrcxz there ; call [load] ; there: mov rcx, r9
    /// ```
    pub(super) fn need(&mut self, half: Half) {
        if self.units.live.has(half) {
            return;
        }
        let (cold, load) = half.at();
        dynasm!(self.ops
            ; .arch x64
            ; mov r9, rcx
            ; mov ecx, [r15 + cold]
            ; jrcxz >there
            ; call QWORD [r15 + load]
            ; there:
            ; mov rcx, r9
        );
        self.units.live.0 |= half.0;
    }

    /// Behind a callout out of line: loads what the block counts on.
    pub(super) fn load_again(&mut self, units: &Units) {
        for half in Half::ALL {
            if units.live.has(half) {
                dynasm!(self.ops; .arch x64; call QWORD [r15 + half.at().1]);
            }
        }
    }

    /// The operand in memory, and where an exception of the instruction goes: by then the flags
    /// are back where they belong.
    pub(super) fn unit_access(
        &mut self,
        item: &Item,
        left: u32,
        (size, write): (u8, bool),
        back: DynamicLabel,
    ) -> Access {
        let address = Address::of(&item.insn);
        let wanted = Wanted { address, size, write, keep_flags: true };
        let access = self.access(item, left, &wanted, Some(back));
        if access.rm.window {
            return access;
        }
        Access { cold: self.cold(item, left, Some(back)), ..access }
    }

    /// The instruction just emitted was the last of the x87 unit.
    pub(super) fn was_last(&mut self, item: &Item) {
        self.units.last = Some(self.last_cold().site);
        if item.insn.is_mem() {
            self.units.data = Some(Address::of(&item.insn));
            self.units.segment = Some(item.insn.seg);
        }
    }

    /// Notes the operand's offset before its registers change.
    pub(super) fn note_data_pointer(&mut self) {
        if let Some(data) = self.units.data.filter(|data| (data.base, data.index) != (NONE, NONE)) {
            self.store_data_pointer(&data);
            self.units.data = None;
        }
    }

    fn store_data_pointer(&mut self, data: &Address) {
        self.effective_address(data);
        dynasm!(self.ops; .arch x64; mov [r15 + DATA], r8d);
    }

    /// Notes the x87 pointers: what comes next may leave the block.
    pub(super) fn note_pointers(&mut self) {
        let units = self.units;
        self.note_pointers_of(&units);
        self.units = Units { live: units.live, ..Units::default() };
    }

    /// The same for a place that has been left behind.
    pub(super) fn note_pointers_of(&mut self, units: &Units) {
        if let Some(data) = &units.data {
            self.store_data_pointer(data);
        }
        let Some(site) = units.last else { return };
        let number = site as i32 + 1;
        debug_assert!(number < 1 << 24);
        match units.segment {
            Some(segment) => {
                let word = (segment as i32 + 1) << 24 | number;
                dynasm!(self.ops; .arch x64; mov DWORD [r15 + LAST], word);
            }
            // The segment is that of an earlier block's operand.
            None => dynasm!(self.ops
                ; .arch x64
                ; mov WORD [r15 + LAST], number as i16
                ; mov BYTE [r15 + LAST + 2], (number >> 16) as i8
            ),
        }
    }

    /// Emits a host instruction that may raise an exception.
    pub(super) fn raising(&mut self, cold: DynamicLabel, host: &Host) {
        self.expect(cold);
        encode(&mut self.ops, host).expect("no high byte beside REX");
    }

    /// EMMS waits for a pending exception.
    fn emms(&mut self, item: &Item, left: u32) -> Option<Kind> {
        self.is_usable(Half::X87).then_some(())?;
        self.need(Half::X87);
        let back = self.ops.new_dynamic_label();
        let cold = self.cold(item, left, Some(back));
        self.expect(cold);
        dynasm!(self.ops; .arch x64; emms; =>back);
        Some(Kind::Rewritten)
    }

    /// What the mode says about a half.
    pub(super) fn is_usable(&self, half: Half) -> bool {
        use crate::abi::Mode;
        self.source.mode.has(if half.has(Half::X87) { Mode::X87 } else { Mode::SSE })
    }
}
