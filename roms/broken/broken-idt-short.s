# The IDT has 32 gates, and the timer comes as vector 20h.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT 32
    REMAP_PIC
    sti
1:  hlt
    jmp     1b
