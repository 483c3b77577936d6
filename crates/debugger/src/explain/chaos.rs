//! Whatever a guest leaves behind, the explainer has something to say and doesn't panic: random
//! evidence, states and memory, from fixed seeds.

use super::*;
use crate::report::{Outcome, Report};
use crate::tests_support::{Guest, transfer};
use crate::{narrate, trace};
use x86::cause::{Check, OpcodeCheck, Origin, PageCheck, RegisterName};
use x86::event::{Event, Frame, Mode, Place, Record, Source, StackFrom, TaskVia, Via};
use x86::fault::vector_name;
use x86::paging::{AccessKind, Level};
use x86::segment::{SegReg, Segment};
use x86::{Descriptor, Fault, Intercept, LinAddr, PhysAddr, Selector};

/// A generator of numbers that often are near an edge (xorshift64*).
struct Dice(u64);

impl Dice {
    fn raw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn number(&mut self) -> u64 {
        const EDGES: [u64; 8] =
            [0, 1, 7, 0xFFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF];
        match self.raw() % 3 {
            0 => EDGES[(self.raw() % 8) as usize],
            1 => self.raw() & 0xF_FFFF,
            _ => self.raw(),
        }
    }
    fn word(&mut self) -> u32 {
        self.number() as u32
    }
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.raw() % choices.len() as u64) as usize]
    }
    fn selector(&mut self) -> Selector {
        Selector(self.number() as u16)
    }
    fn place(&mut self) -> Place {
        Place {
            ring: (self.raw() & 3) as u8,
            cs: self.selector(),
            eip: self.word(),
            ss: self.selector(),
            esp: self.word(),
            mode: self.of(&[Mode::Real, Mode::Protected, Mode::Vm86]),
        }
    }
    fn check(&mut self) -> Check {
        self.of(&[
            Check::NullSelector,
            Check::BeyondTable,
            Check::NotPresent,
            Check::NotCode,
            Check::NotGate,
            Check::NotAvailableTss,
            Check::TssTooShort,
            Check::Privilege,
            Check::GatePrivilege,
            Check::Rpl,
            Check::TargetOffset,
            Check::ReturnInward,
            Check::StackPrivilege,
            Check::WrongType,
        ])
    }
    fn origin(&mut self) -> Origin {
        let vector = self.raw() as u8;
        let selector = self.selector();
        self.of(&[
            Origin::Load(SegReg::Ss),
            Origin::Transfer,
            Origin::InterruptGate(vector),
            Origin::CallGate(selector),
            Origin::TssStack(vector & 3),
            Origin::Task,
            Origin::TaskSegment(SegReg::Cs),
            Origin::Ldtr,
            Origin::BackLink,
        ])
    }

    fn cause(&mut self) -> Cause {
        let (selector, cpl) = (self.selector(), (self.raw() & 3) as u8);
        let descriptor = Descriptor(self.number());
        let (check, origin) = (self.check(), self.origin());
        let (a, b, value) = (self.word(), self.word(), self.number());
        let kind = self.of(&[AccessKind::Read, AccessKind::Write, AccessKind::Fetch]);
        let level = self.of(&[Level::Pdpte, Level::Pde, Level::Pte]);
        let why = self.of(&[
            PageCheck::NotPresent,
            PageCheck::ReadOnly,
            PageCheck::Supervisor,
            PageCheck::Reserved,
        ]);
        let vector = self.raw() as u8;
        let user = self.raw() & 1 != 0;
        let segment = self.of(&SegReg::ALL);
        let (addr, entry_addr) = (LinAddr(u64::from(a)), PhysAddr(value));
        let bytes = value.to_le_bytes();
        self.of(&[
            Cause::None,
            Cause::Selector { selector, descriptor, table_limit: a, check, origin, cpl },
            Cause::IdtGate {
                vector,
                gate: descriptor,
                idt_base: addr,
                idt_limit: b,
                check,
                cpl,
                software: user,
            },
            Cause::Limit { segment, offset: a, size: b, limit: a, expand_down: user },
            Cause::Access { segment, selector, attrs: value as u16, kind },
            Cause::Page { addr, kind, user, level, entry: value, entry_addr, why },
            Cause::TssStack { selector, ring: cpl, offset: a, limit: b },
            Cause::Privileged { what: Intercept::Cli, cpl, iopl: cpl, vm86: user },
            Cause::Io { port: value as u16, size: 4, map: a as u16, limit: b },
            Cause::Value { register: RegisterName::Msr(a), value, bits: value },
            Cause::Opcode { bytes, why: OpcodeCheck::Undefined },
            Cause::Divide { divisor: a },
            Cause::IretFrame { eip: a, cs: selector, eflags: b, check, cpl },
            Cause::SysenterCs { value: a },
            Cause::Fpu { cr0: value },
            Cause::Math { status: a as u16, control: b as u16 },
            Cause::Aligned16 { addr },
            Cause::Simd { mxcsr: a },
        ])
    }

    fn fault(&mut self) -> Fault {
        let vector = self.of(&[0, 1, 3, 6, 8, 10, 11, 12, 13, 14, 16, 17]);
        let vector = vector_name(vector).expect("an exception");
        Fault { vector, code: self.number() as u16 }
    }

    fn event(&mut self) -> Event {
        let (from, to) = (self.place(), self.place());
        let vector = self.of(&[3, 8, 9, 13, 14, 0x20, 0xFF]);
        let source = self.of(&[Source::External, Source::Software, Source::Exception]);
        let error_code = self.of(&[None, Some(0), Some(0xFFFF)]);
        let via = self.of(&[
            Via::Interrupt { vector, source, error_code },
            Via::CallGate { selector: Selector(8), parameters: vector & 31 },
            Via::FarCall,
            Via::FarReturn,
            Via::Iret,
            Via::Sysexit,
        ]);
        let mut t = transfer(via, from, to);
        t.frame = Frame { words: [self.word(); 10], count: vector, size: 4 };
        t.stack = self.of(&[StackFrom::Same, StackFrom::Popped, StackFrom::Sysenter]);
        t.gate = Some(Descriptor(self.number()));
        let (fault, why) = (self.fault(), self.cause());
        let task = TaskVia::Interrupt(vector);
        let (from_task, to_task) = (Selector(8), self.selector());
        let descriptor = Descriptor(self.number());
        self.of(&[
            Event::Transfer(t),
            Event::Transfer(t),
            Event::TaskSwitch { via: task, from_task, to_task, descriptor, from, to },
            Event::Fault { fault, why, at: from, cr2: 0, during: error_code.map(|c| c as u8) },
            Event::Control { register: vector, old: 0, new: 1, at: from },
            Event::Insn { at: from, addr: LinAddr(0), bytes: [vector; 15], length: vector },
        ])
    }

    fn guest(&mut self) -> Guest {
        let ending = self.of(&[
            Ending::Shutdown,
            Ending::Shutdown,
            Ending::HaltedForEver,
            Ending::Spinning,
            Ending::Stopped,
        ]);
        let mut g = Guest::new(ending);
        for s in 0..6 {
            let (base, limit) = (u64::from(self.word()), self.word());
            let (attrs, selector) = (self.raw() as u16 & 0xF0FF, self.selector());
            g.state.seg[s] = Segment { base, limit, attrs, selector };
        }
        g.state.gpr[4] = u64::from(self.word());
        g.state.rip = u64::from(self.word());
        g.state.cr0 = self.of(&[0x10, 0x11, 0x8000_0011]);
        g.state.cr3 = u64::from(self.word());
        g.state.cr4 = self.of(&[0, 0x20, 0x10]);
        g.state.idtr.limit = self.word();
        g.state.set_eflags(self.word());
        let junk: Vec<u8> = (0..0x1000).map(|_| self.raw() as u8).collect();
        [0, 0x7000, 0x9000].into_iter().for_each(|at| g.poke(at, &junk));
        for _ in 0..self.raw() % 4 {
            let (fault, why, at) = (self.fault(), self.cause(), self.place());
            g.chain.push(Link { fault, why, at, cr2: self.word() });
        }
        g
    }
}

#[test]
fn random_ends_are_explained_without_a_panic() {
    for seed in 1..=1500u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut g = dice.guest();
        for step in 0..dice.raw() % 12 {
            let record = Record { step, event: dice.event() };
            g.history.observe(&record);
            assert!(!trace::line(&record, &g.symbols).is_empty(), "seed {seed}");
            let boxed = narrate::boxed(&record, &g.symbols).unwrap_or_default();
            assert!(boxed.iter().all(|l| l.chars().count() == 78), "seed {seed}: {boxed:#?}");
        }
        let scene = g.scene();
        let said = explain(&scene).map(|e| e.render(&scene));
        assert!(said.is_some() || g.ending == Ending::Stopped, "seed {seed}");
        let report = Report::new(Outcome::default(), &scene).to_json();
        assert!(report.is_ok(), "seed {seed}");
    }
}
