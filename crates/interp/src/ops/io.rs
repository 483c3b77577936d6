//! IN and OUT, and the port access that INS and OUTS share (SDM 1 chapter 19; SDM 2 IN, OUT).
//!
//! Invariant: nothing reaches a port before `check_io` allowed it, and every access carries
//! the exact step.

use super::Handler;
use crate::cpu::Cpu;
use bus::System;
use decode::{Code, Insn};
use x86::event::Wanted;
use x86::segment::system_type;
use x86::state::gpr;
use x86::tss::tss32;
use x86::{Cause, Cr4, Event, Fault, Intercept};

/// The handler of IN and OUT.
pub fn handler(insn: &Insn) -> Option<Handler> {
    Some(match insn.code {
        Code::In_AL_imm8 | Code::In_AL_DX => input8,
        Code::In_AX_imm8 | Code::In_AX_DX => input16,
        Code::In_EAX_imm8 | Code::In_EAX_DX => input32,
        Code::Out_imm8_AL | Code::Out_DX_AL => output8,
        Code::Out_imm8_AX | Code::Out_DX_AX => output16,
        Code::Out_imm8_EAX | Code::Out_DX_EAX => output32,
        _ => return None,
    })
}

fn input8(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    input(cpu, sys, insn, 1)
}

fn input16(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    input(cpu, sys, insn, 2)
}

fn input32(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    input(cpu, sys, insn, 4)
}

fn output8(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    output(cpu, sys, insn, 1)
}

fn output16(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    output(cpu, sys, insn, 2)
}

fn output32(cpu: &mut Cpu, sys: &mut System, insn: &Insn) -> Result<(), Fault> {
    output(cpu, sys, insn, 4)
}

#[inline(always)]
fn input(cpu: &mut Cpu, sys: &mut System, insn: &Insn, size: u8) -> Result<(), Fault> {
    cpu.intercept(Intercept::In);
    let port = port_of(cpu, insn);
    cpu.check_io(sys, port, size)?;
    let value = cpu.port_in(sys, port, size);
    let old = cpu.state.reg32(gpr::EAX);
    let mask = mask(size);
    cpu.state.set_reg32(gpr::EAX, old & !mask | value & mask);
    Ok(())
}

#[inline(always)]
fn output(cpu: &mut Cpu, sys: &mut System, insn: &Insn, size: u8) -> Result<(), Fault> {
    cpu.intercept(Intercept::Out);
    let port = port_of(cpu, insn);
    cpu.check_io(sys, port, size)?;
    let value = cpu.state.reg32(gpr::EAX) & mask(size);
    cpu.port_out(sys, port, size, value);
    Ok(())
}

/// The port: the immediate byte, or DX.
#[inline(always)]
fn port_of(cpu: &Cpu, insn: &Insn) -> u16 {
    match insn.code {
        Code::In_AL_imm8
        | Code::In_AX_imm8
        | Code::In_EAX_imm8
        | Code::Out_imm8_AL
        | Code::Out_imm8_AX
        | Code::Out_imm8_EAX => (insn.imm & 0xFF) as u16,
        _ => cpu.state.reg32(gpr::EDX) as u16,
    }
}

/// The bits of `size` bytes, 1, 2 or 4.
fn mask(size: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(size))
}

impl Cpu {
    /// May this program touch `size` ports from `port` on? By IOPL, else by the bitmap of the
    /// TSS; in virtual-8086 mode by the bitmap alone (SDM 1 19.5).
    #[inline]
    pub fn check_io(&mut self, sys: &mut System, port: u16, size: u8) -> Result<(), Fault> {
        let by_level = self.state.cpl <= self.state.iopl() && !self.state.vm86();
        if !self.state.protected() || by_level {
            return Ok(());
        }
        self.check_io_map(sys, port, size)
    }

    /// The I/O permission bitmap (SDM 1 19.5.2): two bytes are read, so that ports across a
    /// byte boundary are seen; both must lie within the limit of a 32-bit TSS.
    #[cold]
    fn check_io_map(&mut self, sys: &mut System, port: u16, size: u8) -> Result<(), Fault> {
        let tr = self.state.tr;
        let kind = (tr.attrs & 0xF) as u8;
        let is32 = tr.is_usable() && matches!(kind, system_type::TSS32 | system_type::TSS32_BUSY);
        if !is32 || tr.limit < tss32::IO_MAP + 1 {
            return Err(self.port_refused(port, size, 0));
        }
        let map = self.read_system::<u16>(sys, linear(tr.base, tss32::IO_MAP))?;
        let byte = u32::from(map) + u32::from(port / 8);
        if byte >= tr.limit {
            return Err(self.port_refused(port, size, map));
        }
        let bits = self.read_system::<u16>(sys, linear(tr.base, byte))?;
        let wanted = ((1 << size) - 1) << (port & 7);
        if bits & wanted != 0 {
            return Err(self.port_refused(port, size, map));
        }
        Ok(())
    }

    fn port_refused(&mut self, port: u16, size: u8, map: u16) -> Fault {
        let limit = self.state.tr.limit;
        self.raise(Fault::gp(0), Cause::Io { port, size, map, limit })
    }

    /// Reads a port: 1, 2 or 4 bytes. The caller has checked that it may.
    #[inline]
    pub fn port_in(&mut self, sys: &mut System, port: u16, size: u8) -> u32 {
        let value = sys.port_read(port, size, self.steps);
        self.after_bus(sys);
        self.port_touched(port, size, false, value);
        value
    }

    /// Writes a port: 1, 2 or 4 bytes. The caller has checked that it may.
    #[inline]
    pub fn port_out(&mut self, sys: &mut System, port: u16, size: u8, value: u32) {
        sys.port_write(port, size, value, self.steps);
        self.after_bus(sys);
        self.port_touched(port, size, true, value);
    }

    /// After an access: its event, and the traps of I/O breakpoints.
    #[inline]
    fn port_touched(&mut self, port: u16, size: u8, write: bool, value: u32) {
        if self.events.wants(Wanted::IO) {
            let at = self.state.place();
            self.emit_unplaced(Event::Io { port, size, write, value, at });
        }
        if self.state.cr4 & Cr4::DE.bits() == 0 || self.state.dr[7] & 0xFF == 0 {
            return;
        }
        self.check_io_breakpoints(port, size);
    }

    #[cold]
    fn check_io_breakpoints(&mut self, port: u16, size: u8) {
        let hits = io_breakpoints(&self.state.dr, port, size);
        if hits != 0 {
            self.state.pending_debug |= hits;
            self.end_block();
        }
    }
}

/// A linear address, which wraps at 4 GiB.
fn linear(base: u64, offset: u32) -> u64 {
    u64::from((base as u32).wrapping_add(offset))
}

/// B0 to B3 of the enabled I/O breakpoints that an access to `size` ports touches: type 2 in
/// DR7, length as for data, the address aligned to it (SDM 3B 17.2.4, 17.2.5).
fn io_breakpoints(dr: &[u64; 8], port: u16, size: u8) -> u32 {
    let dr7 = dr[7];
    let first = u64::from(port);
    let last = first + u64::from(size) - 1;
    let hit = |n: &u32| {
        let control = dr7 >> (16 + 4 * n) & 0xF;
        let enabled = dr7 >> (2 * n) & 3 != 0;
        let span = [0, 1, 7, 3][(control >> 2) as usize];
        let start = dr[*n as usize] & !span;
        enabled && control & 3 == 2 && first <= start + span && start <= last
    };
    (0..4).filter(hit).fold(0, |bits, n| bits | 1 << n)
}

#[cfg(test)]
mod tests {
    use super::io_breakpoints;

    /// DR2 is an enabled breakpoint on I/O, four ports from 3F8h.
    const DR: [u64; 8] = [0, 0, 0x3F8, 0, 0, 0, 0, 0x0E00_0410];

    #[test]
    fn an_io_breakpoint_covers_its_length() {
        assert_eq!(io_breakpoints(&DR, 0x3FB, 1), 4);
        assert_eq!(io_breakpoints(&DR, 0x3FC, 1), 0);
        assert_eq!(io_breakpoints(&DR, 0x3F6, 4), 4);
        assert_eq!(io_breakpoints(&DR, 0x3F7, 1), 0);
    }

    #[test]
    fn a_data_breakpoint_ignores_ports() {
        let mut dr = DR;
        dr[7] = 0x0F00_0410;
        assert_eq!(io_breakpoints(&dr, 0x3F8, 1), 0);
    }
}
