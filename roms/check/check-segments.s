# Segment registers: loading them, limits and types on access, LAR LSL VERR VERW ARPL, LLDT LTR
# (SDM 3A chapter 5, 2A/2B MOV, POP, LDS, LAR, LSL, VERR, ARPL, LLDT, LTR).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "segments"
    .include "boot.inc"
    .include "lib.inc"

# Loads `reg` with `selector` in a ring; T0 (GDT) and the LDT hold what the case set up.
.macro load mode, reg, selector, name, want, ref="2A MOV, 3A 5.6"
    try_in  \mode, "\name", "\want", "\ref"
      mov   ax, \selector
    at
      mov   \reg, ax
      nop
    endtry
.endm

main:
    call    load_data
    call    load_stack
    call    other_loads
    call    access_types
    call    limits
    call    expand_down
    call    stack_limits
    call    code_limits
    call    lar_lsl
    call    verify
    call    lldt_ltr
    call    each_register
    call    privilege_tables
    call    system_types
    jmp     finish

load_data:
    load    MODE_RING0, ds, 0, "DS, null selector: allowed", "ok"
    load    MODE_RING3, es, 3, "ES, null selector with RPL 3: allowed", "ok"
    try     "read through a null DS: #GP(0)", "#GP(0000)", "3A 5.4.1"
      xor   eax, eax
      mov   ds, ax
    at
      mov   eax, ds:[0x1000]
    endtry
    try     "write through a null FS: #GP(0)", "#GP(0000)", "3A 5.4.1"
      mov   fs:[0x1000], eax
    endtry
    load    MODE_RING0, ds, 0x200, "DS, beyond the GDT limit: #GP(selector)", "#GP(0200)", "3A 6.15"
    load    MODE_RING0, gs, 0x1FB, "GS, last GDT entry, empty: #GP(selector)", "#GP(01F8)", "2A MOV"
    load    MODE_RING0, ds, 0x44, "DS, beyond the LDT limit: #GP(selector with TI)", "#GP(0044)", "3A 6.13"
    xor     eax, eax
    lldt    ax
    load    MODE_RING0, ds, 0x0C, "DS, LDT selector while LDTR is null: #GP(selector)", "#GP(000C)", "3A 3.5.1"
    desc    8, 0, 0xFFFFF, A_RW, F_32 + F_PAGES, ldt
    load    MODE_RING0, ds, 0x0C, "DS, data in the LDT: loaded", "ok", "3A 3.4.2"
    desc    T0, 0, 0xFFFFF, A_RO, F_32
    load    MODE_RING0, ds, T0, "DS, read-only data: loaded", "ok"
    desc    T0, 0, 0xFFFFF, A_XR, F_32
    load    MODE_RING0, ds, T0, "DS, readable code: loaded", "ok"
    desc    T0, 0, 0xFFFFF, A_XO, F_32
    load    MODE_RING0, ds, T0, "DS, execute-only code: #GP(selector)", "#GP(0080)"
    desc    T0, ldt, 0xF, A_LDT, 0
    load    MODE_RING0, ds, T0, "DS, LDT descriptor: #GP(selector)", "#GP(0080)"
    load    MODE_RING0, ds, TSS_MAIN, "DS, TSS descriptor: #GP(selector)", "#GP(0048)"
    gate    T0, C0, landing, A_CALL32
    load    MODE_RING0, ds, T0, "DS, call gate: #GP(selector)", "#GP(0080)"
    desc    T0, 0, 0xFFFFF, A_RW + NOT_PRESENT, F_32
    load    MODE_RING0, ds, T0, "DS, not present: #NP(selector)", "#NP(0080)"
    desc    T0, 0, 0xFFFFF, A_XO + NOT_PRESENT, F_32
    load    MODE_RING0, ds, T0, "DS, execute-only and not present: #GP comes first", "#GP(0080)"
    desc    T0, 0, 0xFFFFF, A_RW + NOT_PRESENT, F_32
    load    MODE_RING3, ds, T0 + 3, "DS, DPL 0 and not present, ring 3: #GP comes first", "#GP(0080)"
    load    MODE_RING0, ds, D0 + 1, "DS, DPL 0 with RPL 1: #GP(selector without RPL)", "#GP(0010)"
    load    MODE_RING0, ds, D3, "DS, DPL 3 from ring 0: loaded", "ok"
    load    MODE_RING3, ds, D0, "DS, DPL 0 from ring 3, RPL 0: #GP(selector)", "#GP(0010)"
    load    MODE_RING2, ds, D1, "DS, DPL 1 from ring 2: #GP(selector)", "#GP(0030)"
    load    MODE_RING1, ds, D1, "DS, DPL 1 from ring 1: loaded", "ok"
    load    MODE_RING3, es, C0, "ES, readable code DPL 0 from ring 3: #GP(selector)", "#GP(0008)"
    desc    T0, 0, 0xFFFFF, A_XR_CONF, F_32
    load    MODE_RING3, es, T0 + 3, "ES, conforming readable code DPL 0 from ring 3: loaded", "ok", "3A 5.6.1"
    desc    T0, 0, 0xFFFFF, A_XO_CONF, F_32
    load    MODE_RING3, es, T0 + 3, "ES, conforming execute-only code: #GP(selector)", "#GP(0080)"

    desc    T0, 0, 0xFFFFF, A_RW, F_32
    try     "a load sets the accessed bit", "ok access=93", "3A 3.4.5.1"
      mov   ax, T0
      mov   gs, ax
    after
      show8 "access", [gdt + T0 + 5 + LEFT]
    endtry
    desc    T0, 0, 0xFFFFF, A_RW, F_32
    try3    "a load that fails leaves the accessed bit and the register", "#GP(0080) access=92 ds=0023", "3A 3.4.5.1"
      mov   ax, T0
    at
      mov   ds, ax
    after
      show8 "access", [gdt + T0 + 5 + LEFT]
      show16 "ds", [saw_ds]
    endtry
    desc    T0, 0, 0xFFFFF, A_RW + NOT_PRESENT, F_32
    try     "a load that isn't present leaves the accessed bit", "#NP(0080) access=12", "3A 3.4.5.1"
      mov   ax, T0
    at
      mov   ds, ax
    after
      show8 "access", [gdt + T0 + 5 + LEFT]
    endtry
    desc    T0, 0, 0xFFFFF, A_RW, F_32
    try     "the cached part stays when the table changes", "ok", "3A 3.4.3"
      mov   ax, T0
      mov   fs, ax
      mov   dword ptr [gdt + T0 + 4], 0
      mov   eax, fs:[0x1000]
    endtry
    ret

load_stack:
    desc    0, 0, 0xFFFFF, A_RW, F_32 + F_PAGES     # entry 0 is never looked at
    load    MODE_RING0, ss, 0, "SS, null: #GP(0)", "#GP(0000)", "2A MOV"
    desc    0, 0, 0xFFFFF, A_RW + DPL3, F_32 + F_PAGES
    load    MODE_RING3, ss, 3, "SS, null with RPL 3: #GP(0)", "#GP(0000)", "2A MOV"
    load    MODE_RING0, ss, 0x200, "SS, beyond the GDT limit: #GP(selector)", "#GP(0200)"
    load    MODE_RING0, ss, D0 + 3, "SS, RPL unlike CPL: #GP(selector)", "#GP(0010)", "3A 5.7"
    load    MODE_RING3, ss, D3 & ~3, "SS, RPL 0 in ring 3: #GP(selector)", "#GP(0020)", "3A 5.7"
    load    MODE_RING0, ss, D3 & ~3, "SS, DPL above CPL: #GP(selector)", "#GP(0020)", "3A 5.7"
    load    MODE_RING3, ss, D0 + 3, "SS, DPL below CPL: #GP(selector)", "#GP(0010)", "3A 5.7"
    load    MODE_RING3, ss, D3, "SS, RPL and DPL equal CPL: loaded", "ok", "3A 5.7"
    desc    T0, 0, 0xFFFFF, A_RO, F_32
    load    MODE_RING0, ss, T0, "SS, read-only data: #GP(selector)", "#GP(0080)"
    load    MODE_RING0, ss, C0, "SS, readable code: #GP(selector)", "#GP(0008)"
    load    MODE_RING0, ss, TSS_MAIN, "SS, TSS: #GP(selector)", "#GP(0048)"
    desc    T0, 0, 0xFFFFF, A_RW + NOT_PRESENT, F_32
    load    MODE_RING0, ss, T0, "SS, not present: #SS(selector)", "#SS(0080)"
    desc    T0, 0, 0xFFFFF, A_RO + NOT_PRESENT, F_32
    load    MODE_RING0, ss, T0, "SS, read-only and not present: #GP comes first", "#GP(0080)"
    ret

other_loads:
    try     "MOV to CS: #UD", "#UD", "2A MOV"
      .byte 0x8E, 0xC8
    endtry
    try     "MOV to segment register 6: #UD", "#UD", "2A MOV"
      .byte 0x8E, 0xF0
    endtry
    try     "MOV from segment register 7: #UD", "#UD", "2A MOV"
      .byte 0x8C, 0xF8
    endtry
    try     "MOV r32 from DS: zero-extended", "ok eax=00000010", "2A MOV"
      mov   eax, -1
      mov   eax, ds
    after
      show32 "eax", [saw_eax]
    endtry
    try     "POP DS of a bad selector: #GP, ESP unchanged", "#GP(0200) used=04", "2B POP"
      push  0x200
    at
      pop   ds
    after
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    try     "POP SS of null: #GP(0), ESP unchanged", "#GP(0000) used=04", "2B POP"
      push  0
    at
      pop   ss
    after
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    try     "POP ES of a 32-bit operand: takes four bytes", "ok es=0023 used=00", "2B POP"
      push  0x12340023
      pop   es
    after
      show16 "es", [saw_es]
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    mov     dword ptr [scratch], 0x55555555
    mov     word ptr [scratch + 4], 0x200
    try     "LES of a bad selector: #GP, neither register changes", "#GP(0200) eax=11111111 es=0010", "2A LDS"
      mov   eax, 0x11111111
    at
      les   eax, [scratch]
    after
      show32 "eax", [saw_eax]
      show16 "es", [saw_es]
    endtry
    mov     word ptr [scratch + 4], D3
    try     "LFS: both registers", "ok eax=55555555 fs=0023", "2A LDS"
      lfs   eax, [scratch]
    after
      show32 "eax", [saw_eax]
      show16 "fs", [saw_fs]
    endtry
    mov     word ptr [scratch + 4], D3
    try     "LSS with RPL unlike CPL: #GP(selector)", "#GP(0020)", "2A LDS"
      lss   esp, [scratch]
    endtry
    try     "LDS with a register operand: #UD", "#UD", "2A LDS"
      .byte 0xC5, 0xC0
    endtry
    try     "LSS with a register operand: #UD", "#UD", "2A LDS"
      .byte 0x0F, 0xB2, 0xC0
    endtry
    ret

    .include "segments-access.inc"
    .include "segments-query.inc"
    .include "segments-table.inc"
