# The timer's handler counts, and returns without an EOI.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x20, handler
    LOAD_IDT
    REMAP_PIC
    sti
1:  hlt
    jmp     1b
handler:
    inc     dword ptr [ROOM]
    iretd
