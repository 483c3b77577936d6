//! Whatever a guest writes to the adapter, there is a picture of it.

use bus::{Bus, Signals};
use devices::Vga;
use devices::vga::VIDEO_BYTES;
use mem::Memory;
use proptest::prelude::*;
use screen::{png, render};

/// Ports of the adapter, with pairs of index and data written at once.
fn write() -> impl Strategy<Value = (u16, u8, u32)> {
    let pair = (
        prop::sample::select(vec![(0x3C4u16, 5u32), (0x3CE, 9), (0x3D4, 25), (0x3D4, 25)]),
        any::<u8>(),
        any::<u8>(),
    );
    prop_oneof![
        8 => pair.prop_map(|((port, count), index, value)| {
            (port, 2, u32::from(value) << 8 | (u32::from(index) % count))
        }),
        3 => any::<u8>().prop_map(|value| (0x3C0, 1, value.into())),
        1 => any::<u8>().prop_map(|value| (0x3C2, 1, u32::from(value) | 1)),
        1 => any::<u8>().prop_map(|value| (0x3C9, 1, value.into())),
        1 => (0..12u32).prop_map(|index| (0x1CE, 2, index)),
        1 => (0..0x800u32).prop_map(|value| (0x1CF, 2, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_a_picture(
        writes in prop::collection::vec(write(), 1..60),
        unlocks in any::<bool>(),
        now_ns in 0..10_000_000_000u64,
    ) {
        let signals = Signals::new();
        let mut bus = Bus::new(signals.clone());
        let vga = bus.add(Vga::new(&signals), Vga::PORTS).unwrap();
        let mut mem = Memory::new(VIDEO_BYTES).unwrap();
        bus.get_mut(vga).attach(vga.mmio(), 0, &mut mem).unwrap();
        if unlocks {
            bus.port_write(0x3D4, 2, 0x0011, 0, &mut mem);
        }
        for (port, size, value) in writes {
            bus.port_write(port, size, value, 0, &mut mem);
        }
        let frame = render(&bus.get(vga).scanout(&mem, now_ns));
        prop_assert_eq!(frame.pixels.len(), frame.width * frame.height);
        let small = frame.shrunk();
        prop_assert_eq!(small.pixels.len(), small.width * small.height);
        prop_assert!(png(&small).is_ok());
        prop_assert!(!bus.get(vga).screen(&mem).cells.is_empty());
    }
}
