//! The machine as the explainer, and a reader of its screen, see it.

use debugger::{Ending, GuestMemory, History, Link, Pic, Scene, Symbols};
use machine::Machine;
use std::any::Any;
use x86::{LinAddr, PhysAddr};

/// Every row of the text screen, in full width; none in a graphics mode.
pub fn rows(machine: &Machine) -> Vec<String> {
    let screen = machine.board().screen();
    if screen.is_graphics || screen.columns == 0 {
        return Vec::new();
    }
    let row = |cells: &[devices::vga::Cell]| cells.iter().map(|cell| cell.to_char()).collect();
    screen.cells.chunks(screen.columns).map(row).collect()
}

/// Guest memory, only looked at.
pub struct Memory<'a>(pub &'a Machine);

impl GuestMemory for Memory<'_> {
    fn linear(&self, addr: LinAddr, out: &mut [u8]) -> usize {
        self.0.cpu().peek(self.0.system(), addr, out)
    }

    fn physical(&self, addr: PhysAddr, out: &mut [u8]) {
        self.0.system().mem.read_phys(addr, out);
    }

    fn backed(&self, addr: PhysAddr) -> bool {
        matches!(self.0.system().mem.resolve(addr), mem::map::Target::Memory { .. })
    }
}

/// The faults that led to a shutdown, oldest first.
pub fn chain(machine: &Machine) -> Vec<Link> {
    machine
        .cpu()
        .chain
        .iter()
        .map(|link| Link { fault: link.fault, why: link.cause, at: link.at, cr2: link.cr2 })
        .collect()
}

/// The interrupt controllers.
fn pic(machine: &Machine) -> Option<Pic> {
    let intc: &dyn Any = machine.system().bus.intc()?;
    let pic = intc.downcast_ref::<devices::Pic>()?;
    let pair = |value: fn(&devices::pic::Chip) -> u8| [value(pic.master()), value(pic.slave())];
    Some(Pic {
        base: pair(devices::pic::Chip::vector_base),
        imr: pair(devices::pic::Chip::imr),
        isr: pair(devices::pic::Chip::isr),
        irr: pair(devices::pic::Chip::irr),
    })
}

/// Everything the explainer looks at.
pub fn scene<'a>(
    machine: &'a Machine,
    memory: &'a Memory<'a>,
    chain: &'a [Link],
    history: &'a History,
    symbols: &'a Symbols,
    ending: Ending,
) -> Scene<'a> {
    Scene {
        ending,
        steps: machine.steps(),
        state: &machine.cpu().state,
        chain,
        last_cause: machine.cpu().cause,
        history,
        memory,
        pic: pic(machine),
        symbols,
    }
}
