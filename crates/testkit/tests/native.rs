//! The native engine gives results known by hand (SDM 2A and 2B for each instruction).

use testkit::case::flag;
use testkit::native::Native;
use testkit::replay::parse;
use testkit::{Engine, Fault, Outcome};

/// Runs one line on the host, or says why it can't.
fn run(line: &str) -> Option<Outcome> {
    match Native::new() {
        Ok(mut native) => Some(native.run(&parse(line).expect("a good line"))),
        Err(reason) => {
            println!("SKIPPED: this host can't run 16- and 32-bit segments: {reason}");
            None
        }
    }
}

#[test]
fn add_sets_registers_and_flags() {
    let Some(outcome) = run("code=01d8 gpr=ffffffff,0,0,1,0,0,0,0") else { return };
    assert_eq!(outcome.fault, None);
    assert_eq!(outcome.gpr, [0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(outcome.eip, 0x1000_6102);
    let arithmetic = flag::CF | flag::PF | flag::AF | flag::ZF;
    assert_eq!(outcome.eflags, flag::FIXED | flag::IF | arithmetic);
    assert_eq!(outcome.memory, []);
}

#[test]
fn div_by_zero_is_vector_0_at_the_instruction() {
    let Some(outcome) = run("code=f7f1 gpr=7,0,0,0,0,0,0,0") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 0, error: 0, cr2: 0 }));
    assert_eq!(outcome.eip, 0x1000_6100);
    assert_eq!(outcome.gpr[0], 7);
}

#[test]
fn a_byte_beyond_the_segment_limit_is_gp_0() {
    // DS is entry 10, limit 14FF; mov [bx], al.
    let Some(outcome) = run("code=8807 cs=7 eip=6100 ds=57 gpr=0,0,0,1500,0,0,0,0") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 13, error: 0, cr2: 0 }));
    let Some(outcome) = run("code=8807 cs=7 eip=6100 ds=57 gpr=aa,0,0,14ff,0,0,0,0") else {
        return;
    };
    assert_eq!(outcome.fault, None);
    assert_eq!(outcome.memory, [(0x1000_14FF, 0xAA)]);
}

#[test]
fn a_store_to_an_unmapped_page_is_a_user_write_pf_with_cr2() {
    let Some(outcome) = run("code=a304200010") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 14, error: 6, cr2: 0x1000_2004 }));
}

#[test]
fn a_store_to_a_read_only_page_is_a_protection_pf() {
    let Some(outcome) = run("code=a304300010") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 14, error: 7, cr2: 0x1000_3004 }));
}

#[test]
fn a_repeated_move_runs_through_and_stops_in_the_middle_of_a_fault() {
    let line = "code=f3a4 stop=through gpr=0,3,0,0,0,0,10000000,10004000 mem=10000000:010203";
    let Some(outcome) = run(line) else { return };
    assert_eq!(outcome.gpr, [0, 0, 0, 0, 0, 0, 0x1000_0003, 0x1000_4003]);
    assert_eq!(outcome.memory, [(0x1000_4000, 1), (0x1000_4001, 2), (0x1000_4002, 3)]);
    let line = "code=f3a4 stop=through gpr=0,3,0,0,0,0,10000000,10001ffe mem=10000000:010203";
    let Some(outcome) = run(line) else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 14, error: 6, cr2: 0x1000_2000 }));
    assert_eq!(outcome.gpr[1], 1);
    assert_eq!(outcome.eip, 0x1000_6100);
}

#[test]
fn a_push_on_a_16_bit_stack_wraps_sp_and_keeps_the_upper_half() {
    // SS is entry 22: base at the window, limit FFFF, B = 0.
    let Some(outcome) = run("code=50 ss=b7 gpr=11223344,0,0,0,12340000,0,0,0") else { return };
    assert_eq!(outcome.fault, None);
    assert_eq!(outcome.gpr[4], 0x1234_FFFC);
    let bytes =
        [(0x1000_FFFC, 0x44), (0x1000_FFFD, 0x33), (0x1000_FFFE, 0x22), (0x1000_FFFF, 0x11)];
    assert_eq!(outcome.memory, bytes);
}

#[test]
fn pushf_shows_no_tf() {
    let line = "code=9c stop=planted gpr=0,0,0,0,10001800,0,0,0 mem=100017fc:ffffffff";
    let Some(outcome) = run(line) else { return };
    assert_eq!(outcome.fault, None);
    assert_eq!(outcome.gpr[4], 0x1000_17FC);
    let bytes = [(0x1000_17FC, 2), (0x1000_17FD, 2), (0x1000_17FE, 0), (0x1000_17FF, 0)];
    assert_eq!(outcome.memory, bytes);
}

#[test]
fn mov_ss_is_one_step() {
    let Some(outcome) = run("code=8ed0 stop=shadow gpr=47,0,0,0,0,0,0,0") else { return };
    assert_eq!((outcome.fault, outcome.eip, outcome.sel[2]), (None, 0x1000_6102, 0x47));
}

#[test]
fn an_instruction_of_16_bytes_is_gp_0() {
    let Some(outcome) = run("code=666666666666666666666666666666b80100") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 13, error: 0, cr2: 0 }));
}

#[test]
fn a_misaligned_load_with_ac_set_is_vector_17() {
    let Some(outcome) = run("code=a101100010 eflags=40202") else { return };
    assert_eq!(outcome.fault, Some(Fault { vector: 17, error: 0, cr2: 0 }));
}
