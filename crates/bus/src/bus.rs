//! The bus: devices, the port map, the MMIO map and the interrupt controllers.

use crate::clock::Clock;
use crate::device::{Device, InterruptController, Io, StateError};
use crate::line::{Signals, Timer};
use mem::{Memory, MmioId};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

/// Why a device can't be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BusError {
    /// Two devices at one port.
    #[error("{new} and {old} both claim port {port:#x}")]
    PortTaken {
        /// The new device.
        new: &'static str,
        /// The one already there.
        old: &'static str,
        /// The first port both claim.
        port: u16,
    },
}

/// A device on the bus, with its type.
#[derive(Debug)]
pub struct Handle<D> {
    index: u16,
    of: PhantomData<fn() -> D>,
}

impl<D> Clone for Handle<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Handle<D> {}

impl<D> Handle<D> {
    /// The number under which a memory region names the device's registers.
    #[must_use]
    pub fn mmio(self) -> MmioId {
        MmioId(self.index)
    }
}

/// Saved state of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The device's name.
    pub kind: String,
    /// Version of the bytes.
    pub version: u32,
    /// Its state.
    pub bytes: Vec<u8>,
}

const NOBODY: u16 = u16::MAX;

/// All devices of a machine.
pub struct Bus {
    devices: Vec<Box<dyn Device>>,
    timers: Vec<(Timer, u16)>,
    /// Which device claims a port.
    ports: Vec<u16>,
    intc: Option<Box<dyn InterruptController>>,
    intc_ports: Vec<u16>,
    /// INTR, as the controllers last had it.
    intr: bool,
    /// The levels that the controllers last saw; `None` for none.
    shown_lines: Option<u32>,
    signals: Arc<Signals>,
    /// Virtual time.
    pub clock: Clock,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.devices.iter().map(|d| d.name())).finish()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(Signals::new())
    }
}

/// The pseudo-device number of the interrupt controllers in the port map.
const INTC: u16 = NOBODY - 1;

impl Bus {
    /// A bus without devices.
    #[must_use]
    pub fn new(signals: Arc<Signals>) -> Self {
        Self {
            devices: Vec::new(),
            timers: Vec::new(),
            ports: vec![NOBODY; 0x1_0000],
            intc: None,
            intc_ports: Vec::new(),
            intr: false,
            shown_lines: None,
            signals,
            clock: Clock::default(),
        }
    }

    /// What devices and machine share.
    #[must_use]
    pub fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// Adds a device that answers at `ports`.
    pub fn add<D: Device>(&mut self, device: D, ports: &[u16]) -> Result<Handle<D>, BusError> {
        let index = self.devices.len() as u16;
        self.claim(ports, index, device.name())?;
        self.devices.push(Box::new(device));
        Ok(Handle { index, of: PhantomData })
    }

    /// Adds a device that has a timer, which calls its `tick`.
    pub fn add_timed<D: Device>(
        &mut self,
        device: D,
        ports: &[u16],
        timer: Timer,
    ) -> Result<Handle<D>, BusError> {
        let handle = self.add(device, ports)?;
        self.timers.push((timer, handle.index));
        Ok(handle)
    }

    /// Sets the interrupt controllers, which answer at `ports`.
    pub fn set_intc(
        &mut self,
        intc: Box<dyn InterruptController>,
        ports: &[u16],
    ) -> Result<(), BusError> {
        self.claim(ports, INTC, intc.name())?;
        self.intc_ports = ports.to_vec();
        self.intc = Some(intc);
        self.shown_lines = None;
        self.take_intr();
        Ok(())
    }

    fn claim(&mut self, ports: &[u16], index: u16, new: &'static str) -> Result<(), BusError> {
        for &port in ports {
            let owner = self.ports[usize::from(port)];
            if owner != NOBODY {
                let old = self.owner_name(owner);
                return Err(BusError::PortTaken { new, old, port });
            }
        }
        for &port in ports {
            self.ports[usize::from(port)] = index;
        }
        Ok(())
    }

    fn owner_name(&self, owner: u16) -> &'static str {
        match owner {
            INTC => self.intc.as_ref().map_or("interrupt controllers", |d| d.name()),
            n => self.devices.get(usize::from(n)).map_or("nobody", |d| d.name()),
        }
    }

    /// A device by its handle.
    #[must_use]
    pub fn get<D: Device>(&self, handle: Handle<D>) -> &D {
        let device: &dyn Any = &*self.devices[usize::from(handle.index)];
        device.downcast_ref().expect("a handle carries its device's type")
    }

    /// A device by its handle, to be changed.
    pub fn get_mut<D: Device>(&mut self, handle: Handle<D>) -> &mut D {
        let device: &mut dyn Any = &mut *self.devices[usize::from(handle.index)];
        device.downcast_mut().expect("a handle carries its device's type")
    }

    /// Reads a port: `size` bytes, 1, 2 or 4. A port that nobody claims floats high. A wider
    /// access than one port that another device (or nobody) continues is split into bytes.
    pub fn port_read(&mut self, port: u16, size: u8, step: u64, memory: &mut Memory) -> u32 {
        let owner = self.ports[usize::from(port)];
        if self.is_split(port, size, owner) {
            return (0..u16::from(size)).fold(0, |value, i| {
                let byte = self.port_read(port.wrapping_add(i), 1, step, memory);
                value | byte << (8 * i)
            });
        }
        let mut io = Io { cpu: 0, now_ns: self.clock.now_ns(step), size, memory };
        let value = match owner {
            NOBODY => u32::MAX,
            INTC => {
                let value =
                    self.intc.as_mut().map_or(u32::MAX, |d| d.read(u64::from(port), &mut io));
                // A poll acknowledges.
                self.take_intr();
                value
            }
            n => self.devices[usize::from(n)].read(u64::from(port), &mut io),
        };
        self.settle();
        value & (u32::MAX >> (32 - 8 * u32::from(size)))
    }

    /// Writes a port; see [`Bus::port_read`].
    pub fn port_write(&mut self, port: u16, size: u8, value: u32, step: u64, memory: &mut Memory) {
        let owner = self.ports[usize::from(port)];
        if self.is_split(port, size, owner) {
            for i in 0..u16::from(size) {
                let byte = value >> (8 * i) & 0xFF;
                self.port_write(port.wrapping_add(i), 1, byte, step, memory);
            }
            return;
        }
        let mut io = Io { cpu: 0, now_ns: self.clock.now_ns(step), size, memory };
        match owner {
            NOBODY => {}
            INTC => {
                if let Some(d) = self.intc.as_mut() {
                    d.write(u64::from(port), value, &mut io);
                }
                self.take_intr();
            }
            n => self.devices[usize::from(n)].write(u64::from(port), value, &mut io),
        }
        self.settle();
    }

    #[inline(always)]
    fn is_split(&self, port: u16, size: u8, owner: u16) -> bool {
        size > 1
            && (1..u16::from(size)).any(|i| self.ports[usize::from(port.wrapping_add(i))] != owner)
    }

    /// Reads a device's registers in memory.
    pub fn mmio_read(
        &mut self,
        id: MmioId,
        at: u64,
        size: u8,
        step: u64,
        memory: &mut Memory,
    ) -> u32 {
        let mut io = Io { cpu: 0, now_ns: self.clock.now_ns(step), size, memory };
        let value = match self.devices.get_mut(usize::from(id.0)) {
            Some(device) => device.read(at, &mut io),
            None => u32::MAX,
        };
        self.settle();
        value & (u32::MAX >> (32 - 8 * u32::from(size)))
    }

    /// Writes a device's registers in memory.
    pub fn mmio_write(
        &mut self,
        id: MmioId,
        at: u64,
        size: u8,
        value: u32,
        step: u64,
        memory: &mut Memory,
    ) {
        let mut io = Io { cpu: 0, now_ns: self.clock.now_ns(step), size, memory };
        if let Some(device) = self.devices.get_mut(usize::from(id.0)) {
            device.write(at, value, &mut io);
        }
        self.settle();
    }

    /// Shows the lines' levels to the interrupt controllers, if those or they have changed.
    #[inline(always)]
    fn settle(&mut self) {
        let lines = self.signals.lines();
        if self.shown_lines != Some(lines) {
            self.show(lines);
        }
    }

    #[cold]
    fn show(&mut self, lines: u32) {
        self.shown_lines = Some(lines);
        if let Some(intc) = self.intc.as_mut() {
            intc.update(lines);
        }
        self.take_intr();
    }

    /// Asks the controllers for INTR, and makes the engine look if it changed.
    fn take_intr(&mut self) {
        let intr = self.intc.as_ref().is_some_and(|d| d.pending());
        if intr != self.intr {
            self.intr = intr;
            self.signals.look();
        }
    }

    /// The processor's FERR# (see [`Signals::set_ferr`]).
    pub fn set_ferr(&mut self, on: bool) {
        self.signals.set_ferr(on);
        self.settle();
    }

    /// INTR.
    #[inline]
    #[must_use]
    pub fn interrupt_pending(&self) -> bool {
        self.intr
    }

    /// INTA: the vector to deliver. `None` without interrupt controllers.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.intc.as_mut().map(|d| d.acknowledge());
        self.take_intr();
        vector
    }

    /// The interrupt controllers, for reports.
    #[must_use]
    pub fn intc(&self) -> Option<&dyn InterruptController> {
        self.intc.as_deref()
    }

    /// The earliest deadline, virtual nanoseconds.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.timers.iter().filter_map(|(timer, _)| timer.due_ns()).min()
    }

    /// Ticks every device whose deadline has come.
    pub fn run_timers(&mut self, step: u64, memory: &mut Memory) {
        let now_ns = self.clock.now_ns(step);
        for i in 0..self.timers.len() {
            let (timer, owner) = &self.timers[i];
            if timer.due_ns().is_some_and(|due| due <= now_ns) {
                let owner = usize::from(*owner);
                let mut io = Io { cpu: 0, now_ns, size: 0, memory };
                self.devices[owner].tick(&mut io);
            }
        }
        self.settle();
    }

    /// Calls a device's own method and then shows line changes to the interrupt controllers:
    /// for input from outside.
    pub fn with<D: Device, R>(&mut self, handle: Handle<D>, f: impl FnOnce(&mut D) -> R) -> R {
        let result = f(self.get_mut(handle));
        self.settle();
        result
    }

    /// Resets all devices.
    pub fn reset(&mut self) {
        for device in &mut self.devices {
            device.reset();
        }
        if let Some(intc) = self.intc.as_mut() {
            intc.reset();
        }
        self.shown_lines = None;
        self.settle();
    }

    /// Saves all devices, the interrupt controllers last.
    #[must_use]
    pub fn save(&self) -> Vec<Saved> {
        let pack = |d: &dyn Device| Saved {
            kind: d.name().to_owned(),
            version: d.version(),
            bytes: d.save(),
        };
        let mut all: Vec<Saved> = self.devices.iter().map(|d| pack(&**d)).collect();
        if let Some(intc) = &self.intc {
            all.push(Saved {
                kind: intc.name().to_owned(),
                version: intc.version(),
                bytes: intc.save(),
            });
        }
        all
    }

    /// Restores what `save` gave on a bus with the same devices.
    pub fn restore(&mut self, saved: &[Saved]) -> Result<(), StateError> {
        let here = self.devices.len() + usize::from(self.intc.is_some());
        if saved.len() != here {
            let why = format!("it has {} devices, this machine {here}", saved.len());
            return Err(StateError::Damaged { kind: "bus".into(), why });
        }
        let (own, intc) = saved.split_at(self.devices.len());
        for (device, state) in self.devices.iter_mut().zip(own) {
            check(device.name(), device.version(), state)?;
            device.restore(&state.bytes)?;
        }
        if let (Some(device), Some(state)) = (self.intc.as_mut(), intc.first()) {
            check(device.name(), device.version(), state)?;
            device.restore(&state.bytes)?;
        }
        self.shown_lines = None;
        self.take_intr();
        Ok(())
    }
}

fn check(name: &str, version: u32, state: &Saved) -> Result<(), StateError> {
    if state.kind != name {
        return Err(StateError::Kind { expected: name.into(), found: state.kind.clone() });
    }
    if state.version != version {
        return Err(StateError::Version {
            kind: name.into(),
            expected: version,
            found: state.version,
        });
    }
    Ok(())
}
