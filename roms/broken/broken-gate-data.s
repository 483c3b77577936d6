# The page-fault gate names the data segment.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    14, handler, DATA0
    LOAD_IDT
    int     14
handler:
    iretd
