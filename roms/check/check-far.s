# Far JMP, CALL and RET: direct, through call gates, to outer rings (SDM 3A 5.8, 2A CALL, JMP,
# 2B RET).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "far"
    .include "boot.inc"
    .include "lib.inc"

main:
    call    direct_jumps
    call    direct_calls
    call    gate_selection
    call    gate_targets
    call    gate_frames
    call    gate_stacks
    call    far_return
    call    outer_return
    call    tables_of_transfers
    call    tables_of_returns
    call    wrong_types
    call    other_rows
    jmp     finish

# Far jump to SELECTOR:landing in a ring.
.macro far_jump mode, selector, name, want, ref="2A JMP", offset=landing
    try_in  \mode, "\name", "\want", "\ref"
      ljmp  \selector, offset \offset
    endtry
.endm
# The same as a call.
.macro far_call mode, selector, name, want, ref="2A CALL", offset=landing
    try_in  \mode, "\name", "\want", "\ref"
      lcall \selector, offset \offset
    endtry
.endm
# The same, showing the CS that the target runs with.
.macro far_jump_cs mode, selector, name, want, ref="2A JMP", offset=landing
    try_in  \mode, "\name", "\want", "\ref"
      ljmp  \selector, offset \offset
    after
      show16 "cs", [saw_cs]
    endtry
.endm

direct_jumps:
    far_jump_cs MODE_RING0, C0, "JMP to code of the same ring", "ok cs=0008"
    desc    0, 0, 0xFFFFF, A_XR, F_32 + F_PAGES     # entry 0 is never looked at
    far_jump MODE_RING0, 0, "JMP to a null selector: #GP(0)", "#GP(0000)"
    far_jump MODE_RING3, 3, "JMP to a null selector with RPL 3: #GP(0)", "#GP(0000)"
    far_jump MODE_RING0, 0x200, "JMP beyond the GDT limit: #GP(selector)", "#GP(0200)"
    far_jump MODE_RING0, 0x47, "JMP beyond the LDT limit: #GP(selector with TI)", "#GP(0044)"
    far_jump MODE_RING0, D0, "JMP to data: #GP(selector)", "#GP(0010)"
    far_jump MODE_RING0, LDT_MAIN, "JMP to an LDT: #GP(selector)", "#GP(0050)"
    gate    T0, C0, landing, A_INT32
    far_jump MODE_RING0, T0, "JMP to an interrupt gate: #GP(selector)", "#GP(0080)"
    far_jump MODE_RING0, C3 & ~3, "JMP to DPL 3 from ring 0: #GP(selector)", "#GP(0018)", "3A 5.8.1.1"
    far_jump MODE_RING3, C0, "JMP to DPL 0 from ring 3: #GP(selector)", "#GP(0008)", "3A 5.8.1.1"
    far_jump MODE_RING0, C0 + 1, "JMP with RPL above CPL: #GP(selector)", "#GP(0008)", "3A 5.8.1.1"
    far_jump_cs MODE_RING3, C3 & ~3, "JMP with RPL below CPL: allowed, CS gets CPL", "ok cs=001B", "3A 5.8.1.1"
    desc    T0, 0, 0xFFFFF, A_XR_CONF, F_32 + F_PAGES
    far_jump_cs MODE_RING3, T0, "JMP to conforming DPL 0 from ring 3: stays in ring 3", "ok cs=0083", "3A 5.8.1.2"
    desc    T0, 0, 0xFFFFF, A_XR_CONF + DPL2, F_32 + F_PAGES
    far_jump_cs MODE_RING2, T0 + 3, "JMP to conforming code: RPL isn't checked", "ok cs=0082", "3A 5.8.1.2"
    desc    T0, 0, 0xFFFFF, A_XR_CONF + DPL3, F_32 + F_PAGES
    far_jump MODE_RING0, T0, "JMP to conforming DPL 3 from ring 0: #GP(selector)", "#GP(0080)", "3A 5.8.1.2"
    desc    T0, 0, 0xFFFFF, A_XR + NOT_PRESENT, F_32 + F_PAGES
    far_jump MODE_RING0, T0, "JMP to code not present: #NP(selector)", "#NP(0080)"
    desc    T0, 0, 0xFFFFF, A_XR + DPL3 + NOT_PRESENT, F_32 + F_PAGES
    far_jump MODE_RING0, T0, "JMP to DPL 3 and not present: #GP comes first", "#GP(0080)"
    desc    T0, 0, 0xFFF, A_XR, F_32
    far_jump MODE_RING0, T0, "JMP beyond the limit of the new segment: #GP(0)", "#GP(0000)"
    desc    T0, 0, 0xFFF, A_XR + NOT_PRESENT, F_32
    far_jump MODE_RING0, T0, "JMP beyond the limit of a segment not present: #NP first", "#NP(0080)"
    desc    T0, 0, 0xFFFFF, A_XO, F_32 + F_PAGES
    far_jump_cs MODE_RING0, T0, "JMP to execute-only code", "ok cs=0080"
    desc    8, 0, 0xFFFFF, A_XR, F_32 + F_PAGES, ldt
    far_jump_cs MODE_RING0, 0x0C, "JMP to code in the LDT", "ok cs=000C"
    desc    T0, 0, 0xFFFFF, A_XR, F_32 + F_PAGES
    try     "JMP marks the code segment accessed", "ok access=9B", "3A 3.4.5.1"
      ljmp  T0, offset landing
    after
      show8 "access", [gdt + T0 + 5 + LEFT]
    endtry
    desc    T0, 0, 0xFFF, A_XR, F_32
    mov     dword ptr [scratch], offset landing
    mov     word ptr [scratch + 4], C0
    try     "JMP through memory", "ok cs=0008", "2A JMP"
      ljmp  [scratch]
    after
      show16 "cs", [saw_cs]
    endtry
    try     "JMP far with a register operand: #UD", "#UD", "2A JMP"
      .byte 0xFF, 0xE8
    endtry
    try     "CALL far with a register operand: #UD", "#UD", "2A CALL"
      .byte 0xFF, 0xD8
    endtry
    ret

direct_calls:
    try     "CALL far: pushes CS and EIP, 8 bytes", "ok used=08 ip=07 oldcs=0008", "2A CALL"
1:    lcall C0, offset landing
    after
      mov   ebx, [saw_esp]
      mov   eax, offset stack_probe + 4096
      sub   eax, ebx
      show_part "used", 2
      show_rel "ip", [ebx], 1b
      show16 "oldcs", [ebx + 4]
    endtry
    try     "CALL far with a 16-bit operand: 4 bytes", "ok used=04 oldcs=0008", "2A CALL"
      .byte 0x66, 0x9A
      .word landing, C0
    after
      mov   ebx, [saw_esp]
      mov   eax, offset stack_probe + 4096
      sub   eax, ebx
      show_part "used", 2
      show16 "oldcs", [ebx + 2]
    endtry
    far_call MODE_RING0, 0, "CALL to a null selector: #GP(0)", "#GP(0000)"
    far_call MODE_RING0, D0, "CALL to data: #GP(selector)", "#GP(0010)"
    far_call MODE_RING3, C0, "CALL to DPL 0 from ring 3: #GP(selector)", "#GP(0008)"
    far_call MODE_RING0, C0 + 2, "CALL with RPL above CPL: #GP(selector)", "#GP(0008)"
    desc    T0, 0, 0xFFFFF, A_XR + NOT_PRESENT, F_32 + F_PAGES
    far_call MODE_RING0, T0, "CALL to code not present: #NP(selector)", "#NP(0080)"
    desc    T0, 0, 0xFFF, A_XR, F_32
    try     "CALL beyond the limit: #GP(0), nothing pushed", "#GP(0000) used=00", "2A CALL"
      lcall T0, offset landing
    after
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    desc    T0, V86_BASE, 0xFFF, A_RW + DPL3, F_32
    try3    "CALL far with room for 7 bytes: #SS(0)", "#SS(0000) esp=00000007", "2A CALL"
      mov   ax, T0 + 3
      mov   ss, ax
      mov   esp, 7
    at
      lcall C3, offset landing
    after
      show32 "esp", [saw_esp]
    endtry
    desc    T0, 0, 0xFFFFF, A_XR_CONF, F_32 + F_PAGES
    try3    "CALL to conforming DPL 0 from ring 3: no stack switch", "ok cs=0083 ss=0023 used=08", "3A 5.8.1.2"
      lcall T0, offset landing
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack3 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    ret

    .include "far-gates.inc"
    .include "far-return.inc"
    .include "far-table.inc"
