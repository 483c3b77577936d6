# Ring 3 calls INT 80h, whose gate has DPL 0.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x80, handler
    LOAD_IDT
    LOAD_TSS
    RING3   user
user:
    int     0x80
handler:
    iretd
