# The handler of #GP returns without dropping the error code.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    13, handler
    LOAD_IDT
    mov     ax, 0x50                # no such descriptor: #GP(50h)
    mov     ds, ax
handler:
    iretd
