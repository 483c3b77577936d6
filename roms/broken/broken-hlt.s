# The kernel waits for interrupts that it never let in.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
1:  hlt
    jmp     1b
