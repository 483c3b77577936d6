# Nothing is wrong: this kernel goes to 64-bit mode.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    mov     eax, cr4
    or      eax, 0x20               # PAE
    mov     cr4, eax
    mov     ecx, 0xC0000080         # EFER
    rdmsr
    or      eax, 0x100              # LME
    wrmsr
    PAGING
    jmp     .
