# Gate 21h is a call gate, which has no place in the IDT.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x21, handler, CODE0, 0x8C
    LOAD_IDT
    int     0x21
handler:
    iretd
