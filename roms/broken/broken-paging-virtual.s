# The directory entry holds a table's virtual address in the high half.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    PAGE_TABLES
    mov     dword ptr [DIRECTORY], 0xC0000000 + TABLE_LOW + 7
    PAGING
    jmp     .
