//! From emitted code to the interpreter and back: one guest instruction, with exact RIP, steps
//! and flags.

use crate::abi::{Context, Exit, Mode};
use crate::block::{After, Site};
use crate::door::{Before, Door};
use crate::jumps::{CodeView, Jumps};
use crate::turn::Way;
use crate::window::Windows;
use bus::System;
use interp::Cpu;
use x86::{Arith, Eflags, Fault, SegReg};

/// The status flags as emitted code keeps them in [`Context::flags`].
#[must_use]
pub fn pack(arith: Arith) -> u32 {
    let flags = arith.flags();
    (flags & 0xFF) << 8 | flags >> 11 & 1
}

/// And back.
#[must_use]
pub fn unpack(flags: u32) -> Arith {
    Arith::from_flags(flags >> 8 & 0xFF | (flags & 1) << 11)
}

const AF: u32 = 1 << 12;

impl Context {
    /// Takes over what emitted code needs of the processor's mode.
    #[inline]
    pub fn refresh(&mut self, cpu: &Cpu, window: bool) {
        let mode = Mode::of(cpu, window);
        // Of a flat segment nothing is looked up.
        if !mode.is_all_flat() {
            self.take_segments(cpu, mode);
        }
        self.tlb = cpu.mmu.view().table(cpu.state.cpl == 3) as u64;
        self.mode = mode.0;
        self.version = cpu.mmu.view().version();
    }

    #[inline(always)]
    pub(crate) fn take_segments(&mut self, cpu: &Cpu, mode: Mode) {
        // Code can't be written: of flat segments it is the one that is looked up.
        if mode.is_flat_but_code() {
            return self.take_segment(cpu, SegReg::Cs);
        }
        for s in SegReg::ALL.into_iter().filter(|s| !mode.flat(*s)) {
            self.take_segment(cpu, s);
        }
    }

    #[inline(always)]
    fn take_segment(&mut self, cpu: &Cpu, s: SegReg) {
        let n = s as usize;
        self.base[n] = u64::from(cpu.state.segment(s).base as u32);
        (self.read_end[n], self.write_end[n]) = cpu.segment_ends(s);
    }

    /// Takes over all that can change while emitted code isn't running: the processor's mode,
    /// the window, and where its jumps are looked up.
    #[inline]
    pub fn renew(&mut self, cpu: &Cpu, sys: &System, windows: &mut Windows, jumps: &mut Jumps) {
        if self.visited != 0 {
            windows.visited(std::mem::take(&mut self.visited));
        }
        let window = windows.base(cpu, sys);
        let is_user_open = u32::from(window.is_some());
        let has_changed = cpu.state.cpl == 3 && is_user_open != self.user_window;
        if has_changed || !windows.are_visits_short() || cpu.tells_sysenter() {
            self.user_window = if cpu.state.cpl == 3 { is_user_open } else { self.user_window };
            self.doors = [Door::SHUT; 2];
        }
        self.refresh(cpu, window.is_some());
        // Without a window the one before stays: nothing is accessed through it.
        self.window = window.unwrap_or(self.window);
        self.seen = sys.mem.states().seen();
        self.code_view = jumps.number(CodeView::of(cpu, Mode(self.mode)));
        self.ring = jumps.ring();
        if jumps.has_lost() {
            self.doors = [Door::SHUT; 2];
        }
    }

    /// The step at which the processor is, with `left` of the block's steps not yet done.
    #[must_use]
    pub fn steps(&self, left: u32) -> u64 {
        self.end.wrapping_sub((self.budget + i64::from(left)) as u64)
    }
}

/// Carries out the instruction of a site. Called by emitted code, registers spilled.
///
/// # Safety
/// `context` is the one whose emitted code called, with the processor and system that the run
/// was given; nobody else uses them meanwhile.
pub unsafe extern "sysv64" fn callout(context: *mut Context, site: u32) -> u32 {
    // SAFETY: the caller's promise. The pointers were made from `&mut` that `Jit::run` holds and
    // doesn't use while emitted code runs; the site's number was emitted for this table.
    let (context, cpu, sys, site) = unsafe {
        let context = &mut *context;
        let (cpu, sys) = (&mut *context.cpu, &mut *context.sys);
        let site = &mut *context.sites.add(site as usize);
        (context, cpu, sys, site)
    };
    context.callouts += 1;
    site.calls += 1;
    if let Some(way) = site.way {
        return by_note(context, cpu, sys, site, way);
    }
    carry_out_counted(context, cpu, sys, site)
}

#[inline(never)]
fn carry_out_counted(
    context: &mut Context,
    cpu: &mut Cpu,
    sys: &mut System,
    site: &mut Site,
) -> u32 {
    let before = context.steps(site.left);
    let exit = carry_out(context, cpu, sys, site);
    context.callout_steps += cpu.steps - before;
    exit
}

/// A crossing that was seen before, as the processor noted it; else [`carry_out`].
#[inline(always)]
fn by_note(
    context: &mut Context,
    cpu: &mut Cpu,
    sys: &mut System,
    site: &mut Site,
    way: Way,
) -> u32 {
    cpu.steps = context.steps(site.left);
    cpu.state.rip = u64::from(site.eip.wrapping_add(u32::from(site.insn.len)));
    if site.af_clear {
        context.flags &= !AF;
    }
    // SAFETY: as in `go_on`.
    let (windows, jumps) = unsafe { (&mut *context.windows, &mut *context.cache) };
    if !way(context, cpu, sys, site) {
        return carry_out_counted(context, cpu, sys, site);
    }
    cpu.steps += 1;
    context.callout_steps += 1;
    context.turn(cpu, sys, windows, jumps, cpu.followed());
    find(context, cpu, jumps)
}

fn carry_out(context: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &mut Site) -> u32 {
    let next = site.eip.wrapping_add(u32::from(site.insn.len));
    cpu.steps = context.steps(site.left);
    cpu.state.rip = u64::from(next);
    if site.af_clear {
        context.flags &= !AF;
    }
    cpu.forget_followed();
    if site.flags {
        cpu.state.arith = unpack(context.flags);
    }
    let before = Before::of(context, cpu, site);
    let done = (site.run)(cpu, sys, &site.insn);
    cpu.events.place(site.eip);
    if let Err(fault) = done {
        return fail(context, cpu, sys, site, fault);
    }
    if site.flags {
        context.flags = pack(cpu.state.arith);
    }
    cpu.steps += 1;
    let refused = std::mem::take(&mut context.refused);
    if refused != 0 && !fill_window(context, cpu, sys, (refused - 1) as u32) {
        site.refusals += 1;
        if site.refusals == REFUSALS {
            context.soften = site.place + 1;
            return leave(context, cpu);
        }
    }
    let is_stale =
        cpu.mmu.view().version() != context.version || sys.mem.states().seen() != context.seen;
    let leaves = site.after == After::Leaves || cpu.state.rip != u64::from(next);
    if cpu.wants_boundary() || leaves || is_stale {
        let exit = go_on(context, cpu, sys);
        if let Some(before) = before.filter(|_| exit == Exit::GO) {
            before.note(context, cpu);
        }
        return exit;
    }
    if site.after == After::Mode {
        let (mode, tlb) = (context.mode, context.tlb);
        context.refresh(cpu, Mode(mode).has(Mode::WINDOW));
        if (context.mode, context.tlb) != (mode, tlb) {
            return go_on(context, cpu, sys);
        }
    }
    context.budget = context.end.wrapping_sub(cpu.steps) as i64 - (i64::from(site.left) - 1);
    if context.budget < 0 {
        // A repeated instruction took the steps that were charged for those behind it.
        return go_on(context, cpu, sys);
    }
    Exit::CONTINUE
}

/// Delivers the fault of a site's instruction.
fn fail(context: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &Site, fault: Fault) -> u32 {
    context.refused = 0;
    if !site.flags {
        cpu.state.arith = unpack(context.flags);
    }
    cpu.forget_followed();
    cpu.fault(sys, fault, u64::from(site.eip));
    // A task gate brings others.
    context.flags = pack(cpu.state.arith);
    go_on(context, cpu, sys)
}

/// Steps that a block may take: so near the end of a budget the run loop looks at each.
pub(crate) const NEARLY_SPENT: u64 = 64;

/// Refusals after which an instruction no longer uses the window.
const REFUSALS: u32 = 4;

/// After an access that the window refused: maps what may be mapped now.
fn fill_window(context: &mut Context, cpu: &Cpu, sys: &System, lin: u32) -> bool {
    if cpu.mmu.view().version() != context.version {
        return true;
    }
    // SAFETY: the windows live as long as the engine whose context this is, and nobody else
    // uses them while emitted code runs.
    let windows = unsafe { &mut *context.windows };
    windows.fill(cpu, sys, lin)
}

/// Goes on at the processor's EIP, wherever that is by now: straight to the block there if nothing
/// waits at the boundary and the block is known, else by way of the run loop.
fn go_on(context: &mut Context, cpu: &mut Cpu, sys: &mut System) -> u32 {
    // SAFETY: both live as long as the engine whose context this is, and nobody else uses them
    // while emitted code runs.
    let (windows, jumps) = unsafe { (&mut *context.windows, &mut *context.cache) };
    if cpu.wants_boundary() && !cpu.pass_boundary(sys) {
        return leave(context, cpu);
    }
    let crossing = cpu.followed();
    context.turn(cpu, sys, windows, jumps, crossing);
    find(context, cpu, jumps)
}

/// Goes straight to the block at the processor's EIP, if it is known. RF goes out before its first
/// instruction as well as after (see [`interp::Interp`]), unless that is a REP.
#[inline(always)]
fn find(context: &mut Context, cpu: &mut Cpu, jumps: &mut Jumps) -> u32 {
    let (eip, resumes) = (cpu.state.eip(), cpu.state.flag(Eflags::RF));
    // A block that can't be paid for costs a fault of the host: the run loop sees it beforehand.
    let is_nearly_spent = cpu.steps.saturating_add(NEARLY_SPENT) > cpu.budget_end;
    let waits = is_nearly_spent || resumes && jumps.repeats(eip);
    let Some(start) = jumps.find(eip).filter(|_| !waits) else {
        if resumes {
            cpu.end_block();
        }
        return leave(context, cpu);
    };
    cpu.state.set_flag(Eflags::RF, false);
    context.target = start as u64;
    context.budget = context.end.wrapping_sub(cpu.steps) as i64;
    Exit::GO
}

/// Leaves with what the run loop expects of every exit.
fn leave(context: &mut Context, cpu: &Cpu) -> u32 {
    context.budget = context.end.wrapping_sub(cpu.steps) as i64;
    context.eip = cpu.state.eip();
    if cpu.wants_boundary() { Exit::BOUNDARY } else { Exit::DISPATCH }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_round_trip_through_their_emitted_form() {
        for flags in (0..=0xFFF).map(|f| f & 0x8D5) {
            let arith = Arith::from_flags(flags);
            assert_eq!(unpack(pack(arith)).flags(), flags, "{flags:#x}");
        }
    }
}
