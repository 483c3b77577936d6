# Paging: two levels, large pages, PAE with NX, write protection, accessed and dirty bits, error
# codes, stale translations (SDM 3A chapter 4). No check depends on what a processor may, but
# need not, keep in its TLB.

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "paging"
    .include "boot.inc"
    .include "lib.inc"

    .include "window.inc"
    .equ CR4_PSE, 0x10
    .equ CR4_PAE, 0x20
    .equ CR4_PGE, 0x80
    .equ MSR_EFER, 0xC0000080
    .equ EFER_NXE, 0x800
    .equ LARGE_FRAME, 0x400000

    .bss
    .balign 32
pdpt:           .skip 32
    .text

main:
    mov     dword ptr [FRAME], 0x11111111
    mov     dword ptr [FRAME + 0xFFC], 0x11111111
    mov     dword ptr [FRAME + 0x1000], 0x22222222
    mov     dword ptr [FRAME2], 0x33333333
    mov     byte ptr [FRAME + 0x800], 0xC3          # RET
    call    map_two_level
    call    rights_user
    call    rights_supervisor
    call    accessed_dirty
    call    crossings
    call    stale
    call    large_pages
    call    global_pages
    call    descriptor_tables
    call    rights_table
    call    implicit_accesses
    call    vm86_accesses
    call    leave_paging
    call    pae
    jmp     finish

    .include "paging-legacy.inc"
    .include "paging-crossing.inc"
    .include "paging-implicit.inc"
    .include "paging-pae.inc"
