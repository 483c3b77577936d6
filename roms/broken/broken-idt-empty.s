# The IDT is there, but nobody filled it.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    int     0x30
