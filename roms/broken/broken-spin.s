# The kernel jumps to itself with interrupts off.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
1:  jmp     1b
