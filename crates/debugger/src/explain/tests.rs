//! One case for each row of the catalogue, its evidence made by hand.

use super::*;
use crate::tests_support::{Guest, IDT_BASE, protected, transfer};
use crate::{Ending, Link, Pic};
use x86::cause::{Check, Origin, PageCheck};
use x86::event::{Event, Record, Source, Via};
use x86::paging::{AccessKind, Level};
use x86::segment::{SegReg, Segment};
use x86::{Descriptor, Eflags, Fault, LinAddr, PhysAddr, Selector, Vector};

fn explained(guest: &Guest) -> Explanation {
    explain(&guest.scene()).expect("an explanation")
}

fn idt_gate(vector: u8, gate: u64, check: Check, software: bool) -> Cause {
    Cause::IdtGate {
        vector,
        gate: Descriptor(gate),
        idt_base: LinAddr(IDT_BASE),
        idt_limit: 0x7FF,
        check,
        cpl: if software { 3 } else { 0 },
        software,
    }
}

fn bad_selector(selector: u16, descriptor: u64, check: Check, origin: Origin) -> Cause {
    Cause::Selector {
        selector: Selector(selector),
        descriptor: Descriptor(descriptor),
        table_limit: 0x27,
        check,
        origin,
        cpl: 0,
    }
}

/// A delivered interrupt or exception, at step 500.
fn deliver(guest: &mut Guest, vector: u8, source: Source, error_code: Option<u16>) {
    let from = protected(0, 8, 0x7C42, 0x10, 0x7000);
    let to = protected(0, 8, 0x7D00, 0x10, 0x6FF4);
    let event = Event::Transfer(transfer(Via::Interrupt { vector, source, error_code }, from, to));
    guest.history.observe(&Record { step: 500, event });
}

#[test]
fn row_1_an_idt_too_short_for_the_timer() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.idtr.limit = 0xFF;
    g.state.set_flag(Eflags::IF, true);
    let mut why = g.zero_gate(0x20);
    if let Cause::IdtGate { check, .. } = &mut why {
        *check = Check::BeyondTable;
    }
    g.fault(Fault::gp(0x103), why).uncaught(13);
    let e = explained(&g);
    assert_eq!(e.finding.id, "idt-empty-or-short");
    assert_eq!(e.finding.headline, "vector 0x20 needs an IDT limit of at least 0x107; it is 0x0FF");
    assert_eq!(e.finding.details, ["Gates 13 and 8 are zero, so nothing could catch it."]);
    assert_eq!(e.story.len(), 4);
}

#[test]
fn row_1_an_idt_that_was_never_loaded() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.idtr = x86::segment::TableReg { base: 0, limit: 0x3FF };
    let why = g.zero_gate(0x30);
    g.fault(Fault::gp(0x182), why);
    let e = explained(&g);
    assert_eq!(
        e.finding.headline,
        "vector 0x30 has no gate: IDTR still points to the real-mode vector table at 0"
    );
}

#[test]
fn row_2_a_call_gate_in_the_idt_and_a_gate_not_present() {
    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::gp(0x10A), idt_gate(33, 0x8C00_0008_1000, Check::NotGate, false));
    let e = explained(&g);
    assert_eq!(e.finding.id, "idt-gate-wrong");
    assert_eq!(e.finding.headline, "IDT[33] has type 0xC, a 32-bit call gate");
    let wrong: Vec<&str> =
        e.finding.evidence.iter().filter(|e| e.wrong).map(|e| e.what.as_str()).collect();
    assert_eq!(wrong, ["  type"]);

    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::np(0x10A), idt_gate(33, 0x0E00_0008_1000, Check::NotPresent, false));
    assert_eq!(explained(&g).finding.headline, "IDT[33] isn't present (P=0)");
}

#[test]
fn row_3_int_from_ring_3_through_a_ring_0_gate() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.fault(Fault::gp(0x402), idt_gate(0x80, 0x8E00_0008_1000, Check::GatePrivilege, true));
    let e = explained(&g);
    assert_eq!(e.finding.id, "int-gate-dpl");
    assert_eq!(e.finding.headline, "INT 0x80 from ring 3 isn't allowed: gate DPL 0 < CPL 3");
}

#[test]
fn row_4_a_gate_to_a_data_segment_and_to_nothing() {
    let mut g = Guest::new(Ending::Shutdown);
    let data = 0x00CF_9200_0000_FFFF;
    g.fault(Fault::gp(0x10), bad_selector(0x10, data, Check::NotCode, Origin::InterruptGate(14)));
    let e = explained(&g);
    assert_eq!(e.finding.id, "idt-gate-target");
    assert_eq!(e.finding.headline, "IDT[14].selector 0x10 is a data segment");

    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::gp(0), bad_selector(0, 0, Check::NullSelector, Origin::InterruptGate(14)));
    assert_eq!(
        explained(&g).finding.headline,
        "IDT[14].selector 0x00 is null: the gate was never given a code segment"
    );
}

#[test]
fn row_5_no_kernel_stack_in_the_tss() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.fault(Fault::ts(0), bad_selector(0, 0, Check::NullSelector, Origin::TssStack(0)));
    let e = explained(&g);
    assert_eq!(e.finding.id, "tss-no-stack");
    assert_eq!(e.finding.headline, "TSS.SS0 is 0: the kernel stack was never set");
    assert!(e.finding.details[0].starts_with("TR was never loaded"));
}

#[test]
fn row_5_junk_where_no_tss_was_loaded() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.fault(Fault::ts(0x2D8), bad_selector(0x2DB, 0, Check::BeyondTable, Origin::TssStack(0)));
    let headline = explained(&g).finding.headline;
    assert_eq!(headline, "no TSS was ever loaded, so ring 0 has no stack: LTR is missing");
}

#[test]
fn row_5_esp0_that_points_to_nothing() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.state.tr = Segment { base: 0xA000, limit: 0x67, attrs: 0x8B, selector: Selector(0x28) };
    g.poke_words(0xA004, &[0, 0x10]);
    let why = Cause::Page {
        addr: LinAddr(0xFFFF_FFFC),
        kind: AccessKind::Write,
        user: false,
        level: Level::Pde,
        entry: 0,
        entry_addr: PhysAddr(0x2FFC),
        why: PageCheck::NotPresent,
    };
    g.fault(Fault { vector: Vector::PageFault, code: 2 }, why);
    assert_eq!(
        explained(&g).finding.headline,
        "TSS.ESP0 is 0x00000000: ring 0's stack isn't memory that can be written"
    );
}

#[test]
fn a_kernel_stack_that_is_not_mapped() {
    let mut g = Guest::new(Ending::Shutdown);
    let why = page_fault(0x6FFC, AccessKind::Write, false, Level::Pte, PageCheck::NotPresent);
    g.fault(Fault { vector: Vector::PageFault, code: 2 }, why);
    let e = explained(&g);
    assert_eq!(e.finding.id, "stack-unmapped");
    assert_eq!(
        e.finding.headline,
        "the kernel's stack isn't mapped for writing: ESP is 0x00007000"
    );
}

#[test]
fn row_6_an_iret_to_ring_3_with_a_kernel_stack_selector() {
    let mut g = Guest::new(Ending::Shutdown);
    g.poke(0x7C42, &[0xCF]);
    g.poke_words(0x7000, &[0x40_1000, 0x1B, 0x202, 0x9000, 0x10]);
    let data = 0x00CF_9200_0000_FFFF;
    g.fault(Fault::gp(0x10), bad_selector(0x10, data, Check::Rpl, Origin::Load(SegReg::Ss)));
    let e = explained(&g);
    assert_eq!(e.finding.id, "iret-frame");
    assert_eq!(e.finding.headline, "IRET: SS 0x10 has RPL 0, the return CS 0x1B has RPL 3");
}

#[test]
fn row_7_an_error_code_left_on_the_stack() {
    let mut g = Guest::new(Ending::Shutdown);
    deliver(&mut g, 13, Source::Exception, Some(0x18));
    g.state.rip = 0x7D00;
    g.poke(0x7D00, &[0xCF]);
    g.poke_words(0x7000, &[0x18, 0x7C42, 8, 0x202]);
    g.fault(Fault::gp(0x7C40), bad_selector(0x7C42, 0, Check::BeyondTable, Origin::Transfer));
    let e = explained(&g);
    assert_eq!(e.finding.id, "error-code-not-popped");
    assert_eq!(
        e.finding.headline,
        "the frame is shifted by one word: vector 13's handler must drop the error code"
    );
}

#[test]
fn row_7_an_iret_that_faults_again_and_again() {
    let mut g = Guest::new(Ending::Stopped);
    deliver(&mut g, 13, Source::Exception, Some(0x50));
    let from = protected(0, 8, 0x7D00, 0x10, 0x6FF4);
    let to = protected(0, 8, 0x7D00, 0x10, 0x6FE4);
    let via = Via::Interrupt { vector: 13, source: Source::Exception, error_code: Some(0x7C40) };
    g.history.observe(&Record { step: 501, event: Event::Transfer(transfer(via, from, to)) });
    g.poke(0x7D00, &[0xCF]);
    let e = explained(&g);
    assert_eq!(e.finding.id, "error-code-not-popped");
    assert_eq!(e.finding.evidence[1].value, "00000050, the error code");
}

#[test]
fn row_3_a_kernel_that_panics_in_its_gp_handler_is_told_of_the_gate() {
    let mut g = Guest::new(Ending::HaltedForEver);
    deliver(&mut g, 13, Source::Exception, Some(0x402));
    g.last_cause = idt_gate(0x80, 0x8E00_0008_1000, Check::GatePrivilege, true);
    let e = explained(&g);
    assert_eq!(e.finding.id, "int-gate-dpl");
    assert_eq!(e.related[0].id, "hlt-with-if-0");
}

#[test]
fn row_8_the_timer_as_vector_8() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.set_flag(Eflags::IF, true);
    g.pic = Some(Pic { base: [8, 0x70], ..Pic::default() });
    let why = g.zero_gate(8);
    g.fault(Fault::gp(0x43), why).uncaught(13);
    let e = explained(&g);
    assert_eq!(e.finding.id, "pic-not-remapped");
    assert_eq!(
        e.finding.headline,
        "this is IRQ 0 from the PIC, not a double fault: it came as vector 8"
    );
    assert_eq!(e.related[0].id, "idt-empty-or-short");
}

#[test]
fn row_8_a_double_fault_handler_that_halts_on_the_timer() {
    let mut g = Guest::new(Ending::HaltedForEver);
    deliver(&mut g, 8, Source::External, None);
    let e = explained(&g);
    assert_eq!(e.finding.id, "pic-not-remapped");
    assert_eq!(e.related[0].id, "hlt-with-if-0");
}

#[test]
fn row_8_an_irq_handler_that_drops_an_error_code_nobody_pushed() {
    let mut g = Guest::new(Ending::Shutdown);
    deliver(&mut g, 8, Source::External, None);
    g.state.rip = 0x7D10;
    g.poke(0x7D10, &[0xCF]);
    g.poke_words(0x7000, &[8, 0x202, 0, 0]);
    g.fault(Fault::gp(0x200), bad_selector(0x202, 0, Check::BeyondTable, Origin::Transfer));
    let e = explained(&g);
    assert_eq!(e.finding.id, "pic-not-remapped");
    assert_eq!(e.related[0].id, "iret-frame");
}

#[test]
fn row_8_is_silent_about_a_guest_that_lives_with_it() {
    let mut g = Guest::new(Ending::Stopped);
    deliver(&mut g, 8, Source::External, None);
    assert_eq!(explain(&g.scene()), None);
}

#[test]
fn row_8_is_silent_where_the_pic_was_remapped() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.set_flag(Eflags::IF, true);
    g.pic = Some(Pic { base: [0x20, 0x28], ..Pic::default() });
    let why = g.zero_gate(8);
    g.fault(Fault::gp(0x43), why);
    assert_eq!(explained(&g).finding.id, "idt-empty-or-short");
}

#[test]
fn row_9_a_keyboard_handler_without_an_eoi() {
    let mut g = Guest::new(Ending::Stopped);
    g.state.set_flag(Eflags::IF, true);
    g.pic = Some(Pic { base: [0x20, 0x28], isr: [2, 0], ..Pic::default() });
    deliver(&mut g, 0x21, Source::External, None);
    let from = protected(0, 8, 0x7D10, 0x10, 0x6FF4);
    let to = protected(0, 8, 0x7C42, 0x10, 0x7000);
    let event = Event::Transfer(transfer(Via::Iret, from, to));
    g.history.observe(&Record { step: 510, event });
    let e = explained(&g);
    assert_eq!(e.finding.id, "eoi-missing");
    assert_eq!(
        e.finding.headline,
        "IRQ 1 in service since step 500; the handler returned without an EOI"
    );
    // A guest that switched itself off isn't told so.
    g.ending = Ending::Well;
    assert_eq!(explain(&g.scene()), None);
}

#[test]
fn a_run_stopped_while_all_is_well_is_not_explained() {
    let mut g = Guest::new(Ending::Stopped);
    g.pic = Some(Pic { base: [0x20, 0x28], isr: [2, 0], ..Pic::default() });
    deliver(&mut g, 0x21, Source::External, None);
    assert_eq!(explain(&g.scene()), None);
}

fn page_fault(addr: u64, kind: AccessKind, user: bool, level: Level, why: PageCheck) -> Cause {
    let (entry, entry_addr) = (0, PhysAddr(0));
    Cause::Page { addr: LinAddr(addr), kind, user, level, entry, entry_addr, why }
}

#[test]
fn row_10_paging_on_and_eip_unmapped() {
    let mut g = Guest::new(Ending::Shutdown);
    g.poke(0x7C3F, &[0x0F, 0x22, 0xC0]);
    g.state.cr0 |= 1 << 31;
    g.state.cr3 = 0x2000;
    let why = page_fault(0x7C42, AccessKind::Fetch, false, Level::Pde, PageCheck::NotPresent);
    g.fault(Fault { vector: Vector::PageFault, code: 0 }, why);
    let e = explained(&g);
    assert_eq!(e.finding.id, "paging-eip-unmapped");
    assert_eq!(e.finding.headline, "PDE[0] = 0x0: the next instruction at 0x7C42 is unmapped");
    assert!(e.finding.details[0].starts_with("MOV to CR0, which set PG, was just executed."));
}

#[test]
fn row_11_a_directory_entry_that_denies_ring_3() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.state.cr0 |= 1 << 31;
    g.state.cr3 = 0x2000;
    g.poke_words(0x2000 + 4 * 512, &[0x3003]);
    g.poke_words(0x3000, &[0x4007]);
    let why = page_fault(0x8000_0000, AccessKind::Read, true, Level::Pde, PageCheck::Supervisor);
    g.fault(Fault { vector: Vector::PageFault, code: 5 }, why);
    let e = explained(&g);
    assert_eq!(e.finding.id, "page-parent-denies");
    assert_eq!(e.finding.headline, "denied by PDE[512], U=0; the PTE's U=1 doesn't help");
}

#[test]
fn row_12_a_virtual_address_in_a_directory_entry_and_in_cr3() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.cr0 |= 1 << 31;
    g.state.cr3 = 0x2000;
    g.poke_words(0x2000, &[0xC010_5003]);
    let why = page_fault(0x7C42, AccessKind::Fetch, false, Level::Pte, PageCheck::NotPresent);
    g.fault(Fault { vector: Vector::PageFault, code: 0 }, why);
    let e = explained(&g);
    assert_eq!(e.finding.id, "page-table-address");
    assert_eq!(e.finding.headline, "PDE[0] points to 0xC0105000, outside RAM: a virtual address?");
    g.state.cr3 = 0xC010_4000;
    assert_eq!(
        explained(&g).finding.headline,
        "CR3 points to 0xC0104000, outside RAM: a virtual address?"
    );
}

#[test]
fn row_13_no_far_jump_after_setting_pe() {
    let mut g = Guest::new(Ending::Shutdown);
    g.state.seg[SegReg::Cs as usize] = Segment::real(0);
    g.poke(0x7C42, &[0xB8, 0x10, 0, 0, 0]);
    g.fault(Fault::ud(), Cause::None);
    let e = explained(&g);
    assert_eq!(e.finding.id, "no-far-jump-after-pe");
    assert!(e.finding.details[0].starts_with("As 32-bit code the bytes at 0000:00007C42"), "{e:?}");
    assert!(e.finding.details[0].to_lowercase().contains("mov eax"), "{:?}", e.finding.details);
}

#[test]
fn row_14_halted_with_interrupts_off() {
    let e = explained(&Guest::new(Ending::HaltedForEver));
    assert_eq!(e.finding.id, "hlt-with-if-0");
    assert_eq!(e.finding.headline, "HLT with IF=0: nothing can wake this CPU but NMI or reset");
}

#[test]
fn row_14_spinning_with_interrupts_off_in_a_panic_tells_of_the_exception() {
    let mut g = Guest::new(Ending::Spinning);
    deliver(&mut g, 0, Source::Exception, None);
    g.last_cause = Cause::Divide { divisor: 0 };
    let e = explained(&g);
    assert_eq!(e.finding.id, "spin-with-if-0");
    assert_eq!(e.related[0].headline, "#DE at 0008:00007C42: division by zero");
}

#[test]
fn row_14_ltr_of_a_busy_tss() {
    let mut g = Guest::new(Ending::Shutdown);
    g.poke(0x7C42, &[0x0F, 0x00, 0xD8]);
    let busy = 0x0000_8B00_A000_0067;
    g.fault(Fault::gp(0x28), bad_selector(0x28, busy, Check::NotAvailableTss, Origin::Task));
    let e = explained(&g);
    assert_eq!(e.finding.id, "tss-busy");
    assert_eq!(e.finding.headline, "LTR wants an available TSS, but 0x0028 is busy already");
}

#[test]
fn row_14_sysenter_without_its_msr() {
    let mut g = Guest::new(Ending::Shutdown);
    g.in_ring_3();
    g.fault(Fault::gp(0), Cause::SysenterCs { value: 0 });
    assert_eq!(explained(&g).finding.id, "sysenter-cs-zero");
}

#[test]
fn row_15_a_64_bit_guest_is_no_gp_story() {
    let e = explained(&Guest::new(Ending::LongMode));
    assert_eq!(e.finding.id, "long-mode");
    assert!(e.related.is_empty());
}

#[test]
fn an_unknown_fault_is_told_from_its_evidence_and_what_should_have_caught_it() {
    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::plain(Vector::DivideError), Cause::Divide { divisor: 0 }).uncaught(0);
    let e = explained(&g);
    assert_eq!(
        e.finding.headline,
        "#DE at 0008:00007C42: division by zero; then vector 0x00 has no gate: IDT[0] is all zero"
    );
    assert_eq!(e.related[0].id, "fault");
}

#[test]
fn a_shutdown_without_evidence_says_so() {
    let e = explained(&Guest::new(Ending::Shutdown));
    assert_eq!(e.finding.headline, "the processor shut down, and no evidence was kept");
}

#[test]
fn an_explanation_survives_json() {
    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::gp(0x402), idt_gate(0x80, 0x8E00_0008_1000, Check::GatePrivilege, true));
    let e = explained(&g);
    let json = serde_json::to_string(&e).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), e);
}

#[test]
fn the_rendered_text_of_a_triple_fault() {
    let mut g = Guest::new(Ending::Shutdown);
    g.poke(0x7C40, &[0x31, 0xC9, 0xCD, 0x30, 0xEB, 0xFE]);
    deliver(&mut g, 0x21, Source::External, None);
    let why = g.zero_gate(0x30);
    g.fault(Fault::gp(0x182), why).uncaught(13);
    let text = explained(&g).render(&g.scene()).join("\n");
    expect_test::expect![[r#"
        vector 0x30 has no gate: IDT[48] is all zero

        what happened:
          1. At 0008:00007C42 in ring 0 the processor raised #GP(0x0182) (general
             protection): IDT[48] is all zero: no gate was ever put there.
          2. It tried to deliver #GP through IDT[13], and that raised #GP(0x006B):
             IDT[13] is all zero: no gate was ever put there. A #GP on top of a #GP
             makes a double fault, #DF.
          3. It tried to deliver #DF through IDT[8], and that raised #GP(0x0043):
             IDT[8] is all zero: no gate was ever put there.
          4. A fault while #DF is delivered is the third: nothing is left to call, and
             the processor shut down. A PC would reset now.

          Gates 13 and 8 are zero, so nothing could catch it.

        evidence:
           IDTR.base   00009000
           IDTR.limit  0x7FF = 256 whole entries
        >> IDT[48]     00 00 00 00 00 00 00 00

        cure:
          Fill a gate for every vector that can occur before the first STI or INT,
          load the table with LIDT, and give LIDT a limit of 8 * entries - 1.

        manual:
          SDM vol. 3A, 6.10 and 6.12

        last crossings:
                 500  ring 0  interrupt 0x21 from the PIC  0008:00007C42 -> 0008:00007D00

        registers:
          EAX 00000000  EBX 00000000  ECX 00000000  EDX 000006D8
          ESI 00000000  EDI 00000000  EBP 00000000  ESP 00007000
          EIP 00007C42  EFLAGS 00000002 (IOPL=0)  CPL 0
          CS   0008  base 00000000  limit FFFFFFFF  DPL 0  32-bit code segment
          SS   0010  base 00000000  limit FFFFFFFF  DPL 0  data segment
          DS   0010  base 00000000  limit FFFFFFFF  DPL 0  data segment
          ES   0010  base 00000000  limit FFFFFFFF  DPL 0  data segment
          FS   0010  base 00000000  limit FFFFFFFF  DPL 0  data segment
          GS   0010  base 00000000  limit FFFFFFFF  DPL 0  data segment
          TR   0000  base 00000000  limit 0000FFFF  DPL 0  busy 32-bit TSS
          LDTR 0000  base 00000000  limit 0000FFFF  DPL 0  LDT
          GDTR 00008000 limit 0027   IDTR 00009000 limit 07FF
          CR0 00000011  CR2 00000000  CR3 00000000  CR4 00000000  EFER 0

        code:
           00007C3C  00 00                    add [eax], al
           00007C3E  00 00                    add [eax], al
           00007C40  31 C9                    xor ecx, ecx
        -> 00007C42  CD 30                    int 30h
           00007C44  EB FE                    jmp short 7C44h
           00007C46  00 00                    add [eax], al
           00007C48  00 00                    add [eax], al"#]]
    .assert_eq(&text);
}

#[test]
fn every_link_rule_is_silent_about_a_plain_fault() {
    let mut g = Guest::new(Ending::Shutdown);
    g.fault(Fault::plain(Vector::DivideError), Cause::Divide { divisor: 0 });
    let link: Link = g.chain[0];
    assert!(LINK_RULES.iter().all(|rule| rule(&g.scene(), &link).is_none()));
}
