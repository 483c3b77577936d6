# LTR is executed again, though it made the TSS busy.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    LOAD_TSS
    LOAD_TSS
