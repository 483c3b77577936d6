//! Crossings for an engine that keeps the status flags by itself and knows what goes on behind: what
//! was noted ([`super::notes`]) is followed, and nothing is left to be looked at on the boundary.
//!
//! Invariant: what isn't so in every respect is refused before anything has changed, and the
//! instruction's handler does it.

use super::notes::{self, Frame};
use super::plain::{self, Vectored};
use crate::cpu::{Cpu, Link};
use bus::System;
use decode::Insn;
use x86::cause::OpcodeCheck;
use x86::event::{Source, Wanted};
use x86::{Cause, Eflags, Fault, Intercept, Selector, Vector};

/// Flags that IRETD may not bring: what they mean for the instruction behind it is looked at.
const LOOKED_AT: Eflags = Eflags::TF.union(Eflags::VM).union(Eflags::AC).union(Eflags::VIP);
/// What may be set beforehand.
const UNUSUAL: Eflags = Eflags::NT.union(Eflags::AC).union(Eflags::VIP).union(Eflags::TF);

impl Cpu {
    /// True where nothing waits, nobody wants to be told, and AC doesn't count: see [`super::pass`].
    #[inline(always)]
    fn may_pass(&self) -> bool {
        let tells = Wanted::CROSSINGS | Wanted::CALLOUTS | Wanted::INSNS;
        !self.attention && !self.events.wants(tells) && !self.state.flag(UNUSUAL)
    }

    /// The number of the crossing followed last; 0 if there was none since [`Cpu::forget_followed`].
    #[inline(always)]
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.notes.followed
    }

    /// See [`Cpu::followed`].
    #[inline(always)]
    pub fn forget_followed(&mut self) {
        self.notes.followed = 0;
    }

    /// INT n, with RIP behind it; `status` are the status flags.
    #[inline(always)]
    pub fn pass_int(&mut self, sys: &mut System, vector: u8, status: u32) -> bool {
        let v = Vectored { vector, is_software: true, source: Source::Software, error_code: None };
        let done = self.may_pass() && notes::follow_handler(self, sys, v, status).is_some();
        self.callouts[Intercept::Int as usize] += u64::from(done);
        done
    }

    /// #UD of UD2, with RIP behind it; `status` are the status flags.
    #[inline(always)]
    pub fn pass_undefined(&mut self, sys: &mut System, insn: &Insn, status: u32) -> bool {
        if !self.may_pass() || self.events.wants(Wanted::FAULTS) {
            return false;
        }
        let (vector, source) = (Vector::InvalidOpcode as u8, Source::Exception);
        let v = Vectored { vector, is_software: false, source, error_code: None };
        let next = self.state.rip;
        self.state.rip = u64::from(self.start_ip(insn));
        let (at, bytes) = (self.state.place(), self.opcode_bytes(sys));
        if notes::follow_handler(self, sys, v, status | Eflags::RF.bits()).is_none() {
            self.state.rip = next;
            return false;
        }
        let cause = Cause::Opcode { bytes, why: OpcodeCheck::Deliberate };
        self.cause = cause;
        self.state.repeat_flags = None;
        self.chain.clear();
        let cr2 = self.state.cr2 as u32;
        self.chain.push(Link { fault: Fault::ud(), cause, at, cr2 });
        true
    }

    /// CALL through a gate, with RIP behind it.
    #[inline(always)]
    pub fn pass_gate(&mut self, sys: &mut System, selector: Selector) -> bool {
        let done = self.may_pass() && notes::follow_gate(self, sys, selector).is_some();
        self.callouts[Intercept::FarCall as usize] += u64::from(done);
        done
    }

    /// RETF with 32-bit words, which drops `drop` bytes.
    #[inline(always)]
    pub fn pass_far_return(&mut self, sys: &System, drop: u32) -> bool {
        let Some(frame) = self.may_pass().then(|| Frame::<2>::of(self, sys, drop)).flatten() else {
            return false;
        };
        frame.follow(self);
        self.callouts[Intercept::FarRet as usize] += 1;
        true
    }

    /// The frame of an IRETD that may be passed. RF comes with its flags: see [`Cpu::pass_boundary`].
    #[inline(always)]
    #[must_use]
    pub fn iret_frame(&self, sys: &System) -> Option<Frame<3>> {
        let may = self.may_pass() && !self.state.nmi_pending;
        let frame = may.then(|| Frame::<3>::of(self, sys, 0))??;
        let [.., eflags] = frame.words;
        let new = Eflags::from_bits_truncate(eflags);
        let opens = new.contains(Eflags::IF) && sys.bus.interrupt_pending();
        (!opens && !new.intersects(LOOKED_AT)).then_some(frame)
    }

    /// IRETD by a frame. The status flags are the caller's to take from it.
    #[inline(always)]
    pub fn pass_iret(&mut self, frame: &Frame<3>) {
        let eflags = frame.words[2];
        let mask = (plain::taken_flags(self) - Eflags::STATUS).bits();
        let there = (self.state.model.eflags() - Eflags::STATUS).bits();
        let flags = self.state.system_flags & !mask | eflags & mask & there;
        self.state.system_flags = flags;
        self.state.nmi_masked = false;
        self.callouts[Intercept::Iret as usize] += 1;
        frame.follow(self);
    }
}
