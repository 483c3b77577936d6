//! Delivery of faults, traps and interrupts: the double-fault table, shutdown, and what the
//! architecture does around the gate itself (SDM 3A 6.9, 6.15, 17.3).

use crate::cpu::{Cpu, Link};
use crate::ops::interrupt::interrupt;
use bus::System;
use x86::event::{Source, Wanted};
use x86::fault::{Class, Nesting, nest};
use x86::state::Activity;
use x86::{Cause, Eflags, Event, Fault, LinAddr, Vector};

impl Cpu {
    /// A fault of the instruction at `ip`: puts RIP back, and delivers it.
    #[cold]
    pub(crate) fn fail(&mut self, sys: &mut System, fault: Fault, ip: u64) {
        if !std::mem::take(&mut self.keep_rip) {
            self.state.rip = ip;
        }
        self.attention = true;
        self.state.repeat_flags = None;
        // All fault-class exceptions but an instruction breakpoint itself push RF set, so that
        // the instruction can be restarted past its breakpoint (SDM 3B 17.3.1.1).
        let breakpoint = matches!(self.cause, Cause::Debug { dr6 } if dr6 & 0xF != 0);
        let rf = self.state.flag(Eflags::RF);
        if fault.vector != Vector::Debug || !breakpoint {
            self.state.set_flag(Eflags::RF, true);
        }
        if fault.vector == Vector::InvalidOpcode {
            self.show_opcode(sys);
        }
        self.deliver_fault(sys, fault, Class::Benign, None);
        if self.state.activity == Activity::Shutdown {
            // RF was for the image that is pushed; none was.
            self.state.set_flag(Eflags::RF, rf);
        }
    }

    /// Puts the bytes at CS:EIP into the evidence of an instruction that its own handler found
    /// undefined: it doesn't see them.
    fn show_opcode(&mut self, sys: &System) {
        let Cause::Opcode { bytes, why } = self.cause else { return };
        if bytes != [0; 8] {
            return;
        }
        self.cause = Cause::Opcode { bytes: self.opcode_bytes(sys), why };
    }

    /// The bytes at CS:EIP, as far as they are there.
    #[inline]
    pub(crate) fn opcode_bytes(&self, sys: &System) -> [u8; 8] {
        let lin = self.code_linear(0);
        let known = self.mmu.view().fetch(lin, self.state.cpl == 3);
        if let Some(place) = known.filter(|_| lin & 0xFFF <= 0xFF8) {
            return sys.mem.arena().load(place);
        }
        let mut bytes = [0; 8];
        self.peek(sys, LinAddr(lin), &mut bytes);
        bytes
    }

    /// Delivers a fault that was raised during something of class `during`.
    fn deliver_fault(&mut self, sys: &mut System, fault: Fault, during: Class, vector: Option<u8>) {
        if during == Class::Benign {
            self.chain.clear();
        }
        let (mut during, mut vector) = (during, vector);
        let mut fault = fault;
        loop {
            self.note_fault(fault, vector);
            let next = match nest(during, fault.vector.class()) {
                Nesting::Serial => fault,
                Nesting::DoubleFault => Fault::plain(Vector::DoubleFault),
                Nesting::Shutdown => return self.shut_down(),
            };
            let number = next.vector as u8;
            let code = next.vector.has_error_code().then_some(next.code);
            match interrupt(self, sys, number, Source::Exception, code) {
                Ok(()) => {
                    self.steps += 1;
                    return;
                }
                Err(nested) => {
                    self.keep_rip = false;
                    during = next.vector.class();
                    vector = Some(number);
                    fault = nested;
                }
            }
        }
    }

    fn note_fault(&mut self, fault: Fault, during: Option<u8>) {
        let at = self.state.place();
        let cr2 = self.state.cr2 as u32;
        if self.chain.len() < 4 {
            self.chain.push(Link { fault, cause: self.cause, at, cr2 });
        }
        if self.events.wants(Wanted::FAULTS) {
            self.emit(Event::Fault { fault, why: self.cause, at, cr2, during });
        }
    }

    fn shut_down(&mut self) {
        self.state.activity = Activity::Shutdown;
        self.steps += 1;
        let at = self.state.place();
        self.emit(Event::Shutdown { at });
        self.attention = true;
    }

    /// Delivers an interrupt or NMI; wakes from HLT.
    pub(crate) fn deliver_interrupt(&mut self, sys: &mut System, vector: u8, source: Source) {
        self.state.activity = Activity::Running;
        self.state.repeat_flags = None;
        self.chain.clear();
        match interrupt(self, sys, vector, source, None) {
            Ok(()) => self.steps += 1,
            Err(fault) => {
                self.keep_rip = false;
                self.deliver_fault(sys, fault, Class::Benign, Some(vector));
            }
        }
    }

    /// Delivers the debug trap that waits: sets DR6, clears DR7.GD (SDM 3B 17.2.3, 17.3.1).
    pub(crate) fn deliver_debug_trap(&mut self, sys: &mut System) {
        let bits = std::mem::take(&mut self.state.pending_debug);
        self.report_debug(bits);
        self.state.activity = Activity::Running;
        self.state.repeat_flags = None;
        self.deliver_fault(sys, Fault::plain(Vector::Debug), Class::Benign, None);
    }

    /// Shows debug conditions in DR6, and lets the handler touch the debug registers.
    pub(crate) fn report_debug(&mut self, bits: u32) {
        self.state.dr[6] = self.state.dr[6] & !0xF | u64::from(bits);
        self.state.dr[7] &= !(1 << 13);
        // Branches are neither recorded nor waited for in the handler (SDM 3B 17.4.1).
        self.state.msr.debug_control &= !3;
        self.cause = Cause::Debug { dr6: bits };
    }
}
