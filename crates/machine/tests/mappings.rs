//! A guest with many address spaces and many pages stays below the mappings that the kernel allows
//! a process (`vm.max_map_count`, 65,530), at which even an allocator fails; and so do several.

mod rig;

use machine::{Engine, Machine, MachineConfig, StopReason, Tuning, Until, WindowUse};
use x86::event::Wanted;
use x86::segment::Descriptor;
use x86::{PhysAddr, SegReg, Segment, Selector};

/// The kernel's usual limit.
const LIMIT: usize = 65_530;
/// Physical places: code, page directories, page tables, pages.
const CODE: u32 = 0x1000;
const DIRECTORIES: u32 = 0x10_0000;
const TABLES: u32 = 0x40_0000;
const PAGES: u32 = 0x100_0000;
/// Where a space's pages show.
const LINEAR: u32 = 0x1000_0000;

/// So many address spaces of so many pages each, which no two neighbours share a place with:
/// nothing can be mapped in runs.
#[derive(Clone, Copy)]
struct Storm {
    spaces: u32,
    pages: u32,
}

impl Storm {
    /// Adds 1 to the first word of each page of each space, over and over:
    /// ```text
    /// again: mov esi, spaces ; mov edi, DIRECTORIES
    /// space: mov cr3, edi ; mov ebx, LINEAR ; mov ecx, pages
    /// page:  add dword [ebx], 1 ; add ebx, 1000h ; dec ecx ; jnz page
    ///        add edi, 1000h ; dec esi ; jnz space ; jmp again
    /// ```
    fn code(self) -> Vec<u8> {
        let word = |opcode: &[u8], value: u32| [opcode, &value.to_le_bytes()].concat();
        [
            word(&[0xBE], self.spaces),
            word(&[0xBF], DIRECTORIES),
            vec![0x0F, 0x22, 0xDF],
            word(&[0xBB], LINEAR),
            word(&[0xB9], self.pages),
            vec![0x83, 0x03, 0x01],
            word(&[0x81, 0xC3], 0x1000),
            vec![0x49, 0x75, 0xF4],
            word(&[0x81, 0xC7], 0x1000),
            vec![0x4E, 0x75, 0xDE, 0xEB, 0xD2],
        ]
        .concat()
    }

    /// The page that space `s` has at its page `n`: steps of an odd number over them all.
    fn place(self, s: u32, n: u32) -> u32 {
        PAGES + (n.wrapping_mul(7919).wrapping_add(s) % self.pages) * 0x1000
    }

    fn write_tables(self, machine: &mut Machine) {
        let mut put = |at: u32, bytes: &[u8]| {
            machine.system_mut().mem.write_phys(PhysAddr(u64::from(at)), bytes);
        };
        let tables = self.pages.div_ceil(1024);
        for s in 0..self.spaces {
            let directory = DIRECTORIES + s * 0x1000;
            // The first 4 MiB as they are.
            put(directory, &0x83_u32.to_le_bytes());
            for t in 0..tables {
                let table = TABLES + (s * tables + t) * 0x1000;
                put(directory + (LINEAR >> 20) + 4 * t, &(table | 3).to_le_bytes());
                let count = (self.pages - t * 1024).min(1024);
                let entries =
                    (0..count).flat_map(|n| (self.place(s, t * 1024 + n) | 3).to_le_bytes());
                put(table, &entries.collect::<Vec<u8>>());
            }
        }
        put(CODE, &self.code());
    }

    fn machine(self, engine: Engine) -> Machine {
        let mut machine = Machine::new(MachineConfig {
            engine,
            memory_bytes: (u64::from(PAGES) + u64::from(self.pages) * 0x1000)
                .next_multiple_of(1 << 16),
            translator: Tuning { windows: WindowUse::AtOnce, ..Tuning::default() },
            wanted: Wanted::empty(),
            ..rig::config(&[0xF4])
        })
        .expect("a test machine");
        self.write_tables(&mut machine);
        let state = &mut machine.cpu_mut().state;
        let flat = |selector, d| Segment::from_descriptor(Selector(selector), Descriptor(d));
        state.seg = [flat(0x10, 0x00CF_9300_0000_FFFF); 6];
        state.seg[SegReg::Cs as usize] = flat(0x08, 0x00CF_9B00_0000_FFFF);
        // PG, WP, NE, PE; PSE.
        (state.cr0, state.cr3, state.cr4) = (0x8001_0021, u64::from(DIRECTORIES), 0x10);
        state.rip = u64::from(CODE);
        machine.changed();
        machine
    }

    /// Steps of one round over all spaces.
    fn round(self) -> u64 {
        u64::from(self.spaces) * (u64::from(self.pages) * 4 + 6) + 3
    }
}

/// Runs by `steps`; the mappings of this process then.
fn mappings_after(machine: &mut Machine, steps: u64) -> usize {
    let until = Until::step(machine.steps() + steps);
    assert_eq!(rig::advance(machine, until), StopReason::Until);
    std::fs::read_to_string("/proc/self/maps").expect("a map of this process").lines().count()
}

/// Two rounds on both engines, with a count in every quarter of one.
fn weathers(storm: Storm) -> usize {
    let mut machine = storm.machine(Engine::Jit);
    let most = (0..8).map(|_| mappings_after(&mut machine, storm.round() / 4)).max();
    let mut interpreted = storm.machine(Engine::Interp);
    rig::run_to(&mut interpreted, machine.steps());
    assert_eq!(machine.state_hash(), interpreted.state_hash());
    most.unwrap_or_default()
}

#[test]
fn many_address_spaces_stay_below_the_limit() {
    let most = weathers(Storm { spaces: 200, pages: 600 });
    assert!((500..LIMIT).contains(&most), "{most} mappings");
}

#[test]
fn one_space_of_more_pages_than_there_can_be_mappings_stays_below_the_limit() {
    let most = weathers(Storm { spaces: 1, pages: 80_000 });
    assert!((5_000..LIMIT).contains(&most), "{most} mappings");
}

#[test]
fn several_machines_together_stay_below_the_limit() {
    let storm = Storm { spaces: 1, pages: 30_000 };
    let mut machines = [0; 3].map(|_| storm.machine(Engine::Jit));
    for _ in 0..4 {
        for machine in &mut machines {
            let now = mappings_after(machine, storm.round() / 2);
            assert!(now < LIMIT, "{now} mappings");
        }
    }
    let hashes = machines.map(|machine| machine.state_hash());
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}
