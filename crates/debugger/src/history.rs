//! What led here: the last crossings, and the interrupts delivered but not returned from.
//! A fixed amount is kept, whatever the guest does; everything is a function of the events.

use crate::scene::Link;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use x86::Cause;
use x86::event::{Event, Mode, Place, Record, Source, Transfer, Via, Wanted};

/// Crossings kept for reports.
const CROSSINGS: usize = 32;
/// Deliveries kept to find mistakes in handlers.
const DELIVERIES: usize = 64;
/// The BIOS's service that boots a disk. It isn't meant to return.
const BOOTSTRAP: u8 = 0x19;

/// An interrupt or exception that reached its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Steps before it.
    pub step: u64,
    /// The vector.
    pub vector: u8,
    /// Why.
    pub source: Source,
    /// The error code pushed.
    pub error_code: Option<u16>,
    /// The evidence of an exception, where the fault was recorded.
    pub why: Cause,
    /// The interrupted place.
    pub from: Place,
    /// The handler's first instruction.
    pub to: Place,
    /// The step of the IRET that went back, if one did.
    pub returned: Option<u64>,
}

/// The last crossings of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    crossings: VecDeque<Record>,
    deliveries: VecDeque<Delivery>,
    /// The last fault raised: its delivery follows it.
    fault: Option<Link>,
}

impl History {
    /// A history of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of events, in order. Those that would be forgotten again by the end are passed
    /// over at once.
    pub fn observe_all(&mut self, records: &[Record]) {
        let is_kept = |record: &Record| match &record.event {
            Event::Transfer(t) => is_delivery(t),
            _ => false,
        };
        let behind = records.iter().enumerate().rev().filter(|(_, record)| is_kept(record));
        // As many deliveries as are kept come behind it, and so do as many crossings.
        let first = behind.map(|(n, _)| n).nth(DELIVERIES).map_or(0, |n| n + 1);
        records[first..].iter().for_each(|record| self.observe(record));
    }

    /// Takes note of an event; those that are neither crossings nor faults are passed over.
    pub fn observe(&mut self, record: &Record) {
        if let Event::Fault { fault, why, at, cr2, .. } = record.event {
            self.fault = Some(Link { fault, why, at, cr2 });
        }
        if !record.event.class().contains(Wanted::CROSSINGS) {
            return;
        }
        keep(&mut self.crossings, *record, CROSSINGS);
        let Event::Transfer(t) = &record.event else { return };
        let is_last_real = self.deliveries.back().is_some_and(|d| d.to.mode == Mode::Real);
        if t.to.mode == Mode::Protected && is_last_real {
            // From here no IRET finds back into a frame of real mode.
            self.deliveries.retain(|d| d.to.mode != Mode::Real);
        }
        match t.via {
            Via::Interrupt { vector, source, error_code } if is_delivery(t) => {
                let (from, to, step) = (t.from, t.to, record.step);
                let raised = self.fault.take().filter(|f| f.fault.vector as u8 == vector);
                let why = raised.map_or(Cause::None, |f| f.why);
                let returned = None;
                let d = Delivery { step, vector, source, error_code, why, from, to, returned };
                keep(&mut self.deliveries, d, DELIVERIES);
            }
            Via::Iret => self.note_return(record.step, t),
            _ => {}
        }
    }

    /// Finds the delivery an IRET answers: the latest open one whose frame lies where the IRET
    /// popped, an error code included or not, or which it returns to.
    fn note_return(&mut self, step: u64, t: &Transfer) {
        let answers = |d: &Delivery| {
            let above = t.from.esp.wrapping_sub(d.to.esp);
            let same_frame = d.to.ss == t.from.ss && (above == 0 || above == 4);
            same_frame || (t.to.cs == d.from.cs && t.to.eip == d.from.eip)
        };
        let open = self.deliveries.iter_mut().rev().find(|d| d.returned.is_none() && answers(d));
        if let Some(delivery) = open {
            delivery.returned = Some(step);
        }
    }

    /// The last crossings, oldest first.
    pub fn crossings(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.crossings.iter()
    }

    /// The last deliveries, latest first.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().rev()
    }

    /// The latest delivery whose handler hasn't returned.
    #[must_use]
    pub fn open_delivery(&self) -> Option<&Delivery> {
        self.deliveries().find(|d| d.returned.is_none())
    }

    /// The latest delivery of an interrupt from outside through this vector.
    #[must_use]
    pub fn last_external(&self, vector: u8) -> Option<&Delivery> {
        self.deliveries().find(|d| d.vector == vector && d.source == Source::External)
    }
}

/// An interrupt or exception whose handler should return.
fn is_delivery(t: &Transfer) -> bool {
    match t.via {
        Via::Interrupt { vector, .. } => vector != BOOTSTRAP || t.to.mode != Mode::Real,
        _ => false,
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{protected, transfer};
    use x86::Fault;

    fn delivered(step: u64, vector: u8, error_code: Option<u16>) -> Record {
        let via = Via::Interrupt { vector, source: Source::External, error_code };
        let from = protected(0, 8, 0x1000, 0x10, 0x9000);
        let to = protected(0, 8, 0x2000, 0x10, 0x8FF4);
        Record { step, event: Event::Transfer(transfer(via, from, to)) }
    }

    fn iret(step: u64, esp: u32) -> Record {
        let from = protected(0, 8, 0x2010, 0x10, esp);
        let to = protected(0, 8, 0x1002, 0x10, 0x9000);
        Record { step, event: Event::Transfer(transfer(Via::Iret, from, to)) }
    }

    #[test]
    fn an_iret_at_the_frame_closes_the_delivery() {
        let mut h = History::new();
        h.observe(&delivered(10, 0x20, None));
        assert_eq!(h.open_delivery().map(|d| d.vector), Some(0x20));
        h.observe(&iret(15, 0x8FF4));
        assert_eq!(h.open_delivery(), None);
        assert_eq!(h.last_external(0x20).and_then(|d| d.returned), Some(15));
    }

    #[test]
    fn an_iret_elsewhere_leaves_it_open() {
        let mut h = History::new();
        h.observe(&delivered(10, 0x20, None));
        h.observe(&iret(15, 0x7000));
        assert!(h.open_delivery().is_some());
    }

    #[test]
    fn a_delivered_exception_keeps_its_evidence() {
        let mut h = History::new();
        let at = protected(0, 8, 0x1000, 0x10, 0x9000);
        let (fault, why) = (Fault::gp(0), Cause::SysenterCs { value: 0 });
        let event = Event::Fault { fault, why, at, cr2: 0, during: None };
        h.observe(&Record { step: 9, event });
        h.observe(&delivered(10, 13, Some(0)));
        assert_eq!(h.open_delivery().map(|d| d.why), Some(why));
        h.observe(&delivered(11, 13, Some(0)));
        assert_eq!(h.open_delivery().map(|d| d.why), Some(Cause::None));
    }

    /// The same in real mode.
    fn real(step: u64, vector: u8) -> Record {
        let mut record = delivered(step, vector, None);
        if let Event::Transfer(t) = &mut record.event {
            (t.from.mode, t.to.mode) = (Mode::Real, Mode::Real);
        }
        record
    }

    #[test]
    fn the_way_into_protected_mode_leaves_real_mode_handlers_behind() {
        let mut h = History::new();
        h.observe(&real(10, 0x13));
        assert_eq!(h.open_delivery().map(|d| d.vector), Some(0x13));
        h.observe(&iret(20, 0x7000));
        assert_eq!(h.open_delivery(), None);
    }

    #[test]
    fn the_bootstrap_isnt_a_handler_that_should_return() {
        let mut h = History::new();
        h.observe(&real(10, BOOTSTRAP));
        assert_eq!(h.open_delivery(), None);
        assert_eq!(h.crossings().count(), 1);
    }

    #[test]
    fn many_events_at_once_leave_what_they_leave_one_by_one() {
        let mut records = Vec::new();
        for n in 0..500 {
            records.push(delivered(10 * n, n as u8, None));
            if n % 3 != 0 {
                records.push(iret(10 * n + 5, 0x8FF4));
            }
        }
        for part in [1, 7, 100, 200, records.len()] {
            let (mut all, mut each) = (History::new(), History::new());
            records.chunks(part).for_each(|part| all.observe_all(part));
            records.iter().for_each(|record| each.observe(record));
            assert_eq!(all, each, "{part} at a time");
        }
    }

    #[test]
    fn only_the_last_crossings_are_kept() {
        let mut h = History::new();
        (0..100).for_each(|step| h.observe(&delivered(step, 0x20, None)));
        assert_eq!(h.crossings().count(), CROSSINGS);
        assert_eq!(h.crossings().last().map(|r| r.step), Some(99));
    }
}
