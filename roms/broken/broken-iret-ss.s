# The frame for ring 3 has the user's CS and the kernel's SS.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    push    DATA0
    push    STACK3
    push    2
    push    CODE3
    push    offset user
    iretd
user:
    jmp     user
