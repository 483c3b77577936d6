//! The registers of a task as they lie in its TSS (SDM 3A 7.2.1, 7.6).

use crate::cpu::Cpu;
use bus::System;
use x86::tss::{tss16, tss32};
use x86::{Fault, SegReg, Selector};

/// The dynamic fields of a TSS, and the static ones that a switch reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// A 32-bit TSS.
    pub wide: bool,
    /// CR3; a 16-bit TSS has none.
    pub cr3: Option<u32>,
    /// EIP.
    pub eip: u32,
    /// EFLAGS.
    pub eflags: u32,
    /// EAX to EDI.
    pub gpr: [u32; 8],
    /// ES CS SS DS FS GS.
    pub selectors: [Selector; 6],
    /// The LDT's selector.
    pub ldt: Selector,
    /// T: a debug trap as the task starts.
    pub trap: bool,
}

impl Image {
    /// Reads it all, so that a page fault comes before anything changes.
    pub fn load(cpu: &mut Cpu, sys: &mut System, base: u64, wide: bool) -> Result<Self, Fault> {
        if wide { Self::load32(cpu, sys, base) } else { Self::load16(cpu, sys, base) }
    }

    fn load32(cpu: &mut Cpu, sys: &mut System, base: u64) -> Result<Self, Fault> {
        let mut field =
            |offset: u32| cpu.read_system::<u32>(sys, base.wrapping_add(u64::from(offset)));
        let mut gpr = [0; 8];
        for (n, slot) in (0..).zip(&mut gpr) {
            *slot = field(tss32::EAX + 4 * n)?;
        }
        let mut selectors = [Selector(0); 6];
        for (n, slot) in (0..).zip(&mut selectors) {
            *slot = Selector(field(tss32::ES + 4 * n)? as u16);
        }
        Ok(Self {
            wide: true,
            cr3: Some(field(tss32::CR3)?),
            eip: field(tss32::EIP)?,
            eflags: field(tss32::EFLAGS)?,
            gpr,
            selectors,
            ldt: Selector(field(tss32::LDT)? as u16),
            trap: field(tss32::TRAP)? & 1 != 0,
        })
    }

    /// A 16-bit TSS: no FS and GS, and the upper halves of registers come out as ones.
    fn load16(cpu: &mut Cpu, sys: &mut System, base: u64) -> Result<Self, Fault> {
        let mut field =
            |offset: u32| cpu.read_system::<u16>(sys, base.wrapping_add(u64::from(offset)));
        let mut gpr = [0; 8];
        for (n, slot) in (0..).zip(&mut gpr) {
            *slot = 0xFFFF_0000 | u32::from(field(tss16::AX + 2 * n)?);
        }
        let mut selectors = [Selector(0); 6];
        for (n, slot) in (0..).zip(selectors.iter_mut().take(4)) {
            *slot = Selector(field(tss16::ES + 2 * n)?);
        }
        Ok(Self {
            wide: false,
            cr3: None,
            eip: u32::from(field(tss16::IP)?),
            eflags: u32::from(field(tss16::FLAGS)?),
            gpr,
            selectors,
            ldt: Selector(field(tss16::LDT)?),
            trap: false,
        })
    }
}

/// Saves the running task. A page fault on the way does no harm: the task still runs, and what
/// was saved of it is saved again when it leaves.
pub(super) fn save(
    cpu: &mut Cpu,
    sys: &mut System,
    base: u64,
    wide: bool,
    eflags: u32,
) -> Result<(), Fault> {
    let gpr: [u32; 8] = std::array::from_fn(|n| cpu.state.reg32(n));
    let selectors = SegReg::ALL.map(|reg| u32::from(cpu.state.segment(reg).selector.0));
    let eip = cpu.state.eip();
    if wide {
        // Selector fields are 16 bits in 32; the rest is reserved, and stays as it is.
        for (n, selector) in (0..).zip(selectors) {
            let at = base.wrapping_add(u64::from(tss32::ES + 4 * n));
            cpu.write_system::<u16>(sys, at, selector as u16)?;
        }
        let mut put = |offset: u32, v: u32| {
            cpu.write_system::<u32>(sys, base.wrapping_add(u64::from(offset)), v)
        };
        put(tss32::EIP, eip)?;
        put(tss32::EFLAGS, eflags)?;
        for (n, value) in (0..).zip(gpr) {
            put(tss32::EAX + 4 * n, value)?;
        }
        return Ok(());
    }
    let mut put = |offset: u32, v: u32| {
        cpu.write_system::<u16>(sys, base.wrapping_add(u64::from(offset)), v as u16)
    };
    for (n, selector) in (0..).zip(selectors).take(4) {
        put(tss16::ES + 2 * n, selector)?;
    }
    put(tss16::IP, eip)?;
    put(tss16::FLAGS, eflags)?;
    for (n, value) in (0..).zip(gpr) {
        put(tss16::AX + 2 * n, value)?;
    }
    Ok(())
}
