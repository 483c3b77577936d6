# Paging goes on with an empty directory: the next instruction is nowhere.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    PAGING
    jmp     .
