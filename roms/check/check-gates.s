# Interrupts and exceptions through interrupt and trap gates (SDM 3A chapter 6, 2A INT n):
# which checks are made, in which order, with which error codes; what the frame holds.

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "gates"
    .include "boot.inc"
    .include "lib.inc"

main:
    call    flags_and_frames
    call    gate_checks
    call    handler_segment_checks
    call    stack_checks
    call    exceptions
    call    error_codes_with_ext
    call    double_faults
    jmp     finish

# ---- what a gate that works does ----
flags_and_frames:
    idt_gate 0x31, C0, landing, A_INT32
    try     "32-bit interrupt gate, ring 0: IF cleared, 12 bytes pushed", "ok cs=0008 if=0 used=0C ip=02 oldcs=0008 oldif=1", "3A 6.12.1.2"
      sti
1:    int   0x31
    after
      mov   ebx, [saw_esp]
      show16 "cs", [saw_cs]
      show_bits "if", [saw_efl], 9
      mov   eax, offset stack_probe + 4096
      sub   eax, ebx
      show_part "used", 2
      show_rel "ip", [ebx], 1b
      show16 "oldcs", [ebx + 4]
      show_bits "oldif", [ebx + 8], 9
    endtry

    idt_gate 0x31, C0, landing, A_TRAP32
    try     "32-bit trap gate, ring 0: IF kept", "ok if=1", "3A 6.12.1.2"
      sti
      int   0x31
    after
      show_bits "if", [saw_efl], 9
    endtry

    idt_gate 0x31, C0, landing, A_TRAP32
    try     "INT n with NT set: cleared in the handler, kept in the frame", "ok nt=0 oldnt=1", "3A 6.12.1.2"
      push  0x4002
      popfd
      int   0x31
    after
      mov   ebx, [saw_esp]
      show_bits "nt", [saw_efl], 14
      show_bits "oldnt", [ebx + 8], 14
    endtry

    idt_gate 0x31, C0, landing, A_INT16
    try     "16-bit interrupt gate, ring 0: IF cleared, 6 bytes pushed", "ok if=0 used=06 ip=02 oldcs=0008 oldif=1", "3A 6.12.1, 2A INT n"
      sti
1:    int   0x31
    after
      mov   ebx, [saw_esp]
      show_bits "if", [saw_efl], 9
      mov   eax, offset stack_probe + 4096
      sub   eax, ebx
      show_part "used", 2
      movzx eax, word ptr [ebx]
      mov   edx, offset 1b
      sub   ax, dx
      show_part "ip", 2
      show16 "oldcs", [ebx + 2]
      movzx eax, word ptr [ebx + 4]
      show_bits "oldif", eax, 9
    endtry

    idt_gate 0x31, C0, landing, A_TRAP16
    try     "16-bit trap gate, ring 0: IF kept", "ok if=1 used=06", "3A 6.12.1.2"
      sti
      int   0x31
    after
      show_bits "if", [saw_efl], 9
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry

    idt_gate 0x31, C0, landing, A_INT32 + DPL3
    try3    "32-bit gate, ring 3 to 0: stack from the TSS, 20 bytes pushed", "ok cs=0008 ss=0010 used=14 ip=02 oldcs=001B oldesp=00 oldss=0023", "3A 6.12.1, 5.8.5"
1:    int   0x31
    after
      mov   ebx, [saw_esp]
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack0 + 4096
      sub   eax, ebx
      show_part "used", 2
      show_rel "ip", [ebx], 1b
      show16 "oldcs", [ebx + 4]
      show_rel "oldesp", [ebx + 12], stack3 + 4096
      show16 "oldss", [ebx + 16]
    endtry

    idt_gate 0x31, C0, landing, A_INT16 + DPL3
    try3    "16-bit gate, ring 3 to 0: 10 bytes pushed", "ok cs=0008 ss=0010 used=0A ip=02 oldcs=001B oldsp=0000 oldss=0023", "3A 6.12.1, 2A INT n"
1:    int   0x31
    after
      mov   ebx, [saw_esp]
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack0 + 4096
      sub   eax, ebx
      show_part "used", 2
      movzx eax, word ptr [ebx]
      mov   edx, offset 1b
      sub   ax, dx
      show_part "ip", 2
      show16 "oldcs", [ebx + 2]
      movzx eax, word ptr [ebx + 6]
      mov   edx, offset stack3 + 4096
      sub   ax, dx
      show_part "oldsp", 4
      show16 "oldss", [ebx + 8]
    endtry

    idt_gate 0x31, C0, landing, A_INT32 + DPL3
    try_in  MODE_CODE16U, "32-bit gate from 16-bit code of ring 3: 20 bytes", "ok used=14 ip=00000008 oldcs=006B oldesp=0000FFF0 oldss=007B", "3A 6.12.1"
      mov   esp, 0xFFF0                 # (IRET may leave the high half)
      int   0x31
    after
      mov   ebx, [saw_esp]
      mov   eax, offset stack0 + 4096
      sub   eax, ebx
      show_part "used", 2
      show32 "ip", [ebx]
      show16 "oldcs", [ebx + 4]
      show32 "oldesp", [ebx + 12]
      show16 "oldss", [ebx + 16]
    endtry

    idt_gate 0x31, C1 & ~3, landing, A_INT32 + DPL3
    try3    "32-bit gate, ring 3 to 1: SS1:ESP1, selector RPL becomes the new CPL", "ok cs=0029 ss=0031 used=14", "3A 6.12.1"
      int   0x31
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack1 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry

    idt_gate 0x31, C0 + 3, landing, A_INT32 + DPL3
    try3    "gate selector with RPL 3: RPL is ignored", "ok cs=0008", "3A 6.12.1.1"
      int   0x31
    after
      show16 "cs", [saw_cs]
    endtry

    desc    T0, 0, 0xFFFFF, A_XR_CONF, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32 + DPL3
    try3    "conforming handler, DPL 0, from ring 3: stays in ring 3 on its stack", "ok cs=0083 ss=0023 used=0C", "3A 6.12.1.1, 5.8.1.2"
      int   0x31
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack3 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry

    desc    T0, tss_a, 0x2B, A_TSS16, 0
    mov     word ptr [tss_a + 2], 0x800
    mov     word ptr [tss_a + 4], T1
    desc    T1, stack0, 0xFFFF, A_RW, F_32
    mov     ax, T0
    ltr     ax
    try3    "stack switch from a 16-bit TSS: SP0 and SS0 at 2 and 4", "int 30+2 ss=0088 used=001C", "3A 7.6"
      int   0x30
    after
      show16 "ss", [saw_handler_ss]
      mov   eax, 0x800
      sub   eax, [saw_handler_esp]
      show_part "used", 4
    endtry
    ret

# ---- the gate itself ----
gate_checks:
    try     "vector beyond the IDT limit: #GP", "#GP(0282)", "2A INT n, 3A 6.13"
      int   0x50
    endtry

    mov     word ptr [short_idtr], 0x30 * 8 + 6
    mov     dword ptr [short_idtr + 2], offset idt
    lidt    [short_idtr]
    try     "gate with its last byte beyond the IDT limit: #GP", "#GP(0182)", "2A INT n"
      int   0x30
    endtry

    mov     word ptr [short_idtr], 0x30 * 8 + 7
    mov     dword ptr [short_idtr + 2], offset idt
    lidt    [short_idtr]
    try     "gate that ends at the IDT limit: taken", "int 30+2", "2A INT n"
      int   0x30
    endtry

    mov     dword ptr [idt + 0x31 * 8 + 4], 0
    try     "gate of type 0: #GP", "#GP(018A)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, C0, landing, A_CALL32
    try     "call gate in the IDT: #GP", "#GP(018A)", "2A INT n, 3A 6.11"
      int   0x31
    endtry
    idt_gate 0x31, C0, landing, A_XR
    try     "code segment descriptor in the IDT: #GP", "#GP(018A)", "2A INT n, 3A 6.11"
      int   0x31
    endtry
    idt_gate 0x31, C0, landing, A_TSS32
    try     "TSS descriptor in the IDT: #GP", "#GP(018A)", "2A INT n, 3A 6.11"
      int   0x31
    endtry

    try3    "INT n, ring 3, gate DPL 0: #GP", "#GP(0102) cs=001B used=00", "3A 6.12.1.1"
      int   0x20
    after
      show16 "cs", [saw_cs]
      mov   eax, offset stack3 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    idt_gate 0x31, C0, landing, A_INT32 + DPL2
    try3    "INT n, ring 3, gate DPL 2: #GP", "#GP(018A)", "3A 6.12.1.1"
      int   0x31
    endtry
    idt_gate 0x31, C0, landing, A_INT32 + DPL2
    try_in  MODE_RING2, "INT n, ring 2, gate DPL 2: taken", "ok", "3A 6.12.1.1"
      int   0x31
    endtry
    try3    "INT3, ring 3, gate DPL 0: #GP", "#GP(001A)", "3A 6.12.1.1"
      int3
    endtry
    try3    "INTO with OF=1, ring 3, gate DPL 0: #GP", "#GP(0022)", "3A 6.12.1.1"
      mov   al, 0x7F
      inc   al
    at
      into
    endtry
    try3    "INTO with OF=0: nothing", "ok", "2A INT n"
      xor   eax, eax
      into
    endtry
    try3    "INT1 (F1), ring 3, gate DPL 0: taken, DPL isn't checked", "#DB+1", "3A 6.12.1.1, 2A INT n"
      .byte 0xF1
    endtry
    idt_gate 3, C0, stubs + 3*16, A_INT32 + DPL3
    try3    "INT3, ring 3, gate DPL 3: taken, EIP after it", "#BP+1", "3A 6.15"
      int3
    endtry
    idt_gate 4, C0, stubs + 4*16, A_INT32 + DPL3
    try3    "INTO with OF=1, gate DPL 3: taken, EIP after it", "#OF+1", "3A 6.15"
      mov   al, 0x7F
      inc   al
    at
      into
    endtry

    idt_gate 0x31, C0, landing, A_INT32 + NOT_PRESENT
    try     "gate not present: #NP", "#NP(018A)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, C0, landing, A_INT32 + NOT_PRESENT
    try3    "gate DPL 0 and not present, ring 3: #GP comes first", "#GP(018A)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, 0, landing, A_INT32 + NOT_PRESENT
    try     "gate not present with a null selector: #NP comes first", "#NP(018A)", "2A INT n"
      int   0x31
    endtry
    ret

# ---- the handler's code segment ----
handler_segment_checks:
    # Whatever lies in entry 0 of the GDT is never looked at; here it is good code.
    idt_gate 0x31, 0, landing, A_INT32
    desc    0, 0, 0xFFFFF, A_XR, F_32 + F_PAGES
    try     "gate selector null: #GP(0)", "#GP(0000)", "2A INT n, 3A 6.15"
      int   0x31
    endtry
    idt_gate 0x31, 3, landing, A_INT32
    try     "gate selector null with RPL 3: #GP(0)", "#GP(0000)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, 0x200, landing, A_INT32
    try     "gate selector beyond the GDT limit: #GP(selector)", "#GP(0200)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, T1, landing, A_INT32
    desc    T1, 0, 0xFFFFF, A_XR, F_32 + F_PAGES
    mov     word ptr [short_idtr], T1 + 6
    mov     dword ptr [short_idtr + 2], offset gdt
    lgdt    [short_idtr]
    try     "gate selector of code that the GDT limit cuts in half: #GP(selector)", "#GP(0088)", "2A INT n, 3A 3.5.1"
      int   0x31
    endtry
    idt_gate 0x31, T1, landing, A_INT32
    desc    T1, 0, 0xFFFFF, A_XR, F_32 + F_PAGES
    mov     word ptr [short_idtr], T1 + 7
    mov     dword ptr [short_idtr + 2], offset gdt
    lgdt    [short_idtr]
    try     "gate selector of the last entry within the GDT limit: taken", "ok cs=0088", "3A 3.5.1"
      int   0x31
    after
      show16 "cs", [saw_cs]
    endtry
    idt_gate 0x31, 0x44, landing, A_INT32
    try     "gate selector beyond the LDT limit: #GP(selector with TI)", "#GP(0044)", "2A INT n, 3A 6.13"
      int   0x31
    endtry
    idt_gate 0x31, 0x0C, landing, A_INT32
    desc    8, 0, 0xFFFFF, A_XR, F_32 + F_PAGES, ldt
    try     "gate selector of code in the LDT: taken", "ok cs=000C", "2A INT n"
      int   0x31
    after
      show16 "cs", [saw_cs]
    endtry
    idt_gate 0x31, 0x0C, landing, A_INT32
    desc    8, 0, 0xFFFFF, A_RW, F_32 + F_PAGES, ldt
    try     "gate selector of data in the LDT: #GP(selector with TI)", "#GP(000C)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, D0, landing, A_INT32
    try     "gate selector of data: #GP(selector)", "#GP(0010)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, D0 + 3, landing, A_INT32
    try     "error code of a gate selector: RPL bits are not part of it", "#GP(0010)", "3A 6.13"
      int   0x31
    endtry
    idt_gate 0x31, TSS_MAIN, landing, A_INT32
    try     "gate selector of a TSS: #GP(selector)", "#GP(0048)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, T0, landing, A_INT32
    gate    T0, C0, landing, A_CALL32
    try     "gate selector of a call gate: #GP(selector)", "#GP(0080)", "2A INT n"
      int   0x31
    endtry
    idt_gate 0x31, C3, landing, A_INT32
    try     "handler less privileged than the caller: #GP(selector)", "#GP(0018)", "2A INT n, 3A 6.12.1.1"
      int   0x31
    endtry
    desc    T0, 0, 0xFFFFF, A_XR_CONF + DPL3, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32
    try     "conforming handler with DPL above CPL: #GP(selector)", "#GP(0080)", "2A INT n"
      int   0x31
    endtry
    desc    T0, 0, 0xFFFFF, A_XR + NOT_PRESENT, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32
    try     "handler segment not present: #NP(selector)", "#NP(0080)", "2A INT n"
      int   0x31
    endtry
    desc    T0, 0, 0xFFFFF, A_RW + NOT_PRESENT, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32
    try     "handler segment is data and not present: #GP comes first", "#GP(0080)", "2A INT n"
      int   0x31
    endtry
    desc    T0, 0, 0xFFFFF, A_XR + DPL3 + NOT_PRESENT, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32
    try     "handler segment has DPL 3 and isn't present: #GP comes first", "#GP(0080)", "2A INT n"
      int   0x31
    endtry
    desc    T0, 0, 0x0FFF, A_XR, F_32
    idt_gate 0x31, T0, landing, A_INT32
    try     "handler offset beyond its segment, ring 0: #GP(0)", "#GP(0000) cs=0008 used=00", "2A INT n"
      int   0x31
    after
      show16 "cs", [saw_cs]
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    desc    T0, 0, 0x0FFF, A_XR, F_32
    idt_gate 0x31, T0, landing, A_INT32 + DPL3
    try3    "handler offset beyond its segment, ring 3 to 0: #GP(0) in ring 3", "#GP(0000) cs=001B ss=0023", "2A INT n"
      int   0x31
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
    endtry
    desc    T0, 0, 0xFFFFF, A_XO, F_32 + F_PAGES
    idt_gate 0x31, T0, landing, A_INT32
    try     "execute-only handler segment: taken, and marked accessed", "ok a=99", "3A 3.4.5.1"
      int   0x31
      nop
    after
      show8 "a", [gdt + T0 + 5 + LEFT]
    endtry
    ret

    .include "gates-stack.inc"
    .include "gates-exceptions.inc"

    .bss
short_idtr:     .skip 8
    .text
