//! Translation of one block: guest instructions in, host code out.
//!
//! Invariant: before each guest instruction the guest's registers and flags are where
//! [`crate::abi`] says, so that any of them can be left to the interpreter.

mod control;
mod door;
pub(crate) mod flags;
mod fpu;
mod item;
mod loops;
mod memory;
mod plain;
mod simd;
mod stack;
mod string;
mod tools;
mod x87;

pub(crate) use control::emit_by_cache;
pub(crate) use item::{Item, Template};

use crate::abi::{Exit, Mode, at};
use crate::arena::METER;
use crate::asm::Ops;
use crate::block::{After, Site, touches_flags};
use decode::Insn;
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use std::mem::take;
pub use tools::Tools;
use x86::Features;

/// What a block is made from.
pub struct Source<'a> {
    /// Its bytes, to the end of the page.
    pub bytes: &'a [u8],
    /// EIP of the first.
    pub eip: u32,
    /// Its offset in the page.
    pub page_offset: u32,
    /// The limit of CS.
    pub limit: u32,
    /// The mode.
    pub mode: Mode,
    /// What this processor has.
    pub features: Features,
    /// Offset of the block in guest memory's arena.
    pub place: u64,
    /// Instructions, by their offsets in the arena, that must not use a window.
    pub soft: &'a std::collections::HashSet<u64>,
    /// The most instructions that the block may hold.
    pub most: usize,
    /// The number by which it counts its executions, if it does.
    pub counter: Option<u32>,
    /// Bytes of the loop that begins here, to be made one block; 0 to end at the first jump.
    pub loop_len: u32,
}

/// An edge, before its block has a place.
#[derive(Clone, Copy, Debug)]
pub struct DraftEdge {
    /// Offset of the displacement of its jump.
    pub patch: usize,
    /// Offset of its stub.
    pub stub: usize,
    /// The target's EIP.
    pub eip: u32,
    /// The target lies in the same page.
    pub near: bool,
    /// Halves of the x87 and SSE state that are loaded there: see [`crate::fpu`].
    pub live: u8,
}

/// A block, before it has a place.
#[derive(Default)]
pub struct Draft {
    /// Host code.
    pub code: Vec<u8>,
    /// Bytes of guest code.
    pub len: u32,
    /// Steps.
    pub steps: u32,
    /// Its first instruction is a REP.
    pub repeats: bool,
    /// Bytes of the loop that it is; 0 if it is none.
    pub loop_len: u32,
    /// Halves of the x87 and SSE state that it loads on entry.
    pub needs: u8,
    /// Where to enter it if they are loaded: offset.
    pub inner: u32,
    /// Edges, in the order of their numbers.
    pub edges: Vec<DraftEdge>,
    /// Offsets of host instructions that may fault, and of the stubs for them.
    pub expected: Vec<(u32, u32)>,
    /// Where each guest instruction's host code begins.
    pub lines: Vec<Line>,
    /// Bytes of host code in line: stubs lie behind.
    pub hot: u32,
}

/// Where a guest instruction's host code begins.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Offset in the host code.
    pub host: u32,
    /// Offset in the guest code.
    pub guest: u32,
    /// How it was translated.
    pub kind: Kind,
}

/// How a guest instruction is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One host instruction of the same form.
    Rewritten,
    /// A sequence.
    Expanded,
    /// A call of the interpreter's function.
    Callout,
}

/// Where a software-TLB site goes that missed, and where on with what was found.
#[derive(Clone, Copy)]
struct Miss {
    label: DynamicLabel,
    found: DynamicLabel,
    /// Size and kind of the access, as [`crate::miss`] takes them.
    kind: i32,
}

/// Code that is jumped to rarely, behind the block.
struct Cold {
    /// What comes first, if a software TLB missed.
    miss: Option<Miss>,
    label: DynamicLabel,
    /// Where it goes on; `None` if the instruction ends the block.
    back: Option<DynamicLabel>,
    /// The guest's flags are in r11, as LAHF and SETO left them.
    flags_in_r11: bool,
    /// This byte register and its high half are swapped.
    swapped: Option<u8>,
    site: u32,
    /// EIP of the next instruction.
    next: u32,
    /// What the block knows of the host's x87 and SSE units there.
    units: fpu::Units,
    /// What ESP is ahead of r12 there, and at `back`.
    esp: i32,
    esp_back: i32,
}

/// Where a return comes that the return ring sent.
struct Landing {
    label: DynamicLabel,
    /// The EIP behind the call.
    eip: u32,
}

/// The state of a translation.
pub(crate) struct Emitter<'a> {
    pub(crate) ops: Ops,
    tools: &'a mut Tools,
    source: &'a Source<'a>,
    sites: &'a mut Vec<Site>,
    first_edge: u32,
    /// Where the budget check goes that fails.
    short: DynamicLabel,
    cold: Vec<Cold>,
    edges: Vec<DraftEdge>,
    labels: Vec<DynamicLabel>,
    landings: Vec<Landing>,
    asides: Vec<loops::Aside>,
    expected: Vec<(usize, DynamicLabel)>,
    /// AF in RFLAGS is to be taken for clear.
    af_clear: bool,
    /// What ESP is ahead of r12: pushes and pops move it, and r12 follows where somebody looks.
    esp: i32,
    units: fpu::Units,
    steps: u32,
    lines: Vec<Line>,
}

/// Translates the block at the start of `source`; `None` where its first instruction must be
/// taken alone. `first_edge` is the number that its first edge will have.
pub fn translate(
    tools: &mut Tools,
    source: &Source,
    base: usize,
    sites: &mut Vec<Site>,
    first_edge: u32,
) -> Option<Draft> {
    let mut items = take(&mut tools.items);
    let is_one = discover(tools, source, &mut items);
    item::mark_dead(&mut items);
    let draft = is_one.then(|| Emitter::new(tools, source, base, sites, first_edge).block(&items));
    tools.items = items;
    draft.flatten()
}

/// The instructions of the block: to the first that ends it, the end of the page or of CS.
/// False where a loop was asked for and there is none.
fn discover(tools: &mut Tools, source: &Source, items: &mut Vec<Item>) -> bool {
    items.clear();
    if source.loop_len != 0 {
        return loops::discover(tools, source, items);
    }
    let mut at = 0;
    while items.len() < source.most {
        if !Item::push(tools, source, at, items) {
            break;
        }
        let last = &items[items.len() - 1].insn;
        at += usize::from(last.len);
        if last.has(Insn::ENDS_BLOCK) {
            break;
        }
    }
    true
}

impl After {
    fn of(item: &Item) -> Self {
        let g = &item.guest;
        let loads_segment = match (g.map0f, g.op) {
            (false, 0x07 | 0x17 | 0x1F | 0x8E | 0xC4 | 0xC5) => true,
            (true, 0xA1 | 0xA9 | 0xB2 | 0xB4 | 0xB5) => true,
            // The x87 control word decides whether the unit may be used.
            (false, 0xD9 | 0xDD) => item.insn.is_mem() && g.digit() >= 4,
            (false, 0xDB) => g.modrm == 0xE3,
            (true, 0xAE) => g.digit() == 1,
            // Control registers and the machine status word.
            (true, 0x00..=0x0F | 0x20..=0x26 | 0x30..=0x37) => true,
            _ => false,
        };
        let is_string = !g.map0f && matches!(g.op, 0x6C..0x70 | 0xA4..0xA8 | 0xAA..0xB0);
        if item.insn.has(Insn::ENDS_BLOCK) && !is_string {
            Self::Leaves
        } else if loads_segment {
            Self::Mode
        } else {
            Self::Plain
        }
    }
}

impl<'a> Emitter<'a> {
    fn new(
        tools: &'a mut Tools,
        source: &'a Source<'a>,
        base: usize,
        sites: &'a mut Vec<Site>,
        first_edge: u32,
    ) -> Self {
        let mut ops = take(&mut tools.ops);
        ops.restart(base, take(&mut tools.draft.code));
        let short = ops.new_dynamic_label();
        let (mut edges, mut lines) = (take(&mut tools.draft.edges), take(&mut tools.draft.lines));
        edges.clear();
        lines.clear();
        Emitter {
            ops,
            source,
            sites,
            first_edge,
            short,
            cold: take(&mut tools.cold),
            edges,
            labels: take(&mut tools.labels),
            landings: take(&mut tools.landings),
            asides: Vec::new(),
            expected: take(&mut tools.expected),
            af_clear: false,
            esp: 0,
            units: fpu::Units::default(),
            steps: 0,
            lines,
            tools,
        }
    }

    /// Translates a block of these instructions; `None` if there are none.
    fn block(mut self, items: &[Item]) -> Option<Draft> {
        let (first, last) = (items.first()?, items.last()?);
        let len = last.next().wrapping_sub(self.source.eip);
        let copies = if self.source.loop_len == 0 { 1 } else { loops::copies(items.len()) };
        self.steps = (items.len() * copies) as u32;
        self.need_first(items);
        let (needs, inner) = (self.units.live(), self.offset() as u32);
        self.charge();
        self.count(self.source.counter);
        if self.source.loop_len == 0 {
            self.body(items);
        } else {
            self.rounds(items, copies);
        }
        let repeats = first.insn.has(Insn::REP | Insn::REPNE);
        self.finish(len, repeats, (needs, inner))
    }
}

impl Emitter<'_> {
    fn offset(&self) -> usize {
        self.ops.offset().0
    }

    /// Charges the block's steps without touching a flag; leaves if they aren't there.
    /// ```text
    ///   lea r14, [r14-n] ; mov r8d, [r15+r14+METER]    faults where r14 < 0
    /// ```
    fn charge(&mut self) {
        let n = self.steps as i32;
        dynasm!(self.ops; .arch x64; lea r14, [r14 - n]);
        self.expect(self.short);
        dynasm!(self.ops; .arch x64; mov r8d, [r15 + r14 + METER]);
    }

    /// The instruction emitted next may fault; it then goes on at `label`.
    fn expect(&mut self, label: DynamicLabel) {
        let offset = self.offset();
        self.expected.push((offset, label));
    }

    fn body(&mut self, items: &[Item]) {
        for (n, item) in items.iter().enumerate() {
            self.line(item, self.steps - n as u32);
        }
        if let Some(last) = items.last().filter(|last| !last.ends()) {
            self.settle_af();
            self.note_pointers();
            self.jump_edge(last.next());
        }
    }

    /// One instruction, and where it lies.
    fn line(&mut self, item: &Item, left: u32) {
        let (host, guest) = (self.offset() as u32, item.eip.wrapping_sub(self.source.eip));
        let first_cold = self.cold.len();
        let kind = self.item(item, left);
        self.cold[first_cold..].iter_mut().for_each(|cold| cold.esp_back = self.esp);
        self.lines.push(Line { host, guest, kind });
    }

    /// One instruction.
    fn item(&mut self, item: &Item, left: u32) -> Kind {
        if let Some(ready) = item.ready.as_ref().filter(|ready| !ready.if_dead || item.dead) {
            self.ready(item, ready);
            return Kind::Rewritten;
        }
        if item.ends() {
            self.note_pointers();
        } else if item.unit.is_none() {
            self.note_data_pointer();
        }
        if !self.goes_ahead(item) {
            self.settle_esp();
        }
        let made = match (&item.form, item.unit) {
            (Some(form), _) => self.plain(item, form, left),
            (None, Some(unit)) => self.unit(item, unit, left),
            (None, None) => self
                .stack(item, left)
                .or_else(|| self.control(item, left))
                .or_else(|| self.string(item, left)),
        };
        made.unwrap_or_else(|| self.callout(item, left))
    }

    /// Leaves the instruction to the interpreter, in line.
    fn callout(&mut self, item: &Item, left: u32) -> Kind {
        let after = After::of(item);
        let site = self.site(item, left, after);
        self.settle_esp();
        self.note_pointers();
        self.call(site);
        self.units = fpu::Units::default();
        self.af_clear = false;
        if item.ends() {
            // Only an instruction that goes on at the next comes back here.
            self.jump_edge(item.next());
        }
        Kind::Callout
    }

    /// Where an instruction's bytes lie in guest memory's arena.
    fn place(&self, item: &Item) -> u64 {
        self.source.place + u64::from(item.eip.wrapping_sub(self.source.eip))
    }

    fn call(&mut self, site: u32) {
        dynasm!(self.ops
            ; .arch x64
            ; mov r8d, site as i32
            ; call QWORD [r15 + at::CALLOUT]
        );
    }

    fn site(&mut self, item: &Item, left: u32, after: After) -> u32 {
        let run = item.claim.on(self.source.features);
        let (insn, eip, af_clear) = (item.insn, item.eip, self.af_clear);
        let (place, refusals, calls, flags) =
            (self.place(item), 0, 0, touches_flags(item.form.as_ref(), item.insn.code));
        let way = crate::turn::way(insn.code);
        let site =
            Site { insn, run, eip, left, flags, af_clear, after, place, refusals, calls, way };
        self.sites.push(site);
        self.sites.len() as u32 - 1
    }

    /// Where to go when the emitted code can't carry out `item`: the interpreter does, and the
    /// block goes on at `back`.
    fn cold(&mut self, item: &Item, left: u32, back: Option<DynamicLabel>) -> DynamicLabel {
        let label = self.ops.new_dynamic_label();
        let site = self.site(item, left, if back.is_some() { After::Plain } else { After::Leaves });
        let next = item.next();
        let (units, esp) = (self.units, self.esp);
        self.cold.push(Cold {
            miss: None,
            label,
            back,
            flags_in_r11: false,
            swapped: None,
            site,
            next,
            units,
            esp,
            esp_back: esp,
        });
        label
    }

    /// A jump to a block.
    fn jump_edge(&mut self, eip: u32) {
        self.settle_esp();
        self.ops.push(0xE9);
        self.ops.push_i32(0);
        self.edge_here(eip);
    }

    /// The four bytes just emitted are the displacement of a jump to a block.
    fn edge_here(&mut self, eip: u32) {
        let (patch, near, live) = (self.offset() - 4, self.is_near(eip), self.units.live());
        self.edges.push(DraftEdge { patch, stub: 0, eip, near, live });
        let label = self.ops.new_dynamic_label();
        self.labels.push(label);
    }

    fn finish(mut self, len: u32, repeats: bool, entry: (u8, u32)) -> Option<Draft> {
        let (needs, inner) = entry;
        let mut cold = take(&mut self.cold);
        let hot = self.offset() as u32;
        self.emit_short();
        cold.iter().for_each(|c| self.emit_cold(c));
        self.emit_asides();
        // What the callee left loaded isn't known.
        self.units = fpu::Units::default();
        let mut landings = take(&mut self.landings);
        landings.iter().for_each(|l| self.emit_landing(l));
        let (mut edges, mut labels) = (take(&mut self.edges), take(&mut self.labels));
        for (number, (edge, label)) in (self.first_edge..).zip(edges.iter_mut().zip(&labels)) {
            let label = *label;
            edge.stub = self.offset();
            let (number, target) = ((number + Exit::EDGES) as i32, edge.eip as i32);
            if !edge.near {
                // Another page: its translation may change, the jump cache knows.
                dynasm!(self.ops; .arch x64; =>label; mov r9d, target);
                self.leave_for_r9();
                continue;
            }
            dynasm!(self.ops
                ; .arch x64
                ; =>label
                ; mov DWORD [r15 + at::EIP], target
                ; mov r8d, number
                ; jmp QWORD [r15 + at::EXIT_EDGE]
            );
        }
        let mut expected = take(&mut self.tools.draft.expected);
        expected.clear();
        for (at, label) in &self.expected {
            expected.push((*at as u32, self.ops.place(*label)? as u32));
        }
        let (steps, lines) = (self.steps, self.lines);
        let mut code = self.ops.finish()?;
        for edge in &edges {
            let displacement = edge.stub as i32 - edge.patch as i32 - 4;
            code[edge.patch..edge.patch + 4].copy_from_slice(&displacement.to_le_bytes());
        }
        cold.clear();
        labels.clear();
        landings.clear();
        self.expected.clear();
        let tools = self.tools;
        (tools.ops, tools.cold, tools.labels) = (self.ops, cold, labels);
        (tools.landings, tools.expected) = (landings, self.expected);
        let loop_len = self.source.loop_len;
        Some(Draft {
            code,
            len,
            steps,
            repeats,
            loop_len,
            needs,
            inner,
            edges,
            expected,
            lines,
            hot,
        })
    }

    /// True where `eip` lies in the page of the block.
    fn is_near(&self, eip: u32) -> bool {
        let ahead = eip.wrapping_sub(self.source.eip);
        self.source.page_offset.wrapping_add(ahead) < 0x1000
    }

    fn emit_short(&mut self) {
        let (n, entry) = (self.steps as i32, self.source.eip as i32);
        dynasm!(self.ops
            ; .arch x64
            ; =>self.short
            ; lea r14, [r14 + n]
            ; mov DWORD [r15 + at::EIP], entry
            ; mov r8d, Exit::SHORT as i32
            ; jmp QWORD [r15 + at::EXIT_EDGE]
        );
    }

    fn emit_cold(&mut self, cold: &Cold) {
        if let Some(miss) = cold.miss {
            dynasm!(self.ops
                ; .arch x64
                ; =>miss.label
                ; mov r9d, miss.kind
                ; call QWORD [r15 + at::MISS]
                ; test r8, r8
                ; jnz =>miss.found
            );
        }
        dynasm!(self.ops; .arch x64; =>cold.label);
        if let Some(low) = cold.swapped {
            self.swap_halves(low);
        }
        if cold.flags_in_r11 {
            self.flags_from_r11();
        }
        self.note_pointers_of(&cold.units);
        self.move_r12(cold.esp);
        self.call(cold.site);
        match cold.back {
            Some(back) => {
                self.move_r12(-cold.esp_back);
                self.load_again(&cold.units);
                dynasm!(self.ops; .arch x64; jmp =>back);
            }
            // A transfer to the next instruction comes back here.
            None => dynasm!(self.ops
                ; .arch x64
                ; mov DWORD [r15 + at::EIP], cold.next as i32
                ; jmp QWORD [r15 + at::EXIT_DISPATCH]
            ),
        }
    }
}
