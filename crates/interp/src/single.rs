//! One instruction at a time: fetched byte by byte as the architecture does, with instruction
//! breakpoints, the trap flag, RF and the interrupt shadows (SDM 3A 6.8.3, 3B 17.3).

use crate::cpu::Cpu;
use crate::ops::{self, Claim};
use bus::System;
use decode::{Code, Insn, MAX_LEN, Undecodable};
use mem::Target;
use mmu::Access;
use x86::cause::OpcodeCheck;
use x86::event::Wanted;
use x86::paging::AccessKind;
use x86::state::Shadow;
use x86::{Cause, Cr0, Eflags, Event, Fault, LinAddr, SegReg, Vector};

/// IA32_DEBUGCTL.BTF: under TF only branches that are taken trap (SDM 3B 17.4.3).
const BRANCHES_ONLY: u64 = 1 << 1;
/// DR6.BS.
const SINGLE_STEP: u32 = 1 << 14;

/// Instruction bytes as far as they were fetched.
#[derive(Default)]
struct Fetched {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Cpu {
    /// Carries out one instruction (or one iteration of a REP), or delivers its fault.
    pub(crate) fn single(&mut self, sys: &mut System) {
        let ip = self.state.rip;
        let done = self.single_inner(sys, ip);
        self.events.place(ip as u32);
        if let Err(fault) = done {
            self.state.shadow = Shadow::None;
            self.fail(sys, fault, ip);
        }
    }

    fn single_inner(&mut self, sys: &mut System, ip: u64) -> Result<(), Fault> {
        let rf = self.state.flag(Eflags::RF);
        if self.code_breakpoints && !rf {
            self.check_code_breakpoints()?;
        }
        let mut fetched = Fetched::default();
        let (insn, claim) = self.fetch(sys, &mut fetched)?;
        if self.events.wants(Wanted::INSNS) {
            let (at, addr) = (self.state.place(), LinAddr(self.code_linear(0)));
            let length = insn.len;
            self.emit(Event::Insn { at, addr, bytes: fetched.bytes, length });
        }
        let traps = self.state.flag(Eflags::TF) && !self.interrupts(insn.code);
        let branches_only = self.state.msr.debug_control & BRANCHES_ONLY != 0;
        self.state.set_flag(Eflags::RF, false);
        let shadow = std::mem::take(&mut self.state.shadow);
        // Under TF a REP traps after each iteration.
        let budget_end = self.budget_end;
        if traps || rf || shadow != Shadow::None || self.code_breakpoints {
            self.budget_end = self.steps + 1;
        }
        self.state.rip = ip + u64::from(insn.len);
        let result = claim.on(self.state.model.features)(self, sys, &insn);
        self.budget_end = budget_end;
        result?;
        self.steps += 1;
        if self.state.rip == ip && insn.has(Insn::REP | Insn::REPNE) {
            self.state.set_flag(Eflags::RF, rf || traps);
        }
        let branched = self.state.rip != ip + u64::from(insn.len);
        if traps && (branched || !branches_only) {
            self.state.pending_debug |= SINGLE_STEP;
        }
        if self.wants_look() {
            self.attention = true;
        }
        Ok(())
    }

    /// Whether an instruction about to run raises an interrupt: no single-step trap follows it.
    fn interrupts(&self, code: Code) -> bool {
        let into = code == Code::Into && self.state.arith.of();
        into || matches!(code, Code::Int_imm8 | Code::Int3 | Code::Int1)
    }

    fn wants_look(&self) -> bool {
        self.state.pending_debug != 0
            || self.state.shadow != Shadow::None
            || self.steps >= self.budget_end
    }

    pub(crate) fn code_linear(&self, ahead: u32) -> u64 {
        let base = self.state.segment(SegReg::Cs).base as u32;
        u64::from(base.wrapping_add(self.state.eip()).wrapping_add(ahead))
    }

    fn check_code_breakpoints(&mut self) -> Result<(), Fault> {
        let dr7 = self.state.dr[7];
        let here = self.code_linear(0);
        let hits = (0..4)
            .filter(|n| dr7 >> (2 * n) & 3 != 0 && dr7 >> (16 + 4 * n) & 3 == 0)
            .filter(|n| self.state.dr[*n] == here)
            .fold(0, |bits, n| bits | 1 << n);
        if hits == 0 {
            return Ok(());
        }
        self.report_debug(hits);
        Err(Fault::plain(Vector::Debug))
    }

    /// Fetches and decodes the instruction at CS:EIP: #GP beyond the limit or 15 bytes, #PF,
    /// #UD.
    fn fetch(&mut self, sys: &mut System, f: &mut Fetched) -> Result<(Insn, Claim), Fault> {
        let bits32 = self.state.code32();
        loop {
            self.fetch_more(sys, f)?;
            match self.memo.decode(&f.bytes[..f.len], bits32, Claim::of) {
                Ok(found) => return Ok((found.insn(), *found.value)),
                Err(Undecodable::NeedMore) if f.len < MAX_LEN => {}
                Err(Undecodable::NeedMore) => {
                    let cause = Cause::Opcode { bytes: first(f), why: OpcodeCheck::TooLong };
                    return Err(self.raise(Fault::gp(0), cause));
                }
                // An escape obeys EM and TS before it is undefined (SDM 3B 23.18.6.6).
                Err(Undecodable::Undefined)
                    if decode::is_escape(&f.bytes[..f.len])
                        && self.state.cr0().intersects(Cr0::EM | Cr0::TS) =>
                {
                    return Err(ops::fpu::no_device(self));
                }
                Err(Undecodable::Undefined) => {
                    let cause = Cause::Opcode { bytes: first(f), why: OpcodeCheck::Undefined };
                    return Err(self.raise(Fault::ud(), cause));
                }
            }
        }
    }

    /// Fetches on to the end of the page, the segment or 15 bytes.
    fn fetch_more(&mut self, sys: &mut System, f: &mut Fetched) -> Result<(), Fault> {
        let offset = self.state.rip + f.len as u64;
        let limit = u64::from(self.state.segment(SegReg::Cs).limit);
        if offset > limit {
            return Err(self.beyond_code(offset as u32));
        }
        let lin = self.code_linear(f.len as u32);
        let page = 0x1000 - (lin & 0xFFF);
        let room = (MAX_LEN - f.len) as u64;
        let count = room.min(page).min(limit - offset + 1) as usize;
        let bytes = &mut f.bytes[f.len..f.len + count];
        f.len += count;
        if let Some(at) = self.mmu.view().fetch(lin, self.state.cpl == 3)
            && !self.is_careful
        {
            sys.mem.arena().read(at, bytes);
            return Ok(());
        }
        let access = Access { kind: AccessKind::Fetch, user: self.state.cpl == 3, implicit: false };
        let phys = self.translate(sys, lin, access)?;
        self.mmu.sync(&sys.mem);
        self.mmu.fill(&sys.mem, LinAddr(lin), access);
        sys.mem.read_phys(phys, bytes);
        Ok(())
    }

    /// Where in guest memory the code at `lin` lies; `None` if it faults, or lies elsewhere.
    pub(crate) fn fetch_offset(&mut self, sys: &mut System, lin: u64) -> Option<u64> {
        let access = Access { kind: AccessKind::Fetch, user: self.state.cpl == 3, implicit: false };
        let phys = self.mmu.translate(&mut sys.mem, LinAddr(lin), access).ok()?;
        if sys.mem.has_code_writes() {
            // The tables lie among code, and A was set: what is known of the code may be void.
            self.attention = true;
            return None;
        }
        let Target::Memory { offset, .. } = sys.mem.resolve(phys) else {
            return None;
        };
        self.mmu.sync(&sys.mem);
        self.mmu.fill(&sys.mem, LinAddr(lin), access);
        Some(offset)
    }
}

fn first(f: &Fetched) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&f.bytes[..8]);
    bytes
}
