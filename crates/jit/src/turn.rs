//! Crossings between rings that the processor noted ([`interp::Cpu::followed`]): INT, calls through
//! gates, IRET and RETF are passed without their handlers and without a look at the boundary, and
//! what emitted code goes on with is known from the last time.
//!
//! Invariant: a turn is the context that [`Context::renew`] would give. That depends on the crossing
//! (CS, CPL, and SS if it changes) and on the code view before it (the version of the view, what of
//! CR0, CR4 and the x87 unit counts), which name the turn; and on the data segments and the window,
//! which are compared.

use crate::abi::{Context, Mode};
use crate::block::Site;
use crate::jumps::{CodeView, Jumps};
use crate::window::Windows;
use bus::System;
use decode::Code;
use interp::Cpu;
use x86::Selector;

/// What a crossing led to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// The crossing's number; 0 for none.
    crossing: u64,
    /// The code view before it.
    from: u64,
    /// What is known of the data segments: [`Cpu::segment_shapes`].
    shapes: u32,
    /// A window is open.
    is_open: bool,
    /// The mode behind it, and all that the number of its code view stands for.
    pub(crate) view: CodeView,
    pub(crate) number: u64,
    pub(crate) ring: u64,
}

/// Turns remembered: a power of two.
pub const TURNS: usize = 16;

impl Context {
    /// [`Context::renew`] behind a crossing with a number, or 0.
    #[inline]
    pub(crate) fn turn(
        &mut self,
        cpu: &Cpu,
        sys: &System,
        windows: &mut Windows,
        jumps: &mut Jumps,
        crossing: u64,
    ) {
        let (from, shapes) = (self.code_view, cpu.segment_shapes());
        let stands = (cpu.mmu.view().version(), sys.mem.states().seen());
        let may = crossing != 0 && stands == (self.version, self.seen) && self.visited == 0;
        if !may {
            return self.renew(cpu, sys, windows, jumps);
        }
        let (window, user) = (windows.base(cpu, sys), cpu.state.cpl == 3);
        let is_open = window.is_some();
        let place = crossing as usize % TURNS;
        let t = &jumps.turns[place];
        let is_known = (t.crossing, t.from, t.shapes, t.is_open)
            == (crossing, from, shapes, is_open)
            && (!user || u32::from(is_open) == self.user_window)
            && windows.are_visits_short();
        if !is_known {
            self.renew(cpu, sys, windows, jumps);
            let (number, ring, view) = (self.code_view, self.ring, jumps.view());
            let is_open = Mode(self.mode).has(Mode::WINDOW);
            jumps.turns[place] = Turn { crossing, from, shapes, is_open, view, number, ring };
            return;
        }
        let (mode, number, ring) = (Mode(t.view.mode), t.number, t.ring);
        if !mode.is_all_flat() {
            self.take_segments(cpu, mode);
        }
        self.tlb = cpu.mmu.view().table(user) as u64;
        self.mode = mode.0;
        self.window = window.unwrap_or(self.window);
        (self.code_view, self.ring) = (number, ring);
        jumps.turn(place);
    }
}

/// Passes the crossing of a site, if it is one that was noted: RIP stands behind it. True if it did;
/// only steps are still to be counted.
pub type Way = fn(&mut Context, &mut Cpu, &mut System, &Site) -> bool;

/// How an instruction may cross.
#[must_use]
pub fn way(code: Code) -> Option<Way> {
    Some(match code {
        Code::Int_imm8 => int,
        Code::Iretd => iret,
        Code::Call_ptr1632 => gate,
        Code::Retfd | Code::Retfd_imm16 => far_return,
        Code::Ud2 => undefined,
        _ => return None,
    })
}

/// The status flags, as EFLAGS has them.
#[inline(always)]
fn status(context: &Context) -> u32 {
    context.flags >> 8 & 0xD5 | (context.flags & 1) << 11
}

fn int(c: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &Site) -> bool {
    cpu.pass_int(sys, site.insn.imm as u8, status(c))
}

fn iret(c: &mut Context, cpu: &mut Cpu, sys: &mut System, _: &Site) -> bool {
    let Some(frame) = cpu.iret_frame(sys) else { return false };
    cpu.pass_iret(&frame);
    let eflags = frame.words[2];
    c.flags = (eflags & 0xD5) << 8 | eflags >> 11 & 1;
    true
}

fn gate(_: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &Site) -> bool {
    cpu.pass_gate(sys, Selector(site.insn.imm2))
}

fn far_return(_: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &Site) -> bool {
    cpu.pass_far_return(sys, site.insn.imm & 0xFFFF)
}

fn undefined(c: &mut Context, cpu: &mut Cpu, sys: &mut System, site: &Site) -> bool {
    cpu.pass_undefined(sys, &site.insn, status(c))
}
