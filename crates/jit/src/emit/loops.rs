//! A loop as one block: its instructions from the head to the jump back, several rounds of them,
//! charged together. A round that goes on falls into the next; a way out of the loop pays back what
//! was charged and not done. In a short loop the charge and the jumps cost more than the work does.

use super::control::condition;
use super::{DraftEdge, Emitter, Item, Kind, Line, Source, Tools};
use decode::Code;
use dynasm::dynasm;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// Instructions of a loop at most.
const MOST_INSNS: usize = 32;
/// Rounds at most, and instructions of all rounds.
const MOST_ROUNDS: usize = 4;
const MOST_STEPS: usize = 48;
const _: () = assert!(MOST_STEPS as u64 <= crate::callout::NEARLY_SPENT);

/// Rounds that a loop of so many instructions is given.
pub(super) fn copies(insns: usize) -> usize {
    (MOST_STEPS / insns).clamp(1, MOST_ROUNDS)
}

/// A jump to somewhere else than the next instruction of its round.
pub(super) struct Aside {
    label: DynamicLabel,
    /// Steps to be paid back.
    unpaid: u32,
    to: To,
}

enum To {
    /// Out of the loop: the target's EIP, and the halves that are loaded.
    Edge(u32, u8),
    /// Further down in the round.
    Join(DynamicLabel),
}

/// The instructions of the loop at the start of `source`; false if it isn't one that can be made
/// one block: its inner jumps must be conditional, and lead forward or out.
pub(super) fn discover(tools: &mut Tools, source: &Source, items: &mut Vec<Item>) -> bool {
    let mut at = 0;
    while at < source.loop_len as usize && items.len() <= MOST_INSNS {
        if !Item::push(tools, source, at, items) {
            return false;
        }
        at += usize::from(items[items.len() - 1].insn.len);
    }
    let Some((last, inner)) = items.split_last().filter(|(_, inner)| inner.len() < MOST_INSNS)
    else {
        return false;
    };
    let closes = condition(last).is_some() || is_jump(last) || is_loop(last);
    let is_closed =
        closes && at == source.loop_len as usize && target(source, last) == Some(source.eip);
    let ways_out = inner.iter().filter(|item| item.ends());
    let is_plain = |item: &Item| {
        let ahead = target(source, item).map(|target| target.wrapping_sub(source.eip));
        let is_back = |ahead| ahead < item.next().wrapping_sub(source.eip);
        condition(item).is_some() && ahead.is_some_and(|ahead| !is_back(ahead))
    };
    is_closed && ways_out.into_iter().all(is_plain)
}

fn is_jump(item: &Item) -> bool {
    matches!((item.guest.map0f, item.guest.op), (false, 0xE9 | 0xEB))
}

fn is_loop(item: &Item) -> bool {
    matches!(item.insn.code, Code::Loop_rel8_32_ECX)
}

/// Where a direct branch goes, if that lies within CS.
fn target(source: &Source, item: &Item) -> Option<u32> {
    super::control::target(item, source.limit)
}

impl Emitter<'_> {
    /// All rounds of a loop.
    pub(super) fn rounds(&mut self, items: &[Item], copies: usize) {
        let (last, inner) = items.split_last().expect("a loop has its jump");
        let has_units = items.iter().any(|item| item.unit.is_some());
        let mut left = self.steps;
        for round in 0..copies {
            let joins: Vec<_> = items.iter().map(|_| self.ops.new_dynamic_label()).collect();
            let mut is_joined = vec![false; items.len()];
            for (n, item) in inner.iter().enumerate() {
                self.join(joins[n], is_joined[n]);
                if item.ends() {
                    let target = target(self.source, item).expect("seen when it was found");
                    let at = items.iter().position(|item| item.eip == target);
                    // What the units hold at a place must not hang on the way there.
                    let to = match at.filter(|_| !has_units) {
                        Some(at) => {
                            is_joined[at] = true;
                            (To::Join(joins[at]), (at - n - 1) as u32)
                        }
                        None => (To::Edge(target, 0), left - 1),
                    };
                    self.aside(item, 0, to);
                } else {
                    self.line(item, left);
                }
                left -= 1;
            }
            self.join(joins[inner.len()], is_joined[inner.len()]);
            if round + 1 == copies {
                self.line(last, left);
            } else if is_jump(last) {
                self.lines.push(self.here(last));
            } else {
                self.aside(last, 1, (To::Edge(last.next(), 0), left - 1));
            }
            left -= 1;
        }
    }

    /// Jumps lead here, if they do.
    fn join(&mut self, label: DynamicLabel, is_joined: bool) {
        if is_joined {
            self.settle_af();
            self.settle_esp();
            dynasm!(self.ops; .arch x64; =>label);
        }
    }

    fn here(&self, item: &Item) -> Line {
        let (host, guest) = (self.offset() as u32, item.eip.wrapping_sub(self.source.eip));
        Line { host, guest, kind: Kind::Expanded }
    }

    /// Leaves the round where the condition of `item`, turned round if `negate` is 1, holds.
    /// ```text
    ///   jcc aside          or: lea ecx, [rcx-1] ; jecxz out ; jmp next ; out: jmp aside ; next:
    /// ```
    fn aside(&mut self, item: &Item, negate: u8, (to, unpaid): (To, u32)) {
        let line = self.here(item);
        self.lines.push(line);
        self.note_pointers();
        self.settle_af();
        self.settle_esp();
        let to = match to {
            To::Edge(eip, _) => To::Edge(eip, self.units.live()),
            join @ To::Join(_) => join,
        };
        let label = self.ops.new_dynamic_label();
        self.asides.push(Aside { label, unpaid, to });
        match condition(item) {
            Some(condition) => self.jump_if(condition ^ negate, label),
            None => dynasm!(self.ops
                ; .arch x64
                ; lea ecx, [rcx - 1]
                ; jecxz >out
                ; jmp >next
                ; out:
                ; jmp =>label
                ; next:
            ),
        }
    }

    /// The ways that pay back.
    /// ```text
    ///   lea r14, [r14+unpaid] ; jmp edge
    /// ```
    pub(super) fn emit_asides(&mut self) {
        for Aside { label, unpaid, to } in std::mem::take(&mut self.asides) {
            let unpaid = unpaid as i32;
            dynasm!(self.ops; .arch x64; =>label; lea r14, [r14 + unpaid]);
            match to {
                To::Edge(eip, live) => {
                    self.jump_edge(eip);
                    let edge: &mut DraftEdge = self.edges.last_mut().expect("just made");
                    edge.live = live;
                }
                To::Join(label) => dynasm!(self.ops; .arch x64; jmp =>label),
            }
        }
    }
}
