# TR is loaded, but nobody wrote SS0 and ESP0 into the TSS.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x30, handler, CODE0, 0xEE
    LOAD_IDT
    LOAD_TSS 0, 0
    RING3   user
user:
    int     0x30
handler:
    iretd
