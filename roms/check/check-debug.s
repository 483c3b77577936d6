# Debug exceptions: single step, breakpoint registers, general detect, RF, what MOV SS delays
# (SDM 3B chapter 17).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "debug"
    .include "boot.inc"
    .include "lib.inc"

    .equ TF, 0x102
    .equ CR4_DE, 8
    .equ DR7_GD, 0x2000
    .equ EXEC, 0
    .equ ON_WRITE, 1
    .equ ON_IO, 2
    .equ ON_ACCESS, 3
    .equ LEN1, 0
    .equ LEN2, 1
    .equ LEN4, 3

main:
    call    single_step
    call    single_step_exceptions
    call    instruction_breakpoints
    call    data_breakpoints
    call    general_detect
    call    registers
    call    match_table
    call    strings
    call    enables
    call    detects
    call    resume_flags
    call    together
    mov     dword ptr [base_cr4], CR4_DE
    call    restore_machine
    call    debug_extensions
    mov     dword ptr [base_cr4], 0
    jmp     finish

# Sets TF: the trap comes after the instruction that follows.
.macro step
      push  TF
      popfd
.endm

# Debug register `n` (0 to 3) watches `address`; loses EAX.
.macro watch n, address, kind, length
      mov   eax, offset \address
      mov   dr\n, eax
      mov   eax, (2 << (\n * 2)) | (\kind << (16 + \n * 4)) | (\length << (18 + \n * 4))
      mov   dr7, eax
.endm

# Adds BS, BD and the four hit bits of DR6.
.macro show_dr6
      show_bits "bs", [saw_dr6], 14
      show_bits "bd", [saw_dr6], 13
      show_bits "b", [saw_dr6], 0, 15
.endm

single_step:
    try     "TF: trap after the next instruction, BS set", "#DB bs=1 bd=0 b=0 tf=1 handlertf=0", "3B 17.3.1.4"
      step
      nop
    at
      nop
    after
      show_dr6
      show_bits "tf", [saw_efl], 8
      show_bits "handlertf", [saw_handler_efl], 8
    endtry
    try3    "TF in ring 3", "#DB bs=1 bd=0 b=0 cs=001B", "3B 17.3.1.4"
      step
      nop
    at
      nop
    after
      show_dr6
      show16 "cs", [saw_cs]
    endtry
    try     "TF, taken branch: EIP is the target", "#DB", "3B 17.3.1.4"
      step
      jmp   1f
      nop
1:
    at
      nop
    endtry
    try     "TF, REP: a trap after each iteration, EIP on the REP, RF set", "#DB ecx=00000002 rf=1", "3B 17.3.1.1, 17.3.1.4"
      mov   esi, offset scratch
      mov   edi, offset scratch + 16
      mov   ecx, 3
      step
    at
      rep   movsb
    after
      show32 "ecx", [saw_ecx]
      show_bits "rf", [saw_efl], 16
    endtry
    try     "TF, REP with one iteration: EIP after it, RF clear", "#DB ecx=00000000 rf=0", "3B 17.3.1.1, 17.3.1.4"
      mov   esi, offset scratch
      mov   edi, offset scratch + 16
      mov   ecx, 1
      step
      rep   movsb
    at
      nop
    after
      show32 "ecx", [saw_ecx]
      show_bits "rf", [saw_efl], 16
    endtry
    try     "TF set by IRETD: trap after the first instruction returned to", "#DB bs=1 bd=0 b=0", "3B 17.3.1.4"
      push  TF
      push  C0
      push  offset 1f
      iretd
1:    nop
    at
      nop
    after
      show_dr6
    endtry
    try     "POPF that clears TF traps once more, after itself", "#DB tf=0", "3B 17.3.1.4"
      push  2
      step
      popfd
    at
      nop
    after
      show_bits "tf", [saw_efl], 8
    endtry
    try     "PUSHF under TF shows TF", "#DB pushed=00000102", "2B PUSHF"
      step
      pushfd
    at
      nop
    after
      mov   ebx, [saw_esp]
      show32 "pushed", [ebx]
    endtry
    try     "TF and MOV SS: trap after the instruction behind it", "#DB bs=1 bd=0 b=0", "2A MOV, 3B 17.3.1.4"
      mov   ax, D0
      step
      mov   ss, ax
      nop
    at
      nop
    after
      show_dr6
    endtry
    try     "TF and POP SS: trap after the instruction behind it", "#DB", "2B POP, 3B 17.3.1.4"
      push  D0
      step
      pop   ss
      nop
    at
      nop
    endtry
    try     "TF and STI: no delay of the trap", "#DB", "2B STI, 3B 17.3.1.4"
      step
      sti
    at
      cli
    endtry
    ret

single_step_exceptions:
    idt_gate 0x31, C0, landing, A_INT32
    try     "TF and INT n: TF is clear in the handler, no trap there", "ok tf=0 oldtf=1", "3B 17.3.1.4"
      step
      int   0x31
    after
      mov   ebx, [saw_esp]
      show_bits "tf", [saw_efl], 8
      show_bits "oldtf", [ebx + 8], 8
    endtry
    try     "TF and INTO with OF clear: a trap after it", "#DB bs=1 bd=0 b=0", "2A INT n, 3B 17.3.1.4"
      xor   eax, eax
      step
      into
    at
      nop
    after
      show_dr6
    endtry
    try     "TF and a fault: the fault only, TF in its frame", "#GP(0400) tf=1 handlertf=0 bs=0", "3B 17.3.1.4, 3A 6.9"
      mov   ax, 0x400
      step
    at
      mov   fs, ax
    after
      show_bits "tf", [saw_efl], 8
      show_bits "handlertf", [saw_handler_efl], 8
      show_bits "bs", [saw_dr6], 14
    endtry
    gate    T0, C0, landing, A_CALL32 + DPL3
    try3    "TF through a call gate: trap on the first instruction inside", "#DB-far bs=1 bd=0 b=0 cs=0008", "3B 17.3.1.4"
      step
      lcall T0, 0
    after
      show_dr6
      show16 "cs", [saw_cs]
    endtry
    try     "INT1 (F1): DR6 isn't touched", "#DB+1 bs=0 bd=0 b=0", "2A INT n, 3B 17.2.3"
      .byte 0xF1
      nop
    after
      show_dr6
    endtry
    try     "INT 1 by software: DR6 isn't touched", "#DB+2 bs=0 bd=0 b=0", "2A INT n"
      int   1
      nop
    after
      show_dr6
    endtry
    try     "BD and BS are never cleared by the processor", "#DB bs=1 bd=1", "3B 17.2.3"
      mov   eax, 0xFFFF2FF0
      mov   dr6, eax
      step
      nop
    at
      nop
    after
      show_bits "bs", [saw_dr6], 14
      show_bits "bd", [saw_dr6], 13
    endtry
    ret

    .include "debug-break.inc"
    .include "debug-table.inc"
