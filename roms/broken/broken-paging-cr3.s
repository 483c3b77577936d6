# CR3 is given the directory's virtual address in the high half.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    PAGE_TABLES
    PAGING  0xC0000000+DIRECTORY
    jmp     .
