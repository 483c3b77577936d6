//! The interrupt controllers' tests.

use super::*;

fn programmed() -> Pic {
    let mut p = Pic::new();
    for (port, bytes) in [
        (MASTER_COMMAND, &[0x11][..]),
        (MASTER_DATA, &[0x20, 0x04, 0x01, 0x00]),
        (SLAVE_COMMAND, &[0x11]),
        (SLAVE_DATA, &[0x28, 0x02, 0x01, 0x00]),
    ] {
        for &byte in bytes {
            p.write_port(port, byte);
        }
    }
    p
}

#[test]
fn before_programming_nothing_is_delivered() {
    let mut p = Pic::new();
    p.write_port(MASTER_DATA, 0);
    p.update(0xFFFF);
    assert!(!p.pending());
}

#[test]
fn timer_comes_before_keyboard_and_blocks_it_until_eoi() {
    let mut p = programmed();
    p.update(0b10);
    p.update(0b11);
    assert_eq!(p.acknowledge(), 0x20);
    assert!(!p.pending());
    p.write_port(MASTER_COMMAND, 0x20);
    assert_eq!(p.acknowledge(), 0x21);
    assert_eq!(p.in_service(), 0b10);
}

#[test]
fn slave_request_passes_the_cascade() {
    let mut p = programmed();
    p.update(1 << 14);
    assert_eq!(p.acknowledge(), 0x2E);
    assert_eq!((p.master().isr(), p.slave().isr()), (0x04, 0x40));
    p.write_port(SLAVE_COMMAND, 0x20);
    p.write_port(MASTER_COMMAND, 0x20);
    assert_eq!(p.in_service(), 0);
}

#[test]
fn slave_with_aeoi_delivers_two_waiting_requests() {
    let mut p = programmed();
    for byte in [0x28, 0x02, 0x03, 0x00] {
        if byte == 0x28 {
            p.write_port(SLAVE_COMMAND, 0x11);
        }
        p.write_port(SLAVE_DATA, byte);
    }
    p.update(0x6000);
    assert_eq!(p.acknowledge(), 0x2D);
    p.write_port(MASTER_COMMAND, 0x20);
    assert_eq!(p.acknowledge(), 0x2E);
}

#[test]
fn edge_is_taken_once_and_level_again() {
    let mut p = programmed();
    p.update(1 << 5);
    assert_eq!(p.acknowledge(), 0x25);
    p.write_port(MASTER_COMMAND, 0x20);
    assert!(!p.pending());
    p.write_port(ELCR1, 1 << 5);
    assert_eq!(p.acknowledge(), 0x25);
    p.write_port(MASTER_COMMAND, 0x20);
    assert!(p.pending());
}

#[test]
fn line_that_falls_too_early_gives_spurious_seven() {
    let mut p = programmed();
    p.update(1 << 3);
    p.update(0);
    assert_eq!(p.acknowledge(), 0x27);
    assert_eq!(p.in_service(), 0);
}

#[test]
fn specific_rotation_makes_the_next_level_most_urgent() {
    let mut p = programmed();
    p.write_port(MASTER_COMMAND, 0xC0 | 4);
    p.update(0b10_0001);
    assert_eq!(p.acknowledge(), 0x25);
}

#[test]
fn special_mask_lets_lower_levels_in() {
    let mut p = programmed();
    p.update(1 << 1);
    assert_eq!(p.acknowledge(), 0x21);
    p.update(1 << 1 | 1 << 6);
    assert!(!p.pending());
    p.write_port(MASTER_DATA, 1 << 1);
    p.write_port(MASTER_COMMAND, 0x68);
    assert_eq!(p.acknowledge(), 0x26);
    p.write_port(MASTER_COMMAND, 0x20);
    assert_eq!(p.in_service(), 0b10);
}

#[test]
fn poll_acknowledges_and_names_the_level() {
    let mut p = programmed();
    p.update(1 << 6);
    p.write_port(MASTER_COMMAND, 0x0C);
    assert_eq!(p.read_port(MASTER_COMMAND), 0x86);
    assert_eq!(p.in_service(), 1 << 6);
    p.write_port(MASTER_COMMAND, 0x0B);
    assert_eq!(p.read_port(MASTER_COMMAND), 1 << 6);
}

#[test]
fn reports_tell_vectors_and_masks() {
    let mut p = programmed();
    p.write_port(SLAVE_DATA, 1);
    assert_eq!((p.vector_of(0), p.vector_of(9), p.irq_of(0x2C)), (0x20, 0x29, Some(12)));
    assert!(p.is_masked(8) && !p.is_masked(9));
}

/// IR6 and then IR4 in service, as in the datasheet's picture of a rotation.
fn with_6_and_4_in_service() -> Pic {
    let mut p = programmed();
    for irq in [6, 4] {
        p.update(1 << irq);
        assert_eq!(p.acknowledge(), 0x20 + irq);
    }
    p.update(0);
    assert_eq!(p.in_service(), 0x50);
    p
}

#[test]
fn rotation_on_non_specific_eoi_makes_the_served_level_the_last() {
    let mut p = with_6_and_4_in_service();
    p.write_port(MASTER_COMMAND, 0xA0);
    assert_eq!(p.in_service(), 0x40);
    // 5 is the most urgent now; 7 and 0 to 4 come after the 6 in service.
    p.update(0b1001_1011);
    assert!(!p.pending());
    p.update(0b0010_0000);
    assert_eq!(p.acknowledge(), 0x25);
}

#[test]
fn non_specific_eoi_ends_the_most_urgent_level() {
    let mut p = with_6_and_4_in_service();
    p.write_port(MASTER_COMMAND, 0x20);
    assert_eq!(p.in_service(), 0x40);
    p.write_port(MASTER_COMMAND, 0x66);
    assert_eq!(p.in_service(), 0);
}

#[test]
fn specific_eoi_ends_the_level_it_names() {
    let mut p = with_6_and_4_in_service();
    p.write_port(MASTER_COMMAND, 0x66);
    assert_eq!(p.in_service(), 0x10);
}

#[test]
fn set_priority_rotates_without_an_eoi() {
    let mut p = with_6_and_4_in_service();
    p.write_port(MASTER_COMMAND, 0xC5);
    assert_eq!(p.in_service(), 0x50);
    // 6 is the most urgent now and in service: nothing else gets in.
    p.update(0b1010_1111);
    assert!(!p.pending());
}

#[test]
fn automatic_eoi_with_rotation_serves_all_in_turn() {
    let mut p = programmed();
    p.write_port(MASTER_COMMAND, 0x11);
    for byte in [0x20, 0x04, 0x03, 0x00] {
        p.write_port(MASTER_DATA, byte);
    }
    p.write_port(MASTER_COMMAND, 0x80);
    let served = [0b11, 0b01, 0b11].map(|lines| {
        p.update(0);
        p.update(lines);
        let vector = p.acknowledge();
        assert_eq!(p.in_service(), 0);
        vector
    });
    assert_eq!(served, [0x20, 0x20, 0x21]);
}

#[test]
fn special_fully_nested_master_lets_the_slave_interrupt_itself() {
    let mut p = programmed();
    p.update(1 << 12);
    assert_eq!(p.acknowledge(), 0x2C);
    p.update(1 << 12 | 1 << 9);
    assert!(!p.pending(), "fully nested: the cascade is in service");
    let mut p = programmed();
    p.write_port(MASTER_COMMAND, 0x11);
    for byte in [0x20, 0x04, 0x11, 0x00] {
        p.write_port(MASTER_DATA, byte);
    }
    p.update(1 << 12);
    assert_eq!(p.acknowledge(), 0x2C);
    p.update(1 << 12 | 1 << 9);
    assert_eq!(p.acknowledge(), 0x29);
    assert_eq!(p.slave().isr(), 0x12);
}

#[test]
fn icw1_clears_the_mask_the_priorities_and_the_modes() {
    let mut p = programmed();
    p.update(1);
    for byte in [0xC2, 0x68, 0x0B] {
        p.write_port(MASTER_COMMAND, byte);
    }
    p.write_port(MASTER_DATA, 0xFF);
    p.write_port(MASTER_COMMAND, 0x11);
    assert_eq!(p.master().imr(), 0);
    for byte in [0x40, 0x04, 0x01] {
        p.write_port(MASTER_DATA, byte);
    }
    // The line that is still high made no new edge; IRR is read again, not ISR.
    assert_eq!((p.pending(), p.read_port(MASTER_COMMAND)), (false, 0));
    p.update(0);
    p.update(0b1001);
    assert_eq!((p.read_port(MASTER_COMMAND), p.acknowledge()), (0b1001, 0x40));
}

#[test]
fn a_masked_request_waits_and_comes_when_it_is_let_in() {
    let mut p = programmed();
    p.write_port(SLAVE_DATA, 0xFF);
    p.update(1 << 10);
    assert!(!p.pending());
    p.write_port(SLAVE_DATA, 0x00);
    assert_eq!(p.acknowledge(), 0x2A);
    assert_eq!((p.master().isr(), p.slave().isr()), (0x04, 0x04));
}

#[test]
fn elcr_takes_only_lines_that_can_be_levels() {
    let mut p = Pic::new();
    p.write_port(ELCR1, 0xFF);
    p.write_port(ELCR2, 0xFF);
    assert_eq!((p.read_port(ELCR1), p.read_port(ELCR2)), (0xF8, 0xDE));
}
