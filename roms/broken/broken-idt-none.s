# LIDT was forgotten: IDTR still holds what real mode needs.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    int     0x30
