# Real-address mode: interrupts, limits, what is privileged no more and what isn't recognized,
# the way into protected mode and back (SDM 3A 20.1, 9.9).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "real"
    .include "boot.inc"
    .include "lib.inc"

main:
    call    interrupts
    call    exceptions
    call    addressing
    call    flags
    call    system
    call    not_recognized
    call    mode_switches
    jmp     finish

# A real-mode body of one line.
.macro real name, want, ref, code:vararg
    tryr    "\name", "\want", "\ref"
      \code
      nop
    endtry
.endm

interrupts:
    tryr    "INT n: six bytes, IP behind it", "int 30+2 sp=FFF0 ss=2000", "3A 20.1.4"
      int   0x30
    after
      show16 "sp", [saw_esp]
      show16 "ss", [saw_ss]
    endtry
    body_flags 0x0203
    tryr    "INT n clears IF, the frame keeps it", "int 30+2 if=1 cf=1 now=0", "3A 20.1.4"
      int   0x30
    after
      show_bits "if", [saw_efl], 9
      show_bits "cf", [saw_efl], 0
      show_bits "now", [saw_handler_efl], 9
    endtry
    real    "INT3", "#BP+1", "2A INT n", int3
    tryr    "INTO with OF=1", "#OF+1", "2A INT n"
      mov   al, 0x7F
      inc   al
    at
      into
    endtry
    real    "INT1 (F1)", "#DB+1", "2A INT n", .byte 0xF1
    tryr    "IRET: IP, CS, FLAGS", "ok sp=FFF0 cs=0000 zf=1", "2A IRET"
      push  word ptr 0x42
      push  word ptr 0
      push  offset landing
      iretw
    after
      show16 "sp", [saw_esp]
      show16 "cs", [saw_cs]
      show_bits "zf", [saw_efl], 6
    endtry
    tryr    "IRETD: twelve bytes", "ok sp=FFF0", "2A IRET"
      push  dword ptr 2
      push  dword ptr 0
      push  dword ptr offset landing
      iretd
    after
      show16 "sp", [saw_esp]
    endtry
    tryr    "IRETD to EIP above FFFFh: #GP", "#GP sp=FFE4", "2A IRET"
      push  dword ptr 2
      push  dword ptr 0
      push  dword ptr 0x10000
    at
      iretd
    after
      show16 "sp", [saw_esp]
    endtry
    tryr    "TF: trap after the next instruction", "#DB bs=1", "3B 17.3.1.4"
      push  word ptr 0x102
      popfw
      nop
    at
      nop
    after
      show_bits "bs", [saw_dr6], 14
    endtry
    ret

exceptions:
    real    "DIV by zero: vector 0, IP on the instruction", "#DE", "3A 20.1.4", aam 0
    real    "UD2: vector 6", "#UD", "3A 20.1.4", .byte 0x0F, 0x0B, 0x90
    mov     dword ptr [V86_BASE], 0x00050002
    tryr    "BOUND: vector 5", "#BR", "2A BOUND"
      xor   ax, ax
    at
      bound ax, ds:[0]
    endtry
    tryr    "x87 with EM: vector 7", "#NM", "3A 20.1.4"
      mov   eax, cr0
      or    al, 4
      mov   cr0, eax
    at
      fnop
    endtry
    real    "LOCK MOV: vector 6", "#UD", "2A LOCK", .byte 0xF0, 0x89, 0x06, 0, 0
    real    "16 bytes: vector 13", "#GP", "3A 6.15", .byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90
    ret

addressing:
    real    "word at FFFFh: vector 13", "#GP", "3A 20.1.1, 5.3", mov ax, ds:[0xFFFF]
    real    "dword at FFFDh: vector 13", "#GP", "3A 5.3", mov eax, ds:[0xFFFD]
    real    "byte at FFFFh", "ok", "3A 5.3", mov al, ds:[0xFFFF]
    tryr    "word at SS:FFFFh: vector 12", "#SS", "3A 5.3"
      mov   bp, 0xFFFF
    at
      mov   ax, [bp]
    endtry
    tryr    "32-bit offset above FFFFh: vector 13", "#GP", "3A 20.1.1"
      mov   ebx, 0x10000
    at
      mov   al, [ebx]
    endtry
    mov     dword ptr [0x12340], 0xCAFEF00D
    tryr    "segment times 16", "ok eax=CAFEF00D", "3A 20.1.1"
      mov   ax, 0x1234
      mov   ds, ax
      mov   eax, ds:[0]
    after
      show32 "eax", [saw_eax]
    endtry
    mov     dword ptr [0x100000], 0x13572468
    tryr    "FFFF:0010 is 100000h with A20", "ok eax=13572468", "3A 20.1.1"
      mov   ax, 0xFFFF
      mov   ds, ax
      mov   eax, ds:[0x10]
    after
      show32 "eax", [saw_eax]
    endtry
    mov     dword ptr [V86_BASE + 1], 0x11223344
    tryr    "BX+SI wraps at 64 KiB", "ok eax=11223344", "1 3.3.7"
      mov   bx, 0xFFFF
      mov   si, 2
      mov   eax, [bx + si]
    after
      show32 "eax", [saw_eax]
    endtry
    tryr    "PUSH with SP 0 wraps to FFFEh", "ok sp=FFFE", "1 6.2.3"
      xor   sp, sp
      push  ax
    after
      show16 "sp", [saw_esp]
    endtry
    tryr    "a CS override reads; code can be written", "ok ax=1234", "3A 20.1.1"
      mov   word ptr cs:[0xFFF0], 0x1234
      mov   ax, cs:[0xFFF0]
    after
      show16 "ax", [saw_eax]
    endtry
    tryr    "far JMP", "ok cs=0000", "2A JMP"
      .byte 0xEA
      .word landing, 0
    after
      show16 "cs", [saw_cs]
    endtry
    tryr    "far CALL pushes CS and IP", "ok sp=FFEC", "2A CALL"
      .byte 0x9A
      .word landing, 0
    after
      show16 "sp", [saw_esp]
    endtry
    tryr    "far JMP with a 32-bit operand, EIP above FFFFh: #GP", "#GP", "2A JMP"
      .byte 0x66, 0xEA
      .long 0x10000
      .word 0
    endtry
    ret

flags:
    tryr    "POPF: IF, IOPL and NT can be set", "ok efl=7202", "2B POPF"
      push  word ptr 0x7202
      popfw
    after
      show16 "efl", [saw_efl]
    endtry
    tryr    "PUSHF: bit 1 is 1, bits 3, 5, 15 are 0", "ok pushed=0002", "2B PUSHF"
      push  word ptr 0x802A
      popfw
      pushfw
    after
      show16 "pushed", [V86_BASE + 0xFFEE]
    endtry
    tryr    "PUSH SP pushes the old SP", "ok pushed=FFF0", "2B PUSH"
      push  sp
    after
      show16 "pushed", [V86_BASE + 0xFFEE]
    endtry
    ret

system:
    real    "CLTS is allowed", "ok", "3A 20.1.3", clts
    real    "SMSW", "ok", "3A 20.1.3", smsw ax
    real    "MOV from CR0", "ok", "3A 20.1.3", mov eax, cr0
    real    "MOV from DR7", "ok", "3A 20.1.3", mov eax, dr7
    real    "SGDT", "ok", "3A 20.1.3", sgdtw ds:[0]
    real    "CLI and STI with IOPL 0", "ok", "2A CLI", cli
    real    "OUT with IOPL 0", "ok", "1 18.5", out 0x80, al
    real    "CPUID", "ok", "2A CPUID", cpuid
    tryr    "LIDT moves the interrupt table", "int 31+2", "3A 20.1.4"
      sidt  ds:[8]
      mov   word ptr ds:[0], 0x3FF
      mov   dword ptr ds:[2], 4         # every vector is the next one's
      .byte 0x66
      lidt  ds:[0]
    at
      int   0x30
      nop
    endtry
    tryr    "a vector beyond the IDT limit: vector 13", "#GP", "2A INT n"
      mov   word ptr ds:[0], 0x100
      mov   dword ptr ds:[2], 0
      .byte 0x66
      lidt  ds:[0]
    at
      int   0x50
    endtry
    real    "SYSENTER: vector 13", "#GP", "2B SYSENTER", sysenter
    real    "SYSEXIT: vector 13", "#GP", "2B SYSEXIT", sysexit
    ret

not_recognized:
    real    "SLDT: vector 6", "#UD", "3A 20.1.3", sldt ax
    real    "STR: vector 6", "#UD", "3A 20.1.3", str ax
    real    "LLDT: vector 6", "#UD", "3A 20.1.3", lldt ax
    real    "LTR: vector 6", "#UD", "3A 20.1.3", ltr ax
    real    "LAR: vector 6", "#UD", "3A 20.1.3", lar ax, cx
    real    "LSL: vector 6", "#UD", "3A 20.1.3", lsl ax, cx
    real    "VERR: vector 6", "#UD", "3A 20.1.3", verr ax
    real    "VERW: vector 6", "#UD", "3A 20.1.3", verw ax
    real    "ARPL: vector 6", "#UD", "3A 20.1.3", arpl ax, cx
    ret

mode_switches:
    tryr    "PE set: CS keeps its base until a far jump", "ok pe=1", "3A 9.9.1"
      mov   eax, cr0
      or    al, 1
      mov   cr0, eax
      jmp   1f
1:    mov   ebx, cr0
      and   al, 0xFE
      mov   cr0, eax
    after
      show_bits "pe", [saw_ebx], 0
    endtry
    tryr    "segment limits loaded in protected mode stay: flat real mode", "ok eax=55667788", "3A 9.9.2"
      mov   ebx, 0x100400
      mov   eax, cr0
      or    al, 1
      mov   cr0, eax
      mov   cx, D0
      mov   fs, cx
      and   al, 0xFE
      mov   cr0, eax
      mov   dword ptr fs:[ebx], 0x55667788
      mov   eax, fs:[ebx]
    after
      show32 "eax", [saw_eax]
    endtry
    tryr    "a segment load in real mode sets the base and keeps the limit", "ok eax=55667788", "3A 9.9.2, 20.1.1"
      mov   ebx, 0x100400 - 0x10000
      mov   eax, cr0
      or    al, 1
      mov   cr0, eax
      mov   cx, D0
      mov   fs, cx
      and   al, 0xFE
      mov   cr0, eax
      mov   cx, 0x1000
      mov   fs, cx
      mov   eax, fs:[ebx]
    after
      show32 "eax", [saw_eax]
    endtry
    tryr    "LMSW enters protected mode too", "ok pe=1", "2A LMSW"
      smsw  ax
      or    al, 1
      lmsw  ax
      jmp   1f
1:    mov   ebx, cr0
      mov   eax, ebx
      and   al, 0xFE
      mov   cr0, eax
    after
      show_bits "pe", [saw_ebx], 0
    endtry
    ret
