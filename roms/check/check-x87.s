# When the x87 unit may be used and how it reports errors: CR0.EM, TS, MP and NE, pending
# exceptions, IRQ 13 with port F0h, and the four formats of the environment (SDM 1 chapter 8,
# 3A 2.5, 3B 22.18.6).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "x87"
    .include "boot.inc"
    .include "lib.inc"

    .equ CR0_MP, 2
    .equ CR0_EM, 4
    .equ CR0_TS, 8
    .equ CR0_NE, 0x20
    .equ ENV, 0x100                 # where V86 bodies put the environment
    .equ ENV_LINEAR, V86_BASE + ENV

main:
    call    availability
    call    pending
    call    pointers
    call    formats
    call    irq13
    jmp     finish

# Sets bits of CR0; loses EAX.
.macro cr0_set bits
      mov   eax, cr0
      or    eax, \bits
      mov   cr0, eax
.endm

# A fresh unit with zero divide unmasked, and 1 in ST(1), 0 in ST(0).
.macro about_to_divide
      fninit
      mov   word ptr [scratch], 0x037B
      fldcw [scratch]
      fld1
      fldz
.endm

# ST(1) / ST(0), pop.
.macro divide
      .byte 0xDE, 0xF9
.endm

# Zero divide is pending.
.macro divided
      about_to_divide
      divide
.endm

availability:
    .irp bit, EM, TS
    try     "\bit: FLD1 is #NM", "#NM", "3A 2.5, table 2-2"
      cr0_set CR0_\bit
    at
      fld1
    endtry
    try     "\bit: FNSTSW is #NM", "#NM", "3A 2.5, table 2-2"
      cr0_set CR0_\bit
    at
      fnstsw ax
    endtry
    try     "\bit: FNINIT is #NM", "#NM", "3A 2.5, table 2-2"
      cr0_set CR0_\bit
    at
      fninit
    endtry
    try     "\bit: an escape that means nothing is #NM", "#NM", "3B 22.18.6.6"
      cr0_set CR0_\bit
    at
      .byte 0xD9, 0xD1
    endtry
    try     "\bit: WAIT runs", "ok", "3A 2.5, table 2-2"
      cr0_set CR0_\bit
      .byte 0x9B
    endtry
    try     "\bit and MP: FLD1 is #NM", "#NM", "3A 2.5, table 2-2"
      cr0_set "CR0_\bit + CR0_MP"
    at
      fld1
    endtry
    .endr
    try     "an escape that means nothing is #UD", "#UD", "3B 22.18.6.6"
      fninit
    at
      .byte 0xD9, 0xD1
    endtry
    try     "EM and MP: WAIT runs", "ok", "3A 2.5, table 2-2"
      cr0_set CR0_EM + CR0_MP
      .byte 0x9B
    endtry
    try     "TS and MP: WAIT is #NM", "#NM", "3A 2.5, table 2-2"
      cr0_set CR0_TS + CR0_MP
    at
      .byte 0x9B
    endtry
    try     "MP alone: WAIT and FLD1 run", "ok", "3A 2.5, table 2-2"
      fninit
      cr0_set CR0_MP
      .byte 0x9B
      fld1
    endtry
    try     "TS comes before a pending exception", "#NM", "3A 6.9"
      cr0_set CR0_NE
      divided
      cr0_set CR0_TS
    at
      fld1
    endtry
    ret

pending:
    .irp insn, fld1, ".byte 0x9B", "fldcw [scratch]", "fldenv [scratch]", "frstor [scratch]", fnop
    try     "zero divide pending, \insn: #MF", "#MF", "1 8.7, 8.6"
      cr0_set CR0_NE
      divided
    at
      \insn
    endtry
    .endr
    .irp insn, "fnstsw ax", "fnstcw [scratch]", "fnstenv [scratch]", "fnsave [scratch]", fninit, fnclex
    try     "zero divide pending, \insn: runs", "ok", "1 8.3.12"
      cr0_set CR0_NE
      divided
      \insn
    endtry
    .endr
    try     "FNCLEX ends it", "ok sw=2000", "1 8.3.12, 2A FCLEX"
      cr0_set CR0_NE
      divided
      fnclex
      fld1
      fld1
      fnstsw ax
    after
      show16 "sw", [saw_eax]
    endtry
    try     "FNSTENV masks all and so ends it", "ok cw=037F sw=2804", "2A FSTENV"
      cr0_set CR0_NE
      divided
      fnstenv [scratch]
      fld1
      fnstcw [scratch]
      fnstsw ax
    after
      show16 "cw", [scratch]
      show16 "sw", [saw_eax]
    endtry
    try     "FLDCW that unmasks what is raised: pending at once", "#MF sw=B084", "2A FLDCW"
      cr0_set CR0_NE
      fninit
      fld1
      fldz
      divide
      fld1
      mov   word ptr [scratch], 0x037B
      fldcw [scratch]
      fnstsw ax
    at
      fld1
    after
      show16 "sw", [saw_eax]
    endtry
    try     "the pending exception comes before a fault of memory", "#MF", "3A 6.9"
      cr0_set CR0_NE
      divided
      mov   ax, 0
      mov   fs, ax
    at
      fld   dword ptr fs:[0]
    endtry
    try     "an unmasked division leaves the stack", "ok sw=B084 tw=1FFF", "1 8.5.3"
      cr0_set CR0_NE
      divided
      fnstenv [scratch]
    after
      show16 "sw", [scratch + 4]
      show16 "tw", [scratch + 8]
    endtry
    try     "a masked one gives infinity", "ok sw=3804 tw=BFFF", "1 8.5.3"
      cr0_set CR0_NE
      fninit
      fld1
      fldz
      divide
      fnstenv [scratch]
    after
      show16 "sw", [scratch + 4]
      show16 "tw", [scratch + 8]
    endtry
    ret

pointers:
    try     "the pointers are those of the last instruction that isn't a control instruction", "ok ip=00 cs=0008 op=00000104 dp=0008 ds=0010", "1 8.1.8"
      fninit
9:    fld   dword ptr [scratch + 8]
      fnclex
      fnstsw ax
      fnstenv [scratch + 0x40]
    after
      show_rel "ip", [scratch + 0x40 + 12], 9b
      show16 "cs", [scratch + 0x40 + 16]
      movzx edx, word ptr [scratch + 0x40 + 18]
      and   edx, 0x700
      or    edx, 4                  # ModRM is the assembler's choice of address
      show32 "op", edx
      show_rel "dp", [scratch + 0x40 + 20], scratch, 4
      show16 "ds", [scratch + 0x40 + 24]
    endtry
    try     "FNINIT clears the pointers", "ok ip=00000000 cs=00000000 dp=00000000", "2A FINIT"
      fld1
      fninit
      fnstenv [scratch]
    after
      show32 "ip", [scratch + 12]
      show32 "cs", [scratch + 16]
      show32 "dp", [scratch + 20]
    endtry
    ret

formats:
    try     "32-bit protected format", "ok cw=FFFF037F sw=FFFF3800 tw=FFFF3FFF op=01E8 ds=FFFF0000", "1 8.1.10"
      fninit
      fld1
      fnstenv [scratch]
    after
      show32 "cw", [scratch]
      show32 "sw", [scratch + 4]
      show32 "tw", [scratch + 8]
      show16 "op", [scratch + 18]
      show32 "ds", [scratch + 24]
    endtry
    try     "16-bit protected format", "ok cw=037F sw=3800 tw=3FFF ip=00000000 cs=0008 end=AAAA", "1 8.1.10"
      mov   word ptr [scratch + 14], 0xAAAA
      fninit
8:    fld1
      .byte 0x66
      fnstenv [scratch]
    after
      show16 "cw", [scratch]
      show16 "sw", [scratch + 2]
      show16 "tw", [scratch + 4]
      movzx edx, word ptr [scratch + 6]
      sub   edx, offset 8b
      and   edx, 0xFFFF
      show32 "ip", edx
      show16 "cs", [scratch + 8]
      show16 "end", [scratch + 14]
    endtry
    tryv    "16-bit format in VM86: linear addresses", "ok cw=037F ip=00000000 op=00000106 dp=0108 high=2000", "1 8.1.10"
      fninit
7:    .byte 0xD9, 0x06
      .word ENV + 8
      fnstenv [ENV]
    after
      show16 "cw", [ENV_LINEAR]
      movzx edx, word ptr [ENV_LINEAR + 6]
      sub   edx, offset 7b
      and   edx, 0xFFFF
      show32 "ip", edx
      movzx edx, word ptr [ENV_LINEAR + 8]
      and   edx, 0x7FF
      show32 "op", edx
      show16 "dp", [ENV_LINEAR + 10]
      show16 "high", [ENV_LINEAR + 12]
    endtry
    tryv    "32-bit format in VM86: linear addresses", "ok ip=00000000 op=00000106 dp=FFFF0108 high=00020000", "1 8.1.10"
      fninit
6:    .byte 0xD9, 0x06
      .word ENV + 8
      .byte 0x66
      fnstenv [ENV]
    after
      mov   edx, [ENV_LINEAR + 16]
      and   edx, 0x0FFFF000
      shl   edx, 4
      mov   dx, [ENV_LINEAR + 12]
      sub   edx, offset 6b
      show32 "ip", edx
      mov   edx, [ENV_LINEAR + 16]
      and   edx, 0x7FF
      show32 "op", edx
      show32 "dp", [ENV_LINEAR + 20]
      mov   edx, [ENV_LINEAR + 24]
      shl   edx, 4
      show32 "high", edx
    endtry
    try     "FNSAVE and FRSTOR carry the stack", "ok sw=3800 tw=3FFF after=FFFF", "2A FSAVE, FRSTOR"
      fninit
      fld1
      fnsave [scratch]
      fnstenv [scratch + 0x80]
      frstor [scratch]
      fnstenv [scratch + 0xA0]
    after
      show16 "sw", [scratch + 0xA4]
      show16 "tw", [scratch + 0xA8]
      show16 "after", [scratch + 0x88]
    endtry
    ret

    .equ PIC1, 0x20
    .equ PIC1_DATA, 0x21
    .equ PIC2, 0xA0
    .equ PIC2_DATA, 0xA1
    .equ CLEAR_BUSY, 0xF0
    .equ READ_IRR, 0x0A

# Both 8259A: vectors 20h and 28h, IRQ 13 alone let through. Keeps only what it doesn't name.
open_irq13:
    mov     al, 0x11
    out     PIC1, al
    out     PIC2, al
    mov     al, 0x20
    out     PIC1_DATA, al
    mov     al, 0x28
    out     PIC2_DATA, al
    mov     al, 4
    out     PIC1_DATA, al
    mov     al, 2
    out     PIC2_DATA, al
    mov     al, 1
    out     PIC1_DATA, al
    out     PIC2_DATA, al
    mov     al, 0xFB                # the cascade
    out     PIC1_DATA, al
    mov     al, 0xDF
    out     PIC2_DATA, al
    ret

# AL bit 5: IRQ 13 asks for service.
.macro irq13_asked
      mov   al, READ_IRR
      out   PIC2, al
      in    al, PIC2
.endm

irq13:
    call    open_irq13
    try     "NE clear: IRQ 13 when the instruction is done", "int 2D", "3B 22.18.6.7"
      about_to_divide
      sti
      nop
      divide
    at
      .byte 0x9B
      nop
    endtry
    call    open_irq13
    try     "NE clear: nothing without an error", "ok irr=00", "1 8.7.2"
      fninit
      sti
      fld1
      .byte 0x9B
      fld1
      cli
      irq13_asked
    after
      show8 "irr", [saw_eax]
    endtry
    call    open_irq13
    try     "port F0h lowers IRQ 13, and IGNNE# lets an instruction through", "ok irr=00 sw=A8", "1 8.7.2"
      divided
      out   CLEAR_BUSY, al
      irq13_asked
      mov   ebx, eax
      fld1
      fnstsw ax
      fnclex
      out   CLEAR_BUSY, al
    after
      show8 "irr", [saw_ebx]
      show8 "sw", [saw_eax + 1]
    endtry
    call    open_irq13
    try     "NE set: IRQ 13 stays down", "#MF irr=00", "1 8.7.1"
      cr0_set CR0_NE
      divided
      irq13_asked
    at
      fld1
    after
      show8 "irr", [saw_eax]
    endtry
    mov     al, 0xFF
    out     PIC1_DATA, al
    out     PIC2_DATA, al
    ret
