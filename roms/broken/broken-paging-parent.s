# The table entry gives ring 3 the page at 80000000; the directory entry doesn't.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    LOAD_TSS
    PAGE_TABLES
    mov     dword ptr [DIRECTORY + 512 * 4], TABLE_HIGH + 3
    PAGING
    mov     ax, DATA3
    mov     ds, ax
    RING3   user
user:
    mov     eax, [0x80000000]
