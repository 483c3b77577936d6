# As broken-pic, and there isn't even a gate for vector 8.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    OUTB    0x21, 0xFE
    sti
1:  hlt
    jmp     1b
