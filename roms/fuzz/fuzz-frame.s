# The frame around a random program (testkit::programs): tables, handlers, devices. The program
# itself, the page tables and the parameters are put into memory from outside. Each fragment of a
# program says in RECOVER where the next one begins; whatever fault ends it leads there. Handlers
# count and mix what they saw into a hash, so that a difference is never lost.
.intel_syntax noprefix

.set RECOVER, 0x8000            # where to go on after a fault
.set HASH,    0x8004            # what the handlers saw
.set PERIOD,  0x8008            # of the timer, a word
.set FIRST,   0x800C            # the program's start
.set COUNTS,  0x8100            # deliveries by vector
.set PAGES,   0x10000           # the page directory
.set PROGRAM, 0x20000
.set BUFFER,  0x40000
.set DATA,    0x50000
.set STACK0,  0x60000
.set STACK8,  0x61000           # of the double-fault task
.set STACK3,  0x68000

.code16
start:
    cli
    xor     ax, ax
    mov     ds, ax
    lgdtd   [gdtr]
    lidtd   [idtr]
    mov     eax, cr0
    or      al, 1
    mov     cr0, eax
    .byte   0x66, 0xEA          # far jump with a 32-bit offset
    .long   start32
    .word   8

.code32
start32:
    mov     ax, 0x10
    mov     ds, ax
    mov     es, ax
    mov     fs, ax
    mov     gs, ax
    mov     ss, ax
    mov     esp, STACK0
    mov     ax, 0x28
    ltr     ax
    # Vectors 0-3Fh: an interrupt gate each, 8 a task gate, 31h a trap gate, the soft ones for all.
    xor     ecx, ecx
    mov     edi, offset idt
    mov     eax, offset stubs
1:  mov     [edi], ax
    mov     word ptr [edi + 2], 8
    mov     word ptr [edi + 4], 0x8E00
    mov     word ptr [edi + 6], 0
    add     eax, 10
    add     edi, 8
    inc     ecx
    cmp     ecx, 0x40
    jb      1b
    mov     dword ptr [idt + 8 * 8], 0x00680000
    mov     word ptr [idt + 8 * 8 + 4], 0x8500
    mov     byte ptr [idt + 1 * 8 + 5], 0xEE
    mov     byte ptr [idt + 3 * 8 + 5], 0xEF
    mov     byte ptr [idt + 4 * 8 + 5], 0xEE
    mov     byte ptr [idt + 0x30 * 8 + 5], 0xEE
    mov     byte ptr [idt + 0x31 * 8 + 5], 0xEF
    mov     byte ptr [idt + 0x3F * 8 + 5], 0xEE
    # The 8259As at 20h and 28h, only the timer on.
    mov     al, 0x11
    out     0x20, al
    out     0xA0, al
    mov     al, 0x20
    out     0x21, al
    mov     al, 0x28
    out     0xA1, al
    mov     al, 4
    out     0x21, al
    mov     al, 2
    out     0xA1, al
    mov     al, 1
    out     0x21, al
    out     0xA1, al
    mov     al, 0xFE
    out     0x21, al
    mov     al, 0xFF
    out     0xA1, al
    mov     al, 0x34
    out     0x43, al
    mov     al, [PERIOD]
    out     0x40, al
    mov     al, [PERIOD + 1]
    out     0x40, al
    # SYSENTER's registers.
    xor     edx, edx
    mov     ecx, 0x174
    mov     eax, 8
    wrmsr
    inc     ecx
    mov     eax, STACK0 - 0x800
    wrmsr
    inc     ecx
    mov     eax, offset fast_entry
    wrmsr
    # Paging with PSE and global pages allowed, and write protection for ring 0.
    mov     eax, cr4
    or      eax, 0x90
    mov     cr4, eax
    mov     eax, PAGES
    mov     cr3, eax
    mov     eax, cr0
    or      eax, 0x80010000
    mov     cr0, eax
    jmp     [FIRST]

# A stub is 10 bytes: an error code where the processor pushes none, the vector, the jump.
.macro STUB vector
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17)
    .byte   0x66, 0x90, 0x90    # the processor's own error code
    .else
    .byte   0x6A, 0x00, 0x90    # push 0
    .endif
    push    \vector
    .byte   0xE9
    .long   common - . - 4
.endm
.balign 16
stubs:
.set v, 0
.rept 0x40
    STUB    v
    .set v, v + 1
.endr

common:
    push    eax
    push    ecx
    push    ds
    mov     ax, 0x10
    mov     ds, ax
    mov     eax, [esp + 12]
    inc     dword ptr [COUNTS + eax * 4]
    mov     ecx, [HASH]
    rol     ecx, 7
    xor     ecx, [esp + 16]
    add     ecx, [esp + 20]
    add     ecx, eax
    mov     [HASH], ecx
    cmp     eax, 0x3F
    je      recover
    cmp     eax, 0x30
    jae     resume
    cmp     eax, 0x20
    jae     irq
    cmp     eax, 1
    je      debug
    cmp     eax, 3
    je      resume
    cmp     eax, 4
    je      resume
    cmp     eax, 14
    jne     recover
    mov     ecx, cr2
    add     [HASH], ecx

# Back to flat segments, an empty stack, known flags.
recover:
    mov     ax, 0x10
    mov     ds, ax
    mov     es, ax
    mov     fs, ax
    mov     gs, ax
    mov     ss, ax
    mov     esp, STACK0
    push    2
    popfd
    xor     eax, eax
    mov     dr7, eax
    jmp     [RECOVER]

debug:
    and     dword ptr [esp + 28], 0xFFFFFEFF
    mov     eax, dr6
    add     [HASH], eax
    xor     eax, eax
    mov     dr7, eax
    mov     dr6, eax
    jmp     resume

irq:
    mov     al, 0x20
    out     0x20, al
resume:
    pop     ds
    pop     ecx
    pop     eax
    add     esp, 8
    iretd

# The double-fault task: both tasks are made available again and the first is taken.
fault8:
    inc     dword ptr [COUNTS + 8 * 4]
    mov     eax, cr2
    add     [HASH], eax
    clts
    and     byte ptr [gdt + 0x28 + 5], 0xFD
    and     byte ptr [gdt + 0x68 + 5], 0xFD
    mov     ax, 0x28
    ltr     ax
    jmp     recover

# Through the call gate, with two parameters. DS is the caller's, null perhaps; SS is ours.
gate:
    mov     eax, [esp + 8]
    add     ss:[HASH], eax
    retf    8

# Through SYSENTER: the program left its EIP in EDX and its ESP in ECX.
fast_entry:
    inc     dword ptr ss:[COUNTS + 0x3E * 4]
    sysexit

.balign 8
gdt:
    .quad   0
    .quad   0x00CF9A000000FFFF              # 08 code, ring 0
    .quad   0x00CF92000000FFFF              # 10 data, ring 0
    .quad   0x00CFFA000000FFFF              # 18 code, ring 3
    .quad   0x00CFF2000000FFFF              # 20 data, ring 3
    .word   0x67, offset tss, 0x8900, 0     # 28 TSS
    .quad   0x00CF9E000000FFFF              # 30 conforming code
    .quad   0x00009A020000FFFF              # 38 16-bit code on the program
    .quad   0x00409205000001FF              # 40 512 bytes of DATA
    .quad   0x0040960500000FFF              # 48 DATA, expand-down
    .word   offset gate, 8, 0xEC02, 0       # 50 a call gate for all, two parameters
    .quad   0x00CF12000000FFFF              # 58 data, not present
    .quad   0x00CFF0000000FFFF              # 60 data, ring 3, read-only
    .word   0x67, offset tss8, 0x8900, 0    # 68 TSS of the double-fault task
gdt_end:
gdtr:
    .word   gdt_end - gdt - 1
    .long   gdt
idtr:
    .word   0x40 * 8 - 1
    .long   idt
.balign 16
tss:
    .long   0, STACK0 - 0x400, 0x10
    .fill   22, 4, 0
    .long   0x00680000
tss8:
    .fill   7, 4, 0
    .long   PAGES, offset fault8, 2
    .fill   4, 4, 0
    .long   STACK8, 0, 0, 0
    .long   0x10, 8, 0x10, 0x10, 0x10, 0x10
    .long   0, 0x00680000
.balign 8
idt:
    .fill   0x40, 8, 0
