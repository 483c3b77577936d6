# Ring 3 makes a system call, and LTR was never executed.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    0x30, handler, CODE0, 0xEE
    LOAD_IDT
    RING3   user
user:
    int     0x30
handler:
    iretd
