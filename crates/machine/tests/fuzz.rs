//! Every fuzz target on bounded inputs: what `fuzz/` loops must at least hold here.

use machine::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn loaders_take_any_bytes(input in vec(any::<u8>(), 0..2000)) {
        fuzz::loaders(&input);
    }

    #[test]
    fn any_image_boots_or_is_refused(input in vec(any::<u8>(), 0..4000)) {
        fuzz::image(&input);
    }

    #[test]
    fn both_ways_of_running_any_code_agree(input in vec(any::<u8>(), 0..400)) {
        fuzz::code(&input);
    }

    #[test]
    fn any_state_runs_and_comes_back_from_a_snapshot(input in vec(any::<u8>(), 0..400)) {
        fuzz::state(&input);
    }

    #[test]
    fn devices_take_any_traffic(input in vec(any::<u8>(), 0..400)) {
        fuzz::devices(&input);
    }
}

/// AF after a shift by CL hangs on the count, which a shift of CL shifts away.
#[test]
fn a_shift_of_its_own_count_clears_af() {
    // mov bx, 60; again: mov al, 15; add al, 1; mov cl, 5; shr cl, cl; pushf; pop dx; dec bx;
    // jnz again; hlt
    machine::fuzz::code(&[
        0xBB, 60, 0, 0xB0, 0x0F, 0x04, 0x01, 0xB1, 0x05, 0xD2, 0xE9, 0x9C, 0x5A, 0x4B, 0x75, 0xF3,
        0xF4,
    ]);
}
