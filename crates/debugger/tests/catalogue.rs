//! Every mistake of the catalogue, made by a real boot sector (`roms/broken`), run on a whole
//! machine and explained. The whole explanations are golden files; each test names the words
//! without which an explanation would be worth nothing. `UPDATE_EXPECT=1` writes the files anew.

mod rig;

use debugger::Ending;
use expect_test::expect_file;
use machine::Engine;

fn told(name: &str, ending: Ending, id: &str, words: &[&str]) {
    [Engine::Interp, Engine::Jit]
        .into_iter()
        .for_each(|engine| told_on(engine, name, ending, id, words));
}

fn told_on(engine: Engine, name: &str, ending: Ending, id: &str, words: &[&str]) {
    let run = rig::run(name, engine);
    assert_eq!(run.ending, ending, "{name} ended otherwise:\n{}", run.text);
    let found = run.explanation.map(|e| e.finding.id);
    assert_eq!(found.as_deref(), Some(id), "{name} is told as:\n{}", run.text);
    let flat = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "{name}: `{word}` is missing in\n{}", run.text);
    }
    let golden = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![golden].assert_eq(&run.summary);
}

macro_rules! catalogue {
    ($($test:ident: $name:literal, $ending:ident, $id:literal, [$($word:literal),+];)*) => {
        $(#[test] fn $test() { told($name, Ending::$ending, $id, &[$($word),+]); })*
    };
}

catalogue! {
    an_idt_too_short: "broken-idt-short", Shutdown, "idt-empty-or-short",
        ["needs an IDT limit of at least 0x107; it is 0x0FF", "Gates 13 and 8 are zero"];
    an_idt_without_gates: "broken-idt-empty", Shutdown, "idt-empty-or-short",
        ["IDT[48] is all zero", "Gates 13 and 8 are zero", "double fault"];
    an_idt_never_loaded: "broken-idt-none", Shutdown, "idt-empty-or-short",
        ["vector 0x30", "real-mode vector table"];
    a_call_gate_in_the_idt: "broken-gate-type", Shutdown, "idt-gate-wrong",
        ["IDT[33] has type 0xC", ">> type"];
    a_gate_not_present: "broken-gate-absent", Shutdown, "idt-gate-wrong",
        ["IDT[33] isn't present (P=0)", ">> P"];
    a_system_call_gate_for_ring_0_only: "broken-gate-dpl", Shutdown, "int-gate-dpl",
        ["gate DPL 0 < CPL 3"];
    a_gate_to_a_data_segment: "broken-gate-data", Shutdown, "idt-gate-target",
        ["IDT[14].selector 0x10 is a data segment"];
    a_gate_to_no_segment: "broken-gate-null", Shutdown, "idt-gate-target",
        ["IDT[14].selector 0x00 is null"];
    a_tss_without_a_stack: "broken-tss-stack", Shutdown, "tss-no-stack",
        ["TSS.SS0 is 0: the kernel stack was never set"];
    a_tss_never_loaded: "broken-tss-none", Shutdown, "tss-no-stack",
        ["TR was never loaded"];
    an_iret_with_the_wrong_stack: "broken-iret-ss", Shutdown, "iret-frame",
        ["SS 0x10 has RPL 0, the return CS 0x1B has RPL 3"];
    an_error_code_not_popped: "broken-error-code", Shutdown, "error-code-not-popped",
        ["shifted by one word", "handler must drop the error code"];
    a_pic_not_remapped: "broken-pic", HaltedForEver, "pic-not-remapped",
        ["this is IRQ 0 from the PIC, not a double fault"];
    a_pic_not_remapped_and_no_gate: "broken-pic-no-gate", Shutdown, "pic-not-remapped",
        ["this is IRQ 0 from the PIC, not a double fault"];
    an_eoi_forgotten: "broken-eoi", Stopped, "eoi-missing",
        ["IRQ 0 in service since step", "returned without an EOI"];
    paging_without_the_next_instruction: "broken-paging-eip", Shutdown, "paging-eip-unmapped",
        ["PDE[0] = 0", "the next instruction at 0x7C"];
    a_right_missing_in_the_directory: "broken-paging-parent", Shutdown, "page-parent-denies",
        ["denied by PDE[512], U=0; the PTE's U=1 doesn't help"];
    a_virtual_address_in_the_directory: "broken-paging-virtual", Shutdown, "page-table-address",
        ["PDE[0] points to 0xC0004000, outside RAM: a virtual address?"];
    a_virtual_address_in_cr3: "broken-paging-cr3", Shutdown, "page-table-address",
        ["CR3 points to 0xC0003000, outside RAM: a virtual address?"];
    no_far_jump_after_pe: "broken-far-jump", Shutdown, "no-far-jump-after-pe",
        ["CS still has its 16-bit cache", "0000, base 00000000, D=0 (16-bit)"];
    a_halt_with_interrupts_off: "broken-hlt", HaltedForEver, "hlt-with-if-0",
        ["nothing can wake this CPU but NMI or reset"];
    a_loop_with_interrupts_off: "broken-spin", Spinning, "spin-with-if-0",
        ["jumps to itself with interrupts off"];
    a_tss_loaded_twice: "broken-ltr-twice", Shutdown, "tss-busy",
        ["LTR wants an available TSS, but 0x0028 is busy"];
    a_sysenter_without_its_msrs: "broken-sysenter", Shutdown, "sysenter-cs-zero",
        ["IA32_SYSENTER_CS = 0x0"];
    a_64_bit_guest: "broken-long-mode", LongMode, "long-mode",
        ["64-bit long mode"];
}
