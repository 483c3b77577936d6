//! The controller, the keyboard and the mouse, as a driver sees them through the two ports.

use super::*;
use mem::Memory;

struct Rig {
    ps2: Ps2,
    mem: Memory,
    now_ns: u64,
    signals: Arc<Signals>,
}

impl Rig {
    fn new() -> Self {
        let signals = Signals::new();
        let irqs = [1, 12].map(|n| IrqLine::new(&signals, n));
        let ps2 = Ps2::new(&signals, irqs, Timer::new(&signals));
        Self { ps2, mem: Memory::flat(4096).unwrap(), now_ns: 0, signals }
    }

    /// As a BIOS leaves it: interrupt and translation on.
    fn ready() -> Self {
        let mut r = Self::new();
        r.write(COMMAND, 0x60);
        r.write(DATA, 0x45);
        r
    }

    fn write(&mut self, port: u16, value: u8) {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.ps2.write(u64::from(port), u32::from(value), &mut io);
    }

    fn read(&mut self, port: u16) -> u8 {
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 1, memory: &mut self.mem };
        self.ps2.read(u64::from(port), &mut io) as u8
    }

    /// The next byte of the keyboard.
    fn next(&mut self) -> Option<u8> {
        self.now_ns = self.now_ns.max(self.ps2.timer.due_ns()?);
        let mut io = Io { cpu: 0, now_ns: self.now_ns, size: 0, memory: &mut self.mem };
        self.ps2.tick(&mut io);
        (self.read(COMMAND) & STATUS_OBF != 0).then(|| self.read(DATA))
    }
}

#[test]
fn self_test_answers_55() {
    let mut r = Rig::new();
    r.write(COMMAND, 0xAA);
    assert_eq!((r.read(COMMAND) & STATUS_OBF, r.read(DATA)), (STATUS_OBF, 0x55));
    assert_eq!(r.read(COMMAND) & (STATUS_OBF | STATUS_SYS), STATUS_SYS);
}

#[test]
fn keys_are_translated_and_spaced() {
    let mut r = Rig::ready();
    r.ps2.key(Key::A, true);
    r.ps2.key(Key::A, false);
    r.ps2.key(Key::Up, false);
    assert_eq!(r.next(), Some(0x1E));
    let first_ns = r.now_ns;
    assert_eq!(r.next(), Some(0x9E));
    assert_eq!(r.now_ns, first_ns + BYTE_NS);
    assert_eq!((r.next(), r.next(), r.next()), (Some(0xE0), Some(0xC8), None));
}

#[test]
fn interrupt_line_follows_the_output_buffer() {
    let mut r = Rig::ready();
    r.ps2.key(Key::B, true);
    let mut io = Io { cpu: 0, now_ns: 5, size: 0, memory: &mut r.mem };
    r.ps2.tick(&mut io);
    assert!(r.ps2.irqs[0].is_high());
    assert_eq!(r.read(DATA), 0x30);
    assert!(!r.ps2.irqs[0].is_high());
}

#[test]
fn keyboard_reset_acknowledges_and_reports() {
    let mut r = Rig::new();
    r.write(DATA, 0xFF);
    assert_eq!((r.next(), r.next(), r.next()), (Some(0xFA), Some(0xAA), None));
}

#[test]
fn leds_take_a_parameter() {
    let mut r = Rig::ready();
    r.write(DATA, 0xED);
    assert_eq!(r.next(), Some(KBD_ACK));
    r.write(DATA, 0x06);
    assert_eq!((r.next(), r.ps2.leds()), (Some(KBD_ACK), 6));
}

#[test]
fn a20_has_three_ways_in() {
    let mut r = Rig::new();
    r.write(COMMAND, 0xDF);
    assert!(r.signals.a20());
    r.write(COMMAND, 0xDD);
    assert!(!r.signals.a20());
    r.write(COMMAND, 0xD1);
    r.write(DATA, 0xDF);
    assert!(r.signals.a20());
    r.write(COMMAND, 0xD0);
    assert_eq!(r.read(DATA) & (OUT_A20 | OUT_RESET), OUT_A20 | OUT_RESET);
}

#[test]
fn pulsing_bit_0_resets() {
    let mut r = Rig::new();
    r.write(COMMAND, 0xFE);
    assert_eq!(r.signals.take_requests(), Request::Reset as u32);
    r.write(COMMAND, 0xFF);
    assert_eq!(r.signals.take_requests(), 0);
}

#[test]
fn full_buffer_refuses_keys() {
    let mut r = Rig::ready();
    let taken = (0..40).take_while(|_| r.ps2.key(Key::A, true)).count();
    assert_eq!(taken, 16);
    r.next();
    assert!(r.ps2.key(Key::A, true));
}

impl Rig {
    /// Sends bytes to the mouse one by one; gives all that it answers.
    fn tell(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|&byte| self.ask(byte)).collect()
    }

    fn ask(&mut self, byte: u8) -> Vec<u8> {
        self.write(COMMAND, 0xD4);
        self.write(DATA, byte);
        self.heard()
    }

    /// All that is sent in the next moments.
    fn heard(&mut self) -> Vec<u8> {
        self.heard_until(self.now_ns + 50_000_000)
    }

    /// All that is sent until a moment.
    fn heard_until(&mut self, ns: u64) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            if self.read(COMMAND) & STATUS_OBF != 0 {
                all.push(self.read(DATA));
            } else if self.ps2.timer.due_ns().is_some_and(|due| due <= ns) {
                all.extend(self.next());
            } else {
                break;
            }
        }
        self.now_ns = ns;
        all
    }
}

fn motion(dx: i16, dy: i16, buttons: u8) -> Motion {
    Motion { dx, dy, wheel: 0, buttons }
}

#[test]
fn held_key_repeats_after_the_default_delay_at_the_default_rate() {
    let mut r = Rig::ready();
    r.ps2.key(Key::A, true);
    assert_eq!(r.heard_until(499_000_000), [0x1E]);
    assert_eq!(r.heard_until(501_000_000), [0x1E]);
    // 10.9 characters a second.
    assert_eq!(r.heard_until(1_501_000_000).len(), 10);
    r.ps2.key(Key::A, false);
    assert_eq!(r.heard_until(5_000_000_000), [0x9E]);
}

#[test]
fn typematic_rate_is_set_by_the_guest() {
    let mut r = Rig::ready();
    r.write(DATA, 0xF3);
    r.next();
    // 250 ms, then 30 a second.
    r.write(DATA, 0x00);
    r.next();
    let start = r.now_ns;
    r.ps2.key(Key::B, true);
    assert_eq!(r.heard_until(start + 249_000_000).len(), 1);
    assert_eq!(r.heard_until(start + 1_249_000_000).len(), 30);
}

#[test]
fn scan_sets_are_switched_and_asked_for() {
    let mut r = Rig::new();
    let tell = |r: &mut Rig, byte| {
        r.write(DATA, byte);
        r.heard()
    };
    assert_eq!((tell(&mut r, 0xF0), tell(&mut r, 0)), (vec![0xFA], vec![0xFA, 2]));
    for (set, codes) in [(1, vec![0x48, 0xC8]), (2, vec![0x75, 0xF0, 0x75]), (3, vec![0x75])] {
        assert_eq!((tell(&mut r, 0xF0), tell(&mut r, set)), (vec![0xFA], vec![0xFA]));
        r.ps2.key(Key::Keypad8, true);
        r.ps2.key(Key::Keypad8, false);
        assert_eq!(r.heard(), codes, "set {set}");
    }
    assert_eq!((tell(&mut r, 0xF0), tell(&mut r, 4)), (vec![0xFA], vec![0xFE]));
}

#[test]
fn key_types_of_set_3_are_set_for_all_and_for_one() {
    let mut r = Rig::new();
    let tell = |r: &mut Rig, bytes: &[u8]| {
        for &byte in bytes {
            r.write(DATA, byte);
            assert_eq!(r.next(), Some(KBD_ACK), "{byte:#x}");
        }
    };
    let tap = |r: &mut Rig, key| {
        r.ps2.key(key, true);
        r.ps2.key(key, false);
        r.heard()
    };
    tell(&mut r, &[0xF0, 3, 0xFA]);
    assert_eq!(tap(&mut r, Key::A), [0x1C, 0xF0, 0x1C]);
    // Only A (1Ch) makes and no more; the next command ends the list.
    tell(&mut r, &[0xFD, 0x1C, 0xF4]);
    assert_eq!((tap(&mut r, Key::A), tap(&mut r, Key::B)), (vec![0x1C], vec![0x32, 0xF0, 0x32]));
}

#[test]
fn default_disable_stops_scanning() {
    let mut r = Rig::ready();
    r.write(DATA, 0xF5);
    assert_eq!(r.next(), Some(KBD_ACK));
    assert!(r.ps2.key(Key::A, true));
    assert_eq!(r.next(), None);
}

#[test]
fn keyboard_says_its_last_byte_again() {
    let mut r = Rig::new();
    r.write(DATA, 0xEE);
    assert_eq!(r.next(), Some(0xEE));
    r.write(DATA, 0xFE);
    assert_eq!(r.next(), Some(0xEE));
}

#[test]
fn mouse_resets_to_a_self_test_and_id_0() {
    let mut r = Rig::new();
    assert_eq!(r.ask(0xFF), [0xFA, 0xAA, 0x00]);
    assert_eq!(r.ask(0xF2), [0xFA, 0x00]);
    // Stream mode, off, 1:1; 4 counts a millimetre; 100 samples a second.
    assert_eq!(r.ask(0xE9), [0xFA, 0x00, 0x02, 100]);
}

#[test]
fn mouse_bytes_are_marked_and_raise_irq_12() {
    let mut r = Rig::new();
    r.write(COMMAND, 0x60);
    r.write(DATA, CCB_INT | CCB_AUX_INT);
    r.write(COMMAND, 0xD4);
    r.write(DATA, 0xF4);
    r.now_ns = r.ps2.timer.due_ns().unwrap();
    let mut io = Io { cpu: 0, now_ns: r.now_ns, size: 0, memory: &mut r.mem };
    r.ps2.tick(&mut io);
    assert_eq!(r.signals.lines(), 1 << 12);
    assert_eq!(r.read(COMMAND) & (STATUS_OBF | STATUS_AUX), STATUS_OBF | STATUS_AUX);
    assert_eq!((r.read(DATA), r.signals.lines()), (0xFA, 0));
}

#[test]
fn movement_comes_as_packets_of_three() {
    let mut r = Rig::new();
    r.ask(0xF4);
    r.ps2.mouse(motion(5, -3, BUTTON_LEFT));
    assert_eq!(r.heard(), [0x09, 5, 3]);
    // Left and towards the user.
    r.ps2.mouse(motion(-2, 4, BUTTON_RIGHT | BUTTON_MIDDLE));
    assert_eq!(r.heard(), [0x3E, 0xFE, 0xFC]);
    r.ps2.mouse(motion(0, 0, BUTTON_RIGHT | BUTTON_MIDDLE));
    assert_eq!(r.heard(), []);
}

#[test]
fn a_far_movement_takes_several_packets_at_the_sample_rate() {
    let mut r = Rig::new();
    r.tell(&[0xF3, 10, 0xF4]);
    let start = r.now_ns;
    r.ps2.mouse(motion(300, 0, 0));
    assert_eq!(r.heard_until(start + 99_000_000), [0x08, 255, 0]);
    assert_eq!(r.heard_until(start + 110_000_000), [0x08, 45, 0]);
}

#[test]
fn remote_mode_gives_a_packet_when_asked() {
    let mut r = Rig::new();
    r.ask(0xF0);
    r.ps2.mouse(motion(1, 1, 0));
    assert_eq!(r.heard(), []);
    assert_eq!(r.ask(0xEB), [0xFA, 0x28, 1, 0xFF]);
    assert_eq!(r.ask(0xE9), [0xFA, 0x40, 2, 100]);
}

#[test]
fn wrap_mode_echoes_all_but_its_end() {
    let mut r = Rig::new();
    r.ask(0xEE);
    assert_eq!(r.tell(&[0x00, 0xF4, 0xF2]), [0x00, 0xF4, 0xF2]);
    assert_eq!((r.ask(0xEC), r.ask(0xF2)), (vec![0xFA], vec![0xFA, 0]));
}

#[test]
fn scaling_doubles_what_streams_but_not_what_is_read() {
    let mut r = Rig::new();
    r.tell(&[0xE7, 0xF4]);
    for (count, scaled) in [(1, 1), (2, 1), (3, 3), (4, 6), (5, 9), (6, 12), (40, 80)] {
        r.ps2.mouse(motion(count, 0, 0));
        assert_eq!(r.heard()[1], scaled, "{count}");
    }
    r.ask(0xF0);
    r.ps2.mouse(motion(40, 0, 0));
    assert_eq!(r.ask(0xEB), [0xFA, 0x08, 40, 0]);
}

#[test]
fn wheel_and_further_buttons_are_turned_on_by_sample_rates() {
    let mut r = Rig::new();
    r.tell(&[0xF3, 200, 0xF3, 100, 0xF3, 80]);
    assert_eq!(r.ask(0xF2), [0xFA, 3]);
    r.ask(0xF4);
    r.ps2.mouse(Motion { wheel: -1, ..Motion::default() });
    assert_eq!(r.heard(), [0x08, 0, 0, 0xFF]);
    r.tell(&[0xF3, 200, 0xF3, 200, 0xF3, 80]);
    assert_eq!(r.ask(0xF2), [0xFA, 4]);
    r.ps2.mouse(Motion { wheel: 2, buttons: BUTTON_BACK | BUTTON_FORWARD, ..Motion::default() });
    assert_eq!(r.heard(), [0x08, 0, 0, 0x32]);
}

#[test]
fn mouse_says_resend_and_then_error() {
    let mut r = Rig::new();
    assert_eq!(r.tell(&[0xE1, 0xE1, 0xE1]), [0xFE, 0xFC, 0xFE]);
    assert_eq!(r.tell(&[0xE8, 9, 3]), [0xFA, 0xFE, 0xFA]);
    assert_eq!(r.ask(0xE9), [0xFA, 0, 3, 100]);
}

#[test]
fn mouse_says_its_packet_again() {
    let mut r = Rig::new();
    r.ask(0xF4);
    r.ps2.mouse(motion(7, 0, 0));
    assert_eq!(r.heard(), [8, 7, 0]);
    assert_eq!(r.ask(0xFE), [8, 7, 0]);
}

#[test]
fn auxiliary_port_is_tested_and_turned_off() {
    let mut r = Rig::new();
    r.write(COMMAND, 0xA9);
    assert_eq!(r.read(DATA), 0);
    r.ask(0xF4);
    r.write(COMMAND, 0xA7);
    r.ps2.mouse(motion(1, 0, 0));
    assert_eq!(r.heard(), []);
    r.write(COMMAND, 0xA8);
    assert_eq!(r.heard(), [8, 1, 0]);
    r.write(COMMAND, 0xD3);
    r.write(DATA, 0x77);
    assert_eq!(r.read(COMMAND) & (STATUS_OBF | STATUS_AUX), STATUS_OBF | STATUS_AUX);
    assert_eq!(r.read(DATA), 0x77);
}
