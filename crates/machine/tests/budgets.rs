//! A budget ends at exactly its step, whatever the translator has made of the code: loops that are
//! one block of several rounds, repeated instructions in the middle of a block, calls and returns.
//! At each end the state is the interpreter's.

mod rig;

use machine::{Engine, Machine, MachineConfig, Tuning, WindowUse};
use x86::event::Wanted;

/// Steps of each run: enough for every loop to get hot.
const STEPS: u64 = 900;
/// Steps between two looks.
const STRIDES: [u64; 12] = [1, 2, 3, 5, 7, 11, 17, 31, 63, 64, 97, 300];

fn machine(code: &[u8], engine: Engine, windows: WindowUse) -> Machine {
    let translator = Tuning { cold_runs: 0, hot_rounds: 2, windows, ..Tuning::default() };
    let wanted = Wanted::empty();
    let config = MachineConfig { engine, translator, wanted, ..rig::config(code) };
    Machine::new(config).expect("a test machine")
}

/// Runs 16-bit code on both engines, with a look at the states after each stride; the steps that
/// the translator left to the interpreter, and all.
fn compare_at(code: &[u8], stride: u64, windows: WindowUse) -> (u64, u64) {
    let mut reference = machine(code, Engine::Interp, windows);
    let mut translated = machine(code, Engine::Jit, windows);
    let mut step = 0;
    while step < STEPS {
        step += stride;
        rig::run_to(&mut reference, step);
        rig::run_to(&mut translated, step);
        let (left, right) = (&reference.cpu().state, &translated.cpu().state);
        assert_eq!(left, right, "{code:02X?} at step {step}, stride {stride}");
    }
    let statistics = translated.translator_statistics().expect("a translator");
    (statistics.interpreted_steps, step)
}

/// Compares the engines at all strides; the translator's statistics show that it took part.
fn compare(code: &[u8]) {
    for stride in STRIDES {
        for windows in [WindowUse::AtOnce, WindowUse::Never] {
            let (left, step) = compare_at(code, stride, windows);
            // Callouts count here: of the first program they are more than half.
            assert!(
                stride < 63 || left < step * 3 / 4,
                "{left} of {step} interpreted: {code:02X?}"
            );
        }
    }
}

#[test]
fn behind_a_repeated_instruction() {
    // 1: mov cx, 5 ; rep stosb ; inc ax ; inc bx ; inc dx ; jmp 1
    compare(&[0xB9, 5, 0, 0xF3, 0xAA, 0x40, 0x43, 0x42, 0xEB, 0xF6]);
    // 1: mov cl, 3 ; mov si, di ; rep movsw ; lodsb ; scasb ; movsb ; add si, ax ; jmp 1
    compare(&[0xB1, 3, 0x89, 0xFE, 0xF3, 0xA5, 0xAC, 0xAE, 0xA4, 0x01, 0xC6, 0xEB, 0xF3]);
}

#[test]
fn in_a_loop_whose_last_jump_is_conditional() {
    // 1: mov cx, 20 ; 2: test cl, 1 ; jz 3 ; add ax, cx ; 3: xor bx, ax ; dec cx ; jnz 2 ; jmp 1
    compare(&[
        0xB9, 20, 0, 0xF6, 0xC1, 1, 0x74, 2, 0x01, 0xC8, 0x31, 0xC3, 0x49, 0x75, 0xF4, 0xEB, 0xEF,
    ]);
    // 1: mov cx, 9 ; 2: push ax ; add ax, cx ; pop bx ; cmp ax, bx ; jo 3 ; dec cx ; jnz 2 ;
    // 3: inc dx ; jmp 1
    compare(&[
        0xB9, 9, 0, 0x50, 0x01, 0xC8, 0x5B, 0x39, 0xD8, 0x70, 3, 0x49, 0x75, 0xF5, 0x42, 0xEB, 0xEF,
    ]);
}

#[test]
fn in_a_loop_that_a_jump_closes() {
    // 1: mov cx, 9 ; 2: dec cx ; jz 1 ; adc ax, cx ; shl bx, cl ; jmp 2
    compare(&[0xB9, 9, 0, 0x49, 0x74, 0xFA, 0x11, 0xC8, 0xD3, 0xE3, 0xEB, 0xF7]);
}

#[test]
fn in_a_loop_that_counts_ecx() {
    // 1: mov ecx, 7 ; 2: add eax, ecx ; addr32 loop 2 ; jmp 1
    compare(&[0x66, 0xB9, 7, 0, 0, 0, 0x66, 0x01, 0xC8, 0x67, 0xE2, 0xFA, 0xEB, 0xF2]);
}

#[test]
fn with_returns_that_go_elsewhere() {
    // 1: mov sp, 4000h ; call 2 ; inc ax ; call 3 ; inc bx ; jmp 1 ;
    // 2: inc cx ; ret ; 3: pop dx ; add dx, 1 ; push dx ; ret
    compare(&[
        0xBC, 0, 0x40, 0xE8, 7, 0, 0x40, 0xE8, 5, 0, 0x43, 0xEB, 0xF3, 0x41, 0xC3, 0x5A, 0x83,
        0xC2, 1, 0x52, 0xC3,
    ]);
    // Forty calls deep, which is more than the ring holds:
    // 1: mov sp, 4000h ; mov cx, 40 ; call 2 ; jmp 1 ; 2: dec cx ; jz 3 ; call 2 ; inc ax ; 3: ret
    compare(&[
        0xBC, 0, 0x40, 0xB9, 40, 0, 0xE8, 2, 0, 0xEB, 0xF5, 0x49, 0x74, 4, 0xE8, 0xFA, 0xFF, 0x40,
        0xC3,
    ]);
}

/// RF stays until the repeated instruction behind an IRETD is through, though emitted code knows no
/// block there when it comes by.
#[test]
fn in_a_repeated_instruction_that_is_resumed() {
    // 1: mov sp, 4000h ; mov cx, 40 ; push dword 10002h ; push dword cs ; call 2 ; 2: pop ax ;
    // add ax, 3-2 ; movzx eax, ax ; push eax ; iretd ; 3: repne lodsd ; inc ax ; jmp 1
    let code = [
        0xBC, 0, 0x40, 0xB9, 40, 0, 0x66, 0x68, 2, 0, 1, 0, 0x66, 0x0E, 0xE8, 0, 0, 0x58, 0x05, 12,
        0, 0x66, 0x0F, 0xB7, 0xC0, 0x66, 0x50, 0x66, 0xCF, 0xF2, 0x66, 0xAD, 0x40, 0xEB, 0xDD,
    ];
    let mut resumed = machine(&code, Engine::Interp, WindowUse::Never);
    let mut is_resumed = |n: u64| {
        rig::run_to(&mut resumed, n);
        resumed.cpu().state.flag(x86::Eflags::RF)
    };
    assert!((1..=60).filter(|n| is_resumed(*n)).count() >= 40, "RF is seen set");
    for stride in STRIDES {
        compare_at(&code, stride, WindowUse::Never);
    }
}
