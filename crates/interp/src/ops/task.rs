//! Task switches, by JMP, CALL, interrupts and IRET, with TSSs of 16 and 32 bits
//! (SDM 3A 7.3, table 7-1; 7.4).
//!
//! Invariant: up to the load of TR a fault leaves the old task as it was. From there on faults
//! belong to the new task, and RIP is its own.

mod context;
mod image;

use super::segment::BUSY;
use super::segment::table::{self, Entry, Who};
use crate::cpu::Cpu;
use bus::System;
use image::Image;
use x86::cause::{Check, Origin};
use x86::event::{Place, TaskVia, Wanted};
use x86::segment::system_type as kind;
use x86::tss::{tss16, tss32};
use x86::{Cr0, Descriptor, Eflags, Event, Fault, Segment, Selector, Vector};

/// A task switch that is asked for. The asker has checked its gate or the TSS's DPL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// The TSS.
    pub selector: Selector,
    /// How.
    pub via: TaskVia,
    /// What to push on the new task's stack.
    pub error_code: Option<u16>,
    /// The EXT bit of faults, 0 or 1.
    pub ext: u16,
    /// Where the instruction stands, or what was interrupted.
    pub from: Place,
}

/// Switches to the task of `selector`. The old task goes on at the present EIP.
pub fn switch(
    cpu: &mut Cpu,
    sys: &mut System,
    selector: Selector,
    via: TaskVia,
    error_code: Option<u16>,
) -> Result<(), Fault> {
    let from = cpu.state.place();
    switch_from(cpu, sys, Request { selector, via, error_code, ext: 0, from })
}

/// The same, with all that is known of the request.
pub(super) fn switch_from(cpu: &mut Cpu, sys: &mut System, ask: Request) -> Result<(), Fault> {
    let mut entry = checked_tss(cpu, sys, &ask)?;
    let wide = is_wide(entry.descriptor);
    let mut image = Image::load(cpu, sys, u64::from(entry.descriptor.base()), wide)?;
    let nests = matches!(ask.via, TaskVia::Call | TaskVia::Interrupt(_));
    let old = cpu.state.tr;
    leave(cpu, sys, &ask, &old)?;
    if nests {
        cpu.write_system::<u16>(sys, u64::from(entry.descriptor.base()), old.selector.0)?;
        image.eflags |= Eflags::NT.bits();
    }
    if ask.via != TaskVia::Iret {
        entry.set_type(cpu, sys, BUSY, 0)?;
    }
    if !nests {
        release(cpu, sys, &old)?;
    }
    // The new task has the processor from here on.
    cpu.state.tr = Segment::from_descriptor(ask.selector, entry.descriptor);
    cpu.state.cr0 |= Cr0::TS.bits();
    // Local breakpoints belong to the task left (SDM 3B 17.2.4).
    cpu.state.dr[7] &= !0x155;
    let result = context::load(cpu, sys, &image, &ask);
    cpu.sync();
    cpu.end_block();
    if result.is_err() {
        cpu.keep_rip();
    }
    tell(cpu, &ask, &old, entry.descriptor);
    result.and_then(|()| super::flags::check_virtual_interrupt(cpu))
}

fn tell(cpu: &mut Cpu, ask: &Request, old: &Segment, descriptor: Descriptor) {
    if !cpu.events.wants(Wanted::CROSSINGS) {
        return;
    }
    let to = cpu.state.place();
    cpu.emit(Event::TaskSwitch {
        via: ask.via,
        from_task: old.selector,
        to_task: ask.selector,
        descriptor,
        from: ask.from,
        to,
    });
}

fn is_wide(tss: Descriptor) -> bool {
    matches!(tss.system(), Some(kind::TSS32 | kind::TSS32_BUSY))
}

/// The descriptor of the new TSS, with its checks: IRET says #TS where the others say #GP.
fn checked_tss(cpu: &mut Cpu, sys: &mut System, ask: &Request) -> Result<Entry, Fault> {
    let returns = ask.via == TaskVia::Iret;
    let who = if returns {
        Who::task(Origin::BackLink, ask.ext)
    } else {
        Who { ext: ask.ext, ..Who::program(Origin::Task) }
    };
    let entry = table::fetch_global(cpu, sys, ask.selector, who)?;
    let (right, check) = match (returns, entry.descriptor.system()) {
        (true, system) => {
            (matches!(system, Some(kind::TSS16_BUSY | kind::TSS32_BUSY)), Check::NotBusyTss)
        }
        (false, system) => {
            (matches!(system, Some(kind::TSS16 | kind::TSS32)), Check::NotAvailableTss)
        }
    };
    if !right {
        return Err(entry.refuse(cpu, check, who));
    }
    entry.present(cpu, who)?;
    let least = if is_wide(entry.descriptor) { tss32::MIN_LIMIT } else { tss16::MIN_LIMIT };
    if entry.descriptor.limit() < least {
        return Err(entry.refuse_as(cpu, Vector::InvalidTss, Check::TssTooShort, who));
    }
    Ok(entry)
}

/// Saves the old task in its TSS. IRET leaves it with NT clear.
fn leave(cpu: &mut Cpu, sys: &mut System, ask: &Request, old: &Segment) -> Result<(), Fault> {
    let mut eflags = cpu.state.eflags();
    if ask.via == TaskVia::Iret {
        eflags &= !Eflags::NT.bits();
    }
    let wide = old.attrs & 8 != 0;
    let least = if wide { tss32::MIN_LIMIT } else { tss16::MIN_LIMIT };
    if old.limit < least {
        let origin = Origin::Task;
        let none = Entry {
            selector: old.selector,
            descriptor: Descriptor(0),
            address: 0,
            table_limit: cpu.state.gdtr.limit,
        };
        return Err(none.refuse(cpu, Check::TssTooShort, Who::task(origin, ask.ext)));
    }
    image::save(cpu, sys, old.base, wide, eflags)
}

/// Makes the old task available again: JMP and IRET leave it for good.
fn release(cpu: &mut Cpu, sys: &mut System, old: &Segment) -> Result<(), Fault> {
    let at = cpu.state.gdtr.base.wrapping_add(u64::from(old.selector.offset()) + 5);
    let access = cpu.read_system::<u8>(sys, at)?;
    cpu.write_system::<u8>(sys, at, access & !(BUSY as u8))
}
