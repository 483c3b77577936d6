//! Random port traffic against the whole board: nothing panics, and a twin that is restored
//! at a random moment goes on exactly as the original does.

use bus::{Bus, IrqLine, NmiGate, Signals, Timer};
use devices::vga::VIDEO_BYTES;
use devices::*;
use mem::{Kind, Memory, Region, Target};
use proptest::prelude::*;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use x86::PhysAddr;

/// What the guest sent, and where it came from.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl SerialSink for Kept {
    fn send(&mut self, byte: u8) {
        self.0.lock().unwrap().push(byte);
    }
}

struct Board {
    bus: Bus,
    mem: Memory,
    signals: Arc<Signals>,
    ps2: bus::Handle<Ps2>,
    uart: bus::Handle<Uart>,
    vga: bus::Handle<Vga>,
    sent: Kept,
    step: u64,
}

const RAM: u64 = 1 << 20;

fn medium(sectors: usize, seed: u8) -> Option<Box<dyn Storage>> {
    let bytes = (0..sectors * SECTOR_BYTES).map(|i| (i / 7) as u8 ^ seed).collect();
    Some(Box::new(Overlay::from_bytes(bytes)))
}

impl Board {
    fn new() -> Self {
        let signals = Signals::new();
        let mut bus = Bus::new(signals.clone());
        let line = |n| IrqLine::new(&signals, n);
        let timer = || Timer::new(&signals);
        let sent = Kept::default();
        bus.set_intc(Box::new(Pic::new()), Pic::PORTS).unwrap();
        let t = timer();
        bus.add_timed(Pit::new(line(0), t.clone()), Pit::PORTS, t).unwrap();
        let t = timer();
        let config = CmosConfig::default();
        let cmos = Cmos::new(&config, line(8), NmiGate::new(&signals), t.clone());
        bus.add_timed(cmos, Cmos::PORTS, t).unwrap();
        let t = timer();
        let ps2 = Ps2::new(&signals, [line(1), line(12)], t.clone());
        let ps2 = bus.add_timed(ps2, Ps2::PORTS, t).unwrap();
        let t = timer();
        let uart = Uart::new(0x3F8, Box::new(sent.clone()), line(4), t.clone());
        let uart = bus.add_timed(uart, Uart::COM1, t).unwrap();
        let t = timer();
        let com2 = Uart::new(0x2F8, Box::new(sent.clone()), line(3), t.clone());
        bus.add_timed(com2, Uart::COM2, t).unwrap();
        let t = timer();
        let lpt = Lpt::new(0x378, Box::new(sent.clone()), line(7), t.clone());
        bus.add_timed(lpt, Lpt::LPT1, t).unwrap();
        let dma = Dma::new();
        let t = timer();
        let media = [medium(2880, 1), medium(720, 2)];
        let fdc = Fdc::new(media, dma.channel(2), line(6), t.clone());
        bus.add_timed(fdc, Fdc::PORTS, t).unwrap();
        bus.add(dma, &Dma::ports()).unwrap();
        let t = timer();
        let ide = Ide::new(0x1F0, [medium(3000, 3), None], line(14), t.clone());
        bus.add_timed(ide, Ide::PRIMARY, t).unwrap();
        let t = timer();
        let ide = Ide::new(0x170, [None, medium(40, 4)], line(15), t.clone());
        bus.add_timed(ide, Ide::SECONDARY, t).unwrap();
        let vga = bus.add(Vga::new(&signals), Vga::PORTS).unwrap();
        bus.add(Debugcon::new(Box::new(sent.clone())), Debugcon::PORTS).unwrap();
        bus.add(Post::new(), Post::PORTS).unwrap();
        bus.add(DebugExit::new(&signals), DebugExit::PORTS).unwrap();
        bus.add(Power::new(&signals), Power::PORTS).unwrap();
        bus.add(Port92::new(&signals), Port92::PORTS).unwrap();
        let mut mem = Memory::new(RAM + VIDEO_BYTES).unwrap();
        for (name, start, end) in [("low", 0, 0xA_0000), ("high", 0xC_0000, RAM)] {
            let (start, len) = (PhysAddr(start), end - start);
            let region =
                Region { name: name.into(), start, len, kind: Kind::Ram, arena_offset: start.0 };
            mem.add(region).unwrap();
        }
        bus.get_mut(vga).attach(vga.mmio(), RAM, &mut mem).unwrap();
        Self { bus, mem, signals, ps2, uart, vga, sent, step: 0 }
    }

    /// Another board in the same state.
    fn twin(&self) -> Self {
        let mut twin = Self::new();
        twin.copy_memory(self);
        twin.bus.clock = self.bus.clock.clone();
        twin.step = self.step;
        twin.signals.restore_lines(self.signals.lines());
        twin.bus.restore(&self.bus.save()).unwrap();
        twin.bus.get_mut(twin.vga).adopt_map(&mut twin.mem);
        twin.sent.0.lock().unwrap().clone_from(&self.sent.0.lock().unwrap());
        twin
    }

    /// All pages of the arena that hold something. Read through the file, a hole stays a hole.
    fn pages(&self) -> Vec<(u64, Vec<u8>)> {
        let mut all = vec![0; self.mem.arena().len() as usize];
        self.mem.arena().file().read_exact_at(&mut all, 0).unwrap();
        let pages = (0..).step_by(4096).zip(all.chunks(4096));
        pages
            .filter(|(_, page)| page.iter().any(|b| *b != 0))
            .map(|(at, p)| (at, p.to_vec()))
            .collect()
    }

    fn copy_memory(&mut self, from: &Self) {
        for (at, page) in from.pages() {
            self.mem.write(at, &page);
        }
    }

    /// The processor reads or writes memory.
    fn access(&mut self, at: u64, size: u8, value: Option<u32>) -> u32 {
        match (self.mem.resolve(PhysAddr(at)), value) {
            (Target::Mmio { id, offset }, None) => {
                self.bus.mmio_read(id, offset, size, self.step, &mut self.mem)
            }
            (Target::Mmio { id, offset }, Some(value)) => {
                self.bus.mmio_write(id, offset, size, value, self.step, &mut self.mem);
                0
            }
            (_, None) => {
                let mut bytes = [0; 4];
                self.mem.read_phys(PhysAddr(at), &mut bytes[..usize::from(size)]);
                u32::from_le_bytes(bytes)
            }
            (_, Some(value)) => {
                let bytes = value.to_le_bytes();
                self.mem.write_phys(PhysAddr(at), &bytes[..usize::from(size)]);
                0
            }
        }
    }

    /// Does one thing; gives what a guest or the machine could see of it.
    fn act(&mut self, action: &Action) -> u32 {
        match *action {
            Action::Read(port, size) => self.bus.port_read(port, size, self.step, &mut self.mem),
            Action::Write(port, size, value) => {
                self.bus.port_write(port, size, value, self.step, &mut self.mem);
                0
            }
            Action::Load(at, size) => self.access(at, size, None),
            Action::Store(at, size, value) => self.access(at, size, Some(value)),
            Action::Burst(port, count) => (0..count).fold(0, |sum: u32, _| {
                let value = self.bus.port_read(port, 2, self.step, &mut self.mem);
                sum.rotate_left(3) ^ value
            }),
            Action::Steps(steps) => {
                self.step += u64::from(steps);
                self.bus.run_timers(self.step, &mut self.mem);
                0
            }
            Action::NextDeadline => self.skip_to_deadline(),
            Action::Acknowledge if self.bus.interrupt_pending() => {
                self.bus.acknowledge().map_or(0x100, u32::from)
            }
            Action::Acknowledge => 0x200,
            Action::Key(key, down) => {
                u32::from(self.bus.with(self.ps2, |d| d.key(Key::ALL[key % Key::ALL.len()], down)))
            }
            Action::Mouse(motion) => {
                self.bus.with(self.ps2, |d| d.mouse(motion));
                0
            }
            Action::Serial(byte) => {
                self.bus.with(self.uart, |d| d.push_input(&[byte]));
                0
            }
        }
    }

    fn skip_to_deadline(&mut self) -> u32 {
        let Some(due) = self.bus.next_deadline_ns() else {
            return 1;
        };
        let now = self.bus.clock.now_ns(self.step);
        self.bus.clock.skip(self.step, due.saturating_sub(now));
        self.bus.run_timers(self.step, &mut self.mem);
        0
    }

    /// All that can be compared.
    fn view(&self) -> (Vec<bus::bus::Saved>, u32, bool, Option<u64>, Vec<u8>) {
        (
            self.bus.save(),
            self.signals.lines(),
            self.bus.interrupt_pending(),
            self.bus.next_deadline_ns(),
            self.sent.0.lock().unwrap().clone(),
        )
    }
}

#[derive(Clone, Debug)]
enum Action {
    Read(u16, u8),
    Write(u16, u8, u32),
    /// The processor's own, in memory.
    Load(u64, u8),
    Store(u64, u8, u32),
    Burst(u16, u16),
    Steps(u32),
    NextDeadline,
    Acknowledge,
    Key(usize, bool),
    Mouse(Motion),
    Serial(u8),
}

/// Ports at which something is, most of the time.
fn port() -> impl Strategy<Value = u16> {
    let some = vec![
        0x00..0x10u16,
        0x20..0x22,
        0x40..0x44,
        0x60..0x65,
        0x70..0x72,
        0x80..0x93,
        0xA0..0xA2,
        0xC0..0xF8,
        0x170..0x178,
        0x1F0..0x1F8,
        0x2F8..0x300,
        0x376..0x37B,
        0x3B4..0x3DB,
        0x3F0..0x400,
        0x4D0..0x4D2,
        0x604..0x606,
        0xCF8..0xD00,
        0..0xFFFF,
    ];
    prop::sample::select(some).prop_flat_map(|range| range)
}

fn size() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(1u8), 1 => Just(2u8), 1 => Just(4u8)]
}

/// Commands with sense in them reach deeper than noise does.
fn known_write() -> impl Strategy<Value = Action> {
    let ide = prop::sample::select(vec![
        0x20u32, 0x24, 0x29, 0x30, 0x34, 0x40, 0x90, 0x91, 0xC4, 0xC5, 0xC6, 0xEC, 0xE7, 0xEF,
    ]);
    let fdc = prop::sample::select(vec![
        0x03u32, 0x04, 0x45, 0xC5, 0x46, 0xE6, 0x07, 0x08, 0x4A, 0x4D, 0x0E, 0x0F, 0x16, 0x94,
    ]);
    let kbd = prop::sample::select(vec![
        0x20u32, 0x60, 0xA7, 0xA8, 0xAA, 0xAD, 0xAE, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xDD, 0xFE,
    ]);
    let device = prop::sample::select(vec![
        0xE6u32, 0xE7, 0xE8, 0xE9, 0xEB, 0xED, 0xF0, 0xF2, 0xF3, 0xF4, 0xF6, 0xFA, 0xFD, 0xFF, 1,
        3, 80, 100, 200,
    ]);
    prop_oneof![
        ide.prop_map(|v| Action::Write(0x1F7, 1, v)),
        fdc.prop_map(|v| Action::Write(0x3F5, 1, v)),
        (0..4u32).prop_map(|v| Action::Write(0x3F5, 1, v)),
        Just(Action::Write(0x3F2, 1, 0x1C)),
        Just(Action::Write(0x0A, 1, 2)),
        Just(Action::Write(0x0B, 1, 0x46)),
        kbd.prop_map(|v| Action::Write(0x64, 1, v)),
        device.prop_map(|v| Action::Write(0x60, 1, v)),
        Just(Action::Write(0x20, 1, 0x11)),
        Just(Action::Write(0x20, 1, 0x20)),
        (0..0x100u32).prop_map(|v| Action::Write(0x43, 1, v)),
        Just(Action::Write(0x1F6, 1, 0xE0)),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (port(), size()).prop_map(|(p, s)| Action::Read(p, s)),
        8 => (port(), size(), any::<u32>()).prop_map(|(p, s, v)| Action::Write(p, s, v)),
        6 => known_write(),
        4 => (display_address(), size()).prop_map(|(a, s)| Action::Load(a, s)),
        6 => (display_address(), size(), any::<u32>()).prop_map(|(a, s, v)| Action::Store(a, s, v)),
        1 => prop::sample::select(vec![0x1F0u16, 0x170, 0x3F5]).prop_flat_map(|p| {
            (1..600u16).prop_map(move |n| Action::Burst(p, n))
        }),
        4 => (1..200_000u32).prop_map(Action::Steps),
        4 => Just(Action::NextDeadline),
        2 => Just(Action::Acknowledge),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(k, d)| Action::Key(k, d)),
        1 => any::<(i16, i16, i8, u8)>().prop_map(|(dx, dy, wheel, buttons)| {
            Action::Mouse(Motion { dx, dy, wheel, buttons })
        }),
        1 => any::<u8>().prop_map(Action::Serial),
    ]
}

/// The window, its edges, and the frame buffer.
fn display_address() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0xA_0000..0xB_FFFDu64,
        2 => (prop::sample::select(vec![0xA_0000u64, 0xA_FFFC, 0xB_0000, 0xB_7FFC, 0xB_8000]),
            0..4u64).prop_map(|(base, off)| base + off),
        1 => 0xE000_0000..0xE0FF_FFFDu64,
    ]
}

/// A VGA register with an index, with the values drivers give it, and those they don't.
fn vga_register() -> impl Strategy<Value = Vec<Action>> {
    let pairs = prop::sample::select(vec![(0x3C4u16, 5u8), (0x3CE, 9), (0x3D4, 25)]);
    let common = prop::sample::select(vec![
        0u8, 1, 2, 3, 4, 5, 6, 8, 0x0C, 0x0E, 0x0F, 0x10, 0x18, 0x40, 0xFF,
    ]);
    (pairs, any::<u8>(), prop_oneof![3 => common, 1 => any::<u8>()]).prop_map(
        |((port, count), index, value)| {
            vec![Action::Write(port, 2, u32::from(value) << 8 | u32::from(index % count))]
        },
    )
}

/// Bochs's VBE.
fn vbe(index: u32, value: u32) -> Vec<Action> {
    vec![Action::Write(0x1CE, 2, index), Action::Write(0x1CF, 2, value), Action::Read(0x1CF, 2)]
}

fn writes(list: &[(u16, u32)]) -> Vec<Action> {
    list.iter().map(|&(port, value)| Action::Write(port, 1, value)).collect()
}

/// What drivers do: several accesses that belong together, so that their middle is a place to
/// be cut at too.
fn scene() -> impl Strategy<Value = Vec<Action>> {
    prop_oneof![
        8 => action().prop_map(|a| vec![a]),
        1 => (1..10u32, any::<bool>()).prop_map(|(sector, dma)| read_diskette(sector, dma)),
        1 => (0..3000u32, 1..4u32).prop_map(|(lba, count)| read_disk(lba, count)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(mask, special)| program_pic(mask, special)),
        1 => (0..80usize, 1..6u32).prop_map(|(key, reads)| type_key(key, reads)),
        1 => (any::<i16>(), 1..6u32).prop_map(|(dx, reads)| move_mouse(dx, reads)),
        1 => (any::<u8>(), 1..6u32).prop_map(|(fcr, reads)| receive(fcr, reads)),
        3 => vga_register(),
        1 => (0..11u32, 0..0x2000u32).prop_map(|(index, value)| vbe(index, value)),
        1 => (0..32u32, any::<u8>()).prop_map(|(index, value)| {
            writes(&[(0x3C0, index), (0x3C0, value.into()), (0x3C0, 0x20 | index)])
        }),
        1 => (0..16u32, any::<u8>()).prop_map(|(index, value)| {
            let mut all = writes(&[(0x70, index), (0x71, value.into()), (0x70, 0x0C)]);
            all.extend([Action::Steps(90_000), Action::Read(0x71, 1)]);
            all
        }),
        1 => (0..3u16, 0..6u32, any::<u16>()).prop_map(|(channel, mode, count)| {
            let at = 0x40 + channel;
            let word = u32::from(channel) << 6 | 0x30 | mode << 1;
            let count = u32::from(count);
            let mut all = writes(&[(0x43, word), (at, count & 0xFF), (at, count >> 8), (0x61, 1)]);
            all.extend([Action::Steps(5_000), Action::Write(0x61, 1, 0), Action::Read(at, 1)]);
            all.extend([Action::Write(0x61, 1, 1), Action::Read(at, 1), Action::Read(0x61, 1)]);
            all
        }),
    ]
}

fn read_diskette(sector: u32, dma: bool) -> Vec<Action> {
    let mut all = writes(&[(0x3F2, 0), (0x3F2, 0x1C), (0x3F7, 0)]);
    all.push(Action::Steps(50_000));
    if dma {
        let program = [(0x0C, 0), (0x04, 0), (0x04, 0x10), (0x05, 0xFF), (0x05, 3), (0x81, 0)];
        all.extend(writes(&program));
        all.extend(writes(&[(0x0B, 0x46), (0x0A, 2), (0xD4, 0)]));
    }
    let specify = [0x03, 0xDF, if dma { 2 } else { 3 }];
    let read = [0x46, 0, 0, 0, sector, 2, sector + 1, 0x1B, 0xFF];
    let bytes = std::iter::repeat_n(0x08, 4).chain(specify).chain(read);
    for byte in bytes {
        all.push(Action::Write(0x3F5, 1, byte));
        // A sensed interrupt gives two bytes.
        all.extend((byte == 0x08).then_some(Action::Burst(0x3F5, 2)));
    }
    all.push(Action::Steps(50_000));
    all.extend([200, 300, 500, 30].map(|n| Action::Burst(0x3F5, n)));
    all
}

fn read_disk(lba: u32, count: u32) -> Vec<Action> {
    let mut all = writes(&[(0x1F6, 0xE0), (0x1F2, count), (0x1F3, lba & 0xFF)]);
    all.extend(writes(&[(0x1F4, lba >> 8), (0x1F5, 0), (0x1F7, 0x20)]));
    for _ in 0..count {
        all.extend([Action::Steps(2_000), Action::Read(0x1F7, 1)]);
        all.extend([Action::Burst(0x1F0, 100), Action::Burst(0x1F0, 156)]);
    }
    all
}

fn program_pic(mask: u8, special: bool) -> Vec<Action> {
    let mut all = writes(&[(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0)]);
    all.extend(writes(&[(0xA0, 0x11), (0xA1, 0x28), (0xA1, 2), (0xA1, 1), (0xA1, 0)]));
    all.extend([Action::NextDeadline, Action::Acknowledge]);
    let ocw3 = if special { 0x68 } else { 0x48 };
    all.extend(writes(&[(0x20, ocw3), (0xA0, ocw3), (0x21, mask.into())]));
    all.extend([Action::NextDeadline, Action::Acknowledge, Action::Write(0x20, 1, 0x20)]);
    all.extend([Action::NextDeadline, Action::Acknowledge]);
    all
}

fn type_key(key: usize, reads: u32) -> Vec<Action> {
    let mut all = writes(&[(0x64, 0x60), (0x60, 0x45)]);
    all.extend([Action::Key(key, true), Action::Key(key, false)]);
    for _ in 0..reads {
        all.extend([Action::Steps(60_000), Action::Read(0x64, 1), Action::Read(0x60, 1)]);
    }
    // The keyboard shall say that again.
    all.extend([Action::Write(0x60, 1, 0xFE), Action::Steps(110_000), Action::Read(0x60, 1)]);
    all
}

fn move_mouse(dx: i16, reads: u32) -> Vec<Action> {
    let mut all = writes(&[(0x64, 0x60), (0x60, 0x47), (0x64, 0xD4), (0x60, 0xF4)]);
    all.extend([Action::Steps(110_000), Action::Read(0x60, 1)]);
    all.push(Action::Mouse(Motion { dx, dy: 3, wheel: 1, buttons: 1 }));
    for _ in 0..reads {
        all.extend([Action::Steps(110_000), Action::Read(0x64, 1), Action::Read(0x60, 1)]);
    }
    all
}

fn receive(fcr: u8, reads: u32) -> Vec<Action> {
    let mut all = writes(&[(0x3FB, 0x83), (0x3F8, 1), (0x3F9, 0), (0x3FB, 3)]);
    all.extend(writes(&[(0x3FA, fcr.into()), (0x3F9, 0x07), (0x3FC, 0x0B)]));
    all.extend([1, 2, 3].map(Action::Serial));
    for _ in 0..reads {
        all.extend([Action::Steps(4_000), Action::Read(0x3FA, 1), Action::Read(0x3F8, 1)]);
    }
    all
}

fn traffic(scenes: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(scene(), 1..scenes).prop_map(|scenes| scenes.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_twin_goes_on_as_the_original(
        actions in traffic(120),
        cut in any::<prop::sample::Index>(),
    ) {
        let (before, after) = actions.split_at(cut.index(actions.len()));
        let mut board = Board::new();
        for action in before {
            board.act(action);
        }
        let mut twin = board.twin();
        prop_assert_eq!(board.view(), twin.view());
        for action in after {
            prop_assert_eq!(board.act(action), twin.act(action), "{:?}", action);
        }
        prop_assert_eq!(board.view(), twin.view());
        prop_assert!(board.pages() == twin.pages(), "memory differs");
        let screens = (board.bus.get(board.vga).screen(&board.mem),
            twin.bus.get(twin.vga).screen(&twin.mem));
        prop_assert_eq!(screens.0, screens.1);
    }

    #[test]
    fn damaged_state_is_refused_or_harmless(
        before in traffic(40),
        device in 0..32usize,
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        after in traffic(60),
    ) {
        let mut board = Board::new();
        for action in &before {
            board.act(action);
        }
        let mut saved = board.bus.save();
        let count = saved.len();
        let bytes = &mut saved[device % count].bytes;
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if board.bus.restore(&saved).is_ok() {
            board.bus.get_mut(board.vga).adopt_map(&mut board.mem);
            for action in &after {
                board.act(action);
            }
            let _ = board.bus.get(board.vga).scanout(&board.mem, 0);
        }
    }
}
