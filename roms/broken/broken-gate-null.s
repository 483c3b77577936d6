# The page-fault gate was given an offset, but no segment.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    14, handler, 0
    LOAD_IDT
    int     14
handler:
    iretd
