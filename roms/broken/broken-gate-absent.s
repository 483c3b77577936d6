# Gate 21h has a good type, but its P bit is 0.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x21, handler, CODE0, 0x0E
    LOAD_IDT
    int     0x21
handler:
    iretd
