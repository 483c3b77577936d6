//! The timer against a model that is stepped clock by clock, as the 8254's datasheet tells it
//! ("Mode Definitions"). The chip itself computes what it holds from the time of the load.

use bus::{Device, Io, IrqLine, Signals, Timer};
use devices::Pit;
use devices::pit::{CONTROL, COUNTER_0, COUNTER_2, OUT2, PORT_B, ns_at};
use mem::Memory;
use proptest::prelude::*;

/// One counter, low byte only, binary.
struct Model {
    mode: u8,
    /// The count register, once written.
    written: Option<i64>,
    /// A load at the next clock.
    load: bool,
    /// The counting element; `None` before the first load.
    element: Option<i64>,
    out: bool,
    gate: bool,
    /// Modes 4 and 5 strobe once a load; 0 and 1 end once.
    armed: bool,
    /// Mode 3: the count that was loaded is odd.
    odd: bool,
}

impl Model {
    fn new() -> Self {
        Self {
            mode: 3,
            written: None,
            load: false,
            element: None,
            out: true,
            gate: false,
            armed: false,
            odd: false,
        }
    }

    fn control(&mut self, mode: u8) {
        *self = Self { mode, out: mode != 0, gate: self.gate, ..Self::new() };
    }

    fn write(&mut self, count: i64) {
        self.written = Some(count);
        match self.mode {
            0 => {
                self.out = false;
                self.armed = false;
                self.load = true;
            }
            1 | 5 => {}
            2 | 3 if self.element.is_some() && self.gate => {}
            _ => self.load = true,
        }
    }

    fn set_gate(&mut self, gate: bool) {
        let rises = gate && !self.gate;
        self.gate = gate;
        match self.mode {
            1 | 2 | 3 | 5 if rises && self.written.is_some() => self.load = true,
            2 | 3 if !gate => self.out = true,
            _ => {}
        }
    }

    /// What a load puts into the counting element of mode 3: even.
    fn start(&mut self) -> Option<i64> {
        self.odd = self.written.is_some_and(|n| n & 1 != 0);
        self.written.map(|n| if self.mode == 3 { n & !1 } else { n })
    }

    fn clock(&mut self) {
        if self.load {
            self.load = false;
            self.element = self.start();
            self.armed = true;
            self.out = !matches!(self.mode, 0 | 1);
            return;
        }
        let Some(now) = self.element else { return };
        let counts = self.gate || matches!(self.mode, 1 | 5);
        if !counts {
            return;
        }
        match self.mode {
            2 => {
                self.element = if now == 1 { self.start() } else { Some(now - 1) };
                self.out = self.element != Some(1);
            }
            3 => self.clock_square(now),
            _ => {
                self.element = Some(now - 1);
                let is_end = now == 1 && self.armed;
                self.armed &= !is_end;
                match self.mode {
                    0 | 1 => self.out |= is_end,
                    _ => self.out = !is_end,
                }
            }
        }
    }

    fn clock_square(&mut self, now: i64) {
        if now > 2 {
            self.element = Some(now - 2);
        } else if now == 2 && self.out && self.odd {
            self.element = Some(0);
        } else {
            self.out = !self.out;
            self.element = self.start();
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Mode(u8),
    Count(u8),
    Gate(bool),
    Clocks(u8),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        1 => (0..6u8).prop_map(Action::Mode),
        2 => (3..20u8).prop_map(Action::Count),
        2 => any::<bool>().prop_map(Action::Gate),
        4 => (1..30u8).prop_map(Action::Clocks),
    ]
}

struct Rig {
    pit: Pit,
    mem: Memory,
    tick: i64,
}

impl Rig {
    fn io(&mut self, f: impl FnOnce(&mut Pit, &mut Io<'_>) -> u32) -> u32 {
        let now_ns = ns_at(self.tick);
        f(&mut self.pit, &mut Io { cpu: 0, now_ns, size: 1, memory: &mut self.mem })
    }

    fn write(&mut self, port: u16, value: u8) {
        self.io(|pit, io| {
            pit.write(u64::from(port), u32::from(value), io);
            0
        });
    }

    fn out(&mut self) -> bool {
        self.io(|pit, io| pit.read(u64::from(PORT_B), io)) as u8 & OUT2 != 0
    }

    fn count(&mut self) -> i64 {
        i64::from(self.io(|pit, io| pit.read(u64::from(COUNTER_2), io)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn computed_counts_are_the_stepped_ones(actions in prop::collection::vec(action(), 1..60)) {
        let signals = Signals::new();
        let pit = Pit::new(IrqLine::new(&signals, 0), Timer::new(&signals));
        let mut rig = Rig { pit, mem: Memory::flat(4096).unwrap(), tick: 1 };
        let mut model = Model::new();
        rig.write(CONTROL, 0x96);
        for action in actions {
            match action {
                Action::Mode(mode) => {
                    rig.write(CONTROL, 0x90 | mode << 1);
                    model.control(mode);
                }
                Action::Count(count) => {
                    rig.write(COUNTER_2, count);
                    model.write(count.into());
                }
                Action::Gate(gate) => {
                    rig.write(PORT_B, gate.into());
                    model.set_gate(gate);
                }
                Action::Clocks(clocks) => for _ in 0..clocks {
                    rig.tick += 1;
                    model.clock();
                    prop_assert_eq!(rig.out(), model.out, "mode {} clock {}", model.mode, rig.tick);
                    // While the gate stops a periodic count, the chip shows its beginning.
                    let is_stopped = matches!(model.mode, 2 | 3) && !model.gate;
                    if let Some(element) = model.element.filter(|_| !is_stopped && !model.load) {
                        prop_assert_eq!(rig.count(), element & 0xFF, "mode {}", model.mode);
                    }
                },
            }
        }
    }

    #[test]
    fn timer_shows_every_edge_of_counter_0(actions in prop::collection::vec(action(), 1..60)) {
        let signals = Signals::new();
        let timer = Timer::new(&signals);
        let pit = Pit::new(IrqLine::new(&signals, 0), timer.clone());
        let mut rig = Rig { pit, mem: Memory::flat(4096).unwrap(), tick: 1 };
        let mut model = Model { gate: true, ..Model::new() };
        rig.write(CONTROL, 0x16);
        for action in actions {
            match action {
                Action::Mode(mode) => {
                    rig.write(CONTROL, 0x10 | mode << 1);
                    model.control(mode);
                }
                Action::Count(count) => {
                    rig.write(COUNTER_0, count);
                    model.write(count.into());
                }
                // Its gate is tied high.
                Action::Gate(_) => {}
                Action::Clocks(clocks) => for _ in 0..clocks {
                    rig.tick += 1;
                    model.clock();
                    if timer.due_ns().is_some_and(|due| due <= ns_at(rig.tick)) {
                        rig.io(|pit, io| {
                            pit.tick(io);
                            0
                        });
                    }
                    let line = signals.lines() & 1 != 0;
                    prop_assert_eq!(line, model.out, "mode {} clock {}", model.mode, rig.tick);
                },
            }
        }
    }
}
