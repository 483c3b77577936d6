# System instructions and registers: control registers, LOCK and length rules, invalid opcodes,
# privileged instructions, MSRs, SYSENTER, CPUID, time stamp, alignment, interrupt shadows
# (SDM 3A chapters 2, 5, 6; 2A, 2B).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "system"
    .include "boot.inc"
    .include "lib.inc"

    .equ CR0_MP, 2
    .equ CR0_EM, 4
    .equ CR0_TS, 8
    .equ CR0_AM, 0x40000
    .equ CR4_TSD, 4
    .equ MSR_SYSENTER_CS, 0x174
    .equ MSR_SYSENTER_ESP, 0x175
    .equ MSR_SYSENTER_EIP, 0x176
    .equ MSR_EFER, 0xC0000080

main:
    call    control_registers
    call    machine_status
    call    coprocessor_bits
    call    lock_prefix
    call    length
    call    invalid_opcodes
    call    privileged
    call    msrs
    call    sysenter
    call    cpuid_and_time
    call    alignment
    call    address_line_20
    call    interrupt_window
    jmp     finish

# A one-instruction check in ring 0 or 3.
.macro one mode, name, want, ref, code:vararg
    try_in  \mode, "\name", "\want", "\ref"
      \code
      nop
    endtry
.endm

control_registers:
    try     "CR0: PG without PE: #GP(0)", "#GP(0000)", "2A MOV (control registers)"
      mov   eax, cr0
      or    eax, 0x80000000
      and   al, 0xFE
    at
      mov   cr0, eax
    endtry
    try     "CR0: NW without CD: #GP(0)", "#GP(0000)", "2A MOV (control registers)"
      mov   eax, cr0
      or    eax, 0x20000000
      and   eax, ~0x40000000
    at
      mov   cr0, eax
    endtry
    try     "CR0: ET is always 1", "ok et=1", "3A 2.5"
      mov   eax, cr0
      and   eax, ~0x10
      mov   cr0, eax
      mov   eax, cr0
    after
      show_bits "et", [saw_eax], 4
    endtry
    try     "CR0: reserved bits ignore writes", "ok bits=00000000", "3A 2.5"
      mov   eax, cr0
      or    eax, 0x1FFAFFC0 & ~0x50000
      mov   cr0, eax
      mov   eax, cr0
      and   eax, 0x1FFAFFC0 & ~0x50000
    after
      show32 "bits", [saw_eax]
    endtry
    try     "CR4: reserved bit 31: #GP(0)", "#GP(0000)", "2A MOV (control registers)"
      mov   eax, 0x80000000
    at
      mov   cr4, eax
    endtry
    try     "CR2 holds 32 bits", "ok eax=89ABCDEF", "3A 2.5"
      mov   eax, 0x89ABCDEF
      mov   cr2, eax
      xor   eax, eax
      mov   eax, cr2
    after
      show32 "eax", [saw_eax]
    endtry
    one     MODE_RING0, "MOV from CR1: #UD", "#UD", "2A MOV (control registers)", .byte 0x0F, 0x20, 0xC8
    one     MODE_RING0, "MOV to CR5: #UD", "#UD", "2A MOV (control registers)", .byte 0x0F, 0x22, 0xE8
    one     MODE_RING0, "MOV from CR7: #UD", "#UD", "2A MOV (control registers)", .byte 0x0F, 0x20, 0xF8
    try     "MOV CR takes any mod field as a register", "ok pe=1", "2A MOV (control registers)"
      xor   eax, eax
      .byte 0x0F, 0x20, 0x00
    after
      show_bits "pe", [saw_eax], 0
    endtry
    ret

machine_status:
    try     "LMSW can't clear PE", "ok pe=1", "2A LMSW"
      xor   eax, eax
      lmsw  ax
      mov   eax, cr0
    after
      show_bits "pe", [saw_eax], 0
    endtry
    try     "LMSW sets MP, EM and TS", "ok low=F", "2A LMSW"
      mov   eax, 0xFFFF
      lmsw  ax
      mov   eax, cr0
      mov   ecx, eax
      and   ecx, 0xF
    after
      show_bits "low", [saw_ecx], 0, 15
    endtry
    try     "LMSW touches the low four bits only", "ok same=1", "2A LMSW"
      mov   ecx, cr0
      mov   eax, 0xFFFF
      lmsw  ax
      mov   eax, cr0
      xor   eax, ecx
      and   eax, ~0xF
      sete  al
      movzx eax, al
    after
      show_bits "same", [saw_eax], 0
    endtry
    try     "CLTS clears TS", "ok ts=0", "2A CLTS"
      mov   eax, cr0
      or    eax, CR0_TS
      mov   cr0, eax
      clts
    after
      show_bits "ts", [saw_cr0], 3
    endtry
    try3    "SMSW in ring 3 shows PE", "ok pe=1", "2B SMSW"
      smsw  ax
    after
      show_bits "pe", [saw_eax], 0
    endtry
    try3    "SGDT in ring 3: limit and base", "ok limit=01FF base=00", "2B SGDT"
      sgdt  [scratch]
    after
      show16 "limit", [scratch]
      show_rel "base", [scratch + 2], gdt
    endtry
    try3    "SIDT in ring 3: limit and base", "ok limit=01FF base=00", "2B SIDT"
      sidt  [scratch]
    after
      show16 "limit", [scratch]
      show_rel "base", [scratch + 2], idt
    endtry
    try3    "SLDT and STR in ring 3", "ok ldt=0050 tr=0048", "2B SLDT, STR"
      sldt  eax
      str   ecx
    after
      show16 "ldt", [saw_eax]
      show16 "tr", [saw_ecx]
    endtry
    try     "LGDT with a 16-bit operand: 24 bits of base", "ok base=00345678", "2A LGDT"
      sgdt  [scratch + 8]
      mov   word ptr [scratch], GDT_LIMIT
      mov   dword ptr [scratch + 2], 0x12345678
      .byte 0x66
      lgdt  [scratch]
      sgdt  [scratch]
      lgdt  [scratch + 8]
    after
      show32 "base", [scratch + 2]
    endtry
    ret

# Sets bits of CR0 for one ring 0 body.
.macro with_cr0 bits, name, want, ref, code:vararg
    try     "\name", "\want", "\ref"
      mov   eax, cr0
      or    eax, \bits
      mov   cr0, eax
    at
      \code
      nop
    endtry
.endm

coprocessor_bits:
    with_cr0 CR0_TS, "TS set: an x87 instruction: #NM", "#NM", "3A 2.5 table 2-2", fnop
    with_cr0 CR0_EM, "EM set: an x87 instruction: #NM", "#NM", "3A 2.5 table 2-2", fnop
    with_cr0 CR0_TS, "TS set, MP clear: WAIT: nothing", "ok", "3A 2.5 table 2-2", wait
    with_cr0 CR0_TS+CR0_MP, "TS and MP set: WAIT: #NM", "#NM", "3A 2.5 table 2-2", wait
    with_cr0 CR0_EM+CR0_MP, "EM and MP set, TS clear: WAIT: nothing", "ok", "3A 2.5 table 2-2", wait
    ret

    .include "system-opcodes.inc"
    .include "system-registers.inc"
    .include "system-interrupts.inc"
